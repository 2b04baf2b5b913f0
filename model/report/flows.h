#ifndef MODEL_REPORT_FLOWS_H
#define MODEL_REPORT_FLOWS_H

/* Flows: what became of each connection, gathered from the trace
 *
 * A FlowBook is a trace sink.  It follows connections by their identity (Packet.flow) across every NAT and host and
 * keeps what is shown of a flow: rewrites with their rules, nodes passed, the server and what it saw, drops
 * with the rule or element to blame.  It decides nothing; outcomes come from the client's socket (flow_finish()).
 *
 * A million flows are kept until the end, in blocks that are freed at once: all that a Flow points to is the book's, or
 * is put there by flow_book_keep(). */

#include "model/network/cluster.h"

typedef enum { FLOW_PENDING, FLOW_CONNECTED, FLOW_REFUSED, FLOW_TIMEOUT, FLOW_RESET, FLOW_UNRESOLVED } FlowOutcome;
const char *flow_outcome_name(FlowOutcome outcome);

typedef struct {
    const char *host; /* Node (or other host) that rewrote it. */
    IpAddr from, to;
    uint16_t from_port, to_port;
    const char *rule; /* "KUBE-SEP-... 2", or NULL. */
    /* Of a masquerade: the rule that marked the packet for it, and the field or fact behind that; or NULL. */
    const char *marked_by, *because;
    SimTime at;
} FlowRewrite;

typedef struct {
    SimTime at;
    const char *host;
    DropReason reason;
    bool reject;
    const char *rule; /* "filter KUBE-EXTERNAL-SERVICES 3 (Service default/web ...)", or NULL. */
} FlowDrop;

typedef enum { FLOW_POD_UNKNOWN, FLOW_POD_LISTENS, FLOW_POD_NOT_YET, FLOW_POD_TERMINATING, FLOW_POD_GONE } FlowPodState;

/* Where its opening packet was sent last, whether or not it came there: what a loss without a word leaves to go by. */
typedef struct {
    const char *by; /* Host that addressed it so: client, load balancer, translating node; NULL: it never left. */
    IpAddr to;
    uint16_t port;
    const ClusterNode *node; /* Whose pod or address that is, or whom it was handed to; NULL: no node. */
    const char *pod;         /* "ns/name", or NULL. */
    FlowPodState pod_state;  /* Then; gone also if 'to' is no pod's address. */
} FlowAim;

typedef struct {
    uint64_t id;
    const char *name, *from, *to, *dialed; /* dialed: "ip:port". */
    const char *group;                     /* Name of the load it belongs to, or NULL. */
    Host *client_host;
    uint8_t proto;
    bool lookup; /* A name looked up: 'to' is the name, the rest is its first query. */
    const IpAddr *resolved;
    uint32_t n_resolved, n_queries;
    FlowOutcome outcome;
    const char *reason; /* Stable code or NULL. */
    const char *blame;  /* Sentence: the rule or element that caused a bad outcome; or NULL. */
    /* Server side; has_server false if nothing was reached. */
    bool has_server;
    FlowPodState server_state;  /* Of the pod, when the flow ended. */
    bool server_expects_header; /* Of the PROXY protocol. */
    const char *server_pod, *server_node;
    IpAddr server_addr;
    uint16_t server_port;
    IpAddr source_seen;
    uint16_t source_seen_port;
    IpAddr client_addr;
    uint16_t client_port;
    IpAddr reply_from; /* What the client sees the reply come from. */
    uint16_t reply_port;
    bool has_reply;
    int status; /* HTTP status or 0. */
    FlowRewrite *dnat, *snat;
    uint32_t n_dnat, n_snat;
    FlowDrop *drops;
    uint32_t n_drops;
    const char **nodes; /* Node names in order of first passage. */
    uint32_t n_nodes;
    FlowAim aim;
    SimTime start, connected_at, end; /* -1: not yet. */
    uint32_t retransmits;
    uint32_t requests;
    uint64_t cross_zone_bytes; /* zone_meter.h; both directions, those after the end too. */
} Flow;

typedef struct FlowBook FlowBook;
/* The drop that decided how a lost flow ended, or NULL: of one that waits in vain, what met its first packet; of one
 * that was reset, the first that was answered; else the last.  Answers that the ICMP rate limit kept back do not count.
 */
const FlowDrop *flow_decisive_drop(const Flow *flow);

FlowBook *flow_book_new(Cluster *cluster); /* Registers as a sink. */
void flow_book_free(FlowBook *book);
/* Begins a flow; returns its record (owned by the book, stable address). 'id' is what the socket's options.flow gets.
 */
Flow *flow_begin(FlowBook *book, const char *name, const char *from, const char *to, Host *client, uint8_t proto);
void flow_finish(FlowBook *book, Flow *flow, FlowOutcome outcome, const char *reason);
/* A copy that lives as long as the book; NULL stays NULL. */
const char *flow_book_keep(FlowBook *book, const char *text);
const void *flow_book_keep_bytes(FlowBook *book, const void *data, size_t size);
const char *flow_book_keep_name(FlowBook *book, const char *name); /* Equal ones are one: what many flows share. */
Flow *flow_book_find(FlowBook *book, uint64_t id);                 /* NULL if none. */
Flow *const *flow_book_flows(const FlowBook *book, size_t *ret_n); /* In order of beginning. */

/* Sentence about a rule: chain, number, object behind it. Caller frees. */
char *flow_rule_text(const Cluster *cluster, const Host *host, const NfRuleset *rs, const NfChain *chain,
                     uint32_t index);

#endif
