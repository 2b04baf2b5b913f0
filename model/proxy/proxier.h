#ifndef MODEL_PROXY_PROXIER_H
#define MODEL_PROXY_PROXIER_H

/* kube-proxy as a compiler: service ports and a node in, rule objects out
 *
 * A ProxyCompiler belongs to a cluster, a mode, an IP family, a kube-proxy version and configuration.  It shares
 * between nodes what is equal (one base rule set per topology zone) and gives each node an overlay of the chains that
 * differ. Its nodes ask for rules at their own time: a node that has not synced still holds an older generation. Text
 * is printed from the result by sim/netfilter/nf_text.h, so what is printed is what runs.                      */

#include "model/input/loader.h"
#include "model/proxy/choice.h"
#include "sim/netfilter/nf_ruleset.h"

/* What kube-proxy reads of its node. */
typedef struct {
    const char *name;
    const char *zone;
    IpAddr primary_ip;             /* Of the family; any: none. */
    const IpAddr *interface_addrs; /* All addresses of its interfaces, of the family (nodePortAddresses). */
    uint32_t n_interface_addrs;
    const IpPrefix *pod_cidrs; /* For DETECT_NODE_CIDR. */
    uint32_t n_pod_cidrs;
    bool tcp_be_liberal;
    bool random_fully;
    bool forward_drop;
    bool nfacct_invalid, nfacct_localhost; /* Counters that exist. */
} ProxyNode;

typedef struct ProxyCompiler ProxyCompiler;

typedef struct {
    ProxyMode mode;
    IpFamily family;
    KubeVersion version;
    const ProxyConfig *config;
    const IpPrefix *service_cidrs;
    uint32_t n_service_cidrs;
} ProxyParams;

#define PROXY_ERROR proxy_error_quark()
GQuark proxy_error_quark(void);

ProxyCompiler *proxy_compiler_new(const ProxyParams *params, NfNames *names);
void proxy_compiler_free(ProxyCompiler *compiler);
const ProxyParams *proxy_compiler_params(const ProxyCompiler *compiler);

/* The rules of a node for the state of 'map' now.  Caller unrefs.  NULL with *error if the sync would fail as a whole
 * (nftables: duplicate element), as the real one does. */
NfRuleset *proxy_compile(ProxyCompiler *compiler, const ServiceMap *map, const ProxyNode *node, GError **error);

/* Forgets all chains made so far, so that the next rule sets are new throughout: what a full sync writes.  (Without it,
 * chains of unchanged Services stay the same objects from one state of 'map' to the next.) */
void proxy_compiler_forget(ProxyCompiler *compiler);

/* kube-proxy's own input to iptables-restore for a sync from 'before' (NULL: nothing there) to 'after'; 'full': full
 * sync. The form of `rules --as restore`. */
void proxy_print_iptables_restore(GString *out, const NfRuleset *before, const NfRuleset *after, bool full);

/* How many rules a sync from 'before' (NULL: nothing there) to 'after' writes: those of the chains that changed, and of
 * those that kube-proxy writes every time. */
uint32_t proxy_rules_to_write(const NfRuleset *before, const NfRuleset *after);

/* Service ports with endpoints but without usable internal / external ones. */
typedef struct {
    uint32_t no_local_internal, no_local_external;
} ProxyMetrics;
ProxyMetrics proxy_metrics(const ProxyCompiler *compiler, const ServiceMap *map, const ProxyNode *node);

/* Where a rule comes from: origins of rules (NfRule.origin) resolved to words. */
typedef struct {
    const char *object; /* "Service default/web port http" */
    const char *detail; /* "endpoint 10.244.1.2:3000 (pod web-1 on minikube-m02)", or NULL. */
    const char *field;  /* "spec.externalTrafficPolicy: Local", or NULL. */
    const char *source; /* "iptables_service.c:212": the compiler's line. */
} RuleOrigin;
bool proxy_origin(const ProxyCompiler *compiler, uint32_t origin, RuleOrigin *ret_origin);

/* Makes the ProxyNode of a node from the input; owned arrays are freed by proxy_node_clear(). */
void proxy_node_from_input(const Input *input, const char *node, IpFamily family, ProxyNode *ret_node);
void proxy_node_clear(ProxyNode *node);

#endif
