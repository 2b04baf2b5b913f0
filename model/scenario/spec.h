#ifndef MODEL_SCENARIO_SPEC_H
#define MODEL_SCENARIO_SPEC_H

/* svcsim/v1 Scenario and Application as data: what was written, decoded and checked for form
 *
 * Steps keep their parameters as a typed union; running them is model/scenario's work. */

#include "model/api/object.h"
#include "sim/engine/simtime.h"

typedef enum { ON_TERM_DRAIN, ON_TERM_ABRUPT, ON_TERM_IGNORE } OnTerm;

typedef struct {
    const char *name;
    const char *ns;  /* NULL: every namespace. */
    Labels selector; /* Empty: every pod. */
    uint16_t *ports; /* Listens there instead of on containerPorts; n_ports 0: default. */
    uint32_t n_ports;
    const char **http_calls; /* "backend-service:3000" or "http://host:port/path". */
    uint32_t n_http_calls;
    const char *http_body;   /* NULL: JSON with the pod's name. */
    uint32_t response_bytes; /* Body size; 0: natural. */
    bool accept_proxy;       /* Expects the PROXY protocol. */
    SimTime latency;         /* Of each answer. */
    SimTime startup;         /* Until it listens. */
    OnTerm on_term;
    SimTime idle_timeout;
    SimTime fail_at; /* Stops answering its readiness probe; SIMTIME_NEVER (the default of this and the one above). */
    Mark mark;
} ApplicationSpec;

typedef enum {
    STEP_CONNECT,
    STEP_LOAD,
    STEP_SEND,
    STEP_RESOLVE,
    STEP_APPLY,
    STEP_PATCH,
    STEP_DELETE,
    STEP_SCALE,
    STEP_ROLLOUT,
    STEP_CORDON,
    STEP_UNCORDON,
    STEP_DRAIN,
    STEP_FAIL,
    STEP_RECOVER,
    STEP_SET,
    STEP_INJECT,
    STEP_N_VERBS,
} StepVerb;
const char *step_verb_name(StepVerb verb);

typedef struct {
    SimTime at;
    StepVerb verb;
    const char *name; /* Of the flow or load; made from the verb and number if absent. */
    /* Traffic: connect, load, send, resolve, inject. */
    const char *from, *to, *via;
    const char *path, *payload, *method;
    uint32_t count;   /* connect, send: how many in a row (default 1). */
    SimTime interval; /* Between them. */
    double rate;      /* load: per second. */
    SimTime duration; /* load, fail: for (0: until the end). */
    bool keep_alive;
    uint32_t requests;    /* Requests per connection with keepAlive; 0: until the end. */
    uint32_t connections; /* load with keepAlive: concurrent connections. */
    uint32_t request_bytes;
    SimTime timeout; /* Default 10 s for connect. */
    uint8_t proto;   /* 0: from 'to', else TCP (connect, load), UDP (send). */
    uint16_t source_port;
    bool hold; /* connect: keeps the connection open until the end. */
    SimTime hold_for;
    bool same_socket;      /* send: one socket for all. */
    const DocNode *packet; /* inject: fields of the crafted packet (kept tree). */
    /* Objects: apply, patch, delete, scale, rollout, cordon, drain, fail, recover, set. */
    ApiKind kind;
    const char *ns, *object;
    const DocNode *body; /* apply, patch, set: kept tree. */
    int32_t replicas;
    const char *target; /* fail, recover, set: "node/x", "link/x/eth0", "pod/ns/x", "kube-proxy/x", "app/ns/x", "lb". */
    Mark mark, from_mark, to_mark, via_mark, object_mark; /* Of the step, and of the names in it. */
} Step;

typedef enum { EXPECT_FLOW, EXPECT_LOAD, EXPECT_RESOLVE, EXPECT_OBJECT, EXPECT_PROBE } ExpectKind;

typedef struct {
    ExpectKind kind;
    const char *pattern;   /* Name of the flow or load, or "*" (glob). */
    const DocNode *fields; /* Kept tree: outcome, sourceSeen, snat, dnat, server, node, lost, ... */
    const char *text;      /* One line, as written. */
    SimTime at;            /* Of objects and probes: looked at then; -1: at the end. */
    Mark mark;
} Expectation;

typedef struct {
    const char *at;        /* "node/minikube-m02", "pod/x", "client/x". */
    const char *interface; /* NULL: all of its interfaces. */
    const char *filter;    /* tcpdump expression or NULL. */
    Mark mark;
} CaptureSpec;

typedef struct {
    const char *name, *description;
    const char **includes;
    Mark *include_marks;
    uint32_t n_includes;
    uint64_t seed;
    SimTime duration; /* 0: until everything is over. */
    Step *steps;      /* Sorted by time, stable. */
    uint32_t n_steps;
    CaptureSpec *captures;
    uint32_t n_captures;
    Expectation *expects;
    uint32_t n_expects;
    const DocNode *clocks; /* Overrides of the control plane's clocks (kept tree) or NULL. */
    Mark mark;
} ScenarioSpec;

bool scenario_spec_decode(Diags *diags, Strings *strings, const DocNode *root, ScenarioSpec *ret_spec);
bool application_spec_decode(Diags *diags, Strings *strings, const DocNode *root, ApplicationSpec *ret_spec);

#endif
