#include "model/input/loader_check.h"

#include <string.h>

#include "sim/engine/htable.h"

/* Addresses and ports that two objects claim and one can have.  An API server or a CNI plug-in would not have given
 * them twice: a mistake of who wrote the objects, or a dump put together from different moments. */

typedef struct {
    IpAddr addr;   /* Any: a node port. */
    uint32_t port; /* With the protocol above it. */
    uint32_t zero;
} ClaimKey;
_Static_assert(sizeof(ClaimKey) == 24, "no padding");

/* Who came first. */
typedef struct {
    const ApiObject *object; /* The slice of a pod that only it tells of. */
    const char *name;        /* The pod's or the object's own. */
} Claim;

typedef struct {
    Input *input;
    HTable claims; /* ClaimKey -> Claim. */
} Claims;

/* The claim that stands already; NULL: there was none, 'name' has it now. */
static const Claim *
claim(Claims *c, ClaimKey key, const ApiObject *object, const char *name)
{
    bool is_new;
    Claim *entry = htable_insert(&c->claims, &key, &is_new);

    if (!is_new)
        return entry;
    *entry = (Claim){object, name};
    return NULL;
}

/* An object's claim of an address; complains where it is not the first. */
static void
claim_addr(Claims *c, IpAddr addr, const ApiObject *object, const char *hint)
{
    const Claim *first = claim(c, (ClaimKey){.addr = addr}, object, object->name);
    const char *kind = api_kind_info(object->kind)->name;
    char text[IPADDR_STR_SIZE];

    if (!first || first->object == object)
        return;
    diag(c->input->diags, DIAG_WARNING, object->mark, "%s %s%s%s has the address %s, as %s %s%s%s", kind, object->ns,
         *object->ns ? "/" : "", object->name, ipaddr_format(addr, text), api_kind_info(first->object->kind)->name,
         first->object->ns, *first->object->ns ? "/" : "", first->name);
    diag_note(c->input->diags, first->object->mark, "the other one");
    diag_hint(c->input->diags, "%s", hint);
}

static void
check_nodes(Claims *c)
{
    size_t n;
    const ApiObject *const *nodes = store_list(c->input->store, KIND_NODE, &n);

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < ((const KubeNode *)nodes[i])->n_internal_ips; k++)
            claim_addr(c, ((const KubeNode *)nodes[i])->internal_ips[k], nodes[i],
                       "packets to it reach one of the two nodes: give each an InternalIP of its own");
}

static void
check_pods(Claims *c)
{
    size_t n;
    const ApiObject *const *pods = store_list(c->input->store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++) {
        const Pod *pod = (const Pod *)pods[i];
        /* One that is over may still show an address that another has by now. */
        bool has_own = !pod->spec.host_network && pod->phase != POD_SUCCEEDED && pod->phase != POD_FAILED;
        for (uint32_t k = 0; has_own && k < pod->n_ips; k++)
            claim_addr(c, pod->ips[k], pods[i],
                       "packets to it reach one of the two pods: leave podIP out to get a free one");
    }
}

/* Several pods of the host network have their node's address. */
static bool
may_share(const Claims *c, const Claim *first, const EndpointSlice *slice, const Endpoint *ep)
{
    const Pod *pod = (const Pod *)store_get(c->input->store, KIND_POD, slice->meta.ns, ep->target);

    return first->object->kind == KIND_NODE || (pod && pod->spec.host_network) ||
           (strcmp(first->name, ep->target) == 0 && strcmp(first->object->ns, slice->meta.ns) == 0);
}

/* Endpoints whose pods are not given: pods are made by the names in their targetRefs. */
static void
check_slices(Claims *c)
{
    size_t n;
    const ApiObject *const *slices = store_list(c->input->store, KIND_ENDPOINTSLICE, &n);

    for (size_t i = 0; i < n; i++) {
        const EndpointSlice *slice = (const EndpointSlice *)slices[i];
        bool told = false; /* One endpoint speaks for the slice. */
        for (uint32_t e = 0; e < slice->n_endpoints; e++) {
            const Endpoint *ep = &slice->endpoints[e];
            const Claim *first = NULL;
            char text[IPADDR_STR_SIZE];
            if (ep->target && !ipaddr_is_any(&ep->addr))
                first = claim(c, (ClaimKey){.addr = ep->addr}, slices[i], ep->target);
            if (told || !first || may_share(c, first, slice, ep))
                continue;
            told = true;
            diag(c->input->diags, DIAG_WARNING, slice->meta.mark,
                 "EndpointSlice %s/%s takes %s for the address of Pod %s, but it is that of Pod %s/%s", slice->meta.ns,
                 slice->meta.name, ipaddr_format(ep->addr, text), ep->target, first->object->ns, first->name);
            diag_note(c->input->diags, first->object->mark, "known from here");
        }
    }
}

static void
claim_node_port(Claims *c, const Service *service, uint16_t port, uint8_t proto)
{
    const Claim *first = claim(c, (ClaimKey){.port = (uint32_t)proto << 16 | port}, &service->meta, service->meta.name);

    if (!first || first->object == &service->meta)
        return;
    diag(c->input->diags, DIAG_WARNING, service->meta.mark, "Service %s/%s has node port %u, as Service %s/%s",
         service->meta.ns, service->meta.name, port, first->object->ns, first->name);
    diag_note(c->input->diags, first->object->mark, "the other one");
    diag_hint(c->input->diags, "an API server refuses the second: leave nodePort out to get a free one");
}

static void
check_services(Claims *c)
{
    size_t n;
    const ApiObject *const *services = store_list(c->input->store, KIND_SERVICE, &n);

    for (size_t i = 0; i < n; i++) {
        const Service *service = (const Service *)services[i];
        for (uint32_t k = 0; k < service->n_cluster_ips; k++) {
            IpAddr addr;
            if (ipaddr_parse_sloppy(service->cluster_ips[k], &addr))
                claim_addr(c, addr, services[i],
                           "an API server refuses the second: leave clusterIP out to get a free one");
        }
        for (uint32_t k = 0; k < service->n_ports; k++)
            if (service->ports[k].node_port)
                claim_node_port(c, service, service->ports[k].node_port, service->ports[k].proto);
    }
}

void
input_check_addresses(Input *input)
{
    Claims c = {.input = input};

    htable_init(&c.claims, sizeof(ClaimKey), sizeof(Claim));
    check_nodes(&c);
    check_pods(&c);
    check_slices(&c);
    check_services(&c);
    htable_clear(&c.claims);
}
