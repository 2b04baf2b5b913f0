#include "sim/engine/prefetch.h"
#include "sim/net/host_private.h"

/* What an arriving packet will touch, step by step: the packet and its host; the tables of the host; in the tables, the
 * places that the packet's addresses lead to.  The steps mirror ip_receive() and what it calls; where they fail to,
 * time is lost and nothing else. */

static void prepare_route(const Host *host, const Packet *pkt, uint32_t step);

void
host_prepare(const NetDev *dev, const Packet *pkt, uint32_t ahead)
{
    const Host *host = dev->host;

    switch (ahead) {
    case 5:
        cache_prefetch(pkt, offsetof(Packet, tcp) + sizeof pkt->tcp);
        cache_prefetch(host, offsetof(Host, stats) + offsetof(HostStats, dropped));
        if (dev->master)
            cache_prefetch(dev->master, sizeof(NetDev));
        break;
    case 4:
        fib_prefetch(host->fib);
        if (dev->master)
            bridge_prepare(dev->master, pkt, 2);
        break;
    default:
        prepare_route(host, pkt, ahead);
        if (ahead > 0 && !host->sysctls.ip_forward && host->transport_ops)
            host->transport_ops->prepare(host, pkt, ahead - 1);
        if (dev->master && ahead < 3 && ahead > 0)
            bridge_prepare(dev->master, pkt, ahead - 1);
        break;
    }
    if (ahead < NF_PREPARE_STEPS && host->nf)
        nf_stack_prepare(host->nf, pkt, ahead);
}

/* Where it is going as it is addressed now. */
static void
prepare_route(const Host *host, const Packet *pkt, uint32_t step)
{
    const Route *route, *back;

    if (step == 3) {
        fib_prefetch_slot(host->fib, &pkt->dst);
        fib_prefetch_slot(host->fib, &pkt->src);
        return;
    }
    route = fib_peek(host->fib, &pkt->dst);
    if (step == 2) {
        back = fib_peek(host->fib, &pkt->src);
        cache_prefetch(route, route ? sizeof *route : 0);
        cache_prefetch(back, back ? sizeof *back : 0);
        return;
    }
    if (!route)
        return;
    if (route->dev && step == 1)
        cache_prefetch(route->dev, sizeof *route->dev);
    else if (route->dev)
        neigh_prefetch(route->dev, ipaddr_is_any(&route->via) ? pkt->dst : route->via);
}
