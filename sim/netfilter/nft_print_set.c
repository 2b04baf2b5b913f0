/* Sets, maps and their elements in nft's words (src/rule.c, src/expression.c, src/mergesort.c of nftables 1.0.6)
 *
 * Listing sorts elements.  Single values sort as numbers.  A concatenation sorts as the number whose little-endian
 * bytes are its fields one after the other (nft imports them in host order): the last byte of the last field counts
 * most, so 10.0.0.9 . tcp . 80 comes before 10.0.0.1 . tcp . 81. */

#include <string.h>

#include "sim/netfilter/ipt_names.h"
#include "sim/netfilter/nft_print.h"

#define SORT_KEY_MAX 48

typedef struct {
    uint8_t b[SORT_KEY_MAX]; /* Most significant first. */
    size_t n;
    const NfElem *elem;
} SortKey;

typedef struct {
    IpAddr low, high;
} Interval;

static int compare_keys(const void *a, const void *b, void *unused);
static void make_sort_key(SortKey *key, const NfSetSpec *spec, const NfElem *elem);
static void print_key(GString *out, const NfRuleset *rs, const NfSetSpec *spec, const NfElem *elem);
static void print_merged(GString *out, const NfElem *elems, size_t n);
static int compare_intervals(const void *a, const void *b, void *unused);
static void print_interval(GString *out, Interval interval);
static uint32_t addr_bits(const NfElem *elem);

void
nft_print_type(GString *out, const NfRuleset *rs, const NfSetSpec *spec)
{
    for (uint32_t i = 0; i < spec->n_fields; i++) {
        g_string_append(out, i ? " . " : "");
        switch ((NfKeyField)(spec->fields >> 4 * i & 15)) {
        case NF_KEY_NONE:
            break;
        case NF_KEY_SADDR:
        case NF_KEY_DADDR:
            g_string_append(out, nf_ruleset_family(rs) == FAMILY_IPV6 ? "ipv6_addr" : "ipv4_addr");
            break;
        case NF_KEY_PROTO:
            g_string_append(out, "inet_proto");
            break;
        case NF_KEY_SPORT:
        case NF_KEY_DPORT:
            g_string_append(out, "inet_service");
            break;
        case NF_KEY_IIF:
        case NF_KEY_OIF:
            g_string_append(out, "ifname");
            break;
        case NF_KEY_MARK:
            g_string_append(out, "mark");
            break;
        }
    }
}

void
nft_print_element(GString *out, const NfRuleset *rs, const NfSetSpec *spec, const NfElem *elem)
{
    const NfNames *names = nf_ruleset_names(rs);

    print_key(out, rs, spec, elem);
    if (elem->comment != NF_NO_ID)
        g_string_append_printf(out, " comment \"%s\"", nf_text(names, elem->comment));
    if (spec->kind != NF_SET_MAP)
        return;
    switch ((int)elem->verdict) {
    case NFX_GOTO:
    case NFX_JUMP:
        g_string_append_printf(out, " : %s %s", elem->verdict == NFX_GOTO ? "goto" : "jump",
                               nf_chain_name(names, elem->chain));
        break;
    case NFX_DROP:
        g_string_append(out, " : drop");
        break;
    case NFX_ACCEPT:
        g_string_append(out, " : accept");
        break;
    case NFX_RETURN:
        g_string_append(out, " : return");
        break;
    }
}

void
nft_print_anonymous(GString *out, const NfRuleset *rs, const NfSet *set, bool neg, NftStyle style)
{
    const NfSetSpec *spec = nf_set_spec(set);
    size_t n;
    const NfElem *elems = nf_set_elems(set, &n);

    if (style == NFT_WRITTEN) {
        g_string_append(out, "{ ");
        for (size_t i = 0; i < n; i++) {
            if (i)
                g_string_append(out, neg ? " , " : ",");
            print_key(out, rs, spec, &elems[i]);
            /* kube-proxy writes a range as the Service has it, "10.0.0.1/32" too. */
            if (elems[i].addr_len == addr_bits(&elems[i]))
                g_string_append_printf(out, "/%u", elems[i].addr_len);
        }
        g_string_append(out, " }");
    } else if (n == 1 && spec->n_fields == 1) {
        print_key(out, rs, spec, &elems[0]); /* nft makes a plain comparison of it. */
    } else if (spec->interval && spec->n_fields == 1) {
        print_merged(out, elems, n);
    } else {
        g_autofree const NfElem **sorted = nft_sorted_elements(set, &n);
        g_string_append(out, "{ ");
        for (size_t i = 0; i < n; i++) {
            g_string_append(out, i ? ", " : "");
            print_key(out, rs, spec, sorted[i]);
        }
        g_string_append(out, " }");
    }
}

