#ifndef MODEL_PROXY_NFTABLES_COMPILER_H
#define MODEL_PROXY_NFTABLES_COMPILER_H

/* The files of the nftables compiler among themselves; see compiler.h for what each function makes
 *
 * Two layouts: that of v1.31 to v1.35 (a chain for every endpoint; mark-for-masquerade), which is v1.35's throughout:
 * v1.31 and v1.32 hooked some of the same checks at other priorities; and that of v1.36 (DNAT to a map
 * of endpoints; a set of hairpin connections). */

#include <string.h>

#include "model/proxy/compiler.h"

#define NFT_TABLE "kube-proxy"

/* Key fields of the maps. */
#define NFT_KEY_DADDR     (NF_KEY_DADDR)
#define NFT_KEY_SADDR     (NF_KEY_SADDR)
#define NFT_KEY_PORT      (NF_KEY_PROTO | NF_KEY_DPORT << 4)                                          /* Two fields. */
#define NFT_KEY_ADDR_PORT (NF_KEY_DADDR | NF_KEY_PROTO << 4 | NF_KEY_DPORT << 8)                      /* Three. */
#define NFT_KEY_HAIRPIN   (NF_KEY_SADDR | NF_KEY_DADDR << 4 | NF_KEY_PROTO << 8 | NF_KEY_DPORT << 12) /* Four. */

/* A rule of the expressions given. */
#define NFT_RULE(b, origin, ...)                                                                                       \
    nft_rule((b), (origin), (const NfExpr[]){__VA_ARGS__}, G_N_ELEMENTS(((const NfExpr[]){__VA_ARGS__})))
void nft_rule(NfChainBuilder *b, uint32_t origin, const NfExpr *exprs, size_t n);
NfChainBuilder *nft_chain(const ProxyView *view, uint32_t id);
uint32_t nft_chain_named(const ProxyView *view, const char *name);
uint32_t nft_set_named(const ProxyView *view, const char *name);
NfExpr nft_lookup(uint32_t set_id, uint32_t fields, uint8_t n_fields, bool neg);
/* "jump mark-for-masquerade", or what that chain does. */
NfExpr nft_mark(const ProxyView *view);
/* The anonymous set of "ip saddr != { A , B }". */
void nft_ranges_set(uint32_t set_id, const IpPrefix *ranges, size_t n, Parts *parts);

static inline NfExpr
nft_op(NfOp op)
{
    return nfx_u32(op, 0, 0, 0, false);
}

static inline bool
nft_v36(const ProxyView *view)
{
    return view->params->version.minor >= 36;
}

/* Source ranges apply to LB VIPs whether or not there are endpoints. */
static inline bool
nft_uses_firewall(const PortRow *row)
{
    return row->port->n_lb_vips && row->port->n_source_ranges;
}

void nftables_fixed(const ProxyView *view, Parts *parts);
uint32_t nftables_chain_names(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain,
                              bool sets, uint32_t index);
uint32_t nftables_chain_n_rules(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain);
void nftables_sets(const ProxyView *view, const PortRow *row, const PortPicks *picks, Parts *parts);
bool nftables_shared_sets(const ProxyView *view, const SharedService *services, size_t n, unsigned part_mask,
                          const SharedBefore *before, Parts *parts, GError **error);
unsigned nftables_per_node(const ProxyView *view);

#endif
