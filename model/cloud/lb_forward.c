/* Forwarding load balancers: destination NAT, direct server return, and the router that balances announced addresses
 *
 * A flow is remembered from its first packet (Maglev with connection tracking, NAT state, or the last choice of a
 * stateless ECMP router, which is forgotten when its set of next hops changes).  Only NAT follows the answers; it
 * rewrites them, and ICMP errors that quote them, back. */

#include "model/cloud/lb_private.h"

#include "sim/netfilter/conntrack.h"

#define FIRST_NAT_PORT 1024u
#define N_NAT_PORTS    (64512u - FIRST_NAT_PORT) /* The rest is for its own connections (probes). */
/* A closed flow is kept for the packets that are still under way. */
#define CLOSED_LINGER (60 * SIMTIME_SEC)
#define SWEEP_MIN     1024u

static ForwardVerdict forward_on_host(void *user, Packet *pkt, ForwardTo *ret_to);
static ForwardVerdict forward_on_router(void *user, Packet *pkt, ForwardTo *ret_to);
static LbFlow *flow_find(Lb *lb, const LbTuple *key, uint32_t *ret_index);
static LbFlow *flow_add(Lb *lb, const LbTuple *key, LbTarget *target);
static void flow_remove(Lb *lb, uint32_t index);
static void flow_close(LbFlow *flow);
static bool follow_replies(Lb *lb, LbFlow *flow, uint16_t target_port_number);
static ForwardVerdict answer(Lb *lb, LbFlow *flow, Packet *pkt);
static ForwardVerdict send_to_target(Lb *lb, LbFlow *flow, Packet *pkt, ForwardTo *ret_to, NetDev *dev);

static bool
is_nat(const Lb *lb)
{
    return lb->profile->path == LB_PATH_NAT;
}

static bool
keeps_client(const Lb *lb, uint8_t proto)
{
    return proto == IPPROTO_UDP_ ? lb->profile->client_ip_udp : lb->profile->client_ip;
}

static Sim *
sim_of(const Lb *lb)
{
    return cluster_sim(lb->cloud->cluster);
}

/* --- Start and stop ---------------------------------------------------------------------------------------------- */

void
forward_start(Lb *lb)
{
    HostSysctls *sysctls = host_sysctls(lb->host);

    sysctls->ip_forward = sysctls->ip6_forward = true;
    sysctls->accept_local = true; /* Rewritten packets bear its own addresses. */
    sysctls->send_redirects = false;
    sysctls->port_range_min = FIRST_NAT_PORT + N_NAT_PORTS;
    sysctls->port_range_max = UINT16_MAX;
    lb->forwarder = (HostForwarder){.forward = forward_on_host, .user = lb};
    host_set_forwarder(lb->host, &lb->forwarder);
}

void
forward_flush(Lb *lb)
{
    for (uint32_t i = 0; i < lb->flows.len; i++)
        if (lb->flows.data[i].used)
            flow_remove(lb, i);
    lb->round_robin_set = false;
}

void
forward_stop(Lb *lb)
{
    forward_flush(lb);
    if (lb->host)
        host_set_forwarder(lb->host, NULL);
}

void
forward_router(Cloud *cloud, bool on)
{
    const LbProfile *p = &cloud->profile;
    bool needed =
        (p->path == LB_PATH_NAT && (p->client_ip || p->client_ip_udp)) || (p->path == LB_PATH_ANNOUNCE && p->bgp);

    if (!needed)
        return;
    /* Nodes answer each other without a routed hop: the fabric sees that as well. */
    cloud->router_forwarder =
        (HostForwarder){.forward = forward_on_router, .user = cloud, .bridged = p->path == LB_PATH_NAT};
    host_set_forwarder(cluster_router(cloud->cluster), on ? &cloud->router_forwarder : NULL);
}

/* --- Packets ----------------------------------------------------------------------------------------------------- */

static LbTuple
tuple_of(const Packet *pkt)
{
    return (LbTuple){.src = pkt->src, .dst = pkt->dst, .sport = pkt->sport, .dport = pkt->dport, .proto = pkt->proto};
}

