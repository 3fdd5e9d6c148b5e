/* SPDX-License-Identifier: Apache-2.0 */
/* The uwsgi protocol over sockets: what differs from HTTP in reading, answering and ending. */
#include "http1_fixture.h"

#include <errno.h>
#include <poll.h>

/* A packet of "NAME=VALUE\n…". */
static void add_packet(struct str *s, const char *vars)
{
    size_t start = s->len;

    str_addn(s, "\0\0\0\0", 4);
    while (*vars) {
        size_t line = strcspn(vars, "\n"), name = strcspn(vars, "="), value = line - name - 1;

        str_addc(s, (char)(name & 0xFF));
        str_addc(s, (char)(name >> 8));
        str_addn(s, vars, name);
        str_addc(s, (char)(value & 0xFF));
        str_addc(s, (char)(value >> 8));
        str_addn(s, vars + name + 1, value);
        vars += line + (vars[line] == '\n');
    }
    s->data[start + 1] = (char)((s->len - start - 4) & 0xFF);
    s->data[start + 2] = (char)((s->len - start - 4) >> 8);
}

static void say_all(int fd, const struct str *s)
{
    assert_int_equal(send(fd, s->data, s->len, MSG_NOSIGNAL), s->len);
}

/* Sends a packet and a body; the open connection. */
static int begin(const char *vars, const char *body)
{
    CLEANUP(str_done) struct str s = STR_INIT;
    int fd = dial_to(HTTP1_UWSGI);

    add_packet(&s, vars);
    str_add(&s, body);
    say_all(fd, &s);
    return fd;
}

static void ask_with(const char *vars, const char *body, struct str *out)
{
    int fd = begin(vars, body);

    str_clear(out);
    assert_true(hear_all(fd, out) >= 0);
    close(fd);
}

static void check_has(const struct str *s, const char *text)
{
    if (!strstr(str_text(s), text))
        fail_msg("no \"%s\" in: %s", text, str_text(s));
}

static void check_lacks(const struct str *s, const char *text)
{
    if (strstr(str_text(s), text))
        fail_msg("\"%s\" in: %s", text, str_text(s));
}

#define GET_  "REQUEST_METHOD=GET\nREQUEST_URI="
#define POST_ "REQUEST_METHOD=POST\nREQUEST_URI="
#define WHO   "\nHTTP_HOST=a:81\nREMOTE_ADDR=192.0.2.1\nREQUEST_SCHEME=https\nHTTP_X_TWICE=1\nHTTP_X_TWICE=2"

static void requests_are_read(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    ask_with(GET_ "/who?q" WHO, "", &out);
    assert_string_equal(body_of(&out), "https a:81 192.0.2.1 1, 2 q");
    ask_with(GET_ "/m%2Fn/who?q\nSCRIPT_NAME=/m/n" WHO, "", &out);
    assert_string_equal(body_of(&out), "https a:81 192.0.2.1 1, 2 q /m/n");
    ask_with(GET_ "/who", "", &out);
    check_has(&out, "http 127.0.0.1:");
    check_has(&out, " 127.0.0.1 - -");
}

/* All that the loop made of the variables must be made again where the worker has its memory. */
static void workers_read_them_too(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    ask_with(POST_ "https://b:82/who?q\nSCRIPT_NAME=/" WHO, "", &out);
    assert_string_equal(body_of(&out), "https b:82 192.0.2.1 1, 2 q");
    ask_with(POST_ "/elsewhere\nPATH_INFO=/who\nQUERY_STRING=r\nSCRIPT_NAME=/m n" WHO, "", &out);
    assert_string_equal(body_of(&out), "https a:81 192.0.2.1 1, 2 r /m%20n");
}

static void heads_are_for_servers(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    static const char *const asks[] = { GET_ "/hello", POST_ "/hello" };

    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++) {
        ask_with(asks[i], "", &out);
        assert_true(str_starts(str_text(&out), "HTTP/1.1 200 OK\r\n"));
        check_has(&out, "\r\nContent-Length: 5\r\n");
        check_lacks(&out, "Connection");
        check_lacks(&out, "Transfer-Encoding");
        assert_string_equal(body_of(&out), "hello");
    }
    ask_with("REQUEST_METHOD=HEAD\nREQUEST_URI=/hello", "", &out);
    check_has(&out, "\r\nContent-Length: 5\r\n");
    assert_string_equal(body_of(&out), "");
    ask_with("REQUEST_METHOD=OPTIONS\nREQUEST_URI=*", "", &out);
    check_has(&out, "HTTP/1.1 204 ");
}

static void lengths_are_found_out(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    ask_with(POST_ "/echo\nCONTENT_LENGTH=11", "hello world", &out);
    check_has(&out, "HTTP/1.1 200 ");
    check_has(&out, "\r\nContent-Length: 11\r\n\r\n");
    check_lacks(&out, "Transfer-Encoding");
    assert_string_equal(body_of(&out), "hello world");
    ask_with(GET_ "/echo", "", &out);
    check_has(&out, "\r\nContent-Length: 0\r\n\r\n");
    ask_with("REQUEST_METHOD=HEAD\nREQUEST_URI=/echo", "", &out);
    check_lacks(&out, "Content-Length");
}

