/* SPDX-License-Identifier: Apache-2.0 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_insert_and_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
