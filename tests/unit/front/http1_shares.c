/* SPDX-License-Identifier: Apache-2.0 */
/* Nobody holds all threads or connections, and a slow client holds none. */
#include "http1_fixture.h"

#include "base/metrics.h"

static int begin(const char *text)
{
    int fd = dial();

    say(fd, text);
    return fd;
}

static void finish(int fd, const char *body)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    assert_true(hear_all(fd, &out) > 0);
    assert_string_equal(body_of(&out), body);
    close(fd);
}

static void restart(const struct http1_options *o)
{
    stop();
    start(o);
}

static void one_holder_leaves_threads_to_others(void **state UNUSED)
{
    int many[6], other;

    restart(&(struct http1_options){ .workers_max = 4, .workers_share = 50 });
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = begin("GET /hold HTTP/1.1\r\nX-Who: a\r\n" LAST "\r\n");
    eventually(&t.waiting, 2);
    usleep(50000);
    assert_int_equal(t.waiting, 2);
    other = begin("GET /hold HTTP/1.1\r\nX-Who: b\r\n" LAST "\r\n");
    eventually(&t.waiting, 3);
    t.let_go = true;
    finish(other, "held");
    for (size_t i = 0; i < COUNT(many); i++)
        finish(many[i], "held");
}

static void who_waits_too_long_for_a_thread_is_told(void **state UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int holds, waits, other;

    restart(&(struct http1_options){ .workers_max = 2, .workers_share = 50, .queue_timeout_us = 1000 });
    holds = begin("GET /hold HTTP/1.1\r\nX-Who: a\r\n" H "\r\n");
    eventually(&t.waiting, 1);
    waits = begin("GET /hold HTTP/1.1\r\nX-Who: a\r\n" H "\r\n");
    assert_true(hear_all(waits, &out) > 0);
    assert_true(str_starts(out.data, "HTTP/1.1 503 "));
    assert_non_null(strstr(out.data, "\r\nRetry-After: 5\r\n"));
    close(waits);
    assert_int_equal(t.waiting, 1);
    other = begin("GET /worker HTTP/1.1\r\nX-Who: b\r\n" LAST "\r\n");
    finish(other, "hello");
    t.let_go = true;
    close(holds);
}

/* Two workers, of which both are free while documents come slowly. */
static void a_document_takes_no_thread_before_it_is_whole(void **state UNUSED)
{
    static const char *const heads[] = {
        "POST /document HTTP/1.1\r\nContent-Length: 5\r\n" LAST "\r\n",
        "POST /document HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" LAST "\r\n",
        "POST /document HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n" LAST "\r\n",
    };
    static const char *const pieces[][2] = { { "ab", "cde" },
                                             { "2\r\nab\r", "\n3\r\ncde\r\n0\r\n\r\n" },
                                             { "ab", "cde" } };
    CLEANUP(str_done) struct str out = STR_INIT;
    int fds[COUNT(heads) * 2];

    restart(&(struct http1_options){ .workers_max = 2 });
    for (size_t i = 0; i < COUNT(fds); i++) {
        size_t kind = i % COUNT(heads);

        fds[i] = begin(heads[kind]);
        if (strstr(heads[kind], "Expect")) {
            str_clear(&out);
            hear_until(fds[i], &out, "HTTP/1.1 100 Continue\r\n\r\n", 1);
        }
        say(fds[i], pieces[kind][0]);
    }
    ask("GET /worker HTTP/1.1\r\n" LAST "\r\n", &out);
    assert_string_equal(body_of(&out), "hello");
    for (size_t i = 0; i < COUNT(fds); i++) {
        say(fds[i], pieces[i % COUNT(heads)][1]);
        finish(fds[i], "5");
    }
}

static void a_document_and_the_next_request(void **state UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = begin("POST /document HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nab");

    usleep(20000);
    say(fd, "cPOST /document HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\n");
    usleep(20000);
    say(fd, "a\r\n0\r\n\r\nGET /worker HTTP/1.1\r\n" LAST "\r\n");
    assert_true(hear_all(fd, &out) > 0);
    assert_non_null(strstr(out.data, "\r\n\r\n3HTTP/1.1 200"));
    assert_non_null(strstr(out.data, "\r\n\r\n1HTTP/1.1 200"));
    assert_true(str_ends(out.data, "hello"));
    close(fd);
}

static void documents_that_end_badly(void **state UNUSED)
{
    static const struct {
        const char *name, *text, *status;
        bool shut;
    } bad[] = {
        { "silence", "POST /document HTTP/1.1\r\n" LAST "Content-Length: 9\r\n\r\nab", "408", false },
        { "junk", "POST /document HTTP/1.1\r\n" LAST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400",
          false },
        { "gone", "POST /document HTTP/1.1\r\n" LAST "Content-Length: 9\r\n\r\nab", "", true },
    };

    restart(&(struct http1_options){ .body_timeout_us = CLOCK_SECOND / 5 });
    for (size_t i = 0; i < COUNT(bad); i++) {
        CLEANUP(str_done) struct str out = STR_INIT;
        int fd = begin(bad[i].text);

        if (bad[i].shut)
            shutdown(fd, SHUT_WR);
        (void)hear_all(fd, &out);
        CHECK_CASE(bad[i].name, (out.len > 0) == (*bad[i].status != 0));
        CHECK_CASE(bad[i].name, !*bad[i].status || str_starts(str_text(&out) + 9, bad[i].status));
        close(fd);
    }
}

