#ifndef MODEL_NETWORK_FORWARD_POLICY_H
#define MODEL_NETWORK_FORWARD_POLICY_H

/* Policy DROP of filter FORWARD on a node whose kube-proxy writes nftables
 *
 * In iptables mode the policy is that of the built-in chain which holds kube-proxy's own jumps: the compiler sets it.
 * In nftables mode it belongs to a table beside kube-proxy's, where no kube-proxy rule can accept. */

#include "sim/netfilter/nf_stack.h"

void forward_policy_drop(NfStack *nf);

#endif
