#ifndef MODEL_PROXY_COMPILER_H
#define MODEL_PROXY_COMPILER_H

/* What the compilers of the modes share: the view of a node, the decision for a service port, the parts made of it
 *
 * proxier.c decides and shares; a ProxyModeOps turns decisions into chains and sets.  Three kinds of parts:
 *   fixed    chains that no service port decides (hooks, masquerading);
 *   port     chains and sets of one service port (service_parts.h): one for each state of the Service and decision,
 *            shared by all rule sets; the chains are made when a packet or a reader first comes to them;
 *   shared   chains and maps with rules of all service ports (KUBE-SERVICES, service-ips).
 * The restore input of an incremental sync is told from object identity: a port's chains are new objects exactly when
 * its Service or its endpoints changed. */

#include "model/proxy/choice.h"
#include "model/proxy/detect_local.h"
#include "model/proxy/node_addrs.h"
#include "model/proxy/origin.h"
#include "model/proxy/proxier.h"
#include "sim/engine/htable.h"
#include "sim/engine/vec.h"

/* Chains of a service port: up to one of each of the first kinds, and one of each endpoint. */
typedef enum { PORT_CLUSTER, PORT_LOCAL, PORT_EXTERNAL, PORT_FIREWALL, PORT_ENDPOINT } PortChainKind;
#define PORT_N_SINGLE PORT_ENDPOINT

typedef struct {
    PortChainKind kind;
    uint32_t endpoint; /* Index, of PORT_ENDPOINT. */
} PortChain;

#define NO_PLACE UINT8_MAX

/* Ids of a Service that do not follow from its names' first. */
typedef struct {
    uint32_t *chains;        /* By place; NULL: they are consecutive. */
    uint32_t *affinity_sets; /* By endpoint, port after port; NULL: none. */
} ListedIds;

/* One state of a Service, by names: ids of the chains that its ports may have on some node.  There are as many as
 * Services: what a port's chains are follows from the port (PortCursor). */
typedef struct ServiceNames ServiceNames;
struct ServiceNames {
    uint32_t users;              /* Bases that hold it; without any it is not found any more. */
    uint32_t refs : 29;          /* Those together, and the parts. */
    uint32_t node_dependent : 1; /* Its parts or decisions may differ from node to node. */
    uint32_t reserved : 1;       /* The names of its chains are made when asked for. */
    uint32_t ends_block : 1;     /* See service_blocks.h. */
    const ServiceEntry *entry;   /* Referenced. */
    struct ProxyCompiler *compiler;
    ServiceNames *next;         /* Another state of the Service, or a Service of equal key. */
    struct ServiceParts *parts; /* See service_parts.h. */
    ListedIds *listed;          /* NULL: no ids need be listed. */
    uint32_t first_chain;       /* Ids of chains are consecutive, unless they are listed; NF_NO_ID: there are none. */
    uint32_t origin;            /* Of the first port: see origin.h. */
};

/* Of one of its ports, for as long as somebody looks at it. */
typedef struct {
    const ServiceNames *service;
    uint32_t first_place;         /* Of its chains among those of the Service. */
    uint32_t n_chains;            /* Up to one of each kind, then those of the endpoints or none. */
    uint8_t place[PORT_N_SINGLE]; /* Of the chain among the port's; NO_PLACE. */
    uint8_t n_single;
    uint32_t origin;
    const uint32_t *affinity_sets; /* By endpoint; NULL: none. */
} PortNames;

static inline uint32_t
service_chain_at(const ServiceNames *names, uint32_t place)
{
    return names->listed && names->listed->chains ? names->listed->chains[place] : names->first_chain + place;
}

static inline uint32_t
port_chain_at(const PortNames *names, uint32_t place)
{
    return service_chain_at(names->service, names->first_place + place);
}

/* Which chain's id is at a place. */
static inline PortChain
chain_at_place(const PortNames *names, uint32_t place)
{
    for (PortChainKind kind = 0; kind < PORT_N_SINGLE && place < names->n_single; kind++)
        if (names->place[kind] == place)
            return (PortChain){.kind = kind};
    return (PortChain){PORT_ENDPOINT, place - names->n_single};
}

/* The port must have such a chain. */
static inline uint32_t
port_chain(const PortNames *names, PortChainKind kind)
{
    return port_chain_at(names, names->place[kind]);
}

static inline uint32_t
endpoint_chain(const PortNames *names, uint32_t endpoint)
{
    return port_chain_at(names, names->n_single + endpoint);
}

/* What was decided of a port's endpoints, as far as tables of all ports need it. */
typedef struct {
    bool has_endpoints : 1, has_internal : 1, has_external : 1;
    bool node_in_ranges : 1; /* The node's own address is within loadBalancerSourceRanges. */
} PortVerdict;

typedef struct {
    const ProxyServicePort *port;
    const PortNames *names;
    PortVerdict verdict;
} PortRow;

/* A node, or what all nodes of a class have in common (then node.name is NULL and node_addrs are none). */
typedef struct {
    const ProxyParams *params;
    const struct ProxyModeOps *ops;
    NfNames *names;
    Origins *origins;
    ChoiceNode node;
    IpAddr primary_ip;
    LocalDetector detector;
    NodePortAddrs node_ports;
    bool localhost_node_ports; /* In effect. */
    bool tcp_be_liberal, forward_drop, random_fully, nfacct_invalid, nfacct_localhost;
    bool large_cluster;   /* More endpoints than kube-proxy writes comments for. */
    uint32_t mark;        /* Masquerade mark. */
    uint32_t *mark_chain; /* Id of the chain that sets it, once somebody has asked; NF_NO_ID. */
} ProxyView;

