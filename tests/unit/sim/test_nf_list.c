#include "sim/netfilter/nf_text.h"

#include <string.h>

#include "tests/unit/test.h"

/* tests/conformance/list/DUMP.txt holds what iptables -L of iptables 1.8.9 printed after DUMP of
 * tests/conformance/dumps was loaded: sections that begin with "## TABLE OPTIONS". */

static bool
has_option(char **words, const char *option)
{
    return g_strv_contains((const char *const *)words, option);
}

/* Matches and targets that are not modelled print as they were read: lines that hold them are compared up to there. */
static bool
is_modelled(const char *line)
{
    static const char *const others[] = {
        "DSCP",         "TTL set", "MAC ",      "TIME ",  "STRING",       "u32",     "helper",
        "#conn",        "NFQUEUE", "connbytes", "NETMAP", "tcpmss match", "ctproto", "ctexpire",
        "policy match", "srcmask", "option=5",  "/8000",  "255.0.255.0",  "rt type", "ipv6header"};

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
        if (strstr(line, others[i]))
            return false;
    return true;
}

static void
check_section(const NfRuleset *rs, const char *section)
{
    const char *newline = strchr(section, '\n');
    g_autofree char *head = g_strndup(section, (gsize)(newline - section));
    g_auto(GStrv) words = g_strsplit(head, " ", -1);
    g_auto(GStrv) want = g_strsplit(newline + 1, "\n", -1);
    g_auto(GStrv) got = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    NfListOptions options = {.numeric = has_option(words, "-n"),
                             .verbose = has_option(words, "-v"),
                             .line_numbers = has_option(words, "--line-numbers"),
                             .exact = has_option(words, "-x")};

    T_TRUE(nf_print_iptables_list(out, rs, NULL, words[0], &options));
    got = g_strsplit(out->str, "\n", -1);
    for (guint i = 0; want[i] && got[i]; i++) {
        if (!is_modelled(want[i]))
            continue;
        test_check(strcmp(got[i], want[i]) == 0, __LINE__, __FILE__, __func__, "%s, line %u:\n got \"%s\"\nwant \"%s\"",
                   head, i + 1, got[i], want[i]);
    }
    T_EQ_U64(g_strv_length(got), g_strv_length(want));
}

static void
check_dump(const char *name)
{
    g_autofree char *dump_file = g_build_filename("tests/conformance/dumps", name, NULL);
    g_autofree char *list_file = g_strdup_printf("tests/conformance/list/%s.txt", name);
    g_autofree char *dump = NULL;
    g_autofree char *lists = NULL;
    g_auto(GStrv) sections = NULL;
    g_autoptr(GPtrArray) notes = NULL;
    NfNames *names = nf_names_new();
    bool v6 = g_str_has_suffix(name, ".ip6tables-save");
    NfRuleset *rs = NULL;

    if (T_TRUE(g_file_get_contents(dump_file, &dump, NULL, NULL)) &&
        T_TRUE(g_file_get_contents(list_file, &lists, NULL, NULL))) {
        rs = nf_parse_iptables_save(names, v6 ? FAMILY_IPV6 : FAMILY_IPV4, dump, strlen(dump), &notes);
        sections = g_strsplit(lists, "## ", -1);
        T_TRUE(g_strv_length(sections) > 4);
        for (guint i = 1; T_TRUE(rs != NULL) && sections[i]; i++)
            check_section(rs, sections[i]);
    }
    nf_ruleset_unref(rs);
    nf_names_unref(names);
}

static void
test_options(void)
{
    check_dump("options.iptables-save");
    check_dump("options.ip6tables-save");
}

static void
test_kube_proxy(void)
{
    check_dump("session-affinity.iptables-save");
    check_dump("dual-stack.ip6tables-save");
}

const TestSuite suite_nf_list = {"sim/nf_list",
                                 {{"kube-proxy's rules list as iptables -L lists them", test_kube_proxy},
                                  {"rules with all kinds of options list as iptables -L lists them", test_options}}};
