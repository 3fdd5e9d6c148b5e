/* SPDX-License-Identifier: Apache-2.0 */
/* The answer: its head and what follows it are collected and sent together while they are small. Whether
 * the connection stays is decided as late as the first byte goes out: an unread body may come yet. */
#include "front/http1/http1_private.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    COLLECT_MAX = 16 * 1024,
    HELD_MAX = 1024 * 1024, /* of an answer whose length has to be found out */
    FILE_PIECE = 2 * 1024 * 1024,
    COPY_PIECE = 256 * 1024,
    TLS_PIECE = 64 * 1024,
    INLINE_FILE_MAX = 64 * 1024, /* of a file that a loop reads by itself */
    PATIENCE_MS = 100,           /* that a thread waits for a reader who is fast else */
    FAST = 1024 * 1024,          /* bytes, and bytes a second, that make a reader fast */
    TURN = 8 * 1024 * 1024,      /* bytes of a file, before others that wait have their turn */
};
#define RATE_WINDOW_US (60 * CLOCK_SECOND)

static bool is_uwsgi(const struct gateway *g)
{
    return g->c->listener->protocol == HTTP1_UWSGI;
}

static void add_date(struct str *out, struct date *d)
{
    int64_t now = clock_now_us();

    if (now / CLOCK_SECOND != d->second) {
        d->second = now / CLOCK_SECOND;
        clock_http(now, d->text);
    }
    str_add(out, "Date: ");
    str_add(out, d->text);
    str_add(out, "\r\n");
}

static void add_status(struct str *out, int status)
{
    const char *phrase = http_phrase(status);

    str_add(out, "HTTP/1.1 ");
    str_add_u64(out, (uint64_t)status);
    str_addc(out, ' ');
    str_add(out, phrase ? phrase : "Unknown");
    str_add(out, "\r\n");
}

/* headers_add() lets no line break in, but a front end is the last to look. */
static bool is_clean(const struct http_header *h)
{
    return *h->name != '\0' && !strpbrk(h->name, "\r\n: ") && !strpbrk(h->value, "\r\n");
}

/* The framing and the connection are ours to declare. A Content-Length of the service stands where there
 * is no body that it could contradict: Glance sends one with 204, and HEAD tells of a body not sent. */
static bool is_passed(struct gateway *g, const struct http_header *h, int64_t length)
{
    int64_t given;

    if (!is_clean(h) || str_eq_nocase(h->name, "transfer-encoding") || str_eq_nocase(h->name, "keep-alive"))
        return false;
    if (str_eq_nocase(h->name, "connection")) {
        if (str_eq_nocase(h->value, "close"))
            g->keep = false;
        return false;
    }
    if (!str_eq_nocase(h->name, "content-length"))
        return true;
    return str_to_i64(h->value, 0, INT64_MAX, &given) && (g->bodyless || given == length);
}

/* Adds the service's headers; tells by its results which of ours they make needless. */
static void add_headers(struct gateway *g, const struct http_headers *h, int64_t length, bool *dated,
                        bool *sized)
{
    *dated = *sized = false;
    for (size_t i = 0; h && i < h->n; i++) {
        if (!is_passed(g, &h->items[i], length))
            continue;
        *dated |= str_eq_nocase(h->items[i].name, "date");
        *sized |= str_eq_nocase(h->items[i].name, "content-length");
        str_add(g->out, h->items[i].name);
        str_add(g->out, ": ");
        str_add(g->out, h->items[i].value);
        str_add(g->out, "\r\n");
    }
}

/* A length that the service gave only as a header counts as given. */
static int64_t length_of(const struct http_headers *h, int64_t length)
{
    const char *text = h ? headers_get(h, "content-length") : NULL;
    int64_t given;

    return length < 0 && text && str_to_i64(text, 0, INT64_MAX, &given) ? given : length;
}

/* How an answer of that length, or of none, ends. */
static void choose_framing(struct gateway *g, int64_t length)
{
    bool unknown = length < 0 && !g->bodyless;

    g->answer_left = length;
    g->held = unknown && is_uwsgi(g);
    g->chunked = unknown && !g->held && g->head.minor >= 1;
    if (unknown && !g->chunked)
        g->keep = false; /* the end of the connection is the end of the body */
}