static void what_cannot_be_held_fails_visibly(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    static const char *const asks[] = { GET_ "/long", POST_ "/long" };

    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++) {
        ask_with(asks[i], "", &out);
        assert_true(str_starts(str_text(&out), "HTTP/1.1 500 "));
        assert_string_equal(body_of(&out), "the answer is too long to be sent without its length\n");
    }
}

static void no_100_is_sent(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = begin(POST_ "/count\nCONTENT_LENGTH=5\nHTTP_EXPECT=100-continue", "");
    struct pollfd p = { .fd = fd, .events = POLLIN };

    (void)state;
    assert_int_equal(poll(&p, 1, 300), 0);
    say(fd, "hello");
    assert_true(hear_all(fd, &out) > 0);
    assert_true(str_starts(str_text(&out), "HTTP/1.1 200 "));
    assert_string_equal(body_of(&out), "5");
    close(fd);
}

static void bytes_one_by_one(void **state)
{
    CLEANUP(str_done) struct str s = STR_INIT, out = STR_INIT;
    int fd = dial_to(HTTP1_UWSGI);

    (void)state;
    add_packet(&s, POST_ "/count\nCONTENT_LENGTH=5");
    str_add(&s, "hello");
    for (size_t i = 0; i < s.len; i++) {
        assert_int_equal(send(fd, s.data + i, 1, MSG_NOSIGNAL), 1);
        usleep(1000);
    }
    assert_true(hear_all(fd, &out) > 0);
    assert_string_equal(body_of(&out), "5");
    close(fd);
}

static const struct {
    const char *name, *vars, *body, *status, *answer;
} bodies[] = {
    { "no word of a body", POST_ "/count", "", "200", "0" },
    { "a body that nobody announced", POST_ "/count", "garbage", "200", "0" },
    { "more than was announced", POST_ "/count\nCONTENT_LENGTH=3", "hello", "200", "3" },
    { "framed", POST_ "/count\nBODY_FRAMING=chunked\nCONTENT_LENGTH=9223372036854775807",
      "3;x\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n", "200", "5" },
    { "framed, and empty", POST_ "/count\nBODY_FRAMING=chunked", "0\r\n\r\n", "200", "0" },
    { "framed, with garbage after it", POST_ "/count\nBODY_FRAMING=chunked", "1\r\na\r\n0\r\n\r\nmore", "200",
      "1" },
    { "framed wrongly", POST_ "/count\nBODY_FRAMING=chunked", "zz\r\n", "400", "" },
    { "chunked", POST_ "/count\nHTTP_TRANSFER_ENCODING=chunked", "1\r\na\r\n0\r\n\r\n", "200", "1" },
    { "spooled", POST_ "/count\nHTTP_TRANSFER_ENCODING=chunked\nCONTENT_LENGTH=3", "a\r\n", "200", "3" },
    { "a client's framing", POST_ "/count\nHTTP_BODY_FRAMING=chunked\nCONTENT_LENGTH=3", "abc", "200", "3" },
    { "a malformed length", POST_ "/count\nCONTENT_LENGTH=x", "abc", "400",
      "Content-Length is not a number\n" },
    { "another coding", POST_ "/count\nHTTP_TRANSFER_ENCODING=gzip", "", "501",
      "the transfer coding is not known here\n" },
};

static void bodies_are_framed(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        ask_with(bodies[i].vars, bodies[i].body, &out);
        CHECK_CASE(bodies[i].name, strncmp(str_text(&out) + strlen("HTTP/1.1 "), bodies[i].status, 3) == 0);
        CHECK_CASE(bodies[i].name, str_eq(body_of(&out), bodies[i].answer));
    }
}

static const char *const short_bodies[][2] = {
    { POST_ "/count\nCONTENT_LENGTH=6", "hello" },
    { POST_ "/count\nBODY_FRAMING=chunked", "5\r\nhello\r\n" },
    { POST_ "/count\nBODY_FRAMING=chunked", "5\r\nhello\r\n0\r\n" },
    { POST_ "/count\nHTTP_TRANSFER_ENCODING=chunked", "5\r\nhel" },
};

static void a_short_body_is_no_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(short_bodies); i++) {
        int fd = begin(short_bodies[i][0], short_bodies[i][1]);
        char c;

        t.seen_abort = 0;
        shutdown(fd, SHUT_WR);
        assert_true(recv(fd, &c, 1, 0) <= 0);
        close(fd);
        for (int n = 0; n < 1000 && !t.seen_abort; n++)
            usleep(2000);
        assert_int_equal(t.seen_abort, 1);
    }
}

