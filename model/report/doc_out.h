#ifndef MODEL_REPORT_DOC_OUT_H
#define MODEL_REPORT_DOC_OUT_H

/* Trees as text, as `kubectl get -o yaml` and `-o json` write them: block style, keys sorted, JSON indented by four */

#include "model/input/doc.h"

void doc_out_yaml(GString *out, const DocNode *root);
void doc_out_json(GString *out, const DocNode *root);

#endif
