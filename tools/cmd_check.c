/* svcsim check: validates the input and says what it holds. */

#include "tools/cli.h"

#include <stdio.h>

static void
print_counts(GString *out, Input *input)
{
    for (int kind = 0; kind < API_N_KINDS; kind++) {
        size_t n;
        store_list(input->store, (ApiKind)kind, &n);
        if (n > 0)
            g_string_append_printf(out, "%s%zu %s", out->len ? ", " : "", n,
                                   n == 1 ? api_kind_info((ApiKind)kind)->name : api_kind_info((ApiKind)kind)->plural);
    }
    if (input->has_scenario)
        g_string_append_printf(out, "%s%u steps, %u expectations", out->len ? ", " : "", input->scenario.n_steps,
                               input->scenario.n_expects);
    if (out->len == 0)
        g_string_append(out, "no objects");
    g_string_append_c(out, '\n');
}

static void
print_json(GString *out, Input *input)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    json_key(&json, "objects");
    json_object(&json);
    for (int kind = 0; kind < API_N_KINDS; kind++) {
        size_t n;
        store_list(input->store, (ApiKind)kind, &n);
        json_kv_int(&json, api_kind_info((ApiKind)kind)->plural, (int64_t)n);
    }
    json_object_end(&json);
    json_kv_int(&json, "steps", input->scenario.n_steps);
    json_kv_int(&json, "expectations", input->scenario.n_expects);
    json_kv_int(&json, "warnings", diags_warnings(input->diags));
    json_object_end(&json);
    json_out_done(&json);
}

static int
run(int argc, char **argv)
{
    CommonOptions common;
    g_autoptr(GString) out = g_string_new(NULL);
    Input *input;
    int status = EXIT_USAGE;

    if (!cli_parse(&command_check, &argc, &argv, NULL, &common))
        return EXIT_USAGE;
    input = cli_load_filled(&common);
    if (input) {
        if (common.json)
            print_json(out, input);
        else
            print_counts(out, input);
        status = cli_output(out);
    }
    input_free(input);
    cli_common_clear(&common);
    return status;
}

const Command command_check = {
    .name = "check",
    .group = "Input",
    .summary = "validate manifests and scenarios: every mistake with its place and a hint",
    .usage = "FILE... [options]",
    .example = "svcsim check shop.yaml",
    .run = run,
};
