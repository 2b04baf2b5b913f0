/* whatif's columns as JSON */

#include "model/report/json_out.h"
#include "model/report/whatif_private.h"

static void
json_windows(JsonOut *json, const Measures *m)
{
    json_key(json, "lossWindows");
    json_array(json);
    for (uint32_t i = 0; i < m->n_windows; i++) {
        const LossWindow *w = &m->windows[i];
        json_object(json);
        json_kv_num(json, "start", (double)w->start / SIMTIME_SEC);
        json_kv_num(json, "end", (double)w->end / SIMTIME_SEC);
        json_key(json, "closed");
        if (w->closed < 0)
            json_null(json);
        else
            json_num(json, (double)w->closed / SIMTIME_SEC);
        json_kv_int(json, "lost", w->lost);
        json_kv_int(json, "timedOut", w->timed_out);
        json_kv_int(json, "refused", w->refused);
        json_kv_int(json, "reset", w->reset);
        json_kv_str(json, "where", w->where);
        json_kv_str(json, "cause", w->cause);
        json_kv_str(json, "clock", w->clock);
        json_kv_str(json, "fix", w->fix);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_zones(JsonOut *json, const Measures *m)
{
    json_key(json, "zoneBytes");
    json_array(json);
    for (uint32_t i = 0; i < m->n_zone_bytes; i++) {
        json_object(json);
        json_kv_str(json, "from", m->zone_bytes[i].from);
        json_kv_str(json, "to", m->zone_bytes[i].to);
        json_kv_int(json, "bytes", (int64_t)m->zone_bytes[i].bytes);
        json_kv_int(json, "packets", (int64_t)m->zone_bytes[i].packets);
        json_object_end(json);
    }
    json_array_end(json);
    json_key(json, "crossZoneBytesTo");
    json_object(json);
    for (uint32_t i = 0; i < m->n_destination_bytes; i++)
        json_kv_int(json, m->destination_bytes[i].to, (int64_t)m->destination_bytes[i].bytes);
    json_object_end(json);
}

static void
json_details(JsonOut *json, const Measures *m)
{
    json_key(json, "lostBy");
    json_object(json);
    for (uint32_t i = 0; i < m->n_reasons; i++)
        json_kv_int(json, m->reasons[i].reason, m->reasons[i].n);
    json_object_end(json);
    json_windows(json, m);
    json_key(json, "targetHealth");
    json_array(json);
    for (uint32_t i = 0; i < m->n_health; i++) {
        json_object(json);
        json_kv_num(json, "at", (double)m->health[i].at / SIMTIME_SEC);
        json_kv_str(json, "loadBalancer", m->health[i].lb);
        json_kv_str(json, "target", m->health[i].target);
        json_kv_str(json, "state", lb_target_state_name(m->health[i].state));
        json_kv_str(json, "cause", m->health[i].cause);
        json_object_end(json);
    }
    json_array_end(json);
    json_zones(json, m);
    json_key(json, "pods");
    json_array(json);
    for (uint32_t i = 0; i < m->n_pods; i++) {
        json_object(json);
        json_kv_str(json, "pod", m->pods[i].pod);
        json_kv_int(json, "connections", m->pods[i].connections);
        json_kv_int(json, "requests", m->pods[i].requests);
        if (m->pods[i].expected >= 0)
            json_kv_num(json, "expectedShare", m->pods[i].expected);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_change(const FlowDigest *before, const FlowDigest *after, void *user)
{
    JsonOut *json = user;
    g_autofree char *was = whatif_digest_text(before, true);
    g_autofree char *is = whatif_digest_text(after, true);

    json_object(json);
    json_kv_str(json, "flow", before->name);
    json_kv_str(json, "before", was);
    json_kv_str(json, "after", is);
    json_object_end(json);
}

static void
json_column(JsonOut *json, const WhatifColumn *base, const WhatifColumn *column)
{
    const Measures *m = column->runs[0].measures;

    json_object(json);
    json_kv_str(json, "name", column->variant->name);
    for (size_t i = 0; i < column->n_runs; i++)
        if (column->runs[i].interrupted) {
            json_kv_bool(json, "interrupted", true);
            break;
        }
    if (!m) {
        json_kv_str(json, "error", column->runs[0].error);
        json_object_end(json);
        return;
    }
    for (size_t f = 0; f < whatif_n_figures; f++) {
        Estimate e = whatif_estimate(column, &whatif_figures[f]);
        json_kv_num(json, whatif_figures[f].key, e.mean);
        if (column->n_runs > 1) {
            g_autofree char *key = g_strconcat(whatif_figures[f].key, "CI95", NULL);
            json_kv_num(json, key, e.half_width);
        }
    }
    json_details(json, m);
    if (base != column && base->runs[0].measures) {
        json_key(json, "changed");
        json_array(json);
        whatif_each_change(base->runs[0].measures, m, json_change, json);
        json_array_end(json);
    }
    json_object_end(json);
}

void
whatif_print_json(GString *out, const WhatifColumn *columns, size_t n)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    json_key(&json, "variants");
    json_array(&json);
    for (size_t c = 0; c < n; c++)
        json_column(&json, &columns[0], &columns[c]);
    json_array_end(&json);
    json_object_end(&json);
    json_out_done(&json);
}
