/* Which clock ended a loss window and what would have ended it sooner, in words */

#include "model/report/loss_private.h"

#include <math.h>
#include <string.h>

static double
seconds(SimTime t)
{
    return (double)t / SIMTIME_SEC;
}

static const LbProbe *
probe_of(const LossWorld *w, const Lb *lb)
{
    const Service *s = loss_service(w, lb);

    return &cloud_profile(w->cloud)->probe[s ? s->external_policy : POLICY_CLUSTER];
}

/* kube-proxy on that node did not sync: nothing else is to blame. */
bool
loss_tell_stuck(const LossWorld *w, LossGroup *g, const char *node)
{
    const ClusterNode *n = cluster_node(w->cluster, node);
    LossWindow *win = &g->window;
    SimTime since, until;

    if (!n || !node_proxy_was_stuck(n->proxy, win->start, win->end, &since, &until))
        return false;
    g_free(win->clock);
    win->clock = until == SIMTIME_NEVER
                     ? g_strdup_printf("kube-proxy on %s: it writes no rules since %.3f s", node, seconds(since))
                     : g_strdup_printf("kube-proxy on %s: it wrote no rules from %.3f s to %.3f s", node,
                                       seconds(since), seconds(until));
    win->fix =
        g_strdup_printf("restart kube-proxy on %s; a load balancer that probes :10256/healthz takes the node out, "
                        "60 s after the first change that it missed",
                        node);
    return true;
}

static bool
is_local(const LossWorld *w, const Lb *lb)
{
    const Service *s = loss_service(w, lb);

    return s && s->external_policy == POLICY_LOCAL;
}

static void
tell_probe(const LossWorld *w, LossGroup *g, const LbHealthEvent *event)
{
    const LbProbe *probe = probe_of(w, g->lb);
    LossWindow *win = &g->window;
    g_autofree char *grace = loss_grace_note(w, g->lb);
    g_autofree char *unready = g->kind == LOSS_RULE && g->node ? loss_unready(w, g->lb, g->node) : NULL;
    /* Rules that drop what they would forward leave a probe of the traffic port without an answer too. */
    bool answers = g->kind != LOSS_NODE_DOWN && !g->down && !(event->cause && strstr(event->cause, "timeout"));
    double low = seconds(loss_notice_shortest(probe, answers)), high = seconds(loss_notice_longest(probe, answers));

    win->closed = event->at;
    win->clock = g_strdup_printf(
        "load balancer health check: it took %s out at %.3f s (%s; the first of them at %.3f s). A probe every %g s, "
        "%u bad %s in a row%s: it notices after %g to %g s",
        event->target, seconds(event->at), event->cause ? event->cause : "unhealthy",
        seconds(event->first_bad >= 0 ? event->first_bad : event->at), seconds(probe->interval), probe->unhealthy,
        probe->unhealthy == 1 ? "one" : "ones", answers ? "" : ", each waiting for its time limit", low, high);
    if (g->kind == LOSS_NODE_DOWN || g->down)
        win->fix = g_strdup_printf("%s: probe more often or with a lower threshold (new connections wait %g s at worst "
                                   "now); if the node is taken away on purpose, take it out of the load balancer first "
                                   "and let connections end (the autoscaler's taint makes :10256 answer 503)",
                                   g->broken ? "connections through a node that dies are gone, its conntrack with them"
                                             : "a node that dies cannot say goodbye",
                                   high);
    else if (g->kind == LOSS_POD && g->n_entry > 0 && !is_local(w, g->lb) && !loss_tell_stuck(w, g, event->target))
        win->fix = g_strdup_printf("let terminating pods go on serving %.0f s longer (preStop sleep, or drain on "
                                   "SIGTERM): this long %s still sends to them",
                                   ceil(seconds(win->closed - win->start)), event->target);
    else if (!win->fix && unready)
        win->fix = g_strdup_printf("%s: mend the application or its readiness probe; meanwhile the load balancer needs "
                                   "up to %g s to notice",
                                   unready, high);
    else if (!win->fix)
        win->fix = g_strdup_printf("let the last pod of %s go on serving %.0f s longer than it did here, and at least "
                                   "%.0f s after its deletion to be safe whatever the probes' phase (preStop sleep, "
                                   "grace period above it); or probe more often than every %g s%s",
                                   event->target, ceil(seconds(win->closed - win->start)), ceil(high) + 2,
                                   seconds(probe->interval), grace);
}

