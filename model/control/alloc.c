#include "model/control/alloc.h"

#include <string.h>

#include "sim/engine/htable.h"
#include "sim/engine/rng.h"
#include "sim/engine/vec.h"

#define NODE_PORT_FIRST 30000u
#define NODE_PORT_COUNT 2768u
/* KEP-3668: min(max(16, size / 32), 128) ports stay for explicit requests. */
#define NODE_PORT_BAND 86u
/* kube-controller-manager's --node-cidr-mask-size-ipv4 and -ipv6. */
#define NODE_CIDR_LEN4 24
#define NODE_CIDR_LEN6 64
/* Offsets beyond this are never tried: a /64 is as good as a /112. */
#define MAX_SPAN         65536u
#define MAX_SERVICE_SPAN (1u << 20)

typedef struct {
    IpAddr net;
    uint64_t len;
} CidrKey;

struct Alloc {
    uint64_t seed;
    HTable addrs;      /* IpAddr -> uint8_t. */
    HTable cidrs;      /* CidrKey -> const char *node. */
    VEC(uint8_t) lens; /* Prefix lengths in 'cidrs', as of 128-bit addresses. */
    bool ports[65536];
};

static uint64_t key_of(const Alloc *alloc, const char *ns, const char *name, const char *purpose);
static bool probe(Alloc *alloc, IpPrefix cidr, uint64_t first, uint64_t size, uint64_t hash, IpAddr *ret_addr);
static uint64_t span_of(IpPrefix cidr, uint64_t max);
static CidrKey cidr_key(IpAddr addr, uint8_t len128);
static bool cidr_taken(const Alloc *alloc, IpPrefix cidr);

Alloc *
alloc_new(const Input *input)
{
    Alloc *alloc = g_new0(Alloc, 1);
    size_t n;

    alloc->seed = input->scenario.seed;
    htable_init(&alloc->addrs, sizeof(IpAddr), sizeof(uint8_t));
    htable_init(&alloc->cidrs, sizeof(CidrKey), sizeof(const char *));
    const ApiObject *const *nodes = store_list(input->store, KIND_NODE, &n);
    for (size_t i = 0; i < n; i++) {
        const KubeNode *node = (const KubeNode *)nodes[i];
        for (uint32_t k = 0; k < node->n_internal_ips; k++)
            alloc_take_addr(alloc, node->internal_ips[k]);
        for (uint32_t k = 0; k < node->n_pod_cidrs; k++) {
            IpPrefix cidr;
            if (ipprefix_parse(node->pod_cidrs[k], &cidr))
                alloc_add_pod_cidr(alloc, cidr, node->meta.name);
        }
    }
    /* The addresses of pods that follow from slices are those of the slices. */
    const ApiObject *const *pods = store_list_made(input->store, KIND_POD, &n);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < ((const Pod *)pods[i])->n_ips; k++)
            alloc_take_addr(alloc, ((const Pod *)pods[i])->ips[k]);
    const ApiObject *const *slices = store_list(input->store, KIND_ENDPOINTSLICE, &n);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < ((const EndpointSlice *)slices[i])->n_endpoints; k++)
            alloc_take_addr(alloc, ((const EndpointSlice *)slices[i])->endpoints[k].addr);
    const ApiObject *const *services = store_list(input->store, KIND_SERVICE, &n);
    for (size_t i = 0; i < n; i++)
        alloc_take_service(alloc, (const Service *)services[i]);
    return alloc;
}

void
alloc_free(Alloc *alloc)
{
    if (!alloc)
        return;
    htable_clear(&alloc->addrs);
    htable_clear(&alloc->cidrs);
    vec_clear(&alloc->lens);
    g_free(alloc);
}

void
alloc_take_addr(Alloc *alloc, IpAddr addr)
{
    htable_insert(&alloc->addrs, &addr, NULL);
}

void
alloc_release_addr(Alloc *alloc, IpAddr addr)
{
    htable_remove(&alloc->addrs, &addr);
}

bool
alloc_addr_taken(const Alloc *alloc, IpAddr addr)
{
    return htable_find(&alloc->addrs, &addr) != NULL;
}

static void
set_service(Alloc *alloc, const Service *service, bool taken)
{
    IpAddr addr;

    for (uint32_t i = 0; i < service->n_cluster_ips; i++) {
        if (!ipaddr_parse_sloppy(service->cluster_ips[i], &addr))
            continue;
        if (taken)
            alloc_take_addr(alloc, addr);
        else
            alloc_release_addr(alloc, addr);
    }
    for (uint32_t i = 0; i < service->n_ports; i++)
        alloc->ports[service->ports[i].node_port] = taken;
    alloc->ports[service->health_check_node_port] = taken;
}

void
alloc_take_service(Alloc *alloc, const Service *service)
{
    set_service(alloc, service, true);
}

void
alloc_release_service(Alloc *alloc, const Service *service)
{
    set_service(alloc, service, false);
}

bool
alloc_pod_addr(Alloc *alloc, IpPrefix cidr, const char *ns, const char *name, IpAddr *ret_addr)
{
    uint64_t span = span_of(cidr, MAX_SPAN);

    /* The network, the gateway and the last address stay free. */
    if (span < 4)
        return false;
    return probe(alloc, cidr, 2, span - 3, key_of(alloc, ns, name, "pod-ip"), ret_addr);
}

bool
alloc_cluster_ip(Alloc *alloc, IpPrefix cidr, const char *ns, const char *name, IpAddr *ret_addr)
{
    uint64_t span = span_of(cidr, MAX_SERVICE_SPAN);
    uint64_t hosts, band;

    if (span < 4)
        return false;
    hosts = span - 2;
    band = hosts < 16 ? 0 : MIN(MAX(hosts / 16, 16), 256);
    uint64_t hash = key_of(alloc, ns, name, "cluster-ip");
    return probe(alloc, cidr, 1 + band, hosts - band, hash, ret_addr) || probe(alloc, cidr, 1, band, hash, ret_addr);
}

