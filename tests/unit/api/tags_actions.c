/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#define ID "00000000-0000-4000-8000-00000000030"

static int ask(const char *method, const char *target, const char *roles, const char *project)
{
    struct call c = { .method = method, .target = target, .roles = roles, .project = project };

    return service_status(&service, &c);
}

static void tags_come_and_go(void **state)
{
    struct call show = { .target = "/v2/images/" ID "1", .roles = "reader" };
    CLEANUP(loopback_done) struct loopback_answer seen;

    (void)state;
    service_create(&service, ID "1", "\"tags\": [\"a\"]");
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/b%20c", "member,reader", NULL), 204);
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/b%20c", "member,reader", NULL), 204);
    assert_int_equal(ask("DELETE", "/v2/images/" ID "1/tags/a", "member,reader", NULL), 204);
    assert_int_equal(ask("DELETE", "/v2/images/" ID "1/tags/a", "member,reader", NULL), 404);
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/x", "reader", NULL), 403);
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/x", "member,reader", "p2"), 404);
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/%F0%9F%98%80", "member,reader", NULL), 400);
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/..", "member,reader", NULL), 404);
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/c", "member,reader", NULL), 204);
    assert_int_equal(ask("PUT", "/v2/images/" ID "1/tags/d", "member,reader", NULL), 413);
    service_call(&service, &show, &seen);
    assert_non_null(strstr(str_text(&seen.body), "\"tags\": [\"b c\", \"c\"]"));
}

static void a_tag_of_256_characters(void **state)
{
    char target[400];
    int n = snprintf(target, sizeof target, "/v2/images/%s/tags/", ID "2");

    (void)state;
    service_create(&service, ID "2", "");
    memset(target + n, 'x', 256);
    target[n + 256] = '\0';
    assert_int_equal(ask("PUT", target, "member,reader", NULL), 400);
    target[n + 255] = '\0';
    assert_int_equal(ask("PUT", target, "member,reader", NULL), 204);
}

static void between_active_and_deactivated(void **state)
{
    static const char off[] = "/v2/images/" ID "3/actions/deactivate",
                      on[] = "/v2/images/" ID "3/actions/reactivate";
    static const char file[] = "/v2/images/" ID "3/file";
    struct call put = { .method = "PUT",
                        .target = file,
                        .roles = "member,reader",
                        .type = "application/octet-stream",
                        .body = "data" };

    (void)state;
    service_create(&service, ID "3", "\"disk_format\": \"raw\", \"container_format\": \"bare\"");
    assert_int_equal(ask("POST", off, "member,reader", NULL), 403);
    assert_int_equal(service_status(&service, &put), 204);
    assert_int_equal(ask("POST", off, "reader", NULL), 403);
    assert_int_equal(ask("POST", off, "member,reader", NULL), 204);
    assert_int_equal(ask("POST", off, "member,reader", NULL), 204);
    assert_int_equal(ask("GET", file, "member,reader", NULL), 403);
    assert_int_equal(ask("GET", file, "admin", "p9"), 200);
    assert_int_equal(ask("POST", on, "member,reader", NULL), 204);
    assert_int_equal(ask("GET", file, "member,reader", NULL), 200);
    assert_int_equal(ask("GET", off, "member,reader", NULL), 405);
}

int main(void)
{
    static const char *const overrides[] = { "DEFAULT.image_tag_quota=2", NULL };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_come_and_go),
        cmocka_unit_test(a_tag_of_256_characters),
        cmocka_unit_test(between_active_and_deactivated),
    };

    return SERVICE_RUN(tests, true, overrides);
}
