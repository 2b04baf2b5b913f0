#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

/* All objects of a text, one a line, as flow text; errors as "!LINE:COLUMN text". */
static char *
read_all(const char *text, size_t size)
{
    Diags *diags = diags_new();
    GString *out = g_string_new(NULL);
    DocReader *reader = doc_reader_new(diags, "t", text, size);
    const DocNode *root;
    while ((root = doc_reader_next(reader))) {
        doc_write_flow(root, out);
        g_string_append_c(out, '\n');
    }
    char *errors = said(diags, DIAG_ERROR);
    for (char *line = errors; line && *line;) {
        char *end = strchr(line, '\n');
        if (g_str_has_prefix(line, "t:"))
            g_string_append_printf(out, "!%.*s\n", (int)(end - line - 2), line + 2);
        line = end + 1;
    }
    free(errors);
    doc_reader_free(reader);
    diags_free(diags);
    return g_string_free(out, FALSE);
}

static void
check_read(const char *text, const char *want)
{
    g_autofree char *got = read_all(text, strlen(text));
    T_EQ_STR(got, want);
}

static void
test_same_trees(void)
{
    check_read("a: 1\nb: [x, 'y z', null]\nc: {d: true}\n", "{a: 1, b: [x, \"y z\", null], c: {d: true}}\n");
    check_read("{\"a\": 1, \"b\": [\"x\", \"y z\", null],\n \"c\": {\"d\": true}}",
               "{a: 1, b: [x, \"y z\", null], c: {d: true}}\n");
    check_read("{\"s\": \"\\u00e9\\ud83d\\ude00\\n\"}", "{s: \"\xc3\xa9\xf0\x9f\x98\x80\n\"}\n");
    check_read("a: 1\n---\n# nothing\n---\nb: 2\n...\n", "{a: 1}\n{b: 2}\n");
    check_read("{\"a\": 1} {\"b\": 2}", "{a: 1}\n{b: 2}\n");
    check_read("{a: 1}", "{a: 1}\n");
    check_read("", "");
}

static void
test_lists(void)
{
    check_read("kind: List\nitems:\n- {a: 1}\n- {b: 2}\n", "{a: 1}\n{b: 2}\n");
    check_read("apiVersion: v1\nitems:\n- {a: 1}\n- {b: 2}\nkind: List\nmetadata: {}\n---\nc: 3\n",
               "{a: 1}\n{b: 2}\n{c: 3}\n");
    check_read("{\"items\": [{\"a\": 1}, {\"b\": 2}], \"kind\": \"List\"}", "{a: 1}\n{b: 2}\n");
    check_read("{\"items\": [], \"kind\": \"List\"}", "");
    check_read("kind: Menu\nitems: [{a: 1}]\n", "{kind: Menu, items: [{a: 1}]}\n");
    check_read("items: [{a: 1}]\nkind: Menu\n",
               "{a: 1}\n!1:1: error: items in an object of kind Menu, want kind: List\n");
    check_read("kind: List\nitems: [7, {a: 1}]\n", "{a: 1}\n!2:9: error: items must be objects\n");
}

static void
test_anchors(void)
{
    check_read("a: &x {k: v}\nb: *x\nc: {<<: *x, k2: w}\n", "{a: {k: v}, b: {k: v}, c: {k2: w, k: v}}\n");
    check_read("kind: List\nitems:\n- {a: &x [1, 2]}\n- {b: *x}\n", "{a: [1, 2]}\n{b: [1, 2]}\n");
    check_read("a: *x\n", "!1:4: error: alias *x has no anchor &x before it\n");
    check_read("a: &x [*x]\n", "!1:8: error: alias *x has no anchor &x before it\n");
    /* A billion laughs. */
    g_autoptr(GString) bomb = g_string_new("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        g_string_append_printf(bomb, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++)
            g_string_append_printf(bomb, "%s*a%d", k ? ", " : "", i - 1);
        g_string_append(bomb, "]\n");
    }
    g_autofree char *got = read_all(bomb->str, bomb->len);
    T_TRUE(strstr(got, "of this document") != NULL);
}

