/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads, read strictly: whatever two parsers could read in two ways is refused, because that is
 * what request smuggling lives on. RFC 9112 sections 2 to 7, RFC 9110 sections 5, 7, 8.6 and 10.1.1. */
#include "front/http1/http1.h"

#include <string.h>

enum { BLANK_LINES_MAX = 2 };

static int refuse(struct http1_head *h, int status, const char *problem)
{
    h->problem = problem;
    return -status;
}

/* ---- finding the end ---- */

/* The length of the whole head, 0 when its end is not there yet, or a refusal. *blank: bytes of the
 * empty lines before it. Only line ends are looked at, so the answer for the first n bytes is the same
 * however they were cut into pieces. *scanned stays at the start of the line that is still open. */
static int find_end(const char *buf, size_t len, size_t *scanned, size_t *blank, struct http1_head *h)
{
    size_t at = *scanned, start = 0;

    while (start + 2 <= len && start < 2 * BLANK_LINES_MAX && memcmp(buf + start, "\r\n", 2) == 0)
        start += 2;
    *blank = start;
    if (at < start)
        at = start;
    while (at < len) {
        const char *lf = memchr(buf + at, '\n', len - at);
        size_t line = (lf ? (size_t)(lf - buf) + 1 : len) - at;

        if (line > HTTP_LINE_MAX)
            return at == start ? refuse(h, 414, "the request line is too long")
                               : refuse(h, 431, "a header field is too long");
        if (at + line > HTTP_HEAD_MAX)
            break;
        if (!lf)
            break;
        if (line < 2 || lf[-1] != '\r')
            return refuse(h, 400, "a line ends without CR LF");
        if (line == 2 && at == start)
            return refuse(h, 400, "there are too many empty lines before the request");
        at += line;
        if (line == 2)
            return (int)at;
    }
    *scanned = at;
    return len < HTTP_HEAD_MAX ? 0 : refuse(h, 431, "the header section is too long");
}

/* ---- request line ---- */

/* What follows the scheme of an absolute-form target: its authority replaces Host. It is moved one byte
 * down, over the slash, to make room for its terminator. Returns where path or query begin, or NULL. */
static char *parse_authority(char *authority, char *end, struct http1_head *h)
{
    char *stop = authority;
    size_t n;

    while (stop < end && *stop != '/' && *stop != '?')
        stop++;
    n = (size_t)(stop - authority);
    if (n == 0 || !http_host_valid(authority, n))
        return NULL;
    memmove(authority - 1, authority, n);
    authority[n - 1] = '\0';
    h->host = authority - 1;
    return stop;
}

static size_t scheme_length(const char *target, size_t n)
{
    static const char *const schemes[] = { "http://", "https://" };

    for (size_t i = 0; i < COUNT(schemes); i++) {
        size_t len = strlen(schemes[i]), same = 0;

        while (same < len && same < n && (target[same] | 0x20) == (schemes[i][same] | 0x20))
            same++;
        if (same == len)
            return len;
    }
    return 0;
}

static int parse_target(char *target, size_t n, struct http1_head *h)
{
    char *rest = target, *question;
    size_t scheme;

    if (n == 0 || http_span(target, target + n, HTTP_TARGET) != n)
        return refuse(h, 400, "the request target has bytes that it must not have");
    if (n > HTTP_TARGET_MAX)
        return refuse(h, 414, "the request target is too long");
    if (strcmp(h->method, "CONNECT") == 0)
        return refuse(h, 501, "CONNECT is not for this server");
    target[n] = '\0';
    scheme = scheme_length(target, n);
    if (scheme > 0)
        rest = parse_authority(target + scheme, target + n, h);
    else if (*target != '/' && !(n == 1 && *target == '*' && strcmp(h->method, "OPTIONS") == 0))
        return refuse(h, 400, "the request target is of no known form");
    if (!rest)
        return refuse(h, 400, "the target's authority is malformed");
    question = strchr(rest, '?');
    if (question) {
        *question = '\0';
        h->query = question + 1;
    }
    h->path = *rest ? rest : "/";
    h->target = h->path;
    return 0;
}

