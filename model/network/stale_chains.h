#ifndef MODEL_NETWORK_STALE_CHAINS_H
#define MODEL_NETWORK_STALE_CHAINS_H

/* nftables: chains of gone Services and endpoints stay a while, empty
 *
 * A sync empties such a chain at once; a later sync, more than one second after, deletes it, so that the kernel never
 * deletes a chain that a packet may still be in (kube-proxy pkg/proxy/nftables/proxier.go: staleChains). */

#include "sim/netfilter/nf_ruleset.h"

typedef struct StaleChains StaleChains;

StaleChains *stale_chains_new(void);
void stale_chains_free(StaleChains *stale);
/* What a sync that begins at 'now' leaves in the kernel, where 'in_force' is: 'next' (takes the reference) and the
 * stale chains.  Caller unrefs. */
NfRuleset *stale_chains_keep(StaleChains *stale, const NfRuleset *in_force, NfRuleset *next, int64_t now_ns);
bool stale_chains_any(const StaleChains *stale); /* NULL: none. */

#endif
