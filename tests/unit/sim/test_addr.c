#include "sim/packet/addr.h"

#include "tests/unit/test.h"

static void
test_strict(void)
{
    static const struct {
        const char *text, *canonical; /* NULL: refused. */
    } cases[] = {
        {"10.0.0.1", "10.0.0.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"2001:0DB8:0:0:0:0:0:1", "2001:db8::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* One zero group is not shortened. */
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},          /* The longest run is. */
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},    /* The first of equal ones. */
        {"::1.2.3.4", "::102:304"},
        {"::1:0", "::1:0"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"::ffff:102:304", "1.2.3.4"},
        {"64:ff9b::1.2.3.4", "64:ff9b::102:304"},
        {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
        {"10.0.0.01", NULL},
        {"10.0.0.00", NULL},
        {"10.0.0.256", NULL},
        {"10.0.0", NULL},
        {"10.0.0.1.2", NULL},
        {"10.0.0.1 ", NULL},
        {" 10.0.0.1", NULL},
        {"10.0.0.1/32", NULL},
        {"10..0.1", NULL},
        {"", NULL},
        {":", NULL},
        {":::", NULL},
        {"1::2::3", NULL},
        {"1:2:3:4:5:6:7", NULL},
        {"1:2:3:4:5:6:7:8:9", NULL},
        {"fe80::1%eth0", NULL},
        {"::ffff:1.2.3.04", NULL},
        {"12345::", NULL},
        {"g::", NULL},
        {"1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:255.255.255.255", NULL},
    };
    char buf[IPADDR_STR_SIZE];
    IpAddr addr;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        bool ok = ipaddr_parse(cases[i].text, &addr);
        test_check(ok == (cases[i].canonical != NULL), __LINE__, __FILE__, __func__, "\"%s\"", cases[i].text);
        if (ok)
            T_EQ_STR(ipaddr_format(addr, buf), cases[i].canonical);
    }
}

static void
test_sloppy(void)
{
    char buf[IPPREFIX_STR_SIZE];
    IpPrefix prefix;
    IpAddr addr;

    T_TRUE(ipaddr_parse_sloppy("172.30.0.041", &addr));
    T_EQ_STR(ipaddr_format(addr, buf), "172.30.0.41");
    T_TRUE(ipaddr_parse_sloppy("010.00.000.0001", &addr));
    T_EQ_STR(ipaddr_format(addr, buf), "10.0.0.1");
    T_TRUE(ipaddr_parse_sloppy("::ffff:010.1.2.3", &addr));
    T_EQ_STR(ipaddr_format(addr, buf), "10.1.2.3");
    T_TRUE(!ipaddr_parse_sloppy("172.30.0.0256", &addr));
    T_TRUE(!ipaddr_parse_sloppy(" 172.30.0.1", &addr));
    T_TRUE(ipprefix_parse_sloppy("203.0.113.0130/025", &prefix));
    T_EQ_STR(ipprefix_format(prefix, buf), "203.0.113.128/25");
    T_TRUE(ipprefix_parse_sloppy("fd00:1::5/64", &prefix));
    T_EQ_STR(ipprefix_format(prefix, buf), "fd00:1::/64");
    T_TRUE(!ipprefix_parse_sloppy("10.0.0.1", &prefix));
    T_TRUE(!ipprefix_parse_sloppy("10.0.0.0/33", &prefix));
    T_TRUE(!ipprefix_parse_sloppy("10.0.0.0/", &prefix));
    T_TRUE(!ipprefix_parse_sloppy("10.0.0.0/-1", &prefix));
}

