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
#include "model/proxy/nearby.h"
#include "model/proxy/service_blocks.h"
#include "model/proxy/service_parts.h"
#include "sim/engine/htable.h"

/* What nodes must have in common to share a base. */
typedef struct {
    const char *zone; /* NULL: none. */
    LocalDetector detector;
    bool node_ports_all, localhost_node_ports, tcp_be_liberal, forward_drop, random_fully, nfacct_invalid,
        nfacct_localhost;
} NodeClass;

/* A Service in a base. */
typedef struct {
    const ServiceEntry *entry; /* This state of it: the names hold it. */
    const ServiceParts *parts; /* Of the names, which are used. */
    uint32_t shared;           /* Place in the base's 'shared'; UINT32_MAX: shared parts say nothing of it. */
    bool node_dependent;       /* As the names. */
} BaseService;

typedef VEC(SharedService) SharedServices;

typedef struct {
    NodeClass class;
    uint64_t generation; /* Of the service map that was taken in. */
    VEC(BaseService) services;
    Nearby nearby;         /* Made when an overlay needs it; places are those among the Services. */
    SharedServices shared; /* What the shared parts were made of, in order. */
    ServiceBlocks blocks;  /* Of the same: they hold its parts. */
    NfRuleset *ruleset;    /* Sealed. */
    GHashTable *overlays;  /* Key of decisions (GBytes) -> Parts of the shared chains; dropped with each change. */
} Base;

struct ProxyCompiler {
    uint32_t refs; /* The owner's, and that of every ServiceNames: rule sets may outlive the owner. */
    bool closed;   /* The owner is gone. */
    ProxyParams params;
    NfNames *names;
    uint32_t mark_chain; /* See ProxyView. */
    Origins *origins;
    const ProxyModeOps *ops; /* NULL: the mode is not modelled. */
    GPtrArray *bases;
    HTable service_names;            /* Key of a Service -> ServiceNames *: its states in use, the newest first. */
    HTable gone_services;            /* Keys of Services that had states: the table of names has their chains. */
    GPtrArray *detectors;            /* LocalDetector, each once. */
    VEC(PortChoice) choices;         /* Scratch. */
    VEC(const ServiceEntry *) awake; /* Taken in by the update under way; referenced. */
};

ProxyCompiler *proxy_compiler_ref(ProxyCompiler *c);
void proxy_compiler_unref(ProxyCompiler *c);

/* The base of the view's class, made if need be. */
Base *base_of(ProxyCompiler *c, const ProxyView *view);
void base_free(void *base);
/* Brings the base up to the state of 'map'.  False with *error if the kernel would refuse it; then it is empty. */
bool base_update(ProxyCompiler *c, Base *base, const ProxyView *view, const ServiceMap *map, GError **error);
/* What a node of this view decides for the Service: its parts, which the names hold. */
const ServiceParts *base_decide(ProxyCompiler *c, const ProxyView *view, ServiceNames *names);

/* The sealed rule set of one node; NULL with *error if the kernel would refuse it. */
NfRuleset *overlay_new(ProxyCompiler *c, Base *base, const ProxyView *view, GError **error);

#endif