/* The answer to the packet that an ICMP error quotes. */
static LbTuple
tuple_of_quote(const Packet *pkt)
{
    const QuotedPacket *q = &pkt->icmp.quote;

    return (LbTuple){.src = q->dst, .dst = q->src, .sport = q->dport, .dport = q->sport, .proto = q->proto};
}

static bool
find_reply(const Cloud *cloud, const Packet *pkt, ReplyRef *ret_ref)
{
    LbTuple key;
    const ReplyRef *ref;

    if (packet_has_ports(pkt))
        key = tuple_of(pkt);
    else if (packet_is_icmp_error(pkt) && pkt->icmp.has_quote)
        key = tuple_of_quote(pkt);
    else
        return false;
    ref = htable_find(&cloud->replies, &key);
    if (ref)
        *ret_ref = *ref;
    return ref != NULL;
}

static bool
is_vip(const Lb *lb, IpAddr addr)
{
    for (uint32_t i = 0; i < lb->n_vips; i++)
        if (ipaddr_eq(lb->vips[i], addr))
            return true;
    return false;
}

static ForwardVerdict
forward_on_host(void *user, Packet *pkt, ForwardTo *ret_to)
{
    Lb *lb = user;
    ReplyRef ref;

    if (is_nat(lb) && find_reply(lb->cloud, pkt, &ref) && ref.lb == lb)
        return answer(lb, &lb->flows.data[ref.flow], pkt);
    if (packet_has_ports(pkt) && is_vip(lb, pkt->dst))
        return forward_client(lb, pkt, ret_to, host_dev(lb->host, "eth0"));
    return FORWARD_ROUTE;
}

static ForwardVerdict
forward_on_router(void *user, Packet *pkt, ForwardTo *ret_to)
{
    Cloud *cloud = user;
    NetDev *lan = cluster_lan(cloud->cluster);
    ReplyRef ref;

    if (cloud->profile.path == LB_PATH_NAT) {
        if (!find_reply(cloud, pkt, &ref))
            return FORWARD_ROUTE;
        for (uint32_t i = 0; i < ref.lb->n_own; i++)
            if (ipaddr_family(&ref.lb->own[i]) == packet_family(pkt)) {
                *ret_to = (ForwardTo){.next_hop = ref.lb->own[i], .dev = lan};
                return FORWARD_VIA;
            }
        return FORWARD_ROUTE;
    }
    if (!packet_has_ports(pkt))
        return FORWARD_ROUTE;
    for (guint i = 0; i < cloud->lbs->len; i++) {
        Lb *lb = cloud->lbs->pdata[i];
        if (is_vip(lb, pkt->dst))
            return lb->announced ? forward_client(lb, pkt, ret_to, lan) : FORWARD_ROUTE;
    }
    return FORWARD_ROUTE;
}

static bool
find_port(const Lb *lb, const Packet *pkt, uint32_t *ret_index)
{
    for (uint32_t i = 0; i < lb->service->n_ports; i++)
        if (lb->service->ports[i].port == pkt->dport && lb->service->ports[i].proto == pkt->proto) {
            *ret_index = i;
            return true;
        }
    return false;
}

static SimTime
idle_limit(const Lb *lb, const LbFlow *flow)
{
    if (flow->closed)
        return CLOSED_LINGER;
    return flow->key.proto == IPPROTO_UDP_ ? lb->profile->idle_udp : lb->profile->idle_tcp;
}

static bool
is_expired(const Lb *lb, const LbFlow *flow)
{
    SimTime limit = idle_limit(lb, flow);

    return limit > 0 && sim_of(lb)->now - flow->last > limit;
}

