#include "model/report/matrix.h"

#include <string.h>

#include "model/report/matrix_private.h"
#include "sim/engine/vec.h"

#define DEFAULT_MAX_NODES 4

const char *
matrix_client_kind_name(MatrixClientKind kind)
{
    static const char *const names[] = {"pod", "endpoint", "node", "outside"};

    return names[kind];
}

const char *
matrix_door_kind_name(MatrixDoorKind kind)
{
    static const char *const names[] = {"clusterIP", "clusterIP, other port",  "external IP",      "load balancer IP",
                                        "node port", "node port on localhost", "health check port"};

    return names[kind];
}

/* --- Endpoints
 * ------------------------------------------------------------------------------------------------------------ */

static bool
slice_has_port(const EndpointSlice *slice, const ServicePort *port)
{
    for (uint32_t i = 0; i < slice->n_ports; i++)
        if (slice->ports[i].name && strcmp(slice->ports[i].name, port->name) == 0 &&
            slice->ports[i].proto == port->proto)
            return true;
    return false;
}

void
matrix_each_endpoint(Cluster *cluster, const Service *service, const ServicePort *port, EndpointVisitor visit,
                     void *user)
{
    size_t n;
    const EndpointSlice *const *slices =
        store_slices_of(cluster_store(cluster), service->meta.ns, service->meta.name, &n);

    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; slice_has_port(slices[i], port) && j < slices[i]->n_endpoints; j++)
            visit(&slices[i]->endpoints[j], (slices[i]->endpoints[j].conditions & EP_READY) != 0, user);
}

/* --- Which nodes stand for all
 * ----------------------------------------------------------------------------------------------- */

typedef struct {
    const Cluster *cluster;
    MatrixTable *table;
    GHashTable *with_endpoints; /* Names; look-ups only. */
} Census;

static void
count_endpoint(const Endpoint *endpoint, bool ready, void *user)
{
    Census *census = user;

    census->table->n_endpoints++;
    census->table->n_ready += ready;
    if (endpoint->node_name)
        g_hash_table_add(census->with_endpoints, (gpointer)endpoint->node_name);
}

static int
compare_nodes(gconstpointer a, gconstpointer b)
{
    const ClusterNode *x = *(ClusterNode *const *)a, *y = *(ClusterNode *const *)b;

    return (int)x->index - (int)y->index;
}

/* Half of them with endpoints, as far as there are. */
static void
choose_nodes(Cluster *cluster, MatrixTable *table, uint32_t max)
{
    Census census = {cluster, table, g_hash_table_new(g_str_hash, g_str_equal)};
    size_t n;
    ClusterNode *const *nodes = cluster_nodes(cluster, &n);
    uint32_t n_with = 0, n_without = 0, with, without;

    matrix_each_endpoint(cluster, table->service, table->port, count_endpoint, &census);
    for (size_t i = 0; i < n; i++) {
        if (g_hash_table_contains(census.with_endpoints, nodes[i]->name))
            n_with++;
        else
            n_without++;
    }
    with = MIN(n_with, max - MIN(max / 2, n_without));
    without = MIN(n_without, max - with);
    for (size_t i = 0; i < n; i++) {
        uint32_t *left = g_hash_table_contains(census.with_endpoints, nodes[i]->name) ? &with : &without;
        if (*left == 0)
            continue;
        (*left)--;
        g_ptr_array_add(table->nodes, nodes[i]);
    }
    g_ptr_array_sort(table->nodes, compare_nodes);
    g_hash_table_unref(census.with_endpoints);
}

/* --- Cells
 * ----------------------------------------------------------------------------------------------------------------- */

static bool
has_family(const Host *host, IpFamily family)
{
    size_t n_devs, n_addrs;
    NetDev *const *devs = host_devs(host, &n_devs);

    for (size_t i = 0; i < n_devs; i++) {
        const NetDevAddr *addrs;
        if (!devs[i] || netdev_kind(devs[i]) == DEV_LOOPBACK)
            continue;
        addrs = netdev_addrs(devs[i], &n_addrs);
        for (size_t j = 0; j < n_addrs; j++)
            if (ipaddr_family(&addrs[j].prefix.addr) == family && !ipaddr_is_linklocal(&addrs[j].prefix.addr))
                return true;
    }
    return false;
}

