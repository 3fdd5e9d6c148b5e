/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "fixture.h"

static void test_trash(void **state)
{
    struct fixture f;
    struct trash *all;
    size_t n;
    int64_t first;

    (void)state;
    fixture_open(&f);
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, trash_add(f.c, "file", "file:///a", NULL, &f.e));
    OK(&f, trash_add(f.c, "file", "file:///b", NULL, &f.e));
    OK(&f, trash_add(f.c, "fast", "file:///c", NULL, &f.e));
    OK(&f, db_commit(f.c, &f.e));
    OK(&f, trash_list(f.c, f.a, 2, &all, &n, &f.e));
    assert_int_equal(n, 2);
    assert_string_equal(all[0].url, "file:///a");
    assert_string_equal(all[0].store, "file");
    assert_int_equal(all[0].attempts, 0);
    assert_true(clock_now_us() - all[0].created_us < 60 * CLOCK_SECOND);
    first = all[0].id;
    OK(&f, trash_failed(f.c, first, &f.e)); /* its turn comes after the others' */
    OK(&f, trash_list(f.c, f.a, 10, &all, &n, &f.e));
    assert_int_equal(n, 3);
    assert_int_equal(all[2].id, first);
    assert_int_equal(all[2].attempts, 1);
    OK(&f, db_begin_write(f.c, &f.e)); /* within a transaction they belong to it */
    OK(&f, trash_drop(f.c, all[0].id, &f.e));
    OK(&f, trash_failed(f.c, all[1].id, &f.e));
    db_rollback(f.c);
    OK(&f, trash_list(f.c, f.a, 10, &all, &n, &f.e));
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        OK(&f, trash_drop(f.c, all[i].id, &f.e));
    OK(&f, trash_drop(f.c, first, &f.e)); /* gone already */
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, trash_add(f.c, "file", "file:///d", NULL, &f.e));
    OK(&f, db_commit(f.c, &f.e));
    OK(&f, trash_list(f.c, f.a, 10, &all, &n, &f.e));
    assert_int_equal(n, 1);
    assert_true(all[0].id > first + 2); /* ids are not used again */
    fixture_close(&f);
}

static void test_location_in_use(void **state)
{
    struct fixture f;
    bool used;

    (void)state;
    fixture_open(&f);
    store_image(&f, make_image(&f, "i1", "p1"));
    run_sql(&f, "INSERT INTO image_locations (image_id, value, created_at, deleted) VALUES "
                "('i1', 'file:///live', '2026-01-01 00:00:00.000000', 0), ('i1', 'file:///gone', '2026-01-01 "
                "00:00:00.000000', 1)");
    OK(&f, location_in_use(f.c, "file:///live", &used, &f.e));
    assert_true(used);
    OK(&f, location_in_use(f.c, "file:///gone", &used, &f.e));
    assert_false(used);
    OK(&f, location_in_use(f.c, "file:///never", &used, &f.e));
    assert_false(used);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_trash),
                                        cmocka_unit_test(test_location_in_use) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
