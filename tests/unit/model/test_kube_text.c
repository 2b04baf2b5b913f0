/* Ages, columns, selectors: the small rules by which kubectl writes */

#include "model/report/kube_selector.h"
#include "model/report/kube_status.h"
#include "model/report/tab_align.h"
#include "tests/unit/test.h"

/* Pairs of duration.HumanDuration's own documentation and borders. */
static void
test_ages(void)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{0, "0s"},       {119, "119s"},    {120, "2m"},       {599, "9m59s"}, {600, "10m"},
                 {10799, "179m"}, {10800, "3h"},    {28799, "7h59m"},  {28800, "8h"},  {172799, "47h"},
                 {172800, "2d"},  {176400, "2d1h"}, {691199, "7d23h"}, {691200, "8d"}, {-5, "<invalid>"}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) out = g_string_new(NULL);
        kube_append_age(out, cases[i].seconds * SIMTIME_SEC);
        T_EQ_STR(out->str, cases[i].text);
    }
}

static void
test_columns(void)
{
    g_autoptr(GString) out = g_string_new(NULL);

    tab_align(out, "NAME\tX\tAGE\nlong-name\t\t5s\nno tab\né\tb\n", TAB_GET_MIN, TAB_GET_PADDING);
    T_EQ_STR(out->str, "NAME        X     AGE\nlong-name         5s\nno tab\né     b\n");
}

static void
test_selectors(void)
{
    Label items[] = {{"app", "web"}, {"env", "prod"}};
    Labels labels = {items, 2};
    static const struct {
        const char *text;
        bool match;
    } cases[] = {{"app=web", true},
                 {"app==web,env=prod", true},
                 {"app!=web", false},
                 {"tier!=db", true},
                 {"app", true},
                 {"!app", false},
                 {"!tier", true},
                 {"env in (dev, prod)", true},
                 {"env notin (dev,prod)", false},
                 {"tier notin (x)", true},
                 {"app=web,env in (dev)", false}};
    static const char *const bad[] = {"", "app=web,", "a in b", "a=b=c", "(x)"};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *error = NULL;
        KubeSelector *selector = kube_selector_new(cases[i].text, &error);
        T_TRUE(selector != NULL);
        if (selector)
            test_check(kube_selector_match(selector, &labels) == cases[i].match, __LINE__, __FILE__, __func__, "%s",
                       cases[i].text);
        kube_selector_free(selector);
        g_free(error);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        char *error = NULL;
        test_check(kube_selector_new(bad[i], &error) == NULL && error, __LINE__, __FILE__, __func__, "%s", bad[i]);
        g_free(error);
    }
}

extern const TestSuite suite_kube_text;
const TestSuite suite_kube_text = {
    "model/kube_text",
    {{"ages are HumanDuration's", test_ages},
     {"columns are text/tabwriter's", test_columns},
     {"selectors match as kubectl's", test_selectors}},
};
