/* The addresses, ports and ipsets that cases are made of */

#include "tests/kernel/fuzz/fuzz.h"

/* None below 1024: from there the kernel draws for its like from few, and might hit one of these. */
static const uint16_t ports[] = {2080, 2443, 2053, 8080, 9090, 3000, 11001, 11002, 11003, 11004, 30080};

const char *const fuzz_dev_names[FUZZ_N_DEVS] = {"c0", "s0", "t0", "p0", "p1"};
const FuzzAddr fuzz_dev_addrs[FUZZ_N_DEVS][4] = {{ADDR_CLIENT, ADDR_CLIENT2, ADDR_CLIENT3, ADDR_N},
                                                 {ADDR_SERVER, ADDR_SERVER2, ADDR_N},
                                                 {ADDR_THIRD, ADDR_N},
                                                 {ADDR_POD, ADDR_N},
                                                 {ADDR_POD2, ADDR_N}};

IpAddr
fuzz_addr(IpFamily family, FuzzAddr which)
{
    static const char *const v4[ADDR_N] = {"10.1.0.2",   "10.1.0.3",   "10.1.0.9",  "10.2.0.2", "10.2.0.3", "10.3.0.2",
                                           "10.4.0.2",   "10.4.0.3",   "10.1.0.1",  "10.2.0.1", "10.3.0.1", "10.4.0.1",
                                           "10.96.0.10", "10.96.0.11", "10.99.0.1", "127.0.0.1"};
    static const char *const v6[ADDR_N] = {
        "fd00:1::2", "fd00:1::3", "fd00:1::9", "fd00:2::2", "fd00:2::3",  "fd00:3::2",  "fd00:4::2",  "fd00:4::3",
        "fd00:1::1", "fd00:2::1", "fd00:3::1", "fd00:4::1", "fd00:96::a", "fd00:96::b", "fd00:99::1", "::1"};
    IpAddr addr = IPADDR_ANY4;

    g_assert(ipaddr_parse(family == FAMILY_IPV4 ? v4[which] : v6[which], &addr));
    return addr;
}

int
fuzz_port_of(IpFamily family, IpAddr addr)
{
    for (int i = FUZZ_FIRST_PORT; i < FUZZ_N_DEVS; i++)
        if (ipaddr_eq(addr, fuzz_addr(family, fuzz_dev_addrs[i][0])))
            return i;
    return -1;
}

IpPrefix
fuzz_prefix(IpFamily family, Rng *rng)
{
    static const uint8_t lens4[] = {8, 16, 24, 31, 32, 32, 32, 0}, lens6[] = {16, 32, 64, 127, 128, 128, 128, 0};
    IpPrefix prefix = {fuzz_addr(family, rng_below(rng, ADDR_N)), 0};

    prefix.len = family == FAMILY_IPV4 ? lens4[rng_below(rng, 7)] : lens6[rng_below(rng, 7)];
    return ipprefix_network(prefix);
}

uint16_t
fuzz_port(Rng *rng)
{
    return ports[rng_below(rng, G_N_ELEMENTS(ports))];
}

bool
fuzz_port_known(uint16_t port)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ports); i++)
        if (ports[i] == port)
            return true;
    return port == 0; /* What stands in its place in ICMP. */
}

/* --- ipsets ------------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *name, *type, *sides[2];
    IpFamily family;
    uint32_t fields;
    uint8_t n_fields;
    bool interval;
    const char *elems[5]; /* "address[/len][,proto:port][,address]" */
} Ipset;

#define F2(a, b)       ((a) | (b) << 4)
#define F3(a, b, c)    (F2(a, b) | (c) << 8)
#define F4(a, b, c, d) (F3(a, b, c) | (d) << 12)

