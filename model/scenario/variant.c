#include "model/scenario/variant.h"

#include "model/input/override.h"
#include "model/report/exact_shares.h"

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
    const VariantsOptions *options;
    Sim **running; /* By run; NULL: not now. */
    GMutex lock;   /* Of 'done', 'running' and the progress call. */
    GCond ended;
} Batch;

/* Looks that often whether it shall stop. */
#define STOP_POLL (50 * G_TIME_SPAN_MILLISECOND)

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

/* All of the input's errors as text, with the warnings that may explain them. */
static char *
errors_text(Input *input)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    char *copy;

    diags_print(input->diags, out, DIAG_WARNING);
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

static bool
is_stopped(const Batch *batch)
{
    return batch->options->stop && *batch->options->stop;
}

static void
set_running(Batch *batch, size_t index, Sim *sim)
{
    g_mutex_lock(&batch->lock);
    batch->running[index] = sim;
    g_mutex_unlock(&batch->lock);
}

static void
run_scenario(Batch *batch, size_t index, Input *input)
{
    VariantResult *result = &batch->results[index];
    Cluster *cluster = cluster_new(input, &(ClusterOptions){.seed = batch->seeds[index % batch->n_seeds]});
    ScenarioRun *run;

    if (!cluster) {
        result->error = errors_text(input);
        return;
    }
    cluster_sim(cluster)->event_limit = batch->options->event_limit;
    run = scenario_run_new(cluster, &input->scenario);
    set_running(batch, index, cluster_sim(cluster));
    result->interrupted = !scenario_run_until(run, SIMTIME_NEVER);
    result->limited = result->interrupted && batch->options->event_limit &&
                      cluster_sim(cluster)->n_events >= batch->options->event_limit;
    set_running(batch, index, NULL);
    if (diags_errors(input->diags) > 0)
        result->error = errors_text(input);
    else
        result->measures = measures_of_run(cluster, run);
    scenario_run_free(run);
    cluster_free(cluster);
}

/* The input of a variant, filled by the controllers; NULL with result->error. */
static Input *
load_variant(const Batch *batch, size_t index, VariantResult *result)
{
    Input *input = input_load(batch->files, batch->n_files);

    if (diags_errors(input->diags) == 0 &&
        apply_overrides(input, &batch->variants[index / batch->n_seeds], &result->error))
        control_fill(input);
    if (diags_errors(input->diags) > 0) {
        g_autofree char *what = result->error, *errors = errors_text(input);
        result->error = g_strjoin("\n", what ? what : errors, what ? errors : NULL, NULL);
    }
    if (!result->error)
        return input;
    input_free(input);
    return NULL;
}

/* In a second world, of the first seed only: what is told of the pods is told of that run. */
static void
add_exact_shares(Batch *batch, size_t index)
{
    VariantResult *result = &batch->results[index];
    Input *input = load_variant(batch, index, result);
    Cluster *cluster = input ? cluster_new(input, &(ClusterOptions){.seed = batch->seeds[0]}) : NULL;
    Cloud *cloud = cluster ? cloud_new(cluster) : NULL;

    if (cluster) {
        exact_shares_fill(cluster, &input->scenario, result->measures);
        cloud_free(cloud);
        cluster_free(cluster);
    }
    if (input)
        input_free(input);
}

static void
run_variant(Batch *batch, size_t index)
{
    VariantResult *result = &batch->results[index];
    Input *input = load_variant(batch, index, result);

    if (!input)
        return;
    run_scenario(batch, index, input);
    input_free(input);
    if (batch->options->shares && index % batch->n_seeds == 0 && result->measures && !result->interrupted)
        add_exact_shares(batch, index);
}

static void
run_one(gpointer job, gpointer user)
{
    Batch *batch = user;
    size_t index = GPOINTER_TO_SIZE(job) - 1;

    if (is_stopped(batch))
        batch->results[index].interrupted = true;
    else
        run_variant(batch, index);
    g_mutex_lock(&batch->lock);
    batch->done++;
    if (batch->options->progress)
        batch->options->progress(batch->done, batch->total, batch->options->user);
    g_cond_signal(&batch->ended);
    g_mutex_unlock(&batch->lock);
}

static void
wait_for_all(Batch *batch)
{
    g_mutex_lock(&batch->lock);
    while (batch->done < batch->total) {
        g_cond_wait_until(&batch->ended, &batch->lock, g_get_monotonic_time() + STOP_POLL);
        for (size_t i = 0; is_stopped(batch) && i < batch->total; i++)
            if (batch->running[i])
                sim_stop(batch->running[i]);
    }
    g_mutex_unlock(&batch->lock);
}

void
variants_run(const char *const *files, size_t n_files, const Variant *variants, size_t n_variants,
             const uint64_t *seeds, size_t n_seeds, VariantResult *results, const VariantsOptions *options)
{
    Batch batch = {.files = files,
                   .n_files = n_files,
                   .variants = variants,
                   .seeds = seeds,
                   .n_seeds = n_seeds,
                   .total = n_variants * n_seeds,
                   .results = results,
                   .options = options};
    GThreadPool *pool;

    g_mutex_init(&batch.lock);
    g_cond_init(&batch.ended);
    batch.running = g_new0(Sim *, batch.total);
    /* A worker besides this thread, which only watches. */
    pool = g_thread_pool_new(run_one, &batch, options->serial ? 1 : (gint)g_get_num_processors(), FALSE, NULL);
    for (size_t i = 0; i < batch.total; i++)
        g_thread_pool_push(pool, GSIZE_TO_POINTER(i + 1), NULL);
    wait_for_all(&batch);
    g_thread_pool_free(pool, FALSE, TRUE);
    g_free(batch.running);
    g_cond_clear(&batch.ended);
    g_mutex_clear(&batch.lock);
}

void
variant_result_clear(VariantResult *result)
{
    measures_free(result->measures);
    g_free(result->error);
    *result = (VariantResult){0};
}
