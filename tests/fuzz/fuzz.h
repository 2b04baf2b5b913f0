#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/* A fuzz target: takes any bytes, must come back without a complaint of a sanitizer or an assertion
 *
 * libFuzzer calls it (make fuzz), or standalone.c with the files of a corpus (make test). */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
