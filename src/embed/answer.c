/* SPDX-License-Identifier: Apache-2.0 */
/* What every gateway has to get right about an answer's head and length. */
#include "embed/embed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Between us and the server only (RFC 9110 section 7.6.1); PEP 3333 forbids them to an application. */
static const char *const hop_by_hop[] = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te",
    "trailer",    "trailers",   "transfer-encoding",  "upgrade"
};

static bool is_ours(const char *name)
{
    for (size_t i = 0; i < COUNT(hop_by_hop); i++)
        if (str_eq_nocase(name, hop_by_hop[i]))
            return false;
    return *name != '\0';
}

/* A length that the service gave only as a header counts as given. */
static int64_t length_of(const struct http_headers *h, int64_t length)
{
    const char *text = h ? headers_get(h, "content-length") : NULL;
    int64_t given;

    return length < 0 && text && str_to_i64(text, 0, INT64_MAX, &given) ? given : length;
}

/* Where there is no body a Content-Length contradicts none: Glance sends one with 204, and HEAD tells of a
 * body not sent. */
static bool length_passes(const struct embedded_answer *a, const char *value)
{
    int64_t given;

    return !a->sized && str_to_i64(value, 0, INT64_MAX, &given) && (a->bodyless || given == a->left);
}

int embedded_answer_begin(struct embedded_answer *a, const struct http_request *rq, int status,
                          const struct http_headers *h, int64_t length,
                          void (*add)(void *arg, const char *name, const char *value), void *arg)
{
    bool empty = status < 200 || status == 204 || status == 304;
    char text[24];

    if (a->headed)
        return -1;
    *a = (struct embedded_answer){ .headed = true,
                                   .bodyless = empty || str_eq(rq->method, "HEAD"),
                                   .left = length_of(h, length) };
    for (size_t i = 0; h && i < h->n; i++) {
        const char *name = h->items[i].name, *value = h->items[i].value;
        bool is_length = str_eq_nocase(name, "content-length");

        if (!is_ours(name) || (is_length && !length_passes(a, value)))
            continue;
        a->sized |= is_length;
        a->dated |= str_eq_nocase(name, "date");
        add(arg, name, value);
    }
    if (!a->sized && !empty && a->left >= 0) {
        snprintf(text, sizeof text, "%lld", (long long)a->left);
        a->sized = true;
        add(arg, "Content-Length", text);
    }
    return 0;
}

uint64_t embedded_answer_take(struct embedded_answer *a, uint64_t n)
{
    if (a->left >= 0) {
        if (n > (uint64_t)a->left)
            n = (uint64_t)a->left;
        a->left -= (int64_t)n;
    }
    return a->bodyless ? 0 : n;
}

bool embedded_answer_is_short(const struct embedded_answer *a)
{
    return a->headed && !a->bodyless && a->left > 0;
}

ssize_t embedded_read_file(int fd, void *buf, size_t n, uint64_t offset)
{
    ssize_t got;

    do
        got = pread(fd, buf, n, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got;
}
