#ifndef MODEL_REPORT_MATRIX_PRIVATE_H
#define MODEL_REPORT_MATRIX_PRIVATE_H

/* The inside of matrix.c, for its own files only */

#include "model/report/matrix.h"

/* Client hosts that all tables of one Matrix share. */
typedef struct {
    Cluster *cluster;
    GHashTable *pods;       /* ClusterNode -> ClusterPod: the pod made there (look-ups only). */
    Host *outside;          /* First client of the input, or made. */
    const char *outside_as; /* Its name. */
} MatrixHosts;

void matrix_hosts_init(MatrixHosts *hosts, Cluster *cluster);
void matrix_hosts_clear(MatrixHosts *hosts);
/* matrix_hosts.c: the rows. */
void matrix_add_clients(MatrixHosts *hosts, MatrixTable *table, int only);
/* matrix_doors.c: the columns. */
void matrix_add_doors(Cluster *cluster, const Cloud *cloud, MatrixTable *table);
/* matrix_outcome.c */
MatrixOutcome matrix_outcome(const Cluster *cluster, const TraceOutcome *traced);
void matrix_outcome_clear(MatrixOutcome *outcome);

/* Endpoints of a port: calls back for each; 'ready' as kube-proxy sees it. */
typedef void (*EndpointVisitor)(const Endpoint *endpoint, bool ready, void *user);
void matrix_each_endpoint(Cluster *cluster, const Service *service, const ServicePort *port, EndpointVisitor visit,
                          void *user);

#endif
