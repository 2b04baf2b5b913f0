/* Which endpoints a node uses: a table over policies, conditions and hints. */

#include <string.h>

#include "model/proxy/choice.h"
#include "tests/unit/test.h"

enum { READY = EP_READY | EP_SERVING, DRAINING = EP_SERVING | EP_TERMINATING, UNREADY = 0, STOPPED = EP_TERMINATING };
enum { ITP_LOCAL = 1, ETP_LOCAL = 2, EXTERNAL = 4 };

static const char *const ZONE_A[] = {"a", NULL};
static const char *const ZONE_B[] = {"b", NULL};
static const char *const NODE_1[] = {"n1", NULL};

/* Endpoint "i:80" is on node n<node>; lists are given as digits of the endpoints in them. */
typedef struct {
    const char *name;
    int policies;
    struct {
        int node, conditions;
        const char *const *zones, *const *nodes;
    } eps[5];
    int minor;
    const char *zone;
    const char *cluster, *local, *reachable;
    int has; /* Bits: endpoints, internal, external. */
} Case;

#define E(node, conditions)                                                                                            \
    {                                                                                                                  \
        (node), (conditions), NULL, NULL                                                                               \
    }
#define EZ(node, conditions, zones)                                                                                    \
    {                                                                                                                  \
        (node), (conditions), (zones), NULL                                                                            \
    }
#define EZN(node, conditions, zones, nodes)                                                                            \
    {                                                                                                                  \
        (node), (conditions), (zones), (nodes)                                                                         \
    }

static const Case CASES[] = {
    {"cluster: all ready", 0, {E(1, READY), E(2, READY), E(2, UNREADY)}, 35, NULL, "01", "", "01", 7},
    {"cluster: draining ones only if none is ready", 0, {E(1, READY), E(2, DRAINING)}, 35, NULL, "0", "", "0", 7},
    {"cluster: draining ones", 0, {E(1, UNREADY), E(2, DRAINING), E(3, STOPPED)}, 35, NULL, "1", "", "1", 7},
    {"nobody", 0, {E(1, UNREADY), E(2, STOPPED)}, 35, NULL, "", "", "", 0},
    {"internal local", ITP_LOCAL, {E(1, READY), E(2, READY)}, 35, NULL, "", "0", "0", 7},
    {"internal local, all remote", ITP_LOCAL, {E(2, READY), E(3, READY)}, 35, NULL, "", "", "", 5},
    {"internal local, nobody", ITP_LOCAL, {E(1, UNREADY)}, 35, NULL, "", "", "", 0},
    {"both local", ITP_LOCAL | ETP_LOCAL | EXTERNAL, {E(1, READY), E(2, READY)}, 35, NULL, "01", "0", "01", 7},
    {"external local, all remote", ETP_LOCAL | EXTERNAL, {E(2, READY)}, 35, NULL, "0", "", "0", 3},
    {"external local counts only if there is a door", ETP_LOCAL, {E(2, READY)}, 35, NULL, "0", "", "0", 3},
    {"external local drains while others are ready",
     ETP_LOCAL | EXTERNAL,
     {E(1, DRAINING), E(2, READY)},
     35,
     NULL,
     "1",
     "0",
     "01",
     7},
    {"zone hints", 0, {EZ(1, READY, ZONE_A), EZ(2, READY, ZONE_B)}, 35, "a", "0", "", "0", 7},
    {"zone hints, none for us", 0, {EZ(1, READY, ZONE_B), EZ(2, READY, ZONE_B)}, 35, "a", "01", "", "01", 7},
    {"zone hints, one missing", 0, {EZ(1, READY, ZONE_A), E(2, READY)}, 35, "a", "01", "", "01", 7},
    {"zone hints, an unready one without",
     0,
     {EZ(1, READY, ZONE_A), E(2, UNREADY), EZ(3, READY, ZONE_B)},
     35,
     "a",
     "0",
     "",
     "0",
     7},
    {"zone hints, no zone", 0, {EZ(1, READY, ZONE_A), EZ(2, READY, ZONE_B)}, 35, NULL, "01", "", "01", 7},
    {"zone hints of v1.30 without annotation",
     0,
     {EZ(1, READY, ZONE_A), EZ(2, READY, ZONE_B)},
     30,
     "a",
     "01",
     "",
     "01",
     7},
    {"zone hints join local endpoints",
     ETP_LOCAL | EXTERNAL,
     {EZ(1, READY, ZONE_B), EZ(2, READY, ZONE_A), EZ(3, READY, ZONE_B)},
     35,
     "a",
     "1",
     "0",
     "01",
     7},
    {"node hints before zone hints",
     0,
     {EZN(1, READY, ZONE_A, NODE_1), EZN(2, READY, ZONE_A, ZONE_B)},
     34,
     "a",
     "0",
     "",
     "0",
     7},
    {"node hints are alpha in v1.33",
     0,
     {EZN(1, READY, ZONE_A, NODE_1), EZN(2, READY, ZONE_A, ZONE_B)},
     33,
     "a",
     "01",
     "",
     "01",
     7},
};

