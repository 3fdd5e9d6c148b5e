/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/auth.h"
#include "front/loopback/loopback.h"
#include "test.h"

/* A service that reads the identity and keeps what it saw. */
struct seen {
    bool allow_anonymous;
    int status;
    enum error_kind kind;
    bool is_admin, read_only, has_member;
    size_t n_roles;
    char project[64];
};

static int serve(void *arg, struct http_request *rq)
{
    struct http_headers none = { 0 };
    struct seen *seen = arg;
    struct identity id;
    struct error e;

    error_clear(&e);
    seen->status = identity_from_headers(rq, seen->allow_anonymous, &id, &e);
    seen->kind = e.kind;
    if (seen->status == 0) {
        seen->is_admin = id.is_admin;
        seen->read_only = id.read_only;
        seen->n_roles = id.n_roles;
        seen->has_member = identity_has_role(&id, "member");
        str_copy(seen->project, sizeof seen->project, id.project ? id.project : "(none)");
    }
    return http_head(rq, 200, &none, 0) < 0 ? 0 : 0;
}

static bool no(void *arg UNUSED, const struct http_request *rq UNUSED)
{
    return false;
}

static struct seen see(const struct http_header *headers, size_t n, bool allow_anonymous)
{
    struct seen seen = { .allow_anonymous = allow_anonymous };
    struct http_service service = { &seen, no, no, serve };
    struct loopback_request rq = { .target = "/", .headers = headers, .n_headers = n };
    CLEANUP(loopback_done) struct loopback_answer answer;

    loopback_run(&service, &rq, &answer);
    return seen;
}

static void confirmed_headers_are_the_identity(void **state)
{
    static const struct http_header headers[] = {
        { "X-Identity-Status", "Confirmed" },
        { "X-User-Id", "u" },
        { "X-Project-Id", "p" },
        { "X-Roles", " Member ,READER,,admin " },
    };
    struct seen s = see(headers, COUNT(headers), false);

    (void)state;
    assert_int_equal(s.status, 0);
    assert_int_equal(s.n_roles, 3);
    assert_true(!s.is_admin && s.has_member && !s.read_only); /* a rule says who is an administrator */
    assert_string_equal(s.project, "p");
}

static void anything_else_is_nobody(void **state)
{
    static const char *const statuses[] = { "Invalid", "confirmed", "", "Confirmed " };

    (void)state;
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct http_header headers[] = { { "X-Identity-Status", statuses[i] }, { "X-Roles", "admin" } };
        struct seen s = see(headers, 2, false);

        CHECK_CASE(statuses[i], s.status < 0 && s.kind == ERROR_UNAUTHENTICATED);
    }
    assert_int_equal(see(NULL, 0, false).status, -1);
}

static void anonymous_is_read_only_and_without_roles(void **state)
{
    static const struct http_header headers[] = { { "X-Roles", "admin" } };
    struct seen s = see(headers, 1, true);

    (void)state;
    assert_int_equal(s.status, 0);
    assert_true(s.read_only && !s.is_admin && s.n_roles == 0);
    assert_string_equal(s.project, "(none)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confirmed_headers_are_the_identity),
        cmocka_unit_test(anything_else_is_nobody),
        cmocka_unit_test(anonymous_is_read_only_and_without_roles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
