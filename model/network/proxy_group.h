#ifndef MODEL_NETWORK_PROXY_GROUP_H
#define MODEL_NETWORK_PROXY_GROUP_H

/* What the proxies of several nodes share: an informer's view of the store, and the compilers on it
 *
 * A ProxyView is a mirror of the store that lags behind it; what does not differ between the two is the store's.  Nodes
 * with about the same watch latency share a view; nodes of equal mode, version and configuration on one view share a
 * ProxyGroup per IP family, and so the compiled rules. */

#include "model/network/cluster.h"
#include "model/network/conntrack_cleanup.h"
#include "model/proxy/proxier.h"

typedef struct ProxyView ProxyView;
typedef struct ProxyGroup ProxyGroup;

struct ProxyGroup {
    ProxyView *view;
    ProxyMode mode;
    IpFamily family;
    KubeVersion version;
    const ProxyConfig *config;
    NfNames *names;
    ServiceMap *services;
    ProxyCompiler *compiler;
    UdpState *udp; /* Of udp_generation; NULL: nobody has asked yet. */
    uint64_t udp_generation;
    /* The last question of proxy_group_rules_to_write(): most nodes ask the same. */
    NfRuleset *before, *after; /* Referenced. */
    uint32_t rules_to_write;
};

/* 'changed' is called when the view has taken in a change of a Service, EndpointSlice or Node. */
ProxyView *proxy_view_new(Cluster *cluster, const char *name, SimTime lag, void (*changed)(ProxyView *view, void *user),
                          void *user);
void proxy_view_free(ProxyView *view);
SimTime proxy_view_lag(const ProxyView *view);
void proxy_view_set_lag(ProxyView *view, SimTime lag);
Store *proxy_view_store(const ProxyView *view);
/* The group of these properties on 'view'; made on first call. */
ProxyGroup *proxy_view_group(ProxyView *view, ProxyMode mode, IpFamily family, KubeVersion version,
                             const ProxyConfig *config);
/* The UDP side of the group's Services as of now; borrowed. */
UdpState *proxy_group_udp(ProxyGroup *group);
/* proxy_rules_to_write() of a node of the group. */
uint32_t proxy_group_rules_to_write(ProxyGroup *group, NfRuleset *before, NfRuleset *after);
/* All groups take in what the view has seen. */
void proxy_view_update(ProxyView *view);

#endif
