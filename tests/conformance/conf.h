#ifndef TESTS_CONFORMANCE_CONF_H
#define TESTS_CONFORMANCE_CONF_H

/* Conformance runner: what kube-proxy and the kernel wrote, held against what we write
 *
 * A check is one comparison of one case; a failing one prints a line and an excerpt of the difference. */

#include <glib.h>
#include <stdbool.h>

#include "model/input/doc.h"

typedef struct {
    const char *root;   /* tests/conformance */
    const char *filter; /* Substring of check names, or "". */
    unsigned passed, failed, skipped;
} Conf;

/* False: filtered out. */
bool conf_wants(const Conf *conf, const char *name);
void conf_text(Conf *conf, const char *name, const char *got, const char *want); /* Equal texts. */
void conf_true(Conf *conf, const char *name, bool ok, const char *format, ...) G_GNUC_PRINTF(4, 5);
void conf_skip(Conf *conf, const char *name, const char *why);

/* Names of a directory that end in 'suffix' (cut off), sorted; free with g_ptr_array_unref(). */
GPtrArray *conf_list(const char *dir, const char *suffix);
char *conf_read(const char *path); /* NULL if there is none. */
/* Lines between a line "*TABLE" and "COMMIT", or other excerpts, as needed: splits at newlines; sorted if asked. */
char *conf_sorted_lines(const char *text);

/* All documents of a file; the reader and tree stay valid until conf_docs_free(). */
typedef struct {
    Diags *diags;
    GPtrArray *readers; /* Of DocReader: one document each, as a reader reuses its tree. */
    GPtrArray *roots;   /* Of DocNode. */
} ConfDocs;
ConfDocs *conf_docs_open(const char *path);
void conf_docs_free(ConfDocs *docs);
const DocNode *conf_docs_kind(const ConfDocs *docs, const char *kind); /* The first of a kind, or NULL. */

void conf_rules(Conf *conf);
void conf_flows(Conf *conf);
void conf_unit(Conf *conf);

#endif
