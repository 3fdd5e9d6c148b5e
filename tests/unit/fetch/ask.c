/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"
#include "judge.h"

static const char *url_of(struct arena *a, const struct judge *j)
{
    return arena_printf(a, "http://127.0.0.1:%u/v2/x", j->port);
}

static int ask(struct arena *a, const struct judge *j, const char *const *headers, const char *body,
               struct fetch_answer *ret, struct error *e)
{
    const struct fetch_question q = { .method = body ? "POST" : "DELETE",
                                      .url = url_of(a, j),
                                      .headers = headers,
                                      .body = body,
                                      .size = body ? strlen(body) : 0,
                                      .connect_ms = 2000,
                                      .timeout_ms = 2000 };

    return fetch_ask(a, &q, ret, e);
}

static const struct {
    const char *name, *answer;
    enum error_kind kind;
    unsigned status;
    const char *reason, *body, *id;
} answers[] = {
    { "an empty one", "HTTP/1.1 204 No Content\r\n\r\n", ERROR_NONE, 204, "No Content", "", NULL },
    { "a refusal in its own words", "HTTP/1.1 409 Not  now\r\nX-Id: a\r\nContent-Length: 3\r\n\r\nwhy",
      ERROR_NONE, 409, "Not  now", "why", "a" },
    { "no words", "HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", ERROR_NONE, 500, "", "", NULL },
    { "the last of two headers, in any case",
      "HTTP/1.1 200 OK\r\nx-ID:  a\r\nX-id: b \t\r\nContent-Length: 0\r\n\r\n", ERROR_NONE, 200, "OK", "",
      "b" },
    { "an interim answer does not count",
      "HTTP/1.1 102 Processing\r\nX-Id: a\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
      ERROR_NONE, 202, "Accepted", "", NULL },
    { "redirects are answers", "HTTP/1.1 307 Go\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
      ERROR_NONE, 307, "Go", "", NULL },
    { "a body to the end of the connection", "HTTP/1.1 400 Bad Request\r\n\r\nit is", ERROR_NONE, 400,
      "Bad Request", "it is", NULL },
    { "an answer that ends early", "HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\nshort", ERROR_INVALID,
      0, NULL, NULL, NULL },
    { "something else", "220 mail.example ESMTP\r\n", ERROR_INVALID, 0, NULL, NULL, NULL },
    { "silence", NULL, ERROR_UNAVAILABLE, 0, NULL, NULL, NULL },
};

static void answers_are_read(void **state)
{
    struct judge *j = *state;

    for (size_t i = 0; i < COUNT(answers); i++) {
        struct arena *a = arena_make(4096);
        struct fetch_answer r;
        struct error e;
        int failed;

        judge_prepare(j, answers[i].answer);
        failed = ask(a, j, NULL, "{}", &r, &e);
        CHECK_CASE(answers[i].name, failed ? e.kind == answers[i].kind : answers[i].kind == ERROR_NONE);
        if (failed == 0) {
            CHECK_CASE(answers[i].name, r.status == answers[i].status);
            CHECK_CASE(answers[i].name, str_eq(r.reason, answers[i].reason));
            CHECK_CASE(answers[i].name, str_eq(r.body, answers[i].body) && r.size == strlen(r.body));
            CHECK_CASE(answers[i].name, str_eq(fetch_answer_header(&r, "x-id"), answers[i].id));
        }
        arena_free(a);
    }
}

