/* svcsim tcpdump: the packets of the run that a filter takes, as tcpdump prints them. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/report/tcpdump_text.h"
#include "sim/packet/capture.h"
#include "tools/view.h"

typedef struct {
    ViewOptions view;
    char *interface;
    gboolean numeric, verbose, absolute;
    int count;
} Options;

typedef struct {
    TraceSink sink;
    const View *view;
    const Host *host;      /* NULL: all. */
    const char *interface; /* NULL: all, with a column that names them. */
    CaptureFilter *filter;
    TcpdumpText *text;
    GString *out;
    uint32_t n, limit; /* limit 0: none. */
} Dump;

static bool
is_watched(const Dump *d, const TraceRecord *r)
{
    if (d->host && r->host != d->host)
        return false;
    if (!d->interface)
        return true;
    return strcmp(d->interface, strchr(d->interface, '/') ? netdev_label(r->dev) : netdev_name(r->dev)) == 0;
}

static void
on_packet(TraceSink *sink, const TraceRecord *r)
{
    Dump *d = (Dump *)sink;

    if ((d->limit && d->n >= d->limit) || !is_watched(d, r) || !capture_filter_match(d->filter, r->pkt))
        return;
    tcpdump_text_time(d->out, r->at);
    /* As with -i any (print-sll.c); over all hosts the interface needs its host's name. */
    if (!d->interface)
        g_string_append_printf(d->out, "%-5s %-3s ", d->host ? netdev_name(r->dev) : netdev_label(r->dev),
                               r->kind == TRACE_DEV_IN ? "In" : "Out");
    tcpdump_text_packet(d->text, d->out, r->pkt);
    g_string_append_c(d->out, '\n');
    d->n++;
}

/* What /etc/hosts would say: nodes and clients. */
static const char *
host_of_addr(void *user, IpAddr addr, char *buf, size_t size)
{
    const View *view = user;
    const ClusterNode *node = cluster_node_by_ip(view->cluster, addr);
    size_t n;
    ClusterClient *const *clients = cluster_clients(view->cluster, &n);

    (void)buf;
    (void)size;
    if (node)
        return node->name;
    for (size_t i = 0; i < n; i++)
        for (uint32_t a = 0; a < clients[i]->n_addrs; a++)
            if (ipaddr_eq(clients[i]->addrs[a], addr))
                return clients[i]->name;
    return NULL;
}

static bool
check_interface(const Dump *d)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    NetDev *const *devs;
    const char *near;
    size_t n;

    if (!d->interface || !d->host || strchr(d->interface, '/') || host_dev(d->host, d->interface))
        return true;
    devs = host_devs(d->host, &n);
    for (size_t i = 0; i < n; i++)
        if (devs[i])
            g_ptr_array_add(names, (gpointer)netdev_name(devs[i]));
    g_ptr_array_add(names, NULL);
    near = closest_word(d->interface, (const char *const *)names->pdata);
    cli_usage_error(&command_tcpdump, "%s has no interface \"%s\"%s%s%s", host_name(d->host), d->interface,
                    near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return false;
}

static int
dump(View *view, char *const *words, const void *options)
{
    const Options *o = options;
    g_autofree char *expression = g_strjoinv(" ", (char **)words);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    Dump d = {.view = view, .out = out, .limit = (uint32_t)MAX(o->count, 0)};
    int status;

    d.host = view_host(view, &o->view, false);
    if (!d.host && (o->view.node || o->view.host))
        return EXIT_USAGE;
    d.interface = g_strcmp0(o->interface, "any") == 0 ? NULL : o->interface;
    if (!check_interface(&d))
        return EXIT_USAGE;
    d.filter = capture_filter_new(expression, &error);
    if (!d.filter)
        return cli_usage_error(&command_tcpdump, "%s", error->message);
    d.text = tcpdump_text_new(&(TcpdumpOptions){
        .numeric = o->numeric, .verbose = o->verbose, .absolute_seq = o->absolute, .name = host_of_addr, .user = view});
    d.sink = (TraceSink){.mask = TRACE_BIT(TRACE_DEV_IN) | TRACE_BIT(TRACE_DEV_OUT), .record = on_packet};
    trace_add_sink(cluster_sim(view->cluster), &d.sink);
    view_advance(view);
    trace_remove_sink(cluster_sim(view->cluster), &d.sink);
    status = cli_output(out);
    fprintf(stderr, "%u packets captured\n", d.n);
    tcpdump_text_free(d.text);
    capture_filter_free(d.filter);
    return status;
}

static int
run(int argc, char **argv)
{
    Options o = {0};
    const GOptionEntry entries[] = {
        VIEW_HOST_ENTRIES(o.view),
        VIEW_OPTION_ENTRIES(o.view),
        {"interface", 'i', 0, G_OPTION_ARG_STRING, &o.interface, "any (default), eth0, or with its host: minikube/eth0",
         "INTERFACE"},
        {"numeric", 'n', 0, G_OPTION_ARG_NONE, &o.numeric, "numbers instead of names", NULL},
        {"verbose", 'v', 0, G_OPTION_ARG_NONE, &o.verbose, "with IP headers and checksums", NULL},
        {"absolute", 'S', 0, G_OPTION_ARG_NONE, &o.absolute, "absolute TCP sequence numbers", NULL},
        {"count", 'c', 0, G_OPTION_ARG_INT, &o.count, "the first so many packets", "N"},
        {0},
    };
    int status = view_main(&command_tcpdump, argc, argv, entries, &o.view, dump, &o);

    g_free(o.interface);
    return status;
}

const Command command_tcpdump = {
    .name = "tcpdump",
    .group = "Views",
    .summary = "packets of the run, as tcpdump prints them; on one host or everywhere",
    .usage = "FILE... [--node NODE] [-i INTERFACE] [FILTER...] [options]",
    .example = "svcsim tcpdump shop.yaml --node minikube-m02 -i any -n 'host 192.168.49.4 and port 32073'",
    .run = run,
};
