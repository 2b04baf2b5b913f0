#ifndef TOOLS_KUBE_WORDS_H
#define TOOLS_KUBE_WORDS_H

/* Words that name objects, as kubectl takes them: "pods", "pods,services", "pod NAME NAME", "pod/NAME svc/NAME", "all"
 */

#include "tools/cli.h"

typedef struct {
    ApiKind kind;
    const char *name; /* Borrowed from the words or the parsed text; NULL: all. */
} KubeWord;

/* GArray of KubeWord; NULL after telling why.  'words' must outlive it. */
GArray *kube_words_parse(const Command *command, char *const *words);
/* "services "x" not found; did you mean "y"?"; returns false. */
bool kube_words_not_found(const Command *command, Store *store, const KubeWord *word, const char *ns);

#endif
