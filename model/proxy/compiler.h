#ifndef MODEL_PROXY_COMPILER_H
#define MODEL_PROXY_COMPILER_H

/* What the compilers of the modes share: the view of a node, the decision for a service port, the parts made of it
 *
 * proxier.c decides and shares; a ProxyModeOps turns decisions into chains and sets.  Three kinds of parts:
 *   fixed    chains that no service port decides (hooks, masquerading);
 *   port     chains and sets of one service port: made once per state of the port and decision, shared by all rule
 * sets; shared   chains and maps with rules of all service ports (KUBE-SERVICES, service-ips). The restore input of an
 * incremental sync is told from object identity: a port's chains are new objects exactly when its Service or its
 * endpoints changed. */

#include "model/proxy/arena.h"
#include "model/proxy/choice.h"
#include "model/proxy/detect_local.h"
#include "model/proxy/node_addrs.h"
#include "model/proxy/origin.h"
#include "model/proxy/proxier.h"
#include "sim/engine/htable.h"
#include "sim/engine/vec.h"

/* Ids of one state of a service port: of the chains that it may have on some node; others are 0. */
typedef struct {
    uint64_t generation;
    uint32_t refs;
    bool node_dependent; /* Its parts or decisions may differ from node to node. */
    uint32_t origin;     /* See origin.h. */
    uint32_t text;       /* Text id of NAME. */
    uint32_t cluster_chain, local_chain, external_chain, firewall_chain;
    uint32_t *endpoint_chains, *affinity_sets; /* By endpoint. */
    Arena arena;
    struct PartsVariant *variants; /* See parts.h. */
    HTable *table;                 /* Where it is found by its generation. */
} PortNames;

/* What was decided of a port's endpoints, as far as tables of all ports need it. */
typedef struct {
    bool has_endpoints, has_internal, has_external;
    bool node_in_ranges; /* The node's own address is within loadBalancerSourceRanges. */
} PortVerdict;

typedef struct {
    const ProxyServicePort *port;
    const PortNames *names;
    PortVerdict verdict;
} PortRow;

/* A node, or what all nodes of a class have in common (then node.name is NULL and node_addrs are none). */
typedef struct {
    const ProxyParams *params;
    NfNames *names;
    Origins *origins;
    ChoiceNode node;
    IpAddr primary_ip;
    LocalDetector detector;
    NodePortAddrs node_ports;
    bool localhost_node_ports; /* In effect. */
    bool tcp_be_liberal, forward_drop, random_fully, nfacct_invalid, nfacct_localhost;
    bool large_cluster; /* More than 1,000 endpoints: rules without comments. */
    uint32_t mark;      /* Masquerade mark. */
} ProxyView;

/* Index of an endpoint that a choice picked. */
uint32_t row_endpoint_index(const PortRow *row, const ProxyEndpoint *ep);
/* External addresses lead somewhere: a KUBE-EXT or external- chain. */
bool row_has_external_chain(const PortRow *row);

/* Chains and sets on their way into a rule set; holds references. */
typedef struct {
    VEC(NfChain *) chains;
    VEC(NfSet *) sets;
} Parts;

/* What shared parts depend on, beyond the service ports. */
enum {
    PART_INTERNAL = 1,  /* has_internal. */
    PART_EXTERNAL = 2,  /* has_external. */
    PART_ENDPOINTS = 4, /* has_endpoints. */
    PART_NODE = 8,      /* Addresses of the node. */
    PART_LOCAL = 16,    /* The node's local endpoints, of whatever port. */
    PART_ALL = 31
};

typedef struct {
    NfDialect dialect;
    const char *table_comment; /* Or NULL. */
    /* Fills in the ids. */
    void (*name_port)(NfNames *names, const ProxyServicePort *port, PortNames *ret_names);
    void (*fixed)(const ProxyView *view, Parts *parts);
    void (*port)(const ProxyView *view, const PortRow *row, const EndpointChoice *choice, Parts *parts);
    /* Those that depend on one of 'part_mask'.  False with *error if the kernel would refuse them. */
    bool (*shared)(const ProxyView *view, const PortRow *rows, size_t n_rows, unsigned part_mask, Parts *parts,
                   GError **error);
    /* Bits of PART_NODE and PART_LOCAL that concern every node of this view. */
    unsigned (*per_node)(const ProxyView *view);
} ProxyModeOps;

extern const ProxyModeOps iptables_ops;
extern const ProxyModeOps nftables_ops;

/* Origins of rules written on this line. */
#define PORT_ORIGIN(view, row, endpoint, site) ORIGIN((view)->origins, (row)->names->origin, (endpoint), SITE_##site)
#define FIXED_ORIGIN(view, site)               ORIGIN((view)->origins, 0, -1, SITE_##site)

#endif
