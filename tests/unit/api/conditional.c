/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#define ID    "00000000-0000-4000-8000-00000000020"
#define RAW   "\"disk_format\": \"raw\", \"container_format\": \"bare\""
#define PATCH "application/openstack-images-v2.1-json-patch"

static void tag_of(const char *target, char ret[160])
{
    CLEANUP(loopback_done) struct loopback_answer a;
    const char *tag;

    service_call(&service, &(struct call){ .target = target }, &a);
    assert_int_equal(a.status, 200);
    tag = loopback_header(&a, "ETag");
    assert_non_null(tag);
    str_copy(ret, 160, tag);
}

static int under(const char *method, const char *target, const char *body, const char *if_match,
                 const char *if_none_match)
{
    const struct call c = { .method = method,
                            .target = target,
                            .body = body,
                            .type = body ? PATCH : NULL,
                            .if_match = if_match,
                            .if_none_match = if_none_match };

    return service_status(&service, &c);
}

static void reads(void **state)
{
    static const char *const targets[] = { "/v2/images/" ID "1", "/v2/images", "/v2/images?limit=1",
                                           "/v2/images/" ID "1/members" };
    char tag[160], weak[170];

    (void)state;
    service_create(&service, ID "1", RAW);
    for (size_t i = 0; i < COUNT(targets); i++) {
        tag_of(targets[i], tag);
        snprintf(weak, sizeof weak, "\"x\", W/%s", tag);
        CHECK_CASE(targets[i], under("GET", targets[i], NULL, NULL, tag) == 304);
        CHECK_CASE(targets[i], under("GET", targets[i], NULL, NULL, weak) == 304);
        CHECK_CASE(targets[i], under("GET", targets[i], NULL, NULL, "\"x\"") == 200);
        CHECK_CASE(targets[i], under("GET", targets[i], NULL, tag, NULL) == 200);
        CHECK_CASE(targets[i], under("GET", targets[i], NULL, weak, NULL) == 412);
    }
}

static void a_304_has_no_body_and_keeps_its_lines(void **state)
{
    CLEANUP(loopback_done) struct loopback_answer a;
    char tag[160];

    (void)state;
    service_create(&service, ID "2", RAW);
    tag_of("/v2/images/" ID "2", tag);
    service_call(&service, &(struct call){ .target = "/v2/images/" ID "2", .if_none_match = tag }, &a);
    assert_int_equal(a.status, 304);
    assert_int_equal(a.body.len, 0);
    assert_string_equal(loopback_header(&a, "ETag"), tag);
    assert_string_equal(loopback_header(&a, "Cache-Control"), "no-cache");
    assert_null(loopback_header(&a, "Content-Type"));
    assert_true(a.was_inline);
}

static void changes(void **state)
{
    static const char patch[] = "[{\"op\": \"replace\", \"path\": \"/name\", \"value\": \"b\"}]";
    static const char image[] = "/v2/images/" ID "3";
    char old[160], tag[160];

    (void)state;
    service_create(&service, ID "3", RAW);
    tag_of(image, old);
    assert_int_equal(under("PATCH", image, patch, "\"x\"", NULL), 412);
    assert_int_equal(under("PATCH", image, patch, NULL, "*"), 412);
    assert_int_equal(under("PATCH", image, patch, old, NULL), 200);
    assert_int_equal(under("PATCH", image, patch, old, NULL), 412);
    tag_of(image, tag);
    assert_string_not_equal(old, tag);
    assert_int_equal(under("PUT", "/v2/images/" ID "3/tags/t", NULL, tag, NULL), 412);
    assert_int_equal(under("DELETE", image, NULL, old, NULL), 412);
    assert_int_equal(under("DELETE", image, NULL, tag, NULL), 204);
    assert_int_equal(under("DELETE", image, NULL, "*", NULL), 404);
}

static void data(void **state)
{
    static const char file[] = "/v2/images/" ID "4/file";
    CLEANUP(loopback_done) struct loopback_answer got, head;
    struct call put = {
        .method = "PUT", .target = file, .type = "application/octet-stream", .body = "0123456789"
    };
    char tag[160];

    (void)state;
    service_create(&service, ID "4", RAW);
    assert_int_equal(under("GET", file, NULL, NULL, "*"), 204);
    assert_int_equal(under("GET", file, NULL, "*", NULL), 412);
    assert_int_equal(service_status(&service, &put), 204);
    tag_of(file, tag);
    assert_int_equal(under("GET", file, NULL, NULL, tag), 304);
    assert_int_equal(under("HEAD", file, NULL, NULL, tag), 304);
    assert_int_equal(under("HEAD", file, NULL, "\"x\"", NULL), 412);
    service_call(&service, &(struct call){ .target = file }, &got);
    service_call(&service, &(struct call){ .method = "HEAD", .target = file, .range = "bytes=0-1" }, &head);
    assert_int_equal(head.status, 200);
    assert_int_equal(head.length, 10);
    assert_int_equal(head.body.len, 0);
    assert_int_equal(head.headers.n, got.headers.n);
    for (size_t i = 0; i + 1 < got.headers.n; i++) /* the last is the request's id */
        assert_string_equal(head.headers.items[i].value, got.headers.items[i].value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(a_304_has_no_body_and_keeps_its_lines),
        cmocka_unit_test(changes),
        cmocka_unit_test(data),
    };

    return SERVICE_RUN(tests, false, NULL);
}
