#ifndef MODEL_NETWORK_APP_WORK_H
#define MODEL_NETWORK_APP_WORK_H

/* The work behind one request: the application's latency, then its calls to other Services, one after the other
 *
 * A call resolves its name through the cluster's DNS (traffic), connects and asks, as a program would.  Work that is
 * not done when its pod dies is cancelled with the list. */

#include "model/network/pod_apps.h"

typedef struct AppWork AppWork;
typedef struct {
    AppWork *first;
} AppWorkList;

/* 'answers': the calls' answers as JSON members separated by commas ("" without calls); 'status' 200, or 502 if one
 * failed. */
typedef void (*AppWorkDone)(void *user, HttpExchange *exchange, int status, const char *answers);

void app_work_start(AppWorkList *list, ClusterPod *pod, const ApplicationSpec *spec, HttpExchange *exchange,
                    uint64_t parent_flow, AppWorkDone done, void *user);
void app_work_cancel_all(AppWorkList *list);

#endif
