/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an OpenAPI document, also as a program that runs it reads it (import_fuzz.h). */
#include "import_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    import_any(data, size, false);
    import_any(data, size, true);
    return 0;
}
