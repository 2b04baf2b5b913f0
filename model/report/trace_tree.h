#ifndef MODEL_REPORT_TRACE_TREE_H
#define MODEL_REPORT_TRACE_TREE_H

/* Trace tree: what happened to each packet of a connection, in order, kept for those who print it
 *
 * A trace sink for the flow of a FlowBook that has not ended.  Per packet it keeps the events of its way through all
 * hosts; a rewritten packet stays the same packet.  Rule sets, hosts and devices are borrowed from the Cluster: a tree
 * is good as long as the Cluster lives and no kube-proxy syncs. */

#include "model/report/flows.h"
#include "model/report/walk.h"
#include "sim/netfilter/conntrack.h"

/* Which part a packet plays in the connection. */
typedef enum {
    PACKET_OPENS,   /* First SYN, datagram or INIT of a host (behind a proxy there are two). */
    PACKET_ACCEPTS, /* SYN+ACK, INIT-ACK. */
    PACKET_ANSWERS, /* The first data from the server. */
    PACKET_REFUSES, /* RST or ICMP error. */
    PACKET_REPEATS, /* A SYN sent again. */
    PACKET_OTHER    /* ACKs, further data, FINs. */
} PacketRole;

typedef struct {
    TraceKind kind;
    SimTime at;
    Host *host;
    const NetDev *dev; /* Or NULL. */
    IpAddr src, dst;   /* Of the packet at this moment. */
    uint16_t sport, dport;
    uint8_t ttl;
    union {
        NfHook hook;
        WalkStep step; /* RULE, CHAIN_END. */
        struct {
            uint8_t manip, undo;
            IpAddr from, to;
            uint16_t from_port, to_port;
        } nat;
        struct {
            TraceRouteKind kind;
            IpAddr via;
            const NetDev *out;
        } route;
        struct {
            TraceCtEvent event;
            CtTuple orig, reply;
            const char *state; /* Literal, or NULL. */
        } ct;
        struct {
            DropReason reason;
            bool by_rule;
            WalkStep step; /* by_rule only. */
        } drop;
    };
} TreeEvent;

typedef struct {
    uint64_t id;
    PacketRole role;
    bool from_client;
    Host *sender; /* Where it was first seen. */
    char title[PACKET_STR_SIZE];
    SimTime at;
    TreeEvent *events;
    uint32_t n_events, capacity;
} TreePacket;

typedef struct TraceTree TraceTree;
TraceTree *trace_tree_new(Cluster *cluster, FlowBook *book); /* Registers as a sink. */
void trace_tree_stop(TraceTree *tree);                       /* Listens no more; keeps what it has. */
void trace_tree_free(TraceTree *tree);                       /* Accepts NULL. */
const TreePacket *const *trace_tree_packets(const TraceTree *tree, size_t *ret_n); /* In order of sending. */

#endif
