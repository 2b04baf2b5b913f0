#ifndef MODEL_PROXY_NAMES_H
#define MODEL_PROXY_NAMES_H

/* Chain names; iptables/proxier.go portProtoHash, servicePortEndpointChainName;
 * nftables/proxier.go */

#include "model/proxy/service_port.h"

/* "tcp", "udp", "sctp". */
const char *proxy_proto_name(uint8_t proto);

#define IPT_HASH_SIZE 17
/* 16 base32 characters of SHA-256(text + proto). */
void ipt_service_hash(const ProxyServicePort *port, char ret_hash[static IPT_HASH_SIZE]);
void ipt_endpoint_hash(const ProxyServicePort *port, const ProxyEndpoint *endpoint,
                       char ret_hash[static IPT_HASH_SIZE]);
/* "ULMVA6XW-ns1/svc1/tcp/p80", cut to 240 characters. */
char *nft_service_base(const ProxyServicePort *port);
char *nft_endpoint_base(const ProxyServicePort *port, const ProxyEndpoint *endpoint);

/* computeProbability: "%0.10f" of 1/n. */
char *ipt_probability(uint32_t n, char buf[static 16]);
/* The kernel's 31-bit threshold for that text of 1/n. */
uint32_t ipt_probability_threshold(uint32_t n);

#endif
