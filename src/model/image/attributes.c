/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes of images. Columns are Glance's (schema of release 2024_1); descriptions and places in the
 * schema document, what may be filtered and sorted by and who may write are those of Glance 33. */
#include "model/rows.h"

#include <pthread.h>
#include <stddef.h>

static const char *status_of(int value)
{
    return image_status_name((enum image_status)value);
}

static const char *visibility_of(int value)
{
    return image_visibility_name((enum image_visibility)value);
}

static bool status_parse(const char *name, int *ret)
{
    enum image_status status;
    bool known = image_status_parse(name, &status);

    *ret = known ? (int)status : 0;
    return known;
}

static bool visibility_parse(const char *name, int *ret)
{
    enum image_visibility visibility;
    bool known = image_visibility_parse(name, &visibility);

    *ret = known ? (int)visibility : 0;
    return known;
}

#define AT(member) offsetof(struct image, member)

static const struct attribute attributes[] = {
    { "name", ATTRIBUTE_TEXT, AT(name), .sort = 1, .lowest = "''", .filter = FILTERED_BY_OPERATOR,
      .rule = "name", .schema = 2, .description = "Descriptive name for the image", .max_length = 255 },
    { "disk_format", ATTRIBUTE_TEXT, AT(disk_format), .sort = 4, .lowest = "''",
      .filter = FILTERED_BY_OPERATOR, .rule = "disk_format", .schema = 14,
      .description = "Format of the disk" },
    { "container_format", ATTRIBUTE_TEXT, AT(container_format), .sort = 3, .lowest = "''",
      .filter = FILTERED_BY_OPERATOR, .rule = "container_format", .schema = 13,
      .description = "Format of the container" },
    { "visibility", ATTRIBUTE_ENUM, AT(visibility), .name_of = visibility_of, .parse = visibility_parse,
      .initial = IMAGE_SHARED, .filter = FILTERED_APART, .rule = "visibility", .schema = 4,
      .description = "Scope of image accessibility",
      .more = "\"enum\": [\"community\", \"public\", \"private\", \"shared\"]" },
    { "size", ATTRIBUTE_SIZE, AT(size), .writer = ATTRIBUTE_SERVICE, .sort = 5, .lowest = "0",
      .filter = FILTERED_BY_NUMBER, .rule = "size", .schema = 11,
      .description = "Size of image file in bytes" },
    { "virtual_size", ATTRIBUTE_SIZE, AT(virtual_size), .writer = ATTRIBUTE_SERVICE,
      .filter = FILTERED_BY_NUMBER, .rule = "virtual_size", .schema = 12,
      .description = "Virtual size of image in bytes" },
    { "status", ATTRIBUTE_ENUM, AT(status), .name_of = status_of, .parse = status_parse,
      .initial = IMAGE_QUEUED, .writer = ATTRIBUTE_SERVICE, .sort = 2, .filter = FILTERED_BY_OPERATOR,
      .rule = "status", .schema = 3, .description = "Status of the image",
      .more = "\"enum\": [\"queued\", \"saving\", \"active\", \"killed\", \"deleted\", \"uploading\", "
              "\"importing\", \"pending_delete\", \"deactivated\"]" },
    { "checksum", ATTRIBUTE_TEXT, AT(checksum), .writer = ATTRIBUTE_SERVICE, .filter = FILTERED_BY_TEXT,
      .rule = "checksum", .schema = 7, .description = "md5 hash of image contents.", .max_length = 32 },
    { "protected", ATTRIBUTE_BOOL, AT(protected), .filter = FILTERED_BY_BOOL, .rule = "protected",
      .schema = 5, .description = "If true, image will not be deletable." },
    { "min_ram", ATTRIBUTE_NUMBER, AT(min_ram), .filter = FILTERED_BY_NUMBER, .rule = "min_ram", .schema = 19,
      .description = "Amount of ram (in MB) required to boot image." },
    { "min_disk", ATTRIBUTE_NUMBER, AT(min_disk), .filter = FILTERED_BY_NUMBER, .rule = "min_disk",
      .schema = 20, .description = "Amount of disk space (in GB) required to boot image." },
    { "owner", ATTRIBUTE_TEXT, AT(owner), .empty_is_null = true, .filter = FILTERED_BY_TEXT, .rule = "owner",
      .schema = 10, .description = "Owner of the image", .max_length = 255 },
    { "os_hidden", ATTRIBUTE_BOOL, AT(os_hidden), .filter = FILTERED_APART, .rule = "os_hidden", .schema = 6,
      .description = "If true, image will not appear in default image list response." },
#ifdef IMAGE_TEST_ATTRIBUTE
    { "test_note", ATTRIBUTE_TEXT, AT(test_note), .sort = 9, .lowest = "''", .filter = FILTERED_BY_TEXT,
      .rule = "test_note", .schema = 26, .description = "A note", .max_length = 9 },
#endif
    { "os_hash_algo", ATTRIBUTE_TEXT, AT(os_hash_algo), .writer = ATTRIBUTE_SERVICE,
      .filter = FILTERED_BY_TEXT, .rule = "os_hash_algo", .schema = 8,
      .description = "Algorithm to calculate the os_hash_value", .max_length = 64 },
    { "os_hash_value", ATTRIBUTE_TEXT, AT(os_hash_value), .writer = ATTRIBUTE_SERVICE,
      .filter = FILTERED_BY_TEXT, .rule = "os_hash_value", .schema = 9,
      .description = "Hexdigest of the image contents using the algorithm specified by the os_hash_algo",
      .max_length = 128 },
    { "id", ATTRIBUTE_TEXT, AT(id), .kept = true, .writer = ATTRIBUTE_ONCE, .sort = 6,
      .filter = FILTERED_BY_OPERATOR, .rule = "image_id", .schema = 1, .never_null = true,
      .description = "An identifier for the image",
      .more = "\"pattern\": "
              "\"^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$\"" },
    { "created_at", ATTRIBUTE_TIME, AT(created_us), .kept = true, .writer = ATTRIBUTE_SERVICE, .sort = 7,
      .filter = FILTERED_BY_TIME, .rule = "created_at", .schema = 15,
      .description = "Date and time of image registration" },
    { "updated_at", ATTRIBUTE_TIME, AT(updated_us), .writer = ATTRIBUTE_SERVICE, .sort = 8,
      .lowest = "'0001-01-01 00:00:00'", .filter = FILTERED_BY_TIME, .rule = "updated_at", .schema = 16,
      .description = "Date and time of the last image modification" },
    { "deleted", ATTRIBUTE_BOOL, AT(deleted), .kept = true, .writer = ATTRIBUTE_RESERVED,
      .filter = FILTERED_APART },
    { "deleted_at", ATTRIBUTE_TIME, AT(deleted_us), .kept = true, .writer = ATTRIBUTE_RESERVED,
      .filter = FILTERED_NEVER },
    { "tags", ATTRIBUTE_NONE, 0, .rule = "tags", .schema = 17, .json_type = "array",
      .description = "List of strings related to the image",
      .more = "\"items\": {\"type\": \"string\", \"maxLength\": 255}" },
    { "direct_url", ATTRIBUTE_NONE, 0, .writer = ATTRIBUTE_SERVICE, .schema = 18, .json_type = "string",
      .description = "URL to access the image file kept in external store" },
    { "self", ATTRIBUTE_NONE, 0, .writer = ATTRIBUTE_SERVICE, .schema = 21, .json_type = "string",
      .description = "An image self url" },
    { "file", ATTRIBUTE_NONE, 0, .writer = ATTRIBUTE_SERVICE, .schema = 22, .json_type = "string",
      .description = "An image file url" },
    { "stores", ATTRIBUTE_NONE, 0, .writer = ATTRIBUTE_UNGUARDED, .schema = 23, .json_type = "string",
      .description = "Store in which image data resides.  Only present when the operator has enabled "
                     "multiple stores.  May be a comma-separated list of store identifiers." },
    { "schema", ATTRIBUTE_NONE, 0, .writer = ATTRIBUTE_SERVICE, .schema = 24, .json_type = "string",
      .description = "An image schema url" },
    { "locations", ATTRIBUTE_NONE, 0, .filter = FILTERED_NEVER, .schema = 25, .json_type = "array",
      .more =
          "\"items\": {\"type\": \"object\", \"properties\": {\"url\": {\"type\": \"string\", \"maxLength\": "
          "255}, \"metadata\": {\"type\": \"object\"}, \"validation_data\": {\"description\": \"Values to be "
          "used to populate the corresponding image properties. If the image status is not 'queued', values "
          "must exactly match those already contained in the image properties.\", \"type\": \"object\", "
          "\"writeOnly\": true, \"additionalProperties\": false, \"properties\": {\"checksum\": {\"type\": "
          "\"string\", \"minLength\": 32, \"maxLength\": 32}, \"os_hash_algo\": {\"type\": \"string\", "
          "\"maxLength\": 64}, \"os_hash_value\": {\"type\": \"string\", \"maxLength\": 128}}, \"required\": "
          "[\"os_hash_algo\", \"os_hash_value\"]}}, \"required\": [\"url\", \"metadata\"]}, \"description\": "
          "\"A set of URLs to access the image file kept in external store\"" },
    { "location", ATTRIBUTE_NONE, 0, .writer = ATTRIBUTE_RESERVED },
};

const struct resource image_resource = { "images", attributes, COUNT(attributes) };

/* ---- statements ---- */

static struct image_sql sql;

static void sql_make(void)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    int n;

    resource_add_columns(&image_resource, &out);
    sql.columns = mem_str(str_text(&out));
    str_clear(&out);
    str_addf(&out, "SELECT %s FROM images WHERE id = ?1", sql.columns);
    sql.load = mem_str(str_text(&out));
    str_add(&out, " FOR UPDATE");
    sql.load_locked = mem_str(str_text(&out));
    str_clear(&out);
    resource_add_insert(&image_resource, &out);
    sql.insert = mem_str(str_text(&out));
    str_clear(&out);
    n = resource_add_update(&image_resource, &out);
    str_addf(&out, " WHERE id = ?%d AND status = ?%d AND NOT deleted", n, n + 1);
    sql.update = mem_str(str_text(&out));
}

const struct image_sql *image_sql(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, sql_make);
    return &sql;
}
