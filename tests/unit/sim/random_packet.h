#ifndef TESTS_UNIT_SIM_RANDOM_PACKET_H
#define TESTS_UNIT_SIM_RANDOM_PACKET_H

/* Random but valid packets of all kinds that the wire format holds; shared by the tests of wire and capture. */

#include "sim/engine/rng.h"
#include "sim/packet/packet.h"

typedef enum {
    RANDOM_TCP,
    RANDOM_UDP,
    RANDOM_ECHO,
    RANDOM_ERROR,
    RANDOM_SCTP,
    RANDOM_ARP,
    RANDOM_VXLAN,
    RANDOM_IPIP,
    RANDOM_N_KINDS
} RandomKind;

Packet *random_packet(Sim *sim, Rng *rng, RandomKind kind);

#endif