static bool
makes_sense(const MatrixClient *client, const MatrixDoor *door)
{
    bool via = client->kind == MATRIX_OUTSIDE && client->node;

    if (!has_family(client->who.host, ipaddr_family(&door->addr)))
        return false;
    switch (door->kind) {
    case DOOR_LOCALHOST:
        return client->kind == MATRIX_NODE;
    case DOOR_NODE_PORT:
    case DOOR_HEALTH_CHECK:
        return !via; /* A node's own address needs no route of ours. */
    case DOOR_CLUSTER_IP:
    case DOOR_OTHER_PORT:
    case DOOR_EXTERNAL_IP:
    case DOOR_LB_IP:
        return true;
    }
    return false;
}

static void
fill_cell(Cluster *cluster, const MatrixClient *client, const MatrixDoor *door, MatrixCell *cell)
{
    Where where = {.addr = door->addr, .port = door->port, .proto = door->proto, .door = "address", .text = door->name};
    TraceQuestion question = {
        .from = &client->who, .to = &where, .via = client->kind == MATRIX_OUTSIDE ? client->node : NULL, .all = true};
    TraceAnswer answer;

    trace_connection(cluster, &question, &answer);
    cell->n_outcomes = answer.n_outcomes;
    cell->outcomes = g_new0(MatrixOutcome, answer.n_outcomes);
    for (uint32_t i = 0; i < answer.n_outcomes; i++)
        cell->outcomes[i] = matrix_outcome(cluster, &answer.outcomes[i]);
    trace_answer_clear(&answer);
}

static MatrixTable *
make_table(Cluster *cluster, MatrixHosts *hosts, const MatrixOptions *options, const Service *service,
           const ServicePort *port)
{
    MatrixTable *t = g_new0(MatrixTable, 1);

    t->service = service;
    t->port = port;
    t->nodes = g_ptr_array_new();
    choose_nodes(cluster, t, options->max_nodes ? options->max_nodes : DEFAULT_MAX_NODES);
    matrix_add_clients(hosts, t, options->client);
    matrix_add_doors(cluster, options->cloud, t);
    t->cells = g_new0(MatrixCell, (size_t)t->n_doors * t->n_clients + 1);
    for (uint32_t d = 0; d < t->n_doors; d++)
        for (uint32_t c = 0; c < t->n_clients; c++)
            if (makes_sense(&t->clients[c], &t->doors[d]))
                fill_cell(cluster, &t->clients[c], &t->doors[d], &t->cells[d * t->n_clients + c]);
    return t;
}

static bool
is_wanted(const MatrixOptions *options, const Service *s)
{
    g_autofree char *ns = NULL, *name = NULL;

    if (s->type == SERVICE_EXTERNALNAME)
        return false;
    if (!options->service)
        return s->n_cluster_ips > 0 && strcmp(s->cluster_ips[0], "None") != 0;
    split_ns_name(options->service, &ns, &name);
    return strcmp(s->meta.ns, ns) == 0 && strcmp(s->meta.name, name) == 0;
}

void
matrix_make(Cluster *cluster, const MatrixOptions *options, Matrix *ret_matrix)
{
    VEC(MatrixTable *) tables = {0};
    MatrixHosts hosts;
    size_t n;
    const ApiObject *const *services = store_list(cluster_store(cluster), KIND_SERVICE, &n);

    matrix_hosts_init(&hosts, cluster);
    for (size_t i = 0; i < n; i++) {
        const Service *s = (const Service *)services[i];
        for (uint32_t j = 0; is_wanted(options, s) && j < s->n_ports; j++)
            vec_push(&tables, make_table(cluster, &hosts, options, s, &s->ports[j]));
    }
    matrix_hosts_clear(&hosts);
    ret_matrix->tables = tables.data;
    ret_matrix->n_tables = (uint32_t)tables.len;
}

static void
table_free(MatrixTable *t)
{
    for (uint32_t i = 0; i < t->n_doors * t->n_clients; i++) {
        for (uint32_t j = 0; j < t->cells[i].n_outcomes; j++)
            matrix_outcome_clear(&t->cells[i].outcomes[j]);
        g_free(t->cells[i].outcomes);
    }
    for (uint32_t i = 0; i < t->n_doors; i++)
        g_free(t->doors[i].name);
    for (uint32_t i = 0; i < t->n_clients; i++) {
        g_free(t->clients[i].name);
        who_clear(&t->clients[i].who);
    }
    g_free(t->cells);
    g_free(t->doors);
    g_free(t->clients);
    g_ptr_array_unref(t->nodes);
    g_free(t);
}

void
matrix_clear(Matrix *matrix)
{
    for (uint32_t i = 0; i < matrix->n_tables; i++)
        table_free(matrix->tables[i]);
    g_free(matrix->tables);
    *matrix = (Matrix){0};
}
