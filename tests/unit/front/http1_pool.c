/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are slow or vanish, more of them than threads, and the end of it all. */
#include "http1_fixture.h"

#include <time.h>

/* Clients that leave in each stage; afterwards everything still works and nothing is busy. */
static void clients_that_vanish(void **state)
{
    static const char *const stages[] = {
        "",
        "GE",
        "GET / HTTP/1.1\r\nHost:",
        "PUT /count HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc",
        "PUT /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        "GET /file HTTP/1.1\r\n" H "\r\n",
        "GET / HTTP/1.1\r\n" H "\r\n",
        "PUT /refuse HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\nabc",
        "GET /hold HTTP/1.1\r\n" H "\r\n",
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
    struct http1_options o = { .head_timeout_us = CLOCK_SECOND / 5,
                               .idle_timeout_us = CLOCK_SECOND / 5,
                               .body_timeout_us = CLOCK_SECOND / 5,
                               .linger_us = CLOCK_SECOND / 5 };
    int fds[COUNT(slow)], drip, drops = 0;
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
    while (drops < 100 && send(drip, "G", 1, MSG_NOSIGNAL) == 1) {
        drops++;
        usleep(20000);
    }
    assert_true(drops < 90);
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

/* What a client has sent is heard even if the stop comes before the loop looked at it. */
static void hears_who_waits_at_the_stop(void **state)
{
    struct http1_options o = { .loops = 1 };
    CLEANUP(str_done) struct str out = STR_INIT;
    int nap, late;

    (void)state;
    stop();
    start(&o);
    nap = dial();
    say(nap, "GET /nap HTTP/1.1\r\n" H "\r\n");
    usleep(100000);
    late = dial();
    say(late, "GET / HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(stop(), 0);
    assert_true(hear_all(late, &out) > 0);
    assert_string_equal(body_of(&out), "hello");
    close(nap);
    close(late);
}

/* Bytes that a worker does not read yet are no event for the loop. */
static void does_not_spin_beside_a_worker(void **state)
{
    int fd = dial();
    struct timespec before, after;

    (void)state;
    say(fd, "GET /hold HTTP/1.1\r\n" H "\r\n");
    eventually(&t.waiting, 1);
    say(fd, "GET / HTTP/1.1\r\n" H "\r\n");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(400000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 150);
    t.let_go = true;
    close(fd);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_that_vanish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_clients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_readers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_gracefully, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hears_who_waits_at_the_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_not_spin_beside_a_worker, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_the_hard_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_requests_than_threads, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("front-http1-pool", tests, set_up_all, tear_down_all);
}