int answer_head(struct gateway *g, int status, const struct http_headers *h, int64_t length)
{
    bool dated, sized, empty = status < 200 || status == 204 || status == 304;

    if (g->headed || g->gone)
        return -1;
    length = length_of(h, length);
    g->headed = true;
    g->bodyless = empty || strcmp(g->rq.method, "HEAD") == 0;
    choose_framing(g, length);
    add_status(g->out, status);
    add_headers(g, h, length, &dated, &sized);
    if (!dated)
        add_date(g->out, g->date);
    if (g->chunked) {
        str_add(g->out, "Transfer-Encoding: chunked\r\n");
    } else if (!sized && !empty && length >= 0) {
        str_add(g->out, "Content-Length: ");
        str_add_u64(g->out, (uint64_t)length);
        str_add(g->out, "\r\n");
    }
    g->connection_at = g->out->len;
    str_add(g->out, "\r\n");
    return 0;
}

/* ---- sending ---- */

/* Sends everything, waiting as long as the client takes something now and then. */
int answer_send(struct gateway *g, struct iovec *iov, int n, bool more)
{
    while (n > 0 && !g->gone) {
        ssize_t sent;

        if (iov->iov_len == 0) {
            iov++;
            n--;
            continue;
        }
        sent = wire_write(&g->c->wire, iov, n, more);
        if (sent == WIRE_WAIT ? !gateway_wait(g, false) : sent < 0)
            g->gone = true;
        if (sent > 0)
            g->rate.bytes += (uint64_t)sent;
        for (; sent > 0 && n > 0; iov++, n--) {
            size_t part = (size_t)sent < iov->iov_len ? (size_t)sent : iov->iov_len;

            iov->iov_base = (char *)iov->iov_base + part;
            iov->iov_len -= part;
            sent -= (ssize_t)part;
            if (iov->iov_len > 0)
                break;
        }
    }
    return g->gone ? -1 : 0;
}

static void insert(struct str *out, size_t at, const char *text)
{
    size_t n = strlen(text);

    str_reserve(out, n);
    memmove(out->data + at + n, out->data + at, out->len - at + 1);
    memcpy(out->data + at, text, n);
    out->len += n;
}

/* The head is about to leave: now it is known whether the connection stays. A body that is still unread
 * may be read later by a service that streams, but hardly after a refusal. */
void answer_settle(struct gateway *g)
{
    bool unread = g->body == BODY_OPEN && (g->continue_due || (g->rq.status >= 300 && !body_drain(g)));
    const char *text = NULL;
    size_t at = g->connection_at;

    if (at == 0 || is_uwsgi(g)) /* there a server would take our Connection for its own */
        return;
    g->connection_at = 0;
    if (unread || g->body > BODY_COMPLETE || g->h->stopping)
        g->keep = false;
    if (!g->keep)
        text = "Connection: close\r\n";
    else if (g->head.minor == 0)
        text = "Connection: keep-alive\r\n";
    if (text)
        insert(g->out, at, text);
}

static int send_with(struct gateway *g, const void *buf, size_t n, const char *tail, bool more)
{
    struct iovec iov[3];
    int result;

    if (g->headed)
        answer_settle(g);
    iov[0] = (struct iovec){ g->out->data, g->out->len };
    iov[1] = (struct iovec){ (void *)(uintptr_t)buf, n };
    iov[2] = (struct iovec){ (void *)(uintptr_t)tail, strlen(tail) };
    result = answer_send(g, iov, 3, more);
    str_clear(g->out);
    return result;
}

int answer_flush(struct gateway *g, bool more)
{
    return g->held ? 0 : send_with(g, NULL, 0, "", more);
}

/* How much of n bytes the answer still takes, HEAD and the like taking them unsent: *ret. -1: gone. */
static int admit(struct gateway *g, uint64_t n, uint64_t *ret)
{
    if (g->gone || !g->headed)
        return -1;
    *ret = n;
    if (g->answer_left < 0)
        return 0;
    if (*ret > (uint64_t)g->answer_left)
        *ret = (uint64_t)g->answer_left;
    g->answer_left -= (int64_t)*ret;
    return 0;
}

