#ifndef MODEL_API_API_READ_H
#define MODEL_API_API_READ_H

/* What the decoders and encoders of the kinds share
 *
 * A decoder fills an object that has the API server's defaults, reports what is wrong and goes on; false: the object
 * cannot be used.  Values that kube-proxy tolerates are warnings.  An encoder adds fields to a mapping under way. */

#include "model/api/object.h"
#include "sim/engine/vec.h"

typedef struct {
    Diags *diags;
    Strings *strings;
} ApiReader;

/* Interned.  A number or bool where Kubernetes wants a string is an error, as it is for the API server. */
const char *read_text(ApiReader *r, const DocNode *map, const char *key, const char *fallback);
/* A list of strings: g_malloc'ed, NULL if empty. */
const char **read_texts(ApiReader *r, const DocNode *map, const char *key, uint32_t *ret_n);
Labels read_labels(ApiReader *r, const DocNode *map, const char *key);
uint8_t read_proto(ApiReader *r, const DocNode *map, const char *key);
uint16_t read_port(ApiReader *r, const DocNode *map, const char *key);
/* A port by number or name: the number, or 0 and *ret_name. */
uint16_t read_port_ref(ApiReader *r, const DocNode *map, const char *key, const char **ret_name);
/* "2", "250m", 2: thousandths of a CPU; 0 if absent. */
int64_t read_cpu(ApiReader *r, const DocNode *map, const char *key);
/* 3 or "25%". */
IntOrPercent read_int_or_percent(ApiReader *r, const DocNode *map, const char *key, IntOrPercent fallback);
/* An address as kube-proxy reads it; a warning and false if it is none. */
bool read_ip(ApiReader *r, const DocNode *node, IpAddr *ret_addr);
bool read_meta(ApiReader *r, const DocNode *root, ApiObject *object);
/* status.conditions: the condition of that type is True; *ret_found: it is there. */
bool read_condition(ApiReader *r, const DocNode *status, const char *type, bool *ret_found);
void read_pod_spec(ApiReader *r, const DocNode *spec, PodSpec *ret_spec);

bool service_decode(ApiReader *r, const DocNode *root, Service *service);
bool node_decode(ApiReader *r, const DocNode *root, KubeNode *node);
bool pod_decode(ApiReader *r, const DocNode *root, Pod *pod);
bool workload_decode(ApiReader *r, const DocNode *root, Workload *workload);
bool budget_decode(ApiReader *r, const DocNode *root, Budget *budget);
bool endpointslice_decode(ApiReader *r, const DocNode *root, EndpointSlice *slice);

/* A mapping or sequence being written. */
typedef struct {
    DocArena *arena;
    VEC(DocNode *) keys; /* Unused for a sequence. */
    VEC(DocNode *) items;
} DocOut;

DocNode *out_text(DocArena *arena, const char *text);
DocNode *out_number(DocArena *arena, int64_t value);
DocNode *out_map(DocOut *out); /* Ends it; 'out' is empty then. */
DocNode *out_seq(DocOut *out);
void put_node(DocOut *out, const char *key, DocNode *node);
void put_text(DocOut *out, const char *key, const char *text); /* Nothing if NULL. */
void put_int(DocOut *out, const char *key, int64_t value);
void put_int_or_percent(DocOut *out, const char *key, IntOrPercent value);
void put_bool(DocOut *out, const char *key, bool value);
void put_labels(DocOut *out, const char *key, const Labels *labels); /* Nothing if empty. */
void put_texts(DocOut *out, const char *key, const char *const *texts, uint32_t n);
void put_item(DocOut *out, DocNode *node);
const char *proto_text(uint8_t proto);
DocNode *pod_spec_encode(DocArena *arena, const PodSpec *spec);

#endif
