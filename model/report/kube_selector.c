#include "model/report/kube_selector.h"

#include <string.h>

typedef struct {
    char *key;
    bool negated;  /* !=, notin, !key. */
    char **values; /* NULL: the key alone counts. */
} Requirement;

struct KubeSelector {
    GArray *requirements;
};

static void
requirement_clear(gpointer data)
{
    Requirement *r = data;

    g_free(r->key);
    g_strfreev(r->values);
}

/* Splits at commas that stand in no parentheses. */
static char **
split_terms(const char *text)
{
    GStrvBuilder *builder = g_strv_builder_new();
    g_autoptr(GString) term = g_string_new(NULL);
    char **terms;
    int depth = 0;

    for (const char *c = text;; c++) {
        if (!*c || (*c == ',' && depth == 0)) {
            g_strv_builder_add(builder, g_strstrip(term->str));
            g_string_truncate(term, 0);
            if (!*c)
                break;
            continue;
        }
        depth += (*c == '(') - (*c == ')');
        g_string_append_c(term, *c);
    }
    terms = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return terms;
}

static char **
strip_all(char **values)
{
    for (char **v = values; *v; v++)
        g_strstrip(*v);
    return values;
}

static bool
parse_set(const char *term, Requirement *r)
{
    g_autoptr(GRegex) regex = g_regex_new("^(\\S+)\\s+(in|notin)\\s*\\(([^()]*)\\)$", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *op = NULL, *values = NULL;

    if (!g_regex_match(regex, term, 0, &match))
        return false;
    op = g_match_info_fetch(match, 2);
    values = g_match_info_fetch(match, 3);
    *r = (Requirement){.key = g_match_info_fetch(match, 1),
                       .negated = strcmp(op, "notin") == 0,
                       .values = strip_all(g_strsplit(values, ",", -1))};
    return true;
}

static bool
parse_term(const char *term, Requirement *r)
{
    const char *equals = strchr(term, '=');
    gsize key_len;

    if (parse_set(term, r))
        return true;
    if (!equals) {
        bool negated = term[0] == '!';
        *r = (Requirement){.key = g_strdup(term + negated), .negated = negated};
        return *r->key && !strpbrk(r->key, " ()!");
    }
    key_len = (gsize)(equals - term);
    *r = (Requirement){.negated = key_len > 0 && term[key_len - 1] == '!'};
    r->key = g_strstrip(g_strndup(term, key_len - r->negated));
    r->values = g_new0(char *, 2);
    r->values[0] = g_strstrip(g_strdup(equals[1] == '=' && !r->negated ? equals + 2 : equals + 1));
    return *r->key && !strpbrk(r->key, " ()!") && !strpbrk(r->values[0], " ()=!");
}

KubeSelector *
kube_selector_new(const char *text, char **ret_error)
{
    KubeSelector *selector = g_new(KubeSelector, 1);
    g_auto(GStrv) terms = split_terms(text);

    selector->requirements = g_array_new(FALSE, TRUE, sizeof(Requirement));
    g_array_set_clear_func(selector->requirements, requirement_clear);
    for (char **term = terms; *term; term++) {
        Requirement r = {0};
        bool ok = parse_term(*term, &r);
        g_array_append_val(selector->requirements, r);
        if (ok)
            continue;
        *ret_error = g_strdup_printf("cannot read \"%s\" in the selector \"%s\"", *term, text);
        kube_selector_free(selector);
        return NULL;
    }
    return selector;
}

void
kube_selector_free(KubeSelector *selector)
{
    if (!selector)
        return;
    g_array_unref(selector->requirements);
    g_free(selector);
}

bool
kube_selector_match(const KubeSelector *selector, const Labels *labels)
{
    for (guint i = 0; i < selector->requirements->len; i++) {
        const Requirement *r = &g_array_index(selector->requirements, Requirement, i);
        const char *value = labels_get(labels, r->key);
        bool found = value && (!r->values || g_strv_contains((const char *const *)r->values, value));
        if (found == r->negated)
            return false;
    }
    return true;
}
