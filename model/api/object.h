#ifndef MODEL_API_OBJECT_H
#define MODEL_API_OBJECT_H

/* API objects: what kubectl shows
 *
 * An object is immutable once stored and reference counted: an update is a new object under the same key, with a higher
 * version.  So a node's informer that lags is a pointer to an older object, not a copy.  Texts are interned in the
 * store's Strings and compare by pointer or strcmp alike.
 *
 * Ownership: an object owns its arrays (g_malloc, freed by api_unref(); replace one in a copy with g_free() and
 * g_new()), at every depth; texts and hint lists belong to the Strings. */

#include "model/input/doc.h"
#include "sim/packet/addr.h"

typedef enum {
    KIND_NAMESPACE,
    KIND_NODE,
    KIND_POD,
    KIND_DEPLOYMENT,
    KIND_REPLICASET,
    KIND_STATEFULSET,
    KIND_DAEMONSET,
    KIND_SERVICE,
    KIND_ENDPOINTS,
    KIND_ENDPOINTSLICE,
    KIND_BUDGET,
    API_N_KINDS,
} ApiKind;

typedef struct {
    const char *name;      /* "Service" */
    const char *plural;    /* "services" */
    const char *shorts[3]; /* "svc" */
    const char *api_version;
    bool namespaced;
} ApiKindInfo;
const ApiKindInfo *api_kind_info(ApiKind kind);
/* "svc", "service", "Services": any form kubectl takes; false if unknown. */
bool api_kind_parse(const char *text, ApiKind *ret_kind);