/* Nobody probes an announcing node: its peers miss it. */
static void
tell_failover(const LossWorld *w, LossGroup *g, const LbHealthEvent *event)
{
    const LbProfile *p = cloud_profile(w->cloud);

    g->window.closed = event->at;
    g->window.clock =
        p->bgp ? g_strdup_printf("BGP hold time: the router gave up the session with %s at %.3f s; it waits %g s for a "
                                 "silent speaker",
                                 event->target, seconds(event->at), seconds(p->failover))
               : g_strdup_printf("speakers' memberlist: the others gave up %s at %.3f s and one of them announced the "
                                 "address; that takes %g s",
                                 event->target, seconds(event->at), seconds(p->failover));
    g->window.fix = g_strdup(p->bgp ? "BFD between the router and the speakers, or a shorter hold time"
                                    : "none in layer 2 mode but a faster memberlist; BGP with BFD is quicker, and then "
                                      "only a share of the connections goes through one node");
}

static void
tell_deregistration(const LossWorld *w, LossGroup *g, const LbHealthEvent *event)
{
    const LbProfile *p = cloud_profile(w->cloud);
    g_autofree char *grace = loss_grace_note(w, g->lb);

    g->window.closed = event->at;
    if (g->down || g->kind == LOSS_NODE_DOWN) {
        g->window.clock = g_strdup_printf(
            "node lifecycle: the pods of a silent node stop being endpoints after "
            "nodeMonitorGracePeriod (50 s by default, 40 s before Kubernetes 1.32); %g s later, at %.3f s, the load "
            "balancer's controller had taken %s out",
            seconds(p->target_sync + p->deregister), seconds(event->at), event->target);
        g->window.fix = g_strdup("a load balancer that probes its targets faster, or a shorter "
                                 "node-monitor-grace-period");
        return;
    }
    g->window.clock = g_strdup_printf(
        "load balancer's controller: it took %s out at %.3f s (%s), %g s to notice and %g s until the data path knows",
        event->target, seconds(event->at), event->cause ? event->cause : "deregistered", seconds(p->target_sync),
        seconds(p->deregister));
    g->window.fix = g_strdup_printf(
        "let the pod go on serving %.0f s longer than it did here (preStop sleep, grace period above "
        "it): deregistration alone takes %g s%s",
        ceil(seconds(g->window.closed - g->window.start)), seconds(p->target_sync + p->deregister), grace);
}

void
loss_tell_event(const LossWorld *w, LossGroup *g, const LbHealthEvent *event)
{
    if (event->to == LB_TARGET_UNHEALTHY && cloud_profile(w->cloud)->path == LB_PATH_ANNOUNCE)
        tell_failover(w, g, event);
    else if (event->to == LB_TARGET_UNHEALTHY)
        tell_probe(w, g, event);
    else
        tell_deregistration(w, g, event);
}

void
loss_tell_sync(const LossWorld *w, LossGroup *g, const char *node, const ProxySync *sync)
{
    LossWindow *win = &g->window;

    win->closed = sync->done;
    if (loss_tell_stuck(w, g, node))
        return;
    if (g->down) {
        win->clock = g_strdup_printf("node lifecycle: a silent node's endpoints are taken out after "
                                     "nodeMonitorGracePeriod (50 s by default, 40 s before Kubernetes 1.32); "
                                     "kube-proxy on %s had the new rules at "
                                     "%.3f s",
                                     node, seconds(sync->done));
        win->fix =
            g_strdup("no setting of the pods helps: a shorter node-monitor-grace-period, or "
                     "externalTrafficPolicy: Local, under which the load balancer's faster health check decides");
        return;
    }
    win->clock = g_strdup_printf("endpoint propagation: kube-proxy on %s had the new rules at %.3f s (EndpointSlice "
                                 "write, watch, minSyncPeriod, loading them)",
                                 node, seconds(sync->done));
    if (g->kind == LOSS_RULE)
        win->fix =
            g_strdup("have a ready endpoint there before the last one goes (maxUnavailable: 0, another replica)");
    else
        win->fix = g_strdup_printf("let terminating pods go on serving %.0f s longer (preStop sleep, or drain on "
                                   "SIGTERM): this long some node still sends to them",
                                   ceil(seconds(win->closed - win->start)));
}

