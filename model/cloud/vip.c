/* Addresses and status of load balancers
 *
 * An address follows from the Service's name (hash into the profile's pool, then the next free one), so that adding a
 * Service seldom moves another's. */

#include "model/cloud/lb_private.h"

#include <string.h>

static bool
is_balanced(const LbProfile *p, const Service *s)
{
    return s->type == SERVICE_LOADBALANCER && lb_class_handled(p, s) && !lb_port_refused(p, s);
}

uint8_t
lb_protocol_bit(uint8_t proto)
{
    return proto == IPPROTO_UDP_ ? LB_CARRIES_UDP : proto == IPPROTO_SCTP_ ? LB_CARRIES_SCTP : LB_CARRIES_TCP;
}

/* cloud-provider-aws checkProtocol(): one port that does not go, and EnsureLoadBalancer() fails as a whole. */
const ServicePort *
lb_port_refused(const LbProfile *p, const Service *s)
{
    uint8_t carried = lb_profile_protocols(p);

    for (uint32_t i = 0; i < s->n_ports; i++)
        if (!(carried & lb_protocol_bit(s->ports[i].proto)))
            return &s->ports[i];
    return NULL;
}

static void
warn_refused(Diags *diags, const LbProfile *p, const Service *s)
{
    const ServicePort *port = lb_port_refused(p, s);

    if (s->type != SERVICE_LOADBALANCER || !lb_class_handled(p, s) || !port)
        return;
    diag(diags, DIAG_WARNING, s->meta.mark, "Service %s/%s gets no load balancer: %s carries %s, and port %u is %s",
         s->meta.ns, s->meta.name, p->name, lb_protocols_text(lb_profile_protocols(p)), port->port,
         lb_protocols_text(lb_protocol_bit(port->proto)));
    diag_hint(diags, "its controller says SyncLoadBalancerFailed and the Service stays <pending>; give that port a "
                     "Service of its own, or another kind of load balancer");
}

/* A Service with a class is for the controller of that class only, and one without for the default. */
bool
lb_class_handled(const LbProfile *p, const Service *s)
{
    return g_strcmp0(s->lb_class, p->lb_class) == 0;
}

static bool
is_stated(const Service *s, IpAddr addr)
{
    for (uint32_t i = 0; i < s->n_ingress; i++) {
        IpAddr stated;
        if (s->ingress[i].ip && ipaddr_parse_sloppy(s->ingress[i].ip, &stated) && ipaddr_eq(stated, addr))
            return true;
    }
    return false;
}

static uint64_t
pool_size(const IpPrefix *pool)
{
    uint32_t bits = (ipaddr_is_v4(&pool->addr) ? 32u : 128u) - pool->len;

    return bits > 16 ? 1u << 16 : (uint64_t)1 << bits;
}

static IpAddr
pool_first_choice(const IpPrefix *pool, const Service *s)
{
    g_autofree char *key = g_strdup_printf("vip/%s/%s", s->meta.ns, s->meta.name);
    uint64_t size = pool_size(pool);

    /* The first and the last address of a subnet are nobody's. */
    return ipaddr_add(ipprefix_network(*pool).addr, size > 2 ? 1 + rng_hash_str(0, key) % (size - 2) : 0);
}

/* Walks the Services in their order, as the controller would meet them. */
static IpAddr
pool_allocate(Input *input, const LbProfile *p, const IpPrefix *pool, const Service *for_service)
{
    size_t n;
    const ApiObject *const *objects = store_list(input->store, KIND_SERVICE, &n);
    VEC(IpAddr) taken = {0};
    IpFamily family = ipaddr_family(&pool->addr);
    IpAddr addr = pool_first_choice(pool, for_service);

    for (size_t i = 0; i < n; i++) {
        const Service *s = (const Service *)objects[i];
        bool again = true;
        if (!is_balanced(p, s) || !service_has_family(s, family))
            continue;
        addr = pool_first_choice(pool, s);
        while (again) {
            again = false;
            for (size_t k = 0; k < taken.len && !again; k++)
                again = ipaddr_eq(taken.data[k], addr);
            for (size_t k = 0; k < n && !again; k++)
                again = objects[k] != objects[i] && is_stated((const Service *)objects[k], addr);
            if (again)
                addr = ipaddr_add(addr, 1);
        }
        if (strcmp(s->meta.name, for_service->meta.name) == 0 && strcmp(s->meta.ns, for_service->meta.ns) == 0)
            break;
        vec_push(&taken, addr);
    }
    vec_clear(&taken);
    return addr;
}

