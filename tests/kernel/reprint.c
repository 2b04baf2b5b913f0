/* Reads an iptables-save dump and prints it again: for text_roundtrip.sh.
 *
 * usage: reprint FILE            (as ip6tables-save if the name says so)                                             */

#include <stdio.h>
#include <string.h>

#include "sim/netfilter/nf_text.h"

int
main(int argc, char **argv)
{
    NfNames *names = nf_names_new();
    g_autoptr(GPtrArray) notes = NULL;
    g_autoptr(GString) out = g_string_new(NULL);
    g_autofree char *text = NULL;
    NfRuleset *rs;
    gsize size;

    if (argc != 2 || !g_file_get_contents(argv[1], &text, &size, NULL)) {
        fprintf(stderr, "usage: reprint FILE\n");
        return 2;
    }
    rs = nf_parse_iptables_save(names, strstr(argv[1], "ip6tables-save") ? FAMILY_IPV6 : FAMILY_IPV4, text, size,
                                &notes);
    for (guint i = 0; i < notes->len; i++) {
        const NfParseNote *note = g_ptr_array_index(notes, i);
        if (note->error)
            fprintf(stderr, "%s:%u:%u: %s\n", argv[1], note->line, note->column, note->message);
    }
    if (!rs)
        return 2;
    nf_print_iptables_save(out, rs);
    fputs(out->str, stdout);
    nf_ruleset_unref(rs);
    nf_names_unref(names);
    return 0;
}
