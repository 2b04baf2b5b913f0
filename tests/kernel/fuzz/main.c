/* kernel_fuzz [-n CASES] [-t SECONDS] [-s SEED] [-k rules|tracking] [-v]: see fuzz.h
 *
 * Differences left on purpose, which the generator therefore does not make or the comparison masks:
 *   - ports drawn at random (--random, --random-fully, port ranges of SNAT, clashes) are compared as "some port";
 *   - nfacct, -m socket;
 *   - statistic --mode random with a probability between 0 and 1, numgen random with more than one way;
 *   - IPv4's own rate of errors about unreachable routes (ip_error()) is modelled, but its state outlives a case. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "tests/kernel/fuzz/fuzz.h"

#define DEFAULT_CASES 100

typedef struct {
    FuzzKernel *kernel;
    uint32_t n_plays; /* Each gives the simulator other draws: by chance one of them equals a port of the case. */
    uint64_t n_packets, n_refused;
    bool verbose;
} Fuzz;

static bool differs(Fuzz *fuzz, const FuzzCase *c, bool print);
static bool line_equal(const char *a, const char *b);
static void shrink(Fuzz *fuzz, FuzzCase *c);
static void print_text(char *text);
static void print_case(const FuzzCase *c);
static void print_difference(const FuzzView *kernel, const FuzzView *sim);

int
main(int argc, char **argv)
{
    Fuzz fuzz = {0};
    uint64_t seed = 1, n = DEFAULT_CASES, n_failed = 0, i;
    FuzzKind kind = FUZZ_ANY;
    const char *why;
    gint64 end = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int arg = 1; arg < argc; arg++) {
        if (strcmp(argv[arg], "-n") == 0 && arg + 1 < argc)
            n = g_ascii_strtoull(argv[++arg], NULL, 10);
        else if (strcmp(argv[arg], "-t") == 0 && arg + 1 < argc)
            end = g_get_monotonic_time() + (gint64)g_ascii_strtoull(argv[++arg], NULL, 10) * G_USEC_PER_SEC;
        else if (strcmp(argv[arg], "-s") == 0 && arg + 1 < argc)
            seed = g_ascii_strtoull(argv[++arg], NULL, 10);
        else if (strcmp(argv[arg], "-k") == 0 && arg + 1 < argc)
            kind = strcmp(argv[++arg], "rules") == 0 ? FUZZ_RULES : FUZZ_TRACKING;
        else if (strcmp(argv[arg], "-v") == 0)
            fuzz.verbose = true;
        else
            return fprintf(stderr, "usage: kernel_fuzz [-n CASES] [-t SECONDS] [-s SEED] [-k rules|tracking] [-v]\n"),
                   2;
    }
    fuzz.kernel = fuzz_kernel_new(&why);
    if (!fuzz.kernel) {
        printf("SKIP kernel_fuzz: %s\n0 passed, 0 failed, 1 skipped\n", why);
        return 0;
    }
    if (end && n == DEFAULT_CASES)
        n = UINT64_MAX;
    for (i = 0; i < n && n_failed < 20 && (!end || g_get_monotonic_time() < end); i++) {
        FuzzCase *c = fuzz_case_new(seed + i, kind);

        if (fuzz.verbose)
            print_case(c);
        fuzz.n_packets += c->steps->len;
        /* Once more: a packet that a busy machine delayed is no difference. */
        if (differs(&fuzz, c, fuzz.verbose) && differs(&fuzz, c, false) && differs(&fuzz, c, false)) {
            n_failed++;
            shrink(&fuzz, c);
            printf("FAIL seed %" G_GUINT64_FORMAT ", reduced:\n", c->seed);
            print_case(c);
            differs(&fuzz, c, true);
            fflush(stdout);
        }
        fuzz_case_free(c);
    }
    printf("seeds %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ": ", seed, seed + i - 1);
    printf("%" G_GUINT64_FORMAT " rule sets, %" G_GUINT64_FORMAT " packets; %" G_GUINT64_FORMAT
           " rule sets that neither side takes\n",
           i, fuzz.n_packets, fuzz.n_refused);
    printf("%" G_GUINT64_FORMAT " passed, %" G_GUINT64_FORMAT " failed, 0 skipped\n", i - n_failed, n_failed);
    fuzz_kernel_free(fuzz.kernel);
    return n_failed ? 1 : 0;
}

static bool
differs(Fuzz *fuzz, const FuzzCase *c, bool print)
{
    FuzzView *kernel = fuzz_kernel_play(fuzz->kernel, c), *sim = fuzz_sim_play(c, fuzz->n_plays++);
    bool result = kernel->failed != sim->failed || (!kernel->failed && kernel->lines->len != sim->lines->len);

    fuzz->n_refused += kernel->failed && sim->failed;
    if (kernel->failed && sim->failed)
        fprintf(stderr, "%s/%s", (char *)kernel->lines->pdata[0], (char *)sim->lines->pdata[0]);
    for (guint i = 0; !result && !kernel->failed && i < kernel->lines->len; i++)
        result = !line_equal(kernel->lines->pdata[i], sim->lines->pdata[i]);
    if (print)
        print_difference(kernel, sim);
    fuzz_view_free(kernel);
    fuzz_view_free(sim);
    return result;
}

