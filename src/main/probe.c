/* SPDX-License-Identifier: Apache-2.0 */
#include "main/probe.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include "fetch/fetch.h"

enum { NARROW = 64 * 1024 }; /* less makes even a quick reader a slow one */
enum { BODY_KEPT = 64 * 1024, HEAD_LINES_MAX = 200, LINE_MAX_LEN = 16 * 1024 };

struct probe {
    const struct fetch_lib *lib;
    const struct probe_place *place;
    CURL *easy;
    curl_socket_t fd;
    char in[16 * 1024];
    size_t off, len; /* unused bytes of in */
};

bool probe_place_read(struct arena *a, const char *url, struct probe_place *ret)
{
    size_t n = strlen(url), skip = str_starts(url, "http://") ? 7 : str_starts(url, "https://") ? 8 : 0;
    size_t host;

    while (n > skip && url[n - 1] == '/')
        n--;
    if (skip == 0 || n == skip || strpbrk(url, " ?#@\r\n"))
        return false;
    *ret = (struct probe_place){ .url = arena_strn(a, url, n), .timeout_us = 15 * CLOCK_SECOND };
    host = strcspn(ret->url + skip, "/");
    ret->host = arena_strn(a, ret->url + skip, host);
    ret->prefix = ret->url + skip + host;
    return true;
}

/* ---- the connection ---- */

static int make_narrow(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    int bytes = NARROW;

    (void)arg;
    (void)purpose;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    return CURL_SOCKOPT_OK;
}

static int connect_to(struct probe *p, struct error *e)
{
    const struct fetch_lib *l = p->lib;
    CURLcode code;

    l->easy_setopt(p->easy, CURLOPT_URL, p->place->url);
    l->easy_setopt(p->easy, CURLOPT_CONNECT_ONLY, 1L);
    l->easy_setopt(p->easy, CURLOPT_NOSIGNAL, 1L);
    l->easy_setopt(p->easy, CURLOPT_PROXY, "");
    l->easy_setopt(p->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    l->easy_setopt(p->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(p->place->timeout_us / 1000));
    l->easy_setopt(p->easy, CURLOPT_SSL_VERIFYPEER, p->place->insecure ? 0L : 1L);
    l->easy_setopt(p->easy, CURLOPT_SSL_VERIFYHOST, p->place->insecure ? 0L : 2L);
    if (p->place->narrow)
        l->easy_setopt(p->easy, CURLOPT_SOCKOPTFUNCTION, make_narrow);
    code = l->easy_perform(p->easy);
    if (code == CURLE_OK)
        code = l->easy_getinfo(p->easy, CURLINFO_ACTIVESOCKET, &p->fd);
    return code == CURLE_OK ? 0
                            : error_set(e, ERROR_UNAVAILABLE, "no connection to %s: %s", p->place->host,
                                        l->easy_strerror(code));
}

int probe_open(const struct probe_place *place, struct probe **ret, struct error *e)
{
    CLEANUP(probe_close) struct probe *p = mem_new(sizeof *p);

    p->lib = fetch_lib();
    if (!p->lib)
        return error_set(e, ERROR_UNAVAILABLE, "libcurl.so.4 is not installed");
    p->place = place;
    p->easy = p->lib->easy_init();
    if (connect_to(p, e) < 0)
        return -1;
    *ret = TAKE(p);
    return 0;
}

void probe_close(struct probe **p)
{
    if (!*p)
        return;
    if ((*p)->easy)
        (*p)->lib->easy_cleanup((*p)->easy);
    mem_free(*p);
    *p = NULL;
}

/* Until the socket moves in this direction, or is at its end; false when the time is over. */
static bool wait_for(const struct probe *p, short events)
{
    struct pollfd fd = { .fd = p->fd, .events = events };

    return poll(&fd, 1, (int)(p->place->timeout_us / 1000)) > 0;
}

/* What comes may be TLS's alone, such as the tickets after a handshake. */
bool probe_stirs(struct probe *p, int64_t wait_us)
{
    struct pollfd fd = { .fd = p->fd, .events = POLLIN };
    int64_t until = clock_mono_us() + wait_us;

    while (p->off == p->len && wait_us >= 0 && poll(&fd, 1, (int)(wait_us / 1000)) > 0) {
        size_t n = 0;
        CURLcode code = p->lib->easy_recv(p->easy, p->in, sizeof p->in, &n);

        if (code != CURLE_AGAIN && (code != CURLE_OK || n == 0))
            return true;
        p->off = 0;
        p->len = n;
        wait_us = until - clock_mono_us();
    }
    return p->off < p->len;
}

bool probe_send(struct probe *p, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        size_t sent = 0;
        CURLcode code = p->lib->easy_send(p->easy, at, n, &sent);

        if (code == CURLE_AGAIN && wait_for(p, POLLOUT))
            continue;
        if (code != CURLE_OK)
            return false;
        at += sent;
        n -= sent;
    }
    return true;
}

int probe_head(struct probe *p, const char *method, const char *path, const char *fields, struct error *e)
{
    CLEANUP(str_done) struct str head = STR_INIT;

    str_addf(&head, "%s %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: glint-check-deploy\r\n", method,
             p->place->prefix, path, p->place->host);
    for (const char *const *h = p->place->headers; h && *h; h++)
        str_addf(&head, "%s\r\n", *h);
    str_addf(&head, "%s\r\n", fields);
    if (!probe_send(p, head.data, head.len))
        return error_set(e, ERROR_UNAVAILABLE, "the connection was closed while a request's head was sent");
    return 0;
}

