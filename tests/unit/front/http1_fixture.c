/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>

struct fixture t;

/* ---- the service ---- */

static void answer_text(struct http_request *rq, int status, const char *text)
{
    struct http_headers headers = { 0 };

    headers_add(rq->arena, &headers, "Content-Type", "text/plain");
    if (http_head(rq, status, &headers, (int64_t)strlen(text)) == 0)
        (void)http_write(rq, text, strlen(text));
}

static void answer_echo(struct http_request *rq)
{
    char buf[5000];
    ssize_t n;

    if (http_head(rq, 200, NULL, HTTP_BODY_UNKNOWN) < 0)
        return;
    while ((n = http_read(rq, buf, rq->query ? (size_t)strtoul(rq->query, NULL, 10) : sizeof buf)) > 0)
        if (http_write(rq, buf, (size_t)n) < 0)
            return;
}

static void answer_count(struct http_request *rq)
{
    size_t room = 256 * 1024;
    char *buf = arena_alloc(rq->arena, room), text[32];
    uint64_t total = 0;
    ssize_t n;

    while ((n = http_read(rq, buf, room)) > 0)
        total += (uint64_t)n;
    if (n < 0) {
        t.seen_abort = 1;
        return;
    }
    snprintf(text, sizeof text, "%llu", (unsigned long long)total);
    answer_text(rq, 200, text);
}

static void answer_held(struct http_request *rq)
{
    t.waiting++;
    while (!t.let_go && !http_aborted(rq))
        usleep(2000);
    if (!t.let_go)
        t.seen_abort = 2;
    t.waiting--;
    answer_text(rq, 200, "held");
}

static void file_ended(struct http_request *rq, void *arg, bool whole)
{
    const uint64_t *promised = arg;

    if (whole != (rq->bytes_out == *promised)) /* on a thread that cmocka does not know */
        abort();
    (*(whole ? &t.whole : &t.cut))++;
}

static void answer_file(struct http_request *rq, uint64_t promised)
{
    uint64_t *kept;

    if (http_head(rq, 200, NULL, (int64_t)promised) < 0 || http_sendfile(rq, t.file_fd, 0, promised) < 0 ||
        !rq->deferred)
        return;
    kept = arena_new(rq->arena, uint64_t);
    *kept = promised;
    rq->ended = file_ended;
    rq->ended_arg = kept;
    t.deferred++;
}

static void answer_headers(struct http_request *rq)
{
    struct http_header evil[] = { { "X-A", "b\r\nX-Evil: 1" },
                                  { "X-B\r\nX-Evil", "1" },
                                  { "Transfer-Encoding", "gzip" } };
    struct http_headers headers = { evil, COUNT(evil), COUNT(evil) };

    (void)http_head(rq, 200, &headers, 0);
}

static void answer_empty(struct http_request *rq, bool sized)
{
    struct http_headers headers = { 0 };

    if (sized)
        headers_add(rq->arena, &headers, "Content-Length", "0");
    (void)http_head(rq, 204, &headers, 0);
}

static void answer_who(struct http_request *rq)
{
    const char *both = http_header(rq, "x-twice");

    answer_text(rq, 200,
                arena_printf(rq->arena, "%s %s %s %s %s%s%s", rq->scheme, rq->host, rq->peer,
                             both ? both : "-", rq->query ? rq->query : "-", *rq->prefix ? " " : "",
                             rq->prefix));
}

/* 2 MiB of unknown length. */
static void answer_long(struct http_request *rq)
{
    static const char piece[4096];

    if (http_head(rq, 200, NULL, HTTP_BODY_UNKNOWN) < 0)
        return;
    for (int i = 0; i < 512; i++)
        if (http_write(rq, piece, sizeof piece) < 0)
            return;
}

