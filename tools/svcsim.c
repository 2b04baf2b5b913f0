/* svcsim: the program.  Finds the command and hands over. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#ifndef SVCSIM_VERSION
#define SVCSIM_VERSION "0.1"
#endif

static void
print_help(FILE *out)
{
    const char *group = "";

    fputs("usage: svcsim COMMAND FILE... [options]\n"
          "\n"
          "Simulates how Kubernetes routes Service traffic: real manifests in, real rules compiled, real packets\n"
          "walked through them in virtual time.\n",
          out);
    for (const Command *const *c = commands; *c; c++) {
        if (strcmp(group, (*c)->group) != 0) {
            group = (*c)->group;
            fprintf(out, "\n%s:\n", group);
        }
        fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
    }
    fputs(
        "\nsvcsim COMMAND --help shows a command's options and an example.  A FILE of - is standard input.\n"
        "Exit status: 0 fine; 1 an expectation failed or a difference was found; 2 bad usage or input; 3 our error.\n",
        out);
}

static const Command *
find_command(const char *name)
{
    for (const Command *const *c = commands; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

static int
unknown_command(const char *name)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *near;

    for (const Command *const *c = commands; *c; c++)
        g_ptr_array_add(names, (gpointer)(*c)->name);
    g_ptr_array_add(names, NULL);
    near = closest_word(name, (const char *const *)names->pdata);
    fprintf(stderr, "svcsim: unknown command \"%s\"%s%s%s (svcsim --help lists them)\n", name,
            near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return EXIT_USAGE;
}

int
main(int argc, char **argv)
{
    const Command *command;

    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        command = argc > 2 ? find_command(argv[2]) : NULL;
        if (command)
            return command->run(2, (char *[]){argv[2], (char *)"--help", NULL});
        print_help(stdout);
        return EXIT_FINE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("svcsim %s\n", SVCSIM_VERSION);
        return EXIT_FINE;
    }
    command = find_command(argv[1]);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(argv[1]);
}