/* Connections: the time left may differ by what passed. */
static bool
line_equal(const char *a, const char *b)
{
    const char *left_a = strstr(a, "ct:") ? strstr(a, " left ") : NULL, *left_b = strstr(b, " left ");

    if (left_a && left_b)
        return left_a - a == left_b - b && strncmp(a, b, (size_t)(left_a - a)) == 0 &&
               labs(atol(left_a + 6) - atol(left_b + 6)) <= 4;
    return strcmp(a, b) == 0;
}

/* Drops rules and steps, in chunks that get smaller, while a difference remains. */
static void
shrink(Fuzz *fuzz, FuzzCase *c)
{
    for (int round = 0, progress = 1; progress && round < 4; round++) {
        GArray *arrays[] = {c->steps, c->rules};
        progress = 0;
        for (int a = 0; a < 2; a++) {
            GArray *array = arrays[a];
            if (c->tracking && array == c->rules)
                continue; /* They only count; without them nothing is tracked. */
            guint size = g_array_get_element_size(array);
            for (guint chunk = MAX(array->len / 2, 1);; chunk /= 2) {
                for (guint at = array->len; at > 0;) {
                    guint n = MIN(chunk, at);
                    g_autofree void *kept = g_memdup2(array->data + (at - n) * size, (gsize)n * size);
                    at -= n;
                    g_array_remove_range(array, at, n);
                    if (differs(fuzz, c, false)) {
                        progress = 1; /* A removed rule's text stays with the process: findings are few. */
                    } else {
                        g_array_insert_vals(array, at, kept, n);
                    }
                }
                if (chunk <= 1)
                    break;
            }
        }
    }
}

/* Without what is empty. */
static void
print_text(char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (char **line = lines; *line; line++)
        if (strstr(*line, "DROP [") || strstr(*line, "-A ") || strstr(*line, "counter") || **line == '*' ||
            strstr(*line, "\tchain "))
            puts(*line);
}

static void
print_case(const FuzzCase *c)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GError *error = NULL;

    if (!fuzz_print_rules(text, c, &error))
        g_string_append_printf(text, "%s\n", error ? error->message : "not read");
    g_clear_error(&error);
    print_text(text->str);
    for (guint i = 0; i < c->sysctls->len; i++)
        printf("  %s\n", (char *)c->sysctls->pdata[i]);
    for (guint i = 0; i < c->steps->len; i++) {
        const FuzzStep *s = &g_array_index(c->steps, FuzzStep, i);
        char src[IPADDR_STR_SIZE], dst[IPADDR_STR_SIZE];

        if (s->kind == STEP_WAIT)
            printf("  step %u: wait %u ms\n", i, s->len);
        else if (s->kind == STEP_PACKET)
            printf("  step %u: from %s: %s.%u > %s.%u proto %u ttl %u flags %02x chunk %u seq %u ack %u win %u mss %u "
                   "wscale "
                   "%u sack %d %u-%u len %u icmp %u%s\n",
                   i, s->from == FUZZ_ROUTER ? "router" : fuzz_dev_names[s->from], ipaddr_format(s->src, src), s->sport,
                   ipaddr_format(s->dst, dst), s->dport, s->proto, s->ttl, s->tcp_flags, s->chunk, s->seq, s->ack,
                   s->no_window ? 0 : s->window, s->mss, s->wscale, s->sack_permitted, s->sack[0], s->sack[1], s->len,
                   s->icmp_type, s->bad_checksum ? " bad checksum" : "");
        else
            printf("  step %u: %s of output -%u: flags %02x chunk %u seq %u ack %u len %u%s\n", i,
                   s->kind == STEP_REPLY ? "reply" : "error", s->ref + 1, s->tcp_flags, s->chunk, s->seq, s->ack,
                   s->len, s->bad_checksum ? " bad checksum" : "");
    }
}

static void
print_difference(const FuzzView *kernel, const FuzzView *sim)
{
    guint i = 0, j = 0;

    printf("  - kernel%s, + simulator%s\n", kernel->failed ? " (refused)" : "", sim->failed ? " (refused)" : "");
    if (kernel->failed || sim->failed) {
        for (i = 0; kernel->failed && i < kernel->lines->len; i++)
            printf("  - %s\n", (const char *)kernel->lines->pdata[i]);
        for (i = 0; sim->failed && i < sim->lines->len; i++)
            printf("  + %s\n", (const char *)sim->lines->pdata[i]);
        return;
    }
    /* Plain: lines of one side that the other has no more of are shown where they stand. */
    while (i < kernel->lines->len || j < sim->lines->len) {
        const char *a = i < kernel->lines->len ? kernel->lines->pdata[i] : NULL;
        const char *b = j < sim->lines->len ? sim->lines->pdata[j] : NULL;
        guint ahead = 0;

        if (a && b && line_equal(a, b)) {
            if (strncmp(a, "rules: ", 7) != 0)
                printf("    %s\n", a);
            i++, j++;
            continue;
        }
        for (guint k = j; a && k < sim->lines->len && !ahead; k++)
            ahead = line_equal(a, sim->lines->pdata[k]) ? k - j : 0;
        if (a && !ahead)
            printf("  - %s\n", a), i++;
        else
            printf("  + %s\n", b), j++;
    }
}
