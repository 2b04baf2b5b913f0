#include "model/report/mode_diff.h"

#include <math.h>
#include <string.h>

#include "model/report/matrix_text.h"

/* Draws of 31 and of 32 bits differ by less. */
#define SAME_PROBABILITY 1e-6

/* --- What is different
 * ---------------------------------------------------------------------------------------------------- */

static bool
outcome_equal(const MatrixOutcome *x, const MatrixOutcome *y)
{
    return x->outcome == y->outcome && g_strcmp0(x->reason, y->reason) == 0 &&
           g_strcmp0(x->server_addr, y->server_addr) == 0 && x->source == y->source &&
           (x->source == SOURCE_NONE || ipaddr_eq(x->source_addr, y->source_addr)) && strcmp(x->nodes, y->nodes) == 0 &&
           fabs(x->probability - y->probability) < SAME_PROBABILITY;
}

static bool
cell_equal(const MatrixCell *x, const MatrixCell *y)
{
    if (x->n_outcomes != y->n_outcomes)
        return false;
    for (uint32_t i = 0; i < x->n_outcomes; i++)
        if (!outcome_equal(&x->outcomes[i], &y->outcomes[i]))
            return false;
    return true;
}

/* The first outcome that the other side has not. */
static const MatrixOutcome *
telling_outcome(const MatrixCell *cell, const MatrixCell *other)
{
    for (uint32_t i = 0; i < cell->n_outcomes; i++) {
        bool found = false;
        for (uint32_t j = 0; j < other->n_outcomes && !found; j++)
            found = outcome_equal(&cell->outcomes[i], &other->outcomes[j]);
        if (!found)
            return &cell->outcomes[i];
    }
    return cell->n_outcomes > 0 ? &cell->outcomes[0] : NULL;
}

/* The rule that makes the difference on this side: that of the masquerade where only the source differs. */
static const MatrixRule *
telling_rule(const MatrixCell *cell, const MatrixCell *other)
{
    static const MatrixRule not_asked = {NULL, (char *)"not asked here"};
    static const MatrixRule no_masquerade = {NULL, (char *)"no rule masquerades it"};
    const MatrixOutcome *mine = telling_outcome(cell, other), *theirs = telling_outcome(other, cell);

    if (!mine)
        return &not_asked;
    if (!theirs || mine->outcome != theirs->outcome || g_strcmp0(mine->server_addr, theirs->server_addr) != 0 ||
        mine->source == theirs->source)
        return &mine->rule;
    return mine->masquerade.text ? &mine->masquerade : &no_masquerade;
}

/* --- Text
 * ----------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const MatrixTable *a, *b;
    uint32_t door;
    const DiffSide *sides[2];
} Pair;

static void
describe_side(GString *out, const Pair *p, int side, uint32_t client)
{
    const MatrixTable *mine = side ? p->b : p->a, *other = side ? p->a : p->b;
    const MatrixCell *cell = matrix_cell(mine, p->door, client);
    g_autoptr(GString) text = g_string_new(NULL);

    matrix_describe_cell(text, mine, p->door, client, 6);
    g_string_append_printf(out, "    %s\n%s      because ", p->sides[side]->name, text->str);
    matrix_describe_rule(out, mine, p->door, client, telling_rule(cell, matrix_cell(other, p->door, client)));
    g_string_append_c(out, '\n');
}

static char *
describe_pair(const Pair *p, uint32_t client)
{
    GString *out = g_string_new(NULL);

    describe_side(out, p, 0, client);
    describe_side(out, p, 1, client);
    return g_string_free(out, FALSE);
}

/* Clients of which the same is to be said are named together. */
static uint32_t
print_door(GString *out, const Pair *p)
{
    const MatrixTable *t = p->a;
    g_autofree char **texts = g_new0(char *, t->n_clients + 1);
    g_autofree uint32_t *same = g_new(uint32_t, t->n_clients + 1);
    uint32_t n_different = 0;

    for (uint32_t c = 0; c < t->n_clients; c++) {
        if (cell_equal(matrix_cell(p->a, p->door, c), matrix_cell(p->b, p->door, c)))
            continue;
        texts[c] = describe_pair(p, c);
        n_different++;
    }
    if (n_different > 0)
        g_string_append_printf(out, "Service %s/%s, %s\n", t->service->meta.ns, t->service->meta.name,
                               t->doors[p->door].name);
    for (uint32_t c = 0; c < t->n_clients; c++) {
        uint32_t n = 0;
        g_autofree char *names = NULL, *text = texts[c];
        if (!text)
            continue;
        for (uint32_t i = c; i < t->n_clients; i++)
            if (texts[i] && strcmp(texts[i], text) == 0) {
                same[n++] = i;
                if (i > c)
                    g_free(texts[i]);
                texts[i] = NULL;
            }
        names = matrix_join_clients(t, same, n);
        g_string_append_printf(out, "  from %s\n%s", names, text);
    }
    return n_different;
}

