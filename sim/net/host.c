#include "sim/net/host.h"

#include "sim/net/host_private.h"

Host *
host_new(Sim *sim, const char *name)
{
    Host *host = g_new0(Host, 1);
    g_autofree char *entity = g_strconcat("host/", name, NULL);
    IpPrefix loopback4 = {IPADDR_LOOPBACK4, 8};

    host->sim = sim;
    host->name = g_strdup(name);
    host->entity = sim_entity(sim, entity);
    host->fib = fib_new(rng_mix(sim->seed, host->entity.id));
    host_sysctls_default(&host->sysctls);

    NetDev *lo = netdev_new(host, "lo", DEV_LOOPBACK);
    netdev_add_addr(lo, loopback4);
    netdev_add_addr(lo, ipprefix_host(IPADDR_LOOPBACK6));
    return host;
}

void
host_free(Host *host)
{
    if (!host)
        return;
    if (host->transport_ops && host->transport_ops->destroy)
        host->transport_ops->destroy(host);
    neigh_free(host);
    late_output_free(host);
    g_clear_pointer(&host->dev_names, g_hash_table_unref);
    for (uint32_t i = host->n_devs; i-- > 0;)
        if (host->devs[i])
            netdev_free(host->devs[i]);
    g_free(host->devs);
    if (host->nf)
        nf_stack_free(host->nf);
    fib_free(host->fib);
    pmtu_free(host);
    icmp_limits_free(host);
    sim_entity_free(host->sim, host->entity);
    g_free(host->name);
    g_free(host);
}

Sim *
host_sim(const Host *host)
{
    return host->sim;
}

const char *
host_name(const Host *host)
{
    return host->name;
}

SimEntity *
host_entity(Host *host)
{
    return &host->entity;
}

HostSysctls *
host_sysctls(Host *host)
{
    return &host->sysctls;
}

void
host_set_down(Host *host, bool down)
{
    if (host->down == down)
        return;
    host->down = down;
    if (!down)
        return;
    if (host->transport_ops && host->transport_ops->host_down)
        host->transport_ops->host_down(host);
    neigh_free(host);
    late_output_free(host);
}

bool
host_down(const Host *host)
{
    return host->down;
}

NetDev *
host_dev(const Host *host, const char *name)
{
    if (host->dev_names)
        return g_hash_table_lookup(host->dev_names, name);
    for (uint32_t i = 0; i < host->n_devs; i++)
        if (host->devs[i] && strcmp(host->devs[i]->name, name) == 0)
            return host->devs[i];
    return NULL;
}

NetDev *const *
host_devs(const Host *host, size_t *ret_n)
{
    *ret_n = host->n_devs;
    return host->devs;
}

NetDev *
host_loopback(Host *host)
{
    return host->devs[0];
}

Fib *
host_fib(Host *host)
{
    return host->fib;
}

void
host_route_add(Host *host, IpPrefix prefix, IpAddr via, NetDev *dev)
{
    fib_add(host->fib, &(Route){.prefix = prefix, .type = ROUTE_UNICAST, .dev = dev, .via = via});
}

NfStack *
host_netfilter(Host *host)
{
    if (!host->nf)
        host->nf = nf_stack_new(host->sim, host, &host_nf_ops);
    return host->nf;
}

NfStack *
host_netfilter_peek(const Host *host)
{
    return host->nf;
}

void
host_set_latent(Host *host, const HostLatentOps *ops, void *user)
{
    host->latent = ops;
    host->latent_user = user;
    fib_set_before(host->fib, ops ? ops->addr : NULL, user);
}

void
host_set_user(Host *host, void *user)
{
    host->user = user;
}

void *
host_user(const Host *host)
{
    return host->user;
}

void
host_set_forwarder(Host *host, const HostForwarder *forwarder)
{
    host->forwarder = forwarder;
}

const HostStats *
host_stats(const Host *host)
{
    return &host->stats;
}

void
host_drop(Host *host, Packet *pkt, DropReason reason)
{
    host->stats.dropped[reason]++;
    if (trace_wants(host->sim, TRACE_DROP)) {
        TraceRecord record = {.kind = TRACE_DROP, .host = host, .dev = pkt->meta.in ? pkt->meta.in : pkt->meta.out};
        record.pkt = pkt;
        record.drop.reason = reason;
        record.drop.hook = NF_N_HOOKS;
        trace_emit(host->sim, &record);
    }
    packet_free(host->sim, pkt);
}

void
host_set_transport(Host *host, const TransportOps *ops, void *sockets)
{
    host->transport_ops = ops;
    host->transport = sockets;
}

void *
host_transport(const Host *host)
{
    return host->transport;
}
