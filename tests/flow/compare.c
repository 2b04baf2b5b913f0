/* What is compared, and what a record holds beside the try that it shows:
 *
 *   leftovers    A record begins where the try before it ended: the resets that closed that connection cross before the
 *                first packet of the new one (a reset is never a connection's first packet), and its conntrack entries,
 *                whose ports no packet of this try has, stand until their timeout.
 *   strangers    A SYN+ACK that leaves an interface and answers to a port that no SYN of the record came from: a server
 *                of a flow before, whose client is gone, tries again; and the resets that it meets.
 *   repeats      A packet that crosses the same interface in the same direction again with nothing changed, TTL
 *                included, is a retransmission (the recorder listened for longer than a second).
 *   neighbours   A bridge hands a frame whose destination DNAT turned straight to the port while it has a fresh
 *                neighbour entry, else through its own device (br_nf_pre_routing_finish_bridge()): the extra crossing
 *                "NODE/cni0 out" between the two ports tells the age of the ARP cache only.
 *   redirects    IPv6 redirects (type 137) are limited per peer by what went before; they are not simulated.
 *   answers      An ICMP error or reset counts as the client's if it is addressed to it, not if it only passes a node.
 *   multicast    "unknown" entries are IGMP of the recording host itself.
 *   ports        Ports that a kernel draws are named by their order of appearance.
 *   counters     Timeouts left, use counts: volatile. */

#include "tests/flow/compare.h"

#include <stdlib.h>
#include <string.h>

/* --- Ports ------------------------------------------------------------------------------------------------------ */

typedef struct {
    GArray *known; /* uint16_t: those that servers listen on. */
    GArray *seen;  /* uint16_t: drawn ports, in order of appearance. */
} Ports;

static bool
has_port(const GArray *ports, unsigned long number)
{
    for (guint i = 0; i < ports->len; i++)
        if (g_array_index(ports, uint16_t, i) == number)
            return true;
    return false;
}

static bool
is_known(const Ports *ports, unsigned long port)
{
    return has_port(ports->known, port);
}

static void
append_port(Ports *ports, unsigned long port, GString *out)
{
    uint16_t number = (uint16_t)port;

    if (is_known(ports, port)) {
        g_string_append_printf(out, "%lu", port);
        return;
    }
    for (guint i = 0; i < ports->seen->len; i++)
        if (g_array_index(ports->seen, uint16_t, i) == number) {
            g_string_append_printf(out, "port%u", i + 1);
            return;
        }
    g_array_append_val(ports->seen, number);
    g_string_append_printf(out, "port%u", ports->seen->len);
}

/* Where the port of a word begins ("1.2.3.4:80", "[::1]:80", "sport=80"), or NULL. */
static const char *
port_of(const char *word)
{
    const char *colon = strrchr(word, ':');

    if (g_str_has_prefix(word, "sport=") || g_str_has_prefix(word, "dport="))
        return word + 6;
    if (!colon || colon == word || (colon[-1] != ']' && strchr(word, ':') != colon))
        return NULL;
    return g_ascii_isdigit(colon[1]) ? colon + 1 : NULL;
}

/* Words separated by single blanks, drawn ports renamed. */
static char *
normalise(Ports *ports, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    GString *out = g_string_new(NULL);

    for (guint i = 0; words[i]; i++) {
        const char *port = port_of(words[i]);
        if (!words[i][0])
            continue;
        if (out->len)
            g_string_append_c(out, ' ');
        if (!port) {
            g_string_append(out, words[i]);
            continue;
        }
        g_string_append_len(out, words[i], port - words[i]);
        append_port(ports, strtoul(port, NULL, 10), out);
    }
    return g_string_free(out, FALSE);
}

/* --- Traces ----------------------------------------------------------------------------------------------------- */

static bool
is_reset(const char *line)
{
    return strstr(line, "RST") != NULL;
}

static bool
is_repeat(const GPtrArray *lines, guint end, const char *line)
{
    for (guint i = 0; i < end; i++)
        if (strcmp(lines->pdata[i], line) == 0)
            return true;
    return false;
}

static bool
same_packet(const char *a, const char *b)
{
    const char *x = strstr(a, " > "), *y = strstr(b, " > ");

    return x && y && strcmp(x, y) == 0;
}

/* "NODE/cni0 out" between "NODE/vXp in" and "NODE/vYp out". */
static bool
is_neighbour_detour(const GPtrArray *lines, guint i)
{
    const char *line = lines->pdata[i], *before, *after, *slash = strchr(line, '/');
    size_t node = slash ? (size_t)(slash - line) + 1 : 0;

    if (i == 0 || i + 1 >= lines->len || !slash || !g_str_has_prefix(slash, "/cni0 out "))
        return false;
    before = lines->pdata[i - 1];
    after = lines->pdata[i + 1];
    return strncmp(before, line, node) == 0 && before[node] == 'v' && strstr(before, "p in ") &&
           strncmp(after, line, node) == 0 && after[node] == 'v' && same_packet(line, after);
}

