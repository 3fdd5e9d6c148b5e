/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers of well-behaved clients, over loopback sockets. */
#include "http1_fixture.h"

#include <fcntl.h>

/* clang-format off */
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
    { "a small file, on a loop", "GET /file-small HTTP/1.1\r\n" LAST "\r\n", "200 OK", "123456789", NULL, NULL },
    { "a small file, on a worker", "PUT /file-small HTTP/1.1\r\n" LAST "\r\n", "200 OK", "123456789", NULL, NULL },
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
    { "an echo to 1.0 that would stay", "PUT /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", "200 OK",
      "abc", "Connection: close", "keep-alive" },
    { "a chunked body that is malformed", "PUT /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "\r\n2\r\nabc\r\n0\r\n\r\n",
      "400 Bad Request", "", "Connection: close", NULL },
    { "a malformed head", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", "400 Bad Request", "a header field's name is malformed\n",
      "Connection: close", NULL },
    { "another version", "GET / HTTP/2.0\r\n\r\n", "505 HTTP Version Not Supported",
      "only HTTP/1.0 and HTTP/1.1 are spoken here\n", NULL, NULL },
    { "less than promised", "GET /worker/../promise HTTP/1.1\r\n" LAST "\r\n", "200 OK", "hello", NULL, NULL },
};
/* clang-format on */

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
        "GET / HTTP/1.1\r\n" H "\r\n",
        "GET /worker HTTP/1.1\r\n" H "\r\n",
        "GET /blocks HTTP/1.1\r\n" H "\r\n",
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
            CHECK_CASE(requests[i],
                       (strstr(out.data, "keep-alive") != NULL) == (strstr(requests[i], "1.0") != NULL));
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
    for (int i = 0; i < 1500; i++)
        str_add(&all, "GET / HTTP/1.1\r\n" H "\r\n");
    str_add(&all, "GET / HTTP/1.1\r\n" LAST "\r\n");
    for (size_t at = 0; at < all.len;) {
        ssize_t n = send(fd, all.data + at, all.len - at, MSG_NOSIGNAL);
        char buf[1000];

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
    assert_int_equal(seen, 1501);
    close(fd);
}

static void byte_by_byte(void **state)
{
    static const char text[] =
        "PUT /count HTTP/1.1\r\n" LAST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
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
    say(fd, "ab");
    usleep(20000);
    say(fd, "cde");
    str_clear(&out);
    hear_until(fd, &out, "\r\n\r\n5", 1);
    assert_true(str_starts(out.data, "HTTP/1.1 200 OK\r\n")); /* one 100 is enough */
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

static struct {
    pthread_mutex_t lock;
    char line[256];
} logged = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void keep_line(void *arg, enum log_level level, const char *line)
{
    WITH_MUTEX(&logged.lock);

    (void)arg;
    if (level == LOG_INFO)
        str_copy(logged.line, sizeof logged.line, line);
}

static void refusals_are_counted_and_logged(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT, metrics = STR_INIT;

    (void)state;
    log_sink_set(keep_line, NULL);
    log_level_set(LOG_INFO);
    ask("GET / HTTP/1.1\r\nHost: h\r\nExpect: more\r\n\r\n", &out);
    log_level_set(LOG_OFF);
    log_sink_set(NULL, NULL);
    assert_true(str_starts(out.data, "HTTP/1.1 417 Expectation Failed\r\n"));
    pthread_mutex_lock(&logged.lock);
    assert_string_equal(logged.line,
                        "http test: refused a request of 127.0.0.1: 417, only 100-continue can be expected");
    pthread_mutex_unlock(&logged.lock);
    metrics_write(&metrics);
    assert_non_null(strstr(metrics.data, "glint_http_refused_total{listener=\"test\",status=\"417\"} 1\n"));
    assert_non_null(strstr(metrics.data, "glint_http_connections{listener=\"test\"} "));
    assert_non_null(strstr(metrics.data, "glint_http_workers_busy{listener=\"test\",pool=\"workers\"} 0\n"));
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
        cmocka_unit_test_setup_teardown(refusals_are_counted_and_logged, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("front-http1-serve", tests, set_up_all, tear_down_all);
}
