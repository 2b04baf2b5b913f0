#ifndef MODEL_PROXY_SERVICE_PARTS_PRIVATE_H
#define MODEL_PROXY_SERVICE_PARTS_PRIVATE_H

/* The parts of a Service, inside: what service_parts.c decides and service_rules.c puts into rule sets */

#include "model/proxy/base.h"

/* What was decided of one port; of lists that are neither none nor all nor another, the number and the indices stand in
 * the parts' 'listed'. */
typedef struct {
    PortVerdict verdict;
    uint8_t modes; /* Two bits for each list: which endpoints it picks. */
} Decision;

/* What few have. */
typedef struct {
    Parts sets;
    uint32_t *listed; /* Port after port, list after list. */
} Extra;

struct ServiceParts {
    NfMaker maker; /* Of its chains. */
    ServiceParts *next;
    ServiceNames *names;
    Extra *extra;               /* NULL: nothing. */
    uint32_t detector : 30;     /* Index among the compiler's. */
    uint32_t serves : 1;        /* service_parts_serve(). */
    uint32_t large_cluster : 1; /* As it was then: what did not change is not written again. */
    Decision decisions[];       /* Of each port. */
};

#endif
