#ifndef MODEL_REPORT_ADVISE_H
#define MODEL_REPORT_ADVISE_H

/* What a search found, in words: the value, the curve, and why the next worse one still loses */

#include "model/report/json_out.h"
#include "model/scenario/search.h"

void advise_print_text(GString *out, const SearchRange *range, const SearchResult *result, size_t n_seeds);
void advise_print_json(JsonOut *json, const SearchRange *range, const SearchResult *result, size_t n_seeds);

#endif