static int serve(void *arg, struct http_request *rq)
{
    const char *path = rq->path;

    (void)arg;
    if (rq->inline_only && str_eq(path, "/blocks"))
        return -1;
    if (rq->inline_only && str_eq(path, "/blocks-late")) {
        answer_text(rq, 200, "must not be seen");
        return -1;
    }
    if (str_eq(path, "/nap"))
        usleep(300000);
    if (str_eq(path, "/echo"))
        answer_echo(rq);
    else if (str_eq(path, "/count") || str_eq(path, "/document"))
        answer_count(rq);
    else if (str_eq(path, "/refuse"))
        answer_text(rq, 409, "no");
    else if (str_eq(path, "/hold"))
        answer_held(rq);
    else if (str_eq(path, "/file"))
        answer_file(rq, FILE_SIZE);
    else if (str_eq(path, "/file-small"))
        answer_file(rq, 9);
    else if (str_eq(path, "/file-short"))
        answer_file(rq, FILE_SIZE + 1);
    else if (str_eq(path, "/headers"))
        answer_headers(rq);
    else if (str_eq(path, "/empty"))
        answer_empty(rq, rq->query != NULL);
    else if (str_eq(path, "/who"))
        answer_who(rq);
    else if (str_eq(path, "/long"))
        answer_long(rq);
    else if (str_eq(path, "/promise"))
        (void)http_head(rq, 200, NULL, 10);
    else if (!str_eq(path, "/silent"))
        answer_text(rq, 200, "hello");
    return 0;
}

static bool may_inline(void *arg, const struct http_request *rq)
{
    (void)arg;
    return str_eq(rq->method, "GET") && !str_eq(rq->path, "/hold") && !str_starts(rq->path, "/worker");
}

static bool is_transfer(void *arg, const struct http_request *rq)
{
    (void)arg;
    return str_eq(rq->path, "/file") || str_eq(rq->path, "/count");
}

static bool is_document(void *arg, const struct http_request *rq)
{
    (void)arg;
    return str_eq(rq->path, "/document");
}

static uint64_t holder(void *arg, struct http_request *rq)
{
    const char *who = http_header(rq, "X-Who");

    (void)arg;
    return who ? http_hash(who, strlen(who)) : 0;
}

/* ---- the client ---- */

int dial(void)
{
    return dial_to(HTTP1_HTTP);
}

