/* The EndpointSlice controller in time */

#include "model/control/controllers_private.h"
#include "model/control/fill_private.h"
#include "model/control/hints.h"
#include "model/control/slice_make.h"

static void tell_slice(Controllers *c, const EndpointSlice *slice);
static void tell_hints(Controllers *c, const Service *service);

void
slices_pod_changed(Controllers *c, const Pod *old, const Pod *new_)
{
    const ApiObject *meta = new_ ? &new_->meta : &old->meta;
    size_t n;
    const ApiObject *const *services = store_list(c->store, KIND_SERVICE, &n);

    for (size_t i = 0; i < n; i++) {
        const Service *service = (const Service *)services[i];
        if (strcmp(service->meta.ns, meta->ns) != 0)
            continue;
        if ((old && labels_match(&service->selector, &old->meta.labels)) ||
            (new_ && labels_match(&service->selector, &new_->meta.labels)))
            work_add(c, WORK_SLICES, service->meta.ns, service->meta.name, reaction(c));
    }
}

void
slices_nodes_changed(Controllers *c)
{
    size_t n;
    const ApiObject *const *services = store_list(c->store, KIND_SERVICE, &n);

    for (size_t i = 0; i < n; i++) {
        const Service *service = (const Service *)services[i];
        if (hints_auto(service) && hints_overloaded(c->store, service))
            work_add(c, WORK_SLICES, service->meta.ns, service->meta.name, reaction(c));
    }
}

static bool
made_again(const GPtrArray *made, const char *name)
{
    for (guint i = 0; i < made->len; i++)
        if (strcmp(((const EndpointSlice *)made->pdata[i])->meta.name, name) == 0)
            return true;
    return false;
}

static void
remove_others(Controllers *c, const Service *service, const GPtrArray *made)
{
    size_t n;
    const EndpointSlice *const *list = store_slices_of(c->store, service->meta.ns, service->meta.name, &n);
    g_autofree const EndpointSlice **all = g_memdup2(list, n * sizeof *list);

    for (size_t i = 0; i < n; i++)
        if (!made_again(made, all[i]->meta.name))
            store_remove(c->store, KIND_ENDPOINTSLICE, all[i]->meta.ns, all[i]->meta.name);
}

void
slices_reconcile(Controllers *c, Work *work, const Service *service)
{
    size_t n;
    g_autoptr(GPtrArray) pods = g_ptr_array_new(), made = g_ptr_array_new();
    bool written = false;

    if (!slices_are_ours(c->store, service))
        return;
    /* The controller's cache lags behind its own last write: it gives up and tries again (endpointslice_controller.go:
     * StaleSlices, defaultSyncBackOff). */
    if (c->sim->now - work->last_write < c->clocks.controller_latency) {
        work_add(c, WORK_SLICES, service->meta.ns, service->meta.name, c->clocks.slice_retry);
        return;
    }
    const ApiObject *const *list = store_list(c->store, KIND_POD, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i]->ns, service->meta.ns) == 0 && labels_match(&service->selector, &list[i]->labels))
            g_ptr_array_add(pods, (gpointer)list[i]);
    slices_make(c->store, c->seed, service, (const Pod *const *)pods->pdata, pods->len,
                cluster_family(&c->input->cluster), made);
    for (guint i = 0; i < made->len; i++) {
        EndpointSlice *slice = made->pdata[i];
        const EndpointSlice *old =
            (const EndpointSlice *)store_get(c->store, KIND_ENDPOINTSLICE, slice->meta.ns, slice->meta.name);
        slice->meta.name = strings_add(c->strings, slice->meta.name);
        if (old && slice_equal(old, slice)) {
            made->pdata[i] = api_ref((ApiObject *)old);
            api_unref(&slice->meta);
            continue;
        }
        slice->meta.created_ns = old ? old->meta.created_ns : c->sim->now;
        api_ref(&slice->meta);
        store_put(c->store, &slice->meta);
        work->last_write = c->sim->now;
        tell_slice(c, slice);
        written = true;
    }
    remove_others(c, service, made);
    if (written && hints_auto(service))
        tell_hints(c, service);
    for (guint i = 0; i < made->len; i++)
        api_unref(made->pdata[i]);
}

static void
tell_slice(Controllers *c, const EndpointSlice *slice)
{
    uint32_t ready = 0, terminating = 0;
    g_autoptr(GString) text = g_string_new(NULL);

    for (uint32_t i = 0; i < slice->n_endpoints; i++) {
        ready += (slice->endpoints[i].conditions & EP_READY) != 0;
        terminating += (slice->endpoints[i].conditions & EP_TERMINATING) != 0;
    }
    uint32_t rest = slice->n_endpoints - ready - terminating;
    g_string_append_printf(text, "%u ready", ready);
    if (terminating)
        g_string_append_printf(text, ", %u terminating", terminating);
    if (slice->n_endpoints > ready + terminating)
        g_string_append_printf(text, ", %u not ready", rest);
    cluster_story(c->cluster, "EndpointSlice of %s/%s: %s", slice->meta.ns, slice->service, text->str);
}

/* What topology-mode Auto made of the slices as they now are; the first family speaks for a dual-stack Service. */
static void
tell_hints(Controllers *c, const Service *service)
{
    g_autoptr(GString) text = g_string_new(NULL);

    hints_describe(c->store, service, text);
    cluster_story(c->cluster, "topology of %s/%s: %s", service->meta.ns, service->meta.name, text->str);
}
