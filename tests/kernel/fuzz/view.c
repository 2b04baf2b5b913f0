/* What a side saw, as lines: one form for both */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernel/fuzz/fuzz.h"

static void append_port(GString *out, uint16_t port);

FuzzView *
fuzz_view_new(void)
{
    FuzzView *view = g_new0(FuzzView, 1);

    view->lines = g_ptr_array_new_with_free_func(g_free);
    return view;
}

void
fuzz_view_free(FuzzView *view)
{
    if (!view)
        return;
    g_ptr_array_unref(view->lines);
    g_free(view);
}

void
fuzz_view_add(FuzzView *view, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(view->lines, g_strdup_vprintf(format, args));
    va_end(args);
}

/* iptables-save -c: tables and chains come in an order of each side's own; rules keep theirs within a chain. */
static gint
compare_rules(gconstpointer a, gconstpointer b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    size_t n = strcspn(x, "\t"), m = strcspn(y, "\t");
    int order = strncmp(x, y, MIN(n, m));

    return order ? order : (n > m) - (n < m);
}

/* nft lists some tests in fewer words than we gave: only the counters are compared ("*chain" remembers whose). */
static void
add_nft_counter(FuzzView *view, const char *line, const char **chain, uint32_t *n_counters)
{
    const char *counter = strstr(line, "counter packets ");
    uint64_t packets, bytes;

    if (g_str_has_prefix(line, "chain ")) {
        *chain = line;
        *n_counters = 0;
    }
    if (counter && sscanf(counter, "counter packets %" SCNu64 " bytes %" SCNu64, &packets, &bytes) == 2)
        fuzz_view_add(view, "rules: %s rule %u packets %" PRIu64 " bytes %" PRIu64, *chain, ++*n_counters, packets,
                      bytes);
}

void
fuzz_view_add_rules(FuzzView *view, const char *text, FuzzDialect dialect)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GPtrArray) keyed = g_ptr_array_new_with_free_func(g_free);
    const char *table = "";
    uint32_t n_counters = 0;

    for (char **line = lines; *line; line++) {
        g_strchomp(*line);
        if (dialect == FUZZ_NFT) {
            add_nft_counter(view, g_strstrip(*line), &table, &n_counters);
            continue;
        }
        if (**line == '#' || **line == '\0' || strcmp(*line, "COMMIT") == 0)
            continue;
        if (**line == '*') {
            table = *line;
        } else if (**line == ':') {
            g_ptr_array_add(keyed, g_strdup_printf("%s %.*s 0000\t%s", table, (int)strcspn(*line, " "), *line, *line));
        } else {
            const char *chain = strstr(*line, "-A ");
            if (chain)
                g_ptr_array_add(keyed, g_strdup_printf("%s :%.*s %04u\t%s", table, (int)strcspn(chain + 3, " "),
                                                       chain + 3, keyed->len, *line));
        }
    }
    g_ptr_array_sort(keyed, compare_rules);
    for (guint i = 0; i < keyed->len; i++) {
        const char *line = keyed->pdata[i];
        fuzz_view_add(view, "rules: %.*s %s", (int)strcspn(line, " "), line, strchr(line, '\t') + 1);
    }
}

