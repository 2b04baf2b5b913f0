#include "model/control/pod_names.h"

#include "sim/engine/rng.h"

#define GENERATED_LEN 5

static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
#define N_LETTERS (sizeof alphabet - 1)

const char *
name_template_hash(Strings *strings, uint64_t template_hash)
{
    char text[16];

    g_snprintf(text, sizeof text, "%u", (uint32_t)(template_hash ^ (template_hash >> 32)));
    for (char *c = text; *c; c++)
        *c = alphabet[(unsigned char)*c % N_LETTERS];
    return strings_add(strings, text);
}

const char *
name_generated(Strings *strings, uint64_t seed, const char *ns, const char *base, uint64_t serial)
{
    uint64_t hash = rng_mix(rng_mix(rng_hash_str(seed, ns), rng_hash_str(seed, base)), serial);
    char suffix[GENERATED_LEN + 1] = {0};

    for (int i = 0; i < GENERATED_LEN; i++) {
        suffix[i] = alphabet[hash % N_LETTERS];
        hash /= N_LETTERS;
    }
    return strings_printf(strings, "%s-%s", base, suffix);
}