static void
digits(const ProxyEndpoint *all, const ProxyEndpoint *const *list, uint32_t n, char ret_text[static 8])
{
    for (uint32_t i = 0; i < n; i++)
        ret_text[i] = (char)('0' + (list[i] - all));
    ret_text[n] = '\0';
}

static void
run_case(const Case *c)
{
    static const char *const NODES[] = {NULL, "n1", "n2", "n3"};
    ProxyEndpoint eps[5] = {0};
    Endpoint from[5] = {0};
    EndpointMore more[5];
    bool external = c->policies & EXTERNAL;
    ProxyServicePort port = {.itp_local = c->policies & ITP_LOCAL,
                             .etp_local = c->policies & ETP_LOCAL,
                             .externally_accessible = external,
                             .endpoints = eps};
    ChoiceNode node = {"n1", c->zone, {(uint8_t)c->minor, ""}};
    EndpointChoice choice;
    char text[8];

    port.uses_cluster = !port.itp_local || external;
    port.uses_local = port.itp_local || (port.etp_local && external);
    for (; port.n_endpoints < 5 && c->eps[port.n_endpoints].node; port.n_endpoints++) {
        uint32_t i = port.n_endpoints;
        eps[i].from = &from[i];
        more[i] = (EndpointMore){.hint_zones = c->eps[i].zones, .hint_nodes = c->eps[i].nodes};
        from[i] = (Endpoint){
            .conditions = (uint8_t)c->eps[i].conditions, .node_name = NODES[c->eps[i].node], .more = &more[i]};
    }
    endpoint_choice(&port, &node, &choice);
    digits(eps, choice.cluster, choice.n_cluster, text);
    test_check(strcmp(text, c->cluster) == 0, __LINE__, __FILE__, c->name, "cluster list %s, want %s", text,
               c->cluster);
    digits(eps, choice.local, choice.n_local, text);
    test_check(strcmp(text, c->local) == 0, __LINE__, __FILE__, c->name, "local list %s, want %s", text, c->local);
    digits(eps, choice.reachable, choice.n_reachable, text);
    test_check(strcmp(text, c->reachable) == 0, __LINE__, __FILE__, c->name, "reachable list %s, want %s", text,
               c->reachable);
    T_EQ_I64(choice.has_endpoints | choice.has_internal << 1 | choice.has_external << 2, c->has);
    endpoint_choice_clear(&choice);
}

static void
test_table(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(CASES); i++)
        run_case(&CASES[i]);
}

/* An endpoint listed twice: each node goes by the entry that says it is local. */
static void
test_repeated_endpoint(void)
{
    const Endpoint ready = {.addr = ipaddr_v4(10, 0, 0, 1), .node_name = "n2", .conditions = READY};
    const Endpoint draining = {.addr = ipaddr_v4(10, 0, 0, 1), .node_name = "n1", .conditions = DRAINING};
    const ProxyEndpoint list[] = {{.from = &draining, .port = 80, .again = 1}, {.from = &ready, .port = 80}};

    T_TRUE(endpoint_on_node(list, &(ChoiceNode){.name = "n1"}) == &list[0]);
    T_TRUE(endpoint_on_node(list, &(ChoiceNode){.name = "n2"}) == &list[1]);
    T_TRUE(endpoint_on_node(list, &(ChoiceNode){.name = "n3"}) == &list[0]);
}

const TestSuite suite_proxy_choice = {
    "model/proxy_choice",
    {{"policies, conditions and hints decide the lists", test_table},
     {"a repeated endpoint is the local entry, else the first", test_repeated_endpoint}},
};
