#ifndef MODEL_API_CONFIG_READ_H
#define MODEL_API_CONFIG_READ_H

/* What the readers of our own kinds share: lists whose memory is of the Strings, addresses that must be right */

#include "model/api/object.h"

const char *config_text(Diags *diags, Strings *strings, const DocNode *map, const char *key, const char *fallback);
const char **config_texts(Diags *diags, Strings *strings, const DocNode *map, const char *key, uint32_t *ret_n);
Labels config_labels(Diags *diags, Strings *strings, const DocNode *map, const char *key);
bool config_prefix(Diags *diags, const DocNode *node, IpPrefix *ret_prefix);
bool config_addr(Diags *diags, const DocNode *node, IpAddr *ret_addr);
/* Prefixes of at most one per family; *ret_n is kept if the field is absent. */
void config_dual_prefixes(Diags *diags, const DocNode *map, const char *key, IpPrefix prefixes[2], uint32_t *ret_n);
/* `metadata: {name: ...}` of an own kind. */
const char *config_name(Diags *diags, Strings *strings, const DocNode *root);

#endif
