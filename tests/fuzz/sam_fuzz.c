/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a SAM template (import_fuzz.h). */
#include "import_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    import_any(data, size, false);
    return 0;
}
