/* Frames: what is read can be written, and reads back as the same bytes. */

#include <glib.h>
#include <string.h>

#include "sim/packet/wire.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *frame = g_malloc(WIRE_MAX_FRAME), *again = g_malloc(WIRE_MAX_FRAME);
    Sim *sim = sim_new(1);
    const char *why;
    Packet *pkt = size <= WIRE_MAX_FRAME ? wire_parse(sim, data, (uint32_t)size, &why) : NULL;

    if (pkt) {
        uint32_t length = wire_build(pkt, frame, WIRE_MAX_FRAME);
        Packet *copy = wire_parse(sim, frame, length, &why);
        g_assert_nonnull(copy);
        g_assert_cmpuint(wire_build(copy, again, WIRE_MAX_FRAME), ==, length);
        g_assert_true(memcmp(frame, again, length) == 0);
        packet_free(sim, copy);
        packet_free(sim, pkt);
    }
    sim_free(sim);
    return 0;
}
