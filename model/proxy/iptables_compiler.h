#ifndef MODEL_PROXY_IPTABLES_COMPILER_H
#define MODEL_PROXY_IPTABLES_COMPILER_H

/* The files of the iptables compiler among themselves; see compiler.h for what each function makes. */

#include <netinet/in.h>
#include <string.h>

#include "model/proxy/compiler.h"
#include "model/proxy/iptables_rule.h"

void iptables_fixed(const ProxyView *view, Parts *parts);
void iptables_port(const ProxyView *view, const PortRow *row, const EndpointChoice *choice, Parts *parts);
bool iptables_shared(const ProxyView *view, const PortRow *rows, size_t n_rows, unsigned part_mask, Parts *parts,
                     GError **error);
unsigned iptables_per_node(const ProxyView *view);
/* A KUBE-FW chain stands between its VIPs and KUBE-EXT. */
bool iptables_uses_firewall(const PortRow *row);

#endif
