/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "json/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const disk_formats[] = { "raw", "qcow2" };
static const char *const container_formats[] = { "bare", "ovf" };

static struct schema *open_schema(const char *file, struct error *e)
{
    struct schema_options o = { disk_formats, container_formats, COUNT(disk_formats),
                                COUNT(container_formats), file };
    struct schema *s = NULL;

    error_clear(e);
    if (schema_open(&o, &s, e) < 0)
        return NULL;
    return s;
}

#define PREFIX "Provided object does not match schema 'image': "

/* The message of python-jsonschema, or NULL where the body is fine. */
static const struct {
    const char *body, *message;
} rows[] = {
    { "{}", NULL },
    { "{\"name\": null, \"min_ram\": 1.0, \"tags\": [\"a\"], \"foo\": \"bar\", \"\": \"x\"}", NULL },
    { "{\"name\": 1}", "1 is not of type 'null', 'string'" },
    { "{\"name\": [\"it's\"]}", "[\"it's\"] is not of type 'null', 'string'" },
    { "{\"name\": {\"a\": [1, \"b\", true, null]}}",
      "{'a': [1, 'b', True, None]} is not of type 'null', 'string'" },
    { "{\"name\": 1.5}", "1.5 is not of type 'null', 'string'" },
    { "{\"name\": 1e30}", "1e+30 is not of type 'null', 'string'" },
    { "{\"protected\": 1}", "1 is not of type 'boolean'" },
    { "{\"min_ram\": true}", "True is not of type 'integer'" },
    { "{\"min_ram\": 1.5}", "1.5 is not of type 'integer'" },
    { "{\"foo\": null}", "None is not of type 'string'" },
    { "{\"disk_format\": \"bad\"}", "'bad' is not one of [None, 'raw', 'qcow2']" },
    { "{\"disk_format\": null}", NULL },
    { "{\"visibility\": 1}", "1 is not of type 'string'" },
    { "{\"id\": \"bad\"}",
      "'bad' does not match "
      "'^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'" },
    { "{\"locations\": [{\"url\": \"x\"}]}", "'metadata' is a required property" },
    { "{\"locations\": [1]}", "1 is not of type 'object'" },
    { "{\"locations\": [{\"url\": \"x\", \"metadata\": {}, \"validation_data\": {\"os_hash_algo\": \"x\", "
      "\"os_hash_value\": \"y\", \"z\": 1}}]}",
      "Additional properties are not allowed ('z' was unexpected)" },
    { "{\"kernel_id\": \"x\"}",
      "'x' does not match "
      "'^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$'" },
    /* of several: the least deep, then the last by path */
    { "{\"name\": 1, \"zoo\": 2}", "2 is not of type 'string'" },
    { "{\"b\": 1, \"a\": 2}", "1 is not of type 'string'" },
    { "{\"tags\": [1, 2]}", "2 is not of type 'string'" },
    { "{\"tags\": [2], \"a\": 1}", "1 is not of type 'string'" },
};

static void messages(void **state)
{
    struct error e;
    struct schema *s = open_schema(NULL, &e);

    (void)state;
    assert_non_null(s);
    for (size_t i = 0; i < COUNT(rows); i++) {
        CLEANUP(json_drop) json_t *body = json_parse(rows[i].body, strlen(rows[i].body));
        char wanted[1024];
        int status;

        error_clear(&e);
        assert_non_null(body);
        status = schema_check_image(s, body, &e);
        CHECK_CASE(rows[i].body, (status < 0) == (rows[i].message != NULL));
        if (rows[i].message) {
            snprintf(wanted, sizeof wanted, PREFIX "%s", rows[i].message);
            assert_string_equal(e.message, wanted);
            assert_int_equal(e.kind, ERROR_INVALID);
        }
    }
    schema_free(s);
}

#define TASK_PREFIX "Provided object does not match schema 'task': "

