/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "front/loopback/loopback.h"

/* A service with one route for each thing that a gateway does. */
static int serve(void *arg, struct http_request *rq)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct http_headers headers = { 0 };
    char buf[64];
    ssize_t n;

    (void)arg;
    if (rq->inline_only && str_eq(rq->path, "/waits"))
        return -1;
    if (str_eq(rq->path, "/none"))
        return 0;
    if (str_eq(rq->path, "/file")) {
        FILE *f = tmpfile();

        assert_int_equal(fwrite("0123456789", 1, 10, f), 10);
        fflush(f);
        if (http_head(rq, 200, &headers, (int64_t)strlen(rq->query)) == 0)
            (void)http_sendfile(rq, fileno(f), 2, strlen(rq->query));
        fclose(f);
        return 0;
    }
    while ((n = http_read(rq, buf, sizeof buf)) > 0)
        str_addn(&body, buf, (size_t)n);
    if (n < 0)
        return 0;
    headers_addf(rq->arena, &headers, "X-Was", "%s %s?%s %s", rq->method, rq->path,
                 rq->query ? rq->query : "-", rq->inline_only ? "inline" : "worker");
    headers_add(rq->arena, &headers, "X-Both", http_header(rq, "x-a") ? http_header(rq, "x-a") : "none");
    if (http_head(rq, 200, &headers, (int64_t)body.len) == 0)
        (void)http_write(rq, str_text(&body), body.len);
    return 0;
}

static bool may_inline(void *arg, const struct http_request *rq)
{
    (void)arg;
    return str_eq(rq->method, "GET");
}

static const struct http_service service = { .may_inline = may_inline, .serve = serve };
static const struct http_header twice[] = { { "X-A", "1" }, { "x-a", "2" } };

/* clang-format off */
static const struct {
    const char             *name;
    struct loopback_request rq;
    int                     status;
    const char             *was, *body;
    bool                    complete;
} cases[] = {
    { "no body", { .target = "/a" }, 200, "GET /a?- inline", "", true },
    { "a query", { .target = "/a?b=c?d" }, 200, "GET /a?b=c?d inline", "", true },
    { "what would wait runs again", { .target = "/waits" }, 200, "GET /waits?- worker", "", true },
    { "a body", { .method = "PUT", .target = "/b", .body = "text", .body_len = 4 }, 200, "PUT /b?- worker", "text", true },
    { "a body in single bytes", { .method = "PUT", .target = "/b", .body = "text", .body_len = 4, .read_max = 1 },
      200, "PUT /b?- worker", "text", true },
    { "HEAD has no body", { .method = "HEAD", .target = "/b", .body = "text", .body_len = 4 },
      200, "HEAD /b?- worker", "", true },
    { "client gone in its body",
      { .method = "PUT", .target = "/b", .body = "text", .body_len = 4, .read_fails = true, .read_fails_after = 2 },
      0, NULL, "", false },
    { "client gone in the answer",
      { .method = "PUT", .target = "/b", .body = "text", .body_len = 4, .write_fails = true, .write_fails_after = 3 },
      200, "PUT /b?- worker", "tex", false },
    { "a file", { .target = "/file?12345678" }, 200, NULL, "23456789", true },
    { "a file that is too short", { .target = "/file?123456789" }, 200, NULL, "23456789", false },
    { "no answer at all", { .target = "/none" }, 0, NULL, "", false },
    { "both headers", { .target = "/a", .headers = twice, .n_headers = 2 }, 200, "GET /a?- inline", "", true },
};
/* clang-format on */

static void runs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        CLEANUP(loopback_done) struct loopback_answer answer;

        loopback_run(&service, &cases[i].rq, &answer);
        CHECK_CASE(cases[i].name, answer.status == cases[i].status);
        CHECK_CASE(cases[i].name, str_eq(loopback_header(&answer, "x-was"), cases[i].was));
        CHECK_CASE(cases[i].name, str_eq(str_text(&answer.body), cases[i].body));
        CHECK_CASE(cases[i].name, answer.complete == cases[i].complete);
        if (cases[i].rq.n_headers)
            CHECK_CASE(cases[i].name, str_eq(loopback_header(&answer, "X-Both"), "1, 2"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(runs) };

    return cmocka_run_group_tests_name("front-loopback", tests, NULL, NULL);
}