/* As the servers do it: all of the body first, and only then they listen. */
static void refused_bodies_are_drained(void **state)
{
    enum { BODY = 20 * 1024 * 1024 };
    CLEANUP(str_done) struct str out = STR_INIT;
    static const char *const asks[] = { POST_ "/refuse\nCONTENT_LENGTH=20971520",
                                        POST_ "/refuse\nBODY_FRAMING=chunked",
                                        POST_ "/refuse\nBODY_FRAMING=x" };
    static char piece[64 * 1024];

    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++) {
        int fd = begin(asks[i], "");

        str_clear(&out);
        usleep(100000); /* the answer is there long before the body */
        for (size_t sent = 0; sent < BODY; sent += sizeof piece)
            assert_int_equal(send(fd, piece, sizeof piece, MSG_NOSIGNAL), sizeof piece);
        assert_true(hear_all(fd, &out) > 0);
        check_has(&out, i < 2 ? "HTTP/1.1 409 " : "HTTP/1.1 400 ");
        check_lacks(&out, "Connection");
        close(fd);
    }
}

static void draining_has_an_end(void **state)
{
    struct http1_options brief = { .drain_us = CLOCK_SECOND / 2 };
    CLEANUP(str_done) struct str out = STR_INIT;
    int64_t began;
    int fd;

    (void)state;
    stop();
    start(&brief);
    began = clock_mono_us();
    fd = begin(POST_ "/refuse\nCONTENT_LENGTH=1000000", "");
    assert_true(hear_all(fd, &out) > 0); /* our half is closed at once */
    while (send(fd, "x", 1, MSG_NOSIGNAL) == 1)
        usleep(10000);
    assert_in_range(clock_mono_us() - began, CLOCK_SECOND / 2, 5 * CLOCK_SECOND);
    close(fd);
}

static void files_are_sent(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;

    (void)state;
    ask_with(POST_ "/file", "", &out);
    assert_int_equal(str_text(&out) + out.len - body_of(&out), FILE_SIZE);
    check_file(body_of(&out));
}

static void a_short_answer_is_a_break(void **state)
{
    static const char *const asks[] = { POST_ "/file-short", GET_ "/promise", POST_ "/promise" };

    (void)state;
    for (size_t i = 0; i < COUNT(asks); i++) {
        CLEANUP(str_done) struct str out = STR_INIT;
        int fd = begin(asks[i], "");

        assert_int_equal(hear_all(fd, &out), -1);
        assert_int_equal(errno, ECONNRESET);
        close(fd);
    }
}

static void being_stopped_is_a_break(void **state)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd = begin(POST_ "/file", "");
    char c;

    (void)state;
    assert_int_equal(recv(fd, &c, 1, 0), 1);
    usleep(100000); /* until nothing more fits between us */
    assert_int_equal(http1_stop(TAKE(t.http), 0), 1);
    assert_int_equal(hear_all(fd, &out), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
}

static const struct {
    const char *name, *bytes;
    size_t len;
    const char *answer;
} strangers[] = {
    { "HTTP", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27,
      "this is no request of the uwsgi protocol, which is spoken here\n" },
    { "a second modifier", "\0\0\0\1", 4, "the packet's second modifier is not known here\n" },
    { "no request", "\0\0\0\0", 4, "REQUEST_METHOD is missing or malformed\n" },
};

static void strangers_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(strangers); i++) {
        CLEANUP(str_done) struct str out = STR_INIT;
        int fd = dial_to(HTTP1_UWSGI);

        assert_int_equal(send(fd, strangers[i].bytes, strangers[i].len, MSG_NOSIGNAL), strangers[i].len);
        shutdown(fd, SHUT_WR);
        CHECK_CASE(strangers[i].name, hear_all(fd, &out) > 0);
        CHECK_CASE(strangers[i].name, str_starts(str_text(&out), "HTTP/1.1 400 "));
        CHECK_CASE(strangers[i].name, str_eq(body_of(&out), strangers[i].answer));
        close(fd);
    }
}

static void slow_packets_end(void **state)
{
    struct http1_options brief = { .head_timeout_us = CLOCK_SECOND / 5, .drain_us = CLOCK_SECOND / 5 };
    CLEANUP(str_done) struct str out = STR_INIT;
    int fd;

    (void)state;
    stop();
    start(&brief);
    fd = dial_to(HTTP1_UWSGI);
    assert_int_equal(send(fd, "\0", 1, MSG_NOSIGNAL), 1);
    assert_true(hear_all(fd, &out) > 0);
    check_has(&out, "HTTP/1.1 408 ");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(workers_read_them_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(heads_are_for_servers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lengths_are_found_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_held_fails_visibly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_100_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_are_framed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_body_is_no_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_bodies_are_drained, set_up, tear_down),
        cmocka_unit_test_setup_teardown(draining_has_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_answer_is_a_break, set_up, tear_down),
        cmocka_unit_test_setup_teardown(being_stopped_is_a_break, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strangers_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_packets_end, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("front-uwsgi-serve", tests, set_up_all, tear_down_all);
}
