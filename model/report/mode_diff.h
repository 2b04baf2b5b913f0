#ifndef MODEL_REPORT_MODE_DIFF_H
#define MODEL_REPORT_MODE_DIFF_H

/* Which (client, door) pairs end differently in two worlds made from the same objects
 *
 * The worlds differ in kube-proxy's mode or in the version.  Ends are compared as a client and a server see them:
 * outcome and reason, endpoint, source address, nodes passed, each with its probability (draws of 31 and of 32 bits
 * count as equal).  Each difference comes with the rule that decided on either side. */

#include "model/report/matrix.h"

typedef struct {
    const char *name; /* "iptables", "1.36". */
    const Matrix *matrix;
} DiffSide;

/* Return the number of (client, door) pairs that differ. */
uint32_t mode_diff_print_text(GString *out, const DiffSide *a, const DiffSide *b);
uint32_t mode_diff_print_json(GString *out, const DiffSide *a, const DiffSide *b);

#endif
