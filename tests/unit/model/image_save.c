/* SPDX-License-Identifier: Apache-2.0 */
/* The rows that a save leaves behind, compared with what Glance 33 leaves after the same steps. */
#include "fixture.h"

#define ID "22222222-2222-4222-8222-222222222222"

static struct fixture f;

static int set_up(void **state)
{
    struct image *im;
    static const char *tags[] = { "t1", "t2" };

    (void)state;
    fixture_open(&f);
    im = make_image(&f, ID, "p1");
    image_property_set(f.a, im, "p1", "v1");
    image_property_set(f.a, im, "p2", "v2");
    im->tags = tags;
    im->n_tags = 2;
    store_image(&f, im);
    /* Long ago, so that a touched row shows. */
    run_sql(&f, "UPDATE images SET created_at = '2020-01-01 00:00:00.000000', updated_at = '2020-01-01 "
                "00:00:00.000000';"
                "UPDATE image_properties SET created_at = '2020-01-01 00:00:00.000000', updated_at = "
                "'2020-01-01 00:00:00.000000';"
                "UPDATE image_tags SET created_at = '2020-01-01 00:00:00.000000', updated_at = '2020-01-01 "
                "00:00:00.000000'");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

/* id:name:value:deleted:was it deleted ever:touched, one after the other. */
static const char *properties(void)
{
    return ask(&f,
               "SELECT group_concat(r, ' ') FROM (SELECT id || ':' || name || ':' || coalesce(value, 'NULL') "
               "|| ':' || deleted || "
               "':' || (deleted_at IS NOT NULL) || ':' || (updated_at > '2021-01-01') AS r FROM "
               "image_properties ORDER BY id)",
               NULL);
}

static const char *tags(void)
{
    return ask(
        &f,
        "SELECT group_concat(r, ' ') FROM (SELECT id || ':' || value || ':' || deleted || ':' || "
        "(deleted_at IS NOT NULL) || ':' || (updated_at > '2021-01-01') AS r FROM image_tags ORDER BY id)",
        NULL);
}

static const char *locations(void)
{
    return ask(&f,
               "SELECT group_concat(r, ' ') FROM (SELECT id || ':' || value || ':' || meta_data || ':' || "
               "status || ':' || "
               "deleted || ':' || (deleted_at IS NOT NULL) || ':' || (updated_at > '2021-01-01') AS r FROM "
               "image_locations ORDER BY id)",
               NULL);
}

static void test_row(void **state)
{
    struct image *im = load_image(&f, ID), *got;

    (void)state;
    im->name = NULL;
    im->disk_format = "qcow2";
    im->container_format = NULL;
    im->owner = "p9";
    im->checksum = "c";
    im->os_hash_algo = "sha512";
    im->os_hash_value = "h";
    im->status = IMAGE_SAVING;
    im->visibility = IMAGE_PUBLIC;
    im->size = 0;
    im->virtual_size = 1LL << 50;
    im->min_disk = 3;
    im->min_ram = 4;
    im->protected = im->os_hidden = true;
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    got = load_image(&f, ID);
    assert_null(got->name);
    assert_string_equal(got->disk_format, "qcow2");
    assert_null(got->container_format);
    assert_string_equal(got->owner, "p9");
    assert_string_equal(got->checksum, "c");
    assert_string_equal(got->os_hash_algo, "sha512");
    assert_string_equal(got->os_hash_value, "h");
    assert_int_equal(got->status, IMAGE_SAVING);
    assert_int_equal(got->visibility, IMAGE_PUBLIC);
    assert_int_equal(got->size, 0);
    assert_int_equal(got->virtual_size, 1LL << 50);
    assert_int_equal(got->min_disk, 3);
    assert_int_equal(got->min_ram, 4);
    assert_true(got->protected && got->os_hidden && !got->deleted);
    assert_int_equal(got->updated_us, im->updated_us);
    assert_true(got->updated_us - got->created_us > 365 * 86400 * CLOCK_SECOND);
    assert_string_equal(properties(), "1:p1:v1:0:0:0 2:p2:v2:0:0:0"); /* left alone */
    assert_string_equal(tags(), "1:t1:0:0:0 2:t2:0:0:0");
}

static void test_compare_and_set(void **state)
{
    struct image *im = load_image(&f, ID);

    (void)state;
    im->name = "new";
    image_property_set(f.a, im, "p1", "changed");
    assert_int_equal(save_image(&f, im, IMAGE_SAVING), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    assert_string_equal(ask(&f, "SELECT name FROM images", NULL), "name");
    assert_string_equal(properties(), "1:p1:v1:0:0:0 2:p2:v2:0:0:0");
    run_sql(&f, "UPDATE images SET deleted = 1");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
    im->id = "unknown";
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), -1);
    assert_int_equal(f.e.kind, ERROR_CONFLICT);
}

