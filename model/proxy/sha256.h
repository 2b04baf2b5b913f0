#ifndef MODEL_PROXY_SHA256_H
#define MODEL_PROXY_SHA256_H

/* SHA-256 of a short text in one call, without allocation (FIPS 180-4)
 *
 * kube-proxy names its chains after digests: a large cluster has 100,000 of them, nearly all of texts that fit one
 * block.                                                                                                           */

#include <stddef.h>
#include <stdint.h>

void sha256(const void *data, size_t size, uint8_t ret_digest[static 32]);
/* The same without instructions that not every processor has. */
void sha256_portable(const void *data, size_t size, uint8_t ret_digest[static 32]);

#endif
