/* The TCP tracker, held against tests/kernel/ct_tcp_steps.txt: segments, and the state and timeout after each.
 * tests/kernel/ct_tcp_live.py holds a kernel against the same file. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sim/ct_world.h"

#define STEPS  "tests/kernel/ct_tcp_steps.txt"
#define CLIENT "10.0.0.1"
#define SERVER "10.0.1.1"

typedef struct {
    CtWorld world; /* Of the current case. */
    bool open;
    char name[128];
    unsigned line, n_steps;
} Run;

static void
end_case(Run *run)
{
    if (run->open)
        ct_world_free(&run->world);
    run->open = false;
}

static void
begin_case(Run *run, const char *name)
{
    end_case(run);
    run->world = ct_world_new();
    run->open = true;
    g_strlcpy(run->name, name, sizeof run->name);
}

static const Conn *
only_entry(CtWorld *w)
{
    CtTuple tuple = {.src = ct_addr(CLIENT), .dst = ct_addr(SERVER), .sport = 1234, .dport = 80};
    CtDir dir;

    tuple.proto = IPPROTO_TCP_;
    return ct_table_find(w->ct, &tuple, (CtZone){0}, &dir);
}

static const char *
ctinfo_name(const Packet *pkt)
{
    switch (conntrack_state_bits(pkt)) {
    case NF_CT_INVALID:
        return "INVALID";
    case NF_CT_NEW:
        return "NEW";
    case NF_CT_ESTABLISHED:
        return "ESTABLISHED";
    default:
        return "?";
    }
}

static uint8_t
parse_flags(const char *text)
{
    static const char letters[] = "FSRPAU";
    uint8_t flags = 0;

    for (const char *p = text; *p; p++)
        if (strchr(letters, *p))
            flags |= (uint8_t)(1u << (strchr(letters, *p) - letters));
    return flags;
}

static void
segment(Run *run, const char *text)
{
    CtWorld *w = &run->world;
    char dir, flags[8], ctinfo[16], state[16];
    long seq, ack, len, seconds;
    unsigned window = 64240;
    DropReason reason = DROP_NONE;
    const Conn *conn;
    int64_t left = 0;
    Packet *pkt;
    bool up;

    if (!T_TRUE(sscanf(text, "%c %7s %ld %ld %ld %15s %15s %ld win=%u", &dir, flags, &seq, &ack, &len, ctinfo, state,
                       &seconds, &window) >= 8))
        return;
    up = dir == '>';
    pkt = up ? ct_packet(w, IPPROTO_TCP_, CLIENT, 1234, SERVER, 80)
             : ct_packet(w, IPPROTO_TCP_, SERVER, 80, CLIENT, 1234);
    pkt->tcp.flags = parse_flags(flags);
    pkt->tcp.seq = (uint32_t)(seq + (up ? 1000 : 5000));
    pkt->tcp.ack = pkt->tcp.flags & TCP_ACK ? (uint32_t)(ack + (up ? 5000 : 1000)) : 0;
    pkt->tcp.window = (uint16_t)window;
    pkt->payload.len = (uint32_t)len;
    if (pkt->tcp.flags & TCP_SYN) {
        pkt->tcp.mss = 1460;
        pkt->tcp.sack_permitted = true;
        pkt->tcp.wscale = 8 + 1;
    }
    T_EQ_I64(ct_forward(w, pkt, NULL, NULL, &reason), NF_ACCEPT);
    conn = only_entry(w);
    if (conn)
        left = (conn->expires - w->sim->now) / SIMTIME_SEC;
    test_check(strcmp(ctinfo_name(pkt), ctinfo) == 0 && strcmp(conn ? conn_state_name(conn) : "-", state) == 0 &&
                   left == seconds,
               run->line, STEPS, __func__, "%s: \"%s\": got %s %s %" PRId64, run->name, text, ctinfo_name(pkt),
               conn ? conn_state_name(conn) : "-", left);
    packet_free(w->sim, pkt);
    conntrack_check(w->ct);
    run->n_steps++;
}

static void
line(Run *run, char *text)
{
    g_strchomp(text);
    if (text[0] == '#' || text[0] == '\0')
        return;
    if (g_str_has_prefix(text, "case ")) {
        begin_case(run, text + 5);
    } else if (g_str_has_prefix(text, "wait ")) {
        ct_world_wait(&run->world, atoi(text + 5) * SIMTIME_SEC);
    } else if (g_str_has_prefix(text, "sysctl ")) {
        g_auto(GStrv) words = g_strsplit(text, " ", 3);

        T_TRUE(ct_sysctl_set(conntrack_sysctls(run->world.ct), words[1], words[2]));
    } else if (strcmp(text, "handshake") == 0) {
        segment(run, "> S 0 0 0 NEW SYN_SENT 120");
        segment(run, "< SA 0 1 0 ESTABLISHED SYN_RECV 60");
        segment(run, "> A 1 1 0 ESTABLISHED ESTABLISHED 432000");
    } else {
        segment(run, text);
    }
}

static void
test_steps(void)
{
    FILE *file = fopen(STEPS, "r");
    char text[256];
    Run run = {0};

    if (!T_TRUE(file != NULL))
        return;
    while (fgets(text, sizeof text, file)) {
        run.line++;
        line(&run, text);
    }
    end_case(&run);
    fclose(file);
    T_TRUE(run.n_steps > 100);
}

const TestSuite suite_ct_tcp = {"sim/ct_tcp", {{"segments give the states of the recorded cases", test_steps}, {0}}};
