#ifndef TESTS_CONFORMANCE_CONF_FLOWS_H
#define TESTS_CONFORMANCE_CONF_FLOWS_H

/* The two halves of the flow cases among themselves. */

#include "model/proxy/proxy_rules.h"
#include "tests/conformance/conf.h"

/* Scalar text of a key, or "". */
const char *expect_str(const DocNode *map, const char *key);
/* Walks every packet of the case's Flows document through the rules. */
void conf_walk_flows(Conf *conf, const char *check, const ConfDocs *docs, Input *input, const ProxyRules *rules);

#endif
