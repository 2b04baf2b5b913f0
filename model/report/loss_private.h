#ifndef MODEL_REPORT_LOSS_PRIVATE_H
#define MODEL_REPORT_LOSS_PRIVATE_H

/* Between loss_kind.c, which places a lost flow, loss_window.c, which groups them, loss_cause.c, which finds what ended
 * a group, and loss_words.c, which says so */

#include "model/network/node_proxy.h"
#include "model/report/loss_window.h"

typedef enum {
    LOSS_RULE,      /* The entry node's rules dropped or rejected it. */
    LOSS_POD,       /* Sent to a pod that does not listen or is gone. */
    LOSS_NODE_DOWN, /* The node that it was sent to is dead. */
    LOSS_LB,        /* The load balancer had no target, or no such flow. */
    LOSS_NOBODY,    /* No endpoint anywhere: nodes reject it. */
    LOSS_SERVER,    /* The server closed or reset the connection. */
    LOSS_OTHER,
} LossKind;

typedef struct {
    LossWindow window;
    LossKind kind;
    char *key;
    const char *node; /* Where the outside sent it: the entry node; NULL: none was reached. */
    const char *pod;  /* "ns/name" of the server addressed, as far as known; or NULL. */
    IpAddr pod_addr;  /* LOSS_POD: its address. */
    FlowPodState pod_state;
    const char **entry; /* Nodes whose rules sent it to the pod; none: the load balancer did itself. */
    uint32_t n_entry;
    const Flow *first;
    const Service *service;          /* That was dialled, as far as known; or NULL. */
    const Lb *lb;                    /* That it went through, or NULL. */
    bool broken;                     /* It had been connected: packets of a connection, not its opening, were lost. */
    bool down;                       /* The server's node is dead. */
    bool moved;                      /* Packets of a connection came to another node than its opening. */
    uint64_t reasons, first_reasons; /* Of drops, all and the first flow's: 1 << DropReason. */
    bool late;                       /* Sent by what somebody remembered, after new connections went elsewhere. */
} LossGroup;

typedef struct {
    Cluster *cluster;
    const Cloud *cloud; /* NULL: none. */
    Flow *const *flows;
    size_t n_flows;
} LossWorld;

bool flow_is_lost(const Flow *flow);
/* When a lost flow was lost. */
SimTime loss_time(const Flow *flow);
/* A group of this flow alone, without what ended it. */
LossGroup loss_group_of(const LossWorld *w, const Flow *flow);
void loss_note_entry(LossGroup *group, const char *node);
/* Is that the address that the flow dialled? */
bool loss_dials(const Flow *flow, IpAddr addr);
/* The load balancer whose address the flow dialled, or NULL. */
const Lb *loss_lb_of(const LossWorld *w, const Flow *flow);
/* The first event at or after 'from' by which 'lb' stopped sending new flows to 'target'; NULL: none. */
const LbHealthEvent *loss_taken_out(const LossWorld *w, const Lb *lb, const char *target, SimTime from);
/* Had 'lb' stopped sending new flows to 'target' by then, and not begun again? */
bool loss_is_out(const LossWorld *w, const Lb *lb, const char *target, SimTime at);
/* The first time at or after 'from' that kube-proxy of a living node wrote rules; NULL: none. */
const ProxySync *loss_next_sync(const LossWorld *w, const char *node, SimTime from);
/* Any target of 'lb' healthy then? */
bool loss_any_healthy(const LossWorld *w, const Lb *lb, SimTime at);
/* The first event at or after 'from' by which 'lb' had a target for new flows again; NULL: none. */
const LbHealthEvent *loss_first_usable(const LossWorld *w, const Lb *lb, SimTime from);
const Service *loss_service(const LossWorld *w, const Lb *lb);
/* The Service whose load balancer, clusterIP or external IP was dialled, or NULL. */
const Service *loss_service_of(const LossWorld *w, const Flow *flow, const Lb *lb);
/* Why a Service has nobody to send to at the end of the run, or NULL if it has.  Caller frees. */
char *loss_why_nobody(const LossWorld *w, const Service *service);
/* A pod of the Service that stands on the node at the end of the run and is not ready, or NULL.  Caller frees. */
char *loss_unready(const LossWorld *w, const Lb *lb, const char *node);
/* Fix or addition to it: a preStop hook that the grace period cuts off; "" if it does not.  Caller frees. */
char *loss_grace_note(const LossWorld *w, const Lb *lb);
/* These fill clock, fix and, where it is known, closed of the group's window; false: that was not it. */
bool loss_tell_stuck(const LossWorld *w, LossGroup *g, const char *node);
void loss_tell_event(const LossWorld *w, LossGroup *g, const LbHealthEvent *event);
void loss_tell_sync(const LossWorld *w, LossGroup *g, const char *node, const ProxySync *sync);
void loss_tell_late(const LossWorld *w, LossGroup *g);
void loss_tell_refusal(const LossWorld *w, LossGroup *g);
void loss_tell_nobody(const LossWorld *w, LossGroup *g);
void loss_tell_server(LossGroup *g);
void loss_tell_unclosed(const LossWorld *w, LossGroup *g);
void loss_tell_early(const LossWorld *w, LossGroup *g);
/* Fills closed, clock and fix of the group's window. */
void loss_find_closer(const LossWorld *w, LossGroup *group);

#endif
