/* The matrix against recorded flows, and the differences between modes that users meet. */

#include "model/report/matrix_text.h"
#include "model/report/mode_diff.h"
#include "tests/unit/model/trace_helpers.h"

/* Two nodes, one endpoint on the first; a load balancer that lets in nobody here, external IPs. */
static const char shop[] = "apiVersion: svcsim/v1\n"
                           "kind: Cluster\n"
                           "spec:\n"
                           "  kubernetesVersion: '1.34'\n"
                           "  network: {kind: bridge}\n"
                           "  clients: [{name: laptop, address: 198.51.100.9}]\n"
                           "---\n"
                           "apiVersion: v1\n"
                           "kind: Node\n"
                           "metadata: {name: a}\n"
                           "spec: {podCIDR: 10.244.0.0/24, podCIDRs: [10.244.0.0/24]}\n"
                           "status: {addresses: [{type: InternalIP, address: 192.168.49.2}]}\n"
                           "---\n"
                           "apiVersion: v1\n"
                           "kind: Node\n"
                           "metadata: {name: b}\n"
                           "spec: {podCIDR: 10.244.1.0/24, podCIDRs: [10.244.1.0/24]}\n"
                           "status: {addresses: [{type: InternalIP, address: 192.168.49.3}]}\n"
                           "---\n"
                           "apiVersion: v1\n"
                           "kind: Pod\n"
                           "metadata: {name: web-0, labels: {app: web}}\n"
                           "spec: {nodeName: a, containers: [{name: c, image: x, ports: [{containerPort: 8080}]}]}\n"
                           "status: {phase: Running, podIP: 10.244.0.10, podIPs: [{ip: 10.244.0.10}],\n"
                           "         conditions: [{type: Ready, status: 'True'}]}\n"
                           "---\n"
                           "apiVersion: v1\n"
                           "kind: Service\n"
                           "metadata: {name: web}\n"
                           "spec:\n"
                           "  type: LoadBalancer\n"
                           "  clusterIP: 10.96.0.20\n"
                           "  clusterIPs: [10.96.0.20]\n"
                           "  selector: {app: web}\n"
                           "  externalIPs: [203.0.113.99]\n"
                           "  loadBalancerSourceRanges: [192.0.2.0/24]\n"
                           "  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 30080, protocol: TCP}]\n"
                           "status: {loadBalancer: {ingress: [{ip: 203.0.113.200}]}}\n";

/* --- Recorded flows
 * ---------------------------------------------------------------------------------------------------- */

typedef struct {
    const Matrix *matrix;
    uint32_t n_compared;
} Held;

static bool
is_asker(const MatrixClient *c, const RecordedFlow *f)
{
    if (strcmp(f->kind, "node") == 0)
        return c->kind == MATRIX_NODE && strcmp(c->node->name, f->where) == 0;
    if (strcmp(f->kind, "external") == 0)
        return c->kind == MATRIX_OUTSIDE && g_strcmp0(c->node ? c->node->name : NULL, f->via) == 0;
    return false; /* Pods are others than the recorded ones. */
}

static void
check_cell(const RecordedFlow *f, const MatrixTable *t, const MatrixCell *cell)
{
    (void)t;
    for (guint i = 0; i < f->keys->len; i++) {
        const char *want = f->keys->pdata[i];
        bool found = false;
        for (uint32_t j = 0; j < cell->n_outcomes && !found; j++) {
            const MatrixOutcome *o = &cell->outcomes[j];
            char source[IPADDR_STR_SIZE];
            g_autofree char *key = NULL;
            if (o->outcome == FLOW_CONNECTED)
                key = g_strdup_printf("connected %s saw %s ", o->server_addr, ipaddr_format(o->source_addr, source));
            else
                key = g_strdup(flow_outcome_name(o->outcome));
            found = g_str_has_prefix(want, key);
        }
        test_check(found, __LINE__, __FILE__, __func__, "%s: recorded but not in the matrix: %s", f->id, want);
    }
}

