/* The sending half of kernel.sh: cluster manifests, and datagrams into the namespaces that it made
 *
 *   kernel_peer yaml NODES SERVICES ENDPOINTS CLIENTS MODE     the benches' cluster, each Service with a UDP port 81
 *   kernel_peer flood SOURCE ADDRESSES FLOWS PACKETS TO...     datagrams of 100 bytes to port 81
 *
 * A flood cycles over FLOWS pairs of source (ADDRESSES of them from SOURCE on, then the next port) and destination;
 * with as many FLOWS as PACKETS each opens a connection.  Prints nanoseconds of CPU a packet: of this process and of
 * the ksoftirqd of its processor, which is all that veth, routing and netfilter cost; pin it to one processor. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

#define BATCH      64
#define FIRST_PORT 1024
#define N_PORTS    60000

typedef struct {
    struct iphdr ip;
    struct udphdr udp;
    uint8_t payload[100];
} Datagram;
_Static_assert(sizeof(Datagram) == 128, "no padding");

typedef struct {
    uint32_t source, n_sources; /* Host order. */
    uint64_t n_flows;
    in_addr_t to[64];
    uint32_t n_to;
} Flood;

/* CPU that the processor's ksoftirqd has had, in seconds; 0 where /proc does not tell. */
static double
softirq_cpu(int pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/schedstat", pid), *text = NULL;

    return pid && g_file_get_contents(path, &text, NULL, NULL) ? (double)g_ascii_strtoull(text, NULL, 10) / 1e9 : 0;
}

static int
softirq_pid(void)
{
    g_autofree char *want = g_strdup_printf("ksoftirqd/%d\n", sched_getcpu());
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *name;

    while (proc && (name = g_dir_read_name(proc))) {
        g_autofree char *path = g_build_filename("/proc", name, "comm", NULL), *comm = NULL;
        if (g_ascii_isdigit(*name) && g_file_get_contents(path, &comm, NULL, NULL) && strcmp(comm, want) == 0)
            return atoi(name);
    }
    return 0;
}

/* The kernel fills in the IP checksum and the length; a UDP checksum of 0 is none. */
static void
datagram_of_flow(const Flood *flood, uint64_t flow, Datagram *d, struct sockaddr_in *to)
{
    *d = (Datagram){.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP}};
    d->ip.saddr = htonl(flood->source + (uint32_t)(flow % flood->n_sources));
    d->ip.daddr = flood->to[flow % flood->n_to];
    d->ip.tot_len = htons(sizeof *d);
    d->udp.source = htons((uint16_t)(FIRST_PORT + flow / flood->n_sources % N_PORTS));
    d->udp.dest = htons(81);
    d->udp.len = htons(sizeof *d - sizeof d->ip);
    *to = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = d->ip.daddr};
}

static void
send_all(int fd, const Flood *flood, uint64_t n)
{
    static Datagram datagrams[BATCH];
    static struct sockaddr_in to[BATCH];
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];

    for (uint64_t sent = 0; sent < n;) {
        uint32_t batch = (uint32_t)MIN(BATCH, n - sent);
        int done;
        for (uint32_t i = 0; i < batch; i++) {
            datagram_of_flow(flood, (sent + i) % flood->n_flows, &datagrams[i], &to[i]);
            parts[i] = (struct iovec){&datagrams[i], sizeof datagrams[i]};
            messages[i].msg_hdr =
                (struct msghdr){.msg_name = &to[i], .msg_namelen = sizeof to[i], .msg_iov = &parts[i], .msg_iovlen = 1};
        }
        done = sendmmsg(fd, messages, batch, 0);
        if (done < 0 && errno != ENOBUFS && errno != EINTR) {
            perror("sendmmsg");
            exit(1);
        }
        sent += (uint64_t)MAX(done, 0);
    }
}

static int
flood_main(char **args, int n_args)
{
    uint64_t n = g_ascii_strtoull(args[3], NULL, 10);
    Flood flood = {.source = ntohl(inet_addr(args[0])),
                   .n_sources = (uint32_t)atoi(args[1]),
                   .n_flows = g_ascii_strtoull(args[2], NULL, 10)};
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), ksoftirqd = softirq_pid();
    double cpu;

    if (fd < 0) {
        perror("socket");
        return 1;
    }
    for (int i = 4; i < n_args && flood.n_to < G_N_ELEMENTS(flood.to); i++)
        flood.to[flood.n_to++] = inet_addr(args[i]);
    cpu = bench_cpu() + softirq_cpu(ksoftirqd);
    send_all(fd, &flood, n);
    cpu = bench_cpu() + softirq_cpu(ksoftirqd) - cpu;
    printf("%.0f\n", cpu / (double)n * 1e9);
    close(fd);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 7 && strcmp(argv[1], "yaml") == 0) {
        g_autoptr(GString) yaml = bench_cluster_yaml(&(BenchCluster){.nodes = (uint32_t)atoi(argv[2]),
                                                                     .services = (uint32_t)atoi(argv[3]),
                                                                     .endpoints = (uint32_t)atoi(argv[4]),
                                                                     .clients = (uint32_t)atoi(argv[5]),
                                                                     .network = "routed",
                                                                     .mode = argv[6],
                                                                     .udp_only = true});
        return fputs(yaml->str, stdout) < 0;
    }
    if (argc > 6 && strcmp(argv[1], "flood") == 0)
        return flood_main(argv + 2, argc - 2);
    fprintf(stderr, "usage: see the source\n");
    return 2;
}
