#include "tests/unit/model/cloud_world.h"

static const char second_service[] =
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: also}\n"
    "spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 81, targetPort: "
    "8080}]}\n";

/* Two load balancers whose provider probes from one address: the answers to both find their way. */
static void
test_one_source_for_all(void)
{
    CloudWorld *w =
        cloud_world_new("Local", "{dataPath: dsr, probeSource: 168.63.129.16, noHealthyTarget: drop}", second_service);

    cloud_world_run(w, 60);
    for (int i = 0; i < 2; i++) {
        size_t n;
        g_autofree LbTargetInfo *targets = lb_targets(cloud_lb(w->cloud, "default", i ? "web" : "also"), &n);
        size_t n_healthy = 0;
        for (size_t k = 0; k < n; k++)
            n_healthy += targets[k].state == LB_TARGET_HEALTHY;
        T_EQ_U64(n_healthy, 2);
    }
    T_TRUE(strstr(w->story->str, "unhealthy") == NULL);
    cloud_world_free(w);
}

const TestSuite suite_prober = {"model/prober", {{"one source for all", test_one_source_for_all}, {NULL, NULL}}};
