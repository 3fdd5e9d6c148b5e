/* SPDX-License-Identifier: Apache-2.0 */
#include "db/driver.h"
#include "fixture.h"

#define ID "11111111-1111-4111-8111-111111111111"

static void test_insert_and_load(void **state)
{
    struct fixture f;
    struct image *im, *got;
    const char *tags[] = { "b", "a", "b" };

    (void)state;
    fixture_open(&f);
    im = make_image(&f, ID, "");
    im->name = "Grüße";
    image_property_set(f.a, im, "zeta", "1");
    image_property_set(f.a, im, "alpha", "2");
    im->tags = tags;
    im->n_tags = 3;
    im->min_ram = 512;
    im->protected = true;
    im->status = IMAGE_ACTIVE;
    store_image(&f, im);
    assert_int_equal(im->status, IMAGE_QUEUED);
    assert_true(im->created_us > 0 && im->created_us == im->updated_us);

    got = load_image(&f, ID);
    assert_string_equal(got->name, "Grüße");
    assert_null(got->owner);
    assert_int_equal(got->status, IMAGE_QUEUED);
    assert_int_equal(got->size, -1);
    assert_int_equal(got->min_ram, 512);
    assert_true(got->protected);
    assert_int_equal(got->created_us, im->created_us);
    assert_int_equal(got->n_properties, 2);
    assert_string_equal(got->properties[0].name, "zeta");
    assert_string_equal(image_property_get(got, "alpha"), "2");
    assert_int_equal(got->n_tags, 2);
    assert_string_equal(got->tags[0], "b");
    assert_int_equal(got->n_locations, 0);
    assert_false(db_in_transaction(f.c));
    fixture_close(&f);
}

static void test_properties_in_memory(void **state)
{
    struct arena *a = arena_make(1024);
    struct image im = { 0 };

    (void)state;
    image_property_set(a, &im, "a", "1");
    image_property_set(a, &im, "b", NULL);
    image_property_set(a, &im, "", "empty name");
    image_property_set(a, &im, "a", "2");
    assert_int_equal(im.n_properties, 3);
    assert_string_equal(image_property_get(&im, "a"), "2");
    assert_string_equal(image_property_get(&im, "b"), "");
    assert_string_equal(image_property_get(&im, ""), "empty name");
    assert_null(image_property_get(&im, "c"));
    assert_true(image_property_drop(&im, "a"));
    assert_false(image_property_drop(&im, "a"));
    assert_string_equal(im.properties[0].name, "b");
    assert_int_equal(im.n_properties, 2);
    arena_free(a);
}

static void test_id_is_taken_for_ever(void **state)
{
    struct fixture f;
    struct image *im;

    (void)state;
    fixture_open(&f);
    store_image(&f, make_image(&f, ID, "p1"));
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, image_delete(f.c, ID, IMAGE_QUEUED, &f.e));
    OK(&f, db_commit(f.c, &f.e));
    im = make_image(&f, ID, "p2");
    OK(&f, db_begin_write(f.c, &f.e));
    assert_int_equal(image_insert(f.c, im, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    assert_string_equal(f.e.message, "Image ID " ID " already exists!");
    db_rollback(f.c);
    fixture_close(&f);
}

/* ---- who sees it ---- */

static const struct {
    const char *name, *owner;
    enum image_visibility visibility;
    const char *member, *status; /* a membership of p2 */
    struct viewer viewer;
    bool sees;
} views[] = {
    { "own private", "p1", IMAGE_PRIVATE, NULL, NULL, { false, "p1" }, true },
    { "another's private", "p1", IMAGE_PRIVATE, NULL, NULL, { false, "p2" }, false },
    { "another's private, member left over", "p1", IMAGE_PRIVATE, "0", "accepted", { false, "p2" }, false },
    { "administrator", "p1", IMAGE_PRIVATE, NULL, NULL, { true, "p2" }, true },
    { "administrator without project", "p1", IMAGE_PRIVATE, NULL, NULL, { true, NULL }, true },
    { "owner NULL", NULL, IMAGE_PRIVATE, NULL, NULL, { false, "p2" }, true },
    { "public", "p1", IMAGE_PUBLIC, NULL, NULL, { false, "p2" }, true },
    { "public, no project", "p1", IMAGE_PUBLIC, NULL, NULL, { false, NULL }, true },
    { "community", "p1", IMAGE_COMMUNITY, NULL, NULL, { false, "p2" }, true },
    { "shared with nobody", "p1", IMAGE_SHARED, NULL, NULL, { false, "p2" }, false },
    { "shared and accepted", "p1", IMAGE_SHARED, "0", "accepted", { false, "p2" }, true },
    { "shared and pending", "p1", IMAGE_SHARED, "0", "pending", { false, "p2" }, true },
    { "shared and rejected", "p1", IMAGE_SHARED, "0", "rejected", { false, "p2" }, true },
    { "membership ended", "p1", IMAGE_SHARED, "1", "accepted", { false, "p2" }, false },
    { "shared with another", "p1", IMAGE_SHARED, "0", "accepted", { false, "p3" }, false },
    { "shared, no project", "p1", IMAGE_SHARED, "0", "accepted", { false, NULL }, false },
};

static void test_who_sees_it(void **state)
{
    struct fixture f;

    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < COUNT(views); i++) {
        char id[UUID_TEXT_MAX], sql[300];
        struct image *im, *got;
        int result;

        uuid_make(id);
        im = make_image(&f, id, views[i].owner);
        im->visibility = views[i].visibility;
        store_image(&f, im);
        snprintf(sql, sizeof sql,
                 "INSERT INTO image_members (image_id, member, can_share, created_at, deleted, status) "
                 "VALUES ('%s', 'p2', 0, '2026-01-01 00:00:00.000000', %s, '%s')",
                 id, views[i].member ? views[i].member : "", views[i].status ? views[i].status : "");
        if (views[i].member)
            run_sql(&f, sql);
        result = image_load(f.c, f.a, id, &views[i].viewer, &got, &f.e);
        CHECK_CASE(views[i].name, result == (views[i].sees ? 0 : -1));
        CHECK_CASE(views[i].name, views[i].sees || (f.e.kind == ERROR_NOT_FOUND &&
                                                    strstr(f.e.message, "No image found with ID")));
        CHECK_CASE(views[i].name, !db_in_transaction(f.c));
    }
    fixture_close(&f);
}

