/* Drop reasons: the table's texts. */

#include "sim/trace/drop.h"

static const struct {
    const char *code, *sentence, *hint;
} reasons[DROP_N_REASONS] = {
#define DROP_ROW(id, code, sentence, hint) [id] = {code, sentence, hint},
    DROP_REASONS(DROP_ROW)
#undef DROP_ROW
};

const char *
drop_reason_code(DropReason reason)
{
    return reasons[reason].code;
}

const char *
drop_reason_sentence(DropReason reason)
{
    return reasons[reason].sentence;
}

const char *
drop_reason_hint(DropReason reason)
{
    return reasons[reason].hint;
}