uint32_t
mode_diff_print_text(GString *out, const DiffSide *a, const DiffSide *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < MIN(a->matrix->n_tables, b->matrix->n_tables); i++) {
        Pair p = {.a = a->matrix->tables[i], .b = b->matrix->tables[i], .sides = {a, b}};
        for (p.door = 0; p.door < p.a->n_doors; p.door++)
            n += print_door(out, &p);
    }
    if (n == 0)
        g_string_append_printf(out, "no difference between %s and %s for any client at any door\n", a->name, b->name);
    else
        g_string_append_printf(out, "\n%u pair%s of client and door end%s differently with %s and %s\n", n,
                               n == 1 ? "" : "s", n == 1 ? "s" : "", a->name, b->name);
    return n;
}

/* --- JSON
 * ----------------------------------------------------------------------------------------------------------------- */

static void
json_side(JsonOut *json, const DiffSide *side, const MatrixCell *cell, const MatrixCell *other)
{
    const MatrixRule *rule = telling_rule(cell, other);

    json_object(json);
    json_kv_str(json, "name", side->name);
    json_kv_str(json, "ruleHost", rule->host);
    json_kv_str(json, "rule", rule->text);
    matrix_json_outcomes(json, cell);
    json_object_end(json);
}

static void
json_pair(JsonOut *json, const Pair *p, uint32_t client)
{
    const MatrixTable *t = p->a;
    const MatrixDoor *door = &t->doors[p->door];
    const MatrixCell *x = matrix_cell(p->a, p->door, client), *y = matrix_cell(p->b, p->door, client);
    g_autofree char *service = g_strdup_printf("%s/%s", t->service->meta.ns, t->service->meta.name);

    json_object(json);
    json_kv_str(json, "service", service);
    json_kv_str(json, "client", t->clients[client].name);
    json_kv_str(json, "door", matrix_door_kind_name(door->kind));
    json_kv_str(json, "doorNode", door->node ? door->node->name : NULL);
    json_key(json, "dialed");
    json_ipport(json, door->addr, door->port);
    json_key(json, "sides");
    json_array(json);
    json_side(json, p->sides[0], x, y);
    json_side(json, p->sides[1], y, x);
    json_array_end(json);
    json_object_end(json);
}

uint32_t
mode_diff_print_json(GString *out, const DiffSide *a, const DiffSide *b)
{
    JsonOut json = json_out(out, true);
    uint32_t n = 0;

    json_object(&json);
    json_key(&json, "between");
    json_array(&json);
    json_str(&json, a->name);
    json_str(&json, b->name);
    json_array_end(&json);
    json_key(&json, "differences");
    json_array(&json);
    for (uint32_t i = 0; i < MIN(a->matrix->n_tables, b->matrix->n_tables); i++) {
        Pair p = {.a = a->matrix->tables[i], .b = b->matrix->tables[i], .sides = {a, b}};
        for (p.door = 0; p.door < p.a->n_doors; p.door++)
            for (uint32_t c = 0; c < p.a->n_clients; c++) {
                if (cell_equal(matrix_cell(p.a, p.door, c), matrix_cell(p.b, p.door, c)))
                    continue;
                json_pair(&json, &p, c);
                n++;
            }
    }
    json_array_end(&json);
    json_object_end(&json);
    json_out_done(&json);
    return n;
}