/* Whether n more bytes can be held. Where they cannot, nothing has left us yet, and the answer becomes a
 * refusal: better than one whose end nobody can tell from a break. */
static bool hold(struct gateway *g, uint64_t n)
{
    if (n <= HELD_MAX && g->out->len + n <= HELD_MAX)
        return true;
    log_error("http %s: %s %s: an answer of unknown length is too long for the uwsgi protocol", g->h->o.name,
              g->rq.method, g->rq.path);
    str_clear(g->out);
    g->held = false;
    g->bodyless = true; /* what else is written is dropped */
    g->rq.status = 500;
    answer_refusal(g->out, g->date, HTTP1_UWSGI, 500, "the answer is too long to be sent without its length");
    return false;
}

int answer_write(struct gateway *g, const void *buf, size_t n)
{
    const char *tail = g->chunked ? "\r\n" : "";
    uint64_t taken;

    if (admit(g, n, &taken) < 0)
        return -1;
    if (taken == 0 || g->bodyless || (g->held && !hold(g, taken)))
        return 0;
    if (g->chunked)
        str_addf(g->out, "%llx\r\n", (unsigned long long)taken);
    if (!g->rq.inline_only && !g->held && g->out->len + taken > COLLECT_MAX)
        return send_with(g, buf, (size_t)taken, tail, false);
    str_addn(g->out, buf, (size_t)taken);
    str_add(g->out, tail);
    return 0;
}

/* ---- files ---- */

