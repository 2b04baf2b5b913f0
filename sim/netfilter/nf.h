#ifndef SIM_NETFILTER_NF_H
#define SIM_NETFILTER_NF_H

/* netfilter: hooks, priorities, verdicts (linux/netfilter.h, netfilter_ipv4.h) */

#include <stdbool.h>
#include <stdint.h>

/* Forward declarations of the room: nf_ruleset.h, nf_state.h, nf_stack.h define them. */
typedef struct NfChain NfChain;
typedef struct NfRuleset NfRuleset;
typedef struct NfSet NfSet;
typedef struct NfStack NfStack;
typedef struct NfState NfState;

typedef enum { NF_PREROUTING, NF_INPUT, NF_FORWARD, NF_OUTPUT, NF_POSTROUTING, NF_N_HOOKS } NfHook;

/* "prerouting" (upper = false) or "PREROUTING". */
const char *nf_hook_name(NfHook hook, bool upper);

enum {
    NF_PRI_RAW = -300,
    NF_PRI_CONNTRACK = -200,
    NF_PRI_MANGLE = -150,
    NF_PRI_NAT_DST = -100,
    NF_PRI_FILTER = 0,
    NF_PRI_SECURITY = 50,
    NF_PRI_NAT_SRC = 100,
    NF_PRI_CONFIRM = INT32_MAX,
};

typedef enum {
    REJECT_NONE,
    REJECT_PORT_UNREACH, /* icmp-port-unreachable / icmp6-port-unreachable: the default. */
    REJECT_NET_UNREACH,
    REJECT_HOST_UNREACH,
    REJECT_PROTO_UNREACH,
    REJECT_NET_PROHIBITED,
    REJECT_HOST_PROHIBITED,
    REJECT_ADMIN_PROHIBITED,
    REJECT_TCP_RESET,
    REJECT6_NO_ROUTE,
    REJECT6_ADM_PROHIBITED,
    REJECT6_ADDR_UNREACH,
    REJECT6_POLICY_FAIL,
    REJECT6_REJECT_ROUTE,
} RejectWith;

typedef enum { NF_ACCEPT, NF_DROP, NF_REJECT } NfVerdict;

#endif