static bool
given_addr(const Service *s, IpFamily family, IpAddr *ret_addr)
{
    for (uint32_t i = 0; i < s->n_ingress; i++)
        if (s->ingress[i].ip && ipaddr_parse_sloppy(s->ingress[i].ip, ret_addr) && ipaddr_family(ret_addr) == family)
            return true;
    return s->lb_ip && ipaddr_parse_sloppy(s->lb_ip, ret_addr) && ipaddr_family(ret_addr) == family;
}

static bool
cluster_addr(const Service *s, IpFamily family, IpAddr *ret_addr)
{
    for (uint32_t i = 0; i < s->n_cluster_ips; i++)
        if (ipaddr_parse_sloppy(s->cluster_ips[i], ret_addr) && ipaddr_family(ret_addr) == family)
            return true;
    return false;
}

uint32_t
vip_of_service(Input *input, const LbProfile *p, const Service *s, IpAddr ret_vips[2])
{
    static const IpFamily families[2] = {FAMILY_IPV4, FAMILY_IPV6};
    uint32_t n = 0;

    for (int f = 0; f < 2; f++) {
        if (given_addr(s, families[f], &ret_vips[n])) {
            n++;
            continue;
        }
        if (!service_has_family(s, families[f]))
            continue;
        /* minikube pkg/minikube/tunnel/loadbalancer_patcher.go: the clusterIP becomes the ingress address. */
        if (p->path != LB_PATH_ROUTE || !cluster_addr(s, families[f], &ret_vips[n]))
            ret_vips[n] = pool_allocate(input, p, &p->vip_pools[f], s);
        n++;
    }
    return n;
}

void
vip_set_ingress(Strings *strings, const LbProfile *p, Service *s, const IpAddr *vips, uint32_t n)
{
    char text[IPADDR_STR_SIZE];

    g_free(s->ingress);
    s->ingress = g_new0(LbIngress, MAX(n, 1));
    s->n_ingress = 0;
    if (p->ip_mode == LB_IPMODE_HOSTNAME) {
        g_autofree char *key = g_strdup_printf("%s/%s", s->meta.ns, s->meta.name);
        s->ingress[s->n_ingress++].hostname = strings_printf(strings, "k8s-%.8s-%.8s-%08x.%s", s->meta.ns, s->meta.name,
                                                             (unsigned)rng_hash_str(0, key), p->hostname_suffix);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        LbIngress *ingress = &s->ingress[s->n_ingress++];
        ingress->ip = strings_add(strings, ipaddr_format(vips[i], text));
        ingress->ip_mode = p->ip_mode == LB_IPMODE_PROXY ? IPMODE_PROXY : IPMODE_VIP;
    }
}

bool
cloud_fill(Input *input)
{
    LbProfile profile;
    uint32_t errors = diags_errors(input->diags);
    size_t n;
    const ApiObject *const *objects;
    g_autofree const ApiObject **all = NULL;

    if (!lb_profile_load(input, &profile))
        return diags_errors(input->diags) == errors;
    objects = store_list(input->store, KIND_SERVICE, &n);
    all = g_memdup2(objects, n * sizeof *objects);
    for (size_t i = 0; i < n; i++) {
        const Service *service = (const Service *)all[i];
        IpAddr vips[2];
        uint32_t n_vips;
        Service *copy;
        warn_refused(input->diags, &profile, service);
        if (!is_balanced(&profile, service) || service->has_cluster_ip || service->n_ingress > 0)
            continue;
        n_vips = vip_of_service(input, &profile, service, vips);
        copy = (Service *)api_copy(all[i]);
        vip_set_ingress(store_strings(input->store), &profile, copy, vips, n_vips);
        store_put(input->store, &copy->meta);
    }
    return diags_errors(input->diags) == errors;
}
