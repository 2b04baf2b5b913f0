#ifndef SIM_TRACE_DROP_H
#define SIM_TRACE_DROP_H

/* Why a packet ended: stable codes, one line each: id, code, sentence, hint.  Codes are part of the output: never
 * rename one.                                                                                                       */

#define DROP_REASONS(X)                                                                                                \
    X(DROP_NONE, "none", "not dropped", "")                                                                            \
    X(DROP_RULE, "rule-drop", "a rule dropped it", "see the rule")                                                     \
    X(DROP_RULE_REJECT, "rule-reject", "a rule rejected it", "see the rule")                                           \
    X(DROP_POLICY, "chain-policy", "the policy of a built-in chain dropped it", "see iptables -P")                     \
    X(DROP_CT_FULL, "conntrack-full", "nf_conntrack: table full, dropping packet", "raise nf_conntrack_max")           \
    X(DROP_CT_INSERT_FAILED, "conntrack-insert-failed", "another packet took the same tuple first", "insert_failed")   \
    X(DROP_CT_INVALID, "conntrack-invalid", "conntrack refused it", "")                                                \
    X(DROP_NAT_NO_PORT, "nat-no-port", "no free port for the translation", "ports exhausted")                          \
    X(DROP_NAT_NO_ADDR, "nat-no-address", "MASQUERADE found no address on the egress interface", "")                   \
    X(DROP_NO_ROUTE, "no-route", "no route to the destination", "")                                                    \
    X(DROP_ROUTE_BLACKHOLE, "route-blackhole", "a blackhole or prohibit route", "")                                    \
    X(DROP_MARTIAN_SRC, "martian-source", "martian source address", "route_localnet, or a spoofed source")             \
    X(DROP_MARTIAN_DST, "martian-destination", "martian destination address", "route_localnet")                        \
    X(DROP_RP_FILTER, "rp-filter", "reverse path filter: the route back uses another interface", "rp_filter")          \
    X(DROP_FORWARDING_OFF, "forwarding-off", "the host does not forward", "ip_forward")                                \
    X(DROP_TTL, "ttl-exceeded", "time to live exceeded", "a routing loop?")                                            \
    X(DROP_MTU, "frag-needed", "larger than the MTU and must not be fragmented", "")                                   \
    X(DROP_NEIGHBOUR, "neighbour-failed", "nobody on the link answers for the next hop", "")                           \
    X(DROP_LINK_DOWN, "link-down", "the interface or its peer is down", "")                                            \
    X(DROP_LINK_QUEUE, "link-queue", "the link's queue is full", "")                                                   \
    X(DROP_LINK_LOSS, "link-loss", "lost on the link", "the link's loss setting")                                      \
    X(DROP_BRIDGE_HAIRPIN, "bridge-hairpin", "the bridge does not send a frame back out of its port", "hairpin mode")  \
    X(DROP_BRIDGE_UNKNOWN, "bridge-unknown", "no bridge port leads to that MAC", "")                                   \
    X(DROP_NOT_FOR_US, "other-host", "the frame is for another MAC", "")                                               \
    X(DROP_NO_SOCKET, "no-socket", "no socket: answered by RST or port unreachable", "")                               \
    X(DROP_SOCKET_BUFFER, "socket-buffer", "the socket's buffer is full", "")                                          \
    X(DROP_LISTEN_OVERFLOW, "listen-overflow", "the accept queue is full", "")                                         \
    X(DROP_TCP_STATE, "tcp-state", "the TCP endpoint discards it in this state", "")                                   \
    X(DROP_CHECKSUM, "checksum", "bad checksum", "broken checksum offload")                                            \
    X(DROP_ICMP_RATELIMIT, "icmp-ratelimit", "the answer was suppressed by the ICMP rate limit", "icmp_ratelimit")     \
    X(DROP_HOST_DOWN, "host-down", "the host is down", "")                                                             \
    X(DROP_LOOP, "loop", "the packet circles inside the host", "")                                                     \
    X(DROP_SECURITY_GROUP, "security-group", "a filter outside the host dropped it", "")                               \
    X(DROP_LB_NO_TARGET, "lb-no-target", "the load balancer has no target for it", "")                                 \
    X(DROP_LB_HAIRPIN, "lb-hairpin", "the load balancer does not send a target's packet back to it", "")               \
    X(DROP_LB_NO_FLOW, "lb-no-flow", "the load balancer knows no such flow", "")

#define DROP_ENUM(id, code, sentence, hint) id,
typedef enum { DROP_REASONS(DROP_ENUM) DROP_N_REASONS } DropReason;
#undef DROP_ENUM

const char *drop_reason_code(DropReason reason);
const char *drop_reason_sentence(DropReason reason);
const char *drop_reason_hint(DropReason reason);

#endif
