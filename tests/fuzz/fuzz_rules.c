/* Text of iptables-save: what is read prints, and what is printed reads back and prints the same. */

#include <string.h>

#include "sim/netfilter/nf_text.h"
#include "tests/fuzz/fuzz.h"

static GString *
read_and_print(const char *text, size_t size)
{
    g_autoptr(GPtrArray) notes = NULL;
    NfNames *names = nf_names_new();
    NfRuleset *rs = nf_parse_iptables_save(names, FAMILY_IPV4, text, size, &notes);
    GString *out = rs ? g_string_new(NULL) : NULL;

    if (rs)
        nf_print_iptables_save(out, rs);
    nf_ruleset_unref(rs);
    nf_names_unref(names);
    return out;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GString) first = read_and_print((const char *)data, size);
    g_autoptr(GString) second = first ? read_and_print(first->str, first->len) : NULL;

    if (second)
        g_assert_cmpstr(first->str, ==, second->str);
    return 0;
}
