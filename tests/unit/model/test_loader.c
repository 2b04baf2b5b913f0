#include <glib/gstdio.h>

#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

#define ERRORS_DIR "tests/corpus/errors/"

/* UPDATE=1 rewrites the expected text. */
static void
check_golden(const char *input_path, const char *golden_path)
{
    Input *input = input_load(&input_path, 1);
    char *got = said(input->diags, DIAG_WARNING);
    g_autofree char *want = NULL;
    if (g_getenv("UPDATE"))
        g_file_set_contents(golden_path, got, -1, NULL);
    if (test_check(g_file_get_contents(golden_path, &want, NULL, NULL), __LINE__, __FILE__, __func__, "cannot read %s",
                   golden_path))
        T_EQ_STR(got, want);
    T_TRUE(diags_errors(input->diags) >= 30);
    free(got);
    input_free(input);
}

static void
test_thirty_faults(void)
{
    check_golden(ERRORS_DIR "thirty-faults.yaml", ERRORS_DIR "thirty-faults.expected");
}

static void
test_unreadable(void)
{
    static const char *const paths[] = {"tests/no-such-file.yaml", "tests"};
    Input *input = input_load(paths, 2);
    char *got = said(input->diags, DIAG_ERROR);
    T_EQ_STR(got, "tests/no-such-file.yaml: error: cannot read: No such file or directory\n"
                  "tests: error: cannot read: Is a directory\n");
    free(got);
    input_free(input);
}

static void
test_includes(void)
{
    g_autofree char *dir = g_dir_make_tmp("svcsim-XXXXXX", NULL);
    g_autofree char *main_path = g_build_filename(dir, "main.yaml", NULL);
    g_autofree char *sub_path = g_build_filename(dir, "sub.yaml", NULL);
    g_file_set_contents(main_path, "apiVersion: svcsim/v1\nkind: Scenario\nspec: {include: [sub.yaml, ./sub.yaml]}\n",
                        -1, NULL);
    g_file_set_contents(sub_path, "apiVersion: v1\nkind: Node\nmetadata: {name: a}\n", -1, NULL);
    /* Each file is read once, however it is named. */
    const char *paths[] = {sub_path, main_path, main_path};
    Input *input = input_load(paths, 3);
    T_EQ_U64(diags_errors(input->diags) + diags_warnings(input->diags), 0);
    T_TRUE(store_get(input->store, KIND_NODE, "", "a") && input->has_scenario && input->n_files == 2);
    input_free(input);
    g_unlink(main_path);
    g_unlink(sub_path);
    g_rmdir(dir);
}

static void
test_raw_list(void)
{
    Input *input = input_load_text("t", "{\"kind\":\"ServiceList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":"
                                        "{\"name\":\"web\"},\"spec\":{\"ports\":[{\"port\":80}]}}]}");
    T_EQ_U64(diags_errors(input->diags), 0);
    T_TRUE(only_object(input, KIND_SERVICE) != NULL);
    input_free(input);
    input = input_load_text("t", "kind: List\napiVersion: v1\nitems:\n- kind: List\n  apiVersion: v1\n  items:\n"
                                 "  - {kind: Node, apiVersion: v1, metadata: {name: a}}\n");
    T_EQ_U64(diags_errors(input->diags), 0);
    T_TRUE(only_object(input, KIND_NODE) != NULL);
    input_free(input);
}

/* Damaged input must be read to the end without a crash, and what is said must be printable. */
static void
mutate(GRand *rand, GString *text)
{
    static const char *const pieces[] = {"\"",   "'",       "{",          "}",  "[",      "]",    ":",  "- ",
                                         "\n",   "\n---\n", "&a",         "*a", "!!int",  "\t",   "|",  ">",
                                         "\\u0", "\xc3",    "\xff",       "#",  "<<: *a", "null", "-1", "1e999",
                                         "? ",   "items:",  "kind: List", "~",  ",",      "  "};
    int n = g_rand_int_range(rand, 1, 8);
    for (int i = 0; i < n && text->len; i++) {
        gsize at = (gsize)g_rand_int_range(rand, 0, (gint32)text->len);
        switch (g_rand_int_range(rand, 0, 5)) {
        case 0:
            g_string_insert(text, (gssize)at, pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))]);
            break;
        case 1: {
            gsize length = (gsize)g_rand_int_range(rand, 1, 40);
            g_string_erase(text, (gssize)at, (gssize)MIN(text->len - at, length));
            break;
        }
        case 2:
            text->str[at] = (char)g_rand_int_range(rand, 0, 256);
            break;
        case 3:
            g_string_truncate(text, at);
            break;
        case 4: {
            g_autofree char *part = g_strndup(text->str + at, MIN(text->len - at, 60));
            g_string_insert(text, g_rand_int_range(rand, 0, (gint32)text->len), part);
            break;
        }
        }
    }
}

static void
test_mutations(void)
{
    static const char *const seeds[] = {"tests/corpus/input/every-kind.yaml", ERRORS_DIR "thirty-faults.yaml",
                                        "tests/corpus/input/small.json"};
    const char *rounds_text = g_getenv("FUZZ_ROUNDS"), *seed_text = g_getenv("FUZZ_SEED");
    int rounds = rounds_text ? atoi(rounds_text) : 150;
    uint32_t seed = seed_text ? (uint32_t)strtoul(seed_text, NULL, 10) : g_random_int();
    GRand *rand = g_rand_new_with_seed(seed);
    for (size_t s = 0; s < G_N_ELEMENTS(seeds); s++) {
        g_autofree char *original = NULL;
        gsize size;
        T_TRUE(g_file_get_contents(seeds[s], &original, &size, NULL));
        for (int i = 0; original && i < rounds; i++) {
            GString *text = g_string_new_len(original, (gssize)size);
            mutate(rand, text);
            Diags *diags = diags_new();
            DocReader *reader = doc_reader_new(diags, "fuzz", text->str, text->len);
            while (doc_reader_next(reader))
                ;
            T_TRUE(doc_reader_bytes(reader) == doc_reader_size(reader));
            doc_reader_free(reader);
            diags_free(diags);
            Input *input = input_load_text("fuzz", text->str);
            char *got = said(input->diags, DIAG_NOTE);
            test_check(g_utf8_validate(got, -1, NULL), __LINE__, __FILE__, __func__, "messages are text, seed %u",
                       seed);
            free(got);
            input_free(input);
            g_string_free(text, TRUE);
        }
    }
    g_rand_free(rand);
}

const TestSuite suite_loader = {
    "model/loader",
    {{"every fault of a terrible file is reported at its place", test_thirty_faults},
     {"files that cannot be read are named", test_unreadable},
     {"includes are relative and read once", test_includes},
     {"raw and nested lists", test_raw_list},
     {"damaged input never crashes the reader", test_mutations}},
};
