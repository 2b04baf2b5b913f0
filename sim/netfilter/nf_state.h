#ifndef SIM_NETFILTER_NF_STATE_H
#define SIM_NETFILTER_NF_STATE_H

/* What rules remember, per host: counters, recent lists, dynamic sets, nth and limit counters
 *
 * Rules are shared by thousands of hosts, so nothing mutable lives in them.  Everything here is sparse and made on
 * first hit.  Counters survive a new generation of the rules where kube-proxy's restore keeps them (chains it does not
 * rewrite). */

#include "sim/engine/sim.h"
#include "sim/netfilter/nf_ruleset.h"

NfState *nf_state_new(Sim *sim);
void nf_state_free(NfState *state);
SimTime nf_state_now(const NfState *state);

typedef struct {
    uint64_t packets, bytes;
} NfCounter;

/* The counters of a rule, or of a base chain's policy (index == number of rules); zero if never hit. */
NfCounter nf_state_counter(const NfState *state, const NfRuleset *rs, uint32_t chain_id, uint32_t rule);
/* After 'from' was replaced by 'to': keeps the counters of chains that are the same object, zeroes the others. */
void nf_state_replaced(NfState *state, const NfRuleset *from, const NfRuleset *to);
void nf_state_zero(NfState *state);
/* Also forgets recent lists, dynamic sets and hashlimit buckets: as if the rules had just been loaded. */
void nf_state_forget(NfState *state);

/* Dynamic content, for printing and tests: calls back in order of address. */
typedef struct {
    IpAddr addr;
    SimTime last_seen, expires; /* expires: SIMTIME_NEVER if it does not. */
    uint8_t ttl;
} NfDynElem;
void nf_state_recent(const NfState *state, const char *list, void (*each)(const NfDynElem *elem, void *user),
                     void *user);
void nf_state_dynamic_set(const NfState *state, uint32_t set_id, void (*each)(const NfDynElem *elem, void *user),
                          void *user);

#endif