/* What half documents hold is bounded; a small one still comes through. */
static void documents_share_their_memory(void **state UNUSED)
{
    enum { SIZE = 4 * 1024 * 1024, COUNT_MAX = 40 };
    CLEANUP(mem_free_ptr) char *most = mem_new(SIZE);
    unsigned refused = 0;
    int fds[COUNT_MAX];

    for (size_t i = 0; i < COUNT_MAX; i++) {
        struct timeval patience = { .tv_usec = 1000 };
        char answer[64] = "";

        fds[i] = begin("POST /document HTTP/1.1\r\nX-Who: a\r\n" H "Content-Length: 4194304\r\n\r\n");
        for (size_t sent = 0; sent < SIZE - 1;) {
            ssize_t n = send(fds[i], most + sent, SIZE - 1 - sent, MSG_NOSIGNAL);

            if (n <= 0)
                break;
            sent += (size_t)n;
        }
        setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (recv(fds[i], answer, sizeof answer - 1, 0) > 0 && str_starts(answer, "HTTP/1.1 503 "))
            refused++;
    }
    assert_true(refused > 0 && refused < COUNT_MAX);
    finish(begin("POST /document HTTP/1.1\r\nX-Who: b\r\nContent-Length: 2\r\n" LAST "\r\nab"), "2");
    for (size_t i = 0; i < COUNT_MAX; i++)
        close(fds[i]);
}

static int slow_reader(const char *path)
{
    int fd = dial_slow();
    char head[200];

    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nX-Who: a\r\n" LAST "\r\n", path);
    say(fd, head);
    return fd;
}

/* Twice as many readers who do not read as there are threads; then they read, and miss nothing. */
static void a_reader_who_waits_takes_no_thread(void **state UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fds[8];

    restart(&(struct http1_options){ .transfers_max = 4, .queue_timeout_us = 20 * CLOCK_SECOND });
    for (size_t i = 0; i < COUNT(fds); i++)
        fds[i] = slow_reader("/file");
    usleep(500000);
    ask("GET /file HTTP/1.1\r\nX-Who: b\r\n" LAST "\r\n", &out);
    check_file(body_of(&out));
    for (size_t i = 0; i < COUNT(fds); i++) {
        str_clear(&out);
        assert_true(hear_all(fds[i], &out) >= 0);
        assert_int_equal(out.len - (size_t)(body_of(&out) - out.data), FILE_SIZE);
        check_file(body_of(&out));
        close(fds[i]);
    }
    assert_int_equal(stop(), 0);
}

static void a_parked_file_that_became_shorter(void **state UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = slow_reader("/file-short");

    usleep(300000);
    (void)hear_all(fd, &out);
    assert_true(out.len - (size_t)(body_of(&out) - out.data) <= FILE_SIZE);
    assert_non_null(strstr(out.data, "Content-Length: 5242881"));
    close(fd);
}

static void a_parked_reader_at_the_end(void **state UNUSED)
{
    int fd = slow_reader("/file");

    usleep(300000);
    assert_int_equal(http1_stop(TAKE(t.http), CLOCK_SECOND / 10), 1);
    close(fd);
}

static int64_t bytes_out(void)
{
    static const char name[] = "glint_http_listener_bytes_total{listener=\"test\",direction=\"out\"} ";
    CLEANUP(str_done) struct str all = STR_INIT;
    const char *at;

    metrics_write(&all);
    at = strstr(str_text(&all), name);
    assert_non_null(at);
    return strtoll(at + strlen(name), NULL, 10);
}

/* The service hears of the end, and the bytes that were sent are counted. */
static void a_parked_reader_who_never_reads(void **state UNUSED)
{
    int64_t before = bytes_out(), sent;
    int fd;

    restart(&(struct http1_options){ .body_timeout_us = CLOCK_SECOND / 2 });
    fd = slow_reader("/file");
    eventually(&t.cut, 1);
    assert_int_equal(stop(), 0);
    sent = bytes_out() - before;
    assert_true(sent > 0 && sent < FILE_SIZE);
    assert_int_equal(t.deferred, 1);
    assert_int_equal(t.whole, 0);
    close(fd);
}

static void an_address_has_its_share_of_connections(void **state UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fds[10], refused = 0;

    restart(&(struct http1_options){ .connections_max = 10, .connections_share = 50, .loops = 1 });
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = dial();
        if (i < 5) { /* surely accepted before the next one */
            say(fds[i], "GET / HTTP/1.1\r\n" H "\r\n");
            str_clear(&out);
            hear_until(fds[i], &out, "hello", 1);
        }
    }
    for (size_t i = 5; i < COUNT(fds); i++) {
        str_clear(&out);
        (void)hear_all(fds[i], &out);
        refused += str_starts(str_text(&out), "HTTP/1.1 503 ") && strstr(out.data, "\r\nRetry-After: ");
    }
    assert_int_equal(refused, 5);
    close(fds[0]);
    usleep(50000);
    ask("GET / HTTP/1.1\r\n" LAST "\r\n", &out);
    assert_string_equal(body_of(&out), "hello");
    for (size_t i = 1; i < COUNT(fds); i++)
        close(fds[i]);
}

static void a_transfer_has_an_end(void **state UNUSED)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd;

    restart(&(struct http1_options){ .transfer_timeout_us = CLOCK_SECOND / 2 });
    fd = begin("PUT /count HTTP/1.1\r\n" LAST "Content-Length: 1000\r\n\r\n");
    for (int i = 0; i < 100 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; i++)
        usleep(20000);
    (void)hear_all(fd, &out);
    assert_true(out.len == 0 || str_starts(out.data, "HTTP/1.1 408 "));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_holder_leaves_threads_to_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_waits_too_long_for_a_thread_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_document_takes_no_thread_before_it_is_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_document_and_the_next_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(documents_that_end_badly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(documents_share_their_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_who_waits_takes_no_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_parked_file_that_became_shorter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_parked_reader_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_parked_reader_who_never_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_address_has_its_share_of_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_transfer_has_an_end, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("front-http1-shares", tests, set_up_all, tear_down_all);
}