static void
test_errors(void)
{
    check_read("a: 1\na: 2\n", "{a: 1, a: 2}\n!2:1: error: duplicate key \"a\"\n");
    check_read("{\"a\": 1,\n \"a\": 2}", "{a: 1, a: 2}\n!2:2: error: duplicate key \"a\"\n");
    check_read("{\"a\": 01}", "!1:7: error: JSON: want a number without leading zeros, found '0'\n");
    check_read("{\"a\": 1,}", "!1:9: error: JSON: want another entry after ',', found '}'\n");
    check_read("{\"a\": \"x", "!1:7: error: string without an end\n");
    check_read("{\"a\": tru}", "!1:7: error: JSON: want a value, found 't'\n");
    check_read("{\"a\": [1", "!1:9: error: JSON ends too early, want ',' or ']'\n");
    check_read("{\"a\": \"\xff\"}", "!1:8: error: JSON: want valid UTF-8, found byte 0xff\n");
    check_read("{\"a\": \"\\ud800\"}", "!1:14: error: JSON: want the second half of a surrogate pair, found '\"'\n");
    check_read("a: [1, 2\n---\nb: 2\n",
               "{b: 2}\n!2:1: error: YAML: did not find expected ',' or ']', while parsing a flow sequence\n");
    check_read("? [a]\n: b\n---\nb: 2\n", "{b: 2}\n!1:3: error: a key must be a text, this is a list\n");
    check_read("- a\n---\nb: 2\n", "{b: 2}\n!1:1: error: a document must be an object (a mapping), this is a list\n");
    check_read("plain\n", "!1:1: error: a document must be an object (a mapping), this is a text\n");
    check_read("a: \"x\xff\"\n", "!1:6: error: not a text file: invalid leading UTF-8 octet (0xff)\n");
    check_read("a: x\x01\n", "!1:5: error: not a text file: control characters are not allowed (0x01)\n");
}

static void
test_nul(void)
{
    static const char yaml[] = "a: b\0c\n", json[] = "{\"a\": \"b\0c\"}", escaped[] = "{\"a\": \"b\\u0000\"}";
    g_autofree char *a = read_all(yaml, sizeof yaml - 1);
    g_autofree char *b = read_all(json, sizeof json - 1);
    g_autofree char *c = read_all(escaped, sizeof escaped - 1);
    T_TRUE(strstr(a, "control characters") != NULL);
    T_TRUE(strstr(b, "control characters") != NULL);
    T_TRUE(strstr(c, "NUL character") != NULL);
}

static void
test_limits(void)
{
    for (int json = 0; json < 2; json++) {
        g_autoptr(GString) deep = g_string_new(json ? "{\"a\": " : "a: ");
        for (int i = 0; i < 100000; i++)
            g_string_append_c(deep, '[');
        g_autofree char *got = read_all(deep->str, deep->len);
        T_TRUE(strstr(got, "nested deeper than 64 levels") != NULL);

        g_autoptr(GString) wide = g_string_new(json ? "{\"a\": [1" : "a: [1");
        for (uint32_t i = 0; i < DOC_MAX_ITEMS; i++)
            g_string_append(wide, ",1");
        g_string_append(wide, json ? "]}" : "]");
        g_autofree char *got_wide = read_all(wide->str, wide->len);
        T_TRUE(strstr(got_wide, "more than 100000 entries") != NULL);

        g_autoptr(GString) big = g_string_new("{\"a\": \"");
        for (uint32_t i = 0; i <= DOC_MAX_SCALAR; i++)
            g_string_append_c(big, 'x');
        g_string_append(big, "\"}");
        if (!json)
            g_string_erase(big, 0, 1), g_string_truncate(big, big->len - 1);
        g_autofree char *got_big = read_all(big->str, big->len);
        T_TRUE(strstr(got_big, "is longer than") != NULL);
    }
}

static void
test_scalars(void)
{
    static const char text[] = "a: 0x1F\nb: 017\nc: 1_000\nd: yes\ne: 'yes'\nf: 0o17\ng: -5\nh: 9223372036854775808\n"
                               "i: 0b101\nj: 1.5\nk: '5'\nl: 100m\nm: ~\n";
    Diags *diags = diags_new();
    DocReader *reader = doc_reader_new(diags, "t", text, strlen(text));
    const DocNode *root = doc_reader_next(reader);
    T_EQ_I64(node_int(diags, root, "a", -1, 0, 100), 31);
    T_EQ_I64(node_int(diags, root, "b", -1, 0, 100), 15);
    T_EQ_I64(node_int(diags, root, "c", -1, 0, 10000), 1000);
    T_TRUE(node_bool(diags, root, "d", false));
    T_TRUE(node_is_string(node_get(root, "e")) && !node_is_string(node_get(root, "d")));
    T_EQ_I64(node_int(diags, root, "f", -1, 0, 100), 15);
    T_EQ_I64(node_int(diags, root, "g", -1, -10, 100), -5);
    T_EQ_I64(node_int(diags, root, "i", -1, 0, 100), 5);
    T_TRUE(node_is_number(node_get(root, "j")) && node_is_string(node_get(root, "l")));
    T_TRUE(node_double(diags, root, "j", 0, 0, 2) == 1.5);
    T_TRUE(node_get(root, "m") == NULL);
    T_EQ_U64(diags_errors(diags), 0);
    T_EQ_I64(node_int(diags, root, "h", -1, 0, 100), -1);
    T_EQ_I64(node_int(diags, root, "k", -1, 0, 100), -1);
    T_EQ_I64(node_int(diags, root, "j", -1, 0, 100), -1);
    T_EQ_U64(diags_errors(diags), 3);
    doc_reader_free(reader);
    diags_free(diags);
}

