#include "model/control/hints.h"

#include <string.h>

#include "model/control/control.h"
#include "tests/unit/model/input_helpers.h"
#include "tests/unit/test.h"

/* Nodes a, b, c in zones a, b, c with these CPUs; a Service in mode Auto; so many pods on each node. */
static Input *
world(const char *const cpu[3], const unsigned pods[3])
{
    g_autoptr(GString) text = g_string_new("apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: "
                                           "{service.kubernetes.io/topology-mode: Auto}}\n"
                                           "spec: {selector: {app: web}, ports: [{port: 80}]}\n");
    Input *input;

    for (int i = 0; i < 3; i++) {
        g_string_append_printf(text,
                               "---\napiVersion: v1\nkind: Node\nmetadata: {name: %c, labels: "
                               "{topology.kubernetes.io/zone: zone-%c}}\n"
                               "status: {addresses: [{type: InternalIP, address: 192.168.1.%d}], allocatable: {%s}}\n",
                               'a' + i, 'a' + i, i + 1, cpu[i]);
        for (unsigned k = 0; k < pods[i]; k++)
            g_string_append_printf(text,
                                   "---\napiVersion: v1\nkind: Pod\nmetadata: {name: web-%c%02u, labels: {app: web}}\n"
                                   "spec: {nodeName: %c, containers: [{name: c, ports: [{containerPort: 80}]}]}\n",
                                   'a' + i, k, 'a' + i);
    }
    input = input_load_text("hints.yaml", text->str);
    T_TRUE(control_fill(input));
    return input;
}

/* Endpoints hinted at each zone, and how many have no hint. */
static void
check(const char *const cpu[3], const unsigned pods[3], const unsigned hinted[3], unsigned without, const char *says)
{
    Input *input = world(cpu, pods);
    size_t n;
    const EndpointSlice *const *slices = store_slices_of(input->store, "default", "web", &n);
    unsigned got[3] = {0}, none = 0;
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slices[i]->n_endpoints; k++) {
            const char *const *zones = endpoint_more(&slices[i]->endpoints[k])->hint_zones;
            if (zones && zones[0])
                got[zones[0][5] - 'a']++;
            else
                none++;
        }
    for (int i = 0; i < 3; i++)
        T_EQ_U64(got[i], hinted[i]);
    T_EQ_U64(none, without);
    hints_describe(input->store, (const Service *)store_get(input->store, KIND_SERVICE, "default", "web"), text);
    if (!test_check(strstr(text->str, says) != NULL, __LINE__, __FILE__, __func__, "says %s", says))
        printf("%s\n", text->str);
    input_free(input);
}

static const char *const equal[3] = {"cpu: 4", "cpu: 4", "cpu: 4"};

/* kubernetes/kubernetes#103888: 11 = 4 + 4 + 3 looks even, but no zone may have less than 3.67 / 1.2. */
static void
test_eleven(void)
{
    check(equal, (unsigned[]){4, 4, 3}, (unsigned[]){0, 0, 0}, 11,
          "zone-a has 33.3 % of the CPU, so 3.67 of 11 endpoints, at least 4");
    check(equal, (unsigned[]){4, 4, 3}, (unsigned[]){0, 0, 0}, 11, "12 endpoints at least, and there are 11");
    check(equal, (unsigned[]){4, 4, 4}, (unsigned[]){4, 4, 4}, 0, "at least 4, gets 4");
}

/* 10: 3.33 each, at least 3, and a tenth that moves nowhere. */
static void
test_moved(void)
{
    check(equal, (unsigned[]){4, 3, 3}, (unsigned[]){4, 3, 3}, 0, "hints by CPU");
    check(equal, (unsigned[]){6, 3, 0}, (unsigned[]){3, 3, 3}, 0, "gets 3");
    check(equal, (unsigned[]){9, 0, 0}, (unsigned[]){3, 3, 3}, 0, "gets 3");
    check((const char *const[]){"cpu: 8", "cpu: 4", "cpu: 4"}, (unsigned[]){4, 4, 4}, (unsigned[]){6, 3, 3}, 0,
          "zone-a has 50.0 % of the CPU, so 6.00 of 12 endpoints, at least 5, gets 6");
}

static void
test_refusals(void)
{
    check(equal, (unsigned[]){1, 1, 0}, (unsigned[]){0, 0, 0}, 2, "no hints: there are fewer endpoints than zones");
    check((const char *const[]){"cpu: 4", "", "cpu: 4"}, (unsigned[]){3, 3, 3}, (unsigned[]){0, 0, 0}, 9,
          "no hints: a node does not tell its zone or its allocatable CPU");
}

/* A node that grows takes a larger share: 8 of 12 endpoints, at least 7, and its zone has 4. */
static void
test_overloaded(void)
{
    Input *input = world(equal, (unsigned[]){4, 4, 4});
    const Service *service = (const Service *)store_get(input->store, KIND_SERVICE, "default", "web");
    KubeNode *node;

    T_TRUE(!hints_overloaded(input->store, service));
    node = (KubeNode *)api_copy(store_get(input->store, KIND_NODE, "", "c"));
    node->cpu_milli = 16000;
    store_put(input->store, &node->meta);
    T_TRUE(hints_overloaded(input->store, service));
    input_free(input);
}

const TestSuite suite_hints = {"model/hints",
                               {{"11 endpoints in 3 equal zones get no hints", test_eleven},
                                {"endpoints move to zones that miss some", test_moved},
                                {"what rules hints out", test_refusals},
                                {"hints that no longer fit the nodes", test_overloaded},
                                {NULL, NULL}}};
