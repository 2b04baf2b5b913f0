#include "tests/unit/model/cloud_world.h"

/* --- Data paths -------------------------------------------------------------------------------------------------- */

static void
test_nat(void)
{
    CloudWorld *w = cloud_world_new("Local", "{dataPath: nat, targets: nodes, clientIP: preserved}", NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n1")), "healthy");
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n2")), "healthy");
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "n3")), "unhealthy");
    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    T_TRUE(asked.ok);
    T_EQ_I64(asked.status, 200);
    T_TRUE(strstr(asked.body, "web-") != NULL);
    T_EQ_U64(view.n_pod_syns, 1);
    T_TRUE(addr_is(view.source, "198.51.100.7"));
    T_TRUE(view.n_lb_replies >= 3);
    cloud_world_free(w);
}

static void
test_nat_cluster_policy(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{dataPath: nat, clientIP: preserved}", NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    for (int i = 0; i < 8; i++) {
        cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
        T_TRUE(asked.ok);
        T_TRUE(ipaddr_cmp(&view.source, &(IpAddr){0}) != 0 && !ipaddr_eq(view.source, ipaddr_v4(198, 51, 100, 7)));
    }
    T_EQ_U64(view.n_pod_syns, 8);
    cloud_world_free(w);
}

static void
test_nat_source_replaced(void)
{
    CloudWorld *w =
        cloud_world_new("Local",
                        "{dataPath: nat, targets: pods, clientIP: replaced, probe: {local: {kind: tcp, port: "
                        "traffic}}}",
                        NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    T_TRUE(asked.ok);
    T_TRUE(addr_is(view.source, "192.168.49.250"));
    cloud_world_run(w, 30);
    T_EQ_STR(lb_target_state_name(cloud_world_state(w, "default/web-a")), "healthy");
    cloud_world_free(w);
}

static void
test_dsr(void)
{
    CloudWorld *w = cloud_world_new("Local", "{dataPath: dsr, hash: maglev}", NULL);
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    for (int i = 0; i < 8; i++) {
        cloud_world_ask(w, i % 2 ? "laptop" : "phone", cloud_world_vip(w), 80, "/", &asked);
        T_TRUE(asked.ok);
        T_TRUE(addr_is(view.source, i % 2 ? "198.51.100.7" : "198.51.100.8"));
    }
    T_EQ_U64(view.n_lb_replies, 0);
    cloud_world_free(w);
}

static void
test_proxy(void)
{
    CloudWorld *w = cloud_world_new("Local", "{dataPath: proxy, clientIP: replaced, hash: round-robin}", NULL);
    PodView view;
    Asked asked;
    size_t n;
    g_autofree LbTargetInfo *targets = NULL;

    pod_view_init(&view, w);
    for (int i = 0; i < 4; i++) {
        cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
        T_TRUE(asked.ok);
        T_TRUE(addr_is(view.source, "192.168.49.250"));
    }
    targets = lb_targets(cloud_lb(w->cloud, "default", "web"), &n);
    T_EQ_U64(n, 3);
    T_EQ_U64(targets[0].flows, 2);
    T_EQ_U64(targets[1].flows, 2);
    T_EQ_U64(targets[2].flows, 0);
    T_EQ_U64(targets[0].active + targets[1].active, 0);
    cloud_world_free(w);
}

static void
test_tunnel(void)
{
    CloudWorld *w = cloud_world_new("Cluster", "{dataPath: route}", NULL);
    const Service *web = (const Service *)store_get(w->input->store, KIND_SERVICE, "default", "web");
    PodView view;
    Asked asked;

    pod_view_init(&view, w);
    T_EQ_STR(web->ingress[0].ip, web->cluster_ips[0]);
    cloud_world_ask(w, "laptop", cloud_world_vip(w), 80, "/", &asked);
    T_TRUE(asked.ok);
    T_EQ_U64(view.n_pod_syns, 1);
    T_TRUE(lb_host(cloud_lb(w->cloud, "default", "web")) == NULL);
    cloud_world_free(w);
}

const TestSuite suite_cloud = {"model/cloud",
                               {{"NAT keeps the client's address and brings the answer back", test_nat},
                                {"NAT to nodes with policy Cluster: the node masquerades", test_nat_cluster_policy},
                                {"NAT to pods from an address of the balancer", test_nat_source_replaced},
                                {"direct server return: answers bypass the balancer", test_dsr},
                                {"a proxy makes two connections, in turn", test_proxy},
                                {"minikube tunnel: the clusterIP is the address", test_tunnel},
                                {0}}};