static void
test_paths(void)
{
    Diags *diags = diags_new();
    DocArena arena = {0};
    g_autoptr(GString) text = g_string_new(NULL);
    doc_write_flow(doc_from_path(diags, &arena, (Mark){0}, "spec.ports[1].port", "8080"), text);
    T_EQ_STR(text->str, "{spec: {ports: [null, {port: 8080}]}}");
    g_string_truncate(text, 0);
    doc_write_flow(doc_from_path(diags, &arena, (Mark){0}, "metadata.annotations[a.b/c]", "\"7\""), text);
    T_EQ_STR(text->str, "{metadata: {annotations: {a.b/c: 7}}}");
    g_string_truncate(text, 0);
    doc_write_flow(doc_from_path(diags, &arena, (Mark){0}, "spec", "{a: [1, 2]}"), text);
    T_EQ_STR(text->str, "{spec: {a: [1, 2]}}");
    T_EQ_U64(diags_errors(diags), 0);
    T_TRUE(!doc_from_path(diags, &arena, (Mark){0}, "spec..x", "1"));
    T_TRUE(!doc_from_path(diags, &arena, (Mark){0}, "spec.", "1"));
    T_TRUE(!doc_from_path(diags, &arena, (Mark){0}, "spec", "{a: [1"));
    T_EQ_U64(diags_errors(diags), 3);
    doc_arena_clear(&arena);
    diags_free(diags);
}

/* Each byte at each place of a text: what it makes of the object, or the complaint at its column. */
static void
test_json_bytes(void)
{
    for (int at = 0; at < 20; at++)
        for (int byte = 1; byte < 256; byte++) {
            char text[] = "{\"a\": \"xxxxxxxxxxxxxxxxxxxx\"}", value[] = "xxxxxxxxxxxxxxxxxxxx";
            g_autofree char *want = NULL;
            text[7 + at] = value[at] = (char)byte;
            if (byte == '"')
                want =
                    g_strdup_printf("!1:%d: error: JSON: want ',' or '}', found '%s\n", 9 + at, at < 19 ? "x'" : "\"'");
            else if (byte == '\\' && at == 19)
                want = g_strdup("!1:7: error: string without an end\n");
            else if (byte == '\\')
                want = g_strdup_printf("!1:%d: error: JSON: want an escape: \\\" \\\\ \\/ \\b \\f \\n \\r \\t "
                                       "\\uXXXX, found '\\'\n",
                                       8 + at);
            else if (byte < ' ' || byte > 0x7f)
                want = g_strdup_printf("!1:%d: error: JSON: want %s, found byte 0x%02x\n", 8 + at,
                                       byte < ' ' ? "no control characters in a string" : "valid UTF-8", byte);
            else
                want = g_strdup_printf(g_ascii_isalnum(byte) || strchr("./_-:+*", byte) ? "{a: %s}\n" : "{a: \"%s\"}\n",
                                       value);
            check_read(text, want);
        }
}

static void
test_json_spaces(void)
{
    for (int n = 0; n < 40; n++) {
        g_autofree char *text =
            g_strdup_printf("{%*s\"a\"%*s:\t%*s1\r\n%*s%s", n, "", n, "", n, "", n, "", n % 2 ? "}" : "x}");
        g_autofree char *want =
            n % 2 ? g_strdup("{a: 1}\n") : g_strdup_printf("!2:%d: error: JSON: want ',' or '}', found 'x'\n", n + 1);
        check_read(text, want);
    }
}

const TestSuite suite_doc = {
    "model/doc",
    {{"YAML and JSON give the same trees", test_same_trees},
     {"items of lists come one by one, wherever the kind stands", test_lists},
     {"anchors, aliases and merge keys expand, within limits", test_anchors},
     {"syntax errors have their place and do not hide the next document", test_errors},
     {"each byte of a JSON text is taken or refused at its place", test_json_bytes},
     {"spaces in JSON are counted", test_json_spaces},
     {"NUL characters are refused", test_nul},
     {"depth, width and length are limited", test_limits},
     {"scalars mean what they mean to kubectl", test_scalars},
     {"a field path becomes a tree", test_paths}},
};
