#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "model/proxy/choice.h"
#include "model/proxy/endpoint_list.h"
#include "model/proxy/service_port.h"
#include "model/proxy/service_port_build.h"
#include "sim/engine/vec.h"

typedef struct {
    const char *ns, *name; /* Interned by the store. */
} ServiceName;

typedef struct {
    Arena memory;
    ProxyServicePort *ports;
} Awake;

struct ServiceEntry {
    uint32_t refs; /* The map's, and of whoever remembers that state. */
    uint32_t n_ports : 24;
    uint32_t family : 8; /* IpFamily. */
    uint64_t generation, service_generation;
    Service *service; /* Referenced. */
    EndpointLists lists;
    Arena memory; /* Of the lists. */
    Awake *awake; /* NULL: it sleeps. */
};

struct ServiceMap {
    Store *store;
    IpFamily family;
    KubeVersion version;
    uint32_t watch;
    VEC(ServiceEntry *) entries; /* Sorted by namespace, then name. */
    VEC(ServiceName) dirty;      /* What the next update looks at; may repeat. */
    size_t total_endpoints, n_health_checks;
    uint64_t generation;
    bool udp_changed;
    uint64_t udp_generation;
};

static void
mark_dirty(ServiceMap *map, const char *ns, const char *name)
{
    Strings *strings = store_strings(map->store);

    vec_push(&map->dirty, (ServiceName){strings_add(strings, ns), strings_add(strings, name)});
}

static void
mark_object_dirty(ServiceMap *map, const ApiObject *object)
{
    if (!object)
        return;
    if (object->kind == KIND_SERVICE)
        mark_dirty(map, object->ns, object->name);
    else if (object->kind == KIND_ENDPOINTSLICE && ((const EndpointSlice *)object)->service)
        mark_dirty(map, object->ns, ((const EndpointSlice *)object)->service);
}

static void
on_store_event(void *user, StoreEvent event, const ApiObject *old, const ApiObject *new_)
{
    (void)event;
    mark_object_dirty(user, old);
    mark_object_dirty(user, new_);
}

const ServiceEntry *
service_entry_ref(const ServiceEntry *entry)
{
    if (entry)
        ((ServiceEntry *)entry)->refs++;
    return entry;
}

void
service_entry_unref(const ServiceEntry *entry)
{
    ServiceEntry *own = (ServiceEntry *)entry;

    if (!own || --own->refs > 0)
        return;
    endpoint_lists_clear(&own->lists);
    arena_clear(&own->memory);
    service_entry_sleep(own);
    api_unref(&own->service->meta);
    g_free(own);
}

const Service *
service_entry_service(const ServiceEntry *entry)
{
    return entry->service;
}

uint64_t
service_entry_generation(const ServiceEntry *entry)
{
    return entry->generation;
}

uint64_t
service_entry_service_generation(const ServiceEntry *entry)
{
    return entry->service_generation;
}

uint32_t
service_entry_n_ports(const ServiceEntry *entry)
{
    return entry->n_ports;
}

const ProxyServicePort *
service_entry_ports(const ServiceEntry *entry)
{
    ServiceEntry *own = (ServiceEntry *)entry; /* To the outside it is as it was. */

    if (own->awake)
        return own->awake->ports;
    own->awake = g_new0(Awake, 1);
    service_ports_build(own->service, own->family, &own->awake->memory, &own->awake->ports);
    for (uint32_t i = 0; i < own->n_ports; i++) {
        ProxyServicePort *port = &own->awake->ports[i];
        const EndpointList *list = endpoint_lists_find(&own->lists, port->port_name, port->proto);
        port->endpoints = list ? list->endpoints : NULL;
        port->n_endpoints = list ? list->n_endpoints : 0;
    }
    return own->awake->ports;
}

void
service_entry_sleep(const ServiceEntry *entry)
{
    ServiceEntry *own = (ServiceEntry *)entry;

    if (own->awake)
        arena_clear(&own->awake->memory);
    g_clear_pointer(&own->awake, g_free);
}

bool
service_entry_sleeps(const ServiceEntry *entry)
{
    return !entry->awake;
}

