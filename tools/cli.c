#include "tools/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/control/control.h"
#include "model/input/override.h"
#include "model/network/node_proxy.h"
#include "tools/watch.h"

static const char *const formats[] = {"text", "json", NULL};
static const char *const modes[] = {"iptables", "nftables", "ipvs", NULL};

/* GOption says "Unknown option --nod"; adds the nearest known one. */
static void
explain_option_error(const Command *command, const GOptionEntry *entries, const char *message)
{
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    const char *word = strstr(message, "--");
    const char *near = NULL;

    for (const GOptionEntry *e = entries; e && e->long_name; e++)
        g_ptr_array_add(known, (gpointer)e->long_name);
    g_ptr_array_add(known, (gpointer) "format");
    g_ptr_array_add(known, (gpointer) "notes");
    g_ptr_array_add(known, (gpointer) "memory-limit");
    g_ptr_array_add(known, (gpointer) "help");
    g_ptr_array_add(known, NULL);
    if (word && strncmp(message, "Unknown option", 14) == 0)
        near = closest_word(word + 2, (const char *const *)known->pdata);
    fprintf(stderr, "svcsim %s: %s%s%s%s (see svcsim %s --help)\n", command->name, message,
            near ? "; did you mean --" : "", near ? near : "", near ? "?" : "", command->name);
}

