/* Where they knock: the doors of one Service port. */

#include <string.h>

#include "model/report/matrix_private.h"
#include "sim/engine/vec.h"

typedef VEC(MatrixDoor) Doors;

typedef struct {
    Cluster *cluster;
    const Cloud *cloud; /* Or NULL. */
    const MatrixTable *table;
    Doors doors;
} Builder;

static void
add_door(Builder *b, MatrixDoorKind kind, const ClusterNode *node, IpAddr addr, uint16_t port)
{
    char text[IPPORT_STR_SIZE];
    uint8_t proto = kind == DOOR_HEALTH_CHECK ? IPPROTO_TCP_ : b->table->port->proto;
    bool on_node = kind == DOOR_NODE_PORT || kind == DOOR_HEALTH_CHECK;

    ipport_format(addr, port, text);
    vec_push(&b->doors, (MatrixDoor){.kind = kind,
                                     .name = g_strdup_printf("%s %s%s%s", matrix_door_kind_name(kind), text,
                                                             on_node ? " on " : "", on_node ? node->name : ""),
                                     .addr = addr,
                                     .port = port,
                                     .proto = proto,
                                     .node = node});
}

static bool
has_port(const Service *s, uint16_t number)
{
    for (uint32_t i = 0; i < s->n_ports; i++)
        if (s->ports[i].port == number)
            return true;
    return false;
}

static uint16_t
unused_port(const Service *s, uint16_t near)
{
    uint16_t port = near;

    do
        port = port == UINT16_MAX ? 1 : (uint16_t)(port + 1);
    while (has_port(s, port));
    return port;
}

static void
add_cluster_ips(Builder *b)
{
    const Service *s = b->table->service;
    uint16_t other = unused_port(s, b->table->port->port);

    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < s->n_cluster_ips; i++) {
            IpAddr addr;
            if (ipaddr_parse_sloppy(s->cluster_ips[i], &addr))
                add_door(b, pass ? DOOR_OTHER_PORT : DOOR_CLUSTER_IP, NULL, addr, pass ? other : b->table->port->port);
        }
}

static bool
has_door(const Builder *b, MatrixDoorKind kind, IpAddr addr)
{
    for (size_t i = 0; i < b->doors.len; i++)
        if (b->doors.data[i].kind == kind && ipaddr_eq(b->doors.data[i].addr, addr))
            return true;
    return false;
}

/* A load balancer whose status is a hostname has addresses, too. */
static void
add_hidden_vips(Builder *b)
{
    const Service *s = b->table->service;
    const Lb *lb = cloud_lb(b->cloud, s->meta.ns, s->meta.name);
    IpAddr addr;

    for (IpFamily family = FAMILY_IPV4; lb && family <= FAMILY_IPV6; family++)
        if (lb_address(lb, family, &addr) && !has_door(b, DOOR_LB_IP, addr))
            add_door(b, DOOR_LB_IP, NULL, addr, b->table->port->port);
}

static void
add_vips(Builder *b)
{
    const Service *s = b->table->service;
    IpAddr addr;

    for (uint32_t i = 0; i < s->n_external_ips; i++)
        if (ipaddr_parse_sloppy(s->external_ips[i], &addr))
            add_door(b, DOOR_EXTERNAL_IP, NULL, addr, b->table->port->port);
    for (uint32_t i = 0; i < s->n_ingress; i++)
        if (s->ingress[i].ip && ipaddr_parse_sloppy(s->ingress[i].ip, &addr))
            add_door(b, DOOR_LB_IP, NULL, addr, b->table->port->port);
    add_hidden_vips(b);
}

static void
add_on_nodes(Builder *b, MatrixDoorKind kind, uint16_t port)
{
    const MatrixTable *t = b->table;

    for (guint i = 0; i < t->nodes->len; i++) {
        const ClusterNode *node = t->nodes->pdata[i];
        for (uint32_t j = 0; j < node->n_ips; j++) {
            IpFamily family = ipaddr_family(&node->ips[j]);
            if (!service_has_family(t->service, family))
                continue;
            add_door(b, kind, node, node->ips[j], port);
        }
    }
}

static void
add_localhost(Builder *b, uint16_t port)
{
    if (service_has_family(b->table->service, FAMILY_IPV4))
        add_door(b, DOOR_LOCALHOST, NULL, IPADDR_LOOPBACK4, port);
    if (service_has_family(b->table->service, FAMILY_IPV6))
        add_door(b, DOOR_LOCALHOST, NULL, IPADDR_LOOPBACK6, port);
}

void
matrix_add_doors(Cluster *cluster, const Cloud *cloud, MatrixTable *table)
{
    Builder b = {.cluster = cluster, .cloud = cloud, .table = table};

    add_cluster_ips(&b);
    add_vips(&b);
    if (table->port->node_port) {
        add_on_nodes(&b, DOOR_NODE_PORT, table->port->node_port);
        add_localhost(&b, table->port->node_port);
    }
    if (table->service->health_check_node_port)
        add_on_nodes(&b, DOOR_HEALTH_CHECK, table->service->health_check_node_port);
    table->doors = b.doors.data;
    table->n_doors = (uint32_t)b.doors.len;
}
