/* What the files of facts/ share. */

#include <stdio.h>

#include "model/input/doc.h"
#include "tests/flow/flow.h"

void
flow_check(FlowRun *run, const char *name, bool ok, const char *format, ...)
{
    va_list args;

    if (ok) {
        run->passed++;
        return;
    }
    run->failed++;
    printf("FAIL %s: ", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

char *
flow_case_dir(const FlowRun *run, const char *name)
{
    return g_build_filename(run->root, "rules", name, NULL);
}

const char *
flow_text(const DocNode *map, const char *key)
{
    const DocNode *node = node_get(map, key);

    return node && node->kind == NODE_SCALAR ? node->text : "";
}

void
flow_facts(FlowRun *run, const char *name, void (*each)(FlowRun *run, const char *label, const DocNode *fact))
{
    g_autofree char *file = g_strconcat(name, ".json", NULL);
    g_autofree char *path = g_build_filename(run->root, "facts", file, NULL);
    Diags *diags = diags_new();
    DocReader *reader = doc_reader_open(diags, path);
    const DocNode *root = reader ? doc_reader_next(reader) : NULL;
    const DocNode *facts = root ? node_get(root, "facts") : NULL;

    if (!facts || facts->kind != NODE_SEQUENCE) {
        diags_print(diags, stdout, DIAG_ERROR);
        flow_check(run, name, false, "%s has no facts", path);
    }
    for (uint32_t i = 0; facts && facts->kind == NODE_SEQUENCE && i < facts->n; i++) {
        g_autofree char *label = g_strdup_printf("facts/%s/%u-%s", name, i, flow_text(facts->items[i], "mode"));
        if (flow_wants(run, label))
            each(run, label, facts->items[i]);
    }
    if (reader)
        doc_reader_free(reader);
    diags_free(diags);
}
