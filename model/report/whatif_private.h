#ifndef MODEL_REPORT_WHATIF_PRIVATE_H
#define MODEL_REPORT_WHATIF_PRIVATE_H

/* What the text and the JSON of whatif share */

#include "model/report/whatif.h"

typedef struct {
    const char *label, *key, *format; /* In the table, in JSON, of the number. */
    double (*value)(const Measures *m);
} Figure;

extern const Figure whatif_figures[];
extern const size_t whatif_n_figures;

/* How a flow ended, in words, with the pod that served it or without.  Caller frees. */
char *whatif_digest_text(const FlowDigest *digest, bool server);

typedef void (*EachChange)(const FlowDigest *before, const FlowDigest *after, void *user);
/* Flows of both whose outcome or source changed, in order of their start; returns how many there are. */
size_t whatif_each_change(const Measures *base, const Measures *other, EachChange each, void *user);

#endif
