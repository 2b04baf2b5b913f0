/* svcsim conntrack: `conntrack -L` of a node at a moment, or `conntrack -E` of the time until then. */

#include "tools/cli.h"

#include <stdio.h>
#include <string.h>

#include "model/report/ct_events.h"
#include "sim/netfilter/conntrack.h"
#include "tools/view.h"

typedef struct {
    ViewOptions view;
    gboolean list, events;
    char *proto, *src, *dst;
    int sport, dport;
} Options;

typedef struct {
    uint8_t proto; /* 0: any. */
    bool has_src, has_dst;
    IpAddr src, dst;
    uint16_t sport, dport; /* 0: any. */
} Filter;

typedef struct {
    Host *host;
    const Filter *filter;
    GString *out;
    uint32_t n;
} Listing;

static bool
parse_filter(const Options *o, Filter *ret_filter)
{
    Filter f = {.sport = (uint16_t)o->sport, .dport = (uint16_t)o->dport};

    if (o->proto && !ipproto_parse(o->proto, &f.proto)) {
        cli_usage_error(&command_conntrack, "unknown protocol \"%s\"", o->proto);
        return false;
    }
    f.has_src = o->src != NULL;
    f.has_dst = o->dst != NULL;
    if ((o->src && !ipaddr_parse(o->src, &f.src)) || (o->dst && !ipaddr_parse(o->dst, &f.dst))) {
        cli_usage_error(&command_conntrack, "-s and -d are addresses, not \"%s\"",
                        o->src && !ipaddr_parse(o->src, &f.src) ? o->src : o->dst);
        return false;
    }
    *ret_filter = f;
    return true;
}

/* By the original direction, as the tool's -s, -d, --sport and --dport. */
static bool
passes(const Filter *f, const Conn *conn)
{
    CtTuple t = conn_tuple(conn, CT_ORIG);

    return (!f->proto || t.proto == f->proto) && (!f->has_src || ipaddr_eq(t.src, f->src)) &&
           (!f->has_dst || ipaddr_eq(t.dst, f->dst)) && (!f->sport || t.sport == f->sport) &&
           (!f->dport || t.dport == f->dport);
}

static Conntrack *
table_of(Host *host)
{
    NfStack *nf = host_netfilter_peek(host);

    return nf ? nf_stack_conntrack(nf) : NULL;
}

static void
list_one(const Conn *conn, void *user)
{
    Listing *l = user;
    g_autofree char *line = NULL;

    if (!passes(l->filter, conn))
        return;
    line = conn_format(table_of(l->host), conn);
    g_string_append_printf(l->out, "%s\n", line);
    l->n++;
}

static bool
event_passes(void *user, const Conn *conn)
{
    return passes(user, conn);
}

static int
show(View *view, char *const *words, const void *options)
{
    const Options *o = options;
    g_autoptr(GString) out = g_string_new(NULL);
    Filter filter;
    Listing listing = {.filter = &filter, .out = out};
    CtEvents *events;
    int status;

    if (words[0])
        return cli_usage_error(&command_conntrack, "\"%s\" is no file", words[0]);
    if (o->sport < 0 || o->sport > UINT16_MAX || o->dport < 0 || o->dport > UINT16_MAX)
        return cli_usage_error(&command_conntrack, "a port is a number up to 65535, not %d",
                               o->sport < 0 || o->sport > UINT16_MAX ? o->sport : o->dport);
    if (!parse_filter(o, &filter))
        return EXIT_USAGE;
    if (o->events) {
        listing.host = view_host(view, &o->view, true);
        if (!listing.host)
            return EXIT_USAGE;
        events = ct_events_new(listing.host, event_passes, &filter, out);
        view_advance(view);
        listing.n = ct_events_close(events);
    } else {
        view_advance(view);
        listing.host = view_host(view, &o->view, true);
        if (!listing.host)
            return EXIT_USAGE;
        if (table_of(listing.host))
            conntrack_each(table_of(listing.host), list_one, &listing);
    }
    status = cli_output(out);
    fprintf(stderr, "svcsim conntrack: %u flow %s have been shown.\n", listing.n, o->events ? "events" : "entries");
    return status;
}

static int
run(int argc, char **argv)
{
    Options o = {0};
    const GOptionEntry entries[] = {
        VIEW_HOST_ENTRIES(o.view),
        VIEW_OPTION_ENTRIES(o.view),
        {"dump", 'L', 0, G_OPTION_ARG_NONE, &o.list, "list the table (default)", NULL},
        {"event", 'E', 0, G_OPTION_ARG_NONE, &o.events, "list what happened to it until then", NULL},
        {"proto", 'p', 0, G_OPTION_ARG_STRING, &o.proto, "of this protocol", "PROTO"},
        {"src", 's', 0, G_OPTION_ARG_STRING, &o.src, "with this original source", "IP"},
        {"dst", 'd', 0, G_OPTION_ARG_STRING, &o.dst, "with this original destination", "IP"},
        {"sport", 0, 0, G_OPTION_ARG_INT, &o.sport, "with this original source port", "PORT"},
        {"dport", 0, 0, G_OPTION_ARG_INT, &o.dport, "with this original destination port", "PORT"},
        {0},
    };
    int status = view_main(&command_conntrack, argc, argv, entries, &o.view, show, &o);

    g_free(o.proto);
    g_free(o.src);
    g_free(o.dst);
    return status;
}

const Command command_conntrack = {
    .name = "conntrack",
    .group = "Views",
    .summary = "a node's connection tracking table, as conntrack -L prints it, or its events (-E)",
    .usage = "FILE... --node NODE [-L | -E] [-p PROTO] [-s IP] [-d IP] [options]",
    .example = "svcsim conntrack shop.yaml --node minikube -L -p tcp --at 12s",
    .run = run,
};
