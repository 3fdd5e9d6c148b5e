/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of the uwsgi protocol: an incomplete one is left alone, nothing found lies outside, and the request
 * that the variables make, with the framing of its body, is fit for use. */
#include <stdlib.h>
#include <string.h>

#include "front/http1/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static const char *get(void *arg, const char *name)
{
    const struct http1_head *h = arg;

    for (size_t i = 0; i < h->n_fields; i++)
        if (strcmp(h->fields[i].name, name) == 0)
            return h->fields[i].value;
    return NULL;
}

static void check_fields(const struct http1_head *h, const char *buf, size_t n)
{
    check(h->n_headers <= HTTP_HEADERS_MAX && h->n_fields <= COUNT(h->fields));
    for (size_t i = 0; i < h->n_fields; i++) {
        const struct http1_field *f = &h->fields[i];

        check(f->name > buf && f->name + f->name_len < f->value);
        check(f->value + f->value_len < buf + n);
        check(strlen(f->name) == f->name_len && strlen(f->value) == f->value_len);
    }
}

/* What follows the packet, read as its framing says. */
static void check_body(struct http1_head *h, char *body, size_t n)
{
    struct arena *a = arena_make(256);
    struct http_request rq = { .arena = a };
    struct http_chunked c;
    struct error e;

    if (http_cgi_request(&rq, get, h, &e) == 0 && rq.content_length == HTTP_BODY_UNKNOWN) {
        size_t used = n, made = n;

        http_chunked_init(&c);
        (void)http_chunked_decode(&c, body, &used, body, &made);
        check(used <= n && made <= used);
    }
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct http1_head h;
    size_t cut = len > 0 ? data[len - 1] % len : 0;
    char *buf = malloc(len + 1);
    int pieces, whole;

    memcpy(buf, data, len);
    pieces = uwsgi_packet_parse(buf, cut, &h);
    if (pieces == 0)
        check(memcmp(buf, data, cut) == 0);
    check(pieces <= (int)cut);
    memcpy(buf, data, len);
    whole = uwsgi_packet_parse(buf, len, &h);
    check(pieces == 0 || whole == pieces);
    check(whole <= (int)len && whole <= UWSGI_PACKET_MAX && (whole >= 0 || h.problem));
    if (whole > 0) {
        check_fields(&h, buf, (size_t)whole);
        check(memcmp(buf + whole, data + whole, len - (size_t)whole) == 0);
        check_body(&h, buf + whole, len - (size_t)whole);
    }
    free(buf);
    return 0;
}
