/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bodies: in one piece in place, and in pieces with little room, must come out the same. */
#include <stdlib.h>
#include <string.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct http_chunked c;
    size_t in = len, made = len, used = 0, total = 0, piece = len > 0 ? data[len - 1] % 7 + 1u : 1;
    size_t room = len > 1 ? data[len - 2] % 5 + 1u : 1;
    char *whole = malloc(len + 1), out[8];
    int result, again = 0;

    memcpy(whole, data, len);
    http_chunked_init(&c);
    result = http_chunked_decode(&c, whole, &in, whole, &made);
    check(in <= len && made <= in);
    http_chunked_init(&c);
    while (again == 0 && used < len) {
        size_t n = len - used < piece ? len - used : piece, got = room;

        again = http_chunked_decode(&c, (const char *)data + used, &n, out, &got);
        check(again != 0 || n > 0 || got > 0);
        check(total + got <= made && memcmp(whole + total, out, got) == 0);
        total += got;
        used += n;
    }
    check(again == result && total == made && used == in);
    free(whole);
    return 0;
}
