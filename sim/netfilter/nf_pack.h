#ifndef SIM_NETFILTER_NF_PACK_H
#define SIM_NETFILTER_NF_PACK_H

/* Rules and expressions as a string of bytes: a chain that nobody has walked costs little more than what it says
 *
 * A rule is its number of expressions and how much its origin differs from the one before; an expression its op, a
 * byte that says which fields are not zero, and those fields, numbers in seven bits a byte.  The same chain is always
 * the same string.  Flags of rules are not kept: the index makes them anew. */

#include <stddef.h>

#include "sim/netfilter/nf_rule.h"

/* Bytes written to 'ret', which has room for NF_PACK_MAX() of them. */
#define NF_PACK_MAX(n_rules, n_exprs) ((n_rules)*12u + (n_exprs)*32u)
size_t nf_pack(const NfRule *rules, uint32_t n_rules, const NfExpr *exprs, uint8_t *ret);
uint32_t nf_pack_n_exprs(const uint8_t *packed, uint32_t n_rules);
/* Into arrays that have room. */
void nf_unpack(const uint8_t *packed, uint32_t n_rules, NfRule *ret_rules, NfExpr *ret_exprs);

#endif
