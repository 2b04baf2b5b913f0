#ifndef MODEL_REPORT_JSON_OUT_H
#define MODEL_REPORT_JSON_OUT_H

/* JSON written as a stream into a GString: no tree, stable order, exact text
 *
 * Commas and nesting are kept track of; numbers that are not finite become null.  A caller opens and closes what it
 * opened; json_out_done() asserts that nothing is left open.                                                         */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "sim/packet/addr.h"

typedef struct {
    GString *out;
    uint32_t depth;
    uint64_t has_items; /* Bit per depth: something was written at this level. */
    bool after_key;
    bool pretty; /* One member a line, for people; else compact. */
} JsonOut;

JsonOut json_out(GString *out, bool pretty);
void json_out_done(JsonOut *json);

void json_object(JsonOut *json); /* { */
void json_object_end(JsonOut *json);
void json_array(JsonOut *json); /* [ */
void json_array_end(JsonOut *json);
void json_key(JsonOut *json, const char *key);

void json_str(JsonOut *json, const char *text); /* NULL: null. */
void json_int(JsonOut *json, int64_t value);
void json_uint(JsonOut *json, uint64_t value);
void json_num(JsonOut *json, double value); /* Shortest text that reads back the same. */
void json_bool(JsonOut *json, bool value);
void json_null(JsonOut *json);
void json_ipport(JsonOut *json, IpAddr addr, uint16_t port);

/* Member shorthands. */
void json_kv_str(JsonOut *json, const char *key, const char *text);
void json_kv_int(JsonOut *json, const char *key, int64_t value);
void json_kv_num(JsonOut *json, const char *key, double value);
void json_kv_bool(JsonOut *json, const char *key, bool value);

#endif
