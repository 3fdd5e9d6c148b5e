/* SPDX-License-Identifier: Apache-2.0 */
/* The whole front end over loopback sockets, with a small service behind it. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "front/http1/http1.h"

enum { FILE_SIZE = 5 * 1024 * 1024 };

static struct {
    struct http1       *http;
    char                dir[64], file[96], socket[96];
    int                 file_fd;
    _Atomic unsigned    waiting; /* in /hold */
    _Atomic bool        let_go;
    _Atomic int         seen_abort; /* 1: a body that broke off, 2: aborted() told so */
    _Atomic unsigned    inline_count, worker_count;
    struct http1_options options;
} t;

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

static void answer_file(struct http_request *rq, uint64_t promised)
{
    if (http_head(rq, 200, NULL, (int64_t)promised) == 0)
        (void)http_sendfile(rq, t.file_fd, 0, promised);
}

static void answer_headers(struct http_request *rq)
{
    struct http_header evil[] = { { "X-A", "b\r\nX-Evil: 1" }, { "X-B\r\nX-Evil", "1" }, { "Transfer-Encoding", "gzip" } };
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

    answer_text(rq, 200, arena_printf(rq->arena, "%s %s %s %s %s", rq->scheme, rq->host, rq->peer, both ? both : "-",
                                      rq->query ? rq->query : "-"));
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
    if (rq->inline_only)
        t.inline_count++;
    else
        t.worker_count++;
    if (str_eq(path, "/echo"))
        answer_echo(rq);
    else if (str_eq(path, "/count"))
        answer_count(rq);
    else if (str_eq(path, "/refuse"))
        answer_text(rq, 409, "no");
    else if (str_eq(path, "/hold"))
        answer_held(rq);
    else if (str_eq(path, "/file"))
        answer_file(rq, FILE_SIZE);
    else if (str_eq(path, "/file-short"))
        answer_file(rq, FILE_SIZE + 1);
    else if (str_eq(path, "/headers"))
        answer_headers(rq);
    else if (str_eq(path, "/empty"))
        answer_empty(rq, rq->query != NULL);
    else if (str_eq(path, "/who"))
        answer_who(rq);
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

/* ---- the client ---- */

static int dial(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(http1_port(t.http)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = 20 };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t len = strlen(text);

    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* Everything until the end of the connection; -1: a reset or no end. */
static ssize_t hear_all(int fd, struct str *out)
{
    char buf[64 * 1024];
    ssize_t n;

    while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
        str_addn(out, buf, (size_t)n);
    return n < 0 ? -1 : (ssize_t)out->len;
}

/* At least until `end` was seen `times` times. */
static void hear_until(int fd, struct str *out, const char *end, int times)
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

static bool is_closed(int fd)
{
    char c;

    return recv(fd, &c, 1, 0) == 0;
}

static void eventually(_Atomic unsigned *value, unsigned wanted)
{
    for (int i = 0; i < 5000 && *value != wanted; i++)
        usleep(2000);
    assert_int_equal(*value, wanted);
}

/* One request on a connection that ends with it. */
static void ask(const char *text, struct str *out)
{
    int fd = dial();

    str_clear(out);
    say(fd, text);
    assert_true(hear_all(fd, out) >= 0);
    close(fd);
}

static const char *body_of(const struct str *s)
{
    const char *p = strstr(str_text(s), "\r\n\r\n");

    return p ? p + 4 : "";
}

/* ---- set-up ---- */

static void start(const struct http1_options *change)
{
    struct error e;

    t.options = (struct http1_options){
        .name = "test",
        .service = { .may_inline = may_inline, .is_transfer = is_transfer, .serve = serve },
        .loops = 2,
        .workers_max = 8,
        .transfers_max = 4,
        .connections_max = 1000,
        .head_timeout_us = 10 * CLOCK_SECOND,
        .idle_timeout_us = 10 * CLOCK_SECOND,
        .body_timeout_us = 10 * CLOCK_SECOND,
        .linger_us = 5 * CLOCK_SECOND,
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
        if (change->connections_max)
            t.options.connections_max = change->connections_max;
        if (change->workers_max)
            t.options.workers_max = change->workers_max;
        t.options.tls_cert_file = change->tls_cert_file;
        t.options.tls_key_file = change->tls_key_file;
    }
    t.let_go = false;
    t.seen_abort = 0;
    if (http1_start(&t.options, &t.http, &e) < 0 || http1_listen_tcp(t.http, "127.0.0.1", 0, 128, &e) < 0)
        fail_msg("%s: %s", e.message, e.detail);
}

static unsigned stop(void)
{
    return http1_stop(TAKE(t.http), CLOCK_SECOND);
}

static int set_up(void **state)
{
    (void)state;
    start(NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    t.let_go = true;
    if (t.http)
        stop();
    return 0;
}

static int set_up_all(void **state)
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
        bytes[i] = (char)(i * 7 + i / 4096);
    assert_int_equal(write(t.file_fd, bytes, FILE_SIZE), FILE_SIZE);
    free(bytes);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    close(t.file_fd);
    unlink(t.file);
    return rmdir(t.dir);
}

/* ---- tests ---- */

#define H "Host: h\r\n"
#define LAST H "Connection: close\r\n"

static const struct {
    const char *name, *text, *status, *body;
    const char *has, *hasnt; /* somewhere in the answer */
} asked[] = {
    { "the plainest", "GET / HTTP/1.1\r\n" LAST "\r\n", "200 OK", "hello", "Content-Length: 5\r\n", "Server:" },
    { "on a worker", "GET /worker HTTP/1.1\r\n" LAST "\r\n", "200 OK", "hello", "Connection: close\r\n", NULL },
    { "it would block", "GET /blocks HTTP/1.1\r\n" LAST "\r\n", "200 OK", "hello", NULL, NULL },
    { "it would block late", "GET /blocks-late HTTP/1.1\r\n" LAST "\r\n", "200 OK", "hello", "Date: ", "must not" },
    { "1.0 ends by itself", "GET / HTTP/1.0\r\n\r\n", "200 OK", "hello", "HTTP/1.1 200", NULL },
    { "HEAD", "HEAD / HTTP/1.1\r\n" LAST "\r\n", "200 OK", "", "Content-Length: 5\r\n", NULL },
    { "HEAD of a file", "HEAD /file HTTP/1.1\r\n" LAST "\r\n", "200 OK", "", "Content-Length: 5242880\r\n", NULL },
    { "HEAD of unknown length", "HEAD /echo HTTP/1.1\r\n" LAST "\r\n", "200 OK", "", NULL, "Transfer-Encoding" },
    { "204", "PUT /empty HTTP/1.1\r\n" LAST "\r\n", "204 No Content", "", NULL, "Content-Length" },
    { "204 with a length", "PUT /empty?1 HTTP/1.1\r\n" LAST "\r\n", "204 No Content", "", "Content-Length: 0\r\n", NULL },
    { "204 of a loop", "GET /empty?1 HTTP/1.1\r\n" LAST "\r\n", "204 No Content", "", "Content-Length: 0\r\n", NULL },
    { "headers that are not clean", "GET /headers HTTP/1.1\r\n" LAST "\r\n", "200 OK", "", "Content-Length: 0", "Evil" },
    { "headers that are not the service's", "GET /headers HTTP/1.1\r\n" LAST "\r\n", "200 OK", "", NULL, "gzip" },
    { "no answer at all", "GET /silent HTTP/1.1\r\n" H "\r\n", "500 Internal Server Error", "", "Connection: close", NULL },
    { "OPTIONS *", "OPTIONS * HTTP/1.1\r\n" LAST "\r\n", "204 No Content", "", NULL, NULL },
    { "OPTIONS * with a body", "OPTIONS * HTTP/1.1\r\nContent-Length: 1\r\n" LAST "\r\nx", "204 No Content", "", NULL, NULL },
    { "who", "GET /who?a=b HTTP/1.1\r\nX-Twice: 1\r\nx-twice: 2\r\n" LAST "\r\n", "200 OK",
      "http h 127.0.0.1 1, 2 a=b", NULL, NULL },
    { "who, on a worker", "PUT /who HTTP/1.1\r\n" LAST "\r\n", "200 OK", "http h 127.0.0.1 - -", NULL, NULL },
    { "absolute form", "GET http://o:1/who HTTP/1.1\r\n" LAST "\r\n", "200 OK", "http o:1 127.0.0.1 - -", NULL, NULL },
    { "a body", "PUT /count HTTP/1.1\r\nContent-Length: 3\r\n" LAST "\r\nabc", "200 OK", "3", NULL, NULL },
    { "a chunked body", "PUT /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST "\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\n",
      "200 OK", "3", NULL, NULL },
    { "an echo of chunks", "PUT /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST "\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\n",
      "200 OK", "3\r\nabc\r\n0\r\n\r\n", "Transfer-Encoding: chunked", "Content-Length" },
    { "an echo byte by byte", "PUT /echo?1 HTTP/1.1\r\nContent-Length: 2\r\n" LAST "\r\nab", "200 OK",
      "1\r\na\r\n1\r\nb\r\n0\r\n\r\n", NULL, NULL },
    { "an echo to 1.0", "PUT /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", "200 OK", "abc", "Connection: close",
      "Transfer-Encoding" },
    { "a chunked body that is malformed", "PUT /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "\r\n2\r\nabc\r\n0\r\n\r\n",
      "400 Bad Request", "", "Connection: close", NULL },
    { "a malformed head", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", "400 Bad Request", "a header field's name is malformed\n",
      "Connection: close", NULL },
    { "another version", "GET / HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported",
      "only HTTP/1.0 and HTTP/1.1 are spoken here\n", NULL, NULL },
    { "less than promised", "GET /worker/../promise HTTP/1.1\r\n" LAST "\r\n", "200 OK", "hello", NULL, NULL },
};

static void answers(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(asked); i++) {
        ask(asked[i].text, &out);
        if (!str_starts(str_text(&out), "HTTP/1.1 ") || !str_starts(out.data + 9, asked[i].status) ||
            !str_eq(body_of(&out), asked[i].body))
            fail_msg("%s: %s", asked[i].name, str_text(&out));
        CHECK_CASE(asked[i].name, !asked[i].has || strstr(out.data, asked[i].has));
        CHECK_CASE(asked[i].name, !asked[i].hasnt || !strstr(out.data, asked[i].hasnt));
        CHECK_CASE(asked[i].name, strstr(out.data, "\r\nDate: "));
    }
}

static void keeps_a_connection(void **state)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\n" H "\r\n", "GET /worker HTTP/1.1\r\n" H "\r\n", "GET /blocks HTTP/1.1\r\n" H "\r\n",
        "PUT /count HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabcde",
        "PUT /refuse HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nabcde", /* a small rest is read away */
        "PUT /refuse HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    };
    int fd = dial();

    (void)state;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < COUNT(requests); i++) {
            CLEANUP(str_done) struct str out = STR_INIT;

            say(fd, requests[i]);
            hear_until(fd, &out, "\r\n\r\n", 1);
            while (!strstr(out.data, "hello") && !strstr(out.data, "\n5") && !strstr(out.data, "\nno"))
                hear_until(fd, &out, "\n", 100000);
            CHECK_CASE(requests[i], !strstr(out.data, "close"));
            CHECK_CASE(requests[i], (strstr(out.data, "keep-alive") != NULL) == (strstr(requests[i], "1.0") != NULL));
        }
    }
    close(fd);
}

