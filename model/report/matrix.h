#ifndef MODEL_REPORT_MATRIX_H
#define MODEL_REPORT_MATRIX_H

/* Matrix: every kind of client at every door of a Service port, each with its exact outcome
 *
 * Each cell is a question to trace_connection() with all branches, in one Cluster.  Clients: a pod made for the purpose
 * on each shown node, an endpoint of the Service, the nodes themselves, a client outside (as the outside routes the
 * address, and with the address routed to each shown node in turn).  Doors: clusterIP, a port of it that no Service
 * has, external IPs, the load balancer's address (from outside: through it), the node port on each shown node and on
 * its 127.0.0.1, the health check port. A Matrix borrows from its Cluster.  In big clusters some nodes stand for all:
 * first those with endpoints. */

#include "model/cloud/lb.h"
#include "model/network/who.h"
#include "model/report/trace_run.h"

typedef enum { MATRIX_POD, MATRIX_ENDPOINT, MATRIX_NODE, MATRIX_OUTSIDE, MATRIX_N_CLIENTS } MatrixClientKind;
typedef enum {
    DOOR_CLUSTER_IP,
    DOOR_OTHER_PORT, /* Of the clusterIP. */
    DOOR_EXTERNAL_IP,
    DOOR_LB_IP,
    DOOR_NODE_PORT,
    DOOR_LOCALHOST,
    DOOR_HEALTH_CHECK
} MatrixDoorKind;

const char *matrix_client_kind_name(MatrixClientKind kind); /* "pod", "endpoint", "node", "outside". */
const char *matrix_door_kind_name(MatrixDoorKind kind);     /* "clusterIP", ... */

typedef struct {
    MatrixClientKind kind;
    char *name;              /* "pod on minikube", "outside via minikube". */
    const ClusterNode *node; /* Where it runs; outside: the node to which the address is routed, or NULL. */
    Who who;
} MatrixClient;

typedef struct {
    MatrixDoorKind kind;
    char *name; /* "clusterIP 10.96.0.1:80". */
    IpAddr addr;
    uint16_t port;
    uint8_t proto;
    const ClusterNode *node; /* NODE_PORT, HEALTH_CHECK; LOCALHOST is each node's own. */
} MatrixDoor;

typedef enum { SOURCE_NONE, SOURCE_CLIENT, SOURCE_NODE, SOURCE_BRIDGE, SOURCE_OTHER } MatrixSource;

typedef struct {
    char *host; /* Or NULL. */
    char *text; /* In words. */
} MatrixRule;

typedef struct {
    double probability;
    FlowOutcome outcome;
    const char *reason;  /* Stable code or NULL. */
    int status;          /* HTTP, or 0. */
    char *server;        /* "default/web-0", a host's name, or NULL if nobody was reached. */
    char *server_addr;   /* "10.244.0.10:8080", or NULL. */
    char *server_node;   /* Or NULL. */
    MatrixSource source; /* What the server saw. */
    char *source_node;   /* SOURCE_NODE, SOURCE_BRIDGE: whose address that is; else NULL. */
    IpAddr source_addr;
    char *nodes; /* "minikube > minikube-m02". */
    uint32_t n_nodes;
    MatrixRule rule;       /* What decided: the rule that let it in or refused it. */
    MatrixRule masquerade; /* The rule because of which the source was rewritten; text NULL: none. */
} MatrixOutcome;

typedef struct {
    MatrixOutcome *outcomes; /* In the order of trace; none: the question makes no sense. */
    uint32_t n_outcomes;
} MatrixCell;

typedef struct {
    const Service *service;
    const ServicePort *port;
    MatrixDoor *doors;
    uint32_t n_doors;
    MatrixClient *clients;
    uint32_t n_clients;
    MatrixCell *cells; /* n_doors rows of n_clients. */
    uint32_t n_endpoints, n_ready;
    GPtrArray *nodes; /* ClusterNode: those that are shown. */
} MatrixTable;

typedef struct {
    const char *service; /* "[ns/]name", or NULL: all. */
    int client;          /* MatrixClientKind, or -1: all. */
    uint32_t max_nodes;  /* 0: 4. */
    const Cloud *cloud;  /* The cluster's load balancers; NULL: there are none. */
} MatrixOptions;

typedef struct {
    MatrixTable **tables; /* By namespace, name and port. */
    uint32_t n_tables;
} Matrix;

/* Adds hosts to the cluster: pods for the purpose, and a client outside if there is none. */
void matrix_make(Cluster *cluster, const MatrixOptions *options, Matrix *ret_matrix);
void matrix_clear(Matrix *matrix);

static inline const MatrixCell *
matrix_cell(const MatrixTable *table, uint32_t door, uint32_t client)
{
    return &table->cells[door * table->n_clients + client];
}

#endif
