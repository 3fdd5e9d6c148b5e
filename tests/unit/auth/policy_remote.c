/* SPDX-License-Identifier: Apache-2.0 */
/* http: checks, asked of a little server. */
#include "auth/policy_private.h"
#include "judge.h"

static const struct identity who = { .user = "u1",
                                     .project = "p1",
                                     .roles = { "member" },
                                     .n_roles = 1,
                                     .service_roles = { "S" },
                                     .n_service_roles = 1 };

/* The verdict on a rule "r" of this text, in which %u is the judge's port. */
static enum verdict asked(const struct judge *j, const char *rule, bool json, const struct image *im)
{
    const struct policy_options o = { .default_rule = "default",
                                      .remote_json = json,
                                      .remote_timeout_ms = 300 };
    CLEANUP(str_done) struct str text = STR_INIT;
    struct arena *a = arena_make(1024);
    struct raw_rules raw = { 0 };
    struct policy_rules *r;
    struct policy_target t;
    const char *port = strstr(rule, "PORT");
    enum verdict v;
    struct error e;

    str_addf(&text, "r: \"%.*s%u%s\"\n", port ? (int)(port - rule) : 0, rule, j->port, port ? port + 4 : "");
    if (policy_text_load(a, "t", str_text(&text), text.len, &o, &raw, &e) < 0)
        fail_msg("%s", e.message);
    r = policy_rules_make(a, &o, &raw);
    assert_true(policy_is_remote(r));
    policy_target_image(im, &who, &t);
    v = policy_ask(r, &who, "r", &t);
    policy_release(r);
    return v;
}

static const struct image image = { .id = "i1", .owner = "p1", .visibility = IMAGE_PUBLIC, .size = -1 };

#define ANSWER_HEAD          "HTTP/1.1 200 OK\r\nConnection: close\r\n"
#define CODED(coding)        ANSWER_HEAD "Transfer-Encoding: " coding "\r\n"
#define CHUNKS               "2\r\nTr\r\n2\r\nue\r\n0\r\n\r\n"
#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body

static const struct {
    const char *name, *answer, *rule;
    enum verdict verdict;
} cases[] = {
    { "True lets", ANSWER("200 OK", "True"), "http://127.0.0.1:PORT/", VERDICT_YES },
    { "in quotes too", ANSWER("200 OK", "\"True\""), "http://127.0.0.1:PORT/", VERDICT_YES },
    { "whatever the status", ANSWER("500 No", "True"), "http://127.0.0.1:PORT/", VERDICT_YES },
    { "another word does not", ANSWER("200 OK", "true"), "http://127.0.0.1:PORT/", VERDICT_NO },
    { "nor more than it", ANSWER("200 OK", "True\n"), "http://127.0.0.1:PORT/", VERDICT_NO },
    { "nor nothing", ANSWER("200 OK", ""), "http://127.0.0.1:PORT/", VERDICT_NO },
    { "no can be turned round", ANSWER("200 OK", "False"), "not http://127.0.0.1:PORT/", VERDICT_YES },
    { "silence denies", NULL, "http://127.0.0.1:PORT/", VERDICT_BROKEN },
    { "silence denies below not", NULL, "not http://127.0.0.1:PORT/", VERDICT_BROKEN },
    { "no HTTP denies", "nonsense", "http://127.0.0.1:PORT/", VERDICT_BROKEN },
    { "no TLS denies", ANSWER("200 OK", "True"), "https://127.0.0.1:PORT/", VERDICT_BROKEN },
    { "chunks are joined", CODED("chunked") "\r\n" CHUNKS, "http://127.0.0.1:PORT/", VERDICT_YES },
    { "a coding nobody asked for denies", CODED("identity, chunked") "\r\n" CHUNKS, "http://127.0.0.1:PORT/",
      VERDICT_BROKEN },
    { "also below not", CODED("identity, chunked") "\r\n" CHUNKS, "not http://127.0.0.1:PORT/",
      VERDICT_BROKEN },
    { "two lengths deny", ANSWER_HEAD "Content-Length: 5\r\nContent-Length: 4\r\n\r\nTrue",
      "http://127.0.0.1:PORT/", VERDICT_BROKEN },
    { "a missing key denies", ANSWER("200 OK", "True"), "not http://127.0.0.1:PORT/%(nothing)s",
      VERDICT_BROKEN },
    { "nobody is asked without need", NULL, "role:member or http://127.0.0.1:PORT/", VERDICT_YES },
};

static void answers(void **state)
{
    struct judge *j = *state;

    for (size_t i = 0; i < COUNT(cases); i++) {
        judge_prepare(j, cases[i].answer);
        CHECK_CASE(cases[i].name, asked(j, cases[i].rule, false, &image) == cases[i].verdict);
    }
}

static void questions(void **state)
{
    struct image_property property = { "colour", "r\xC3\xA9"
                                                 "d" };
    struct image im = image;
    struct judge *j = *state;

    im.properties = &property;
    im.n_properties = 1;
    judge_prepare(j, ANSWER("200 OK", "True"));
    assert_int_equal(asked(j, "http://127.0.0.1:PORT/%(visibility)s/%(id)s", false, &im), VERDICT_YES);
    assert_true(was_asked(j, "POST /public/i1 HTTP/1.1\r\n"));
    assert_true(was_asked(j, "Content-Type: application/x-www-form-urlencoded\r\n"));
    assert_true(was_asked(j, "\r\n\r\nrule=%22r%22&target=%7B%22checksum%22%3A+null%2C+"));
    assert_true(was_asked(j, "%22colour%22%3A+%22r%5Cu00E9d%22"));
    assert_true(was_asked(j, "&credentials=%7B%22user_id%22%3A+%22u1%22%2C+"));
    assert_int_equal(asked(j, "http://127.0.0.1:PORT/", true, &im), VERDICT_YES);
    assert_true(was_asked(j, "Content-Type: application/json\r\n"));
    assert_true(was_asked(j, "\r\n\r\n{\"rule\": \"r\", \"target\": {"));
    assert_true(was_asked(j, "\"service_roles\": [\"S\"]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers, judge_start, judge_stop),
        cmocka_unit_test_setup_teardown(questions, judge_start, judge_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
