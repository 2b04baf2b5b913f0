#include "model/report/matrix_text.h"

#include <string.h>

#include "model/report/text_layout.h"
#include "sim/engine/vec.h"

/* 31 and 32 bit draws differ by less. */
#define SAME_SHARE        1e-6
#define MAX_CLIENTS_WIDTH 30

/* --- One cell: outcomes that differ only in the endpoint
 * ------------------------------------------------------------------ */

/* Where an endpoint is, seen from the node that chooses it. */
typedef enum { PLACE_NONE, PLACE_LOCAL, PLACE_REMOTE } Place;

/* The question of a cell, for those who name nodes by their part in it. */
typedef struct {
    const MatrixTable *table;
    const MatrixDoor *door;
    const MatrixClient *client;
    const MatrixCell *cell;
} Asked;

typedef struct {
    const MatrixOutcome *first;
    char *source; /* In words. */
    Place place;
    GPtrArray *servers; /* Names. */
    double probability, least, most;
    uint32_t least_nodes, most_nodes; /* They differ only where nobody answered. */
} Group;

typedef VEC(Group) Groups;

static const char *
entry_node(const Asked *a)
{
    if (a->client->node)
        return a->client->node->name;
    return a->door->node ? a->door->node->name : NULL;
}

static Place
place_of(const Asked *a, const MatrixOutcome *o)
{
    const char *entry = entry_node(a);

    if (!o->server_node || !entry)
        return PLACE_NONE;
    return strcmp(o->server_node, entry) == 0 ? PLACE_LOCAL : PLACE_REMOTE;
}

/* "its node", "that node", or the name. */
static const char *
node_words(const Asked *a, const char *node)
{
    if (a->door->node && strcmp(a->door->node->name, node) == 0)
        return "that node";
    if (a->client->node && strcmp(a->client->node->name, node) == 0)
        return a->client->kind == MATRIX_NODE ? "itself" : a->client->kind == MATRIX_OUTSIDE ? "that node" : "its node";
    return node;
}

static char *
source_words(const Asked *a, const MatrixOutcome *o)
{
    char addr[IPADDR_STR_SIZE];

    switch (o->source) {
    case SOURCE_NONE:
        return g_strdup("-");
    case SOURCE_CLIENT:
        return g_strdup("client");
    case SOURCE_NODE:
        return g_strdup_printf("address of %s", node_words(a, o->source_node));
    case SOURCE_BRIDGE:
        return g_strdup_printf("bridge of %s", node_words(a, o->source_node));
    case SOURCE_OTHER:
        break;
    }
    return g_strdup(ipaddr_format(o->source_addr, addr));
}

static bool
is_alike(const Group *g, const MatrixOutcome *o, const char *source, Place place)
{
    const MatrixOutcome *x = g->first;

    return x->outcome == o->outcome && g_strcmp0(x->reason, o->reason) == 0 && strcmp(g->source, source) == 0 &&
           x->status == o->status && g->place == place && (o->outcome != FLOW_CONNECTED || x->n_nodes == o->n_nodes) &&
           (x->server == NULL) == (o->server == NULL);
}

static void
add_to_groups(Groups *groups, const Asked *a, const MatrixOutcome *o)
{
    g_autofree char *source = source_words(a, o);
    Place place = place_of(a, o);
    Group *g = NULL;

    for (size_t i = 0; i < groups->len; i++)
        if (is_alike(&groups->data[i], o, source, place))
            g = &groups->data[i];
    if (!g) {
        vec_push(groups, (Group){.first = o,
                                 .source = g_steal_pointer(&source),
                                 .place = place,
                                 .servers = g_ptr_array_new(),
                                 .least = o->probability,
                                 .most = o->probability,
                                 .least_nodes = o->n_nodes,
                                 .most_nodes = o->n_nodes});
        g = vec_last(groups);
    }
    if (o->server)
        g_ptr_array_add(g->servers, o->server);
    g->probability += o->probability;
    g->least = MIN(g->least, o->probability);
    g->most = MAX(g->most, o->probability);
    g->least_nodes = MIN(g->least_nodes, o->n_nodes);
    g->most_nodes = MAX(g->most_nodes, o->n_nodes);
}