static void test_properties(void **state)
{
    struct image *im = load_image(&f, ID);

    (void)state;
    image_property_drop(im, "p1");
    image_property_set(f.a, im, "p3", "v3");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:v1:1:1:1 2:p2:v2:0:0:0 3:p3:v3:0:0:1");
    im = load_image(&f, ID);
    assert_int_equal(im->n_properties, 2);
    image_property_set(f.a, im, "p1", "again"); /* its old row comes back, deleted_at stays */
    image_property_set(f.a, im, "p2", NULL);
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:again:0:1:1 2:p2:NULL:0:0:1 3:p3:v3:0:0:1");
    im = load_image(&f, ID);
    assert_string_equal(im->properties[0].name, "p1"); /* row order */
    assert_null(im->properties[1].value);
    run_sql(&f, "UPDATE image_properties SET updated_at = '2020-01-01 00:00:00.000000'");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:again:0:1:0 2:p2:NULL:0:0:0 3:p3:v3:0:0:0");
}

/* As whoever loads an image for somebody who may not see everything does it. */
static void hide(struct image *im, size_t i)
{
    struct image_property p = im->properties[i];

    image_property_drop(im, p.name);
    *ARENA_PUSH(f.a, im->hidden, im->n_hidden, im->cap_hidden) = p;
}

static void test_hidden_properties_are_kept(void **state)
{
    struct image *im = load_image(&f, ID);

    (void)state;
    hide(im, 0);
    assert_true(image_property_hidden(im, "p1"));
    image_property_drop(im, "p2");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:v1:0:0:0 2:p2:v2:1:1:1");
    image_property_set(f.a, im, "p1", "seen"); /* it is there once, and seen */
    assert_false(image_property_hidden(im, "p1"));
    assert_int_equal(im->n_properties + im->n_hidden, 1);
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:seen:0:0:1 2:p2:v2:1:1:1");
}

static void test_revived_with_the_same_value(void **state)
{
    struct image *im = load_image(&f, ID);

    (void)state;
    image_property_drop(im, "p1");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    image_property_set(f.a, im, "p1", "v1");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:v1:0:1:1 2:p2:v2:0:0:0");
}

static void test_import_lock_is_never_touched(void **state)
{
    struct image *im;

    (void)state;
    run_sql(
        &f,
        "INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted) VALUES "
        "('" ID
        "', 'os_glance_import_task', 'task', '2020-01-01 00:00:00.000000', '2020-01-01 00:00:00.000000', 0)");
    im = load_image(&f, ID);
    image_property_drop(im, "os_glance_import_task");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    image_property_set(f.a, im, "os_glance_import_task", "mine");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:v1:0:0:0 2:p2:v2:0:0:0 3:os_glance_import_task:task:0:0:0");
    run_sql(&f, "DELETE FROM image_properties WHERE id = 3");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(properties(), "1:p1:v1:0:0:0 2:p2:v2:0:0:0");
}

static void test_tags(void **state)
{
    const char *t2_t3[] = { "t3", "t2", "t3" }, *t1[] = { "t1" };
    struct image *im = load_image(&f, ID);

    (void)state;
    im->tags = t2_t3;
    im->n_tags = 3;
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(tags(), "1:t1:1:1:1 2:t2:0:0:0 3:t3:0:0:1");
    assert_int_equal(im->n_tags, 2);
    assert_string_equal(im->tags[0], "t2"); /* as it will be read */
    assert_string_equal(im->tags[1], "t3");
    im->tags = t1;
    im->n_tags = 1;
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(tags(), "1:t1:1:1:1 2:t2:1:1:1 3:t3:1:1:1 4:t1:0:0:1"); /* a new row */
    im = load_image(&f, ID);
    assert_int_equal(im->n_tags, 1);
}

static void test_locations(void **state)
{
    struct image *im = load_image(&f, ID);

    (void)state;
    *ARENA_PUSH(f.a, im->locations, im->n_locations, im->cap_locations) =
        (struct image_location){ .url = "file:///a" };
    *ARENA_PUSH(f.a, im->locations, im->n_locations, im->cap_locations) = (struct image_location){
        .url = "file:///b", .metadata = "{\"store\": \"fast\"}", .status = "active"
    };
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_int_equal(im->locations[0].id, 1);
    assert_int_equal(im->locations[1].id, 2);
    run_sql(&f, "UPDATE image_locations SET updated_at = '2020-01-01 00:00:00.000000'");
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(locations(),
                        "1:file:///a:{}:active:0:0:0 2:file:///b:{\"store\": \"fast\"}:active:0:0:0");
    im = load_image(&f, ID);
    assert_int_equal(im->n_locations, 2);
    assert_string_equal(im->locations[1].metadata, "{\"store\": \"fast\"}");
    im->locations[0] = im->locations[1];
    im->locations[0].metadata = "{}";
    im->n_locations = 1;
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_string_equal(locations(), "1:file:///a:{}:deleted:1:1:1 2:file:///b:{}:active:0:0:1");
    run_sql(&f, "UPDATE image_locations SET meta_data = NULL, updated_at = '2020-01-01 00:00:00.000000' "
                "WHERE id = 2");
    im = load_image(&f, ID);
    assert_int_equal(im->n_locations, 1);
    assert_string_equal(im->locations[0].metadata, "{}");
    im->n_locations = 0;
    assert_int_equal(save_image(&f, im, IMAGE_QUEUED), 0);
    assert_int_equal(load_image(&f, ID)->n_locations, 0);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_row),
        EACH(test_compare_and_set),
        EACH(test_properties),
        EACH(test_hidden_properties_are_kept),
        EACH(test_revived_with_the_same_value),
        EACH(test_import_lock_is_never_touched),
        EACH(test_tags),
        EACH(test_locations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
