/* EndpointSlices of Services that have a selector and none of their own */

#include "model/control/fill_private.h"
#include "model/control/slice_make.h"

void
fill_index_pods(Store *store, LabelIndex *index)
{
    size_t n;
    const ApiObject *const *pods = store_list(store, KIND_POD, &n);

    for (size_t i = 0; i < n; i++)
        label_index_add(index, (const Pod *)pods[i]);
}

void
fill_slices(Fill *f)
{
    size_t n, n_slices;
    const ApiObject *const *services = store_list(f->store, KIND_SERVICE, &n);
    LabelIndex *index = NULL;
    GPtrArray *pods = g_ptr_array_new(), *made = g_ptr_array_new();

    for (size_t i = 0; i < n; i++) {
        const Service *service = (const Service *)services[i];
        store_slices_of(f->store, service->meta.ns, service->meta.name, &n_slices);
        if (n_slices || service->selector.n == 0 || service->type == SERVICE_EXTERNALNAME)
            continue;
        if (!index) {
            index = label_index_new();
            fill_index_pods(f->store, index);
        }
        g_ptr_array_set_size(pods, 0);
        label_index_find(index, service->meta.ns, &service->selector, pods);
        slices_make(f->store, f->seed, service, (const Pod *const *)pods->pdata, pods->len,
                    cluster_family(&f->input->cluster), made);
        for (guint k = 0; k < made->len; k++)
            store_put(f->store, made->pdata[k]);
        g_ptr_array_set_size(made, 0);
    }
    label_index_free(index);
    g_ptr_array_unref(pods);
    g_ptr_array_unref(made);
}
