#include "model/report/run_report.h"

#include <string.h>

#include "model/report/flow_json.h"
#include "model/report/story_flow.h"
#include "model/report/text_layout.h"

/* The story's left margin and right end. */
#define STORY_INDENT 12

typedef struct {
    uint32_t flows, by_outcome[FLOW_UNRESOLVED + 1];
} Summary;

static Summary
summarize(const ScenarioRun *run)
{
    Summary s = {0};
    size_t n;
    Flow *const *flows = flow_book_flows(scenario_run_flows(run), &n);

    s.flows = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        s.by_outcome[flows[i]->outcome]++;
    return s;
}

uint32_t
run_report_failures(ScenarioRun *run)
{
    size_t n;
    const ExpectResult *results = scenario_run_expectations(run, &n);
    uint32_t failures = 0;

    for (size_t i = 0; i < n; i++)
        failures += !results[i].ok;
    return failures;
}

/* --- JSON
 * -------------------------------------------------------------------------------------------------------------------
 */

static void
json_flows(JsonOut *json, const ScenarioRun *run)
{
    size_t n;
    Flow *const *flows = flow_book_flows(scenario_run_flows(run), &n);

    json_key(json, "flows");
    json_array(json);
    for (size_t i = 0; i < n; i++) {
        json_object(json);
        flow_json_members(json, flows[i]);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_loads(JsonOut *json, ScenarioRun *run)
{
    size_t n;
    const LoadResult *loads = scenario_run_loads(run, &n);

    json_key(json, "loads");
    json_array(json);
    for (size_t i = 0; i < n; i++) {
        json_object(json);
        json_kv_str(json, "name", loads[i].name);
        json_kv_int(json, "tried", loads[i].tried);
        json_kv_int(json, "connected", loads[i].connected);
        json_kv_int(json, "refused", loads[i].refused);
        json_kv_int(json, "timedOut", loads[i].timed_out);
        json_kv_int(json, "reset", loads[i].reset);
        json_kv_int(json, "unresolved", loads[i].unresolved);
        json_kv_int(json, "lost", loads[i].refused + loads[i].timed_out + loads[i].reset + loads[i].unresolved);
        json_kv_int(json, "requests", loads[i].requests);
        json_kv_int(json, "retransmits", loads[i].retransmits);
        json_kv_num(json, "connectMsP50", (double)loads[i].p50 / SIMTIME_MSEC);
        json_kv_num(json, "connectMsP90", (double)loads[i].p90 / SIMTIME_MSEC);
        json_kv_num(json, "connectMsP99", (double)loads[i].p99 / SIMTIME_MSEC);
        json_kv_num(json, "connectMsMax", (double)loads[i].max / SIMTIME_MSEC);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_story(JsonOut *json, const ScenarioRun *run)
{
    size_t n;
    const StoryLine *story = scenario_run_story(run, &n);

    json_key(json, "events");
    json_array(json);
    for (size_t i = 0; i < n; i++) {
        json_object(json);
        json_kv_num(json, "at", (double)story[i].at / SIMTIME_SEC);
        json_kv_str(json, "text", story[i].text);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_expectations(JsonOut *json, ScenarioRun *run)
{
    size_t n;
    const ExpectResult *results = scenario_run_expectations(run, &n);

    json_key(json, "expectations");
    json_array(json);
    for (size_t i = 0; i < n; i++) {
        json_object(json);
        json_kv_str(json, "text", results[i].text);
        json_kv_bool(json, "ok", results[i].ok);
        if (!results[i].ok)
            json_kv_str(json, "why", results[i].why);
        json_object_end(json);
    }
    json_array_end(json);
}

static void
json_summary(JsonOut *json, const ScenarioRun *run)
{
    Summary s = summarize(run);

    json_key(json, "summary");
    json_object(json);
    json_kv_int(json, "flows", s.flows);
    json_kv_int(json, "connected", s.by_outcome[FLOW_CONNECTED]);
    json_kv_int(json, "refused", s.by_outcome[FLOW_REFUSED]);
    json_kv_int(json, "timedOut", s.by_outcome[FLOW_TIMEOUT]);
    json_kv_int(json, "reset", s.by_outcome[FLOW_RESET]);
    json_kv_int(json, "unresolved", s.by_outcome[FLOW_UNRESOLVED]);
    if (s.by_outcome[FLOW_PENDING] > 0)
        json_kv_int(json, "pending", s.by_outcome[FLOW_PENDING]);
    json_object_end(json);
}

void
run_report_json(GString *out, ScenarioRun *run, const ScenarioSpec *spec, uint64_t seed,
                const RunReportOptions *options)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    if (spec->name)
        json_kv_str(&json, "scenario", spec->name);
    json_key(&json, "seed");
    json_uint(&json, seed);
    if (options->interrupted)
        json_kv_bool(&json, "interrupted", true);
    json_flows(&json, run);
    json_loads(&json, run);
    json_story(&json, run);
    json_expectations(&json, run);
    json_summary(&json, run);
    json_object_end(&json);
    json_out_done(&json);
}

void
run_report_flows_json(GString *out, ScenarioRun *run)
{
    JsonOut json = json_out(out, true);

    json_object(&json);
    json_flows(&json, run);
    json_summary(&json, run);
    json_object_end(&json);
    json_out_done(&json);
}

/* --- Text
 * -------------------------------------------------------------------------------------------------------------------
 */

static char *
dash(char *text)
{
    return text ? text : g_strdup("-");
}

/* Where it was rewritten: the story says to what. */
static char *
rewrite_cell(const FlowRewrite *list, uint32_t n)
{
    g_autoptr(GString) cell = g_string_new(NULL);

    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || strcmp(list[i].host, list[i - 1].host) != 0)
            g_string_append_printf(cell, "%s%s", i ? ", " : "", list[i].host);
    return cell->len ? g_strdup(cell->str) : NULL;
}

static char **
flow_row(const Flow *flow)
{
    char **row = g_new0(char *, 8);
    char source[IPADDR_STR_SIZE];

    row[0] = g_strdup(flow->name);
    row[1] = dash(g_strdup(flow->dialed));
    row[2] = flow->reason && flow->outcome != FLOW_TIMEOUT
                 ? g_strdup_printf("%s (%s)", flow_outcome_name(flow->outcome), flow->reason)
                 : g_strdup(flow_outcome_name(flow->outcome));
    row[3] = dash(g_strdup(flow->has_server ? (flow->server_pod ? flow->server_pod : flow->server_node) : NULL));
    row[4] = dash(flow->has_server ? g_strdup(ipaddr_format(flow->source_seen, source)) : NULL);
    row[5] = dash(rewrite_cell(flow->dnat, flow->n_dnat));
    row[6] = dash(rewrite_cell(flow->snat, flow->n_snat));
    return row;
}

/* Flows of loads are summed up, not listed. */
static void
text_flows(GString *out, const ScenarioRun *run)
{
    static const char *const header[] = {"FLOW",        "DIALED",  "OUTCOME", "SERVER",
                                         "SOURCE SEEN", "DNAT ON", "SNAT ON", NULL};
    size_t n;
    Flow *const *flows = flow_book_flows(scenario_run_flows(run), &n);
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);

    for (size_t i = 0; i < n; i++)
        if (!flows[i]->group)
            g_ptr_array_add(rows, flow_row(flows[i]));
    if (rows->len == 0)
        return;
    g_string_append(out, "\nFLOWS\n");
    text_table(out, header, (char *const *const *)rows->pdata, rows->len);
}

static void
text_loads(GString *out, ScenarioRun *run)
{
    static const char *const header[] = {"LOAD",  "TRIED",    "CONNECTED", "REFUSED", "TIMED OUT",
                                         "RESET", "REQUESTS", "P50 MS",    "P99 MS",  NULL};
    size_t n;
    const LoadResult *loads = scenario_run_loads(run, &n);
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);

    for (size_t i = 0; i < n; i++) {
        char **row = g_new0(char *, 10);
        row[0] = g_strdup(loads[i].name);
        row[1] = g_strdup_printf("%u", loads[i].tried);
        row[2] = g_strdup_printf("%u", loads[i].connected);
        row[3] = g_strdup_printf("%u", loads[i].refused);
        row[4] = g_strdup_printf("%u", loads[i].timed_out);
        row[5] = g_strdup_printf("%u", loads[i].reset);
        row[6] = g_strdup_printf("%u", loads[i].requests);
        row[7] = g_strdup_printf("%.1f", (double)loads[i].p50 / SIMTIME_MSEC);
        row[8] = g_strdup_printf("%.1f", (double)loads[i].p99 / SIMTIME_MSEC);
        g_ptr_array_add(rows, row);
    }
    if (rows->len == 0)
        return;
    g_string_append(out, "\nLOADS\n");
    text_table(out, header, (char *const *const *)rows->pdata, rows->len);
}

/* One paragraph of the story; 'order' breaks ties of time. */
typedef struct {
    SimTime at;
    size_t order;
    char *title, *text; /* title: NULL for events. */
} Paragraph;

static int
compare_paragraphs(gconstpointer a, gconstpointer b, gpointer unused)
{
    const Paragraph *x = a, *y = b;

    (void)unused;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static void
paragraph_clear(gpointer data)
{
    Paragraph *paragraph = data;

    g_free(paragraph->title);
    g_free(paragraph->text);
}

static void
add_paragraph(GArray *story, SimTime at, const char *title, char *text)
{
    Paragraph paragraph = {at, story->len, g_strdup(title), text};

    g_array_append_val(story, paragraph);
}

/* Flows that are told together: those of a load, and a step's repetitions "name#1", "name#2", ... */
static char *
story_title(const Flow *flow)
{
    const char *hash = strchr(flow->name, '#');
    const char *rest = hash;

    if (flow->group || !hash)
        return g_strdup(flow->group ? flow->group : flow->name);
    while (g_ascii_isdigit(*++rest))
        ;
    return g_strdup_printf("%.*s%s", (int)(hash - flow->name), flow->name, rest);
}

static void
collect_flows(const ScenarioRun *run, GArray *story)
{
    size_t n;
    Flow *const *flows = flow_book_flows(scenario_run_flows(run), &n);
    g_autoptr(GHashTable) together = g_hash_table_new(g_str_hash, g_str_equal); /* Title -> flows. */
    g_autoptr(GPtrArray) titles = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *title = story_title(flows[i]);
        GPtrArray *set = g_hash_table_lookup(together, title);
        if (!set) {
            set = g_ptr_array_new();
            g_ptr_array_add(sets, set);
            g_ptr_array_add(titles, g_steal_pointer(&title));
            g_hash_table_insert(together, g_ptr_array_index(titles, titles->len - 1), set);
        }
        g_ptr_array_add(set, flows[i]);
    }
    for (guint i = 0; i < sets->len; i++) {
        const GPtrArray *set = g_ptr_array_index(sets, i);
        const Flow *first = g_ptr_array_index(set, 0);
        GString *text = g_string_new(NULL);
        if (set->len == 1)
            story_flow(text, scenario_run_cluster(run), first);
        else
            story_flows(text, scenario_run_cluster(run), (const Flow *const *)set->pdata, set->len);
        add_paragraph(story, first->start, g_ptr_array_index(titles, i), g_string_free(text, FALSE));
    }
}

static GArray *
collect_story(const ScenarioRun *run)
{
    GArray *story = g_array_new(FALSE, FALSE, sizeof(Paragraph));
    size_t n;
    const StoryLine *lines = scenario_run_story(run, &n);

    g_array_set_clear_func(story, paragraph_clear);
    for (size_t i = 0; i < n; i++)
        add_paragraph(story, lines[i].at, NULL, g_strdup(lines[i].text));
    collect_flows(run, story);
    g_array_sort_with_data(story, compare_paragraphs, NULL);
    return story;
}

static void
text_story(GString *out, const ScenarioRun *run)
{
    g_autoptr(GArray) story = collect_story(run);

    if (story->len == 0)
        return;
    g_string_append(out, "WHAT HAPPENED\n");
    for (guint i = 0; i < story->len; i++) {
        const Paragraph *p = &g_array_index(story, Paragraph, i);
        g_string_append_printf(out, "%9.3fs  ", (double)p->at / SIMTIME_SEC);
        if (p->title)
            g_string_append_printf(out, "%s\n%*s", p->title, STORY_INDENT, "");
        text_wrap(out, STORY_INDENT, STORY_INDENT, p->text);
    }
}

static void
text_expectations(GString *out, ScenarioRun *run)
{
    size_t n;
    const ExpectResult *results = scenario_run_expectations(run, &n);

    if (n == 0)
        return;
    g_string_append(out, "\nEXPECTATIONS\n");
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(out, "    %s  %s\n", results[i].ok ? "ok    " : "FAILED", results[i].text);
        if (!results[i].ok) {
            g_string_append_printf(out, "%*s", STORY_INDENT, "");
            text_wrap(out, STORY_INDENT, STORY_INDENT, results[i].why);
        }
    }
}

static void
text_summary(GString *out, ScenarioRun *run, uint64_t seed, const RunReportOptions *options)
{
    Summary s = summarize(run);
    size_t n;
    uint32_t failed = run_report_failures(run);

    scenario_run_expectations(run, &n);
    g_string_append_printf(out, "\n%u flows: %u connected, %u refused, %u timed out, %u reset, %u unresolved", s.flows,
                           s.by_outcome[FLOW_CONNECTED], s.by_outcome[FLOW_REFUSED], s.by_outcome[FLOW_TIMEOUT],
                           s.by_outcome[FLOW_RESET], s.by_outcome[FLOW_UNRESOLVED]);
    if (s.by_outcome[FLOW_PENDING] > 0)
        g_string_append_printf(out, ", %u still under way", s.by_outcome[FLOW_PENDING]);
    if (n > 0)
        g_string_append_printf(out, "; %zu of %zu expectations met", n - failed, n);
    g_string_append_printf(out, " (seed %" G_GUINT64_FORMAT ")\n", seed);
    if (options->interrupted)
        g_string_append(out, "Interrupted: these are partial results.\n");
    if (options->out_dir)
        g_string_append_printf(
            out, "Every packet, with the rule behind each rewrite: %s/trace.pcapng (open it in Wireshark)\n",
            options->out_dir);
}

void
run_report_text(GString *out, ScenarioRun *run, const ScenarioSpec *spec, uint64_t seed,
                const RunReportOptions *options)
{
    if (spec->name)
        g_string_append_printf(out, "%s%s%s\n\n", spec->name, spec->description ? ": " : "",
                               spec->description ? spec->description : "");
    text_story(out, run);
    text_flows(out, run);
    text_loads(out, run);
    text_expectations(out, run);
    text_summary(out, run, seed, options);
}
