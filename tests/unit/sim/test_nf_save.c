#include "sim/netfilter/nf_text.h"

#include <string.h>

#include "tests/unit/test.h"

/* Reading and printing a dump of the real tools is the identity. */

static char *
read_and_print(const char *text, IpFamily family, char **ret_problem)
{
    NfNames *names = nf_names_new();
    g_autoptr(GPtrArray) notes = NULL;
    NfRuleset *rs = nf_parse_iptables_save(names, family, text, strlen(text), &notes);
    GString *out = g_string_new(NULL);

    *ret_problem = NULL;
    for (guint i = 0; i < notes->len; i++) {
        const NfParseNote *note = g_ptr_array_index(notes, i);
        if (note->error && !*ret_problem)
            *ret_problem = g_strdup_printf("%u:%u: %s", note->line, note->column, note->message);
    }
    if (rs) {
        nf_print_iptables_save(out, rs);
        nf_ruleset_unref(rs);
    }
    nf_names_unref(names);
    return g_string_free(out, FALSE);
}

/* NULL if equal; else the first line that differs. */
static char *
first_difference(const char *got, const char *want)
{
    g_auto(GStrv) a = g_strsplit(got, "\n", -1);
    g_auto(GStrv) b = g_strsplit(want, "\n", -1);

    for (guint i = 0;; i++) {
        if (g_strcmp0(a[i], b[i]) != 0)
            return g_strdup_printf("line %u: got \"%s\", want \"%s\"", i + 1, a[i], b[i]);
        if (!a[i])
            return NULL;
    }
}

static void
check_directory(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    guint n = 0;

    if (!T_TRUE(dir != NULL))
        return;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *text = NULL;
        g_autofree char *printed = NULL;
        g_autofree char *problem = NULL;
        g_autofree char *difference = NULL;
        bool v6 = g_str_has_suffix(name, ".ip6tables-save");

        if (!v6 && !g_str_has_suffix(name, ".iptables-save"))
            continue;
        if (!T_TRUE(g_file_get_contents(file, &text, NULL, NULL)))
            continue;
        n++;
        printed = read_and_print(text, v6 ? FAMILY_IPV6 : FAMILY_IPV4, &problem);
        test_check(!problem, __LINE__, __FILE__, __func__, "%s: %s", name, problem);
        difference = first_difference(printed, text);
        test_check(!difference, __LINE__, __FILE__, __func__, "%s: %s", name, difference);
    }
    T_TRUE(n > 0);
}

static void
test_identity(void)
{
    check_directory("tests/conformance/dumps");
}