void
loss_tell_late(const LossWorld *w, LossGroup *g)
{
    const LbHealthEvent *out = g->lb && g->kind != LOSS_POD ? loss_taken_out(w, g->lb, g->node, 0) : NULL;

    if (!out) {
        g->window.clock = g_strdup_printf("conntrack: the rules have changed, but these came from client ports whose "
                                          "earlier connections or attempts %s still remembers",
                                          g->node);
        g->window.fix = g_strdup("none needed if they are few: entries end by the nf_conntrack_tcp_timeout_* (120 s "
                                 "for SYN_SENT and TIME_WAIT)");
        return;
    }
    g->window.clock = g_strdup_printf("load balancer's connection table: %s was taken out at %.3f s, but these came "
                                      "from client ports that it still remembers as connections to %s (or no target "
                                      "was healthy and it fails open)",
                                      g->node, seconds(out->at), g->node);
    g->window.fix = g_strdup("none needed if they are few: entries end with the idle timeout");
}

static void
tell_no_target(const LossWorld *w, LossGroup *g)
{
    const LbHealthEvent *back = loss_first_usable(w, g->lb, g->window.end);
    LossWindow *win = &g->window;
    g_autofree char *why = back ? NULL : loss_why_nobody(w, g->service);
    const Service *s = loss_service(w, g->lb);

    win->fix =
        g_strdup("keep a ready endpoint throughout: maxUnavailable below the number of replicas, more replicas on "
                 "more nodes");
    if (back) {
        win->closed = back->at;
        win->clock = g_strdup_printf(
            cloud_profile(w->cloud)->path == LB_PATH_ANNOUNCE
                ? "announcement: no node had a ready endpoint to announce the address for, until %s did at %.3f s (%s)"
            : back->to == LB_TARGET_INITIAL
                ? "load balancer's controller: it had no target until %s came at %.3f s (%s)"
                : "load balancer health check: no target was healthy until %s was at %.3f s (%s)",
            back->target, seconds(back->at), back->cause ? back->cause : "healthy");
    } else if (why) {
        win->clock = g_strdup_printf("none: %s", why);
        win->fix =
            g_strdup("a selector that matches pods, and pods that become ready: see their readiness probes and labels");
    } else if (s && !s->allocate_node_ports) {
        win->clock = g_strdup("none: allocateLoadBalancerNodePorts: false leaves no node port to send to or to probe");
        win->fix = g_strdup("allocateLoadBalancerNodePorts: true; or a load balancer whose targets are pods");
    } else {
        win->clock = g_strdup("none: no target was healthy, until the end of the run");
    }
}

/* The load balancer itself refused. */
void
loss_tell_refusal(const LossWorld *w, LossGroup *g)
{
    const LbHealthEvent *out = g->lb && g->node ? loss_taken_out(w, g->lb, g->node, 0) : NULL;
    LossWindow *win = &g->window;

    if (out && out->at <= win->end && g->broken) {
        win->clock = g_strdup_printf("load balancer health check: it took %s out at %.3f s (%s) and resets connections "
                                     "of a target that it took out",
                                     out->target, seconds(out->at), out->cause ? out->cause : "unhealthy");
        win->fix = g_strdup("clients must reconnect; fewer or other targets only lose fewer connections at once");
    } else if (g->reasons >> DROP_HOST_DOWN & 1) {
        win->clock = g_strdup("the load balancer itself was down");
        win->fix = g_strdup("a second load balancer behind the same name or address");
    } else if (g->reasons >> DROP_LB_HAIRPIN & 1) {
        win->clock = g_strdup("none: a target cannot reach itself through a load balancer that keeps its address");
        win->fix = g_strdup("call the Service inside the cluster, not its load balancer; or switch the preservation of "
                            "client addresses off");
    } else if (g->reasons >> DROP_LB_NO_FLOW & 1) {
        win->clock = g_strdup_printf("load balancer's idle timeout: it forgets a connection after %g s without packets",
                                     seconds(cloud_profile(w->cloud)->idle_tcp));
        win->fix = g_strdup_printf("keep-alives more often than every %g s, or a longer idle timeout",
                                   seconds(cloud_profile(w->cloud)->idle_tcp));
    } else {
        tell_no_target(w, g);
    }
}

/* The first connection to the same address that reached a server again. */
static SimTime
first_served(const LossWorld *w, const LossGroup *g)
{
    for (size_t i = 0; i < w->n_flows; i++)
        if (w->flows[i]->start > g->window.end && w->flows[i]->has_server &&
            g_strcmp0(w->flows[i]->dialed, g->first->dialed) == 0)
            return w->flows[i]->end >= 0 ? w->flows[i]->end : w->flows[i]->start;
    return SIMTIME_NEVER;
}

