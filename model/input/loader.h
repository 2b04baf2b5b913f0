#ifndef MODEL_INPUT_LOADER_H
#define MODEL_INPUT_LOADER_H

/* Loader: files in, one Input out
 *
 * Reads every document of every file (and of what Scenarios include), decodes the known kinds, checks references
 * between them, warns of unknown kinds.  It fills nothing in: that is the controllers' work (model/control). */

#include "model/api/config.h"
#include "model/api/store.h"
#include "model/scenario/spec.h"

typedef struct {
    Diags *diags; /* Owned. */
    Store *store; /* Owned. */
    ClusterSpec cluster;
    bool has_cluster;
    ProxyConfig proxy;
    bool has_proxy; /* A KubeProxyConfiguration was given. */
    ApplicationSpec *applications;
    uint32_t n_applications;
    ScenarioSpec scenario;
    bool has_scenario;
    uint64_t bytes;   /* Read. */
    uint32_t n_files; /* Read, included ones too. */
} Input;

/* Always returns an Input; errors are in input->diags (diags_errors() > 0: do not use it). */
Input *input_load(const char *const *paths, size_t n_paths);
/* One file given as text, for tests. */
Input *input_load_text(const char *name, const char *text);
void input_free(Input *input);

/* Effective settings of a node: the cluster's, overridden by its NodeSpec. */
const ProxyConfig *input_proxy_of(const Input *input, const char *node);
const KernelSpec *input_kernel_of(const Input *input, const char *node);
KubeVersion input_version_of(const Input *input, const char *node);
/* Another mode or version for all nodes, whatever the files say. */
void input_set_mode(Input *input, ProxyMode mode);
void input_set_version(Input *input, KubeVersion version);
/* Without a KubeProxyConfiguration the clusterCIDR is the Cluster's podCIDRs; with one whose clusterCIDR is empty there
 * is no detector.  Nodes override field by field.  To be called again when either has changed. */
void input_settle_proxy(Input *input);
const NodeSpec *input_node_spec(const Input *input, const char *node); /* NULL if none. */

#endif
