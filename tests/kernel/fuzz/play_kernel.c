/* The kernel's side
 *
 * Two namespaces without names: they end with this process, whatever ends it.  The process stands in the router's; its
 * wires' far ends lie in the other one, which has no addresses and so stays silent.  One packet socket in the router
 * hears what leaves; a frame of a type of our own, sent behind each packet, says when the packet is through (the
 * process stays on one CPU, so that one backlog carries both). */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernel/fuzz/fuzz.h"

#define MARKER_TYPE          0x88b5 /* IEEE 802: for experiments. */
#define PACKET_OUTGOING_TYPE 4

/* Columns of /proc/net/stat/nf_conntrack. */
enum { STAT_CLASHES = 1, STAT_INVALID = 4, STAT_INSERT_FAILED = 9, STAT_DROP = 10, STAT_ICMP_ERROR = 12, N_STATS = 17 };

struct FuzzKernel {
    Sim *sim; /* Only for its packets. */
    int hear, tell[FUZZ_N_DEVS], send4, send6;
    int ends_ns;
    uint8_t end_mac[FUZZ_N_DEVS][6], dev_mac[FUZZ_N_DEVS][6]; /* Of ports: the bridge's. */
};

static bool set_up_router(FuzzKernel *k, const char **ret_why);
static bool set_up_sockets(FuzzKernel *k);
static bool run(const char *command, const char *input, char **ret_output);
static bool load(const FuzzCase *c, FuzzView *view);
static void play_step(FuzzKernel *k, const FuzzCase *c, uint32_t index, FuzzView *view, GPtrArray *seen);
static void hear(FuzzKernel *k, uint32_t index, FuzzView *view, GPtrArray *seen);
static void add_table(const FuzzCase *c, FuzzView *view, const char *prefix);
static void set_sysctls(const FuzzCase *c);
static void read_stats(uint64_t ret_stats[static N_STATS]);
static void add_state(const FuzzCase *c, FuzzView *view);