static void what_is_asked(void **state)
{
    static const char *const headers[] = { "X-Auth-Token: secret",
                                           "X-Roles: ", "Content-Type: application/json", NULL };
    struct judge *j = *state;
    struct arena *a = arena_make(4096);
    struct fetch_answer r;
    struct error e;

    judge_prepare(j, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(ask(a, j, headers, "{\"a\": 1}", &r, &e), 0);
    assert_true(was_asked(j, "POST /v2/x HTTP/1.1\r\n"));
    assert_true(was_asked(j, "\r\nX-Auth-Token: secret\r\n"));
    assert_true(was_asked(j, "\r\nX-Roles:\r\n"));
    assert_true(was_asked(j, "\r\nContent-Type: application/json\r\n"));
    assert_true(was_asked(j, "\r\nUser-Agent: glint/"));
    assert_true(was_asked(j, "\r\nContent-Length: 8\r\n"));
    assert_true(was_asked(j, "\r\n\r\n{\"a\": 1}"));
    assert_false(was_asked(j, "Expect"));
    arena_free(a);
}

static void a_deletion_has_no_body(void **state)
{
    struct judge *j = *state;
    struct arena *a = arena_make(4096);
    const struct fetch_question q = {
        .method = "DELETE", .url = url_of(a, j), .connect_ms = 500, .timeout_ms = 500
    };
    struct fetch_answer r;
    struct error e;

    /* Without a length the server waits for a body that never comes. */
    judge_prepare(j, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(fetch_ask(a, &q, &r, &e), -1);
    assert_int_equal(e.kind, ERROR_UNAVAILABLE);
    assert_true(was_asked(j, "DELETE /v2/x HTTP/1.1\r\n"));
    assert_false(was_asked(j, "Content-Length"));
    assert_false(was_asked(j, "Transfer-Encoding"));
    arena_free(a);
}

static const char *const injections[] = {
    "X-A: b\r\nX-Roles: admin", "X-A: b\nX-Roles: admin", "X-A: b\rc", "X-A", ": b", "", "X-A: \x01"
};

static void nothing_is_slipped_in(void **state)
{
    struct judge *j = *state;
    struct arena *a = arena_make(4096);
    struct fetch_answer r;
    struct error e;

    judge_prepare(j, "HTTP/1.1 204 No Content\r\n\r\n");
    for (size_t i = 0; i < COUNT(injections); i++) {
        const char *const headers[] = { injections[i], NULL };

        CHECK_CASE(injections[i], ask(a, j, headers, "{}", &r, &e) < 0 && e.kind == ERROR_INVALID);
    }
    for (size_t i = 0; i < 2; i++) {
        struct fetch_question q = { .method = i ? "DELETE / HTTP/1.1\r\nA: b" : "DELETE",
                                    .url = i ? url_of(a, j) : arena_printf(a, "%s\r\nA: b", url_of(a, j)),
                                    .connect_ms = 500,
                                    .timeout_ms = 500 };

        assert_int_equal(fetch_ask(a, &q, &r, &e), -1);
        assert_int_equal(e.kind, ERROR_INVALID);
    }
    arena_free(a);
}

static const struct {
    const char *url;
    enum error_kind kind;
} unreached[] = {
    { "http://127.0.0.1:1/", ERROR_UNAVAILABLE },  { "http://no.such.host.invalid/", ERROR_UNAVAILABLE },
    { "https://127.0.0.1:1/", ERROR_UNAVAILABLE }, { "ftp://127.0.0.1/", ERROR_INVALID },
    { "file:///etc/passwd", ERROR_INVALID },       { "http://", ERROR_INVALID },
};

static void nobody_is_there(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(unreached); i++) {
        struct arena *a = arena_make(4096);
        const struct fetch_question q = {
            .method = "DELETE", .url = unreached[i].url, .connect_ms = 2000, .timeout_ms = 2000
        };
        struct fetch_answer r;
        struct error e;

        CHECK_CASE(unreached[i].url, fetch_ask(a, &q, &r, &e) < 0);
        CHECK_CASE(unreached[i].url, e.kind == unreached[i].kind);
        arena_free(a);
    }
}

static void a_long_body_is_cut(void **state)
{
    struct judge *j = *state;
    struct arena *a = arena_make(4096);
    CLEANUP(str_done) struct str answer = STR_INIT;
    struct fetch_answer r;
    struct error e;

    str_add(&answer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    for (size_t i = 0; i < 2 * FETCH_BODY_MAX / 8; i++)
        str_add(&answer, "12345678");
    judge_prepare(j, str_text(&answer));
    assert_int_equal(ask(a, j, NULL, "{}", &r, &e), 0);
    assert_int_equal(r.size, FETCH_BODY_MAX);
    judge_prepare(j, "");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read),       cmocka_unit_test(what_is_asked),
        cmocka_unit_test(a_deletion_has_no_body), cmocka_unit_test(nothing_is_slipped_in),
        cmocka_unit_test(nobody_is_there),        cmocka_unit_test(a_long_body_is_cut),
    };
    return cmocka_run_group_tests(tests, judge_start, judge_stop);
}
