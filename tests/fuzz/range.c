/* SPDX-License-Identifier: Apache-2.0 */
/* Range and Content-Range: what is accepted lies inside the representation. */
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint64_t size = len ? (uint64_t)data[0] * 37 : 0;
    char *text = malloc(len + 1);
    struct http_range r;

    memcpy(text, data, len);
    text[len] = '\0';
    if (http_range_parse(text, size, &r) == RANGE_ONE &&
        (r.len == 0 || r.offset >= size || r.len > size - r.offset))
        abort();
    if (http_content_range_parse(text, size, &r) == RANGE_ONE &&
        (r.len == 0 || r.offset >= size || r.len > size - r.offset))
        abort();
    free(text);
    return 0;
}