void
loss_tell_nobody(const LossWorld *w, LossGroup *g)
{
    SimTime served = first_served(w, g);
    LossWindow *win = &g->window;
    g_autofree char *why = NULL;

    for (uint32_t i = 0; served != SIMTIME_NEVER && i < g->n_entry; i++)
        for (const ProxySync *sync = loss_next_sync(w, g->entry[i], win->end); sync && sync->done <= served;
             sync = loss_next_sync(w, g->entry[i], sync->done + 1))
            win->closed = MAX(win->closed, sync->done);
    why = win->closed < 0 ? loss_why_nobody(w, g->service) : NULL;
    if (win->closed >= 0) {
        win->clock = g_strdup_printf("endpoints: the Service had none that was ready; the nodes had rules with one "
                                     "again at %.3f s",
                                     seconds(win->closed));
        win->fix = g_strdup("keep a ready endpoint throughout: maxUnavailable below the number of replicas, more "
                            "replicas, a readiness probe that passes sooner");
    } else {
        win->clock = why ? g_strdup_printf("none: %s", why) : g_strdup("nothing in this run closed it");
        win->fix =
            g_strdup("a selector that matches pods, and pods that become ready: see their readiness probes and labels");
    }
}

/* It cut connections: at its end, or because it wanted to. */
void
loss_tell_server(LossGroup *g)
{
    LossWindow *win = &g->window;

    if (g->first->server_state == FLOW_POD_LISTENS && g->first->server_expects_header) {
        win->clock = g_strdup("none: the header never comes");
        win->fix = g_strdup("send it (proxyProtocol of the load balancer), or do not expect it (of the application)");
    } else if (g->first->server_state == FLOW_POD_LISTENS) {
        win->clock = g_strdup("the application's own");
        win->fix = g_strdup("see the application: its time limits, and what it takes for a request");
    } else {
        win->closed = win->end;
        win->clock = g_strdup("kubelet: SIGTERM, or SIGKILL after the grace period, ended it while connections were "
                              "open");
        win->fix = g_strdup("a preStop sleep, after which no new connections come and short ones are over; and an "
                            "application that finishes the rest on SIGTERM within terminationGracePeriodSeconds. "
                            "Clients of kept connections must reconnect");
    }
}

/* What no time mends: the rule says what to change. */
static bool
tell_rule(LossGroup *g)
{
    static const struct {
        const char *word, *clock, *fix;
    } known[] = {
        {"internalTrafficPolicy", "none: the client's own node has no endpoint",
         "a pod on every node that calls it (DaemonSet), or internalTrafficPolicy: Cluster"},
        {"spec.loadBalancerSourceRanges", "none: the Service does not admit that source",
         "a range in spec.loadBalancerSourceRanges that holds the source as the node sees it"},
        {"cluster-ips-check", "none: the Service has no such port", "a port of the Service"},
        {"externalTrafficPolicy", "none: the client chose that node itself",
         "call a node that has a pod, put a load balancer with health checks in front, or use externalTrafficPolicy: "
         "Cluster"},
    };
    const FlowDrop *drop = flow_decisive_drop(g->first);

    for (size_t i = 0; drop && drop->rule && i < G_N_ELEMENTS(known); i++) {
        if (!strstr(drop->rule, known[i].word))
            continue;
        g->window.clock = g_strdup(known[i].clock);
        g->window.fix = g_strdup(known[i].fix);
        return true;
    }
    return false;
}

static bool
has_dialed_port(const Service *s, const Flow *flow)
{
    const char *colon = strrchr(flow->dialed, ':');
    guint64 port;

    if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 1, UINT16_MAX, &port, NULL))
        return true;
    for (uint32_t i = 0; i < s->n_ports; i++)
        if (s->ports[i].port == port)
            return true;
    return false;
}

/* Refused by a node that was dialled itself. */
/* The address of a Service that is gone: no rule takes it. */
static bool
nobody_has_address(const LossGroup *g)
{
    const FlowDrop *drop = flow_decisive_drop(g->first);

    return g->kind == LOSS_OTHER && !g->service && !g->first->has_server && g->first->dialed && drop &&
           drop->reason == DROP_NO_ROUTE;
}

static bool
nobody_listens(const LossGroup *g)
{
    const FlowDrop *drop = flow_decisive_drop(g->first);

    return drop && drop->reason == DROP_NO_SOCKET && !g->broken && g->pod_state == FLOW_POD_UNKNOWN &&
           !g->first->has_server && !g_str_has_prefix(drop->host, "pod/");
}