/* Endpoints that a choice picked, by index, ascending. */
typedef struct {
    uint32_t n;
    const uint32_t *index; /* NULL: the first n. */
} Picks;

static inline uint32_t
pick(const Picks *picks, uint32_t i)
{
    return picks->index ? picks->index[i] : i;
}

typedef struct {
    Picks cluster, local, reachable; /* As EndpointChoice. */
} PortPicks;

/* Index of an endpoint that a choice picked. */
uint32_t port_endpoint_index(const ProxyServicePort *port, const ProxyEndpoint *ep);
/* External addresses lead somewhere: a KUBE-EXT or external- chain. */
bool row_has_external_chain(const PortRow *row);
/* Of that chain, in either mode: how many rules it has, and the index-th chain of the port that they name. */
uint32_t row_external_n_rules(const ProxyView *view, const PortRow *row);
uint32_t row_external_names(const PortRow *row, uint32_t index);

/* Chains and sets on their way into a rule set; holds references. */
typedef struct {
    VEC(NfChain *) chains;
    VEC(NfSet *) sets;
} Parts;

/* A Service as shared parts see it. */
typedef struct {
    const struct ServiceParts *parts; /* Held by blocks, or those of now. */
    uint32_t origin, n_origins : 30;  /* Numbers of all its ports: see origin.h. */
    uint32_t ends_block : 1;
    uint32_t serves : 1; /* All ports have internal and external endpoints. */
} SharedService;

/* Shared sets as they were: elements of a Service that they still say of it are taken over. */
typedef struct {
    const NfRuleset *rules;
    const SharedService *services; /* That had elements in there, in order. */
    size_t n;
    const uint32_t *kept; /* By Service of now: its place among those, ascending; UINT32_MAX: none. */
} SharedBefore;

/* What shared parts depend on, beyond the service ports. */
enum {
    PART_INTERNAL = 1,  /* has_internal. */
    PART_EXTERNAL = 2,  /* has_external. */
    PART_ENDPOINTS = 4, /* has_endpoints. */
    PART_NODE = 8,      /* Addresses of the node. */
    PART_LOCAL = 16,    /* The node's local endpoints, of whatever port. */
    PART_ALL = 31
};

/* A chain with rules of all service ports. */
typedef struct {
    const char *table, *name;
    unsigned depends; /* PART_*. */
    void (*row)(const ProxyView *view, NfChainBuilder *b, const PortRow *row);
    void (*last)(const ProxyView *view, NfChainBuilder *b); /* Rules behind those of the ports; or NULL. */
} SharedChain;

typedef struct ProxyModeOps {
    NfDialect dialect;
    const char *table_comment; /* Or NULL. */
    NfNamer namer;             /* Of the chains of a Service: its owner is ServiceNames, the index a place. */
    /* Of one port: the place is among those of the port. */
    void (*chain_name)(const ProxyServicePort *port, PortChain chain, char ret_name[static NF_NAME_SIZE]);
    PortChainKind order[PORT_N_SINGLE]; /* Of the ids. */
    bool (*endpoints_have_chains)(const ProxyParams *params, const ProxyServicePort *port);
    /* Affinity sets; NULL: there are none. */
    void (*name_sets)(NfNames *names, const ProxyServicePort *port, uint32_t *ret_ids);
    void (*fixed)(const ProxyView *view, Parts *parts);
    bool (*uses_firewall)(const PortRow *row);
    NfChain *(*service_chain)(const ProxyView *view, const PortRow *row, bool local, const Picks *picks);
    NfChain *(*external_chain)(const ProxyView *view, const PortRow *row);
    NfChain *(*firewall_chain)(const ProxyView *view, const PortRow *row);
    NfChain *(*endpoint_chain)(const ProxyView *view, const PortRow *row, uint32_t index);
    /* The index-th chain (or set) that the chain's rules name, each once; NF_NO_ID behind the last. */
    uint32_t (*chain_names)(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain,
                            bool sets, uint32_t index);
    /* How many rules that chain has. */
    uint32_t (*chain_n_rules)(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain);
    /* The port's sets; NULL: it has none. */
    void (*sets)(const ProxyView *view, const PortRow *row, const PortPicks *picks, Parts *parts);
    const SharedChain *shared_chains;
    uint32_t n_shared_chains;
    /* Sets with elements of all service ports, those that depend on one of 'part_mask'; NULL: there are none.
     * 'before': NULL, or what there was.  False with *error if the kernel would refuse them. */
    bool (*shared_sets)(const ProxyView *view, const SharedService *services, size_t n, unsigned part_mask,
                        const SharedBefore *before, Parts *parts, GError **error);
    /* Bits of PART_NODE and PART_LOCAL that concern every node of this view. */
    unsigned (*per_node)(const ProxyView *view);
} ProxyModeOps;

extern const ProxyModeOps iptables_ops;
extern const ProxyModeOps nftables_ops;

/* Origins of rules written on this line. */
#define PORT_ORIGIN(view, row, endpoint, site) ORIGIN((view)->origins, (row)->names->origin, (endpoint), SITE_##site)
#define FIXED_ORIGIN(view, site)               ORIGIN((view)->origins, 0, -1, SITE_##site)

#endif