const NfElem **
nft_sorted_elements(const NfSet *set, size_t *ret_n)
{
    const NfElem *elems = nf_set_elems(set, ret_n);
    g_autofree SortKey *keys = g_new(SortKey, *ret_n + 1);
    const NfElem **sorted = g_new(const NfElem *, *ret_n + 1);

    for (size_t i = 0; i < *ret_n; i++)
        make_sort_key(&keys[i], nf_set_spec(set), &elems[i]);
    g_qsort_with_data(keys, (int)*ret_n, sizeof *keys, compare_keys, NULL);
    for (size_t i = 0; i < *ret_n; i++)
        sorted[i] = keys[i].elem;
    return sorted;
}

void
nft_print_time(GString *out, uint64_t ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

    if (!ms)
        g_string_append(out, "0s");
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        if (ms >= units[i].ms)
            g_string_append_printf(out, "%" G_GUINT64_FORMAT "%s", ms / units[i].ms, units[i].unit);
        ms %= units[i].ms;
    }
}

static int
compare_keys(const void *a, const void *b, void *unused)
{
    const SortKey *x = a, *y = b;
    int order = memcmp(x->b, y->b, x->n);

    (void)unused;
    return order ? order : x->elem < y->elem ? -1 : x->elem > y->elem;
}

static void
append_field(SortKey *key, const void *bytes, size_t n)
{
    memcpy(key->b + key->n, bytes, n);
    key->n += n;
}

static void
make_sort_key(SortKey *key, const NfSetSpec *spec, const NfElem *elem)
{
    bool second_addr = false;

    memset(key, 0, sizeof *key);
    key->elem = elem;
    for (uint32_t i = 0; i < spec->n_fields; i++) {
        uint8_t port[2] = {(uint8_t)(elem->key.port >> 8), (uint8_t)elem->key.port};
        uint8_t word[4] = {(uint8_t)(elem->key.word >> 24), (uint8_t)(elem->key.word >> 16),
                           (uint8_t)(elem->key.word >> 8), (uint8_t)elem->key.word};
        const IpAddr *addr;

        switch ((NfKeyField)(spec->fields >> 4 * i & 15)) {
        case NF_KEY_NONE:
            break;
        case NF_KEY_SADDR:
        case NF_KEY_DADDR:
            addr = second_addr ? &elem->key.addr2 : &elem->key.addr;
            second_addr = true;
            if (ipaddr_is_v4(addr))
                append_field(key, addr->b + 12, 4);
            else
                append_field(key, addr->b, 16);
            break;
        case NF_KEY_PROTO:
            append_field(key, &elem->key.proto, 1);
            break;
        case NF_KEY_SPORT:
        case NF_KEY_DPORT:
            append_field(key, port, 2);
            break;
        case NF_KEY_IIF:
        case NF_KEY_OIF:
        case NF_KEY_MARK:
            append_field(key, word, 4);
            break;
        }
    }
    if (spec->n_fields > 1)
        for (size_t i = 0; i < key->n / 2; i++) {
            uint8_t byte = key->b[i];
            key->b[i] = key->b[key->n - 1 - i];
            key->b[key->n - 1 - i] = byte;
        }
}