static gint
compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Without what differs by nature; the time left stays, last in the line. */
void
fuzz_view_add_connections(FuzzView *view, const char *prefix, IpFamily family, GPtrArray *lines)
{
    const char *other = family == FAMILY_IPV6 ? "ipv4 " : "ipv6 ";
    g_autoptr(GPtrArray) sorted = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < lines->len; i++) {
        g_auto(GStrv) words = g_strsplit_set(lines->pdata[i], " \t", -1);
        GString *out = g_string_new(prefix);
        const char *left = "";
        bool in_proc = g_str_has_prefix(lines->pdata[i], "ipv");
        uint32_t n = 0, n_skip = in_proc ? 2 : 0; /* There its family stands in front, by name and number. */

        for (char **word = words; *word && !g_str_has_prefix(lines->pdata[i], other); word++) {
            IpAddr addr;
            if (!**word || strncmp(*word, "use=", 4) == 0 || strcmp(*word, "zone=0") == 0)
                continue;
            if (n_skip > 0) {
                n_skip--;
                continue;
            }
            if (++n == 2)
                continue; /* The protocol's number. */
            if (n == 3) {
                left = *word;
            } else if ((strncmp(*word, "src=", 4) == 0 || strncmp(*word, "dst=", 4) == 0) &&
                       ipaddr_parse(*word + 4, &addr)) { /* /proc writes IPv6 in full. */
                char text[IPADDR_STR_SIZE];
                g_string_append_printf(out, " %.4s%s", *word, ipaddr_format(addr, text));
            } else if (strncmp(*word, "sport=", 6) == 0 || strncmp(*word, "dport=", 6) == 0) {
                g_string_append_printf(out, " %.6s", *word);
                append_port(out, (uint16_t)atoi(*word + 6));
            } else if (strncmp(*word, "id=", 3) == 0) {
                g_string_append(out, " id=");
                append_port(out, (uint16_t)atoi(*word + 3));
            } else {
                g_string_append_printf(out, " %s", *word);
            }
        }
        if (n > 3) {
            g_string_append_printf(out, " left %s", left);
            g_ptr_array_add(sorted, g_string_free(out, FALSE));
        } else {
            g_string_free(out, TRUE);
        }
    }
    g_ptr_array_sort(sorted, compare_text);
    for (guint i = 0; i < sorted->len; i++)
        fuzz_view_add(view, "%s", (const char *)sorted->pdata[i]);
}

void
fuzz_view_add_stats(FuzzView *view, const CtStats *stats)
{
    fuzz_view_add(view,
                  "stats: invalid %" PRIu64 " icmp_error %" PRIu64 " insert_failed %" PRIu64 " drop %" PRIu64
                  " clash_resolve %" PRIu64,
                  stats->invalid, stats->icmp_error, stats->insert_failed, stats->drop, stats->clash_resolve);
}

static void
append_port(GString *out, uint16_t port)
{
    if (fuzz_port_known(port))
        g_string_append_printf(out, "%u", port);
    else
        g_string_append_c(out, 'R');
}

void
fuzz_format_frame(GString *out, const uint8_t *frame, uint32_t size)
{
    static Sim *sim; /* Only for its packets. */
    char src[IPADDR_STR_SIZE], dst[IPADDR_STR_SIZE];
    const char *why = NULL;
    Packet *pkt;

    if (!sim)
        sim = sim_new(1);
    pkt = wire_parse(sim, frame, size, &why);
    if (!pkt) {
        g_string_append_printf(out, "%u bytes: %s", size, why);
        return;
    }
    g_string_append_printf(out, "%s", ipaddr_format(pkt->src, src));
    if (packet_has_ports(pkt)) {
        g_string_append_c(out, '.');
        append_port(out, pkt->sport);
    }
    g_string_append_printf(out, " > %s", ipaddr_format(pkt->dst, dst));
    if (packet_has_ports(pkt)) {
        g_string_append_c(out, '.');
        append_port(out, pkt->dport);
    }
    g_string_append_printf(out, " proto %u ttl %u tos %u", pkt->proto, pkt->ttl, pkt->tos);
    if (pkt->proto == 6)
        g_string_append_printf(out, " flags %02x seq %u ack %u win %u mss %u", pkt->tcp.flags, pkt->tcp.seq,
                               pkt->tcp.ack, pkt->tcp.window, pkt->tcp.mss);
    if (pkt->proto == 132)
        g_string_append_printf(out, " chunk %u vtag %u tag %u", pkt->sctp.chunk, pkt->sctp.vtag, pkt->sctp.init_tag);
    if (packet_is_icmp(pkt)) {
        g_string_append_printf(out, " type %u code %u", pkt->icmp.type, pkt->icmp.code);
        if (pkt->icmp.has_quote) {
            const QuotedPacket *q = &pkt->icmp.quote;
            g_string_append_printf(out, " about [%s.", ipaddr_format(q->src, src));
            append_port(out, q->sport);
            g_string_append_printf(out, " > %s.", ipaddr_format(q->dst, dst));
            append_port(out, q->dport);
            g_string_append_printf(out, " proto %u ttl %u tos %u size %u seq %u]", q->proto, q->ttl, q->tos,
                                   q->total_len, q->seq);
        } else {
            g_string_append(out, " id ");
            append_port(out, pkt->icmp.id);
            g_string_append_printf(out, " seq %u", pkt->icmp.seq);
        }
    }
    g_string_append_printf(out, " len %u", pkt->payload.len);
    packet_free(sim, pkt);
}
