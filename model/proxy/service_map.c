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

/* One Service; ports point into the arena. */
typedef struct ServiceEntry {
    uint32_t refs; /* The map's, and of whoever remembers that state. */
    ServiceName id;
    Arena arena;
    Service *service; /* Referenced. */
    EndpointLists lists;
    ProxyServicePort *ports;
    uint32_t n_ports;
    uint32_t first; /* Of its ports in map->ports. */
} Entry;

struct ServiceMap {
    Store *store;
    IpFamily family;
    KubeVersion version;
    uint32_t watch;
    VEC(Entry *) entries;                /* Sorted by id. */
    VEC(ServiceName) dirty;              /* What the next update looks at; may repeat. */
    VEC(const ProxyServicePort *) ports; /* Of all entries, in order. */
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

ServiceEntry *
service_entry_ref(ServiceEntry *entry)
{
    if (entry)
        entry->refs++;
    return entry;
}

void
service_entry_unref(ServiceEntry *entry)
{
    if (!entry || --entry->refs > 0)
        return;
    endpoint_lists_clear(&entry->lists);
    arena_clear(&entry->arena);
    if (entry->service)
        api_unref(&entry->service->meta);
    g_free(entry);
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
    vec_clear(&map->ports);
    g_free(map);
}

static int
name_cmp(const void *a, const void *b)
{
    const ServiceName *x = a, *y = b;
    int c = strcmp(x->ns, y->ns);

    return c ? c : strcmp(x->name, y->name);
}

/* Index of the entry named as 'key', or where it belongs. */
static size_t
find_entry(const ServiceMap *map, const ServiceName *key, bool *ret_found)
{
    size_t low = 0, high = map->entries.len;

    /* Services arrive in order when a map is made. */
    if (high && name_cmp(&map->entries.data[high - 1]->id, key) < 0)
        low = high;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (name_cmp(&map->entries.data[mid]->id, key) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *ret_found = low < map->entries.len && name_cmp(&map->entries.data[low]->id, key) == 0;
    return low;
}

/* The Service of that name as it is now, or NULL if the proxier sees none. */
static Entry *
entry_build(ServiceMap *map, const ServiceName *key)
{
    const ApiObject *object = store_get(map->store, KIND_SERVICE, key->ns, key->name);
    Entry *entry;

    if (!object)
        return NULL;
    entry = g_new0(Entry, 1);
    entry->refs = 1;
    entry->id = *key;
    entry->service = (Service *)api_ref((ApiObject *)object);
    entry->n_ports = service_ports_build(entry->service, map->family, &entry->arena, &entry->ports);
    if (entry->n_ports == 0) {
        service_entry_unref(entry);
        return NULL;
    }
    endpoint_lists_build(map->store, key->ns, key->name, map->family, map->version, &entry->arena, &entry->lists);
    for (uint32_t i = 0; i < entry->n_ports; i++) {
        ProxyServicePort *port = &entry->ports[i];
        const EndpointList *list = endpoint_lists_find(&entry->lists, port->port_name, port->proto);
        port->entry = entry;
        port->endpoints = list ? list->endpoints : NULL;
        port->n_endpoints = list ? list->n_endpoints : 0;
    }
    return entry;
}

static bool
entry_equal(const Entry *a, const Entry *b)
{
    if (a->n_ports != b->n_ports || a->lists.n_lists != b->lists.n_lists)
        return false;
    for (uint32_t i = 0; i < a->n_ports; i++)
        if (!service_port_equal(&a->ports[i], &b->ports[i]))
            return false;
    for (uint32_t i = 0; i < a->lists.n_lists; i++) {
        const EndpointList *x = &a->lists.lists[i], *y = &b->lists.lists[i];
        if (x->proto != y->proto || strcmp(x->port_name, y->port_name) != 0 || !endpoint_list_equal(x, y))
            return false;
    }
    return true;
}

static bool
has_udp_port(const Entry *entry)
{
    for (uint32_t i = 0; entry && i < entry->n_ports; i++)
        if (entry->ports[i].proto == IPPROTO_UDP)
            return true;
    return false;
}

/* True if the change from 'old' to 'new_' (either may be NULL) makes kube-proxy look for stale UDP entries. */
static bool
udp_differs(const Entry *old, const Entry *new_)
{
    static const EndpointLists NONE = {0};

    return (has_udp_port(old) && !new_) ||
           endpoint_lists_udp_differ(old ? &old->lists : &NONE, new_ ? &new_->lists : &NONE);
}

static void
put_ports(ServiceMap *map, const Entry *entry)
{
    for (uint32_t p = 0; p < entry->n_ports; p++)
        map->ports.data[entry->first + p] = &entry->ports[p];
}

/* Lists the ports of all entries again. */
static void
flatten(ServiceMap *map)
{
    size_t n = 0;

    for (size_t i = 0; i < map->entries.len; i++)
        n += map->entries.data[i]->n_ports;
    /* Room for a few more, not for twice as many. */
    if (n > map->ports.cap) {
        map->ports.cap = n + n / 32 + 1;
        map->ports.data = g_renew(const ProxyServicePort *, map->ports.data, map->ports.cap);
    }
    map->ports.len = 0;
    for (size_t i = 0; i < map->entries.len; i++) {
        Entry *entry = map->entries.data[i];
        entry->first = (uint32_t)map->ports.len;
        put_ports(map, entry);
        map->ports.len += entry->n_ports;
    }
}

static size_t
entry_endpoints(const Entry *entry)
{
    size_t n = 0;

    for (uint32_t i = 0; entry && i < entry->n_ports; i++)
        n += entry->ports[i].n_endpoints;
    return n;
}

static void
set_generations(ServiceMap *map, ProxyServicePort *port, const ProxyServicePort *before)
{
    port->generation = ++map->generation;
    port->service_generation =
        before && service_port_equal(before, port) ? before->service_generation : port->generation;
}

static size_t
entry_health_checks(const Entry *entry)
{
    size_t n = 0;

    for (uint32_t i = 0; entry && i < entry->n_ports; i++)
        n += entry->ports[i].health_check_node_port != 0;
    return n;
}

/* Brings one Service up to date.  Returns true if it changed; sets *ret_moved if ports moved in the flat array. */
static bool
update_one(ServiceMap *map, const ServiceName *key, bool *ret_moved)
{
    bool found;
    size_t at = find_entry(map, key, &found);
    Entry *old = found ? map->entries.data[at] : NULL;
    Entry *new_ = entry_build(map, key);

    if (!old && !new_)
        return false;
    if (old && new_ && entry_equal(old, new_)) {
        service_entry_unref(new_);
        return false;
    }
    map->udp_changed = map->udp_changed || udp_differs(old, new_);
    map->total_endpoints += entry_endpoints(new_) - entry_endpoints(old);
    map->n_health_checks += entry_health_checks(new_) - entry_health_checks(old);
    map->generation++;
    for (uint32_t i = 0; new_ && i < new_->n_ports; i++)
        set_generations(map, &new_->ports[i], old && i < old->n_ports ? &old->ports[i] : NULL);
    if (old && new_) {
        map->entries.data[at] = new_;
        if (old->n_ports != new_->n_ports) {
            *ret_moved = true;
        } else if (!*ret_moved) {
            new_->first = old->first;
            put_ports(map, new_);
        }
    } else {
        *ret_moved = true;
        if (new_) {
            vec_push(&map->entries, NULL);
            memmove(&map->entries.data[at + 1], &map->entries.data[at],
                    (map->entries.len - 1 - at) * sizeof *map->entries.data);
            map->entries.data[at] = new_;
        } else {
            vec_remove(&map->entries, at);
        }
    }
    service_entry_unref(old);
    return true;
}

bool
service_map_update(ServiceMap *map)
{
    bool changed = false, moved = false;
    size_t n = map->dirty.len;

    map->udp_changed = false;
    if (n == 0)
        return false;
    qsort(map->dirty.data, n, sizeof *map->dirty.data, name_cmp);
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || name_cmp(&map->dirty.data[i], &map->dirty.data[i + 1]) != 0)
            changed |= update_one(map, &map->dirty.data[i], &moved);
    /* The first update takes in everything; the next ones little. */
    if (n > 64)
        vec_clear(&map->dirty);
    map->dirty.len = 0;
    map->udp_generation += map->udp_changed;
    if (moved)
        flatten(map);
    return changed;
}

const ProxyServicePort *const *
service_map_ports(const ServiceMap *map, size_t *ret_n)
{
    *ret_n = map->ports.len;
    return map->ports.data;
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
