#include "model/report/host_text.h"

#include <string.h>

#include "sim/transport/socket.h"

/* --- ip addr ------------------------------------------------------------------------------------------------------ */

static void
append_addr(GString *out, const NetDev *dev, const NetDevAddr *addr)
{
    char text[IPPREFIX_STR_SIZE];
    bool v4 = ipaddr_is_v4(&addr->prefix.addr);
    const char *scope = ipaddr_is_loopback(&addr->prefix.addr)    ? "host"
                        : ipaddr_is_linklocal(&addr->prefix.addr) ? "link"
                                                                  : "global";

    g_string_append_printf(out, "    %s %s scope %s %s%s\n       valid_lft forever preferred_lft forever\n",
                           v4 ? "inet" : "inet6", ipprefix_format(addr->prefix, text), scope,
                           addr->secondary ? "secondary " : "", v4 ? netdev_name(dev) : "");
}

/* "eth0@if7": the other end of a pair, by number if it is in another namespace. */
static void
append_dev_name(GString *out, const NetDev *dev)
{
    const NetDev *peer = netdev_kind(dev) == DEV_VETH ? netdev_peer(dev) : NULL;

    g_string_append_printf(out, "%u: %s", netdev_index(dev), netdev_name(dev));
    if (peer && netdev_host(peer) == netdev_host(dev))
        g_string_append_printf(out, "@%s", netdev_name(peer));
    else if (peer)
        g_string_append_printf(out, "@if%u", netdev_index(peer));
}

static void
append_dev(GString *out, const NetDev *dev)
{
    bool loopback = netdev_kind(dev) == DEV_LOOPBACK, up = netdev_up(dev);
    const NetDev *master = netdev_master(dev);
    char mac[MAC_STR_SIZE];
    const NetDevAddr *addrs;
    size_t n;

    append_dev_name(out, dev);
    g_string_append_printf(out, ": <%s%s> mtu %u qdisc noqueue ", loopback ? "LOOPBACK" : "BROADCAST,MULTICAST",
                           up ? ",UP,LOWER_UP" : "", netdev_mtu(dev));
    if (master)
        g_string_append_printf(out, "master %s ", netdev_name(master));
    g_string_append_printf(out, "state %s group default qlen 1000\n", !up ? "DOWN" : loopback ? "UNKNOWN" : "UP");
    if (loopback)
        g_string_append(out, "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n");
    else
        g_string_append_printf(out, "    link/ether %s brd ff:ff:ff:ff:ff:ff\n", mac_format(netdev_mac(dev), mac));
    addrs = netdev_addrs(dev, &n);
    for (int v4 = 1; v4 >= 0; v4--)
        for (size_t i = 0; i < n; i++)
            if (ipaddr_is_v4(&addrs[i].prefix.addr) == v4)
                append_addr(out, dev, &addrs[i]);
}

void
host_text_addr(GString *out, const Host *host, const NetDev *dev)
{
    size_t n;
    NetDev *const *devs = host_devs(host, &n);

    for (size_t i = 0; i < n; i++)
        if (devs[i] && (!dev || devs[i] == dev))
            append_dev(out, devs[i]);
}

/* --- ip route ----------------------------------------------------------------------------------------------------- */

typedef struct {
    GArray *routes; /* Route. */
    IpFamily family;
    bool local;
} RouteList;

/* The address of the connected network that made the route ("proto kernel"), or NULL. */
static const NetDevAddr *
connected_addr(const Route *route)
{
    size_t n;
    const NetDevAddr *addrs = route->dev ? netdev_addrs(route->dev, &n) : NULL;

    for (size_t i = 0; addrs && i < n; i++) {
        IpPrefix network = ipprefix_network(addrs[i].prefix);
        if (addrs[i].secondary || ipaddr_family(&network.addr) != ipaddr_family(&route->prefix.addr))
            continue;
        if (route->type == ROUTE_BROADCAST
                ? ipprefix_contains(&network, route->prefix.addr)
                : network.len == route->prefix.len && ipaddr_eq(network.addr, route->prefix.addr))
            return &addrs[i];
    }
    return NULL;
}

static void
append_target(GString *out, const Route *route, IpFamily family)
{
    static const char *const types[] = {"", "local ", "broadcast ", "blackhole ", "unreachable ", "prohibit "};
    char text[IPPREFIX_STR_SIZE];
    uint8_t host_len = family == FAMILY_IPV4 ? 32 : 128;

    g_string_append(out, types[route->type]);
    if (route->prefix.len == 0)
        g_string_append(out, "default ");
    else if (route->prefix.len == host_len)
        g_string_append_printf(out, "%s ", ipaddr_format(route->prefix.addr, text));
    else
        g_string_append_printf(out, "%s ", ipprefix_format(route->prefix, text));
}