void
loss_tell_unclosed(const LossWorld *w, LossGroup *g)
{
    const LbProbe *probe = g->lb ? probe_of(w, g->lb) : NULL;
    const Service *s = g->lb ? loss_service(w, g->lb) : NULL;
    LossWindow *win = &g->window;

    if (g->moved && cloud_profile(w->cloud)->bgp) {
        win->clock = g_strdup("none: the set of nodes that the router balances over changed, and with it the node of "
                              "connections that were under way");
        win->fix = g_strdup("resilient ECMP hashing in the router; changes of the announcing nodes when it is quiet");
    } else if (g->moved) {
        win->clock = g_strdup("none: another node announces the address now, and gets the connections that were under "
                              "way");
        win->fix = g_strdup("clients must reconnect; keep a ready pod on the announcing node, so that it need not "
                            "change");
    } else if (g->kind == LOSS_POD && !g->broken && g->pod_state == FLOW_POD_LISTENS) {
        win->clock = g_strdup("none: no time mends a wrong port");
        win->fix = g_strdup("a targetPort of the Service on which the pod listens");
    } else if (g->kind == LOSS_RULE && g->lb && s && s->external_policy == POLICY_LOCAL &&
               (probe->kind == LB_PROBE_NONE || probe->port != LB_PORT_HEALTH_CHECK)) {
        win->clock =
            g_strdup_printf("none: the load balancer never learns that %s has no pod (%s)", g->node,
                            probe->kind == LB_PROBE_NONE ? "it has no health check"
                                                         : "its health check does not ask healthCheckNodePort");
        win->fix = g_strdup_printf("let its health check ask HTTP :%u/healthz (healthCheckNodePort); or a pod on every "
                                   "node; or externalTrafficPolicy: Cluster, which costs the client's address",
                                   s->health_check_node_port);
    } else if (g->kind == LOSS_RULE && tell_rule(g)) {
        return;
    } else if (nobody_listens(g)) {
        win->clock = g_strdup("none: no rule of that node takes the address and port, and nobody listens there");
        win->fix = g_strdup("an address and port that the node translates (nodePortAddresses of kube-proxy; nftables "
                            "mode has no node ports on localhost)");
    } else if (g->down || g->kind == LOSS_NODE_DOWN) {
        win->clock = g_strdup("nothing tells the client that the node died");
        win->fix = g_strdup("time limits and keep-alives of the client, with which it notices by itself");
    } else if (g->kind == LOSS_OTHER && g->first->has_server && flow_decisive_drop(g->first)) {
        win->clock = g_strdup("none: the answers take another way back");
        win->fix = g_strdup("a source that the answers return to (masquerading: externalTrafficPolicy: Cluster), or a "
                            "call of the Service inside the cluster instead");
    } else if (g->kind == LOSS_OTHER && g->service && !has_dialed_port(g->service, g->first)) {
        win->clock = g_strdup("none: the Service has no such port, and no rule takes the packet");
        win->fix = g_strdup("a port of the Service");
    } else if (nobody_has_address(g)) {
        win->clock = g_strdup_printf("none: no Service has %s (any more), and no route leads there", g->first->dialed);
        win->fix = g_strdup("keep the Service while clients use its address, and patch instead of replacing it; or "
                            "clients that look its name up again");
    } else if (g->kind == LOSS_OTHER && g->first->has_server && g->first->connected_at < 0) {
        win->clock = g_strdup("TIME_WAIT of the server, 60 s");
        win->fix = g_strdup("none needed if they are few: more client ports or addresses, or longer time limits, with "
                            "which the client asks again");
    } else {
        const FlowDrop *drop = flow_decisive_drop(g->first);
        const char *hint = drop ? drop_reason_hint(drop->reason) : "";
        win->clock = g_strdup("nothing in this run closed it");
        win->fix = g_strdup(*hint ? hint : "see the cause");
    }
}

/* It was an endpoint before it listened: what ended that was its first answer. */
void
loss_tell_early(const LossWorld *w, LossGroup *g)
{
    const Flow *first = NULL;

    for (size_t i = 0; i < w->n_flows && !first; i++)
        if (w->flows[i]->has_server && ipaddr_eq(w->flows[i]->server_addr, g->pod_addr) &&
            w->flows[i]->start > g->window.start)
            first = w->flows[i];
    g->window.closed = first ? first->start : -1;
    g->window.clock =
        first ? g_strdup_printf("application start-up: %s was called as a ready endpoint before it listened; it first "
                                "answered a connection begun at %.3f s",
                                g->pod ? g->pod : "the pod", seconds(first->start))
              : g_strdup_printf("application start-up: %s was called as a ready endpoint before it listened, and did "
                                "not answer in this run",
                                g->pod ? g->pod : "the pod");
    g->window.fix = g_strdup("a readinessProbe on that port (and no publishNotReadyAddresses): an endpoint only when "
                             "it answers");
}