static void
hold(const RecordedFlow *f, void *user)
{
    Held *held = user;

    for (uint32_t i = 0; i < held->matrix->n_tables; i++) {
        const MatrixTable *t = held->matrix->tables[i];
        for (uint32_t d = 0; d < t->n_doors; d++)
            for (uint32_t c = 0; c < t->n_clients; c++) {
                const MatrixCell *cell = matrix_cell(t, d, c);
                if (!ipaddr_eq(t->doors[d].addr, f->dst) || t->doors[d].port != f->port ||
                    t->doors[d].proto != f->proto || !is_asker(&t->clients[c], f) || cell->n_outcomes == 0)
                    continue;
                check_cell(f, t, cell);
                held->n_compared++;
            }
    }
}

static void
test_recorded(void)
{
    static const char name[] = "12-itp-local";

    for (int mode = PROXY_IPTABLES; mode <= PROXY_NFTABLES; mode++) {
        TraceWorld w = trace_world(name, (ProxyMode)mode);
        Matrix matrix;
        Held held = {.matrix = &matrix};
        matrix_make(w.cluster, &(MatrixOptions){.client = -1}, &matrix);
        each_recorded(name, mode == PROXY_NFTABLES ? "nftables" : "iptables", hold, &held);
        T_TRUE(held.n_compared > 20);
        matrix_clear(&matrix);
        trace_world_clear(&w);
    }
}

/* --- What users meet
 * --------------------------------------------------------------------------------------------------- */

/* How the clients of a kind end at the doors of a kind: "connected", or "timeout|refused" if they differ. */
static char *
ends_at(const MatrixTable *t, MatrixClientKind kind, MatrixDoorKind door)
{
    GString *out = g_string_new(NULL);

    for (uint32_t d = 0; d < t->n_doors; d++)
        for (uint32_t c = 0; c < t->n_clients; c++) {
            const MatrixCell *cell = matrix_cell(t, d, c);
            for (uint32_t i = 0; t->doors[d].kind == door && t->clients[c].kind == kind && i < cell->n_outcomes; i++) {
                const char *end = flow_outcome_name(cell->outcomes[i].outcome);
                if (!strstr(out->str, end))
                    g_string_append_printf(out, "%s%s", out->len ? "|" : "", end);
            }
        }
    return g_string_free(out, FALSE);
}

static void
check_ends(const MatrixTable *t, MatrixClientKind kind, MatrixDoorKind door, const char *want)
{
    g_autofree char *got = ends_at(t, kind, door);

    T_EQ_STR(got, want);
}

/* loadBalancerSourceRanges guard the load balancer's address, not the node port and not external IPs. */
static void
test_source_ranges(void)
{
    for (int mode = PROXY_IPTABLES; mode <= PROXY_NFTABLES; mode++) {
        TraceWorld w = trace_world_of_text(shop, (ProxyMode)mode);
        Matrix matrix;
        matrix_make(w.cluster, &(MatrixOptions){.client = -1}, &matrix);
        T_EQ_U64(matrix.n_tables, 1);
        check_ends(matrix.tables[0], MATRIX_POD, DOOR_LB_IP, "timeout");
        check_ends(matrix.tables[0], MATRIX_POD, DOOR_NODE_PORT, "connected");
        check_ends(matrix.tables[0], MATRIX_OUTSIDE, DOOR_NODE_PORT, "connected");
        check_ends(matrix.tables[0], MATRIX_POD, DOOR_EXTERNAL_IP, "connected");
        check_ends(matrix.tables[0], MATRIX_OUTSIDE, DOOR_LB_IP, "refused|timeout"); /* refused: not routed. */
        check_ends(matrix.tables[0], MATRIX_NODE, DOOR_LOCALHOST, mode == PROXY_NFTABLES ? "refused" : "connected");
        matrix_clear(&matrix);
        trace_world_clear(&w);
    }
}

