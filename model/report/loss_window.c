#include "model/report/loss_private.h"

#include "sim/engine/vec.h"

#include <string.h>

/* Losses of one cause that are further apart than this are two windows. */
#define LONGEST_PAUSE (30 * SIMTIME_SEC)

typedef VEC(LossGroup) GroupList;

bool
flow_is_lost(const Flow *flow)
{
    return flow->outcome != FLOW_CONNECTED && flow->outcome != FLOW_PENDING;
}

static void
group_clear(LossGroup *g)
{
    g_free(g->key);
    g_free(g->entry);
}

void
loss_note_entry(LossGroup *g, const char *node)
{
    for (uint32_t i = 0; i < g->n_entry; i++)
        if (strcmp(g->entry[i], node) == 0)
            return;
    g->entry = g_realloc_n(g->entry, g->n_entry + 1, sizeof *g->entry);
    g->entry[g->n_entry++] = node;
}

static void
add_loss(const LossWorld *w, GroupList *list, const Flow *flow)
{
    LossGroup g = loss_group_of(w, flow), *same = NULL;

    for (size_t i = 0; i < list->len && !same; i++)
        if (strcmp(list->data[i].key, g.key) == 0 && g.window.start - list->data[i].window.end <= LONGEST_PAUSE)
            same = &list->data[i];
    if (same) {
        same->window.end = loss_time(flow);
        same->window.lost++;
        same->window.timed_out += g.window.timed_out;
        same->window.refused += g.window.refused;
        same->window.reset += g.window.reset;
        same->reasons |= g.reasons;
        for (uint32_t i = 0; i < g.n_entry; i++)
            loss_note_entry(same, g.entry[i]);
        g_free(g.window.where);
        g_free(g.window.cause);
        group_clear(&g);
    } else {
        g.first_reasons = g.reasons;
        vec_push(list, g);
    }
}

/* What else became of packets to the pod than what became of the first. */
static void
tell_other_reasons(GroupList *list)
{
    for (size_t i = 0; i < list->len; i++) {
        LossGroup *g = &list->data[i];
        for (int reason = 0; g->kind == LOSS_POD && !g->down && reason < DROP_N_REASONS; reason++) {
            if (!((g->reasons & ~g->first_reasons) >> reason & 1))
                continue;
            char *cause = g_strdup_printf("%s; or: %s", g->window.cause, drop_reason_sentence((DropReason)reason));
            g_free(g->window.cause);
            g->window.cause = cause;
        }
    }
}

/* The last pod of a node goes: its listener first, then the rules.  For whoever waits that is one window. */
static void
merge_phases(GroupList *list)
{
    for (size_t i = 0; i < list->len; i++) {
        LossGroup *pod = &list->data[i], *rule = NULL;
        if (pod->kind != LOSS_POD || pod->n_entry != 1)
            continue;
        for (size_t j = 0; j < list->len && !rule; j++) {
            LossGroup *g = &list->data[j];
            if (g->kind == LOSS_RULE && !g->late && g->node && strcmp(g->node, pod->entry[0]) == 0 &&
                g->window.start >= pod->window.start && g->window.start - pod->window.end <= 2 * SIMTIME_SEC)
                rule = g;
        }
        if (!rule)
            continue;
        char *cause = g_strdup_printf("%s; from %.3f s on %s", pod->window.cause,
                                      (double)rule->window.start / SIMTIME_SEC, rule->window.cause);
        g_free(rule->window.cause);
        g_free(pod->window.cause);
        g_free(pod->window.where);
        rule->window.cause = cause;
        rule->window.start = pod->window.start;
        rule->window.lost += pod->window.lost;
        rule->window.timed_out += pod->window.timed_out;
        rule->window.refused += pod->window.refused;
        rule->window.reset += pod->window.reset;
        group_clear(pod);
        memmove(pod, pod + 1, (list->len - i - 1) * sizeof *pod);
        list->len--;
        i--;
    }
}

static int
compare_starts(gconstpointer a, gconstpointer b, gpointer unused)
{
    const LossGroup *x = a, *y = b;

    (void)unused;
    if (x->window.start != y->window.start)
        return x->window.start < y->window.start ? -1 : 1;
    return strcmp(x->key, y->key);
}

static int
compare_loss_times(gconstpointer a, gconstpointer b, gpointer unused)
{
    const Flow *x = *(const Flow *const *)a, *y = *(const Flow *const *)b;
    SimTime x_at = loss_time(x), y_at = loss_time(y);

    (void)unused;
    return x_at != y_at ? (x_at > y_at) - (x_at < y_at) : strcmp(x->name, y->name);
}

LossWindow *
loss_windows(Cluster *cluster, const Cloud *cloud, Flow *const *flows, size_t n_flows, uint32_t *ret_n)
{
    const LossWorld w = {cluster, cloud, flows, n_flows};
    VEC(const Flow *) lost = {0};
    GroupList list = {0};
    LossWindow *windows;

    for (size_t i = 0; i < n_flows; i++)
        if (flow_is_lost(flows[i]))
            vec_push(&lost, flows[i]);
    if (lost.len > 0)
        g_qsort_with_data(lost.data, (gint)lost.len, sizeof(Flow *), compare_loss_times, NULL);
    for (size_t i = 0; i < lost.len; i++)
        add_loss(&w, &list, lost.data[i]);
    vec_clear(&lost);
    tell_other_reasons(&list);
    merge_phases(&list);
    if (list.len > 0)
        g_qsort_with_data(list.data, (gint)list.len, sizeof(LossGroup), compare_starts, NULL);
    windows = g_new0(LossWindow, list.len + 1);
    for (size_t i = 0; i < list.len; i++) {
        loss_find_closer(&w, &list.data[i]);
        windows[i] = list.data[i].window;
        group_clear(&list.data[i]);
    }
    *ret_n = (uint32_t)list.len;
    vec_clear(&list);
    return windows;
}

void
loss_windows_free(LossWindow *windows, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        g_free(windows[i].where);
        g_free(windows[i].cause);
        g_free(windows[i].clock);
        g_free(windows[i].fix);
    }
    g_free(windows);
}
