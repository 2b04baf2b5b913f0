/* svcsim netstat: sockets of a host at a moment.  A Service has none: that is what one looks for. */

#include "tools/cli.h"

#include "model/report/host_text.h"
#include "tools/view.h"

typedef struct {
    ViewOptions view;
    gboolean numeric, tcp, udp, listening, all, programs;
} Options;

static int
show(View *view, char *const *words, const void *options)
{
    const Options *o = options;
    g_autoptr(GString) out = g_string_new(NULL);
    Host *host;

    if (words[0])
        return cli_usage_error(&command_netstat, "\"%s\" is no file", words[0]);
    view_advance(view);
    host = view_host(view, &o->view, true);
    if (!host)
        return EXIT_USAGE;
    host_text_netstat(out, host,
                      &(NetstatOptions){.tcp = o->tcp, .udp = o->udp, .listening = o->listening, .all = o->all});
    return cli_output(out);
}

static int
run(int argc, char **argv)
{
    Options o = {0};
    const GOptionEntry entries[] = {
        VIEW_HOST_ENTRIES(o.view),
        VIEW_OPTION_ENTRIES(o.view),
        {"tcp", 't', 0, G_OPTION_ARG_NONE, &o.tcp, "TCP sockets", NULL},
        {"udp", 'u', 0, G_OPTION_ARG_NONE, &o.udp, "UDP sockets", NULL},
        {"listening", 'l', 0, G_OPTION_ARG_NONE, &o.listening, "those that wait for somebody", NULL},
        {"all", 'a', 0, G_OPTION_ARG_NONE, &o.all, "those and connections", NULL},
        {"numeric", 'n', 0, G_OPTION_ARG_NONE, &o.numeric, "numbers (always)", NULL},
        {"programs", 'p', 0, G_OPTION_ARG_NONE, &o.programs, "taken and ignored: there are no processes", NULL},
        {0},
    };

    return view_main(&command_netstat, argc, argv, entries, &o.view, show, &o);
}

static const char *const formats[] = {"text", NULL};

const Command command_netstat = {
    .name = "netstat",
    .group = "Views",
    .summary = "sockets of a host, as netstat prints them",
    .usage = "FILE... --node NODE | --host HOST [-ntula] [options]",
    .example = "svcsim netstat shop.yaml --host pod/web-0 -ntl",
    .run = run,
    .formats = formats,
};
