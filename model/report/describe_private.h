#ifndef MODEL_REPORT_DESCRIBE_PRIVATE_H
#define MODEL_REPORT_DESCRIBE_PRIVATE_H

/* What the files of `describe` share.  They write text with tabs; describe_object() aligns it. */

#include "model/report/describe.h"

/* "Title:\ta=b\n\tc=d\n"; the separator is "=" for labels and ": " for annotations. */
void describe_pairs(GString *out, const char *title, const Labels *labels, const char *separator);
/* "Sat, 01 Jan 2000 00:00:05 +0000" of a simulated time. */
void describe_time(GString *out, SimTime at);

void describe_service(GString *out, const Describe *d, const Service *service);
void describe_endpoints(GString *out, const Describe *d, const Service *service);
void describe_slice(GString *out, const EndpointSlice *slice);
void describe_pod(GString *out, const Pod *pod);
void describe_budget(GString *out, const Describe *d, const Budget *budget);
void describe_workload(GString *out, const Describe *d, const Workload *workload);

/* Not aligned with the rest: the rules of a Service, by node. */
void describe_proxy(GString *out, const Describe *d, const Service *service);

#endif
