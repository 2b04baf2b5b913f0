#include "model/scenario/variant.h"

#include "model/input/override.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *const *files;
    size_t n_files;
    const Variant *variants;
    const uint64_t *seeds;
    size_t n_seeds, total, done;
    VariantResult *results;
    void (*progress)(size_t done, size_t total, void *user);
    void *user;
    GMutex lock; /* Of 'done' and the progress call. */
} Batch;

bool
variant_parse(const char *text, Variant *ret_variant)
{
    const char *colon = strchr(text, ':');
    const char *equals = strchr(text, '=');

    if (!colon || colon == text || (equals && equals < colon) || !equals)
        return false;
    ret_variant->name = g_strndup(text, (gsize)(colon - text));
    ret_variant->overrides = g_strsplit(colon + 1, ",", -1);
    return true;
}

void
variant_clear(Variant *variant)
{
    g_free(variant->name);
    g_strfreev(variant->overrides);
    *variant = (Variant){0};
}

/* All of the input's errors as text. */
static char *
errors_text(Input *input)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    char *copy;

    diags_print(input->diags, out, DIAG_ERROR);
    fclose(out);
    copy = g_strdup(g_strchomp(text));
    free(text);
    return copy;
}

static bool
apply_overrides(Input *input, const Variant *variant, char **ret_error)
{
    for (char **o = variant->overrides; o && *o; o++)
        if (!input_override(input, *o, ret_error))
            return false;
    return true;
}

static void
run_scenario(Input *input, const uint64_t *seed, VariantResult *result)
{
    Cluster *cluster = cluster_new(input, &(ClusterOptions){.seed = seed ? *seed : input->scenario.seed});
    ScenarioRun *run;

    if (!cluster) {
        result->error = errors_text(input);
        return;
    }
    run = scenario_run_new(cluster, &input->scenario);
    scenario_run_until(run, SIMTIME_NEVER);
    if (diags_errors(input->diags) > 0)
        result->error = errors_text(input);
    else
        result->measures = measures_of_run(cluster, run);
    scenario_run_free(run);
    cluster_free(cluster);
}

static void
run_one(gpointer job, gpointer user)
{
    Batch *batch = user;
    size_t index = GPOINTER_TO_SIZE(job) - 1;
    VariantResult *result = &batch->results[index];
    Input *input = input_load(batch->files, batch->n_files);

    if (diags_errors(input->diags) == 0 &&
        apply_overrides(input, &batch->variants[index / batch->n_seeds], &result->error))
        control_fill(input);
    if (!result->error && diags_errors(input->diags) > 0)
        result->error = errors_text(input);
    if (!result->error)
        run_scenario(input, &batch->seeds[index % batch->n_seeds], result);
    input_free(input);
    g_mutex_lock(&batch->lock);
    batch->done++;
    if (batch->progress)
        batch->progress(batch->done, batch->total, batch->user);
    g_mutex_unlock(&batch->lock);
}

void
variants_run(const char *const *files, size_t n_files, const Variant *variants, size_t n_variants,
             const uint64_t *seeds, size_t n_seeds, VariantResult *results,
             void (*progress)(size_t done, size_t total, void *user), void *user)
{
    Batch batch = {.files = files,
                   .n_files = n_files,
                   .variants = variants,
                   .seeds = seeds,
                   .n_seeds = n_seeds,
                   .total = n_variants * n_seeds,
                   .results = results,
                   .progress = progress,
                   .user = user};
    GThreadPool *pool;

    g_mutex_init(&batch.lock);
    pool = g_thread_pool_new(run_one, &batch, (gint)g_get_num_processors(), FALSE, NULL);
    for (size_t i = 0; i < batch.total; i++)
        g_thread_pool_push(pool, GSIZE_TO_POINTER(i + 1), NULL);
    g_thread_pool_free(pool, FALSE, TRUE);
    g_mutex_clear(&batch.lock);
}

void
variant_result_clear(VariantResult *result)
{
    measures_free(result->measures);
    g_free(result->error);
    *result = (VariantResult){0};
}