static const Ipset ipsets[] = {
    {"ip4", "hash:ip", {"src", "dst"}, FAMILY_IPV4, NF_KEY_DADDR, 1, false, {"10.1.0.2", "10.96.0.10", "10.2.0.3"}},
    {"net4",
     "hash:net",
     {"src", "dst"},
     FAMILY_IPV4,
     NF_KEY_DADDR,
     1,
     true,
     {"10.1.0.0/24", "10.96.0.0/16", "10.2.0.2"}},
    {"ipport4",
     "hash:ip,port",
     {"dst,dst", "src,src"},
     FAMILY_IPV4,
     F3(NF_KEY_DADDR, NF_KEY_PROTO, NF_KEY_DPORT),
     3,
     false,
     {"10.96.0.10,tcp:2080", "10.96.0.11,udp:2053", "10.2.0.2,tcp:8080", "10.1.0.1,tcp:2080"}},
    {"ipportip4",
     "hash:ip,port,ip",
     {"dst,dst,src", "src,dst,dst"},
     FAMILY_IPV4,
     F4(NF_KEY_DADDR, NF_KEY_PROTO, NF_KEY_DPORT, NF_KEY_DADDR),
     4,
     false,
     {"10.2.0.2,tcp:8080,10.1.0.2", "10.2.0.2,tcp:2080,10.2.0.2", "10.1.0.2,udp:2053,10.2.0.3"}},
    {"ports4", "bitmap:port", {"dst", "src"}, FAMILY_IPV4, NF_KEY_DPORT, 1, false, {"2080", "2053", "11001"}},
    {"ip6", "hash:ip", {"src", "dst"}, FAMILY_IPV6, NF_KEY_DADDR, 1, false, {"fd00:1::2", "fd00:96::a", "fd00:2::3"}},
    {"net6",
     "hash:net",
     {"src", "dst"},
     FAMILY_IPV6,
     NF_KEY_DADDR,
     1,
     true,
     {"fd00:1::/64", "fd00:96::/32", "fd00:2::2"}},
    {"ipport6",
     "hash:ip,port",
     {"dst,dst", "src,src"},
     FAMILY_IPV6,
     F3(NF_KEY_DADDR, NF_KEY_PROTO, NF_KEY_DPORT),
     3,
     false,
     {"fd00:96::a,tcp:2080", "fd00:96::b,udp:2053", "fd00:2::2,tcp:8080"}},
};

void
fuzz_ipsets_put(NfRuleset *rs)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ipsets); i++) {
        const Ipset *s = &ipsets[i];
        NfNames *names = nf_ruleset_names(rs);
        NfSetSpec spec = {.kind = NF_SET_IPSET,
                          .fields = s->fields,
                          .n_fields = s->n_fields,
                          .interval = s->interval,
                          .comment = NF_NO_ID,
                          .ipset_type = nf_text_id(names, s->type)};
        NfElem elems[5] = {0};
        size_t n = 0;

        if (nf_ruleset_dialect(rs) == NF_DIALECT_NFT || s->family != nf_ruleset_family(rs))
            continue;
        for (; n < 5 && s->elems[n]; n++) {
            g_auto(GStrv) parts = g_strsplit(s->elems[n], ",", 3);
            IpPrefix prefix = {0};

            elems[n].comment = NF_NO_ID;
            elems[n].addr_len = 255;
            if (s->fields == NF_KEY_DPORT) {
                elems[n].key.port = (uint16_t)atoi(parts[0]);
                continue;
            }
            g_assert(ipprefix_parse(parts[0], &prefix));
            elems[n].key.addr = prefix.addr;
            if (s->interval)
                elems[n].addr_len = prefix.len;
            if (parts[1]) {
                elems[n].key.proto = parts[1][0] == 't' ? 6 : 17;
                elems[n].key.port = (uint16_t)atoi(parts[1] + 4);
                if (parts[2])
                    g_assert(ipaddr_parse(parts[2], &elems[n].key.addr2));
            }
        }
        spec.id = nf_set_id(names, "ipset", s->name);
        nf_ruleset_put_set(rs, nf_set_new(&spec, elems, n, NULL));
    }
}

void
fuzz_ipsets_print(GString *out)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ipsets); i++) {
        const Ipset *s = &ipsets[i];

        g_string_append_printf(out, "create %s %s %s\n", s->name, s->type,
                               s->fields == NF_KEY_DPORT  ? "range 0-65535"
                               : s->family == FAMILY_IPV6 ? "family inet6"
                                                          : "family inet");
        for (size_t n = 0; n < 5 && s->elems[n]; n++)
            g_string_append_printf(out, "add %s %s\n", s->name, s->elems[n]);
    }
}

const char *
fuzz_ipset_pick(IpFamily family, Rng *rng, const char **ret_sides)
{
    const Ipset *s;

    do
        s = &ipsets[rng_below(rng, G_N_ELEMENTS(ipsets))];
    while (s->family != family);
    *ret_sides = s->sides[rng_below(rng, 2)];
    return s->name;
}
