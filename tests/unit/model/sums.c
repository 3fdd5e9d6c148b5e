/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static void test_storage_used(void **state)
{
    struct fixture f;
    int64_t used = -1;
    static const struct {
        const char *id, *owner, *status;
        int size, live, gone;
    } images[] = {
        { "one", "p1", "active", 100, 1, 1 },
        { "two copies", "p1", "deactivated", 10, 2, 0 },
        { "no data", "p1", "queued", 1000, 0, 0 },
        { "killed", "p1", "killed", 10000, 1, 0 },
        { "deleted", "p1", "deleted", 20000, 0, 1 },
        { "for the scrubber", "p1", "pending_delete", 40000, 1, 0 },
        { "of another", "p2", "active", 500, 1, 0 },
        { "announced", "p3", "saving", 7, 0, 0 },
        { "staged", "p3", "uploading", 20, 0, 1 },
        { "fetched", "p3", "importing", 0, 0, 0 },
        { "stored in one of two", "p3", "importing", 3000, 1, 0 },
    };

    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < COUNT(images); i++) {
        char sql[400];

        store_image(&f, make_image(&f, images[i].id, images[i].owner));
        snprintf(sql, sizeof sql, "UPDATE images SET size = %d, status = '%s' WHERE id = '%s'",
                 images[i].size, images[i].status, images[i].id);
        run_sql(&f, sql);
        for (int k = 0; k < images[i].live + images[i].gone; k++) {
            snprintf(sql, sizeof sql,
                     "INSERT INTO image_locations (image_id, value, status, created_at, deleted) VALUES "
                     "('%s', 'file:///%d', '%s', '2026-01-01 00:00:00.000000', %d)",
                     images[i].id, k, k < images[i].live ? "active" : "deleted", k >= images[i].live);
            run_sql(&f, sql);
        }
    }
    OK(&f, image_storage_used(f.c, "p1", NULL, &used, &f.e));
    assert_int_equal(used, 120);
    OK(&f, image_storage_used(f.c, "p1", "two copies", &used, &f.e));
    assert_int_equal(used, 100);
    OK(&f, image_storage_used(f.c, "p2", NULL, &used, &f.e));
    assert_int_equal(used, 500);
    for (size_t i = 0; i < 2; i++) /* what is staged counts until the image has it in a store */
        run_sql(&f,
                i ? "INSERT INTO glint_staged VALUES ('stored in one of two', '', '', 3000, '', '', '', '')"
                  : "INSERT INTO glint_staged VALUES ('fetched', '', '', 400, '', '', '', '')");
    OK(&f, image_storage_used(f.c, "p3", NULL, &used, &f.e));
    assert_int_equal(used, 7 + 20 + 400 + 3000);
    OK(&f, image_storage_used(f.c, "p3", "fetched", &used, &f.e));
    assert_int_equal(used, 7 + 20 + 3000);
    OK(&f, image_storage_used(f.c, "nobody", NULL, &used, &f.e));
    assert_int_equal(used, 0);
    fixture_close(&f);
}

static const struct {
    const char *name, *sizes[3];
    int64_t used;
} huge[] = {
    { "the halves carry", { "4294967295", "4294967295", "1" }, 8589934591 },
    { "as much as fits", { "9223372036854775806", "1", NULL }, INT64_MAX },
    { "one more", { "9223372036854775807", "1", NULL }, INT64_MAX },
    { "much more", { "9223372036854775807", "9223372036854775807", "9223372036854775807" }, INT64_MAX },
};

static void test_storage_used_saturates(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(huge); i++) {
        struct fixture f;
        int64_t used = -1;

        fixture_open(&f);
        for (int k = 0; k < 3 && huge[i].sizes[k]; k++) {
            char id[8] = { (char)('a' + k), '\0' }, sql[400];

            store_image(&f, make_image(&f, id, "p1"));
            snprintf(sql, sizeof sql,
                     "UPDATE images SET size = %s, status = 'active' WHERE id = '%s'; "
                     "INSERT INTO image_locations (image_id, value, status, created_at, deleted) VALUES "
                     "('%s', 'file:///%d', 'active', '2026-01-01 00:00:00.000000', 0)",
                     huge[i].sizes[k], id, id, k);
            run_sql(&f, sql);
        }
        OK(&f, image_storage_used(f.c, "p1", NULL, &used, &f.e));
        CHECK_CASE(huge[i].name, used == huge[i].used);
        fixture_close(&f);
    }
}

static void test_count_by_status(void **state)
{
    struct fixture f;
    int64_t counts[IMAGE_STATUSES];

    (void)state;
    fixture_open(&f);
    store_image(&f, make_image(&f, "a", "p1"));
    store_image(&f, make_image(&f, "b", "p1"));
    store_image(&f, make_image(&f, "c", "p1"));
    store_image(&f, make_image(&f, "d", "p1"));
    run_sql(&f, "UPDATE images SET status = 'active' WHERE id IN ('a', 'b'); UPDATE images SET os_hidden = 1 "
                "WHERE id = 'b';"
                "UPDATE images SET status = 'deleted', deleted = 1 WHERE id = 'c'");
    OK(&f, image_count_by_status(f.c, counts, &f.e));
    for (int i = 0; i < IMAGE_STATUSES; i++)
        assert_int_equal(counts[i], i == IMAGE_ACTIVE ? 2 : i == IMAGE_QUEUED ? 1 : 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_storage_used),
                                        cmocka_unit_test(test_storage_used_saturates),
                                        cmocka_unit_test(test_count_by_status) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
