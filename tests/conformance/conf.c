#include "tests/conformance/conf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool
conf_wants(const Conf *conf, const char *name)
{
    return strstr(name, conf->filter) != NULL;
}

static void
fail(Conf *conf, const char *name, const char *text)
{
    conf->failed++;
    printf("FAIL %s%s%s\n", name, text[0] ? ": " : "", text);
}

static char *
temp_file(const char *text)
{
    char *path = NULL;
    int fd = g_file_open_tmp("svcsim-conf-XXXXXX", &path, NULL);

    if (fd >= 0)
        close(fd);
    g_file_set_contents(path, text, -1, NULL);
    return path;
}

static void
print_diff(const char *got, const char *want)
{
    g_autofree char *a = temp_file(want), *b = temp_file(got);
    g_autofree char *command = g_strdup_printf("diff -U1 --label want --label got %s %s | head -n 24", a, b);

    fflush(stdout);
    if (system(command) < 0)
        perror("diff");
    unlink(a);
    unlink(b);
}

void
conf_text(Conf *conf, const char *name, const char *got, const char *want)
{
    if (strcmp(got, want) == 0) {
        conf->passed++;
        return;
    }
    fail(conf, name, "");
    print_diff(got, want);
}

void
conf_true(Conf *conf, const char *name, bool ok, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (ok) {
        conf->passed++;
        return;
    }
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    fail(conf, name, text);
}

void
conf_skip(Conf *conf, const char *name, const char *why)
{
    conf->skipped++;
    printf("SKIP %s: %s\n", name, why);
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
conf_list(const char *dir, const char *suffix)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GDir *handle = g_dir_open(dir, 0, NULL);
    const char *name;

    while (handle && (name = g_dir_read_name(handle)))
        if (g_str_has_suffix(name, suffix))
            g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(suffix)));
    if (handle)
        g_dir_close(handle);
    g_ptr_array_sort(names, compare_names);
    return names;
}

char *
conf_read(const char *path)
{
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

char *
conf_sorted_lines(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (char **line = lines; *line; line++)
        if ((*line)[0])
            g_ptr_array_add(sorted, *line);
    g_ptr_array_sort(sorted, compare_names);
    g_ptr_array_add(sorted, (char *)"");
    g_ptr_array_add(sorted, NULL);
    return g_strjoinv("\n", (char **)sorted->pdata);
}

/* --- Expectation documents --------------------------------------------------------------------------------------- */

ConfDocs *
conf_docs_open(const char *path)
{
    ConfDocs *docs = g_new0(ConfDocs, 1);

    docs->diags = diags_new();
    docs->readers = g_ptr_array_new_with_free_func((GDestroyNotify)doc_reader_free);
    docs->roots = g_ptr_array_new();
    /* A reader keeps one tree at a time: reader i stops at document i. */
    for (guint i = 0;; i++) {
        DocReader *reader = doc_reader_open(docs->diags, path);
        DocNode *root = NULL;
        if (!reader)
            break;
        g_ptr_array_add(docs->readers, reader);
        for (guint j = 0; j <= i; j++)
            root = doc_reader_next(reader);
        if (!root)
            break;
        g_ptr_array_add(docs->roots, root);
    }
    return docs;
}

void
conf_docs_free(ConfDocs *docs)
{
    g_ptr_array_unref(docs->readers);
    g_ptr_array_unref(docs->roots);
    diags_free(docs->diags);
    g_free(docs);
}

const DocNode *
conf_docs_kind(const ConfDocs *docs, const char *kind)
{
    for (guint i = 0; i < docs->roots->len; i++) {
        const DocNode *root = docs->roots->pdata[i];
        if (g_strcmp0(node_str(docs->diags, root, "kind", ""), kind) == 0)
            return root;
    }
    return NULL;
}
