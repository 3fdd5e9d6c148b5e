/* SPDX-License-Identifier: Apache-2.0 */
/* Where connections come from, and too many of them. */
#include "http1_fixture.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

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
    assert_int_equal(http1_listen_unix(t.http, HTTP1_HTTP, t.socket, 0660, 16, &e), 0);
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
    assert_int_equal(http1_listen_unix(second, HTTP1_HTTP, t.socket, 0660, 16, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_int_equal(http1_listen_unix(second, HTTP1_HTTP, t.file, 0660, 16, &e), -1);
    assert_int_equal(
        http1_listen_tcp(second, HTTP1_HTTP, "127.0.0.1", http1_port(t.http, HTTP1_HTTP), 16, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_int_equal(http1_listen_tcp(second, HTTP1_HTTP, "no such host", 0, 16, &e), -1);
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
    assert_int_equal(http1_listen_fd(t.http, HTTP1_HTTP, t.file_fd, &e), -1);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(http1_listen_fd(t.http, HTTP1_HTTP, fd, &e), 0);
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

static int64_t cpu_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

/* Without a descriptor to accept with, it says so by means of a reserved one, without spinning; and serves as
 * soon as there is one. */
static void out_of_descriptors(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    struct rlimit old, low;
    int taken[64], n = 0, fd;
    int64_t before;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = (struct rlimit){ 64, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    while (n < 64 && (taken[n] = dup(0)) >= 0)
        n++;
    assert_in_range(n, 1, 63);
    close(taken[--n]);
    fd = dial();
    say(fd, "GET / HTTP/1.1\r\n" LAST "\r\n");
    usleep(100000);
    before = cpu_us();
    usleep(300000);
    assert_true(cpu_us() - before < CLOCK_SECOND / 10);
    assert_true(hear_all(fd, &out) > 0);
    assert_non_null(strstr(str_text(&out), "HTTP/1.1 503 "));
    assert_non_null(strstr(str_text(&out), "\r\nRetry-After: "));
    close(fd);
    while (n > 0)
        close(taken[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    str_clear(&out);
    fd = dial();
    say(fd, "GET / HTTP/1.1\r\n" LAST "\r\n");
    assert_true(hear_all(fd, &out) > 0);
    assert_string_equal(body_of(&out), "hello");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unix_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(inherited_socket, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(out_of_descriptors, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("front-http1-listen", tests, set_up_all, tear_down_all);
}