FuzzKernel *
fuzz_kernel_new(const char **ret_why)
{
    static const char *const tools[] = {"ip",        "bridge", "iptables-nft-restore", "ip6tables-nft-restore", "nft",
                                        "conntrack", "ipset"};
    FuzzKernel *k;
    cpu_set_t cpus;

    *ret_why = "needs root";
    if (geteuid() != 0)
        return NULL;
    *ret_why = "needs ip, bridge, iptables-nft, ip6tables-nft, nft, conntrack and ipset";
    for (size_t i = 0; i < G_N_ELEMENTS(tools); i++) {
        g_autofree char *path = g_find_program_in_path(tools[i]);
        if (!path)
            return NULL;
    }
    *ret_why = "no network namespaces";
    if (unshare(CLONE_NEWNET) != 0)
        return NULL;
    CPU_ZERO(&cpus);
    CPU_SET((unsigned)sched_getcpu(), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    k = g_new0(FuzzKernel, 1);
    k->sim = sim_new(1);
    if (set_up_router(k, ret_why) && set_up_sockets(k))
        return k;
    fuzz_kernel_free(k);
    return NULL;
}

void
fuzz_kernel_free(FuzzKernel *k)
{
    if (!k)
        return;
    sim_free(k->sim);
    g_free(k);
}

FuzzView *
fuzz_kernel_play(FuzzKernel *k, const FuzzCase *c)
{
    FuzzView *view = fuzz_view_new();
    uint64_t before[N_STATS], after[N_STATS];
    GPtrArray *seen;

    if (!load(c, view)) {
        view->failed = true;
        return view;
    }
    set_sysctls(c);
    read_stats(before);
    seen = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (uint32_t i = 0; i < c->steps->len; i++)
        play_step(k, c, i, view, seen);
    g_ptr_array_unref(seen);
    add_state(c, view);
    if (c->tracking) {
        CtStats stats;
        read_stats(after);
        stats = (CtStats){.invalid = after[STAT_INVALID] - before[STAT_INVALID],
                          .icmp_error = after[STAT_ICMP_ERROR] - before[STAT_ICMP_ERROR],
                          .insert_failed = after[STAT_INSERT_FAILED] - before[STAT_INSERT_FAILED],
                          .drop = after[STAT_DROP] - before[STAT_DROP],
                          .clash_resolve = after[STAT_CLASHES] - before[STAT_CLASHES]};
        fuzz_view_add_stats(view, &stats);
    }
    return view;
}

static bool
set_up_router(FuzzKernel *k, const char **ret_why)
{
    GString *script = g_string_new("set -e\nip link set lo up\n");
    g_autoptr(GString) sets = g_string_new(NULL);
    int router = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    bool ok;

    /* The far ends: made there, so that only the near ones move. */
    if (unshare(CLONE_NEWNET) != 0)
        return false;
    k->ends_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    g_string_append_printf(script,
                           "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1\n");
    for (int i = 0; i < FUZZ_N_DEVS; i++)
        g_string_append_printf(script,
                               "ip link add %s address 02:00:00:00:01:0%d type veth peer name r%s address "
                               "02:00:00:00:00:0%d\nip link set %s up\n",
                               fuzz_dev_names[i], i, fuzz_dev_names[i], i, fuzz_dev_names[i]);
    ok = run(script->str, NULL, NULL);
    g_string_truncate(script, 0);
    /* "ip link set netns" wants a process: this one stands in the router while a child runs in the ends. */
    if (ok) {
        pid_t child;
        int status = 1;
        setns(router, CLONE_NEWNET);
        child = fork();
        if (child == 0) {
            char command[256];
            setns(k->ends_ns, CLONE_NEWNET);
            g_snprintf(command, sizeof command,
                       "for d in c0 s0 t0 p0 p1; do ip link set r$d netns %d name $d || exit 1; done", (int)getppid());
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
            _exit(127);
        }
        ok = child > 0 && waitpid(child, &status, 0) == child && status == 0;
    }
    g_string_append(script, "set -e\nip link set lo up\nsysctl -qw net.ipv4.ip_forward=1 "
                            "net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_ratemask=0 "
                            "net.ipv6.icmp.ratelimit=0 net.ipv4.conf.all.send_redirects=0 "
                            "net.ipv4.conf.default.send_redirects=0 net.ipv4.conf.all.rp_filter=0 "
                            "net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.default.accept_dad=0 "
                            "net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_ra=0 "
                            "net.ipv6.conf.default.mldv2_unsolicited_report_interval=1\n"
                            "ip link add br0 address 02:00:00:00:00:09 type bridge mcast_snooping 0\n");
    for (int i = 0; i < FUZZ_N_DEVS; i++) {
        const FuzzAddr *addrs = fuzz_dev_addrs[i];
        const char *dev = fuzz_dev_names[i];
        char text[IPADDR_STR_SIZE];

        if (i >= FUZZ_FIRST_PORT) {
            g_string_append_printf(script,
                                   "sysctl -qw net.ipv6.conf.%s.disable_ipv6=1\nip link set %s master br0 up\n"
                                   "bridge fdb add 02:00:00:00:01:0%d dev %s master static\n",
                                   dev, dev, i, dev);
            if (i == FUZZ_FIRST_PORT)
                g_string_append_printf(script, "bridge link set dev %s hairpin on\n", dev);
            dev = "br0";
        }
        if (i <= FUZZ_FIRST_PORT)
            g_string_append_printf(script,
                                   "sysctl -qw net.ipv6.conf.%s.accept_dad=0 net.ipv6.conf.%s.addr_gen_mode=1 "
                                   "net.ipv4.conf.%s.send_redirects=0 net.ipv4.conf.%s.rp_filter=0 "
                                   "net.ipv6.conf.%s.mldv2_unsolicited_report_interval=1\nip link set %s up\n",
                                   dev, dev, dev, dev, dev, dev);
        for (int v = 4; v <= 6; v += 2) {
            if (i <= FUZZ_FIRST_PORT)
                g_string_append_printf(script, "ip addr add %s/%d dev %s %s\n",
                                       ipaddr_format(fuzz_addr((IpFamily)v, ADDR_ROUTER_C + i), text), v == 4 ? 24 : 64,
                                       dev, v == 6 ? "nodad" : "");
            for (int j = 0; addrs[j] != ADDR_N; j++)
                g_string_append_printf(script, "ip neigh add %s lladdr 02:00:00:00:01:0%d dev %s nud permanent\n",
                                       ipaddr_format(fuzz_addr((IpFamily)v, addrs[j]), text), i, dev);
        }
        memcpy(k->end_mac[i], (uint8_t[]){2, 0, 0, 0, 1, (uint8_t)i}, 6);
        memcpy(k->dev_mac[i], (uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(i < FUZZ_FIRST_PORT ? i : 9)}, 6);
    }
    g_string_append(script, "ip route add default via 10.3.0.2\nip -6 route add default via fd00:3::2\n"
                            "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1\n"
                            "ip route add unreachable 10.99.0.0/24\nip -6 route add unreachable fd00:99::/64\n"
                            "sleep 0.1\n");
    ok = ok && run(script->str, NULL, NULL);
    g_string_free(script, TRUE);
    fuzz_ipsets_print(sets);
    if (ok && !run("ipset restore", sets->str, NULL)) {
        *ret_why = "no ipsets";
        ok = false;
    }
    return ok;
}

static bool
set_up_sockets(FuzzKernel *k)
{
    int router = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), on = 1, size = 4 << 20;

    k->hear = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003 /* ETH_P_ALL */));
    setsockopt(k->hear, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    k->send4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    k->send6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    setsockopt(k->send6, IPPROTO_IPV6, 36 /* IPV6_HDRINCL */, &on, sizeof on);
    setns(k->ends_ns, CLONE_NEWNET);
    for (int i = 0; i < FUZZ_N_DEVS; i++) {
        struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(fuzz_dev_names[i])};
        k->tell[i] = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
        if (bind(k->tell[i], (struct sockaddr *)&addr, sizeof addr) != 0)
            return false;
    }
    setns(router, CLONE_NEWNET);
    close(router);
    return k->hear >= 0 && k->send4 >= 0 && k->send6 >= 0;
}