static void pipelines(void **state)
{
    static const char *const kinds[] = { "GET / HTTP/1.1\r\n" H "\r\n", "GET /worker HTTP/1.1\r\n" H "\r\n" };
    CLEANUP(str_done) struct str all = STR_INIT, out = STR_INIT;
    int fd = dial();

    (void)state;
    for (int i = 0; i < 10; i++)
        str_add(&all, kinds[0]);
    say(fd, all.data);
    hear_until(fd, &out, "hello", 10);
    str_clear(&all);
    str_clear(&out);
    for (int i = 0; i < 200; i++) {
        str_addf(&all, "GET /who?%d HTTP/1.1\r\n" H "\r\n", i);
        str_add(&all, kinds[i % 3 == 0]);
        str_addf(&all, "PUT /count HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nGET ");
    }
    str_add(&all, "GET /who?last HTTP/1.1\r\n" LAST "\r\n");
    say(fd, all.data);
    assert_true(hear_all(fd, &out) > 0);
    for (int i = 0, at = 0; i < 200; i++) {
        char tag[32];
        const char *found;

        snprintf(tag, sizeof tag, "- %d", i);
        found = strstr(out.data + at, tag);
        assert_non_null(found);
        at = (int)(found - out.data);
    }
    assert_non_null(strstr(out.data, "- last"));
    close(fd);
}