static int parse_version(const char *p, size_t n, struct http1_head *h)
{
    if (n != 8 || memcmp(p, "HTTP/", 5) != 0 || p[6] != '.' || p[5] < '0' || p[5] > '9' || p[7] < '0' ||
        p[7] > '9')
        return refuse(h, 400, "the request line does not end with an HTTP version");
    if (p[5] > '1')
        return refuse(h, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    if (p[5] == '0')
        return refuse(h, 400, "there is no such HTTP version");
    h->minor = p[7] == '0' ? 0 : 1; /* a later minor version is answered as 1.1: RFC 9110 2.5 */
    return 0;
}

static int parse_request_line(char *p, char *end, struct http1_head *h)
{
    size_t method = http_span(p, end, HTTP_TOKEN);
    char *target = p + method + 1, *space;
    int refused;

    if (method == 0 || p[method] != ' ')
        return refuse(h, 400, "the method is malformed");
    p[method] = '\0';
    h->method = p;
    space = memchr(target, ' ', (size_t)(end - target));
    if (!space)
        return refuse(h, 400, "the request line has no HTTP version");
    refused = parse_version(space + 1, (size_t)(end - space) - 1, h);
    return refused < 0 ? refused : parse_target(target, (size_t)(space - target), h);
}

/* ---- fields ---- */

static int parse_field(char *p, char *end, struct http1_head *h)
{
    size_t name = http_span(p, end, HTTP_TOKEN);
    struct http1_field *f;
    char *value = p + name + 1;

    if (*p == ' ' || *p == '\t')
        return refuse(h, 400, "a header field is folded");
    if (name == 0 || p[name] != ':')
        return refuse(h, 400, "a header field's name is malformed");
    if (http_span(value, end, HTTP_TEXT) != (size_t)(end - value))
        return refuse(h, 400, "a header field's value has control characters");
    if (h->n_fields == HTTP_HEADERS_MAX)
        return refuse(h, 431, "there are too many header fields");
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    p[name] = '\0';
    *end = '\0';
    f = &h->fields[h->n_fields++];
    *f = (struct http1_field){
        .name = p, .value = value, .name_len = name, .value_len = (size_t)(end - value)
    };
    return 0;
}

static bool text_is(const char *p, size_t n, const char *lower)
{
    for (size_t i = 0; i < n; i++, lower++)
        if (*lower == '\0' || (p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]) != *lower)
            return false;
    return *lower == '\0';
}