/* The drawn ports of a line: all of them are added to 'to', or (to NULL) whether one of them is in 'among'. */
static bool
drawn_ports(const Ports *ports, const char *line, GArray *to, const GArray *among)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    for (guint i = 0; words[i]; i++) {
        const char *port = port_of(words[i]);
        uint16_t number = port ? (uint16_t)strtoul(port, NULL, 10) : 0;
        if (!port || is_known(ports, number))
            continue;
        if (!to && has_port(among, number))
            return true;
        if (to)
            g_array_append_val(to, number);
    }
    return false;
}

static GArray *
ports_of_strangers(const Ports *ports, const FlowResult *r)
{
    GArray *strangers = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(uint16_t));

    for (guint i = 0; i < r->trace->len; i++)
        if (strstr(r->trace->pdata[i], " SYN "))
            drawn_ports(ports, r->trace->pdata[i], own, NULL);
    for (guint i = 0; i < r->trace->len; i++)
        if (strstr(r->trace->pdata[i], " SYN+ACK ") && strstr(r->trace->pdata[i], " out ") &&
            !drawn_ports(ports, r->trace->pdata[i], NULL, own))
            drawn_ports(ports, r->trace->pdata[i], strangers, NULL);
    return strangers;
}

/* The try's own crossings, as recorded, one a line. */
static GPtrArray *
own_lines(const Ports *ports, const FlowResult *r)
{
    GPtrArray *own = g_ptr_array_new();
    g_autoptr(GArray) strangers = ports_of_strangers(ports, r);
    guint start = 0;

    while (start < r->trace->len && is_reset(r->trace->pdata[start]))
        start++;
    if (start == r->trace->len)
        start = 0;
    for (guint i = start; i < r->trace->len; i++) {
        const char *line = r->trace->pdata[i];
        if (strstr(line, "type 137 ") || drawn_ports(ports, line, NULL, strangers) || is_repeat(own, own->len, line) ||
            is_neighbour_detour(r->trace, i) || (strcmp(r->outcome, "connected") == 0 && is_reset(line)))
            continue;
        g_ptr_array_add(own, (gpointer)line);
    }
    return own;
}

static char *
trace_text(Ports *ports, const FlowResult *r)
{
    g_autoptr(GPtrArray) lines = own_lines(ports, r);
    GString *out = g_string_new(NULL);

    for (guint i = 0; i < lines->len; i++) {
        g_autofree char *text = normalise(ports, lines->pdata[i]);
        g_string_append_printf(out, "%s\n", text);
    }
    return g_string_free(out, FALSE);
}

/* --- Conntrack -------------------------------------------------------------------------------------------------- */

/* True if a port of the entry was on a packet of this try, or none was (nothing to tell them apart by). */
static bool
is_own_entry(const Ports *ports, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    bool drawn = false;

    for (guint i = 0; words[i]; i++) {
        const char *port = port_of(words[i]);
        unsigned long number = port ? strtoul(port, NULL, 10) : 0;
        if (!port || is_known(ports, number))
            continue;
        drawn = true;
        for (guint k = 0; k < ports->seen->len; k++)
            if (g_array_index(ports->seen, uint16_t, k) == number)
                return true;
    }
    return !drawn || ports->seen->len == 0;
}

/* Without the seconds left and the use count: "minikube tcp 6 431999 ESTABLISHED src=..." */
static char *
without_counters(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    GString *out = g_string_new(NULL);
    guint n = 0;

    for (guint i = 0; words[i]; i++) {
        if (!words[i][0])
            continue;
        n++;
        if (n == 4 || g_str_has_prefix(words[i], "use="))
            continue;
        g_string_append_printf(out, "%s%s", out->len ? " " : "", words[i]);
    }
    return g_string_free(out, FALSE);
}

static gint
compare_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *
conntrack_text(Ports *ports, const FlowResult *r)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < r->conntrack->len; i++) {
        g_autofree char *line = NULL;
        if (strstr(r->conntrack->pdata[i], " unknown ") || !is_own_entry(ports, r->conntrack->pdata[i]))
            continue;
        line = without_counters(r->conntrack->pdata[i]);
        g_ptr_array_add(lines, normalise(ports, line));
    }
    g_ptr_array_sort(lines, compare_text);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

/* --- Results ---------------------------------------------------------------------------------------------------- */

static void
compare_value(const char *what, const char *want, const char *got, GString *diff)
{
    if (g_strcmp0(want, got) != 0)
        g_string_append_printf(diff, "    %s: recorded %s, simulated %s\n", what, want ? want : "-", got ? got : "-");
}

