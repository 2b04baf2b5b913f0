#ifndef SIM_TRACE_TRACE_H
#define SIM_TRACE_TRACE_H

/* Trace: typed records of what happened to packets, and their sinks
 *
 * One walk, many observers: captures, explanations, flow reports, conntrack histories and tests are sinks that listen
 * to the same records.  A record is made only if a sink wants its kind (sim->trace_mask), lives on the stack and
 * borrows all it points to; text is made later, by whoever prints. */

#include "sim/engine/sim.h"
#include "sim/netfilter/nf.h"
#include "sim/packet/packet.h"
#include "sim/trace/drop.h"

typedef struct Host Host;

typedef enum {
    TRACE_DEV_OUT,   /* dev: leaves by an interface (where tcpdump sees it). */
    TRACE_DEV_IN,    /* dev: arrives at an interface. */
    TRACE_HOOK,      /* hook: begins a netfilter hook (after conntrack saw it, ctinfo is set). */
    TRACE_RULE,      /* rule: a rule matched and acted. */
    TRACE_RULE_MISS, /* rule: a rule was tried and did not match (only sinks that ask; makes the walk linear). */
    TRACE_CHAIN_END, /* rule: chain ended: returned to its caller, or its policy applied (index == number of rules). */
    TRACE_NAT,       /* nat: the addresses of this packet were rewritten. */
    TRACE_ROUTE,     /* route: a routing decision. */
    TRACE_CT,        /* ct: a conntrack entry was created, changed state, refreshed or died. */
    TRACE_DELIVER,   /* sock: handed to a local socket. */
    TRACE_DROP,      /* drop: the packet ended here. */
    TRACE_REJECT,    /* drop: a rule answers; the answer follows as a new packet. */
    TRACE_SEND,      /* sock: a local socket or the host itself made this packet. */
    TRACE_SOCKET,    /* socket: a connection changed state (application view). */
    TRACE_APP,       /* app: text of an application event (request, answer, probe). */
    TRACE_N_KINDS,
} TraceKind;

#define TRACE_BIT(kind) (1u << (kind))
#define TRACE_ALL       (TRACE_BIT(TRACE_N_KINDS) - 1 - TRACE_BIT(TRACE_RULE_MISS))

/* Parts of kinds, for the masks of sinks that can do without the rest. */
#define TRACE_NAT_RULES  TRACE_BIT(TRACE_N_KINDS)     /* TRACE_RULE in nat chains. */
#define TRACE_NIC_FRAMES TRACE_BIT(TRACE_N_KINDS + 1) /* TRACE_DEV_OUT and TRACE_DEV_IN of Ethernet interfaces. */

typedef enum {
    TRACE_CT_NEW,
    TRACE_CT_CONFIRM,
    TRACE_CT_STATE,
    TRACE_CT_REPLY,
    TRACE_CT_ASSURED,
    TRACE_CT_DESTROY
} TraceCtEvent;

typedef enum { TRACE_ROUTE_LOCAL, TRACE_ROUTE_FORWARD, TRACE_ROUTE_OUTPUT, TRACE_ROUTE_NONE } TraceRouteKind;

typedef struct {
    SimTime at;
    TraceKind kind;
    Host *host;        /* NULL only for links outside hosts. */
    const NetDev *dev; /* DEV_*, or the interface concerned. */
    const Packet *pkt; /* May be NULL for TRACE_CT (expiry), TRACE_SOCKET and TRACE_APP. */
    union {
        struct {
            uint8_t hook;
        } hook;
        struct {
            const NfRuleset *ruleset;
            const NfChain *chain;
            uint32_t index; /* 0-based rule index in the chain. */
            uint32_t tried; /* Rules that a linear walk compares in this chain up to and including this one. */
            uint8_t hook;
            uint8_t depth;         /* Of chain calls. */
            uint32_t set_elem;     /* 1-based element of the map that decided (verdict maps), or 0. */
            uint32_t draw, draw_n; /* Outcome of a random draw and their number; 0, 0: none. */
        } rule;
        struct {
            uint8_t hook;
            uint8_t manip; /* NatManip. */
            uint8_t undo;  /* 1: translation of the other direction's binding (a reply). */
            IpAddr from, to;
            uint16_t from_port, to_port;
        } nat;
        struct {
            uint8_t kind; /* TraceRouteKind. */
            IpAddr via;   /* Next hop; equal to the destination if on link. */
            const NetDev *out;
        } route;
        struct {
            Conn *conn;
            uint8_t event; /* TraceCtEvent. */
        } ct;
        struct {
            DropReason reason;
            uint8_t hook; /* NF_N_HOOKS if not in a hook. */
            const NfRuleset *ruleset;
            const NfChain *chain; /* The rule that did it, or NULL. */
            uint32_t index;
            uint8_t reject_with;
        } drop;
        struct {
            struct Socket *socket; /* NULL: the host itself (ICMP, RST). */
        } sock;
        struct {
            struct Socket *socket;
            const char *event;  /* Literal: "connected", "refused", ... */
            const char *reason; /* Literal reason code or NULL. */
        } socket;
        struct {
            const char *app;  /* "http", "dns", ... */
            const char *text; /* Borrowed. */
            uint64_t flow;
        } app;
    };
} TraceRecord;

struct TraceSink {
    uint32_t mask; /* OR of TRACE_BIT() and parts; constant while registered. */
    void (*record)(TraceSink *sink, const TraceRecord *record);
    TraceSink *next;
};

void trace_add_sink(Sim *sim, TraceSink *sink);
void trace_remove_sink(Sim *sim, TraceSink *sink);
/* Hands the record to the sinks that want it; sets record->at. */
void trace_emit(Sim *sim, TraceRecord *record);
/* The same for a record that belongs to a part too: 'bits' of its kind and that. */
void trace_emit_part(Sim *sim, TraceRecord *record, uint32_t bits);

static inline bool
trace_wants(const Sim *sim, TraceKind kind)
{
    return __builtin_expect((sim->trace_mask & TRACE_BIT(kind)) != 0, 0);
}

#endif