bool
cli_parse(const Command *command, int *argc, char ***argv, const GOptionEntry *entries, CommonOptions *ret_common)
{
    CommonOptions common = {0};
    gboolean notes = FALSE;
    g_autofree char *limit = NULL;
    uint64_t limit_bytes = 0;
    const char *const *choice = command->formats ? command->formats : formats;
    g_autofree char *choice_text = g_strjoinv(", ", (char **)choice);
    const GOptionEntry shared[] = {
        {"format", 'o', 0, G_OPTION_ARG_STRING, &common.format, choice_text, "FORMAT"},
        {"notes", 0, 0, G_OPTION_ARG_NONE, &notes, "also show notes, e.g. about fields that are ignored", NULL},
        {"memory-limit", 0, 0, G_OPTION_ARG_STRING, &limit, "stop with a message when more memory is in use, e.g. 2G",
         "SIZE"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &common.files, NULL, NULL},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autofree char *description = g_strdup_printf("Example:\n  %s\n", command->example);
    g_autofree char *summary = g_strdup_printf("svcsim %s %s\n\n%s", command->name, command->usage, command->summary);
    g_autoptr(GError) error = NULL;

    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    if (entries)
        g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_add_main_entries(context, shared, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        explain_option_error(command, entries, error->message);
        cli_common_clear(&common);
        return false;
    }
    common.notes = notes;
    if (common.format && !g_strv_contains(choice, common.format)) {
        cli_usage_error(command, "--format is one of %s, not \"%s\"", choice_text, common.format);
        cli_common_clear(&common);
        return false;
    }
    if (limit && !watch_parse_size(limit, &limit_bytes)) {
        cli_usage_error(command, "--memory-limit is a size such as 512M, 4G or 2Gi, not \"%s\"", limit);
        cli_common_clear(&common);
        return false;
    }
    common.json = g_strcmp0(common.format, "json") == 0;
    if (!common.files) {
        cli_usage_error(command, "no input file: svcsim %s %s", command->name, command->usage);
        cli_common_clear(&common);
        return false;
    }
    *ret_common = common;
    watch_start(command->name, limit_bytes);
    return true;
}

void
cli_common_clear(CommonOptions *common)
{
    g_strfreev(common->files);
    g_free(common->format);
    *common = (CommonOptions){0};
}

static Input *
show_diagnostics(const CommonOptions *common, Input *input)
{
    watch_clear_line();
    diags_print(input->diags, stderr, common->notes ? DIAG_NOTE : DIAG_WARNING);
    if (diags_errors(input->diags) == 0)
        return input;
    input_free(input);
    return NULL;
}

Input *
cli_load(const CommonOptions *common)
{
    Input *input = input_load((const char *const *)common->files, g_strv_length(common->files));

    return show_diagnostics(common, input);
}

Input *
cli_load_filled(const CommonOptions *common)
{
    return cli_load_set(NULL, common, NULL);
}

Input *
cli_load_set(const Command *command, const CommonOptions *common, char *const *overrides)
{
    Input *input = input_load((const char *const *)common->files, g_strv_length(common->files));
    bool ok = diags_errors(input->diags) == 0;

    for (char *const *o = overrides; ok && o && *o; o++) {
        g_autofree char *error = NULL;
        ok = input_override(input, *o, &error);
        if (!ok)
            cli_usage_error(command, "--set: %s", error);
    }
    if (ok)
        control_fill(input);
    input = show_diagnostics(common, input);
    if (ok || !input)
        return input;
    input_free(input);
    return NULL;
}

int
cli_usage_error(const Command *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "svcsim %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

int
cli_no_such(const Command *command, const char *kind, const char *name, Store *store, ApiKind api_kind)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const ApiObject *const *objects;
    const char *near, *ns = "";
    size_t n;

    objects = store_list(store, api_kind, &n);
    for (size_t i = 0; i < n; i++)
        g_ptr_array_add(names, (gpointer)objects[i]->name);
    g_ptr_array_add(names, NULL);
    near = closest_word(name, (const char *const *)names->pdata);
    if (!near)
        return cli_usage_error(command, "no %s \"%s\" in the input", kind, name);
    for (size_t i = 0; i < n; i++)
        if (strcmp(objects[i]->name, near) == 0 && strcmp(objects[i]->ns, "default") != 0)
            ns = objects[i]->ns;
    return cli_usage_error(command, "no %s \"%s\" in the input; did you mean \"%s%s%s\"?", kind, name, ns,
                           *ns ? "/" : "", near);
}

int
cli_output(const GString *text)
{
    watch_end();
    if (fwrite(text->str, 1, text->len, stdout) == text->len && fflush(stdout) == 0)
        return EXIT_FINE;
    if (errno == EPIPE)
        return EXIT_FINE;
    fprintf(stderr, "svcsim: cannot write the output: %s\n", g_strerror(errno));
    return EXIT_OURS;
}

bool
cli_parse_number(const Command *command, const char *option, const char *text, uint64_t low, uint64_t high,
                 uint64_t *value)
{
    guint64 parsed;

    if (!text)
        return true;
    if (g_ascii_string_to_unsigned(text, 10, low, high, &parsed, NULL)) {
        *value = parsed;
        return true;
    }
    if (high == G_MAXUINT64)
        cli_usage_error(command, "%s is a number, not \"%s\"", option, text);
    else
        cli_usage_error(command, "%s is a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ", not \"%s\"",
                        option, low, high, text);
    return false;
}

uint64_t *
cli_parse_seeds(const Command *command, const CommonOptions *common, const char *seed, const char *repeat, size_t *n)
{
    Input *input = cli_load(common);
    uint64_t first, count = *n;
    uint64_t *seeds;

    if (!input)
        return NULL;
    first = input->scenario.seed;
    input_free(input);
    if (!cli_parse_number(command, "--seed", seed, 0, G_MAXUINT64, &first) ||
        !cli_parse_number(command, "--repeat", repeat, 1, 10000, &count))
        return NULL;
    seeds = g_new(uint64_t, count);
    for (size_t i = 0; i < count; i++)
        seeds[i] = first + i;
    *n = count;
    return seeds;
}

bool
cli_parse_endpoint(const char *text, IpAddr *ret_addr, uint16_t *ret_port, uint8_t *ret_proto)
{
    g_autofree char *copy = g_strdup(text);
    char *slash = strrchr(copy, '/');
    char *host = copy, *port = NULL;
    guint64 number = 0;

    if (slash) {
        *slash = '\0';
        if (!ipproto_parse(slash + 1, ret_proto))
            return false;
    }
    if (copy[0] == '[') {
        char *close = strchr(copy, ']');
        if (!close || (close[1] && close[1] != ':'))
            return false;
        *close = '\0';
        host = copy + 1;
        port = close[1] ? close + 2 : NULL;
    } else if (strchr(copy, ':') == strrchr(copy, ':') && strchr(copy, ':')) {
        port = strchr(copy, ':');
        *port++ = '\0';
    }
    if (port && !g_ascii_string_to_unsigned(port, 10, 1, UINT16_MAX, &number, NULL))
        return false;
    if (!ipaddr_parse(host, ret_addr))
        return false;
    *ret_port = (uint16_t)number;
    return true;
}

bool
cli_parse_mode(const char *text, ProxyMode *ret_mode)
{
    for (int i = 0; modes[i]; i++)
        if (strcmp(modes[i], text) == 0) {
            *ret_mode = (ProxyMode)i;
            return true;
        }
    return false;
}

bool
cli_set_mode(const Command *command, Input *input, const char *mode)
{
    ProxyMode parsed;

    if (!mode)
        return true;
    if (!cli_parse_mode(mode, &parsed)) {
        cli_usage_error(command, "--mode is iptables, nftables or ipvs, not \"%s\"", mode);
        return false;
    }
    input_set_mode(input, parsed);
    return true;
}

void
cli_warn_syncs(const Command *command, const Cluster *cluster)
{
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n);

    for (size_t i = 0; i < n; i++)
        for (int f = 0; f < 2; f++) {
            const char *error = node_proxy_error(nodes[i]->proxy, f ? FAMILY_IPV6 : FAMILY_IPV4);
            if (error)
                fprintf(stderr, "svcsim %s: kube-proxy on %s has no %s rules: %s\n", command->name, nodes[i]->name,
                        f ? "IPv6" : "IPv4", error);
        }
}

bool
cli_parse_family(const char *text, IpFamily *ret_family)
{
    if (g_ascii_strcasecmp(text, "ipv4") == 0 || strcmp(text, "4") == 0)
        *ret_family = FAMILY_IPV4;
    else if (g_ascii_strcasecmp(text, "ipv6") == 0 || strcmp(text, "6") == 0)
        *ret_family = FAMILY_IPV6;
    else
        return false;
    return true;
}