static void
compare_lines(const char *what, const char *want, const char *got, GString *diff)
{
    g_auto(GStrv) a = g_strsplit(want, "\n", -1), b = g_strsplit(got, "\n", -1);
    guint i = 0;

    if (strcmp(want, got) == 0)
        return;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    g_string_append_printf(diff, "    %s differs from line %u on:\n", what, i + 1);
    for (guint k = i; a[k] && k < i + 8; k++)
        if (a[k][0])
            g_string_append_printf(diff, "      - %s\n", a[k]);
    for (guint k = i; b[k] && k < i + 8; k++)
        if (b[k][0])
            g_string_append_printf(diff, "      + %s\n", b[k]);
}

/* A server's ports: the one that was dialled, those that connections are opened to, and the one that answered. */
static void
ports_init(Ports *ports, const RecordedFlow *flow, const FlowResult *r)
{
    ports->known = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    ports->seen = g_array_new(FALSE, FALSE, sizeof(uint16_t));
    g_array_append_val(ports->known, flow->port);
    for (guint i = 0; i <= r->trace->len; i++) {
        const char *line = i < r->trace->len ? r->trace->pdata[i] : r->server;
        const char *to = i < r->trace->len ? strstr(line, " > ") : line;
        const char *colon;
        uint16_t number;
        g_autofree char *word = NULL;
        if (!line || !to || (i < r->trace->len && !strstr(line, " SYN ") && !strstr(line, " INIT ")))
            continue;
        to += i < r->trace->len ? 3 : 0;
        word = g_strndup(to, strcspn(to, " "));
        colon = strrchr(word, ':');
        number = (uint16_t)strtoul(colon + 1, NULL, 10);
        g_array_append_val(ports->known, number);
    }
}

static void
ports_clear(Ports *ports)
{
    g_array_unref(ports->known);
    g_array_unref(ports->seen);
}

static char *
answer_text(Ports *ports, const FlowResult *r)
{
    const char *to = r->answer ? strstr(r->answer, " > ") : NULL;

    if (!to || !r->client_src)
        return NULL;
    to += strspn(to, " >[");
    if (!g_str_has_prefix(to, r->client_src) || !strchr(": ]", to[strlen(r->client_src)]))
        return NULL;
    return normalise(ports, r->answer);
}

static void
compare_one(const RecordedFlow *flow, const FlowResult *want, const FlowResult *got, GString *diff)
{
    Ports a, b;
    g_autofree char *want_text = NULL, *got_text = NULL, *want_ct = NULL, *got_ct = NULL, *want_answer = NULL,
                    *got_answer = NULL;

    compare_value("client's address", want->client_src, got->client_src, diff);
    compare_value("server's node", want->server_where, got->server_where, diff);
    if (got->server_pod) /* A host's address names no pod. */
        compare_value("server", want->server_pod, got->server_pod, diff);
    compare_value("source seen", want->source_seen, got->source_seen, diff);
    compare_value("reply from", want->reply_from, got->reply_from, diff);
    compare_value("source rewritten", want->snat ? "yes" : "no", got->snat ? "yes" : "no", diff);
    compare_value("source address rewritten", want->snat_ip_changed ? "yes" : "no", got->snat_ip_changed ? "yes" : "no",
                  diff);
    ports_init(&a, flow, want);
    ports_init(&b, flow, got);
    if (want->has_trace) {
        want_text = trace_text(&a, want);
        got_text = trace_text(&b, got);
        compare_lines("trace", want_text, got_text, diff);
        want_ct = conntrack_text(&a, want);
        got_ct = conntrack_text(&b, got);
        compare_lines("conntrack", want_ct, got_ct, diff);
    }
    want_answer = answer_text(&a, want);
    got_answer = answer_text(&b, got);
    compare_value("answer", want_answer, got_answer, diff);
    ports_clear(&a);
    ports_clear(&b);
}

bool
same_end(const FlowResult *a, const FlowResult *b)
{
    return strcmp(a->outcome, b->outcome) == 0 && g_strcmp0(a->server, b->server) == 0;
}

/* Ways that end alike differ in their crossings (timeouts of different servers): one of them must be the recorded. */
void
compare_result(const RecordedFlow *flow, const FlowResult *want, const GPtrArray *got, GString *diff)
{
    g_autoptr(GString) least = NULL;

    for (guint i = 0; i < got->len; i++) {
        g_autoptr(GString) one = g_string_new(NULL);
        if (!same_end(want, got->pdata[i]))
            continue;
        compare_one(flow, want, got->pdata[i], one);
        if (!least || one->len < least->len) {
            if (least)
                g_string_free(least, TRUE);
            least = g_steal_pointer(&one);
        }
    }
    if (least)
        g_string_append(diff, least->str);
    else
        g_string_append_printf(diff, "    recorded %u times, impossible here: %s %s%s%s\n", want->count, want->outcome,
                               want->server ? want->server : "", want->answer ? " by " : "",
                               want->answer ? want->answer : "");
}
