#ifndef MODEL_REPORT_KUBE_SELECTOR_H
#define MODEL_REPORT_KUBE_SELECTOR_H

/* Label selectors as `kubectl get -l` takes them: "app=web,tier!=db,env in (a, b),!legacy" */

#include <glib.h>

#include "model/api/object.h"

typedef struct KubeSelector KubeSelector;

/* NULL with *ret_error (caller frees) if it cannot be read. */
KubeSelector *kube_selector_new(const char *text, char **ret_error);
void kube_selector_free(KubeSelector *selector); /* Accepts NULL. */
bool kube_selector_match(const KubeSelector *selector, const Labels *labels);

#endif
