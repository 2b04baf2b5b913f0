#ifndef MODEL_PROXY_PROXY_RULES_H
#define MODEL_PROXY_PROXY_RULES_H

/* The rules of one node at rest: what `rules` prints and `walk` walks
 *
 * After kube-proxy's first full sync, of one IP family.  Everything in here is one owner's: free it as a whole. */

#include "model/proxy/proxier.h"

typedef struct {
    ProxyConfig config; /* The node's, in the mode asked for; what it points to is the Input's. */
    ProxyMode mode;
    IpFamily family;
    NfNames *names;
    ServiceMap *services;
    ProxyCompiler *compiler;
    ProxyNode node;
    NfRuleset *ruleset; /* NULL if the sync failed: see 'error'. */
    char *error;
} ProxyRules;

/* 'mode' overrides the node's configuration unless NULL. */
ProxyRules *proxy_rules_new(Input *input, const char *node, const ProxyMode *mode, IpFamily family);
void proxy_rules_free(ProxyRules *rules);

#endif