/* As Glance 33 answers POST /v2/tasks. */
static const struct {
    const char *body, *message;
} tasks[] = {
    { "{\"type\": \"import\", \"input\": {\"a\": [1]}}", NULL },
    { "{\"type\": \"import\", \"input\": null, \"status\": \"success\", \"owner\": \"x\"}", NULL },
    { "{\"type\": null, \"input\": {}}",
      "None is not one of ['import', 'api_image_import', 'location_import']" },
    { "{\"type\": \"import\", \"input\": []}", "[] is not of type 'null', 'object'" },
    { "{\"type\": \"import\", \"extra\": 1}",
      "Additional properties are not allowed ('extra' was unexpected)" },
    { "{\"type\": \"import\", \"status\": \"no\"}",
      "'no' is not one of ['pending', 'processing', 'success', 'failure']" },
};

static void messages_of_tasks(void **state)
{
    struct error e;

    (void)state;
    for (size_t i = 0; i < COUNT(tasks); i++) {
        CLEANUP(json_drop) json_t *body = json_parse(tasks[i].body, strlen(tasks[i].body));
        char wanted[1024];

        CHECK_CASE(tasks[i].body, (schema_check_task(body, &e) < 0) == (tasks[i].message != NULL));
        if (tasks[i].message) {
            snprintf(wanted, sizeof wanted, TASK_PREFIX "%s", tasks[i].message);
            assert_string_equal(e.message, wanted);
        }
    }
}

static void length_counts_characters(void **state)
{
    CLEANUP(str_done) struct str body = STR_INIT;
    struct error e;
    struct schema *s = open_schema(NULL, &e);

    (void)state;
    for (int n = 255; n <= 256; n++) {
        json_t *j;

        str_clear(&body);
        str_add(&body, "{\"name\": \"");
        for (int i = 0; i < n; i++)
            str_add(&body, "\xC5\xBC");
        str_add(&body, "\"}");
        j = json_parse(str_text(&body), body.len);
        assert_int_equal(schema_check_image(s, j, &e), n == 255 ? 0 : -1);
        json_decref(j);
    }
    schema_free(s);
}

/* A schema file of an operator, flat or extended. */
static struct schema *with_file(const char *content, struct error *e)
{
    char path[] = "/tmp/glint-schema-XXXXXX";
    int fd = mkstemp(path);
    struct schema *s;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
    s = open_schema(path, e);
    unlink(path);
    return s;
}

static void declared_properties(void **state)
{
    struct error e;
    struct schema *s = with_file("{\"properties\": {\"cpu\": {\"type\": \"string\", \"enum\": [\"a\", "
                                 "\"b\"]}}, \"required\": [\"cpu\"]}",
                                 &e);
    CLEANUP(json_drop)
    json_t *none = json_loads("{}", 0, NULL), *bad = json_loads("{\"cpu\": \"c\"}", 0, NULL),
           *good = json_loads("{\"cpu\": \"a\"}", 0, NULL);

    (void)state;
    assert_non_null(s);
    assert_int_equal(schema_check_image(s, none, &e), -1);
    assert_string_equal(e.message, PREFIX "'cpu' is a required property");
    assert_int_equal(schema_check_image(s, bad, &e), -1);
    assert_string_equal(e.message, PREFIX "'c' is not one of ['a', 'b']");
    assert_int_equal(schema_check_image(s, good, &e), 0);
    assert_non_null(strstr(schema_image_text(s),
                           "\"cpu\": {\"type\": \"string\", \"enum\": [\"a\", \"b\"], \"is_base\": false}"));
    assert_false(schema_is_base(s, "cpu"));
    assert_true(schema_is_base(s, "name"));
    schema_free(s);
}

static void bad_files_are_refused(void **state)
{
    struct error e;

    (void)state;
    assert_null(with_file("[", &e));
    assert_null(with_file("[]", &e));
    assert_null(with_file("{\"a\": 1}", &e));
    assert_null(with_file("{\"name\": {\"type\": \"string\"}}", &e));
    assert_null(open_schema("/nonexistent/schema-image.json", &e));
    assert_int_equal(e.kind, ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),
        cmocka_unit_test(messages_of_tasks),
        cmocka_unit_test(length_counts_characters),
        cmocka_unit_test(declared_properties),
        cmocka_unit_test(bad_files_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