static void
print_key(GString *out, const NfRuleset *rs, const NfSetSpec *spec, const NfElem *elem)
{
    bool second_addr = false;
    char addr[IPADDR_STR_SIZE];

    for (uint32_t i = 0; i < spec->n_fields; i++) {
        const char *protocol;

        g_string_append(out, i ? " . " : "");
        switch ((NfKeyField)(spec->fields >> 4 * i & 15)) {
        case NF_KEY_NONE:
            break;
        case NF_KEY_SADDR:
        case NF_KEY_DADDR:
            g_string_append(out, ipaddr_format(second_addr ? elem->key.addr2 : elem->key.addr, addr));
            if (!second_addr && elem->addr_len < addr_bits(elem))
                g_string_append_printf(out, "/%u", elem->addr_len);
            second_addr = true;
            break;
        case NF_KEY_PROTO:
            protocol = ipt_name_of(IPT_PROTOCOLS, elem->key.proto);
            if (protocol)
                g_string_append(out, protocol);
            else
                g_string_append_printf(out, "%u", elem->key.proto);
            break;
        case NF_KEY_SPORT:
        case NF_KEY_DPORT:
            g_string_append_printf(out, "%u", elem->key.port);
            if (elem->port_high)
                g_string_append_printf(out, "-%u", elem->port_high);
            break;
        case NF_KEY_IIF:
        case NF_KEY_OIF:
            g_string_append_printf(out, "\"%s\"", nf_text(nf_ruleset_names(rs), elem->key.word));
            break;
        case NF_KEY_MARK:
            g_string_append_printf(out, "0x%08x", elem->key.word);
            break;
        }
    }
}

/* nft merges the prefixes of an anonymous set, hosts too: overlapping and adjacent ones become one. */
static void
print_merged(GString *out, const NfElem *elems, size_t n)
{
    g_autofree Interval *intervals = g_new(Interval, n);
    size_t n_merged = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t bits = addr_bits(&elems[i]), len = MIN(elems[i].addr_len, bits);
        IpPrefix prefix = ipprefix_network((IpPrefix){elems[i].key.addr, (uint8_t)len});
        intervals[i].low = intervals[i].high = prefix.addr;
        for (uint32_t b = 128 - bits + len; b < 128; b++)
            intervals[i].high.b[b / 8] |= (uint8_t)(0x80 >> b % 8);
    }
    g_qsort_with_data(intervals, (int)n, sizeof *intervals, compare_intervals, NULL);
    for (size_t i = 0; i < n; i++) {
        Interval *last = n_merged ? &intervals[n_merged - 1] : NULL;
        if (last && ipaddr_cmp(&last->high, &intervals[i].high) >= 0)
            continue; /* Inside. */
        if (last &&
            (ipaddr_cmp(&intervals[i].low, &last->high) <= 0 || ipaddr_eq(intervals[i].low, ipaddr_add(last->high, 1))))
            last->high = intervals[i].high;
        else
            intervals[n_merged++] = intervals[i];
    }
    g_string_append(out, "{ ");
    for (size_t i = 0; i < n_merged; i++) {
        g_string_append(out, i ? ", " : "");
        print_interval(out, intervals[i]);
    }
    g_string_append(out, " }");
}

static int
compare_intervals(const void *a, const void *b, void *unused)
{
    const Interval *x = a, *y = b;
    int order = ipaddr_cmp(&x->low, &y->low);

    (void)unused;
    return order ? order : ipaddr_cmp(&y->high, &x->high); /* The wider first. */
}

/* "10.0.0.0/8" if it is a prefix, else "10.0.0.1-10.0.0.9". */
static void
print_interval(GString *out, Interval interval)
{
    uint32_t first = ipaddr_is_v4(&interval.low) ? 96 : 0, same = first;
    char low[IPADDR_STR_SIZE], high[IPADDR_STR_SIZE];

    while (same < 128 && !((interval.low.b[same / 8] ^ interval.high.b[same / 8]) & 0x80 >> same % 8))
        same++;
    g_string_append(out, ipaddr_format(interval.low, low));
    if (same == 128)
        return;
    for (uint32_t b = same; b < 128; b++) {
        if ((interval.low.b[b / 8] & 0x80 >> b % 8) || !(interval.high.b[b / 8] & 0x80 >> b % 8)) {
            g_string_append_printf(out, "-%s", ipaddr_format(interval.high, high));
            return;
        }
    }
    g_string_append_printf(out, "/%u", same - first);
}

static uint32_t
addr_bits(const NfElem *elem)
{
    return ipaddr_is_v4(&elem->key.addr) ? 32 : 128;
}