/* Local endpoints first. */
static int
compare_groups(gconstpointer x, gconstpointer y, gpointer unused)
{
    const Group *a = x, *b = y;

    (void)unused;
    return (int)a->place - (int)b->place;
}

static Groups
group_cell(const Asked *a)
{
    Groups groups = {0};

    for (uint32_t i = 0; i < a->cell->n_outcomes; i++)
        add_to_groups(&groups, a, &a->cell->outcomes[i]);
    if (groups.len > 1)
        g_qsort_with_data(groups.data, (gint)groups.len, sizeof(Group), compare_groups, NULL);
    return groups;
}

static void
groups_clear(Groups *groups)
{
    for (size_t i = 0; i < groups->len; i++) {
        g_ptr_array_unref(groups->data[i].servers);
        g_free(groups->data[i].source);
    }
    vec_clear(groups);
}

static Asked
asked(const MatrixTable *table, uint32_t door, uint32_t client)
{
    return (Asked){table, &table->doors[door], &table->clients[client], matrix_cell(table, door, client)};
}

/* Without the default namespace. */
static const char *
short_name(const char *server)
{
    return g_str_has_prefix(server, "default/") ? server + 8 : server;
}

/* 'n_ready' 0: no endpoint answers there. */
static char *
share_text(const Group *g, uint32_t n_ready)
{
    static const char *const places[] = {"", " (local)", " (remote)"};
    GString *out = g_string_new(NULL);
    guint n = g->servers->len;
    bool certain = g->probability > 1 - SAME_SHARE;

    if (n == 0 || (n == 1 && n_ready <= 1)) {
        if (n == 1 && n_ready == 1)
            g_string_append(out, short_name(g->servers->pdata[0]));
        if (!certain)
            g_string_append_printf(out, "%s%.4g %%", n ? ", " : "", 100 * g->probability);
        return g_string_free(out, FALSE);
    }
    g_string_append_printf(out, "%u of %u%s", n, MAX(n, n_ready), places[g->place]);
    if (g->most - g->least >= SAME_SHARE)
        g_string_append_printf(out, ", %.4g to %.4g %% each", 100 * g->least, 100 * g->most);
    else if (n > 1 || !certain)
        g_string_append_printf(out, ", %.4g %%%s", 100 * g->most, n > 1 ? " each" : "");
    return g_string_free(out, FALSE);
}

/* Of a reason's code, what one line has room for. */
static const char *
short_reason(const MatrixOutcome *o)
{
    return g_str_has_prefix(o->reason, "icmp-") ? o->reason + 5 : o->reason;
}

static char *
outcome_text(const MatrixOutcome *o, const MatrixDoor *door)
{
    if (o->outcome == FLOW_CONNECTED && o->status && (door->kind == DOOR_HEALTH_CHECK || o->status >= 400))
        return g_strdup_printf("connected, HTTP %d", o->status);
    if (o->outcome == FLOW_CONNECTED || !o->reason || strcmp(o->reason, flow_outcome_name(o->outcome)) == 0)
        return g_strdup(flow_outcome_name(o->outcome));
    return g_strdup_printf("%s (%s)", flow_outcome_name(o->outcome), short_reason(o));
}

/* Of whom the shares are. */
static uint32_t
n_sharing(const MatrixTable *table, const MatrixDoor *door)
{
    return door->kind == DOOR_HEALTH_CHECK ? 0 : MAX(table->n_ready, 1);
}

/* How many it passed: "2", or "2 to 3". */
static char *
nodes_text(const Group *g)
{
    return g->least_nodes == g->most_nodes ? g_strdup_printf("%u", g->most_nodes)
                                           : g_strdup_printf("%u to %u", g->least_nodes, g->most_nodes);
}

