/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"
#include "test.h"

static const struct {
    const char *name;
    enum image_status from, to;
    bool may;
} moves[] = {
    { "an upload starts from queued", IMAGE_QUEUED, IMAGE_SAVING, true },
    { "staging starts from queued", IMAGE_QUEUED, IMAGE_UPLOADING, true },
    { "an import starts from queued", IMAGE_QUEUED, IMAGE_IMPORTING, true },
    { "a location makes a queued image active", IMAGE_QUEUED, IMAGE_ACTIVE, true },
    { "a queued image can be deleted", IMAGE_QUEUED, IMAGE_DELETED, true },
    { "a queued image is not deactivated", IMAGE_QUEUED, IMAGE_DEACTIVATED, false },
    { "an upload ends in active", IMAGE_SAVING, IMAGE_ACTIVE, true },
    { "a failed upload can be tried again", IMAGE_SAVING, IMAGE_QUEUED, true },
    { "an upload may be killed", IMAGE_SAVING, IMAGE_KILLED, true },
    { "an image is deleted while it is uploaded", IMAGE_SAVING, IMAGE_DELETED, true },
    { "an upload does not become an import", IMAGE_SAVING, IMAGE_IMPORTING, false },
    { "staging does not make it active", IMAGE_UPLOADING, IMAGE_ACTIVE, false },
    { "what is staged is imported", IMAGE_UPLOADING, IMAGE_IMPORTING, true },
    { "an import ends in active", IMAGE_IMPORTING, IMAGE_ACTIVE, true },
    { "a failed import goes back", IMAGE_IMPORTING, IMAGE_QUEUED, true },
    { "active is deactivated", IMAGE_ACTIVE, IMAGE_DEACTIVATED, true },
    { "active waits for the scrubber", IMAGE_ACTIVE, IMAGE_PENDING_DELETE, true },
    { "active has its data for good", IMAGE_ACTIVE, IMAGE_QUEUED, false },
    { "deactivated comes back", IMAGE_DEACTIVATED, IMAGE_ACTIVE, true },
    { "deactivated cannot wait for the scrubber", IMAGE_DEACTIVATED, IMAGE_PENDING_DELETE, false },
    { "pending_delete may be restored", IMAGE_PENDING_DELETE, IMAGE_ACTIVE, true },
    { "killed is only deleted", IMAGE_KILLED, IMAGE_DELETED, true },
    { "killed does not come back", IMAGE_KILLED, IMAGE_QUEUED, false },
    { "deleted is final", IMAGE_DELETED, IMAGE_QUEUED, false },
};

static void test_moves(void **state)
{
    struct error e;

    (void)state;
    for (size_t i = 0; i < COUNT(moves); i++) {
        CHECK_CASE(moves[i].name, image_status_may(moves[i].from, moves[i].to) == moves[i].may);
        CHECK_CASE(moves[i].name, (image_status_check(moves[i].from, moves[i].to, &e) == 0) == moves[i].may);
    }
}

static void test_what_is_not_allowed_is_a_conflict(void **state)
{
    struct error e;

    (void)state;
    assert_int_equal(image_status_check(IMAGE_ACTIVE, IMAGE_SAVING, &e), -1);
    assert_int_equal(e.kind, ERROR_CONFLICT);
    assert_string_equal(e.message, "Image status transition from active to saving is not allowed");
    assert_int_equal(image_status_refuse(IMAGE_SAVING, IMAGE_UPLOADING, &e), -1);
    assert_string_equal(e.message, "Image status transition from saving to uploading is not allowed");
}

/* As many as operations.md, section 5, lists. */
static void test_number_of_moves(void **state)
{
    int n = 0;

    (void)state;
    for (int from = 0; from < IMAGE_STATUSES; from++)
        for (int to = 0; to < IMAGE_STATUSES; to++)
            n += image_status_may((enum image_status)from, (enum image_status)to);
    assert_int_equal(n, 5 + 4 + 3 + 3 + 3 + 1 + 2 + 2);
}

static void test_names(void **state)
{
    enum image_status s = IMAGE_KILLED;
    enum image_visibility v = IMAGE_PUBLIC;

    (void)state;
    for (int i = 0; i < IMAGE_STATUSES; i++) {
        assert_true(image_status_parse(image_status_name((enum image_status)i), &s));
        assert_int_equal(s, i);
    }
    for (int i = 0; i < IMAGE_VISIBILITIES; i++) {
        assert_true(image_visibility_parse(image_visibility_name((enum image_visibility)i), &v));
        assert_int_equal(v, i);
    }
    assert_string_equal(image_status_name(IMAGE_PENDING_DELETE), "pending_delete");
    assert_false(image_status_parse("Active", &s));
    assert_false(image_status_parse("", &s));
    assert_false(image_visibility_parse("all", &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_what_is_not_allowed_is_a_conflict),
        cmocka_unit_test(test_number_of_moves),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
