#ifndef MODEL_API_IMPLIED_PODS_H
#define MODEL_API_IMPLIED_PODS_H

/* Pods that EndpointSlices speak of and nobody gave
 *
 * Such a pod is a reference to its endpoint, 8 bytes, until somebody asks for the object: of the hundred thousand pods
 * of a cluster that is given by its slices a run looks at few.  What is made does not depend on when: slices, Services
 * and nodes are held as they were.  Here are only pods that run on the node their slice names, not in its network, and
 * are nobody's; who fills the cluster makes all others at once (control/fill_slice_pods.c).
 *
 * The pod is named after the endpoint's target, or its Service and address.  Two endpoints of one name and of
 * different families are one pod's. */

#include "model/api/object.h"

typedef struct ImpliedPods ImpliedPods;

/* 'nodes': all of them, sorted by name. */
ImpliedPods *implied_pods_new(Strings *strings, const ApiObject *const *nodes, size_t n_nodes);
ImpliedPods *implied_pods_ref(ImpliedPods *pods);
void implied_pods_unref(ImpliedPods *pods);
/* slice->endpoints[endpoint]; calls for one slice follow each other.  'service' has the labels, or NULL. */
void implied_pods_add(ImpliedPods *pods, const EndpointSlice *slice, uint32_t endpoint, const Service *service);
/* Before the end: what the call number 'i' added is made now after all, unstored, with its one address. */
Pod *implied_pods_take(ImpliedPods *pods, size_t i);
/* After the last one: from here on endpoints are numbered in the order of their pods' namespaces and names.  A pod has
 * the number of its first. */
void implied_pods_seal(ImpliedPods *pods);

/* The endpoint's name for its pod: in 'buf' if it names none. */
#define IMPLIED_NAME_SIZE 320
const char *implied_pod_name(const EndpointSlice *slice, const Endpoint *ep, char buf[static IMPLIED_NAME_SIZE]);

/* What is known of a pod without its object. */
typedef struct {
    const char *ns, *name; /* Of one that waits, the name is valid until the next is looked at. */
    const char *node_name; /* NULL: none. */
    const Labels *labels;
    IpAddr ips[2];
    uint32_t n_ips;
    const Pod *object;          /* NULL: it waits to be asked for. */
    size_t number, n_endpoints; /* Of one that waits. */
    char text[IMPLIED_NAME_SIZE];
} PodOutline;

void pod_outline(const Pod *pod, PodOutline *ret_outline);

/* Whether they wait or not. */
size_t implied_pods_len(const ImpliedPods *pods); /* Endpoints. */
const IpAddr *implied_pods_addr(const ImpliedPods *pods, size_t endpoint);
size_t implied_pods_of_endpoint(const ImpliedPods *pods, size_t endpoint);
bool implied_pods_find(const ImpliedPods *pods, const char *ns, const char *name, size_t *ret_number);
void implied_pods_outline(const ImpliedPods *pods, size_t number, PodOutline *ret_outline);

/* The first that waits from number *at on, and *at is the number after it; false: none does. */
bool implied_pods_next(const ImpliedPods *pods, size_t *at, PodOutline *ret_outline);
/* The object of one that waits, which from now on waits no more; NULL: none of this name does. */
Pod *implied_pods_make(ImpliedPods *pods, const char *ns, const char *name);
/* That of the first that waits from number *at on, and *at is the number after it. */
Pod *implied_pods_make_next(ImpliedPods *pods, size_t *at);

#endif
