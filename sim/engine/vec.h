#ifndef SIM_ENGINE_VEC_H
#define SIM_ENGINE_VEC_H

/* Growable arrays, inline and typed
 *
 *   VEC(uint32_t) ids = {0};  vec_push(&ids, 7);  for (size_t i = 0; i < ids.len; i++) ... ids.data[i];
 * vec_clear(&ids); A zeroed vector is empty.  Elements move when the vector grows. */

#include <glib.h>
#include <stddef.h>
#include <string.h>

#define VEC(Type)                                                                                                      \
    struct {                                                                                                           \
        Type *data;                                                                                                    \
        size_t len, cap;                                                                                               \
    }

#define vec_reserve(v, n)                                                                                              \
    do {                                                                                                               \
        if ((size_t)(n) > (v)->cap) {                                                                                  \
            (v)->cap = MAX((size_t)(n), (v)->cap ? (v)->cap * 2 : 8);                                                  \
            (v)->data = g_realloc_n((v)->data, (v)->cap, sizeof *(v)->data);                                           \
        }                                                                                                              \
    } while (0)

#define vec_push(v, ...)                                                                                               \
    do {                                                                                                               \
        vec_reserve((v), (v)->len + 1);                                                                                \
        (v)->data[(v)->len++] = (__VA_ARGS__);                                                                         \
    } while (0)

/* For arrays as long as a cluster is large: room for an eighth more, not for twice as many. */
#define vec_push_tight(v, ...)                                                                                         \
    do {                                                                                                               \
        if ((v)->len == (v)->cap) {                                                                                    \
            (v)->cap += (v)->cap / 8 + 8;                                                                              \
            (v)->data = g_realloc_n((v)->data, (v)->cap, sizeof *(v)->data);                                           \
        }                                                                                                              \
        (v)->data[(v)->len++] = (__VA_ARGS__);                                                                         \
    } while (0)

#define vec_last(v) (&(v)->data[(v)->len - 1])

#define vec_remove(v, i)                                                                                               \
    do {                                                                                                               \
        size_t vec_i_ = (i);                                                                                           \
        memmove(&(v)->data[vec_i_], &(v)->data[vec_i_ + 1], ((v)->len - vec_i_ - 1) * sizeof *(v)->data);              \
        (v)->len--;                                                                                                    \
    } while (0)

#define vec_clear(v)                                                                                                   \
    do {                                                                                                               \
        g_free((v)->data);                                                                                             \
        (v)->data = NULL;                                                                                              \
        (v)->len = (v)->cap = 0;                                                                                       \
    } while (0)

#endif
