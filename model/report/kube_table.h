#ifndef MODEL_REPORT_KUBE_TABLE_H
#define MODEL_REPORT_KUBE_TABLE_H

/* The tables of `kubectl get`
 *
 * Columns as the API server of 1.30 to 1.34 sends them (pkg/printers/internalversion/printers.go), laid out as kubectl
 * does (three spaces between columns).  Endpoints are made from a Service's slices: their rows are Services. */

#include "model/report/kube_status.h"

typedef struct {
    Input *input;
    SimTime now;
    bool wide;
    bool with_kind;      /* "service/web": several kinds are shown. */
    bool with_namespace; /* -A. */
    bool no_headers;
} KubeTable;

void kube_table_print(GString *out, const KubeTable *table, ApiKind kind, const ApiObject *const *objects, size_t n);
/* "80:32073/TCP,443/TCP", or "<none>". */
void kube_append_service_ports(GString *out, const Service *service);

#endif
