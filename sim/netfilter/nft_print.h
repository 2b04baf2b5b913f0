#ifndef SIM_NETFILTER_NFT_PRINT_H
#define SIM_NETFILTER_NFT_PRINT_H

/* Parts of nft text that listing and kube-proxy's transaction share (inside the room)                                */

#include "sim/netfilter/nf_ruleset.h"

typedef enum {
    NFT_LIST,    /* As `nft list ruleset` (nftables 1.0.6). */
    NFT_WRITTEN, /* As kube-proxy writes it, in the form of knftables' dump. */
} NftStyle;

/* "ip daddr . meta l4proto ... comment "..."", without newline. */
void nft_print_rule(GString *out, const NfRuleset *rs, const NfChain *chain, uint32_t index, NftStyle style);

/* "ipv4_addr . inet_proto". */
void nft_print_type(GString *out, const NfRuleset *rs, const NfSetSpec *spec);
/* Key, comment and verdict of one element. */
void nft_print_element(GString *out, const NfRuleset *rs, const NfSetSpec *spec, const NfElem *elem);
/* The elements of an anonymous set, as a rule shows them. */
void nft_print_anonymous(GString *out, const NfRuleset *rs, const NfSet *set, bool neg, NftStyle style);
/* Elements in nft's order; the caller frees the array of pointers, which are borrowed. */
const NfElem **nft_sorted_elements(const NfSet *set, size_t *ret_n);
/* "3h", "1d2h3m4s500ms". */
void nft_print_time(GString *out, uint64_t ms);

#endif
