#include "sim/engine/rng.h"
#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

static void
check_print(Diags *diags, DiagLevel least, const char *want)
{
    char *got = said(diags, least);
    T_EQ_STR(got, want);
    free(got);
}

static void
test_caret(void)
{
    static const char text[] = "kind: Service\nspec:\n  externalTrafficPolcy: Local\n";
    static const char *const known[] = {"clusterIP", "externalTrafficPolicy", NULL};
    Diags *diags = diags_new();
    uint16_t file = (uint16_t)diags_add_file(diags, "shop.yaml", text, strlen(text));

    diag(diags, DIAG_NOTE, (Mark){.file = file, .line = 1, .column = 1}, "only on demand");
    diag(diags, DIAG_ERROR, (Mark){.file = file, .line = 3, .column = 3, .length = 20}, "unknown field");
    diag_did_you_mean(diags, "externalTrafficPolcy", known);
    diag_note(diags, (Mark){.file = file, .line = 1, .column = 7}, "of this");
    diag(diags, DIAG_WARNING, (Mark){.file = file, .line = 1, .column = 7}, "later, but further up");
    check_print(diags, DIAG_WARNING,
                "shop.yaml:1:7: warning: later, but further up\n"
                "    1 | kind: Service\n"
                "      |       ^\n"
                "shop.yaml:3:3: error: unknown field\n"
                "    3 |   externalTrafficPolcy: Local\n"
                "      |   ^~~~~~~~~~~~~~~~~~~~\n"
                "         hint: did you mean \"externalTrafficPolicy\"?\n"
                "         note: of this (shop.yaml:1:7)\n");
    T_EQ_U64(diags_errors(diags), 1);
    T_EQ_U64(diags_warnings(diags), 1);
    diags_free(diags);
}

static void
test_long_line(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (int i = 0; i < 100000; i++)
        g_string_append(text, i == 70000 ? "X" : "é");
    Diags *diags = diags_new();
    uint16_t file = (uint16_t)diags_add_file(diags, "long.json", text->str, text->len);
    diag(diags, DIAG_ERROR, (Mark){.file = file, .line = 1, .column = 70001}, "here");
    char *got = said(diags, DIAG_ERROR);
    const char *source = strstr(got, "| ..."), *caret = strstr(got, "      | ");
    T_TRUE(source && caret && strlen(got) < 600);
    /* The caret is under the X: equal numbers of characters before both. */
    const char *x = strchr(source, 'X'), *hat = strchr(caret, '^');
    T_TRUE(x && hat && g_utf8_pointer_to_offset(source, x) == g_utf8_pointer_to_offset(caret + 6, hat));
    free(got);
    diags_free(diags);
}

static void
test_limit(void)
{
    Diags *diags = diags_new();
    uint16_t file = (uint16_t)diags_add_file(diags, "many", "x\n", 2);
    for (int i = 0; i < DIAG_MAX + 7; i++) {
        diag(diags, DIAG_ERROR, (Mark){.file = file}, "fault");
        diag_hint(diags, "not lost");
    }
    char *got = said(diags, DIAG_ERROR);
    T_TRUE(strstr(got, "many: 7 more errors not shown\n") != NULL);
    T_EQ_U64(diags_errors(diags), DIAG_MAX + 7);
    free(got);
    diags_free(diags);
}

static void
test_closest(void)
{
    static const char *const words[] = {"connect", "load", "resolve", "patch", "port", NULL};
    T_EQ_STR(closest_word("conect", words), "connect");
    T_EQ_STR(closest_word("Patch", words), "patch");
    T_EQ_STR(closest_word("laod", words), "load");
    T_EQ_STR(closest_word("zzz", words), NULL);
    T_EQ_STR(closest_word("", words), NULL);
}

/* The whole table of distances, with nothing left out. */
static uint32_t
naive_distance(const char *a, const char *b)
{
    uint32_t d[16][16];
    size_t n = strlen(a), m = strlen(b);
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            uint32_t best = (uint32_t)(i == 0 ? j : j == 0 ? i : 99);
            if (i && j) {
                best = MIN(d[i - 1][j], d[i][j - 1]) + 1;
                best = MIN(best, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            }
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    return d[n][m];
}

static void
test_closest_as_naive(void)
{
    Rng rng = rng_stream(5, "words", "letters");
    uint32_t n_found = 0;
    for (uint32_t round = 0; round < 20000; round++) {
        char words[2][16];
        for (uint32_t w = 0; w < 2; w++) {
            uint32_t length = 1 + (uint32_t)rng_below(&rng, 12);
            for (uint32_t i = 0; i < length; i++)
                words[w][i] = (char)('a' + rng_below(&rng, 3));
            words[w][length] = '\0';
        }
        size_t n = strlen(words[0]), m = strlen(words[1]);
        uint32_t limit = n <= 2 ? 1 : n <= 5 ? 2 : 3, d = naive_distance(words[0], words[1]);
        bool near = d <= limit && d < MAX(n, m);
        const char *const known[] = {words[1], NULL};
        if ((closest_word(words[0], known) != NULL) != near)
            T_EQ_STR(words[0], words[1]);
        n_found += near;
    }
    T_TRUE(n_found > 1000);
}

const TestSuite suite_diag = {
    "model/diag",
    {{"a diagnostic shows its line, a caret, hints and notes, in order of place", test_caret},
     {"a long line is cut around the column", test_long_line},
     {"more than the limit are counted", test_limit},
     {"the closest word is found or none", test_closest},
     {"... as by the whole table of distances", test_closest_as_naive}},
};