/* What people and kube-proxy write for iptables-restore comes out as iptables-save would print it. */
static void
test_normal_form(void)
{
    static const struct {
        const char *written, *saved;
    } cases[] = {
        {"-m comment --comment \"ns1/svc1:p80 cluster IP\" -m tcp -p tcp -d 172.30.0.41 --dport 80 ! -s 10.0.0.0/8 -j "
         "ACCEPT",
         "! -s 10.0.0.0/8 -d 172.30.0.41/32 -p tcp -m comment --comment \"ns1/svc1:p80 cluster IP\" -m tcp --dport 80 "
         "-j ACCEPT"},
        {"-s 0.0.0.0/0 -j DROP", "-j DROP"},
        {"! -s 0.0.0.0/0 -j DROP", "! -s 0.0.0.0/0 -j DROP"},
        {"-j MARK --or-mark 0x4000", "-j MARK --set-xmark 0x4000/0x4000"},
        {"-j MARK --xor-mark 0x4000", "-j MARK --set-xmark 0x4000/0x0"},
        {"-j MARK --and-mark 0xff", "-j MARK --set-xmark 0x0/0xffffff00"},
        {"-j MARK --set-mark 0x10", "-j MARK --set-xmark 0x10/0xffffffff"},
        {"-p tcp --dport 80 -j DROP", "-p tcp -m tcp --dport 80 -j DROP"},
        {"-p tcp --syn", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN"},
        {"-m recent --name S --rcheck --seconds 10800 --reap -j DROP",
         "-m recent --rcheck --seconds 10800 --reap --name S --mask 255.255.255.255 --rsource -j DROP"},
        {"-m statistic --mode random --probability 0.3333333333",
         "-m statistic --mode random --probability 0.33333333349"},
        {"-m statistic --mode random --probability 0.1", "-m statistic --mode random --probability 0.10000000009"},
        {"-m limit --limit 60/min", "-m limit --limit 1/sec"},
        {"-p icmp -m icmp --icmp-type echo-request", "-p icmp -m icmp --icmp-type 8"},
        {"-j REJECT", "-j REJECT --reject-with icmp-port-unreachable"},
        {"-s 10.1.2.3/255.255.0.0", "-s 10.1.0.0/16"},
        {"-s 0.0.0.0/0 -p all -i +", ""},
        {"-m comment --comment \"it's \\\"quoted\\\" \\\\ back\"",
         "-m comment --comment \"it\\'s \\\"quoted\\\" \\\\ back\""},
        {"-p 47", "-p gre"},
        {"-c 5 6 -p 200", "-p 200"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *dump =
            g_strdup_printf("*filter\n:INPUT ACCEPT [12:345]\n[1:2] -A INPUT %s\nCOMMIT\n", cases[i].written);
        g_autofree char *want = g_strdup_printf("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT%s%s\nCOMMIT\n",
                                                *cases[i].saved ? " " : "", cases[i].saved);
        g_autofree char *problem = NULL;
        g_autofree char *got = read_and_print(dump, FAMILY_IPV4, &problem);

        test_check(!problem, __LINE__, __FILE__, __func__, "%s: %s", cases[i].written, problem);
        T_EQ_STR(got, want);
    }
}

/* The golden files of kube-proxy's tests, in its own form, read and written again. */
static void
test_written_form(void)
{
    static const char *const files[] = {"tests/conformance/dumps/overall.iptables-restore",
                                        "tests/conformance/dumps/bad-ips.iptables-restore"};

    for (size_t f = 0; f < G_N_ELEMENTS(files); f++) {
        NfNames *names = nf_names_new();
        g_autoptr(GPtrArray) notes = NULL;
        g_autofree char *text = NULL;
        g_auto(GStrv) lines = NULL;
        NfRuleset *rs;
        guint n = 0;

        if (!T_TRUE(g_file_get_contents(files[f], &text, NULL, NULL)))
            return;
        rs = nf_parse_iptables_save(names, FAMILY_IPV4, text, strlen(text), &notes);
        if (!T_TRUE(rs != NULL))
            return;
        lines = g_strsplit(text, "\n", -1);
        for (guint i = 0; lines[i]; i++) {
            /* A rule's origin is its line. */
            size_t n_ids;
            g_autofree uint32_t *ids = nf_ruleset_chain_ids(rs, &n_ids);
            for (size_t c = 0; c < n_ids; c++) {
                const NfChain *chain = nf_ruleset_chain(rs, ids[c]);
                for (uint32_t r = 0; r < nf_chain_n_rules(chain); r++) {
                    g_autoptr(GString) out = g_string_new(NULL);
                    if (nf_chain_rule(chain, r)->origin != i + 1)
                        continue;
                    nf_print_restore_rule(out, rs, chain, r);
                    T_EQ_STR(out->str, lines[i]);
                    n++;
                }
            }
        }
        T_TRUE(n > 15);
        nf_ruleset_unref(rs);
        nf_names_unref(names);
    }
}

const TestSuite suite_nf_save = {"sim/nf_save",
                                 {{"reading and printing a real dump is the identity", test_identity},
                                  {"written rules come out in iptables-save's form", test_normal_form},
                                  {"kube-proxy's golden rules come out as it writes them", test_written_form}}};
