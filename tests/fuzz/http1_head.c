/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads: arriving in pieces must give what the whole gives, and nothing found may lie outside. */
#include <stdlib.h>
#include <string.h>

#include "front/http1/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_inside(const char *p, const char *buf, size_t len)
{
    check(!p || strcmp(p, "/") == 0 || (p >= buf && p + strlen(p) < buf + len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct http1_head h;
    size_t scanned = 0, cut = len > 0 ? data[0] % len : 0;
    char *buf = malloc(len + 1);
    int whole, pieces;

    memcpy(buf, data, len);
    pieces = http1_head_parse(buf, cut, &scanned, &h);
    if (pieces == 0)
        check(memcmp(buf, data, len) == 0);
    if (pieces == 0)
        pieces = http1_head_parse(buf, len, &scanned, &h);
    memcpy(buf, data, len);
    scanned = 0;
    whole = http1_head_parse(buf, len, &scanned, &h);
    check(whole == pieces || (whole > 0 && pieces == whole));
    check(whole <= (int)len && (whole > 0 || whole == 0 || h.problem));
    if (whole > 0) {
        check_inside(h.method, buf, len);
        check_inside(h.path, buf, len);
        check_inside(h.query, buf, len);
        check_inside(h.host, buf, len);
        check(h.content_length >= HTTP_BODY_UNKNOWN && h.n_fields <= HTTP_HEADERS_MAX && h.minor <= 1);
        check(*h.path == '/' || strcmp(h.path, "*") == 0);
        for (size_t i = 0; i < h.n_fields; i++)
            check(strlen(h.fields[i].name) == h.fields[i].name_len &&
                  strlen(h.fields[i].value) == h.fields[i].value_len && !strpbrk(h.fields[i].value, "\r\n"));
    }
    free(buf);
    return 0;
}