int dial_to(enum http1_protocol p)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(http1_port(t.http, p)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 20 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

int dial_slow(void)
{
    int small = 4096, segment = 536, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons(http1_port(t.http, HTTP1_HTTP)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 20 };

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

void say(int fd, const char *text)
{
    size_t len = strlen(text);

    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

ssize_t hear_all(int fd, struct str *out)
{
    char buf[64 * 1024];
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
        str_addn(out, buf, (size_t)n);
    return n < 0 ? -1 : (ssize_t)out->len;
}

void hear_until(int fd, struct str *out, const char *end, int times)
{
    for (;;) {
        const char *p = str_text(out);
        char buf[4096];
        int seen = 0;
        ssize_t n;

        for (p = strstr(p, end); p; p = strstr(p + strlen(end), end))
            seen++;
        if (seen >= times)
            return;
        n = recv(fd, buf, sizeof buf, 0);
        if (n <= 0)
            fail_msg("the connection ended before %s: %s", end, str_text(out));
        str_addn(out, buf, (size_t)n);
    }
}

bool is_closed(int fd)
{
    char c;

    return recv(fd, &c, 1, 0) == 0;
}

void eventually(_Atomic unsigned *value, unsigned wanted)
{
    for (int i = 0; i < 5000 && *value != wanted; i++)
        usleep(2000);
    assert_int_equal(*value, wanted);
}

void ask(const char *text, struct str *out)
{
    int fd = dial();

    str_clear(out);
    say(fd, text);
    assert_true(hear_all(fd, out) >= 0);
    close(fd);
}

const char *body_of(const struct str *s)
{
    const char *p = strstr(str_text(s), "\r\n\r\n");

    return p ? p + 4 : "";
}

/* Text at first, then a pattern in which no page looks like another. */
static char file_byte(size_t i)
{
    return i < 9 ? (char)('1' + i) : (char)(i * 7 + i / 4096);
}

void check_file(const char *got)
{
    for (size_t i = 0; i < FILE_SIZE; i++)
        if (got[i] != file_byte(i))
            fail_msg("byte %zu differs", i);
}

/* ---- set-up ---- */

void start(const struct http1_options *change)
{
    struct error e;

    t.options = (struct http1_options){
        .name = "test",
        .service = { .may_inline = may_inline,
                     .is_transfer = is_transfer,
                     .is_document = is_document,
                     .holder = holder,
                     .serve = serve },
        .loops = 2,
        .workers_max = 8,
        .transfers_max = 4,
        .connections_max = 1000,
        .head_timeout_us = 10 * CLOCK_SECOND,
        .idle_timeout_us = 10 * CLOCK_SECOND,
        .body_timeout_us = 10 * CLOCK_SECOND,
        .linger_us = 5 * CLOCK_SECOND,
        .drain_us = 10 * CLOCK_SECOND,
        .access_log = true,
    };
    if (change) {
        if (change->head_timeout_us)
            t.options.head_timeout_us = change->head_timeout_us;
        if (change->idle_timeout_us)
            t.options.idle_timeout_us = change->idle_timeout_us;
        if (change->body_timeout_us)
            t.options.body_timeout_us = change->body_timeout_us;
        if (change->linger_us)
            t.options.linger_us = change->linger_us;
        if (change->drain_us)
            t.options.drain_us = change->drain_us;
        if (change->connections_max)
            t.options.connections_max = change->connections_max;
        if (change->loops)
            t.options.loops = change->loops;
        if (change->workers_max)
            t.options.workers_max = change->workers_max;
        if (change->transfers_max)
            t.options.transfers_max = change->transfers_max;
        t.options.workers_share = change->workers_share;
        t.options.transfers_share = change->transfers_share;
        t.options.connections_share = change->connections_share;
        t.options.queue_timeout_us = change->queue_timeout_us;
        t.options.transfer_timeout_us = change->transfer_timeout_us;
        t.options.tls_cert_file = change->tls_cert_file;
        t.options.tls_key_file = change->tls_key_file;
    }
    t.let_go = false;
    t.seen_abort = 0;
    t.deferred = t.whole = t.cut = 0;
    if (http1_start(&t.options, &t.http, &e) < 0 ||
        http1_listen_tcp(t.http, HTTP1_HTTP, "127.0.0.1", 0, 128, &e) < 0 ||
        http1_listen_tcp(t.http, HTTP1_UWSGI, "127.0.0.1", 0, 128, &e) < 0)
        fail_msg("%s: %s", e.message, e.detail);
}

unsigned stop(void)
{
    return http1_stop(TAKE(t.http), CLOCK_SECOND);
}

int set_up(void **state)
{
    (void)state;
    start(NULL);
    return 0;
}

int tear_down(void **state)
{
    (void)state;
    t.let_go = true;
    if (t.http)
        stop();
    return 0;
}

int set_up_all(void **state)
{
    char *bytes = malloc(FILE_SIZE);

    (void)state;
    log_level_set(LOG_OFF);
    strncpy(t.dir, "/tmp/unit-http1-XXXXXX", sizeof t.dir - 1);
    assert_non_null(mkdtemp(t.dir));
    snprintf(t.file, sizeof t.file, "%s/file", t.dir);
    snprintf(t.socket, sizeof t.socket, "%s/socket", t.dir);
    t.file_fd = open(t.file, O_RDWR | O_CREAT, 0600);
    for (size_t i = 0; i < FILE_SIZE; i++)
        bytes[i] = file_byte(i);
    assert_int_equal(write(t.file_fd, bytes, FILE_SIZE), FILE_SIZE);
    free(bytes);
    return 0;
}

int tear_down_all(void **state)
{
    (void)state;
    close(t.file_fd);
    unlink(t.file);
    return rmdir(t.dir);
}