void
matrix_describe_cell(GString *out, const MatrixTable *table, uint32_t door, uint32_t client, uint32_t margin)
{
    Asked a = asked(table, door, client);
    Groups groups = group_cell(&a);

    for (size_t i = 0; i < groups.len; i++) {
        const Group *g = &groups.data[i];
        g_autofree char *outcome = outcome_text(g->first, a.door);
        g_autofree char *share = share_text(g, n_sharing(table, a.door));
        g_string_append_printf(out, "%*s%s%s%s", (int)margin, "", outcome, *share ? ", " : "", share);
        if (g->first->source != SOURCE_NONE)
            g_string_append_printf(out, ", source seen: %s", g->source);
        g_autofree char *nodes = nodes_text(g);
        g_string_append_printf(out, ", %s node%s\n", nodes, g->most_nodes == 1 ? "" : "s");
    }
    groups_clear(&groups);
}

void
matrix_describe_rule(GString *out, const MatrixTable *table, uint32_t door, uint32_t client, const MatrixRule *rule)
{
    Asked a = asked(table, door, client);

    if (rule->host)
        g_string_append_printf(out, "%s: ", node_words(&a, rule->host));
    g_string_append(out, rule->text);
}

/* --- Clients that share a line
 * --------------------------------------------------------------------------------------------- */

static uint32_t
count_kind(const MatrixTable *table, const uint32_t *clients, uint32_t n, MatrixClientKind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < n; i++) {
        const MatrixClient *c = &table->clients[clients ? clients[i] : i];
        count += c->kind == kind && (kind != MATRIX_OUTSIDE || c->node);
    }
    return count;
}

char *
matrix_join_clients(const MatrixTable *table, const uint32_t *clients, uint32_t n)
{
    static const char *const all[] = {"pod on any node", NULL, "any node", "outside via any node"};
    static const bool by_node[] = {true, false, true, true};
    bool said[MATRIX_N_CLIENTS] = {false};
    GString *out = g_string_new(NULL);
    int last = -1;

    for (uint32_t i = 0; i < n; i++) {
        const MatrixClient *c = &table->clients[clients[i]];
        uint32_t present = count_kind(table, clients, n, c->kind);
        bool listed = by_node[c->kind] && c->node;
        bool every = listed && present > 1 && present == count_kind(table, NULL, table->n_clients, c->kind);
        if (every && said[c->kind])
            continue;
        said[c->kind] |= every;
        g_string_append(out, out->len ? ", " : "");
        if (listed && !every && last == (int)c->kind)
            g_string_append(out, c->node->name);
        else
            g_string_append(out, every ? all[c->kind] : c->name);
        last = listed && !every ? (int)c->kind : -1;
    }
    return g_string_free(out, FALSE);
}

/* --- The table
 * ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    char *cells[6];
} Row;

typedef VEC(Row) Rows;

/* Long lists of clients go on below. */
static GPtrArray *
wrap_names(const char *names)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) words = g_strsplit(names, ", ", -1);
    g_autoptr(GString) line = g_string_new(NULL);

    for (char **word = words; *word; word++) {
        if (line->len > 0 && line->len + strlen(*word) > MAX_CLIENTS_WIDTH) {
            g_string_append_c(line, ',');
            g_ptr_array_add(lines, g_strdup(line->str));
            g_string_truncate(line, 0);
        }
        g_string_append_printf(line, "%s%s", line->len ? ", " : "", *word);
    }
    g_ptr_array_add(lines, g_strdup(line->str));
    return lines;
}

static void
add_row(Rows *rows, const char *indent, const char *first, const Group *g, uint32_t n_ready, const MatrixDoor *door)
{
    vec_push(rows, (Row){{g_strdup_printf("%s%s", indent, first), g ? outcome_text(g->first, door) : g_strdup(""),
                          g ? share_text(g, n_ready) : g_strdup(""), g_strdup(g ? g->source : ""),
                          g ? nodes_text(g) : g_strdup(""), NULL}});
}