/* ---- answers ---- */

/* Makes in[] hold something; 0 at the end or after the time. */
static size_t fill(struct probe *p, struct error *e)
{
    while (p->off == p->len) {
        size_t n = 0;
        CURLcode code = p->lib->easy_recv(p->easy, p->in, sizeof p->in, &n);

        if (code == CURLE_OK && n > 0) {
            p->off = 0;
            p->len = n;
        } else if (code != CURLE_AGAIN) {
            (void)error_set(e, ERROR_UNAVAILABLE, "the connection was closed");
            return 0;
        } else if (!wait_for(p, POLLIN)) {
            (void)error_set(e, ERROR_UNAVAILABLE, "no answer within %d s",
                            (int)(p->place->timeout_us / CLOCK_SECOND));
            return 0;
        }
    }
    return p->len - p->off;
}

/* A line without its end, into out; -1 at the end of the connection. */
static int line_read(struct probe *p, struct str *out, struct error *e)
{
    str_clear(out);
    while (fill(p, e) > 0) {
        char c = p->in[p->off++];

        if (c == '\n')
            return 0;
        if (c != '\r')
            str_addc(out, c);
        if (out->len > LINE_MAX_LEN)
            return error_set(e, ERROR_UNAVAILABLE, "a line of the answer's head has no end");
    }
    return -1;
}

static int head_read(struct probe *p, struct arena *a, struct probe_answer *ret, struct error *e)
{
    CLEANUP(str_done) struct str line = STR_INIT;
    const char *text;

    if (line_read(p, &line, e) < 0)
        return -1;
    text = str_text(&line);
    if (!str_starts(text, "HTTP/1.") || strlen(text) < 12)
        return error_set(e, ERROR_UNAVAILABLE, "the answer does not begin as one");
    ret->status = (int)strtol(text + 9, NULL, 10);
    for (size_t i = 0; i < HEAD_LINES_MAX; i++) {
        char *colon;

        if (line_read(p, &line, e) < 0)
            return -1;
        if (line.len == 0)
            return 0;
        colon = strchr(line.data, ':');
        if (!colon)
            continue;
        *colon++ = '\0';
        colon += strspn(colon, " \t");
        headers_add(a, &ret->headers, arena_str(a, line.data), arena_str(a, colon));
    }
    return error_set(e, ERROR_UNAVAILABLE, "the answer's head has no end");
}

/* n bytes of the body; -1 when the connection ends before. */
static int body_take(struct probe *p, uint64_t n, struct probe_answer *ret, struct error *e)
{
    while (n > 0) {
        size_t have = fill(p, e), use = have < n ? have : (size_t)n;

        if (have == 0)
            return -1;
        if (ret->body.len < BODY_KEPT)
            str_addn(&ret->body, p->in + p->off, use);
        ret->length += use;
        p->off += use;
        n -= use;
    }
    return 0;
}

static int chunks_take(struct probe *p, struct probe_answer *ret, struct error *e)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    for (;;) {
        unsigned long long n;
        char *end;

        if (line_read(p, &line, e) < 0)
            return -1;
        n = strtoull(str_text(&line), &end, 16);
        if (end == str_text(&line))
            return error_set(e, ERROR_UNAVAILABLE, "the answer's chunks are malformed");
        if (body_take(p, n, ret, e) < 0 || line_read(p, &line, e) < 0)
            return -1;
        if (n == 0) {
            while (line.len > 0)
                if (line_read(p, &line, e) < 0)
                    return -1;
            return 0;
        }
    }
}

static bool has_word(const struct http_headers *h, const char *name, const char *word)
{
    const char *value = headers_get(h, name);

    return value && strcasestr(value, word);
}

static int body_read(struct probe *p, const char *method, struct probe_answer *ret, struct error *e)
{
    const char *length = headers_get(&ret->headers, "Content-Length");
    uint64_t n = 0;

    ret->closes = has_word(&ret->headers, "Connection", "close");
    if (str_eq(method, "HEAD") || ret->status == 204 || ret->status == 304)
        return 0;
    if (has_word(&ret->headers, "Transfer-Encoding", "chunked"))
        return chunks_take(p, ret, e);
    if (length)
        return str_to_u64(length, INT64_MAX, &n)
                   ? body_take(p, n, ret, e)
                   : error_set(e, ERROR_UNAVAILABLE, "the answer's Content-Length is no number");
    ret->closes = true;
    while (fill(p, e) > 0)
        if (body_take(p, p->len - p->off, ret, e) < 0)
            return -1;
    return 0;
}

int probe_answer(struct probe *p, struct arena *a, const char *method, bool interim, struct probe_answer *ret,
                 struct error *e)
{
    *ret = (struct probe_answer){ .body = STR_INIT };
    do {
        ret->headers = (struct http_headers){ 0 };
        if (head_read(p, a, ret, e) < 0)
            return -1;
        if (interim && ret->status < 200)
            return 0;
    } while (ret->status < 200);
    if (body_read(p, method, ret, e) < 0)
        return -1;
    ret->whole = true;
    return 0;
}

void probe_answer_done(struct probe_answer *answer)
{
    str_done(&answer->body);
}
