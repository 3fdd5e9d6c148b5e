/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>
#include <string.h>

#define ID "00000000-0000-4000-8000-00000000020"

static int ask(const char *method, const char *id, const char *member, const char *body, const char *project)
{
    char target[160];
    struct call c = {
        .method = method, .target = target, .body = body, .project = project, .roles = "member,reader"
    };

    snprintf(target, sizeof target, "/v2/images/%s/members%s%s", id, member ? "/" : "", member ? member : "");
    return service_status(&service, &c);
}

static int share(const char *id, const char *project)
{
    char body[64];

    snprintf(body, sizeof body, "{\"member\": \"%s\"}", project);
    return ask("POST", id, NULL, body, "p1");
}

static void a_share_from_offer_to_end(void **state)
{
    struct call shown = { .target = "/v2/images/" ID "1", .project = "p2", .roles = "member,reader" };

    (void)state;
    service_create(&service, ID "1", "");
    assert_int_equal(service_status(&service, &shown), 404);
    assert_int_equal(share(ID "1", "p2"), 200);
    assert_int_equal(share(ID "1", "p2"), 409);
    assert_int_equal(service_status(&service, &shown), 200);
    assert_int_equal(ask("PUT", ID "1", "p2", "{\"status\": \"accepted\"}", "p1"), 403);
    assert_int_equal(ask("PUT", ID "1", "p2", "{\"status\": \"nope\"}", "p2"), 400);
    assert_int_equal(ask("PUT", ID "1", "p2", "{\"status\": \"accepted\"}", "p2"), 200);
    assert_int_equal(ask("DELETE", ID "1", "p2", NULL, "p2"), 403);
    assert_int_equal(ask("DELETE", ID "1", "p2", NULL, "p1"), 204);
    assert_int_equal(ask("DELETE", ID "1", "p2", NULL, "p1"), 404);
    assert_int_equal(service_status(&service, &shown), 404);
}

static void a_member_sees_only_itself(void **state)
{
    struct call list = { .target = "/v2/images/" ID "2/members", .roles = "member,reader" };
    CLEANUP(loopback_done) struct loopback_answer owner, member;

    (void)state;
    service_create(&service, ID "2", "");
    assert_int_equal(share(ID "2", "p2"), 200);
    assert_int_equal(share(ID "2", "p3"), 200);
    service_call(&service, &list, &owner);
    list.project = "p3";
    service_call(&service, &list, &member);
    assert_non_null(strstr(str_text(&owner.body), "\"member_id\": \"p2\""));
    assert_null(strstr(str_text(&member.body), "\"member_id\": \"p2\""));
    assert_non_null(strstr(str_text(&member.body), "\"member_id\": \"p3\""));
    assert_int_equal(ask("GET", ID "2", "p2", NULL, "p3"), 404);
    assert_int_equal(ask("GET", ID "2", "p3", NULL, "p3"), 200);
    assert_int_equal(ask("GET", ID "2", "p3", NULL, "p9"), 404);
}

static void a_revived_membership_is_pending_with_its_first_time(void **state)
{
    struct call one = { .target = "/v2/images/" ID "3/members/p2", .roles = "member,reader" };
    CLEANUP(loopback_done) struct loopback_answer before, after;
    const char *created;

    (void)state;
    service_create(&service, ID "3", "");
    assert_int_equal(share(ID "3", "p2"), 200);
    assert_int_equal(ask("PUT", ID "3", "p2", "{\"status\": \"rejected\"}", "p2"), 200);
    service_call(&service, &one, &before);
    assert_int_equal(ask("DELETE", ID "3", "p2", NULL, "p1"), 204);
    assert_int_equal(share(ID "3", "p2"), 200);
    service_call(&service, &one, &after);
    created = strstr(str_text(&before.body), "\"created_at\"");
    assert_non_null(created);
    assert_memory_equal(strstr(str_text(&after.body), "\"created_at\""), created, 38);
    assert_non_null(strstr(str_text(&after.body), "\"status\": \"pending\""));
}

static const struct {
    const char *body;
    int status;
} bodies[] = {
    { "", 400 },
    { "{", 400 },
    { "[]", 400 },
    { "{}", 400 },
    { "{\"member\": \"\"}", 400 },
    { "{\"member\": null}", 400 },
    { "{\"member\": [\"x\"]}", 400 },
    { "{\"member\": \"\xF0\x9F\x98\x80\"}", 400 },
    { "{\"member\": 1}", 200 },
};

static void bodies_of_an_offer(void **state)
{
    (void)state;
    service_create(&service, ID "4", "");
    for (size_t i = 0; i < COUNT(bodies); i++)
        CHECK_CASE(bodies[i].body, ask("POST", ID "4", NULL, bodies[i].body, "p1") == bodies[i].status);
}

static void only_shared_images_have_members(void **state)
{
    (void)state;
    service_create(&service, ID "5", "\"visibility\": \"private\"");
    assert_int_equal(share(ID "5", "p2"), 403);
    assert_int_equal(ask("GET", ID "5", NULL, NULL, "p1"), 403);
    assert_int_equal(ask("GET", ID "5", "p2", NULL, "p1"), 404);
    assert_int_equal(ask("DELETE", ID "5", "p2", NULL, "p1"), 403);
}

static void as_many_as_the_quota(void **state)
{
    (void)state;
    service_create(&service, ID "6", "");
    assert_int_equal(share(ID "6", "a"), 200);
    assert_int_equal(share(ID "6", "b"), 200);
    assert_int_equal(share(ID "6", "c"), 200);
    assert_int_equal(share(ID "6", "d"), 413);
}

int main(void)
{
    static const char *const overrides[] = { "DEFAULT.image_member_quota=3", NULL };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_from_offer_to_end),
        cmocka_unit_test(a_member_sees_only_itself),
        cmocka_unit_test(a_revived_membership_is_pending_with_its_first_time),
        cmocka_unit_test(bodies_of_an_offer),
        cmocka_unit_test(only_shared_images_have_members),
        cmocka_unit_test(as_many_as_the_quota),
    };

    return SERVICE_RUN(tests, true, overrides);
}