/* The next element of a comma-separated list without its blanks; false at the end. */
static bool list_next(const char **p, const char **item, size_t *n)
{
    const char *end;

    if (!*p)
        return false;
    *item = *p;
    end = strchr(*p, ',');
    *p = end ? end + 1 : NULL;
    if (!end)
        end = *item + strlen(*item);
    while (*item < end && (**item == ' ' || **item == '\t'))
        (*item)++;
    while (end > *item && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *n = (size_t)(end - *item);
    return true;
}

/* What the fields together say about the framing, before it is judged. */
struct framing {
    unsigned hosts, lengths;
    bool coded, chunked, close, keep_alive;
};

static int take_host(const struct http1_field *f, struct http1_head *h, struct framing *s)
{
    if (s->hosts++)
        return refuse(h, 400, "there is more than one Host");
    if (!http_host_valid(f->value, f->value_len))
        return refuse(h, 400, "Host is malformed");
    if (!h->host)
        h->host = f->value;
    return 0;
}

/* A list of equal lengths could be taken (RFC 9110 8.6), but no honest client sends one. */
static int take_length(const struct http1_field *f, struct http1_head *h, struct framing *s)
{
    if (s->lengths++)
        return refuse(h, 400, "there is more than one Content-Length");
    if (!str_to_i64(f->value, 0, INT64_MAX, &h->content_length))
        return refuse(h, 400, "Content-Length is not a number");
    return 0;
}

static int take_coding(const struct http1_field *f, struct http1_head *h, struct framing *s)
{
    const char *p = f->value, *item;
    size_t n;

    s->coded = true;
    while (list_next(&p, &item, &n)) {
        if (s->chunked)
            return refuse(h, 400, "chunked is not the last transfer coding");
        if (n == 0)
            return refuse(h, 400, "Transfer-Encoding is malformed");
        if (!text_is(item, n, "chunked"))
            return refuse(h, 501, "the transfer coding is not known here");
        s->chunked = true;
    }
    return 0;
}

static int take_connection(const struct http1_field *f, struct http1_head *h, struct framing *s)
{
    const char *p = f->value, *item;
    size_t n;

    (void)h;
    while (list_next(&p, &item, &n)) {
        s->close |= text_is(item, n, "close");
        s->keep_alive |= text_is(item, n, "keep-alive");
    }
    return 0;
}

static int take_expect(const struct http1_field *f, struct http1_head *h, struct framing *s)
{
    (void)s;
    if (!text_is(f->value, f->value_len, "100-continue"))
        return refuse(h, 417, "only 100-continue can be expected");
    h->expect_continue = true;
    return 0;
}

static const struct {
    const char *name;
    size_t len;
    int (*take)(const struct http1_field *, struct http1_head *, struct framing *);
} known[] = {
    { "host", 4, take_host },
    { "content-length", 14, take_length },
    { "transfer-encoding", 17, take_coding },
    { "connection", 10, take_connection },
    { "expect", 6, take_expect },
};

static int judge(struct http1_head *h, const struct framing *s)
{
    if (s->hosts == 0 && h->minor >= 1)
        return refuse(h, 400, "there is no Host");
    if (s->coded && s->lengths)
        return refuse(h, 400, "there are both Content-Length and Transfer-Encoding");
    if (s->coded && h->minor == 0)
        return refuse(h, 400, "HTTP/1.0 has no Transfer-Encoding");
    if (s->coded)
        h->content_length = HTTP_BODY_UNKNOWN;
    h->keep_alive = !s->close && (h->minor >= 1 || s->keep_alive);
    /* HTTP/1.0 clients cannot take a 100: RFC 9110 10.1.1 says to ignore the wish. */
    if (h->minor == 0 || h->content_length == HTTP_BODY_NONE || h->content_length == 0)
        h->expect_continue = false;
    return 0;
}

static int parse_fields(char *p, char *end, struct http1_head *h)
{
    struct framing s = { 0 };

    while (p < end) {
        char *lf = memchr(p, '\n', (size_t)(end - p));
        const struct http1_field *f = &h->fields[h->n_fields];
        int refused = parse_field(p, lf - 1, h);

        for (size_t i = 0; refused == 0 && i < COUNT(known); i++)
            if (f->name_len == known[i].len && text_is(f->name, f->name_len, known[i].name))
                refused = known[i].take(f, h, &s);
        if (refused < 0)
            return refused;
        p = lf + 1;
    }
    return judge(h, &s);
}

int http1_head_parse(char *buf, size_t len, size_t *scanned, struct http1_head *ret)
{
    size_t blank;
    char *lf;
    int n, refused;

    ret->problem = NULL;
    n = find_end(buf, len, scanned, &blank, ret);
    if (n <= 0)
        return n;
    ret->n_fields = 0;
    ret->method = ret->target = ret->host = ret->path = ret->query = NULL;
    ret->content_length = HTTP_BODY_NONE;
    ret->keep_alive = ret->expect_continue = false;
    lf = memchr(buf + blank, '\n', (size_t)n - blank);
    refused = parse_request_line(buf + blank, lf - 1, ret);
    if (refused == 0)
        refused = parse_fields(lf + 1, buf + n - 2, ret);
    return refused < 0 ? refused : n;
}
