#ifndef MODEL_REPORT_WHATIF_H
#define MODEL_REPORT_WHATIF_H

/* Variants side by side: what is lost, when, to which clock, who keeps its source; then which flows changed and why */

#include "model/scenario/variant.h"

/* Results of one variant over all seeds; the first seed's run is the one that is told in detail. */
typedef struct {
    const Variant *variant;
    const VariantResult *runs;
    size_t n_runs;
} WhatifColumn;

void whatif_print_text(GString *out, const WhatifColumn *columns, size_t n);
void whatif_print_json(GString *out, const WhatifColumn *columns, size_t n);
/* One window in lines of its own. */
void whatif_print_window(GString *out, const LossWindow *window);

#endif