/* Answers larger than any socket buffer to a client that does not read yet. */
static void pipelines_to_a_slow_reader(void **state)
{
    CLEANUP(str_done) struct str all = STR_INIT, out = STR_INIT;
    int small = 4096, fd = dial();
    const char *p;
    int seen = 0;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 3000; i++)
        str_add(&all, "GET / HTTP/1.1\r\n" H "\r\n");
    str_add(&all, "GET / HTTP/1.1\r\n" LAST "\r\n");
    for (size_t at = 0; at < all.len;) {
        ssize_t n = send(fd, all.data + at, all.len - at, MSG_NOSIGNAL);
        char buf[100];

        at += n > 0 ? (size_t)n : 0;
        if (n <= 0) {
            usleep(1000);
            n = recv(fd, buf, sizeof buf, 0);
            if (n > 0)
                str_addn(&out, buf, (size_t)n);
        }
    }
    fcntl(fd, F_SETFL, 0);
    assert_true(hear_all(fd, &out) > 0);
    for (p = strstr(out.data, "hello"); p; p = strstr(p + 1, "hello"))
        seen++;
    assert_int_equal(seen, 3001);
    close(fd);
}

static void byte_by_byte(void **state)
{
    static const char text[] = "PUT /count HTTP/1.1\r\n" LAST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = dial();

    (void)state;
    for (const char *p = text; *p; p++) {
        char one[2] = { *p, 0 };

        say(fd, one);
        usleep(300);
    }
    assert_true(hear_all(fd, &out) > 0);
    assert_string_equal(body_of(&out), "3");
    close(fd);
}

