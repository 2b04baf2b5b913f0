#ifndef TESTS_FLOW_RECORD_H
#define TESTS_FLOW_RECORD_H

/* Recorded flows: what a real kernel did under real kube-proxy's rules, and the same of a simulation
 *
 * A RecordedFlow is one question (client, destination, the node that the outside routes to); a FlowResult is one
 * distinct answer.  The file (flows.json) gives answers with counts, the simulation gives them with exact
 * probabilities: both in the same form, so that one comparison serves. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char *outcome;      /* "connected", "refused", "timeout", "net-unreachable", "error EPERM", ... */
    uint32_t count;     /* Recorded: tries that ended so. */
    double probability; /* Simulated. */
    char *server;       /* "10.244.0.10:3000", or NULL if none was reached. */
    char *server_pod, *server_where;
    char *source_seen; /* Address. */
    bool snat, snat_ip_changed;
    char *client_src;     /* Address. */
    char *reply_from;     /* "10.96.5.81:3000". */
    char *answer;         /* The ICMP error or RST that reached the client, as in 'trace', or NULL. */
    bool has_trace;       /* Else 'trace' and 'conntrack' were not recorded. */
    GPtrArray *trace;     /* char *, "minikube/eth0 in TCP 1.2.3.4:1 > 5.6.7.8:80 SYN ttl=63" */
    GPtrArray *conntrack; /* char *, "minikube tcp      6 ...": the node's name, then conntrack -L. */
} FlowResult;

FlowResult *flow_result_new(void);
void flow_result_free(gpointer result);

typedef struct {
    char *id;
    bool nftables;
    char *client_kind; /* "pod", "endpoint-pod", "node", "external" */
    char *client_name;
    char *service, *port_name; /* "default/web", "http" */
    char *kind;                /* "clusterIP", "nodePort", ... */
    char *note;                /* "localhost", ... or NULL */
    char *ip, *proto;
    uint16_t port;
    char *via; /* Node, or NULL. */
    uint32_t tries;
    GPtrArray *results; /* FlowResult, those with a count. */
    bool mode_difference;
} RecordedFlow;

/* RecordedFlow elements; NULL with a message on stdout if the file cannot be read. */
GPtrArray *record_load(const char *path);

#endif