static void test_deleted_is_not_found(void **state)
{
    struct fixture f;
    struct viewer admin = { true, NULL };
    struct image *im;

    (void)state;
    fixture_open(&f);
    assert_int_equal(image_load(f.c, f.a, ID, &admin, &im, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_NOT_FOUND);
    store_image(&f, make_image(&f, ID, "p1"));
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, image_delete(f.c, ID, IMAGE_QUEUED, &f.e));
    OK(&f, db_commit(f.c, &f.e));
    assert_int_equal(image_load(f.c, f.a, ID, &admin, &im, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_NOT_FOUND);
    im = load_image(&f, ID);
    assert_true(im->deleted && im->deleted_us > 0 && im->status == IMAGE_DELETED);
    fixture_close(&f);
}

/* ---- status ---- */

static void test_status_set(void **state)
{
    struct fixture f;
    struct image *im;

    (void)state;
    fixture_open(&f);
    store_image(&f, im = make_image(&f, ID, "p1"));
    run_sql(&f, "UPDATE images SET size = 5, virtual_size = 6, updated_at = '2020-01-01 00:00:00.000000'");
    OK(&f, db_begin_write(f.c, &f.e));
    OK(&f, image_status_set(f.c, ID, IMAGE_QUEUED, IMAGE_SAVING, &f.e));
    assert_string_equal(ask(&f, "SELECT status || size || (updated_at > '2020-02') FROM images", NULL),
                        "saving51");
    assert_int_equal(image_status_set(f.c, ID, IMAGE_QUEUED, IMAGE_SAVING, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    assert_int_equal(image_status_set(f.c, ID, IMAGE_SAVING, IMAGE_DEACTIVATED, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    assert_int_equal(image_status_set(f.c, "nobody", IMAGE_QUEUED, IMAGE_SAVING, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_NOT_FOUND);
    OK(&f, image_status_set(f.c, ID, IMAGE_SAVING, IMAGE_QUEUED, &f.e));
    assert_string_equal(ask(&f, "SELECT size IS NULL AND virtual_size IS NULL FROM images", NULL), "1");
    OK(&f, db_commit(f.c, &f.e));
    fixture_close(&f);
}

/* ---- delete ---- */

static void test_delete(void **state)
{
    static const char *const tables[] = { "image_properties", "image_tags", "image_members",
                                          "image_locations" };
    const char *tags[] = { "t" };
    struct fixture f;
    struct image *im;

    (void)state;
    fixture_open(&f);
    im = make_image(&f, ID, "p1");
    image_property_set(f.a, im, "p", "v");
    im->tags = tags;
    im->n_tags = 1;
    store_image(&f, im);
    im = load_image(&f, ID);
    *ARENA_PUSH(f.a, im->locations, im->n_locations, im->cap_locations) =
        (struct image_location){ .url = "file:///x" };
    im->size = 7;
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    run_sql(&f, "INSERT INTO image_members (image_id, member, can_share, created_at, deleted) "
                "VALUES ('" ID "', 'p2', 0, '2026-01-01 00:00:00.000000', 0)");
    OK(&f, db_begin_write(f.c, &f.e));
    assert_int_equal(image_delete(f.c, ID, IMAGE_ACTIVE, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    OK(&f, image_delete(f.c, ID, IMAGE_QUEUED, &f.e));
    assert_int_equal(image_delete(f.c, ID, IMAGE_QUEUED, &f.e), -1);
    assert_int_equal(f.e.kind, ERROR_NOT_FOUND);
    OK(&f, db_commit(f.c, &f.e));
    assert_string_equal(ask(&f, "SELECT status || deleted || size || name FROM images", NULL),
                        "deleted17name");
    for (size_t i = 0; i < COUNT(tables); i++) {
        char sql[200];

        snprintf(sql, sizeof sql,
                 "SELECT COUNT(*) FROM %s x JOIN images i ON i.id = x.image_id "
                 "WHERE x.deleted = 1 AND x.deleted_at = i.deleted_at AND x.updated_at = i.deleted_at",
                 tables[i]);
        CHECK_CASE(tables[i], strcmp(ask(&f, sql, NULL), "1") == 0);
    }
    assert_string_equal(ask(&f, "SELECT status FROM image_locations", NULL), "deleted");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_and_load),
        cmocka_unit_test(test_properties_in_memory),
        cmocka_unit_test(test_id_is_taken_for_ever),
        cmocka_unit_test(test_who_sees_it),
        cmocka_unit_test(test_deleted_is_not_found),
        cmocka_unit_test(test_status_set),
        cmocka_unit_test(test_delete),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