static void expects_to_continue(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = dial();

    (void)state;
    say(fd, "PUT /count HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    hear_until(fd, &out, "\r\n\r\n", 1);
    assert_string_equal(out.data, "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "abcde");
    str_clear(&out);
    hear_until(fd, &out, "\r\n\r\n5", 1);
    str_clear(&out);
    /* Refused before the body: no 100, and nobody knows whether the body comes, so the connection ends. */
    say(fd, "PUT /refuse HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    hear_until(fd, &out, "\r\n\r\nno", 1);
    assert_true(str_starts(out.data, "HTTP/1.1 409 Conflict\r\n"));
    assert_non_null(strstr(out.data, "Connection: close\r\n"));
    assert_true(is_closed(fd));
    close(fd);
    fd = dial();
    str_clear(&out);
    say(fd, "PUT /count HTTP/1.1\r\n" LAST "Content-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde");
    assert_true(hear_all(fd, &out) > 0);
    assert_true(str_starts(out.data, "HTTP/1.1 200 OK\r\n"));
    close(fd);
}

/* A client that sends all of a large body before it reads must find the answer, not a reset. */
static void early_refusal_of_a_large_body(void **state)
{
    static char piece[1 << 20];
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd;

    (void)state;
    for (int round = 0; round < 2; round++) {
        fd = dial();
        str_clear(&out);
        say(fd, round ? "PUT /refuse HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1400000\r\n"
                      : "PUT /refuse HTTP/1.1\r\n" H "Content-Length: 20971520\r\n\r\n");
        for (int i = 0; i < 20; i++)
            assert_int_equal(send(fd, piece, sizeof piece, MSG_NOSIGNAL), sizeof piece);
        assert_true(hear_all(fd, &out) > 0);
        assert_true(str_starts(out.data, "HTTP/1.1 409 Conflict\r\n"));
        assert_string_equal(body_of(&out), "no");
        close(fd);
    }
}

static void large_bodies(void **state)
{
    static char piece[1 << 20];
    char line[32];
    int total = 0;
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = dial();

    (void)state;
    say(fd, "PUT /count HTTP/1.1\r\n" H "Content-Length: 33554432\r\n\r\n");
    for (int i = 0; i < 32; i++)
        assert_int_equal(send(fd, piece, sizeof piece, MSG_NOSIGNAL), sizeof piece);
    hear_until(fd, &out, "\r\n\r\n33554432", 1);
    str_clear(&out);
    say(fd, "PUT /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 64; i++) {
        static const int sizes[] = { 1, 70000, 8192, 1 << 20, 13 };
        int n = sizes[i % 5];

        total += n;
        snprintf(line, sizeof line, "%x\r\n", n);
        say(fd, line);
        assert_int_equal(send(fd, piece, (size_t)n, MSG_NOSIGNAL), n);
        say(fd, "\r\n");
    }
    say(fd, "0\r\n\r\nGET / HTTP/1.1\r\n" LAST "\r\n");
    assert_true(hear_all(fd, &out) > 0);
    snprintf(line, sizeof line, "\r\n\r\n%d", total);
    assert_non_null(strstr(out.data, line));
    assert_non_null(strstr(out.data, "hello"));
    close(fd);
}

static void check_file(const char *got)
{
    for (size_t i = 0; i < FILE_SIZE; i++)
        if (got[i] != (char)(i * 7 + i / 4096))
            fail_msg("byte %zu differs", i);
}

static void sends_a_file_to_a_slow_reader(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int small = 16 * 1024, fd = dial();
    char buf[32 * 1024];

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, "GET /file HTTP/1.1\r\n" LAST "\r\n");
    for (int i = 0; i < 20; i++) {
        ssize_t n = recv(fd, buf, sizeof buf, 0);

        assert_true(n > 0);
        str_addn(&out, buf, (size_t)n);
        usleep(10000);
    }
    assert_true(hear_all(fd, &out) > 0);
    assert_int_equal(out.len - (size_t)(body_of(&out) - out.data), FILE_SIZE);
    check_file(body_of(&out));
    close(fd);
}

static void breaks_off_what_is_too_short(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = dial();

    (void)state;
    say(fd, "PUT /file-short HTTP/1.1\r\n" H "\r\nGET / HTTP/1.1\r\n" H "\r\n");
    (void)hear_all(fd, &out);
    assert_non_null(strstr(out.data, "Content-Length: 5242881\r\n"));
    assert_null(strstr(out.data, "hello"));
    close(fd);
    fd = dial();
    str_clear(&out);
    say(fd, "PUT /promise HTTP/1.1\r\n" H "\r\n");
    (void)hear_all(fd, &out);
    assert_non_null(strstr(out.data, "Content-Length: 10\r\n"));
    assert_string_equal(body_of(&out), "");
    close(fd);
}

/* Clients that leave in each stage; afterwards everything still works and nothing is busy. */
static void clients_that_vanish(void **state)
{
    static const char *const stages[] = {
        "", "GE", "GET / HTTP/1.1\r\nHost:", "PUT /count HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc",
        "PUT /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "GET /file HTTP/1.1\r\n" H "\r\n",
        "GET / HTTP/1.1\r\n" H "\r\n", "PUT /refuse HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\nabc", "GET /hold HTTP/1.1\r\n" H "\r\n",
    };
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        for (size_t i = 0; i < COUNT(stages); i++) {
            struct linger hard = { .l_onoff = reset };
            int fd = dial();

            say(fd, stages[i]);
            if (str_starts(stages[i], "GET /hold"))
                eventually(&t.waiting, 1);
            else
                usleep(5000);
            t.seen_abort = 0;
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            close(fd);
            if (strstr(stages[i], "/count") || strstr(stages[i], "/hold"))
                for (int n = 0; n < 5000 && t.seen_abort == 0; n++)
                    usleep(1000);
            CHECK_CASE(stages[i], !strstr(stages[i], "/count") || t.seen_abort == 1);
            CHECK_CASE(stages[i], !strstr(stages[i], "/hold") || t.seen_abort == 2);
        }
    }
    eventually(&t.waiting, 0);
    ask("GET / HTTP/1.1\r\n" LAST "\r\n", &out);
    assert_string_equal(body_of(&out), "hello");
    assert_int_equal(stop(), 0);
}

static void slow_clients(void **state)
{
    static const struct {
        const char *name, *text, *status;
    } slow[] = {
        { "says nothing", "", "" },
        { "half a head", "GET / HTTP/1.1\r\nHost: h\r\nX-", "408" },
        { "half a body", "PUT /count HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc", "408" },
        { "half a chunk", "PUT /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "408" },
        { "kept and silent", "GET / HTTP/1.1\r\n" H "\r\n", "200" },
    };
    struct http1_options o = { .head_timeout_us = CLOCK_SECOND / 5, .idle_timeout_us = CLOCK_SECOND / 5,
                               .body_timeout_us = CLOCK_SECOND / 5, .linger_us = CLOCK_SECOND / 5 };
    int fds[COUNT(slow)], drip;
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    stop();
    start(&o);
    for (size_t i = 0; i < COUNT(slow); i++) {
        fds[i] = dial();
        say(fds[i], slow[i].text);
    }
    for (size_t i = 0; i < COUNT(slow); i++) {
        str_clear(&out);
        CHECK_CASE(slow[i].name, hear_all(fds[i], &out) >= 0);
        CHECK_CASE(slow[i].name, str_starts(str_text(&out), "HTTP/1.1 ") == (*slow[i].status != 0));
        CHECK_CASE(slow[i].name, !*slow[i].status || str_starts(out.data + 9, slow[i].status));
        close(fds[i]);
    }
    /* A byte now and then does not keep a head alive. */
    drip = dial();
    for (int i = 0; i < 100 && send(drip, "G", 1, MSG_NOSIGNAL) == 1; i++)
        usleep(20000);
    str_clear(&out);
    (void)hear_all(drip, &out);
    assert_true(str_starts(str_text(&out), "HTTP/1.1 408 "));
    close(drip);
}

/* A client that takes nothing of a file holds a thread only as long as it may. */
static void slow_readers(void **state)
{
    struct http1_options o = { .body_timeout_us = CLOCK_SECOND / 5 };
    int small = 4096, fd;
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    stop();
    start(&o);
    fd = dial();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, "GET /file HTTP/1.1\r\n" H "\r\n");
    usleep(600000);
    (void)hear_all(fd, &out);
    assert_true(out.len < FILE_SIZE);
    close(fd);
    assert_int_equal(stop(), 0);
}

static void stops_gracefully(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int idle = dial(), busy = dial();
    pthread_t stopper;
    void *result;

    (void)state;
    say(idle, "GET / HTTP/1.1\r\n" H "\r\n");
    hear_until(idle, &out, "hello", 1);
    say(busy, "GET /hold HTTP/1.1\r\n" H "\r\n");
    eventually(&t.waiting, 1);
    pthread_create(&stopper, NULL, (void *(*)(void *))(void (*)(void))stop, NULL);
    assert_true(is_closed(idle)); /* at once, while the other is still at work */
    assert_int_equal(t.waiting, 1);
    t.let_go = true;
    str_clear(&out);
    assert_true(hear_all(busy, &out) > 0);
    assert_non_null(strstr(out.data, "Connection: close\r\n"));
    assert_string_equal(body_of(&out), "held");
    pthread_join(stopper, &result);
    assert_int_equal((unsigned)(uintptr_t)result, 0);
    close(idle);
    close(busy);
}

static void stops_the_hard_way(void **state)
{
    int busy = dial(), half = dial();

    (void)state;
    say(busy, "GET /hold HTTP/1.1\r\n" H "\r\n");
    say(half, "PUT /count HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc");
    eventually(&t.waiting, 1);
    usleep(50000);
    assert_int_equal(http1_stop(TAKE(t.http), CLOCK_SECOND / 10), 2);
    assert_int_equal(t.seen_abort != 0, true);
    close(busy);
    close(half);
}

static void unix_socket(void **state)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    CLEANUP(str_done) struct str out = STR_INIT;
    struct http1 *second;
    struct stat st;
    struct error e;
    int fd;

    (void)state;
    str_copy(a.sun_path, sizeof a.sun_path, t.socket);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd); /* leaves a socket file that nobody listens on */
    assert_int_equal(http1_listen_unix(t.http, t.socket, 0660, 16, &e), 0);
    assert_int_equal(stat(t.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    for (int i = 0; i < 20; i++) {
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        str_clear(&out);
        say(fd, i % 2 ? "GET /who HTTP/1.0\r\n\r\n" : "PUT /who HTTP/1.0\r\nContent-Length: 1\r\n\r\nx");
        assert_true(hear_all(fd, &out) > 0);
        assert_string_equal(body_of(&out), "http localhost unix - -");
        close(fd);
    }
    assert_int_equal(http1_start(&t.options, &second, &e), 0);
    assert_int_equal(http1_listen_unix(second, t.socket, 0660, 16, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_int_equal(http1_listen_unix(second, t.file, 0660, 16, &e), -1);
    assert_int_equal(http1_listen_tcp(second, "127.0.0.1", http1_port(t.http), 16, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_int_equal(http1_listen_tcp(second, "no such host", 0, 16, &e), -1);
    http1_stop(second, 0);
    stop();
    assert_int_equal(stat(t.socket, &st), -1);
}

static void inherited_socket(void **state)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CLEANUP(str_done) struct str out = STR_INIT;
    struct error e;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    stop();
    assert_int_equal(http1_start(&t.options, &t.http, &e), 0);
    assert_int_equal(http1_listen_fd(t.http, t.file_fd, &e), -1);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(http1_listen_fd(t.http, fd, &e), 0);
    for (int i = 0; i < 20; i++) {
        ask("GET /who HTTP/1.0\r\n\r\n", &out);
        assert_true(str_starts(body_of(&out), "http localhost:"));
    }
}

static void too_many_connections(void **state)
{
    struct http1_options o = { .connections_max = 4 };
    CLEANUP(str_done) struct str out = STR_INIT;
    struct pollfd p[12];

    (void)state;
    stop();
    start(&o);
    for (size_t i = 0; i < COUNT(p); i++) {
        p[i] = (struct pollfd){ .fd = dial(), .events = POLLIN };
        say(p[i].fd, "GET / HTTP/1.1\r\n" H "\r\n");
    }
    /* Those beyond the limit are served as soon as others go; which ones is the kernel's choice. */
    for (size_t left = COUNT(p); left > 0; left--) {
        size_t i = 0;

        assert_true(poll(p, left, 5000) > 0);
        usleep(5000);
        assert_in_range(poll(p, left, 0), 1, 4);
        while (!p[i].revents)
            i++;
        str_clear(&out);
        hear_until(p[i].fd, &out, "hello", 1);
        close(p[i].fd);
        p[i] = p[left - 1];
    }
}

static void more_requests_than_threads(void **state)
{
    struct http1_options o = { .workers_max = 2 };
    CLEANUP(str_done) struct str out = STR_INIT;
    int fds[8];

    (void)state;
    stop();
    start(&o);
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        say(fds[i], "GET /hold HTTP/1.1\r\n" LAST "\r\n");
    }
    eventually(&t.waiting, 2);
    ask("PUT /count HTTP/1.1\r\nContent-Length: 1\r\n" LAST "\r\nx", &out); /* transfers have their own */
    assert_string_equal(body_of(&out), "1");
    ask("GET / HTTP/1.1\r\n" LAST "\r\n", &out);
    assert_string_equal(body_of(&out), "hello");
    assert_int_equal(t.waiting, 2);
    t.let_go = true;
    for (size_t i = 0; i < COUNT(fds); i++) {
        str_clear(&out);
        assert_true(hear_all(fds[i], &out) > 0);
        assert_string_equal(body_of(&out), "held");
        close(fds[i]);
    }
}

/* ---- TLS ---- */

static void write_certificate(const char *cert, const char *key)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name;
    FILE *f;

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, pkey);
    name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
    f = fopen(cert, "w");
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    f = fopen(key, "w");
    assert_int_equal(PEM_write_PrivateKey(f, pkey, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(pkey);
}

static void tls_ask(SSL_CTX *ctx, const char *request, size_t more, struct str *out)
{
    static char piece[16 * 1024];
    SSL *ssl = SSL_new(ctx);
    int fd = dial(), n;
    char buf[16 * 1024];

    str_clear(out);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_write(ssl, request, (int)strlen(request)), strlen(request));
    for (; more > 0; more -= sizeof piece)
        assert_int_equal(SSL_write(ssl, piece, sizeof piece), sizeof piece);
    while ((n = SSL_read(ssl, buf, sizeof buf)) > 0)
        str_addn(out, buf, (size_t)n);
    assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
    SSL_shutdown(ssl);
    SSL_free(ssl);
    close(fd);
}

static void speaks_tls(void **state)
{
    char cert[96], key[96];
    CLEANUP(str_done) struct str out = STR_INIT;
    struct http1_options o = { .tls_cert_file = cert, .tls_key_file = key, .head_timeout_us = CLOCK_SECOND / 2 };
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct error e;
    int fd;

    (void)state;
    stop();
    snprintf(cert, sizeof cert, "%s/cert", t.dir);
    snprintf(key, sizeof key, "%s/key", t.dir);
    write_certificate(cert, key);
    start(&o);
    tls_ask(ctx, "GET /who HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_string_equal(body_of(&out), "https h 127.0.0.1 - -");
    tls_ask(ctx, "GET / HTTP/1.1\r\n" H "\r\nGET /worker HTTP/1.1\r\n" H "\r\nGET /who HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_non_null(strstr(out.data, "https h"));
    tls_ask(ctx, "GET /file HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_int_equal(out.len - (size_t)(body_of(&out) - out.data), FILE_SIZE);
    check_file(body_of(&out));
    tls_ask(ctx, "PUT /count HTTP/1.1\r\n" LAST "Content-Length: 4194304\r\n\r\n", 4194304, &out);
    assert_string_equal(body_of(&out), "4194304");
    write_certificate(cert, key);
    t.options.tls_cert_file = NULL;
    assert_int_equal(http1_reload(t.http, &t.options, &e), -1);
    t.options.tls_cert_file = t.file;
    assert_int_equal(http1_reload(t.http, &t.options, &e), -1);
    t.options.tls_cert_file = cert;
    assert_int_equal(http1_reload(t.http, &t.options, &e), 0);
    tls_ask(ctx, "GET / HTTP/1.1\r\n" LAST "\r\n", 0, &out);
    assert_string_equal(body_of(&out), "hello");
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    fd = dial();
    say(fd, "GET / HTTP/1.1\r\n" H "\r\n"); /* not TLS at all: some alert, and the end */
    (void)hear_all(fd, &out);
    close(fd);
    fd = dial(); /* a handshake that never comes */
    assert_true(is_closed(fd));
    close(fd);
    SSL_CTX_free(ctx);
    unlink(cert);
    unlink(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_a_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pipelines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pipelines_to_a_slow_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(byte_by_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expects_to_continue, set_up, tear_down),
        cmocka_unit_test_setup_teardown(early_refusal_of_a_large_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_bodies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sends_a_file_to_a_slow_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(breaks_off_what_is_too_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_that_vanish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_readers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_gracefully, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_the_hard_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unix_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inherited_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_requests_than_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(speaks_tls, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("front-http1-serve", tests, set_up_all, tear_down_all);
}
