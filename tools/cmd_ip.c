/* svcsim ip: `ip addr` and `ip route` of a host at a moment. */

#include "tools/cli.h"

#include <string.h>

#include "model/report/host_text.h"
#include "tools/view.h"

typedef struct {
    ViewOptions view;
    gboolean four, six;
} Options;

static bool
is_word(const char *word, const char *whole, size_t least)
{
    size_t length = strlen(word);

    return length >= least && strncmp(word, whole, length) == 0;
}

static int
show_addr(Host *host, char *const *words, GString *out)
{
    const NetDev *dev = NULL;

    for (; *words; words++) {
        if (is_word(*words, "show", 1) || strcmp(*words, "dev") == 0)
            continue;
        dev = host_dev(host, *words);
        if (!dev)
            return cli_usage_error(&command_ip, "%s has no interface \"%s\"", host_name(host), *words);
    }
    host_text_addr(out, host, dev);
    return EXIT_FINE;
}

static int
show_route(Host *host, char *const *words, IpFamily family, GString *out)
{
    bool local = false;

    for (; *words; words++) {
        if (is_word(*words, "show", 1) || is_word(*words, "list", 1))
            continue;
        if (strcmp(*words, "table") != 0 || !words[1])
            return cli_usage_error(&command_ip, "ip route takes \"show table main\" or \"local\", not \"%s\"", *words);
        local = strcmp(*++words, "local") == 0;
    }
    host_text_route(out, host, family, local);
    return EXIT_FINE;
}

static int
show(View *view, char *const *words, const void *options)
{
    const Options *o = options;
    g_autoptr(GString) out = g_string_new(NULL);
    Host *host;
    int status;

    view_advance(view);
    host = view_host(view, &o->view, true);
    if (!host)
        return EXIT_USAGE;
    if (words[0] && is_word(words[0], "address", 1))
        status = show_addr(host, words + 1, out);
    else if (words[0] && is_word(words[0], "route", 1))
        status = show_route(host, words + 1, o->six ? FAMILY_IPV6 : FAMILY_IPV4, out);
    else
        return cli_usage_error(&command_ip, "addr or route?");
    return status == EXIT_FINE ? cli_output(out) : status;
}

static int
run(int argc, char **argv)
{
    Options o = {0};
    const GOptionEntry entries[] = {
        VIEW_HOST_ENTRIES(o.view),
        VIEW_OPTION_ENTRIES(o.view),
        {"ipv4", '4', 0, G_OPTION_ARG_NONE, &o.four, "routes of IPv4 (default)", NULL},
        {"ipv6", '6', 0, G_OPTION_ARG_NONE, &o.six, "routes of IPv6", NULL},
        {0},
    };

    return view_main(&command_ip, argc, argv, entries, &o.view, show, &o);
}

static const char *const formats[] = {"text", NULL};

const Command command_ip = {
    .name = "ip",
    .group = "Views",
    .summary = "interfaces and routes of a host, as ip addr and ip route print them",
    .usage = "FILE... --node NODE addr [DEV] | route [show table local] [options]",
    .example = "svcsim ip shop.yaml --node minikube route",
    .run = run,
    .formats = formats,
};
