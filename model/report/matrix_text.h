#ifndef MODEL_REPORT_MATRIX_TEXT_H
#define MODEL_REPORT_MATRIX_TEXT_H

/* A matrix as text (one screen for one Service port) and as JSON
 *
 * Outcomes that differ only in the endpoint are one line, "2 of 3 endpoints, 33.33 % each"; clients with equal lines
 * at a door share them. */

#include <glib.h>

#include "model/report/json_out.h"
#include "model/report/matrix.h"

void matrix_print_text(GString *out, const Cluster *cluster, const Matrix *matrix);
void matrix_print_json(GString *out, const Matrix *matrix);

/* A cell in words, one line each: "connected, 3 of 3 endpoints, 33.33 % each, source seen: client, 1 node"; with
 * 'margin' spaces in front.  Nodes are named by their part in it where they have one ("its node"). */
void matrix_describe_cell(GString *out, const MatrixTable *table, uint32_t door, uint32_t client, uint32_t margin);
/* "its node: filter KUBE-FORWARD rule 3 (...)". */
void matrix_describe_rule(GString *out, const MatrixTable *table, uint32_t door, uint32_t client,
                          const MatrixRule *rule);
/* Names of clients with these indices, shortened: "pods on any node", "node a, node b". */
char *matrix_join_clients(const MatrixTable *table, const uint32_t *clients, uint32_t n);
/* The member "outcomes" of a cell's object. */
void matrix_json_outcomes(JsonOut *json, const MatrixCell *cell);

#endif