/* Runs a shell command in the namespace that this process stands in; its input and output are small or read at once. */
static bool
run(const char *command, const char *input, char **ret_output)
{
    int in[2], out[2], status = 1;
    GString *text = g_string_new(NULL);
    pid_t child;

    if (pipe(in) != 0 || pipe(out) != 0)
        return false;
    child = fork();
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(out[1], 2);
        for (int fd = 3; fd < 64; fd++)
            close(fd);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (input)
        for (size_t left = strlen(input); left > 0;) {
            ssize_t n = write(in[1], input, left);
            if (n <= 0)
                break;
            input += n;
            left -= (size_t)n;
        }
    close(in[1]);
    for (;;) {
        char buf[8192];
        ssize_t n = read(out[0], buf, sizeof buf);
        if (n <= 0)
            break;
        g_string_append_len(text, buf, n);
    }
    close(out[0]);
    waitpid(child, &status, 0);
    if (status != 0 && !ret_output)
        fprintf(stderr, "%s: %s\n", command, text->str);
    if (ret_output)
        *ret_output = g_string_free(text, FALSE);
    else
        g_string_free(text, TRUE);
    return status == 0;
}

static bool
load(const FuzzCase *c, FuzzView *view)
{
    bool nft = c->dialect == FUZZ_NFT, v6 = c->family == FAMILY_IPV6;
    GError *error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *output = NULL;

    if (!fuzz_print_rules(text, c, &error)) {
        fuzz_view_add(view, "%s", error ? error->message : "rules not read");
        g_clear_error(&error);
        return false;
    }
    /* Rules go some time after the command that removed them; what they remember by name goes with the last of them. */
#define CLEAN                                                                                                          \
    "nft flush ruleset; conntrack -F; n=0; while [ $n -lt 200 ] && "                                                   \
    "ls /proc/net/xt_recent/* /proc/net/ipt_hashlimit/* /proc/net/ip6t_hashlimit/* 2>/dev/null | grep -q .; "          \
    "do n=$((n + 1)); sleep 0.01; done; "
    if (!run(nft  ? "nft flush ruleset; conntrack -F; exec nft -f -"
             : v6 ? CLEAN "exec ip6tables-nft-restore"
                  : CLEAN "exec iptables-nft-restore",
             text->str, &output)) {
        fuzz_view_add(view, "%s", output);
        return false;
    }
    return true;
}