static uint32_t
count_text(const char *text, const char *what)
{
    uint32_t n = 0;

    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        n++;
    return n;
}

/* iptables and nftables differ at two doors: an unused port of the clusterIP, and the node port on 127.0.0.1. */
static void
test_modes_differ(void)
{
    TraceWorld x = trace_world_of_text(shop, PROXY_IPTABLES), y = trace_world_of_text(shop, PROXY_NFTABLES);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) json = g_string_new(NULL);
    Matrix mx, my;
    DiffSide a = {"iptables", &mx}, b = {"nftables", &my};

    matrix_make(x.cluster, &(MatrixOptions){.client = -1}, &mx);
    matrix_make(y.cluster, &(MatrixOptions){.client = -1}, &my);
    /* Pods on a and b, the endpoint, nodes a and b, outside via a and b; nodes a and b. */
    T_EQ_U64(mode_diff_print_text(text, &a, &b), 7 + 2);
    T_EQ_U64(count_text(text->str, "Service default/web, "), 2);
    T_TRUE(strstr(text->str, "Service default/web, clusterIP, other port 10.96.0.20:81\n") != NULL);
    T_TRUE(strstr(text->str, "because its node: rejected by kube-proxy cluster-ips-check rule 1") != NULL);
    T_TRUE(strstr(text->str, "because router: no route to the destination") != NULL);
    T_TRUE(strstr(text->str, "Service default/web, node port on localhost 127.0.0.1:30080\n") != NULL);
    T_EQ_U64(mode_diff_print_json(json, &a, &b), 9);
    T_EQ_U64(count_text(json->str, "\"sides\""), 9);
    matrix_clear(&my);
    matrix_clear(&mx);
    trace_world_clear(&x);
    trace_world_clear(&y);
}

static void
test_no_difference(void)
{
    TraceWorld x = trace_world_of_text(shop, PROXY_IPTABLES), y = trace_world_of_text(shop, PROXY_IPTABLES);
    g_autoptr(GString) text = g_string_new(NULL);
    Matrix mx, my;
    DiffSide a = {"this", &mx}, b = {"that", &my};

    matrix_make(x.cluster, &(MatrixOptions){.client = -1}, &mx);
    matrix_make(y.cluster, &(MatrixOptions){.client = -1}, &my);
    T_EQ_U64(mode_diff_print_text(text, &a, &b), 0);
    T_EQ_STR(text->str, "no difference between this and that for any client at any door\n");
    matrix_clear(&my);
    matrix_clear(&mx);
    trace_world_clear(&x);
    trace_world_clear(&y);
}

/* Clients and endpoints that behave alike share a line. */
static void
test_lines(void)
{
    TraceWorld w = trace_world("02-two-tier-scaled", PROXY_IPTABLES);
    g_autoptr(GString) text = g_string_new(NULL);
    Matrix matrix;

    matrix_make(w.cluster, &(MatrixOptions){.service = "backend-service", .client = MATRIX_POD}, &matrix);
    matrix_print_text(text, w.cluster, &matrix);
    T_EQ_U64(matrix.n_tables, 1);
    T_EQ_U64(count_text(text->str, "pod on any node"), 2); /* The port, and another. */
    T_EQ_U64(count_text(text->str, "1 of 3 (local), 33.33 %"), 1);
    T_EQ_U64(count_text(text->str, "2 of 3 (remote), 33.33 % each"), 1);
    matrix_clear(&matrix);
    trace_world_clear(&w);
}

const TestSuite suite_matrix = {"model/matrix",
                                {{"recorded flows of nodes and clients are in the matrix", test_recorded},
                                 {"source ranges guard one door only", test_source_ranges},
                                 {"iptables and nftables end differently at two doors", test_modes_differ},
                                 {"equal worlds have no differences", test_no_difference},
                                 {"those who behave alike share a line", test_lines}}};
