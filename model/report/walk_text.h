#ifndef MODEL_REPORT_WALK_TEXT_H
#define MODEL_REPORT_WALK_TEXT_H

/* A walk as text (what a teacher would draw on a board) and as JSON */

#include "model/proxy/proxier.h"
#include "model/report/json_out.h"
#include "model/report/walk.h"

/* 'compiler' names the object behind each rule; NULL: rules from elsewhere. */
void walk_print_text(GString *out, const char *node, const WalkQuestion *question, const WalkAnswer *answer,
                     const ProxyCompiler *compiler);
void walk_print_json(GString *out, const WalkAnswer *answer);

/* What made kube-proxy write the rule, or the element of the map by which it decided; false: unknown. */
bool walk_step_origin(const ProxyCompiler *compiler, const WalkStep *step, RuleOrigin *ret_origin);
/* One rule that acted (or was tried), and the object behind it, 'margin' spaces in. */
void walk_print_step(GString *out, const WalkStep *step, const ProxyCompiler *compiler, uint32_t margin);
/* Its members as JSON, without braces. */
void walk_json_step(JsonOut *json, const WalkStep *step);

/* The word for what a rule does: a chain's name, or "DNAT", "ACCEPT", "MARK"; for a policy the verdict. */
void walk_step_target(GString *out, const WalkStep *step);
const char *nf_verdict_name(NfVerdict verdict);

#endif
