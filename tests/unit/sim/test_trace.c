#include "sim/trace/trace.h"

#include "tests/unit/test.h"

typedef struct {
    TraceSink base;
    char *log; /* Shared: who was called, in order. */
    char letter;
    Sim *remove_in; /* Removes itself when called. */
} LetterSink;

static void
note(TraceSink *sink, const TraceRecord *record)
{
    LetterSink *self = (LetterSink *)sink;

    T_EQ_I64(record->at, 5);
    strncat(self->log, &self->letter, 1);
    if (self->remove_in)
        trace_remove_sink(self->remove_in, sink);
}

static void
test_sinks(void)
{
    char log[32] = "";
    Sim *sim = sim_new(1);
    LetterSink a = {{TRACE_BIT(TRACE_DROP), note, NULL}, log, 'a', NULL};
    LetterSink b = {{TRACE_BIT(TRACE_DROP) | TRACE_BIT(TRACE_NAT), note, NULL}, log, 'b', sim};
    LetterSink c = {{TRACE_ALL, note, NULL}, log, 'c', NULL};
    TraceRecord drop = {.kind = TRACE_DROP}, nat = {.kind = TRACE_NAT}, miss = {.kind = TRACE_RULE_MISS};

    T_TRUE(sim_run_until(sim, 5));
    T_TRUE(!trace_wants(sim, TRACE_DROP));
    trace_add_sink(sim, &a.base);
    T_TRUE(trace_wants(sim, TRACE_DROP) && !trace_wants(sim, TRACE_NAT));
    trace_add_sink(sim, &b.base);
    trace_add_sink(sim, &c.base);
    T_TRUE(trace_wants(sim, TRACE_APP) && !trace_wants(sim, TRACE_RULE_MISS));
    trace_emit(sim, &drop);
    T_EQ_STR(log, "abc");
    trace_emit(sim, &nat);
    trace_emit(sim, &miss);
    T_EQ_STR(log, "abcc");
    trace_remove_sink(sim, &c.base);
    T_EQ_U64(sim->trace_mask, TRACE_BIT(TRACE_DROP));
    trace_emit(sim, &drop);
    T_EQ_STR(log, "abcca");
    sim_free(sim);
}

static void
test_drop_codes(void)
{
    GHashTable *codes = g_hash_table_new(g_str_hash, g_str_equal);

    for (int i = 0; i < DROP_N_REASONS; i++) {
        T_TRUE(g_hash_table_add(codes, (char *)drop_reason_code((DropReason)i)));
        T_TRUE(*drop_reason_sentence((DropReason)i) && drop_reason_hint((DropReason)i));
    }
    T_EQ_STR(drop_reason_code(DROP_RP_FILTER), "rp-filter");
    g_hash_table_destroy(codes);
}

static int n_released;

static void
release(Packet *pkt)
{
    T_TRUE(pkt->meta.ct != NULL);
    n_released++;
}

static void
test_packet_life(void)
{
    Sim *sim = sim_new(1);
    Packet *pkt = packet_new(sim), *copy;
    PayloadBuf *buf = payload_buf_new("hello", 5);
    Conn *conn = (Conn *)&n_released; /* Opaque here. */

    n_released = 0;
    packet_pool_set_conn_release(sim->packets, release);
    pkt->meta.ct = conn;
    pkt->meta.mark = 0x4000;
    packet_set_payload(pkt, buf, 1, 4);
    T_EQ_U64(buf->refs, 2);
    copy = packet_copy(sim, pkt);
    T_EQ_U64(buf->refs, 3);
    T_TRUE(copy->id != pkt->id && copy->meta.ct == NULL && copy->meta.mark == 0x4000);
    packet_enter_host(sim, pkt);
    T_EQ_I64(n_released, 1);
    T_TRUE(pkt->meta.ct == NULL && pkt->meta.mark == 0);
    pkt->meta.ct = conn;
    pkt->inner = copy;
    copy->meta.ct = conn;
    packet_free(sim, pkt);
    T_EQ_I64(n_released, 3);
    T_EQ_U64(buf->refs, 1);
    T_EQ_U64(packet_pool_in_use(sim->packets), 0);
    payload_buf_unref(buf);
    sim_free(sim);
}

const TestSuite suite_trace = {"sim/trace",
                               {{"sinks hear what they want in order of registration", test_sinks},
                                {"drop codes are distinct", test_drop_codes},
                                {"packets give back what they hold", test_packet_life}}};
