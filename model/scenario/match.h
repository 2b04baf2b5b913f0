#ifndef MODEL_SCENARIO_MATCH_H
#define MODEL_SCENARIO_MATCH_H

/* Comparing what happened with what was expected
 *
 * An expected value is a scalar (text: a glob; number: equal; "<=3", ">0.5": compared), a list (one of them) or a
 * mapping with min and max.  null matches what is absent. */

#include "model/input/doc.h"

typedef enum { VALUE_NONE, VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL } ValueKind;

typedef struct {
    ValueKind kind;
    const char *text; /* Borrowed. */
    double number;
    bool truth;
} Value;

Value value_text(const char *text); /* NULL: VALUE_NONE. */
Value value_number(double number);
Value value_bool(bool truth);

bool value_matches(const Value *value, const DocNode *expected);
void value_print(GString *out, const Value *value);
/* The expected value as written. */
void expected_print(GString *out, const DocNode *expected);

#endif