bool
alloc_node_port(Alloc *alloc, const char *ns, const char *name, const char *what, uint16_t *ret_port)
{
    uint64_t hash = key_of(alloc, ns, name, what);

    for (int lower = 0; lower < 2; lower++) {
        uint32_t first = lower ? NODE_PORT_FIRST : NODE_PORT_FIRST + NODE_PORT_BAND;
        uint32_t count = lower ? NODE_PORT_BAND : NODE_PORT_COUNT - NODE_PORT_BAND;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t port = first + (uint32_t)((hash + i) % count);
            if (alloc->ports[port])
                continue;
            alloc->ports[port] = true;
            *ret_port = (uint16_t)port;
            return true;
        }
    }
    return false;
}

const char *
alloc_node_of_addr(const Alloc *alloc, IpAddr addr)
{
    for (size_t i = 0; i < alloc->lens.len; i++) {
        CidrKey key = cidr_key(addr, alloc->lens.data[i]);
        const char *const *node = htable_find(&alloc->cidrs, &key);
        if (node)
            return *node;
    }
    return NULL;
}

void
alloc_add_pod_cidr(Alloc *alloc, IpPrefix cidr, const char *node)
{
    uint8_t len = (uint8_t)(cidr.len + (ipaddr_is_v4(&cidr.addr) ? 96 : 0));
    CidrKey key = cidr_key(cidr.addr, len);

    *(const char **)htable_insert(&alloc->cidrs, &key, NULL) = node;
    for (size_t i = 0; i < alloc->lens.len; i++)
        if (alloc->lens.data[i] == len)
            return;
    vec_push(&alloc->lens, len);
}

bool
alloc_pod_cidr(Alloc *alloc, IpPrefix cluster_cidr, uint32_t index, uint32_t n_nodes, const char *node,
               IpPrefix *ret_cidr)
{
    bool v4 = ipaddr_is_v4(&cluster_cidr.addr);
    uint8_t max = v4 ? 30 : 126, bits = 0;
    uint8_t len = MAX(v4 ? NODE_CIDR_LEN4 : NODE_CIDR_LEN6, cluster_cidr.len);

    /* Smaller ranges where the usual ones would not do for all nodes. */
    while ((UINT64_C(1) << bits) < n_nodes)
        bits++;
    len = MAX(len, cluster_cidr.len + bits);
    if (len > max)
        return false;
    IpAddr net = ipprefix_network(cluster_cidr).addr;
    bits = (uint8_t)(len - cluster_cidr.len);
    uint64_t count = bits >= 20 ? UINT64_C(1) << 20 : UINT64_C(1) << bits;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = (index + i) % count;
        uint8_t host_bits = (uint8_t)((v4 ? 32 : 128) - len);
        IpPrefix cidr = {.len = len};
        /* ipaddr_add() counts in the low 64 bits; networks of /64 and shorter are counted above them. */
        if (host_bits < 64) {
            cidr.addr = ipaddr_add(net, number << host_bits);
        } else {
            cidr.addr = net;
            uint64_t high = GUINT64_FROM_BE(net.w[0]) + (number << (host_bits - 64));
            cidr.addr.w[0] = GUINT64_TO_BE(high);
        }
        if (cidr_taken(alloc, cidr))
            continue;
        alloc_add_pod_cidr(alloc, cidr, node);
        *ret_cidr = cidr;
        return true;
    }
    return false;
}

static uint64_t
key_of(const Alloc *alloc, const char *ns, const char *name, const char *purpose)
{
    uint64_t hash = rng_mix(rng_hash_str(alloc->seed, purpose), rng_hash_str(1, ns));

    return rng_mix(hash, rng_hash_str(2, name));
}

static bool
probe(Alloc *alloc, IpPrefix cidr, uint64_t first, uint64_t size, uint64_t hash, IpAddr *ret_addr)
{
    IpAddr net = ipprefix_network(cidr).addr;

    for (uint64_t i = 0; i < size; i++) {
        IpAddr addr = ipaddr_add(net, first + (hash % size + i) % size);
        bool is_new;
        htable_insert(&alloc->addrs, &addr, &is_new);
        if (!is_new)
            continue;
        *ret_addr = addr;
        return true;
    }
    return false;
}

static uint64_t
span_of(IpPrefix cidr, uint64_t max)
{
    uint8_t bits = (uint8_t)((ipaddr_is_v4(&cidr.addr) ? 32 : 128) - cidr.len);

    return bits >= 32 ? max : MIN(UINT64_C(1) << bits, max);
}

static CidrKey
cidr_key(IpAddr addr, uint8_t len128)
{
    CidrKey key = {.net = addr, .len = len128};

    for (unsigned i = 0; i < sizeof key.net.b; i++) {
        unsigned start = i * 8;
        if (len128 <= start)
            key.net.b[i] = 0;
        else if (len128 < start + 8)
            key.net.b[i] &= (uint8_t)(0xff00u >> (len128 - start));
    }
    return key;
}

static bool
cidr_taken(const Alloc *alloc, IpPrefix cidr)
{
    uint8_t own = (uint8_t)(cidr.len + (ipaddr_is_v4(&cidr.addr) ? 96 : 0));

    for (size_t i = 0; i < alloc->lens.len; i++) {
        CidrKey key = cidr_key(cidr.addr, MIN(alloc->lens.data[i], own));
        key.len = alloc->lens.data[i];
        if (htable_find(&alloc->cidrs, &key))
            return true;
    }
    return false;
}