/* Interned texts of one store. */
typedef struct Strings Strings;
Strings *strings_new(void);
void strings_free(Strings *strings);
const char *strings_add(Strings *strings, const char *text); /* NULL stays NULL. */
const char *strings_add_len(Strings *strings, const char *text, size_t length);
const char *strings_find(const Strings *strings, const char *text); /* NULL if it was never added. */
const char *strings_printf(Strings *strings, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Arena memory that lives as long as 'strings'; zeroed. */
void *strings_alloc(Strings *strings, size_t size);
/* A deep copy of a tree that lives as long as 'strings' (own kinds keep the parts that are needed later). */
const DocNode *node_keep(Strings *strings, const DocNode *node);
/* An interned, NULL-terminated list: equal lists are one. */
const char *const *strings_list(Strings *strings, const char *const *texts, size_t n);
/* A copy of a record without padding: equal records of one size are one. */
const void *strings_record(Strings *strings, const void *record, size_t size);

typedef struct {
    const char *key, *value;
} Label;

typedef struct {
    Label *items; /* Sorted by key. */
    uint32_t n;
} Labels;
const char *labels_get(const Labels *labels, const char *key); /* NULL if absent. */
/* Every pair of 'selector' is in 'labels'.  An empty selector matches nothing here (as for a Service). */
bool labels_match(const Labels *selector, const Labels *labels);
/* Sets or replaces a label in a list that is owned (g_malloc); key and value are interned. */
void labels_set(Labels *labels, const char *key, const char *value);
void labels_remove(Labels *labels, const char *key);
Labels labels_copy(const Labels *labels); /* Free items with g_free(). */

typedef struct ApiObject ApiObject;
struct ApiObject {
    ApiKind kind;
    uint32_t refs;
    uint64_t version; /* resourceVersion. */
    const char *ns;   /* "" if the kind has no namespace. */
    const char *name;
    Labels labels, annotations;
    const char *owner; /* Name of the controlling owner, or NULL. */
    ApiKind owner_kind;
    Mark mark;
    bool from_input;     /* Given by the user, not made by a controller. */
    int64_t created_ns;  /* Simulated time. */
    int64_t deletion_ns; /* deletionTimestamp; -1: none. */
};

typedef struct Service Service;
typedef struct KubeNode KubeNode;
typedef struct Pod Pod;
typedef struct Workload Workload;
typedef struct EndpointSlice EndpointSlice;

/* --- Service ----------------------------------------------------------------------------------------------------- */
typedef enum { SERVICE_CLUSTERIP, SERVICE_NODEPORT, SERVICE_LOADBALANCER, SERVICE_EXTERNALNAME } ServiceType;
typedef enum { POLICY_CLUSTER, POLICY_LOCAL } TrafficPolicy;
typedef enum { IPMODE_VIP, IPMODE_PROXY } IpMode;

typedef struct {
    const char *name; /* "" if unnamed. */
    uint8_t proto;
    uint16_t port, node_port; /* node_port 0: none. */
    uint16_t target_port;     /* 0: named or absent. */
    const char *target_name;  /* Named target port or NULL. */
    const char *app_protocol;
    Mark mark;
} ServicePort;

typedef struct {
    const char *ip; /* As written, or NULL (hostname only). */
    const char *hostname;
    IpMode ip_mode;
} LbIngress;

struct Service {
    ApiObject meta;
    ServiceType type;
    Labels selector;
    bool has_cluster_ip;      /* Stored by an API server: nothing is added to it. */
    const char **cluster_ips; /* As written; "None" for headless. */
    uint32_t n_cluster_ips;
    uint8_t ip_families[2]; /* IpFamily, in order. */
    uint32_t n_ip_families;
    uint8_t ip_family_policy; /* 0 SingleStack, 1 PreferDualStack, 2 RequireDualStack. */
    ServicePort *ports;
    uint32_t n_ports;
    const char **external_ips; /* As written: kube-proxy parses leniently. */
    uint32_t n_external_ips;
    const char **source_ranges;
    uint32_t n_source_ranges;
    LbIngress *ingress;
    uint32_t n_ingress;
    TrafficPolicy external_policy, internal_policy;
    bool affinity_client_ip;
    int32_t affinity_timeout_s; /* Default 10800. */
    uint16_t health_check_node_port;
    bool allocate_node_ports; /* allocateLoadBalancerNodePorts. */
    bool publish_not_ready;
    const char *lb_class, *lb_ip, *external_name;
    const char *traffic_distribution; /* NULL, PreferClose, PreferSameZone, PreferSameNode. */
};

bool service_has_family(const Service *service, IpFamily family); /* One of its cluster IPs is of it. */

/* --- Node ------------------------------------------------------------------------------------------------------- */
typedef struct {
    const char *key, *value, *effect;
} Taint;

struct KubeNode {
    ApiObject meta;
    const char **pod_cidrs;
    uint32_t n_pod_cidrs;
    IpAddr internal_ips[2]; /* At most one of each family, in order given. */
    uint32_t n_internal_ips;
    IpAddr external_ips[2];
    uint32_t n_external_ips;
    const char *hostname;
    const char *kubelet_version, *os_image, *kernel_version, *runtime;
    bool unschedulable, ready;
    Taint *taints;
    uint32_t n_taints;
    int64_t cpu_milli; /* Allocatable; 0: unknown. */
};

/* --- Pod -------------------------------------------------------------------------------------------------------- */
typedef enum { PROBE_NONE, PROBE_HTTP, PROBE_TCP, PROBE_EXEC, PROBE_GRPC } ProbeKind;
typedef struct {
    ProbeKind kind;
    uint16_t port;
    const char *port_name, *path;
    int32_t initial_delay_s, period_s, timeout_s, success, failure;
} Probe;

typedef struct {
    const char *name;
    uint16_t port, host_port;
    uint8_t proto;
} ContainerPort;

typedef struct {
    const char *name, *image;
    ContainerPort *ports;
    uint32_t n_ports;
    Probe readiness, liveness, startup;
    int64_t pre_stop_ns; /* preStop sleep ("sleep: {seconds: N}" or exec sleep N); -1: none. */
    int64_t cpu_request_milli;
} Container;

typedef enum { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED } PodPhase;

typedef struct {
    const char *key, *value, *effect; /* key "": all; effect NULL: all. */
    bool exists;                      /* operator Exists, else Equal. */
    int64_t seconds;                  /* tolerationSeconds; -1: for ever. */
} Toleration;

typedef struct {
    const char *node_name; /* NULL: to be scheduled. */
    bool host_network;
    const char *subdomain, *hostname;
    Container *containers;
    uint32_t n_containers;
    int64_t grace_ns; /* terminationGracePeriodSeconds, default 30 s. */
    Labels node_selector;
    const char *dns_policy;
    const char *priority_class;
    const char **readiness_gates;
    uint32_t n_readiness_gates;
    Toleration *tolerations; /* As given; tolerations.h has what is added. */
    uint32_t n_tolerations;
} PodSpec;

struct Pod {
    ApiObject meta;
    PodSpec spec;
    PodPhase phase;
    bool ready;
    IpAddr ips[2];
    uint32_t n_ips;
    IpAddr host_ip;
};

/* --- Deployment, ReplicaSet, StatefulSet, DaemonSet -------------------------------------------------------------- */
typedef struct {
    int32_t value;
    bool percent;
} IntOrPercent;

struct Workload {
    ApiObject meta;
    int32_t replicas;
    Labels selector;
    Labels template_labels, template_annotations;
    PodSpec template;
    bool recreate; /* Deployment strategy Recreate. */
    IntOrPercent max_surge, max_unavailable;
    int32_t min_ready_s;
    const char *service_name; /* StatefulSet. */
    bool parallel;            /* StatefulSet podManagementPolicy. */
    bool on_delete;           /* StatefulSet and DaemonSet updateStrategy OnDelete. */
    int32_t partition;        /* StatefulSet: ordinals from the first below it are not updated. */
    int32_t start_ordinal;    /* StatefulSet ordinals.start. */
    uint64_t template_hash;   /* Of the template's content: pod-template-hash. */
    Mark replicas_mark;
};

/* --- PodDisruptionBudget ------------------------------------------------------------------------------------------ */
typedef struct {
    ApiObject meta;
    Labels selector;
    bool selects_all; /* selector: {}; without one no pod is covered. */
    bool has_min, has_max;
    IntOrPercent min_available, max_unavailable;
    bool always_allow; /* unhealthyPodEvictionPolicy. */
} Budget;

/* --- EndpointSlice (Endpoints are converted) ------------------------------------------------------------------------
 */
enum { EP_READY = 1, EP_SERVING = 2, EP_TERMINATING = 4 };

/* What many endpoints have in common, or few have at all. */
typedef struct {
    const char *zone;
    const char *const *hint_zones; /* NULL-terminated, interned list, or NULL. */
    const char *const *hint_nodes;
    const char *raw; /* The address as written, only where it differs from the canonical text; else NULL. */
} EndpointMore;

typedef struct {
    IpAddr addr;              /* addresses[0]; any: unparsable (then 'raw'). */
    const char *node_name;    /* NULL: none. */
    const char *target;       /* Pod name or NULL. */
    const EndpointMore *more; /* Interned: equal ones are one; NULL: all of it is.  Read with endpoint_more(). */
    uint8_t conditions; /* EP_* after defaults: nil ready = true, nil serving = ready..., nil terminating = false. */
} Endpoint;

extern const EndpointMore ENDPOINT_MORE_NONE;
void endpoint_set_more(Strings *strings, Endpoint *ep, const EndpointMore *more);
static inline const EndpointMore *
endpoint_more(const Endpoint *ep)
{
    return ep->more ? ep->more : &ENDPOINT_MORE_NONE;
}

typedef struct {
    const char *name; /* NULL: nil (ignored by kube-proxy). */
    uint16_t port;    /* 0: nil or zero. */
    uint8_t proto;
    const char *app_protocol;
} EndpointPort;

struct EndpointSlice {
    ApiObject meta;
    const char *service; /* Label kubernetes.io/service-name, or NULL. */
    IpFamily family;
    bool fqdn; /* addressType FQDN: ignored. */
    Endpoint *endpoints;
    uint32_t n_endpoints;
    EndpointPort *ports;
    uint32_t n_ports;
};

void pod_spec_copy(PodSpec *ret_copy, const PodSpec *spec);
void pod_spec_clear(PodSpec *spec);

/* Reads one Kubernetes object.  NULL if it could not be read at all (diagnostics say why).  Endpoints are read with
 * endpoints_decode(). */
ApiObject *api_decode(Diags *diags, Strings *strings, ApiKind kind, const DocNode *root);
/* Endpoints as the slices that the mirroring controller makes of them (one per subset and family), added to
 * 'ret_slices' (ApiObject pointers, owned by the caller). */
void endpoints_decode(Diags *diags, Strings *strings, const DocNode *root, GPtrArray *ret_slices);
/* The object's modelled fields as kubectl writes them.  The tree lives in 'arena'. */
DocNode *api_encode(DocArena *arena, const ApiObject *object);
/* Applies a strategic merge patch to a copy of 'object': given fields replace, mappings merge, null removes; lists of
 * objects merge by name, port or address, or by position where a patch names none of them.  NULL if the result cannot
 * be read. */
ApiObject *api_patch(Diags *diags, Strings *strings, const ApiObject *object, const DocNode *patch);
ApiObject *api_copy(const ApiObject *object); /* A new, unstored object to change and store. */
ApiObject *api_ref(ApiObject *object);
void api_unref(ApiObject *object);
/* Zeroed, with API defaults; the texts are interned by the caller. */
ApiObject *api_new(ApiKind kind, const char *ns, const char *name);

#endif
