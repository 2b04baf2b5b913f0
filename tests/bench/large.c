/* Writes a large cluster and a scenario on it, to be repeated by anyone:
 *
 *   large DIR [nodes services endpoints-per-service connections json|yaml]     (make large LARGE="...")
 *   svcsim run DIR/objects.json DIR/scenario.yaml
 *
 * The objects are what kubectl prints.  In the scenario pods call other Services' clusterIPs for ten seconds. */

#include <errno.h>
#include <string.h>

#include "tests/bench/bench_list.h"

#define N_CALLERS 1000u
#define SECONDS   10u

static bool
write_text(const char *dir, const char *name, GString *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) error = NULL;
    bool ok = g_file_set_contents(path, text->str, (gssize)text->len, &error);

    if (ok)
        printf("%s: %.1f MB\n", path, (double)text->len / 1e6);
    else
        fprintf(stderr, "large: %s\n", error->message);
    g_string_free(text, TRUE);
    return ok;
}

/* Caller c is pod c of the list, which belongs to Service c / endpoints + 1. */
static GString *
scenario(uint32_t n_services, uint32_t n_endpoints, uint32_t n_connections)
{
    GString *out = g_string_new("apiVersion: svcsim/v1\nkind: Scenario\nspec:\n  steps:\n");
    uint32_t n_callers = MIN(N_CALLERS, n_services * n_endpoints);

    for (uint32_t c = 0; c < n_callers; c++) {
        uint32_t pod = (uint32_t)((uint64_t)c * n_services * n_endpoints / n_callers);
        uint32_t own = pod / n_endpoints + 1, other = 1 + (own + n_services / 2) % n_services;
        g_string_append_printf(out,
                               "    - {at: %u.%03us, load: {name: l%u, from: pod/ns%u/svc-%u-7d4b9c6f5-%05x, to: "
                               "service/ns%u/svc-%u, rate: %.3f/s, for: %us}}\n",
                               1 + c / 1000, c % 1000, c, own % 100, own, pod, other % 100, other,
                               (double)n_connections / n_callers / SECONDS, SECONDS);
    }
    g_string_append_printf(out, "  expect:\n    - {load: l0, lost: 0}\n");
    return out;
}

int
main(int argc, char **argv)
{
    uint32_t n[4] = {5000, 10000, 10, 100000};
    bool json = argc < 7 || strcmp(argv[6], "yaml") != 0;

    if (argc < 2) {
        fprintf(stderr, "usage: large DIR [nodes services endpoints-per-service connections json|yaml]\n");
        return 2;
    }
    for (int i = 2; i < argc && i < 6; i++) {
        n[i - 2] = (uint32_t)atoi(argv[i]);
        if (n[i - 2] == 0) {
            fprintf(stderr, "large: \"%s\" is no number above 0\n", argv[i]);
            return 2;
        }
    }
    if (g_mkdir_with_parents(argv[1], 0777) != 0) {
        fprintf(stderr, "large: cannot make the folder %s: %s\n", argv[1], g_strerror(errno));
        return 1;
    }
    return write_text(argv[1], json ? "objects.json" : "objects.yaml", bench_list(json, n[0], n[1], n[2])) &&
                   write_text(argv[1], "scenario.yaml", scenario(n[1], n[2], n[3]))
               ? 0
               : 1;
}