/* Summed over the CPUs. */
static void
read_stats(uint64_t ret_stats[static N_STATS])
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    memset(ret_stats, 0, N_STATS * sizeof *ret_stats);
    if (!g_file_get_contents("/proc/self/net/stat/nf_conntrack", &text, NULL, NULL))
        return;
    lines = g_strsplit(text, "\n", -1);
    for (char **line = *lines ? lines + 1 : lines; *line; line++) {
        char *at = *line;
        for (int i = 0; i < N_STATS && *at; i++)
            ret_stats[i] += g_ascii_strtoull(at, &at, 16);
    }
}

static void
set_sysctls(const FuzzCase *c)
{
    for (int pass = 0; pass < 2; pass++) {
        char *const *settings = pass ? (char *const *)c->sysctls->pdata : (char *const *)fuzz_sysctl_defaults;
        for (guint i = 0; pass ? i < c->sysctls->len : settings[i] != NULL; i++) {
            g_auto(GStrv) setting = g_strsplit(settings[i], "=", 2);
            g_autofree char *path = g_strconcat("/proc/sys/", g_strdelimit(setting[0], ".", '/'), NULL);
            int fd = open(path, O_WRONLY | O_CLOEXEC);
            if (fd < 0 || write(fd, setting[1], strlen(setting[1])) < 0)
                fprintf(stderr, "%s: %s\n", path, g_strerror(errno));
            close(fd);
        }
    }
}

static void
play_step(FuzzKernel *k, const FuzzCase *c, uint32_t index, FuzzView *view, GPtrArray *seen)
{
    static const uint8_t marker[60] = {2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, MARKER_TYPE >> 8, MARKER_TYPE & 0xff};
    const FuzzStep *step = &g_array_index(c->steps, FuzzStep, index);
    uint8_t frame[2048], from;
    Packet *pkt;
    const char *result;
    uint32_t size;
    ssize_t sent = 0;

    if (step->kind == STEP_WAIT) {
        g_usleep(step->len * 1000u);
        return;
    }
    pkt = fuzz_step_packet(k->sim, step, seen, &from);
    if (!pkt) {
        fuzz_view_add(view, "%u: nothing to answer", index);
        return;
    }
    size = wire_build(pkt, frame, sizeof frame);
    if (from == FUZZ_ROUTER && c->family == FAMILY_IPV4) {
        struct sockaddr_in to = {.sin_family = AF_INET};
        memcpy(&to.sin_addr, pkt->dst.b + 12, 4);
        sent = sendto(k->send4, frame + 14, size - 14, 0, (struct sockaddr *)&to, sizeof to);
    } else if (from == FUZZ_ROUTER) {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6};
        memcpy(&to.sin6_addr, pkt->dst.b, 16);
        sent = sendto(k->send6, frame + 14, size - 14, 0, (struct sockaddr *)&to, sizeof to);
    } else {
        int port = from >= FUZZ_FIRST_PORT ? fuzz_port_of(c->family, pkt->dst) : -1;
        memcpy(frame, port >= 0 && port != from ? k->end_mac[port] : k->dev_mac[from], 6);
        memcpy(frame + 6, k->end_mac[from], 6);
        if (send(k->tell[from], frame, size, 0) < 0)
            fuzz_view_add(view, "%u: %s", index, g_strerror(errno));
    }
    result = sent >= 0                                       ? "ok"
             : errno == EPERM || pkt->proto == IPPROTO_TCP_  ? "not permitted" /* play_sim.c */
             : errno == ENETUNREACH || errno == EHOSTUNREACH ? "unreachable"
                                                             : "error";
    packet_free(k->sim, pkt);
    if (send(k->tell[0], marker, sizeof marker, 0) < 0)
        fuzz_view_add(view, "%u: marker: %s", index, g_strerror(errno));
    hear(k, index, view, seen);
    if (from == FUZZ_ROUTER)
        fuzz_view_add(view, "%u: send %s", index, result);
    if (c->tracking) {
        char prefix[16];
        g_snprintf(prefix, sizeof prefix, "%u: ct:", index);
        add_table(c, view, prefix);
    }
}

