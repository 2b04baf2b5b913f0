#ifndef MODEL_PROXY_DETECT_LOCAL_H
#define MODEL_PROXY_DETECT_LOCAL_H

/* What tells traffic of local pods from other traffic
 *
 * Source: kube-proxy cmd/kube-proxy/app/server_linux.go getLocalDetectors(), pkg/proxy/util/localdetector.go. */

#include "model/proxy/proxier.h"

typedef struct {
    enum { LOCAL_UNKNOWN, LOCAL_CIDR, LOCAL_INTERFACE } kind; /* UNKNOWN: there is no detector. */
    IpPrefix cidr;
    const char *interface; /* Borrowed from the configuration. */
    bool interface_prefix;
} LocalDetector;

/* The detector of one family on a node. */
LocalDetector detect_local(const ProxyConfig *config, IpFamily family, const ProxyNode *node);
bool detect_local_equal(const LocalDetector *a, const LocalDetector *b);
/* The test "is local" or, with 'neg', "is not"; the detector must not be LOCAL_UNKNOWN. */
NfExpr detect_local_expr(const LocalDetector *detector, NfNames *names, bool neg);

#endif
