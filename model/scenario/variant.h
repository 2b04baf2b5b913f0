#ifndef MODEL_SCENARIO_VARIANT_H
#define MODEL_SCENARIO_VARIANT_H

/* Variants: one scenario, run again with some fields changed, under the same chances
 *
 * Draws are keyed by connection and by the thing that draws, so that two variants differ only where the change matters.
 * Every run has a world of its own; several run at once on several cores, with the same results as one after the other.
 */

#include <signal.h>

#include "model/report/measures.h"

typedef struct {
    char *name;
    char **overrides; /* OBJECT.FIELD=VALUE, NULL-terminated; empty: as written. */
} Variant;

/* "NAME:OBJECT.FIELD=VALUE[,OBJECT.FIELD=VALUE]..."; false if malformed. */
bool variant_parse(const char *text, Variant *ret_variant);
void variant_clear(Variant *variant);

typedef struct {
    Measures *measures; /* NULL: it could not run. */
    char *error;
    bool interrupted; /* Ended early; the measures tell as much as was run. */
    bool limited;     /* By the limit of events. */
} VariantResult;

typedef struct {
    /* May be NULL; called from one thread at a time with the number of runs that are over. */
    void (*progress)(size_t done, size_t total, void *user);
    void *user;
    const volatile sig_atomic_t *stop; /* Turns true: end what runs, begin nothing more.  NULL: never. */
    bool shares;                       /* Also the exact shares of connections per pod. */
    bool serial;                       /* One after the other. */
    uint64_t event_limit;              /* Of each run; 0: none. */
} VariantsOptions;

/* Runs every variant with every seed: results[v * n_seeds + s]. */
void variants_run(const char *const *files, size_t n_files, const Variant *variants, size_t n_variants,
                  const uint64_t *seeds, size_t n_seeds, VariantResult *results, const VariantsOptions *options);
void variant_result_clear(VariantResult *result);

#endif
