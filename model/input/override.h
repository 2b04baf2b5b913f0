#ifndef MODEL_INPUT_OVERRIDE_H
#define MODEL_INPUT_OVERRIDE_H

/* Overrides: OBJECT.FIELD=VALUE, as `run --set` and the variants of `whatif` write them
 *
 *   service/[NS/]NAME.spec.externalTrafficPolicy=Local     any kind that kubectl names, any field that a patch can set
 *   service/web.externalTrafficPolicy=Local                "spec." may be left out
 *   deployment/web.preStop=35s                             preStop and terminationGracePeriod of its pods
 *   kubeproxy.mode=nftables                                fields of the KubeProxyConfiguration, on every node
 *   loadBalancer.profile=aws-nlb-instance                  the load balancer's profile, or one of its fields
 *   cluster.kubernetesVersion=1.31                         fields of the Cluster but nodes and clients
 *   cluster.network.latency.zone=5ms
 * The value is read as YAML.  Applied to the Input before the controllers fill its gaps. */

#include "model/input/loader.h"

/* False with a message (caller frees) if the object is not there or the field cannot be set; the Input is then as it
 * was. */
bool input_override(Input *input, const char *assignment, char **ret_error);

#endif
