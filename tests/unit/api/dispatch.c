/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* clang-format off */
static const struct {
    const char *method, *target, *roles;
    int         status;
    const char *header, *value; /* one header that must be there, or NULL */
} rows[] = {
    { "GET", "/", NULL, 300, "Content-Type", "application/json" },
    { "GET", "/v1", NULL, 300, NULL, NULL },
    { "GET", "/v3/x", NULL, 300, NULL, NULL },
    { "GET", "/v2.8/images", NULL, 300, NULL, NULL },
    { "GET", "/versions", NULL, 200, NULL, NULL },
    { "GET", "/healthcheck", NULL, 200, "Content-Type", "text/plain; charset=UTF-8" },
    { "HEAD", "/healthcheck", NULL, 204, NULL, NULL },
    { "GET", "/v2/images", NULL, 401, NULL, NULL },
    { "GET", "/v2/images", "reader", 200, NULL, NULL },
    { "GET", "/v2.7/images", "reader", 200, NULL, NULL },
    { "GET", "/v2", "reader", 302, "Location", "http://localhost:9292/v2/" },
    { "GET", "/v2", NULL, 401, NULL, NULL },
    { "GET", "/v2/", "reader", 404, NULL, NULL },
    { "GET", "/v2/images/", "reader", 404, NULL, NULL },
    { "GET", "/v2//images", "reader", 200, NULL, NULL },
    { "GET", "//v2/images", "reader", 200, NULL, NULL },
    { "GET", "/v2/images//x", "reader", 404, NULL, NULL },
    { "OPTIONS", "/versions", NULL, 200, "Content-Type", "application/json" },
    { "GET", "/v2/schemas/member", "norole", 200, NULL, NULL },
    { "GET", "/v2/schemas/metadefs/tags", "norole", 200, NULL, NULL },
    { "GET", "/v2/schemas/nope", "norole", 404, NULL, NULL },
    { "GET", "/v2/nope", "reader", 404, NULL, NULL },
    { "GET", "/v2/images/a%2Fb", "reader", 404, NULL, NULL },
    { "GET", "/v2/images/%zz", "reader", 404, NULL, NULL },
    { "PUT", "/v2/images", "member", 405, "Allow", "GET, POST" },
    { "POST", "/v2/images/x/file", "member", 405, "Allow", "GET, HEAD, PUT" },
    { "HEAD", "/v2/images/x", "member", 405, "Allow", "GET, PATCH, DELETE" },
    { "BREW", "/v2/images", "member", 405, "Allow", "GET, POST" },
    { "BREW", "/v2/nope", "member", 501, NULL, NULL },
    { "OPTIONS", "/v2/anything", NULL, 200, NULL, NULL },
    { "GET", "/v2/schemas/image", "norole", 200, "Content-Type", "application/json" },
    { "GET", "/v2/schemas/images", "norole", 200, NULL, NULL },
};
/* clang-format on */

static void ways_through(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct call c = { .method = rows[i].method, .target = rows[i].target, .roles = rows[i].roles };
        CLEANUP(loopback_done) struct loopback_answer a;
        char name[128];

        snprintf(name, sizeof name, "%s %s as %s", rows[i].method, rows[i].target,
                 rows[i].roles ? rows[i].roles : "nobody");
        service_call(&service, &c, &a);
        if (a.status != rows[i].status)
            fail_msg("%s: %d instead of %d", name, a.status, rows[i].status);
        if (rows[i].header)
            CHECK_CASE(name, str_eq(loopback_header(&a, rows[i].header), rows[i].value));
    }
}

static void a_body_where_none_belongs(void **state)
{
    struct call c = { .method = "GET", .target = "/v2/images/x", .roles = "reader", .body = "{}" };

    (void)state;
    assert_int_equal(service_status(&service, &c), 400);
}

static void disabled_by_file(void **state)
{
    struct call c = { .target = "/healthcheck" };
    CLEANUP(loopback_done) struct loopback_answer a;
    char path[128];
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "%s/disable", service.dir);
    f = fopen(path, "we");
    assert_non_null(f);
    fclose(f);
    service_call(&service, &c, &a);
    unlink(path);
    assert_int_equal(a.status, 503);
    assert_string_equal(str_text(&a.body), "DISABLED BY FILE");
}

static void request_ids(void **state)
{
    static const struct {
        const char *given, *answered;
        int status;
    } ids[] = { { "abc", "req-abc", 200 },
                { "req-x", "req-x", 200 },
                { "12345678901234567890123456789012345678901234567890123456789012345", NULL, 431 } };

    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct http_header headers[] = { { "X-Identity-Status", "Confirmed" },
                                         { "X-Roles", "reader" },
                                         { "X-Project-Id", "p" },
                                         { "X-Openstack-Request-Id", ids[i].given } };
        struct loopback_request rq = { .target = "/v2/images", .headers = headers, .n_headers = 4 };
        CLEANUP(loopback_done) struct loopback_answer a;
        const char *id;

        loopback_run(&service.http, &rq, &a);
        assert_int_equal(a.status, ids[i].status);
        id = loopback_header(&a, "x-openstack-request-id");
        assert_true(ids[i].answered ? str_eq(id, ids[i].answered) : id && strlen(id) == strlen("req-") + 36);
    }
}

static void the_version_in_the_accept_header(void **state)
{
    struct call c = { .target = "/images",
                      .roles = "reader",
                      .accept = "application/vnd.openstack.images-v2.6" };

    (void)state;
    assert_int_equal(service_status(&service, &c), 200);
    c.accept = "application/vnd.openstack.images-v9";
    assert_int_equal(service_status(&service, &c), 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_through),
        cmocka_unit_test(a_body_where_none_belongs),
        cmocka_unit_test(disabled_by_file),
        cmocka_unit_test(request_ids),
        cmocka_unit_test(the_version_in_the_accept_header),
    };

    return SERVICE_RUN(tests, true, NULL);
}
