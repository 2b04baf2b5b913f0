#ifndef MODEL_PROXY_NODE_ADDRS_H
#define MODEL_PROXY_NODE_ADDRS_H

/* On which addresses of a node NodePorts are reached
 *
 * Source: kube-proxy pkg/proxy/util/nodeport_addresses.go, cmd/kube-proxy/app/server.go.
 * The addresses are the interfaces', not the Node object's. */

#include "model/proxy/proxier.h"

typedef struct {
    bool all;             /* Every local address: no list is needed. */
    bool loopback4;       /* 127.0.0.0/8 or its start is among them. */
    const IpAddr **addrs; /* Unless 'all': those selected, loopback included, in interface order; owned list. */
    uint32_t n_addrs;
} NodePortAddrs;

void node_port_addrs(const ProxyConfig *config, ProxyMode mode, IpFamily family, const ProxyNode *node,
                     NodePortAddrs *ret_addrs);
void node_port_addrs_clear(NodePortAddrs *addrs);

#endif
