#ifndef TESTS_CONFORMANCE_CONF_FLOWS_H
#define TESTS_CONFORMANCE_CONF_FLOWS_H

/* The files of the flow cases among themselves. */

#include "model/proxy/proxy_rules.h"
#include "tests/conformance/conf.h"

/* Scalar text of a key, or "". */
const char *expect_str(const DocNode *map, const char *key);
char *case_file(const Conf *conf, const char *name, const char *suffix);
Input *load_case(const Conf *conf, const char *name);

/* The proxier after its syncs; 'before' is the rule set of the sync before the last, if there was one. */
typedef struct {
    GPtrArray *inputs; /* The first holds the store that the proxier watches. */
    ProxyRules *rules;
    NfRuleset *before;
} Proxier;

/* Runs a proxier through the cases that 'name' follows, then through 'name'. */
Proxier proxier_run(const Conf *conf, const char *name, ProxyMode mode, IpFamily family);
void proxier_clear(Proxier *p);

/* Walks every packet of the case's Flows document through the rules. */
void conf_walk_flows(Conf *conf, const char *check, const ConfDocs *docs, Input *input, const ProxyRules *rules);

#endif
