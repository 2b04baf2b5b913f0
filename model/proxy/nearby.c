#include "model/proxy/nearby.h"

#include <string.h>

typedef void (*PlaceEdit)(Places *places, uint32_t place);

static void
places_free(gpointer data)
{
    Places *places = data;

    vec_clear(places);
    g_free(places);
}

void
nearby_begin(Nearby *nearby)
{
    nearby_clear(nearby);
    nearby->by_node = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, places_free);
}

void
nearby_clear(Nearby *nearby)
{
    g_clear_pointer(&nearby->by_node, g_hash_table_unref);
    vec_clear(&nearby->everywhere);
}

/* Where the place is, or belongs. */
static size_t
find_place(const Places *places, uint32_t place)
{
    size_t low = 0, high = places->len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (places->data[mid] < place)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void
add_place(Places *places, uint32_t place)
{
    size_t at = find_place(places, place);

    if (at < places->len && places->data[at] == place)
        return;
    vec_push(places, 0);
    memmove(&places->data[at + 1], &places->data[at], (places->len - 1 - at) * sizeof *places->data);
    places->data[at] = place;
}

static void
remove_place(Places *places, uint32_t place)
{
    size_t at = find_place(places, place);

    if (at < places->len && places->data[at] == place)
        vec_remove(places, at);
}

static void
edit_node(Nearby *nearby, const char *node, uint32_t place, PlaceEdit edit)
{
    Places *places;

    if (!node)
        return;
    places = g_hash_table_lookup(nearby->by_node, node);
    if (!places) {
        places = g_new0(Places, 1);
        g_hash_table_insert(nearby->by_node, (gpointer)node, places); /* The store's text. */
    }
    edit(places, place);
}

static void
edit_port(Nearby *nearby, const ProxyServicePort *port, uint32_t place, PlaceEdit edit)
{
    if (port->n_source_ranges && port->n_lb_vips)
        edit(&nearby->everywhere, place);
    for (uint32_t i = 0; i < port->n_endpoints; i++)
        for (const ProxyEndpoint *ep = &port->endpoints[i]; ep; ep = endpoint_again(ep)) {
            const char *const *hints = endpoint_more(ep->from)->hint_nodes;

            if (port->uses_local || port->endpoints[i].again)
                edit_node(nearby, ep->from->node_name, place, edit);
            for (; hints && *hints; hints++)
                edit_node(nearby, *hints, place, edit);
        }
}

static void
edit_service(Nearby *nearby, uint32_t place, const ServiceEntry *entry, PlaceEdit edit)
{
    bool slept = service_entry_sleeps(entry);
    const ProxyServicePort *ports = service_entry_ports(entry);

    for (uint32_t i = 0; i < service_entry_n_ports(entry); i++)
        edit_port(nearby, &ports[i], place, edit);
    if (slept)
        service_entry_sleep(entry);
}

void
nearby_add(Nearby *nearby, uint32_t place, const ServiceEntry *entry)
{
    edit_service(nearby, place, entry, add_place);
}

void
nearby_remove(Nearby *nearby, uint32_t place, const ServiceEntry *entry)
{
    edit_service(nearby, place, entry, remove_place);
}

Places
nearby_find(const Nearby *nearby, const char *node)
{
    static const Places NONE = {0};
    const Places *near = node ? g_hash_table_lookup(nearby->by_node, node) : NULL, *far = &nearby->everywhere;
    Places found = {0};
    size_t i = 0, k = 0;

    if (!near)
        near = &NONE;
    vec_reserve(&found, near->len + far->len + 1);
    while (i < near->len || k < far->len) {
        uint32_t x = i < near->len ? near->data[i] : UINT32_MAX, y = k < far->len ? far->data[k] : UINT32_MAX;

        vec_push(&found, MIN(x, y));
        i += x <= y;
        k += y <= x;
    }
    return found;
}