static void
add_rows(Rows *rows, const MatrixTable *table, uint32_t door, uint32_t client, const char *names)
{
    Asked a = asked(table, door, client);
    Groups groups = group_cell(&a);
    g_autoptr(GPtrArray) lines = wrap_names(names);

    for (size_t i = 0; i < MAX(groups.len, lines->len); i++)
        add_row(rows, i > 0 && i < lines->len ? "    " : "  ", i < lines->len ? (const char *)lines->pdata[i] : "  or",
                i < groups.len ? &groups.data[i] : NULL, n_sharing(table, a.door), a.door);
    groups_clear(&groups);
}

static void
add_door_rows(Rows *rows, const MatrixTable *table, uint32_t door)
{
    g_autofree bool *done = g_new0(bool, table->n_clients + 1);
    g_autofree uint32_t *same = g_new(uint32_t, table->n_clients + 1);
    g_autofree char **texts = g_new0(char *, table->n_clients + 1);
    bool titled = false;

    for (uint32_t c = 0; c < table->n_clients; c++) {
        g_autoptr(GString) text = g_string_new(NULL);
        matrix_describe_cell(text, table, door, c, 0);
        texts[c] = g_strdup(text->str);
    }
    for (uint32_t c = 0; c < table->n_clients; c++) {
        uint32_t n = 0;
        g_autofree char *names = NULL;
        if (done[c] || matrix_cell(table, door, c)->n_outcomes == 0)
            continue;
        for (uint32_t i = c; i < table->n_clients; i++)
            if (!done[i] && strcmp(texts[i], texts[c]) == 0) {
                done[i] = true;
                same[n++] = i;
            }
        names = matrix_join_clients(table, same, n);
        if (!titled)
            add_row(rows, "", table->doors[door].name, NULL, 0, &table->doors[door]);
        titled = true;
        add_rows(rows, table, door, c, names);
    }
    for (uint32_t c = 0; c < table->n_clients; c++)
        g_free(texts[c]);
}