static bool
opens(const Packet *pkt)
{
    return pkt->proto != IPPROTO_TCP_ || (pkt->tcp.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static bool
is_stateless(const Lb *lb)
{
    return lb->profile->hash == LB_HASH_ECMP || lb->profile->hash == LB_HASH_ECMP_RESILIENT;
}

/* A SYN on the ports of a flow that is over opens a new one; so does one whose target is out by now. */
static bool
is_over(const LbFlow *flow, const Packet *pkt)
{
    if (!opens(pkt))
        return false;
    return flow->closed || flow->reset || (pkt->proto == IPPROTO_TCP_ && flow->target->state != LB_TARGET_HEALTHY);
}

/* Forgets what the load balancer would no longer know. */
static LbFlow *
current_flow(Lb *lb, const LbTuple *key, const Packet *pkt, bool *ret_was_idle)
{
    uint32_t index;
    LbFlow *flow = flow_find(lb, key, &index);

    *ret_was_idle = false;
    if (!flow)
        return NULL;
    if (is_expired(lb, flow)) {
        *ret_was_idle = !flow->closed;
    } else if (is_stateless(lb)) {
        if (flow->generation == lb->generation)
            return flow;
    } else if (!is_over(flow, pkt)) {
        return flow;
    }
    flow_remove(lb, index);
    return NULL;
}

static ForwardVerdict
refuse(const Lb *lb, const Packet *pkt, DropReason reason, ForwardTo *ret_to)
{
    bool reset = lb->profile->no_target == LB_REFUSE && pkt->proto == IPPROTO_TCP_;

    ret_to->reason = reason;
    return reset ? FORWARD_RESET : FORWARD_DROP;
}

ForwardVerdict
forward_client(Lb *lb, Packet *pkt, ForwardTo *ret_to, NetDev *dev)
{
    LbTuple key = tuple_of(pkt);
    uint32_t port = 0;
    bool was_idle;
    LbFlow *flow = current_flow(lb, &key, pkt, &was_idle);
    LbTarget *target;

    if (flow && flow->reset) {
        flow_remove(lb, (uint32_t)(flow - lb->flows.data));
        ret_to->reason = DROP_LB_NO_FLOW;
        return FORWARD_RESET;
    }
    if (flow)
        return send_to_target(lb, flow, pkt, ret_to, dev);
    if (!find_port(lb, pkt, &port))
        return refuse(lb, pkt, DROP_LB_NO_TARGET, ret_to);
    /* NAT knows connections; the others only hash packets. */
    if (!opens(pkt) && (is_nat(lb) || was_idle) && (is_nat(lb) || lb->profile->idle_rst)) {
        ret_to->reason = DROP_LB_NO_FLOW;
        return lb->profile->idle_rst ? FORWARD_RESET : FORWARD_DROP;
    }
    target = lb_choose(lb, port, packet_family(pkt), pkt->flow ? pkt->flow : rng_hash(0, &key, sizeof key), pkt->src);
    if (!target)
        return refuse(lb, pkt, DROP_LB_NO_TARGET, ret_to);
    flow = flow_add(lb, &key, target);
    if (is_nat(lb) && !follow_replies(lb, flow, target_port(target, port))) {
        flow_remove(lb, (uint32_t)(flow - lb->flows.data));
        ret_to->reason = DROP_NAT_NO_PORT;
        return FORWARD_DROP;
    }
    return send_to_target(lb, flow, pkt, ret_to, dev);
}

static void
note_end(LbFlow *flow, const Packet *pkt, bool reply, bool one_way)
{
    if (pkt->proto != IPPROTO_TCP_)
        return;
    if (pkt->tcp.flags & TCP_FIN)
        flow->fin[reply] = true;
    if ((pkt->tcp.flags & TCP_RST) || (flow->fin[0] && (flow->fin[1] || one_way)))
        flow_close(flow);
}

static void
trace_nat(const Lb *lb, const Packet *pkt, uint8_t manip, bool undo, IpAddr from, uint16_t from_port)
{
    TraceRecord record = {.kind = TRACE_NAT, .host = lb->host, .dev = pkt->meta.in, .pkt = pkt};

    if (!trace_wants(sim_of(lb), TRACE_NAT))
        return;
    record.nat.hook = NF_PREROUTING;
    record.nat.manip = manip;
    record.nat.undo = undo;
    record.nat.from = from;
    record.nat.from_port = from_port;
    record.nat.to = manip == NAT_MANIP_DST ? pkt->dst : pkt->src;
    record.nat.to_port = manip == NAT_MANIP_DST ? pkt->dport : pkt->sport;
    trace_emit(sim_of(lb), &record);
}

static void
set_dst(const Lb *lb, Packet *pkt, IpAddr addr, uint16_t port, bool undo)
{
    IpAddr from = pkt->dst;
    uint16_t from_port = pkt->dport;

    if (ipaddr_eq(from, addr) && from_port == port)
        return;
    pkt->dst = addr;
    pkt->dport = port;
    trace_nat(lb, pkt, undo ? NAT_MANIP_SRC : NAT_MANIP_DST, undo, from, from_port);
}

static void
set_src(const Lb *lb, Packet *pkt, IpAddr addr, uint16_t port, bool undo)
{
    IpAddr from = pkt->src;
    uint16_t from_port = pkt->sport;

    if (ipaddr_eq(from, addr) && from_port == port)
        return;
    pkt->src = addr;
    pkt->sport = port;
    trace_nat(lb, pkt, undo ? NAT_MANIP_DST : NAT_MANIP_SRC, undo, from, from_port);
}

static ForwardVerdict
send_to_target(Lb *lb, LbFlow *flow, Packet *pkt, ForwardTo *ret_to, NetDev *dev)
{
    IpAddr addr;

    if (!target_addr(flow->target, packet_family(pkt), &addr)) {
        ret_to->reason = DROP_LB_NO_TARGET;
        return FORWARD_DROP;
    }
    flow->last = sim_of(lb)->now;
    note_end(flow, pkt, false, !is_nat(lb));
    if (!lb->profile->hairpin && keeps_client(lb, pkt->proto) && ipaddr_eq(addr, pkt->src)) {
        ret_to->reason = DROP_LB_HAIRPIN;
        return FORWARD_DROP;
    }
    if (!is_nat(lb)) {
        *ret_to = (ForwardTo){.next_hop = addr, .dev = dev};
        return FORWARD_VIA;
    }
    set_dst(lb, pkt, flow->reply.src, flow->reply.sport, false);
    set_src(lb, pkt, flow->reply.dst, flow->reply.dport, false);
    return FORWARD_ROUTE;
}

/* An answer of a target, or an ICMP error about what was sent to it. */
static ForwardVerdict
answer(Lb *lb, LbFlow *flow, Packet *pkt)
{
    if (packet_is_icmp_error(pkt)) {
        QuotedPacket *q = &pkt->icmp.quote;
        q->src = flow->key.src;
        q->sport = flow->key.sport;
        q->dst = flow->key.dst;
        q->dport = flow->key.dport;
        if (ipaddr_eq(pkt->src, flow->reply.src))
            pkt->src = flow->key.dst;
        pkt->dst = flow->key.src;
        return FORWARD_ROUTE;
    }
    flow->last = sim_of(lb)->now;
    note_end(flow, pkt, true, false);
    set_src(lb, pkt, flow->key.dst, flow->key.dport, true);
    set_dst(lb, pkt, flow->key.src, flow->key.sport, true);
    return FORWARD_ROUTE;
}

/* --- The table --------------------------------------------------------------------------------------------------- */

static LbFlow *
flow_find(Lb *lb, const LbTuple *key, uint32_t *ret_index)
{
    const uint32_t *index = htable_find(&lb->by_key, key);

    if (!index)
        return NULL;
    *ret_index = *index;
    return &lb->flows.data[*index];
}

/* Now and then, so that the table does not outgrow what lives. */
static void
sweep(Lb *lb)
{
    if (lb->flows.len - lb->free_flows.len < MAX(lb->sweep_at, SWEEP_MIN))
        return;
    for (uint32_t i = 0; i < lb->flows.len; i++)
        if (lb->flows.data[i].used && is_expired(lb, &lb->flows.data[i]))
            flow_remove(lb, i);
    lb->sweep_at = 2 * (lb->flows.len - lb->free_flows.len);
}

static LbFlow *
flow_add(Lb *lb, const LbTuple *key, LbTarget *target)
{
    uint32_t index;
    LbFlow *flow;

    sweep(lb);
    if (lb->free_flows.len > 0) {
        index = lb->free_flows.data[--lb->free_flows.len];
    } else {
        index = (uint32_t)lb->flows.len;
        vec_push(&lb->flows, (LbFlow){.used = false});
    }
    flow = &lb->flows.data[index];
    *flow =
        (LbFlow){.key = *key, .target = target, .last = sim_of(lb)->now, .generation = lb->generation, .used = true};
    *(uint32_t *)htable_insert(&lb->by_key, key, NULL) = index;
    target->n_flows++;
    target->n_active++;
    return flow;
}

static void
flow_close(LbFlow *flow)
{
    if (flow->closed)
        return;
    flow->closed = true;
    flow->target->n_active--;
}

static void
flow_remove(Lb *lb, uint32_t index)
{
    LbFlow *flow = &lb->flows.data[index];
    const ReplyRef *ref = flow->reply.proto ? htable_find(&lb->cloud->replies, &flow->reply) : NULL;

    flow_close(flow);
    if (ref && ref->lb == lb && ref->flow == index)
        htable_remove(&lb->cloud->replies, &flow->reply);
    htable_remove(&lb->by_key, &flow->key);
    flow->used = false;
    vec_push(&lb->free_flows, index);
}

/* True if the tuple is free, or left by a flow that is over. */
static bool
claim_reply(Lb *lb, LbFlow *flow)
{
    ReplyRef *ref = htable_find(&lb->cloud->replies, &flow->reply);

    if (ref) {
        LbFlow *other = &ref->lb->flows.data[ref->flow];
        if (!other->closed && !is_expired(ref->lb, other))
            return false;
        other->reply.proto = 0;
    } else {
        ref = htable_insert(&lb->cloud->replies, &flow->reply, NULL);
    }
    *ref = (ReplyRef){lb, (uint32_t)(flow - lb->flows.data)};
    return true;
}

/* How the target will answer.  With the client's address kept there is one such tuple; two connections of one client
 * port that meet in one target collide (a limit of the real ones as well). */
static bool
follow_replies(Lb *lb, LbFlow *flow, uint16_t port)
{
    IpFamily family = ipaddr_family(&flow->key.src);
    uint32_t first;

    flow->reply = (LbTuple){.dst = flow->key.src, .dport = flow->key.sport, .sport = port, .proto = flow->key.proto};
    if (!target_addr(flow->target, family, &flow->reply.src))
        return false;
    if (keeps_client(lb, flow->key.proto))
        return claim_reply(lb, flow);
    if (lb->profile->max_flows && flow->target->n_active > lb->profile->max_flows)
        return false;
    for (uint32_t i = 0; i < lb->n_own; i++)
        if (ipaddr_family(&lb->own[i]) == family)
            flow->reply.dst = lb->own[i];
    first = (uint32_t)(rng_hash(lb->id, &flow->key, sizeof flow->key) % N_NAT_PORTS);
    for (uint32_t i = 0; i < N_NAT_PORTS; i++) {
        flow->reply.dport = (uint16_t)(FIRST_NAT_PORT + (first + i) % N_NAT_PORTS);
        if (claim_reply(lb, flow))
            return true;
    }
    return false;
}

void
forward_target_lost(LbTarget *t, LbUnhealthyFlows what)
{
    Lb *lb = t->lb;

    for (uint32_t i = 0; i < lb->flows.len; i++) {
        LbFlow *flow = &lb->flows.data[i];
        if (!flow->used || flow->target != t)
            continue;
        /* Datagrams have no connection that could persist: Azure and Google move them. */
        if (what == LB_FLOWS_PERSIST && flow->key.proto != IPPROTO_UDP_)
            continue;
        if (what == LB_FLOWS_MOVE || !is_nat(lb) || flow->key.proto != IPPROTO_TCP_)
            flow_remove(lb, i);
        else
            flow->reset = true;
    }
}
