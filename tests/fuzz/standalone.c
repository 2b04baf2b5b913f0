/* Runs a fuzz target on files and on damaged copies of them, the same ones each time.  Usage: fuzz_NAME [-N] PATH...
 * (a PATH is a file or a folder; N damaged copies of each file, default 50). */

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static unsigned n_runs;

static uint32_t
next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Bytes changed, a piece doubled or the end cut off; sized exactly, so that a read past the end is seen. */
static void
run_damaged(const uint8_t *data, size_t size, uint64_t *state)
{
    size_t cut = size ? next_random(state) % size : 0;
    size_t length = next_random(state) % 3 == 0 ? cut : size;
    g_autofree uint8_t *copy = g_malloc(length ? length : 1);

    memcpy(copy, data, length);
    for (uint32_t n = next_random(state) % 8; length && n > 0; n--)
        copy[next_random(state) % length] =
            next_random(state) % 2 ? (uint8_t)next_random(state) : data[next_random(state) % size];
    LLVMFuzzerTestOneInput(copy, length);
    n_runs++;
}

static void
run_file(const char *path, unsigned copies)
{
    g_autofree char *data = NULL;
    gsize size;
    uint64_t state = g_str_hash(path);

    if (!g_file_get_contents(path, &data, &size, NULL)) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    run_damaged((const uint8_t *)"", 0, &state);
    LLVMFuzzerTestOneInput((const uint8_t *)data, size);
    n_runs++;
    for (unsigned i = 0; i < copies; i++)
        run_damaged((const uint8_t *)data, size, &state);
}

static void
run_path(const char *path, unsigned copies)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    if (!dir) {
        run_file(path, copies);
        return;
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        run_path(file, copies);
    }
}

int
main(int argc, char **argv)
{
    unsigned copies = 50;

    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-')
            copies = (unsigned)strtoul(argv[i] + 1, NULL, 10);
        else
            run_path(argv[i], copies);
    printf("%u inputs\n", n_runs);
    return 0;
}