static const char *
type_name(ServiceType type)
{
    static const char *const names[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName"};

    return names[type];
}

static void
print_heading(GString *out, const Cluster *cluster, const MatrixTable *table)
{
    const Service *s = table->service;
    char proto[IPPROTO_STR_SIZE];
    size_t n_nodes;

    cluster_nodes(cluster, &n_nodes);
    g_string_append_printf(
        out, "Service %s/%s, %s, port %s%s%u/%s, externalTrafficPolicy %s, internalTrafficPolicy %s\n", s->meta.ns,
        s->meta.name, type_name(s->type), table->port->name, *table->port->name ? " " : "", table->port->port,
        ipproto_name(table->port->proto, proto), s->external_policy == POLICY_LOCAL ? "Local" : "Cluster",
        s->internal_policy == POLICY_LOCAL ? "Local" : "Cluster");
    g_string_append_printf(out, "%u endpoint%s, %u ready", table->n_endpoints, table->n_endpoints == 1 ? "" : "s",
                           table->n_ready);
    if (table->nodes->len < n_nodes)
        g_string_append_printf(out, "; %u of %zu nodes shown", table->nodes->len, n_nodes);
    g_string_append(out, "\n\n");
}

static void
print_table(GString *out, const Cluster *cluster, const MatrixTable *table)
{
    static const char *const header[] = {"door, client", "outcome", "endpoints", "source seen", "nodes", NULL};
    Rows rows = {0};
    g_autoptr(GPtrArray) pointers = g_ptr_array_new();

    print_heading(out, cluster, table);
    for (uint32_t d = 0; d < table->n_doors; d++)
        add_door_rows(&rows, table, d);
    for (size_t i = 0; i < rows.len; i++)
        g_ptr_array_add(pointers, rows.data[i].cells);
    text_table(out, header, (char *const *const *)pointers->pdata, rows.len);
    for (size_t i = 0; i < rows.len; i++)
        for (int c = 0; c < 5; c++)
            g_free(rows.data[i].cells[c]);
    vec_clear(&rows);
}

void
matrix_print_text(GString *out, const Cluster *cluster, const Matrix *matrix)
{
    for (uint32_t i = 0; i < matrix->n_tables; i++) {
        if (i > 0)
            g_string_append_c(out, '\n');
        print_table(out, cluster, matrix->tables[i]);
    }
}

/* --- JSON
 * ----------------------------------------------------------------------------------------------------------------- */

static void
json_rule(JsonOut *json, const char *key, const MatrixRule *rule)
{
    g_autofree char *text = rule->host ? g_strdup_printf("%s: %s", rule->host, rule->text) : g_strdup(rule->text);

    json_kv_str(json, key, text);
}

/* Members, without braces. */
static void
json_outcome(JsonOut *json, const MatrixOutcome *o)
{
    static const char *const sources[] = {NULL, "client", "node", "bridge", "other"};
    char addr[IPADDR_STR_SIZE];

    json_kv_num(json, "probability", o->probability);
    json_kv_str(json, "outcome", flow_outcome_name(o->outcome));
    json_kv_str(json, "reason", o->reason);
    if (o->status)
        json_kv_int(json, "status", o->status);
    json_kv_str(json, "server", o->server);
    json_kv_str(json, "address", o->server_addr);
    json_kv_str(json, "source", sources[o->source]);
    json_kv_str(json, "sourceSeen", o->source == SOURCE_NONE ? NULL : ipaddr_format(o->source_addr, addr));
    json_kv_str(json, "nodes", o->nodes);
    json_kv_int(json, "hops", o->n_nodes);
    json_rule(json, "because", &o->rule);
    json_rule(json, "masqueradedBecause", &o->masquerade);
}

void
matrix_json_outcomes(JsonOut *json, const MatrixCell *cell)
{
    json_key(json, "outcomes");
    json_array(json);
    for (uint32_t i = 0; i < cell->n_outcomes; i++) {
        json_object(json);
        json_outcome(json, &cell->outcomes[i]);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_cell(JsonOut *json, const MatrixTable *t, uint32_t door, uint32_t client)
{
    const MatrixCell *cell = matrix_cell(t, door, client);
    const MatrixDoor *d = &t->doors[door];
    const MatrixClient *c = &t->clients[client];
    bool via = c->kind == MATRIX_OUTSIDE;

    json_object(json);
    json_kv_str(json, "client", c->name);
    json_kv_str(json, "clientKind", matrix_client_kind_name(c->kind));
    json_kv_str(json, "clientNode", !via && c->node ? c->node->name : NULL);
    json_kv_str(json, "via", via && c->node ? c->node->name : NULL);
    json_kv_str(json, "door", matrix_door_kind_name(d->kind));
    json_kv_str(json, "doorNode", d->node ? d->node->name : NULL);
    json_key(json, "dialed");
    json_ipport(json, d->addr, d->port);
    matrix_json_outcomes(json, cell);
    json_object_end(json);
}

void
matrix_print_json(GString *out, const Matrix *matrix)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    json_key(&json, "services");
    json_array(&json);
    for (uint32_t i = 0; i < matrix->n_tables; i++) {
        const MatrixTable *t = matrix->tables[i];
        g_autofree char *name = g_strdup_printf("%s/%s", t->service->meta.ns, t->service->meta.name);
        char proto[IPPROTO_STR_SIZE];
        json_object(&json);
        json_kv_str(&json, "service", name);
        json_kv_str(&json, "portName", t->port->name);
        json_kv_int(&json, "port", t->port->port);
        json_kv_str(&json, "protocol", ipproto_name(t->port->proto, proto));
        json_kv_int(&json, "endpoints", t->n_endpoints);
        json_kv_int(&json, "ready", t->n_ready);
        json_key(&json, "cells");
        json_array(&json);
        for (uint32_t d = 0; d < t->n_doors; d++)
            for (uint32_t c = 0; c < t->n_clients; c++)
                if (matrix_cell(t, d, c)->n_outcomes > 0)
                    json_cell(&json, t, d, c);
        json_array_end(&json);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    json_out_done(&json);
}