/* IPv4: protocol, scope and source; IPv6 has a metric instead. */
static void
append_route_rest(GString *out, const Route *route, IpFamily family, bool on_link)
{
    const NetDevAddr *own =
        (route->type == ROUTE_UNICAST && on_link) || route->type == ROUTE_BROADCAST ? connected_addr(route) : NULL;
    bool kernel = own || route->type == ROUTE_LOCAL || route->type == ROUTE_BROADCAST;
    char text[IPADDR_STR_SIZE];

    if (kernel)
        g_string_append(out, "proto kernel ");
    if (family == FAMILY_IPV6) {
        uint32_t metric = route->type == ROUTE_LOCAL ? 0 : kernel ? 256 : 1024;
        g_string_append_printf(out, "metric %u pref medium", route->metric ? route->metric : metric);
        return;
    }
    if (route->type == ROUTE_LOCAL)
        g_string_append(out, "scope host ");
    else if (on_link && route->dev)
        g_string_append(out, "scope link ");
    if (own)
        g_string_append_printf(out, "src %s ", ipaddr_format(own->prefix.addr, text));
    else if (!ipaddr_is_any(&route->src))
        g_string_append_printf(out, "src %s ", ipaddr_format(route->src, text));
    if (route->metric)
        g_string_append_printf(out, "metric %u ", route->metric);
}

static void
append_route(GString *out, Host *host, const Route *route, IpFamily family)
{
    bool on_link = ipaddr_is_any(&route->via);
    char via[IPADDR_STR_SIZE];
    const Route *way;

    append_target(out, route, family);
    if (!on_link)
        g_string_append_printf(out, "via %s ", ipaddr_format(route->via, via));
    /* Shared routes name no device: it is that of the next hop. */
    way = route->dev || on_link ? route : fib_lookup(host_fib(host), route->via);
    if (way && way->dev)
        g_string_append_printf(out, "dev %s ", netdev_name(way->dev));
    append_route_rest(out, route, family, on_link);
    g_string_append_c(out, '\n');
}

static void
collect_route(const Route *route, void *user)
{
    RouteList *l = user;
    bool local = route->type == ROUTE_LOCAL || route->type == ROUTE_BROADCAST;

    if (local == l->local && ipaddr_family(&route->prefix.addr) == l->family)
        g_array_append_val(l->routes, *route);
}

/* As the kernel's trie is walked: by address, the shorter prefix first. */
static int
compare_routes(gconstpointer a, gconstpointer b)
{
    const Route *x = a, *y = b;
    int c = ipaddr_cmp(&x->prefix.addr, &y->prefix.addr);

    return c ? c : (int)x->prefix.len - (int)y->prefix.len;
}

void
host_text_route(GString *out, Host *host, IpFamily family, bool local)
{
    g_autoptr(GArray) routes = g_array_new(FALSE, FALSE, sizeof(Route));
    RouteList list = {routes, family, local};

    fib_each(host_fib(host), collect_route, &list);
    fib_each_base(host_fib(host), collect_route, &list);
    g_array_sort(routes, compare_routes);
    for (guint i = 0; i < routes->len; i++)
        append_route(out, host, &g_array_index(routes, Route, i), family);
}

/* --- netstat ------------------------------------------------------------------------------------------------------ */

typedef struct {
    GString *out;
    const NetstatOptions *options;
} SocketList;

static void
format_end(GString *text, IpAddr addr, uint16_t port)
{
    char buf[IPADDR_STR_SIZE];

    g_string_printf(text, "%s:", ipaddr_format(addr, buf));
    if (port)
        g_string_append_printf(text, "%u", port);
    else
        g_string_append_c(text, '*');
}

static void
append_socket(const Socket *s, void *user)
{
    const SocketList *l = user;
    const NetstatOptions *o = l->options;
    uint8_t proto = socket_proto(s);
    const char *state = proto == IPPROTO_UDP_ ? "" : socket_state_name(s);
    bool listens = strcmp(state, "LISTEN") == 0;
    g_autoptr(GString) local = g_string_new(NULL), remote = g_string_new(NULL);
    g_autofree char *name = NULL;
    uint16_t local_port, remote_port;
    IpAddr local_addr = socket_local(s, &local_port), remote_addr = socket_remote(s, &remote_port);
    char buf[IPPROTO_STR_SIZE];
    bool v6 = !ipaddr_is_v4(&local_addr);

    if ((o->tcp || o->udp) && !(o->tcp && proto == IPPROTO_TCP_) && !(o->udp && proto == IPPROTO_UDP_))
        return;
    if (!o->all && o->listening != (listens || (proto == IPPROTO_UDP_ && remote_port == 0)))
        return;
    format_end(local, local_addr, local_port);
    if (remote_port == 0)
        remote_addr = v6 ? IPADDR_ANY6 : IPADDR_ANY4;
    format_end(remote, remote_addr, remote_port);
    name = g_strdup_printf("%s%s", ipproto_name(proto, buf), v6 ? "6" : "");
    g_string_append_printf(l->out, "%-5s %6u %6u %-23s %-23s %-11s\n", name, 0, 0, local->str, remote->str, state);
}

void
host_text_netstat(GString *out, Host *host, const NetstatOptions *options)
{
    SocketList list = {out, options};

    g_string_append_printf(out, "Active Internet connections (%s)\n",
                           options->all         ? "servers and established"
                           : options->listening ? "only servers"
                                                : "w/o servers");
    g_string_append(out, "Proto Recv-Q Send-Q Local Address           Foreign Address         State      \n");
    sockets_each(host, append_socket, &list);
}