ServiceMap *
service_map_new(Store *store, IpFamily family, KubeVersion version)
{
    ServiceMap *map = g_new0(ServiceMap, 1);
    size_t n;
    const ApiObject *const *services = store_list(store, KIND_SERVICE, &n);

    map->store = store;
    map->family = family;
    map->version = version;
    for (size_t i = 0; i < n; i++)
        mark_object_dirty(map, services[i]);
    map->watch = store_watch(store, on_store_event, map);
    service_map_update(map);
    return map;
}

void
service_map_free(ServiceMap *map)
{
    if (!map)
        return;
    store_unwatch(map->store, map->watch);
    for (size_t i = 0; i < map->entries.len; i++)
        service_entry_unref(map->entries.data[i]);
    vec_clear(&map->entries);
    vec_clear(&map->dirty);
    g_free(map);
}

static int
name_cmp(const void *a, const void *b)
{
    const ServiceName *x = a, *y = b;
    int c = strcmp(x->ns, y->ns);

    return c ? c : strcmp(x->name, y->name);
}

static int
entry_cmp(const ServiceEntry *entry, const ServiceName *key)
{
    return name_cmp(&(ServiceName){entry->service->meta.ns, entry->service->meta.name}, key);
}

/* Index of the entry named as 'key', or where it belongs. */
static size_t
find_entry(const ServiceMap *map, const ServiceName *key, bool *ret_found)
{
    size_t low = 0, high = map->entries.len;

    /* Services arrive in order when a map is made. */
    if (high && entry_cmp(map->entries.data[high - 1], key) < 0)
        low = high;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (entry_cmp(map->entries.data[mid], key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = low < map->entries.len && entry_cmp(map->entries.data[low], key) == 0;
    return low;
}

/* The Service of that name as it is now, or NULL if the proxier sees none. */
static ServiceEntry *
entry_build(ServiceMap *map, const ServiceName *key)
{
    const ApiObject *object = store_get(map->store, KIND_SERVICE, key->ns, key->name);
    uint32_t n_ports = object ? service_n_ports((const Service *)object, map->family) : 0;
    ServiceEntry *entry;

    if (n_ports == 0)
        return NULL;
    entry = g_new0(ServiceEntry, 1);
    entry->refs = 1;
    entry->n_ports = n_ports;
    entry->family = map->family;
    entry->service = (Service *)api_ref((ApiObject *)object);
    endpoint_lists_build(map->store, key->ns, key->name, map->family, map->version, &entry->memory, &entry->lists);
    return entry;
}

static bool
services_equal(const ServiceEntry *a, const ServiceEntry *b)
{
    const ProxyServicePort *x, *y;

    if (a->service == b->service)
        return true;
    if (a->n_ports != b->n_ports)
        return false;
    x = service_entry_ports(a);
    y = service_entry_ports(b);
    for (uint32_t i = 0; i < a->n_ports; i++)
        if (!service_port_equal(&x[i], &y[i]))
            return false;
    return true;
}

static bool
endpoints_equal(const ServiceEntry *a, const ServiceEntry *b)
{
    if (a->lists.n_lists != b->lists.n_lists)
        return false;
    for (uint32_t i = 0; i < a->lists.n_lists; i++) {
        const EndpointList *x = &a->lists.lists[i], *y = &b->lists.lists[i];
        if (x->proto != y->proto || strcmp(x->port_name, y->port_name) != 0 || !endpoint_list_equal(x, y))
            return false;
    }
    return true;
}

static bool
has_udp_port(const ServiceEntry *entry)
{
    for (uint32_t i = 0; entry && i < entry->n_ports; i++)
        if (entry->service->ports[i].proto == IPPROTO_UDP)
            return true;
    return false;
}

/* True if the change from 'old' to 'new_' (either may be NULL) makes kube-proxy look for stale UDP entries. */
static bool
udp_differs(const ServiceEntry *old, const ServiceEntry *new_)
{
    static const EndpointLists NONE = {0};

    return (has_udp_port(old) && !new_) ||
           endpoint_lists_udp_differ(old ? &old->lists : &NONE, new_ ? &new_->lists : &NONE);
}

static size_t
entry_endpoints(const ServiceEntry *entry)
{
    const ProxyServicePort *ports = entry ? service_entry_ports(entry) : NULL;
    size_t n = 0;

    for (uint32_t i = 0; entry && i < entry->n_ports; i++)
        n += ports[i].n_endpoints;
    return n;
}

static size_t
entry_health_checks(const ServiceEntry *entry)
{
    const ProxyServicePort *ports = entry ? service_entry_ports(entry) : NULL;
    size_t n = 0;

    for (uint32_t i = 0; entry && i < entry->n_ports; i++)
        n += ports[i].health_check_node_port != 0;
    return n;
}

/* Brings one Service up to date.  Returns true if it changed. */
static bool
update_one(ServiceMap *map, const ServiceName *key)
{
    bool found, same_service;
    size_t at = find_entry(map, key, &found);
    ServiceEntry *old = found ? map->entries.data[at] : NULL;
    ServiceEntry *new_ = entry_build(map, key);

    if (!old && !new_)
        return false;
    same_service = old && new_ && services_equal(old, new_);
    if (same_service && endpoints_equal(old, new_)) {
        service_entry_unref(new_);
        return false;
    }
    map->udp_changed = map->udp_changed || udp_differs(old, new_);
    map->total_endpoints += entry_endpoints(new_) - entry_endpoints(old);
    map->n_health_checks += entry_health_checks(new_) - entry_health_checks(old);
    map->generation++;
    if (new_) {
        new_->generation = map->generation;
        new_->service_generation = same_service ? old->service_generation : new_->generation;
    }
    if (old && new_) {
        map->entries.data[at] = new_;
    } else if (new_) {
        vec_push_tight(&map->entries, NULL);
        memmove(&map->entries.data[at + 1], &map->entries.data[at],
                (map->entries.len - 1 - at) * sizeof *map->entries.data);
        map->entries.data[at] = new_;
    } else {
        vec_remove(&map->entries, at);
    }
    service_entry_unref(old);
    return true;
}

bool
service_map_update(ServiceMap *map)
{
    bool changed = false;
    size_t n = map->dirty.len;

    map->udp_changed = false;
    if (n == 0)
        return false;
    qsort(map->dirty.data, n, sizeof *map->dirty.data, name_cmp);
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || name_cmp(&map->dirty.data[i], &map->dirty.data[i + 1]) != 0)
            changed |= update_one(map, &map->dirty.data[i]);
    /* The first update takes in everything; the next ones little. */
    if (n > 64)
        vec_clear(&map->dirty);
    map->dirty.len = 0;
    map->udp_generation += map->udp_changed;
    return changed;
}

const ServiceEntry *const *
service_map_entries(const ServiceMap *map, size_t *ret_n)
{
    *ret_n = map->entries.len;
    return (const ServiceEntry *const *)map->entries.data;
}

uint64_t
service_map_generation(const ServiceMap *map)
{
    return map->generation;
}

size_t
service_map_total_endpoints(const ServiceMap *map)
{
    return map->total_endpoints;
}

bool
service_map_udp_changed(const ServiceMap *map)
{
    return map->udp_changed;
}

uint64_t
service_map_udp_generation(const ServiceMap *map)
{
    return map->udp_generation;
}

bool
service_map_has_health_checks(const ServiceMap *map)
{
    return map->n_health_checks > 0;
}

IpFamily
service_map_family(const ServiceMap *map)
{
    return map->family;
}

static bool
is_local_ready(const ProxyEndpoint *ep, const char *node)
{
    ChoiceNode choice_node = {.name = node};

    ep = endpoint_on_node(ep, &choice_node);
    return ep->from->conditions & EP_READY && endpoint_is_local(ep, &choice_node);
}

uint32_t
service_map_local_ready(const ServiceMap *map, const char *ns, const char *service, const char *node)
{
    VEC(IpAddr) seen = {0};
    bool found;
    size_t at = find_entry(map, &(ServiceName){ns, service}, &found);
    const EndpointLists *lists = found ? &map->entries.data[at]->lists : NULL;
    uint32_t n;

    for (uint32_t i = 0; lists && i < lists->n_lists; i++) {
        const EndpointList *list = &lists->lists[i];
        for (uint32_t e = 0; e < list->n_endpoints; e++) {
            bool skip = !is_local_ready(&list->endpoints[e], node);
            for (size_t k = 0; k < seen.len && !skip; k++)
                skip = ipaddr_eq(seen.data[k], list->endpoints[e].from->addr);
            if (!skip)
                vec_push(&seen, list->endpoints[e].from->addr);
        }
    }
    n = (uint32_t)seen.len;
    vec_clear(&seen);
    return n;
}
