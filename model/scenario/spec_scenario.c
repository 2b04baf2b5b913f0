/* svcsim/v1 Scenario: decoding */

#include <stdlib.h>
#include <string.h>

#include "model/scenario/spec_private.h"

#define STEPS_MAX 100000

static void read_includes(Diags *diags, Strings *strings, const DocNode *spec, ScenarioSpec *ret_spec);
static void read_steps(Diags *diags, Strings *strings, const DocNode *spec, ScenarioSpec *ret_spec);
static void read_captures(Diags *diags, Strings *strings, const DocNode *spec, ScenarioSpec *ret_spec);
static int compare_steps(const void *a, const void *b);

bool
scenario_spec_decode(Diags *diags, Strings *strings, const DocNode *root, ScenarioSpec *ret_spec)
{
    static const char *const root_known[] = {"apiVersion", "kind", "metadata", "spec", NULL};
    static const char *const known[] = {"include", "seed",   "duration",    "steps", "capture",
                                        "expect",  "clocks", "description", NULL};
    uint32_t before = diags_errors(diags);
    *ret_spec = (ScenarioSpec){.mark = root->mark, .seed = 1};
    ret_spec->name = config_name(diags, strings, root);
    const DocNode *spec = node_require(diags, root, "spec") ? node_map(diags, root, "spec") : NULL;
    ret_spec->description = config_text(diags, strings, spec, "description", NULL);
    read_includes(diags, strings, spec, ret_spec);
    ret_spec->seed = (uint64_t)node_int(diags, spec, "seed", 1, 0, INT64_MAX);
    ret_spec->duration = node_duration(diags, spec, "duration", 0);
    read_steps(diags, strings, spec, ret_spec);
    read_captures(diags, strings, spec, ret_spec);
    const DocNode *expects = node_seq(diags, spec, "expect");
    ret_spec->expects = strings_alloc(strings, (expects ? expects->n : 0) * sizeof *ret_spec->expects);
    for (uint32_t i = 0; expects && i < expects->n; i++)
        if (spec_read_expect(diags, strings, expects->items[i], &ret_spec->expects[ret_spec->n_expects]))
            ret_spec->n_expects++;
    const DocNode *clocks = node_map(diags, spec, "clocks");
    ret_spec->clocks = clocks ? node_keep(strings, clocks) : NULL;
    node_get(root, "apiVersion");
    node_get(root, "kind");
    node_report_unused(diags, root, DIAG_ERROR, root_known);
    node_report_unused(diags, spec, DIAG_ERROR, known);
    return diags_errors(diags) == before;
}

/* A list, or one path. */
static void
read_includes(Diags *diags, Strings *strings, const DocNode *spec, ScenarioSpec *ret_spec)
{
    const DocNode *node = node_get(spec, "include");
    if (!node)
        return;
    bool one = node->kind == NODE_SCALAR;
    if (!one && !node_expect(diags, node, NODE_SEQUENCE))
        return;
    uint32_t n = one ? 1 : node->n;
    ret_spec->includes = strings_alloc(strings, n * sizeof *ret_spec->includes);
    ret_spec->include_marks = strings_alloc(strings, n * sizeof *ret_spec->include_marks);
    for (uint32_t i = 0; i < n; i++) {
        const DocNode *item = one ? node : node->items[i];
        if (!node_expect(diags, item, NODE_SCALAR))
            continue;
        ret_spec->includes[ret_spec->n_includes] = strings_add(strings, item->text);
        ret_spec->include_marks[ret_spec->n_includes++] = item->mark;
    }
}

/* "fail: {..., for: 10s}" */
static void
add_recovery(Strings *strings, ScenarioSpec *spec, const Step *fail)
{
    Step *step = &spec->steps[spec->n_steps++];

    *step = *fail;
    step->verb = STEP_RECOVER;
    step->at += fail->duration;
    step->duration = 0;
    step->name = strings_printf(strings, "%s-recovery", fail->name);
}

static void
read_steps(Diags *diags, Strings *strings, const DocNode *spec, ScenarioSpec *ret_spec)
{
    const DocNode *seq = node_seq(diags, spec, "steps");
    if (!seq)
        return;
    if (seq->n > STEPS_MAX)
        node_diag(diags, DIAG_ERROR, seq, "more than %d steps", STEPS_MAX);
    uint32_t numbers[STEP_N_VERBS] = {0};
    uint32_t n = MIN(seq->n, STEPS_MAX);
    ret_spec->steps = strings_alloc(strings, 2 * (size_t)n * sizeof *ret_spec->steps);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    for (uint32_t i = 0; i < n; i++) {
        Step *step = &ret_spec->steps[ret_spec->n_steps];
        if (!spec_read_step(diags, strings, seq->items[i], numbers, step))
            continue;
        const Step *other = g_hash_table_lookup(names, step->name);
        if (other) {
            diag(diags, DIAG_ERROR, step->mark, "two steps have the name \"%s\"", step->name);
            diag_note(diags, other->mark, "first given here");
        }
        g_hash_table_insert(names, (gpointer)step->name, step);
        if (ret_spec->duration && step->at > ret_spec->duration)
            node_diag(diags, DIAG_WARNING, seq->items[i], "later than the scenario's duration: never done");
        ret_spec->n_steps++;
        if (step->verb == STEP_FAIL && step->duration > 0)
            add_recovery(strings, ret_spec, step);
    }
    /* Equal times keep the order of writing: the marks tell it. */
    qsort(ret_spec->steps, ret_spec->n_steps, sizeof *ret_spec->steps, compare_steps);
}

static void
read_captures(Diags *diags, Strings *strings, const DocNode *spec, ScenarioSpec *ret_spec)
{
    static const char *const known[] = {"at", "interface", "filter", NULL};
    const DocNode *seq = node_seq(diags, spec, "capture");
    ret_spec->captures = strings_alloc(strings, (seq ? seq->n : 0) * sizeof *ret_spec->captures);
    for (uint32_t i = 0; seq && i < seq->n; i++) {
        const DocNode *node = seq->items[i];
        if (!node_expect(diags, node, NODE_MAPPING) || !node_require(diags, node, "at"))
            continue;
        ret_spec->captures[ret_spec->n_captures++] = (CaptureSpec){
            .at = config_text(diags, strings, node, "at", ""),
            .interface = config_text(diags, strings, node, "interface", NULL),
            .filter = config_text(diags, strings, node, "filter", NULL),
            .mark = node_mark(node, "at"),
        };
        node_report_unused(diags, node, DIAG_ERROR, known);
    }
}

static int
compare_steps(const void *a, const void *b)
{
    const Step *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    if (x->mark.line != y->mark.line)
        return x->mark.line < y->mark.line ? -1 : 1;
    return x->mark.column < y->mark.column ? -1 : x->mark.column > y->mark.column;
}
