#ifndef MODEL_PROXY_IPTABLES_COMPILER_H
#define MODEL_PROXY_IPTABLES_COMPILER_H

/* The files of the iptables compiler among themselves; see compiler.h for what each function makes. */

#include <netinet/in.h>
#include <string.h>

#include "model/proxy/compiler.h"
#include "model/proxy/iptables_rule.h"

void iptables_fixed(const ProxyView *view, Parts *parts);
uint32_t iptables_chain_names(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain,
                              bool sets, uint32_t index);
uint32_t iptables_chain_n_rules(const ProxyView *view, const PortRow *row, const PortPicks *picks, PortChain chain);
#define IPT_N_SHARED 6
extern const SharedChain iptables_shared_chains[IPT_N_SHARED];
unsigned iptables_per_node(const ProxyView *view);
/* Named as chains of single service ports are: what an incremental sync leaves alone, and what is deleted when stale.
 */
bool iptables_is_port_chain(const char *name);
/* Id of KUBE-MARK-MASQ. */
static inline uint32_t
ipt_mark_chain(const ProxyView *view)
{
    if (*view->mark_chain == NF_NO_ID)
        *view->mark_chain = nf_chain_id(view->names, IPT_NAT, "KUBE-MARK-MASQ");
    return *view->mark_chain;
}

/* A KUBE-FW chain stands between its VIPs and KUBE-EXT. */
bool iptables_uses_firewall(const PortRow *row);

#endif
