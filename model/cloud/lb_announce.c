/* Addresses without a load balancer host: the tunnel's route, and announcements by the nodes themselves
 *
 *   route   minikube tunnel (minikube handbook "accessing", pkg/minikube/tunnel): the user's machine has a route for
 *           the service CIDRs to one node.  The destination stays what it was; no node port is involved.
 *   L2      MetalLB: one node answers for the address, the first by a hash of node and address among those that may
 *           (metallb internal/speaker layer2_controller.go); if none may, requests for it stay unanswered.
 *   BGP     MetalLB: every node that may is a next hop of the router; without any the route is withdrawn and the router
 *           answers net-unreachable.  lb_forward.c balances flows; what has no ports, ICMP errors above all, goes by
 *           addresses alone, perhaps to another node than the flow that it is about.
 *
 * That a node died is noticed after the profile's failover time (memberlist, BGP hold time). */

#include "model/cloud/lb_private.h"

static void
route_service_cidrs(Lb *lb, const ClusterNode *node)
{
    Cluster *c = lb->cloud->cluster;
    const ClusterSpec *spec = &cluster_input(c)->cluster;

    for (uint32_t i = 0; i < spec->n_service_cidrs; i++)
        for (uint32_t k = 0; k < node->n_ips; k++)
            if (ipaddr_family(&node->ips[k]) == ipaddr_family(&spec->service_cidrs[i].addr))
                host_route_add(cluster_router(c), spec->service_cidrs[i], node->ips[k], cluster_lan(c));
}

static LbTarget *
first_node(const Lb *lb)
{
    for (guint i = 0; i < lb->targets->len; i++) {
        LbTarget *t = lb->targets->pdata[i];
        if (t->state != LB_TARGET_GONE && t->state != LB_TARGET_DRAINING)
            return t;
    }
    return NULL;
}

static LbTarget *
l2_winner(const Lb *lb, IpAddr vip)
{
    LbTarget *winner = NULL;

    for (guint i = 0; i < lb->targets->len; i++) {
        LbTarget *t = lb->targets->pdata[i];
        if (t->state != LB_TARGET_HEALTHY)
            continue;
        if (!winner || lb_rank(t->name, vip) < lb_rank(winner->name, vip))
            winner = t;
    }
    return winner;
}

static void
route_to(Lb *lb, IpAddr vip, const LbTarget *t)
{
    Cluster *c = lb->cloud->cluster;
    IpAddr addr;

    if (t && target_addr(t, ipaddr_family(&vip), &addr))
        cluster_route_lan(c, vip, addr);
    else if (lb->profile->bgp)
        cluster_unroute(c, vip);
    else
        cluster_route_lan(c, vip, ipaddr_is_v4(&vip) ? IPADDR_ANY4 : IPADDR_ANY6);
}

static void
route_to_all(Lb *lb, IpAddr vip)
{
    Cluster *c = lb->cloud->cluster;
    bool first = true;
    IpAddr addr;

    cluster_unroute(c, vip);
    for (guint i = 0; i < lb->targets->len; i++) {
        const LbTarget *t = lb->targets->pdata[i];
        if (t->state != LB_TARGET_HEALTHY || !target_addr(t, ipaddr_family(&vip), &addr))
            continue;
        if (first)
            cluster_route_lan(c, vip, addr);
        else
            cluster_route_lan_also(c, vip, addr);
        first = false;
    }
}

static bool
any_healthy(const Lb *lb)
{
    for (guint i = 0; i < lb->targets->len; i++)
        if (((const LbTarget *)lb->targets->pdata[i])->state == LB_TARGET_HEALTHY)
            return true;
    return false;
}

/* Why no node announces. */
static const char *
silence_reason(const Lb *lb)
{
    for (guint i = 0; i < lb->targets->len; i++)
        if (((const LbTarget *)lb->targets->pdata[i])->state == LB_TARGET_UNHEALTHY)
            return "those that may are down";
    return lb->service->external_policy == POLICY_LOCAL
               ? "none has a ready endpoint, which externalTrafficPolicy Local asks for"
               : "none is left that may";
}

static void
tell_announcer(Lb *lb, const LbTarget *t)
{
    ClusterNode *node = t ? t->node : NULL;

    if (node ? lb->announced && node == lb->announcer : lb->told_no_target)
        return;
    if (lb->cloud->settled && node)
        cluster_story(lb->cloud->cluster, "lb %s: node %s announces the address", lb->text, node->name);
    else if (lb->cloud->settled)
        cluster_story(lb->cloud->cluster, "lb %s: no node announces the address: %s", lb->text, silence_reason(lb));
    lb->told_no_target = !node && lb->cloud->settled;
    lb->announcer = node;
}

void
announce_update(Lb *lb)
{
    LbTarget *node = NULL;

    if (lb->profile->path == LB_PATH_ROUTE) {
        node = first_node(lb);
        if (node)
            route_service_cidrs(lb, node->node);
        for (uint32_t i = 0; i < lb->n_vips; i++)
            route_to(lb, lb->vips[i], node);
        lb->announcer = node ? node->node : NULL;
        lb->announced = node != NULL;
        return;
    }
    if (lb->profile->bgp) {
        lb->announced = any_healthy(lb);
        for (uint32_t i = 0; i < lb->n_vips; i++)
            route_to_all(lb, lb->vips[i]);
        return;
    }
    for (uint32_t i = 0; i < lb->n_vips; i++) {
        node = l2_winner(lb, lb->vips[i]);
        route_to(lb, lb->vips[i], node);
        tell_announcer(lb, node);
    }
    lb->announced = node != NULL;
}

void
announce_stop(Lb *lb)
{
    if (lb->profile->bgp)
        for (uint32_t i = 0; i < lb->n_vips; i++)
            cluster_unroute(lb->cloud->cluster, lb->vips[i]);
    lb->announced = false;
}

/* Peers watch each other: a node that is down for the failover time is taken out, one that is back put in. */
void
announce_watch(Lb *lb)
{
    SimTime now = cluster_sim(lb->cloud->cluster)->now;

    for (guint i = 0; i < lb->targets->len; i++) {
        LbTarget *t = lb->targets->pdata[i];
        bool up = !t->node->failed && !host_down(t->node->host);
        if (up)
            t->first_bad = -1;
        else if (t->first_bad < 0)
            t->first_bad = now;
        if (t->state == LB_TARGET_HEALTHY && !up && now - t->first_bad >= lb->profile->failover)
            target_set_state(t, LB_TARGET_UNHEALTHY, "its peers hear nothing of it");
        else if (t->state == LB_TARGET_UNHEALTHY && up)
            target_set_state(t, LB_TARGET_HEALTHY, "its peers hear of it again");
    }
    announce_update(lb);
}
