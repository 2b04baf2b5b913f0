#ifndef MODEL_SCENARIO_TRAFFIC_H
#define MODEL_SCENARIO_TRAFFIC_H

/* Traffic: one connection (or datagram, or name look-up) of a scenario, from its dialling to its outcome
 *
 * A Dial lives from traffic_dial() until its end is reported; the Flow record stays in the book.  Outcomes are what the
 * client's socket hears, nothing else. */

#include "model/network/who.h"
#include "model/report/flows.h"

typedef struct Traffic Traffic; /* All dials of a run. */
typedef struct Dial Dial;

/* Reason of such a flow, which is connected all the same. */
#define TRAFFIC_REPLACED "closed-between-requests"

typedef struct {
    const char *name;  /* Of the flow. */
    const char *group; /* Of its load, or NULL. */
    const Who *from;
    const Where *to;
    const char *path, *method; /* HTTP; NULL: GET /. */
    const char *payload;       /* UDP, SCTP; NULL: "hello". */
    uint32_t request_bytes;
    uint16_t source_port; /* 0: ephemeral. */
    SimTime timeout;      /* 0: 10 s. */
    SimTime hold;         /* Keeps the connection open that long after the answer. */
    uint32_t requests;    /* On one connection, one after the other; 0: 1. */
    SimTime interval;     /* Between them. */
    bool pooled; /* A connection that the server closes between two requests has ended well (TRAFFIC_REPLACED). */
    void (*ended)(Flow *flow, void *user); /* May be NULL. */
    /* Each answered or failed request after the first, for keep-alive loads; may be NULL. */
    void (*requested)(Flow *flow, const HttpResult *result, void *user);
    void *user;
} DialParams;

Traffic *traffic_new(Cluster *cluster, FlowBook *book);
void traffic_free(Traffic *traffic); /* Ends what is under way without a report. */
/* 'from', 'to' and the names are copied; path, method and payload outlive the connection. */
Flow *traffic_dial(Traffic *traffic, const DialParams *params);
uint32_t traffic_active(const Traffic *traffic);
/* Flows still pending get the outcome that their client would report now. */
void traffic_finish_pending(Traffic *traffic);

/* What a client's error means for its flow. */
FlowOutcome traffic_outcome(SocketError error, bool connected);
/* Copies what the client's connection measured. */
void traffic_note_result(Flow *flow, const HttpResult *result);

#endif
