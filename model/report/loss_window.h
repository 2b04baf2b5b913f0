#ifndef MODEL_REPORT_LOSS_WINDOW_H
#define MODEL_REPORT_LOSS_WINDOW_H

/* Loss windows: when connections were lost, why, and which clock is to blame
 *
 * Lost flows with one cause at one place, without a long pause between them, are one window.  It was closed by the
 * first event after its last loss that changed what caused it: the load balancer taking its target out, kube-proxy
 * writing new rules, a node coming back.  That event's clock is the one to blame; the time from the window's start to
 * that event is what an operator must bridge. */

#include "model/cloud/lb.h"
#include "model/report/flows.h"

typedef struct {
    SimTime start;  /* Of the first lost connection. */
    SimTime end;    /* Of the last one. */
    SimTime closed; /* When the closing event came; -1: never in this run. */
    uint32_t lost, timed_out, refused, reset;
    char *where; /* Host, or "" */
    char *cause; /* What happened to the packets, with the rule. */
    char *clock; /* What had to pass until it stopped. */
    char *fix;   /* What would have closed it sooner. */
} LossWindow;

/* 'flows' in order of start; 'cloud' may be NULL.  Caller frees with loss_windows_free(). */
LossWindow *loss_windows(Cluster *cluster, const Cloud *cloud, Flow *const *flows, size_t n_flows, uint32_t *ret_n);
void loss_windows_free(LossWindow *windows, uint32_t n);

/* From the moment at which a target stops answering well until the load balancer takes it out, whatever the probes'
 * phase.  'answers': it says so at once (503, RST); else each probe waits for its time limit. */
SimTime loss_notice_longest(const LbProbe *probe, bool answers);
SimTime loss_notice_shortest(const LbProbe *probe, bool answers);

#endif
