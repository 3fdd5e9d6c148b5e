/* SPDX-License-Identifier: Apache-2.0 */
/* An attribute that is one line of the table is everywhere: this program is compiled with one more. */
#include "service.h"

#include <stdio.h>
#include <string.h>

#include "auth/auth.h"
#include "db/db.h"
#include "model/model.h"

#define IMAGES "/v2/images"
#define ID     "00000000-0000-4000-8000-00000000090"

static const char patch_type[] = "application/openstack-images-v2.1-json-patch";

/* What a file of src/db/schema/ would do. */
static int set_up(void **state)
{
    CLEANUP(db_release) struct db_conn *c = NULL;
    struct db *db;
    char url[128];
    struct error e;

    service_set_up(state);
    snprintf(url, sizeof url, "sqlite:///%s/glance.sqlite", service.dir);
    assert_int_equal(db_open(url, false, 1, &db, &e), 0);
    assert_int_equal(db_acquire(db, DB_WAIT, &c, &e), 0);
    assert_int_equal(db_script(c, "ALTER TABLE images ADD COLUMN test_note VARCHAR(9)", &e), 0);
    db_release(&c);
    db_close(db);
    service_create(&service, ID "1", "\"test_note\": \"b\"");
    service_create(&service, ID "2", "\"test_note\": \"a\"");
    service_create(&service, ID "3", "\"name\": \"without\"");
    return 0;
}

/* Whether the answer to a GET has the text. */
static bool shows(const char *target, const char *text)
{
    struct call c = { .method = "GET", .target = target, .roles = "admin" };
    CLEANUP(loopback_done) struct loopback_answer got;

    service_call(&service, &c, &got);
    if (got.status != 200)
        fail_msg("%s: %d %s", target, got.status, str_text(&got.body));
    return strstr(str_text(&got.body), text) != NULL;
}

static int send(const char *method, const char *target, const char *type, const char *body)
{
    struct call c = { .method = method, .target = target, .roles = "admin", .type = type, .body = body };

    return service_status(&service, &c);
}

static void rows_and_documents(void **state UNUSED)
{
    assert_true(shows(IMAGES "/" ID "1", "\"test_note\": \"b\""));
    assert_true(shows(IMAGES "/" ID "3", "\"test_note\": null"));
    assert_true(shows(IMAGES, "\"test_note\": \"a\""));
}

static void the_schema(void **state UNUSED)
{
    assert_true(shows("/v2/schemas/image", "\"test_note\": {\"type\": [\"null\", \"string\"], "
                                           "\"description\": \"A note\", \"maxLength\": 9}"));
    assert_int_equal(send("POST", IMAGES, "application/json", "{\"test_note\": \"1234567890\"}"), 400);
    assert_int_equal(send("POST", IMAGES, "application/json", "{\"test_note\": 1}"), 400);
    assert_int_equal(send("POST", IMAGES, "application/json", "{\"test_note\": \"\\ud83d\\ude00\"}"), 400);
}

static void lists(void **state UNUSED)
{
    assert_true(shows(IMAGES "?test_note=a", ID "2\""));
    assert_false(shows(IMAGES "?test_note=a", ID "1\""));
    assert_true(shows(IMAGES "?test_note=a&limit=1", "next"));
    assert_true(shows(IMAGES "?sort_key=test_note&sort_dir=desc&limit=1", ID "1\""));
    assert_true(shows(IMAGES "?sort_key=test_note&sort_dir=asc&limit=1", ID "3\""));
    assert_true(shows(IMAGES "?sort_key=test_note&sort_dir=asc&limit=1&marker=" ID "3", ID "2\""));
    assert_true(shows(IMAGES "?sort_key=test_note&sort_dir=desc&limit=1&marker=" ID "2", ID "3\""));
}

static void patches(void **state UNUSED)
{
    service_create(&service, ID "4", "");
    assert_int_equal(send("PATCH", IMAGES "/" ID "4", patch_type,
                          "[{\"op\": \"replace\", \"path\": \"/test_note\", \"value\": \"new\"}]"),
                     200);
    assert_true(shows(IMAGES "/" ID "4", "\"test_note\": \"new\""));
    assert_int_equal(
        send("PATCH", IMAGES "/" ID "4", patch_type, "[{\"op\": \"remove\", \"path\": \"/test_note\"}]"),
        403);
    assert_int_equal(send("PATCH", IMAGES "/" ID "4", patch_type,
                          "[{\"op\": \"replace\", \"path\": \"/test_note\", \"value\": 7}]"),
                     400);
}

static void the_policy(void **state UNUSED)
{
    const struct image im = { .id = "i", .test_note = "x" };
    const struct identity nobody = { 0 };
    struct policy_target target;
    struct policy_pair pair;
    bool found = false;

    policy_target_image(&im, &nobody, &target);
    for (size_t i = 0; target.at(&target, i, &pair); i++)
        found = found || (str_eq(pair.name, "test_note") && str_eq(pair.value.text, "x"));
    assert_true(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_documents),
        cmocka_unit_test(the_schema),
        cmocka_unit_test(lists),
        cmocka_unit_test(patches),
        cmocka_unit_test(the_policy),
    };

    service_configure(true, NULL);
    return cmocka_run_group_tests(tests, set_up, service_tear_down);
}
