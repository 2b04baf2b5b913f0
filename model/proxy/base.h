#ifndef MODEL_PROXY_BASE_H
#define MODEL_PROXY_BASE_H

/* Bases and overlays: what nodes share of their rules, and what a node has of its own
 *
 * A base is the rule set of a node without name and addresses, for a class of nodes that differ in nothing else.  It
 * moves from state to state of the service map: only the parts of changed service ports are made anew.  An overlay
 * holds what is otherwise on one node: parts of service ports that look at where they are, and the shared parts that
 * follow.
 *
 * Internal to proxier.c, base.c and overlay.c. */

#include "model/proxy/compiler.h"
#include "model/proxy/port_blocks.h"
#include "model/proxy/port_parts.h"
#include "sim/engine/htable.h"

/* What nodes must have in common to share a base. */
typedef struct {
    const char *zone; /* NULL: none. */
    LocalDetector detector;
    bool node_ports_all, localhost_node_ports, tcp_be_liberal, forward_drop, random_fully, nfacct_invalid,
        nfacct_localhost;
} NodeClass;

/* A service port in a base. */
typedef struct {
    const ProxyServicePort *port; /* This state of it: the names hold it. */
    PortNames *names;             /* Used. */
    const PortParts *parts;       /* Of the names. */
    uint32_t shared; /* Place in the base's 'shared'; UINT32_MAX: shared parts say nothing of it. */
    PortVerdict verdict;
    bool node_dependent; /* As the names. */
} BasePort;

typedef VEC(SharedPort) SharedPorts;

typedef struct {
    NodeClass class;
    uint64_t generation; /* Of the service map that was taken in. */
    VEC(BasePort) ports;
    VEC(uint32_t) dependent;      /* Indices of ports that may differ from node to node. */
    SharedPorts shared;           /* What the shared parts were made of, in order; parts are referenced. */
    PortBlocks blocks;            /* Of the same. */
    NfRuleset *ruleset;           /* Sealed. */
    GHashTable *overlays; /* Key of decisions (GBytes) -> Parts of the shared chains; dropped with each change. */
} Base;

struct ProxyCompiler {
    uint32_t refs; /* The owner's, and that of every PortNames: rule sets may outlive the owner. */
    bool closed;   /* The owner is gone. */
    ProxyParams params;
    NfNames *names;
    uint32_t mark_chain; /* See ProxyView. */
    Origins *origins;
    const ProxyModeOps *ops; /* NULL: the mode is not modelled. */
    GPtrArray *bases;
    HTable port_names;         /* Key of a port -> PortNames *: its states in use, the newest first. */
    HTable gone_ports;         /* Keys of ports that had states: the table of names has their chains. */
    GPtrArray *detectors;      /* LocalDetector, each once. */
    VEC(PortRow) rows;         /* Scratch. */
    VEC(PortVerdict) verdicts; /* Scratch. */
};

ProxyCompiler *proxy_compiler_ref(ProxyCompiler *c);
void proxy_compiler_unref(ProxyCompiler *c);

/* The base of the view's class, made if need be. */
Base *base_of(ProxyCompiler *c, const ProxyView *view);
void base_free(void *base);
/* Brings the base up to the state of 'map'.  False with *error if the kernel would refuse it; then it is empty. */
bool base_update(ProxyCompiler *c, Base *base, const ProxyView *view, const ServiceMap *map, GError **error);
/* Rows of the base's ports, in the compiler's scratch memory. */
PortRow *base_rows(ProxyCompiler *c, const Base *base, const ProxyServicePort *const *ports);
/* What a node of this view decides for a service port; the choice is the caller's to clear. */
PortVerdict base_decide(const ProxyView *view, const ProxyServicePort *port, EndpointChoice *ret_choice);

/* The sealed rule set of one node; NULL with *error if the kernel would refuse it. */
NfRuleset *overlay_new(ProxyCompiler *c, Base *base, const ProxyView *view, const ProxyServicePort *const *ports,
                       GError **error);

#endif
