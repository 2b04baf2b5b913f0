#ifndef TESTS_UNIT_MODEL_INPUT_HELPERS_H
#define TESTS_UNIT_MODEL_INPUT_HELPERS_H

/* Loading texts, and what was said about them as one string */

#include <stdlib.h>
#include <string.h>

#include "model/input/loader.h"

/* Not inlined: gcc 12 takes what open_memstream() stores in 'text' for the address of 'text'. */
__attribute__((noinline, unused)) static char *
said(Diags *diags, DiagLevel least)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    diags_print(diags, out, least);
    fclose(out);
    return text; /* free() */
}

/* The first object of the text; the Diags must have no errors. */
static inline const ApiObject *
only_object(Input *input, ApiKind kind)
{
    size_t n;
    const ApiObject *const *list = store_list(input->store, kind, &n);
    return n ? list[0] : NULL;
}

#endif