static void
test_prefixes(void)
{
    char buf[IPPREFIX_STR_SIZE];
    IpPrefix prefix;

    T_TRUE(!ipprefix_parse("10.0.0.0/08", &prefix));
    T_TRUE(!ipprefix_parse("::/129", &prefix));
    T_TRUE(ipprefix_parse("10.1.2.3", &prefix) && prefix.len == 32);
    T_TRUE(ipprefix_parse("::5", &prefix) && prefix.len == 128);
    T_TRUE(ipprefix_parse("10.1.2.3/8", &prefix));
    T_EQ_STR(ipprefix_format(prefix, buf), "10.1.2.3/8");
    T_EQ_STR(ipprefix_format(ipprefix_network(prefix), buf), "10.0.0.0/8");

    /* Every length of both families, against a bit by bit comparison. */
    for (unsigned family = 0; family < 2; family++) {
        unsigned bits = family ? 128 : 32;
        IpAddr addr = ipaddr_v4(0xa5, 0x3c, 0x96, 0x5a);
        if (family)
            T_TRUE(ipaddr_parse("a53c:965a:1234:5678:9abc:def0:1357:2468", &addr));
        for (unsigned len = 0; len <= bits; len++) {
            IpPrefix p = {addr, (uint8_t)len}, network = ipprefix_network(p);
            T_TRUE(ipprefix_contains(&network, addr));
            for (unsigned bit = 0; bit < bits; bit++) {
                IpAddr other = addr;
                unsigned at = bit + (family ? 0 : 96);
                other.b[at / 8] ^= (uint8_t)(0x80 >> at % 8);
                T_TRUE(ipprefix_contains(&p, other) == (bit >= len));
                T_TRUE(ipaddr_eq(ipprefix_network((IpPrefix){other, (uint8_t)len}).addr, network.addr) == (bit >= len));
            }
        }
    }
    T_TRUE(ipprefix_parse("::/0", &prefix) && !ipprefix_contains(&prefix, ipaddr_v4(1, 2, 3, 4)));
    T_TRUE(ipprefix_parse("0.0.0.0/0", &prefix) && !ipprefix_contains(&prefix, IPADDR_LOOPBACK6));
}

static void
test_kinds_and_arithmetic(void)
{
    char buf[IPPORT_STR_SIZE];
    IpAddr addr;

    T_TRUE(ipaddr_is_any(&IPADDR_ANY4) && ipaddr_is_any(&IPADDR_ANY6) && !ipaddr_is_any(&IPADDR_LOOPBACK6));
    T_TRUE(ipaddr_is_loopback(&IPADDR_LOOPBACK4) && ipaddr_is_loopback(&IPADDR_LOOPBACK6));
    T_EQ_U64(ipaddr_family(&IPADDR_ANY4), FAMILY_IPV4);
    T_EQ_U64(ipaddr_family(&IPADDR_ANY6), FAMILY_IPV6);
    T_TRUE(ipaddr_parse("239.1.1.1", &addr) && ipaddr_is_multicast(&addr));
    T_TRUE(ipaddr_parse("240.1.1.1", &addr) && !ipaddr_is_multicast(&addr));
    T_TRUE(ipaddr_parse("ff02::1", &addr) && ipaddr_is_multicast(&addr));
    T_TRUE(ipaddr_parse("febf::1", &addr) && ipaddr_is_linklocal(&addr));
    T_TRUE(ipaddr_parse("fec0::1", &addr) && !ipaddr_is_linklocal(&addr));
    T_EQ_STR(ipport_format(ipaddr_add(ipaddr_v4(10, 0, 255, 250), 10), 80, buf), "10.1.0.4:80");
    T_EQ_STR(ipport_format(ipaddr_add(ipaddr_v4(255, 255, 255, 255), 1), 1, buf), "0.0.0.0:1");
    T_TRUE(ipaddr_parse("fd00::ffff:ffff:ffff:ffff", &addr));
    T_EQ_STR(ipport_format(ipaddr_add(addr, 2), 443, buf), "[fd00:0:0:1::1]:443");
    T_EQ_U64(ipaddr_to_u32(ipaddr_v4_u32(0x0a010203)), 0x0a010203);
    addr = ipaddr_v4(10, 0, 0, 2);
    T_TRUE(ipaddr_cmp(&addr, &IPADDR_LOOPBACK4) < 0 && ipaddr_cmp(&IPADDR_ANY6, &addr) < 0);
}

static void
test_macs(void)
{
    char buf[MAC_STR_SIZE];
    MacAddr mac, a = mac_from_name("minikube/eth0");

    T_TRUE(mac_parse("02:00:5E:10:ab:ff", &mac));
    T_EQ_STR(mac_format(mac, buf), "02:00:5e:10:ab:ff");
    T_TRUE(!mac_parse("02:00:5e:10:ab", &mac));
    T_TRUE(!mac_parse("02:00:5e:10:ab:ff:", &mac));
    T_TRUE(!mac_parse("2:00:5e:10:ab:ff", &mac));
    T_TRUE(!mac_parse("02:00:5e:10:ab:fg", &mac));
    T_EQ_U64(a.b[0] & 3, 2);
    mac = mac_from_name("minikube/eth1");
    T_TRUE(memcmp(&a, &mac, sizeof mac) != 0);
}

const TestSuite suite_addr = {"sim/addr",
                              {{"strict addresses are read and written canonically", test_strict},
                               {"lenient ones take leading zeros as decimal", test_sloppy},
                               {"prefixes hold what their bits say", test_prefixes},
                               {"kinds of address, addition, order", test_kinds_and_arithmetic},
                               {"MAC addresses", test_macs}}};
