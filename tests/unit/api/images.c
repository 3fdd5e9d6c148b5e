/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#define ID "00000000-0000-4000-8000-00000000000"
static const char v21[] = "application/openstack-images-v2.1-json-patch";
static const char v20[] = "application/openstack-images-v2.0-json-patch";

static int patch(const char *id, const char *type, const char *body, const char *roles)
{
    char target[128];
    struct call c = { .method = "PATCH", .target = target, .type = type, .body = body, .roles = roles };

    snprintf(target, sizeof target, "/v2/images/%s", id);
    return service_status(&service, &c);
}

static void show(const char *id, const char *roles, const char *project, struct loopback_answer *ret)
{
    char target[128];
    struct call c = { .target = target, .roles = roles, .project = project };

    snprintf(target, sizeof target, "/v2/images/%s", id);
    service_call(&service, &c, ret);
}

static void create_show_delete(void **state)
{
    struct call again = {
        .method = "POST", .target = "/v2/images", .body = "{\"id\": \"" ID "1\"}", .roles = "member"
    };
    struct call drop = { .method = "DELETE", .target = "/v2/images/" ID "1", .roles = "member" };
    CLEANUP(loopback_done) struct loopback_answer seen, gone;

    (void)state;
    service_create(&service, ID "1",
                   "\"name\": \"n\", \"z\": \"1\", \"a\": \"2\", \"tags\": [\"t\", \"s\", \"t\"]");
    show(ID "1", "reader", NULL, &seen);
    assert_int_equal(seen.status, 200);
    assert_true(seen.was_inline);
    assert_true(str_starts(str_text(&seen.body), "{\"z\": \"1\", \"a\": \"2\", \"name\": \"n\", "));
    assert_non_null(strstr(str_text(&seen.body), "\"tags\": [\"t\", \"s\"]"));
    assert_int_equal(service_status(&service, &again), 409);
    assert_int_equal(service_status(&service, &drop), 204);
    assert_int_equal(service_status(&service, &drop), 404);
    show(ID "1", "admin", NULL, &gone);
    assert_int_equal(gone.status, 404);
    assert_int_equal(service_status(&service, &again), 409);
}

static void a_foreign_private_image_does_not_exist(void **state)
{
    CLEANUP(loopback_done) struct loopback_answer foreign, absent;

    (void)state;
    service_create(&service, ID "2", "\"visibility\": \"private\"");
    show(ID "2", "member,reader", "p2", &foreign);
    show(ID "3", "member,reader", "p2", &absent);
    assert_int_equal(foreign.status, 404);
    assert_int_equal(absent.status, 404);
    assert_int_equal(foreign.body.len, absent.body.len);
}

static const struct {
    const char *type, *body, *roles;
    int status;
} patches[] = {
    { v21, "[]", "reader", 200 },
    { v21, "[{\"op\": \"replace\", \"path\": \"/name\", \"value\": \"new\"}]", "reader", 403 },
    { v21, "[{\"op\": \"replace\", \"path\": \"/name\", \"value\": \"new\"}]", "member,reader", 200 },
    { v21, "[{\"op\": \"add\", \"path\": \"/p\", \"value\": \"1\"}]", "member,reader", 200 },
    { v21, "[{\"op\": \"add\", \"path\": \"/p\", \"value\": \"2\"}]", "member,reader", 200 },
    { v20, "[{\"add\": \"/p\", \"value\": \"3\"}]", "member,reader", 409 },
    { v21, "[{\"op\": \"remove\", \"path\": \"/nope\"}]", "member,reader", 409 },
    { v21, "[{\"op\": \"remove\", \"path\": \"/name\"}]", "member,reader", 403 },
    { v21, "[{\"op\": \"replace\", \"path\": \"/owner\", \"value\": \"p2\"}]", "member,reader", 403 },
    { v21, "[{\"op\": \"add\", \"path\": \"/owner\", \"value\": \"p2\"}]", "member,reader", 403 },
    { v21, "[{\"op\": \"replace\", \"path\": \"/visibility\", \"value\": \"public\"}]", "member,reader",
      403 },
    { v21, "[{\"op\": \"replace\", \"path\": \"/min_ram\", \"value\": -1}]", "member,reader", 400 },
    { v21, "[{\"op\": \"replace\", \"path\": \"/min_ram\", \"value\": 2147483648}]", "member,reader", 400 },
    { v21,
      "[{\"op\": \"add\", \"path\": \"/q\", \"value\": \"1\"}, {\"op\": \"remove\", \"path\": \"/nope\"}]",
      "member,reader", 409 },
    { "application/json", "[]", "member,reader", 415 },
};

static void patches_all_or_nothing(void **state)
{
    CLEANUP(loopback_done) struct loopback_answer seen;

    (void)state;
    service_create(&service, ID "4", "\"name\": \"old\"");
    for (size_t i = 0; i < COUNT(patches); i++)
        CHECK_CASE(patches[i].body,
                   patch(ID "4", patches[i].type, patches[i].body, patches[i].roles) == patches[i].status);
    show(ID "4", "reader", NULL, &seen);
    assert_true(str_starts(str_text(&seen.body), "{\"p\": \"2\", \"name\": \"new\", "));
    assert_null(strstr(str_text(&seen.body), "\"q\""));
    assert_non_null(strstr(str_text(&seen.body), "\"owner\": \"p1\""));
}

static void protected_images_stay(void **state)
{
    struct call drop = { .method = "DELETE", .target = "/v2/images/" ID "5", .roles = "admin" };

    (void)state;
    service_create(&service, ID "5", "\"protected\": true");
    assert_int_equal(service_status(&service, &drop), 403);
    assert_int_equal(patch(ID "5", v21, "[{\"op\": \"replace\", \"path\": \"/protected\", \"value\": false}]",
                           "member,reader"),
                     200);
    assert_int_equal(service_status(&service, &drop), 204);
}

static const struct {
    const char *body;
    int status;
} bodies[] = {
    { "", 400 },
    { "{", 400 },
    { "[]", 400 },
    { "\"x\"", 400 },
    { "{\"name\": 1}", 400 },
    { "{\"size\": 1}", 403 },
    { "{\"self\": \"x\"}", 403 },
    { "{\"os_glance_x\": \"y\"}", 403 },
    { "{\"deleted\": \"y\"}", 403 },
    { "{\"locations\": []}", 403 },
    { "{\"owner\": \"p2\"}", 403 },
    { "{\"visibility\": \"public\"}", 403 },
    { "{\"min_disk\": -1}", 400 },
    { "{\"name\": \"\xF0\x9F\x98\x80\"}", 400 },
    { "{\"id\": \"x\"}", 400 },
    { "{\"os_hash_algo\": \"x\"}", 201 },
    { "{\"visibility\": \"community\"}", 201 },
};

static void create_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct call c = {
            .method = "POST", .target = "/v2/images", .body = bodies[i].body, .roles = "member"
        };

        CHECK_CASE(bodies[i].body, service_status(&service, &c) == bodies[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create_show_delete),     cmocka_unit_test(a_foreign_private_image_does_not_exist),
        cmocka_unit_test(patches_all_or_nothing), cmocka_unit_test(protected_images_stay),
        cmocka_unit_test(create_refusals),
    };

    return SERVICE_RUN(tests, true, NULL);
}