/* The table itself: no program needs to start. */
static void
add_table(const FuzzCase *c, FuzzView *view, const char *prefix)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    GPtrArray *array = g_ptr_array_new();

    if (g_file_get_contents("/proc/self/net/nf_conntrack", &text, NULL, NULL)) {
        lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++)
            if (**line)
                g_ptr_array_add(array, *line);
    }
    fuzz_view_add_connections(view, prefix, c->family, array);
    g_ptr_array_unref(array);
}

static void
hear(FuzzKernel *k, uint32_t index, FuzzView *view, GPtrArray *seen)
{
    uint8_t frame[2048];

    for (;;) {
        struct sockaddr_ll from;
        socklen_t from_size = sizeof from;
        struct pollfd ready = {k->hear, POLLIN, 0};
        GString *text;
        char name[IF_NAMESIZE];
        ssize_t n;

        if (poll(&ready, 1, 1000) <= 0) {
            fuzz_view_add(view, "%u: the marker did not come", index);
            return;
        }
        n = recvfrom(k->hear, frame + 1, sizeof frame - 1, 0, (struct sockaddr *)&from, &from_size);
        if (n < 14)
            continue;
        if (frame[13] == MARKER_TYPE >> 8 && frame[14] == (MARKER_TYPE & 0xff))
            return;
        if (from.sll_pkttype != PACKET_OUTGOING_TYPE || !if_indextoname((unsigned)from.sll_ifindex, name) ||
            strcmp(name, "br0") == 0) /* It shows at the port. */
            continue;
        text = g_string_new(NULL);
        fuzz_format_frame(text, frame + 1, (uint32_t)n);
        fuzz_view_add(view, "%u: out %s %s", index, name, text->str);
        g_string_free(text, TRUE);
        for (uint8_t i = 0; i < FUZZ_N_DEVS; i++)
            if (strcmp(name, fuzz_dev_names[i]) == 0) {
                frame[0] = i;
                g_ptr_array_add(seen, g_bytes_new(frame, (gsize)n + 1));
            }
    }
}

static void
add_state(const FuzzCase *c, FuzzView *view)
{
    bool v6 = c->family == FAMILY_IPV6;
    g_autofree char *rules = NULL, *connections = NULL;
    g_auto(GStrv) lines = NULL;
    GPtrArray *array;

    run(c->dialect == FUZZ_NFT ? (v6 ? "nft list table ip6 fuzz" : "nft list table ip fuzz")
        : v6                   ? "ip6tables-nft-save -c"
                               : "iptables-nft-save -c",
        NULL, &rules);
    fuzz_view_add_rules(view, rules, c->dialect);
    run(v6 ? "conntrack -L -f ipv6 2>/dev/null" : "conntrack -L -f ipv4 2>/dev/null", NULL, &connections);
    lines = g_strsplit(connections, "\n", -1);
    array = g_ptr_array_new();
    for (char **line = lines; *line; line++)
        if (**line)
            g_ptr_array_add(array, *line);
    fuzz_view_add_connections(view, "ct:", c->family, array);
    g_ptr_array_unref(array);
}
