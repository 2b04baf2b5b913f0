#ifndef SIM_NETFILTER_NF_STACK_H
#define SIM_NETFILTER_NF_STACK_H

/* The netfilter stack of one host: what is hooked where, and the walk
 *
 * Each (family, hook) has an ordered list of entries: conntrack, base chains of every rule set, NAT, confirm.  Order
 * and priorities are the kernel's (nf_tables_api.c, nf_conntrack_proto.c, nf_nat_core.c): nat base chains run inside
 * the NAT entry, for the first packet of a connection only; afterwards the binding translates, null binding included.
 * There is one evaluator (nf_eval.c) and this is its only entrance.
 *
 * The stack asks its host through NfHostOps, so that this room does not know sim/net.                              */

#include "sim/netfilter/conntrack.h"
#include "sim/netfilter/nf_ruleset.h"
#include "sim/netfilter/nf_state.h"
#include "sim/trace/trace.h"

typedef struct {
    /* NF_TYPE_* of an address as the host's routing tables see it ('dev' limits to one interface, or NULL). */
    uint32_t (*addr_type)(Host *host, IpAddr addr, const NetDev *dev);
    /* The address that MASQUERADE takes on 'out' towards 'dst' (inet_select_addr / ipv6_dev_get_saddr); false if none.
     */
    bool (*masquerade_addr)(Host *host, const NetDev *out, IpAddr dst, IpAddr *ret_addr);
    /* Primary address of the incoming interface (REDIRECT). */
    bool (*redirect_addr)(Host *host, const NetDev *in, IpFamily family, IpAddr *ret_addr);
    /* Reverse path check of -m rpfilter: flags as NFX_RPFILTER. */
    bool (*rpfilter)(Host *host, const Packet *pkt, uint32_t flags);
    /* Is there a way for what OUTPUT's DNAT turned elsewhere? */
    bool (*can_reroute)(Host *host, const Packet *pkt);
    /* What fits on the way to 'dst', as far as is known here (TCPMSS). */
    uint32_t (*path_mtu)(Host *host, IpAddr dst);
    const char *(*dev_name)(const NetDev *dev);
    const NetDev *(*dev_at)(const Host *host, uint32_t index);
    const char *(*host_name)(const Host *host);
} NfHostOps;

NfStack *nf_stack_new(Sim *sim, Host *host, const NfHostOps *ops);
void nf_stack_free(NfStack *nf);

/* Rule sets are held in slots, so that one writer can replace its own: slot is a name ("iptables", "kube-proxy").
 * Takes a reference of its own; NULL removes.  Conntrack is hooked as soon as a rule set needs it
 * (nf_ruleset_uses_ct()) or nf_stack_force_conntrack() is called; until then no packet meets a nat chain. */
void nf_stack_set_ruleset(NfStack *nf, IpFamily family, const char *slot, NfRuleset *rs);
NfRuleset *nf_stack_ruleset(const NfStack *nf, IpFamily family, const char *slot); /* Borrowed; NULL if none. */
void nf_stack_force_conntrack(NfStack *nf);

Conntrack *nf_stack_conntrack(const NfStack *nf); /* NULL if not hooked. */
NfState *nf_stack_state(const NfStack *nf);
Sim *nf_stack_sim(const NfStack *nf);
Host *nf_stack_host(const NfStack *nf);
/* False: nothing is hooked at all for this family (a pod): the IP path skips the calls. */
bool nf_stack_active(const NfStack *nf, IpFamily family);

typedef struct {
    NfVerdict verdict;
    RejectWith reject;
    DropReason reason;        /* Of NF_DROP. */
    const NfRuleset *ruleset; /* Rule that decided a drop or reject; NULL for a policy or conntrack. */
    const NfChain *chain;
    uint32_t rule;
    bool is_unroutable; /* NF_DROP by can_reroute(): no rule's doing. */
} NfResult;

/* Walks a hook.  pkt->meta.in / out say the interfaces.  May rewrite the packet (NAT).  On DROP and REJECT the packet
 * is still the caller's. */
NfResult nf_stack_hook(NfStack *nf, NfHook hook, Packet *pkt);
/* EventType.prepare() of a packet that will come to PREROUTING: called with 'step' from NF_PREPARE_STEPS - 1 to 0. */
#define NF_PREPARE_STEPS 5u
void nf_stack_prepare(const NfStack *nf, const Packet *pkt, uint32_t step);
/* OUTPUT of a packet that is on its way: what NAT leaves without one is dropped there. */
NfResult nf_stack_output(NfStack *nf, Packet *pkt);
/* In two parts: POSTROUTING up to the entry of a new connection into the table, and that entry, later. */
NfResult nf_stack_postrouting_unconfirmed(NfStack *nf, Packet *pkt);
NfResult nf_stack_confirm(NfStack *nf, Packet *pkt);

/* The walk of single base chains by the plain linear walk, without index: the oracle of tests and `--no-index`. */
void nf_stack_set_linear(NfStack *nf, bool linear);

/* Makes a printed trace of matches possible: which matches or targets with unknown semantics the last hook depended on.
 */
uint32_t nf_stack_unknown_hits(const NfStack *nf);

#endif