/* Through our memory: for TLS, for what sendfile(2) cannot read, and for small files on a loop. */
static int copy_file(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    CLEANUP(mem_free_ptr) char *buf = mem_resize(NULL, len < COPY_PIECE ? (size_t)len : COPY_PIECE);

    while (len > 0) {
        ssize_t n = pread(fd, buf, len < COPY_PIECE ? (size_t)len : COPY_PIECE, (off_t)offset);

        if (n <= 0)
            g->gone = true;
        else if (g->rq.inline_only || g->held)
            str_addn(g->out, buf, (size_t)n);
        else
            (void)send_with(g, buf, (size_t)n, "", len > (uint64_t)n);
        if (g->gone)
            return -1;
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return 0;
}

/* By TLS what the socket did not take is read once more, later: the same bytes, as it wants them, and no
 * memory of a slow reader's. */
static ssize_t push_tls(struct gateway *g, size_t n)
{
    char piece[TLS_PIECE];
    ssize_t got = pread(g->rest.fd, piece, n < sizeof piece ? n : sizeof piece, (off_t)g->rest.offset);
    ssize_t sent, total = 0;

    if (got <= 0)
        return WIRE_GONE;
    while (total < got) { /* record by record */
        struct iovec iov = { piece + total, (size_t)(got - total) };

        sent = wire_write(&g->c->wire, &iov, 1, false);
        if (sent <= 0)
            return total > 0 && sent == WIRE_WAIT ? total : sent;
        total += sent;
    }
    return total;
}

static bool others_wait(const struct http1 *h)
{
    return h->transfers.n_waiting + h->senders.n_waiting > 0;
}

/* Whether the wire moves soon enough for a thread to wait for it. */
static bool moves_soon(struct gateway *g, int patience_ms, uint64_t moved, int64_t us)
{
    struct pollfd p = { .fd = g->c->wire.fd, .events = g->c->wire.want };

    if (us >= PATIENCE_MS * 1000)
        patience_ms = moved >= FAST && moved / FAST >= (uint64_t)us / CLOCK_SECOND ? PATIENCE_MS : 0;
    return patience_ms > 0 && poll(&p, 1, patience_ms) > 0;
}

int answer_rest(struct gateway *g, int patience_ms)
{
    int64_t began = clock_mono_us();
    struct rest *r = &g->rest;
    uint64_t moved = 0;

    while (r->len > 0) {
        size_t piece = r->len < FILE_PIECE ? (size_t)r->len : FILE_PIECE;
        ssize_t n = g->c->wire.ssl ? push_tls(g, piece) : wire_sendfile(&g->c->wire, r->fd, r->offset, piece);

        if (n == WIRE_WAIT) {
            if (!moves_soon(g, patience_ms, moved, clock_mono_us() - began))
                return 0;
            continue;
        }
        if (n <= 0)
            return -1;
        r->offset += (uint64_t)n;
        r->len -= (uint64_t)n;
        r->handed += (uint64_t)n;
        moved += (uint64_t)n;
        if (moved >= TURN && r->len > 0 && others_wait(g->h)) {
            g->c->wire.want = POLLOUT;
            return 0;
        }
    }
    return 1;
}

uint64_t answer_acknowledged(const struct gateway *g)
{
    uint64_t queued = wire_queued(&g->c->wire);

    return g->rest.handed > queued ? g->rest.handed - queued : 0;
}

bool answer_moves(struct gateway *g, int64_t now)
{
    uint64_t acknowledged = answer_acknowledged(g);
    struct rest *r = &g->rest;
    int64_t us = now - r->window_us;
    bool fast = true;

    if (!gateway_in_time(g, now))
        return false;
    if (r->window_us != 0 && us < RATE_WINDOW_US)
        return true;
    if (r->window_us != 0)
        fast = acknowledged >= r->window_acknowledged + (uint64_t)(us / CLOCK_SECOND) * g->h->min_rate;
    r->window_us = now;
    r->window_acknowledged = acknowledged;
    return fast;
}

/* The rest goes on without this thread. Not where something of ours has to follow it. */
static bool defer(struct gateway *g)
{
    int fd = g->chunked || g->answer_left != 0 ? -1 : fcntl(g->rest.fd, F_DUPFD_CLOEXEC, 0);

    if (fd < 0)
        return false;
    g->rest.fd = fd;
    g->rq.deferred = true;
    return true;
}

static int send_pieces(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    int result;

    if (g->held)
        return copy_file(g, fd, offset, len);
    if (answer_flush(g, true) < 0)
        return -1;
    g->rest = (struct rest){ .fd = fd, .offset = offset, .len = len };
    while ((result = answer_rest(g, PATIENCE_MS)) == 0) {
        if (defer(g))
            return 0;
        if (!gateway_wait(g, false)) {
            result = -1;
            break;
        }
    }
    g->rest.fd = -1;
    g->gone |= result < 0;
    return g->gone ? -1 : 0;
}

int answer_sendfile(struct gateway *g, int fd, uint64_t offset, uint64_t len)
{
    uint64_t taken;

    if (g->rq.inline_only && len > INLINE_FILE_MAX) {
        g->must_wait = true;
        return -1;
    }
    if (admit(g, len, &taken) < 0)
        return -1;
    if (taken == 0 || g->bodyless || (g->held && !hold(g, taken)))
        return 0;
    if (g->chunked)
        str_addf(g->out, "%llx\r\n", (unsigned long long)taken);
    if ((g->rq.inline_only ? copy_file(g, fd, offset, taken) : send_pieces(g, fd, offset, taken)) < 0)
        return -1;
    if (g->chunked)
        str_add(g->out, "\r\n");
    return 0;
}

bool answer_end(struct gateway *g)
{
    if (!g->bodyless && g->answer_left > 0)
        return false;
    if (g->chunked)
        str_add(g->out, "0\r\n\r\n");
    if (g->held) {
        char line[64];

        snprintf(line, sizeof line, "Content-Length: %zu\r\n",
                 g->out->len - g->connection_at - strlen("\r\n"));
        insert(g->out, g->connection_at, line);
        g->held = false;
    }
    return true;
}

void answer_refusal(struct str *out, struct date *d, enum http1_protocol p, int status, const char *problem)
{
    add_status(out, status);
    add_date(out, d);
    if (status == 503)
        str_addf(out, "Retry-After: %d\r\n", HTTP_RETRY_AFTER);
    str_add(out, "Content-Type: text/plain\r\nContent-Length: ");
    str_add_u64(out, strlen(problem) + 1);
    str_add(out, p == HTTP1_HTTP ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
    str_add(out, problem);
    str_addc(out, '\n');
}
