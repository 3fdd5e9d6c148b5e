/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "json/json.h"

#include <string.h>

static struct schema *schema;

static int open_schema(void **state)
{
    static const char *const disk[] = { "raw" }, *const container[] = { "bare" };
    struct schema_options o = { disk, container, 1, 1, NULL };
    struct error e;

    (void)state;
    return schema_open(&o, &schema, &e);
}

static int close_schema(void **state)
{
    (void)state;
    schema_free(schema);
    return 0;
}

static const struct {
    const char *body;
    enum error_kind kind;
    const char *message;
} refused_v21[] = {
    { "{}", ERROR_INVALID, "Request body must be a JSON array of operation objects." },
    { "[1]", ERROR_INVALID, "Operations must be JSON objects." },
    { "[{\"path\": \"/a\"}]", ERROR_INVALID,
      "Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace." },
    { "[{\"op\": \"test\", \"path\": \"/a\"}]", ERROR_INVALID,
      "Invalid operation: `test`. It must be one of the following: add, remove, replace." },
    { "[{\"op\": \"add\", \"value\": \"1\"}]", ERROR_INVALID, "Unable to find 'path' in JSON Schema change" },
    { "[{\"op\": \"add\", \"path\": \"/a\"}]", ERROR_INVALID,
      "Operation \"add\" requires a member named \"value\"." },
    { "[{\"op\": \"add\", \"path\": \"a\", \"value\": \"1\"}]", ERROR_INVALID,
      "Pointer `a` does not start with \"/\"." },
    { "[{\"op\": \"add\", \"path\": \"\", \"value\": \"1\"}]", ERROR_INVALID,
      "Pointer `` does not start with \"/\"." },
    { "[{\"op\": \"add\", \"path\": \"/a/\", \"value\": \"1\"}]", ERROR_INVALID,
      "Pointer `/a/` end with \"/\"." },
    { "[{\"op\": \"add\", \"path\": \"/a//b\", \"value\": \"1\"}]", ERROR_INVALID,
      "Pointer `/a//b` contains adjacent \"/\"." },
    { "[{\"op\": \"add\", \"path\": \"/a~2\", \"value\": \"1\"}]", ERROR_INVALID,
      "Pointer `/a~2` contains \"~\" not part of a recognized escape sequence." },
    { "[{\"op\": \"add\", \"path\": \"/a/b\", \"value\": \"1\"}]", ERROR_INVALID,
      "Invalid JSON pointer for this resource: '/a/b'" },
    { "[{\"op\": \"add\", \"path\": \"/tags/-\", \"value\": \"1\"}]", ERROR_INVALID,
      "Invalid JSON pointer for this resource: '/tags/-'" },
    { "[{\"op\": \"add\", \"path\": \"/locations\", \"value\": []}]", ERROR_INVALID,
      "Invalid JSON pointer for this resource: '/locations'" },
    { "[{\"op\": \"replace\", \"path\": \"/id\", \"value\": \"1\"}]", ERROR_FORBIDDEN,
      "Attribute 'id' is read-only." },
    { "[{\"op\": \"remove\", \"path\": \"/os_glance_x\"}]", ERROR_FORBIDDEN,
      "Attribute 'os_glance_x' is reserved." },
    { "[{\"op\": \"replace\", \"path\": \"/deleted\", \"value\": \"1\"}]", ERROR_FORBIDDEN,
      "Attribute 'deleted' is reserved." },
    { "[{\"op\": \"replace\", \"path\": \"/name\", \"value\": 1}]", ERROR_INVALID,
      "Provided object does not match schema 'image': 1 is not of type 'null', 'string'" },
};

static const struct {
    const char *body, *message;
} refused_v20[] = {
    { "[{}]",
      "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\"." },
    { "[{\"add\": \"/a\", \"remove\": \"/b\", \"value\": \"1\"}]",
      "Operation objects must contain only one member named \"add\", \"remove\", or \"replace\"." },
    { "[{\"add\": \"/a\"}]", "Operation \"add\" requires a member named \"value\"." },
};

static int parse(struct arena *a, enum patch_dialect dialect, json_t *body, struct patch_change **ret,
                 size_t *ret_n, struct error *e)
{
    error_clear(e);
    assert_non_null(body);
    return patch_parse(a, schema, dialect, body, ret, ret_n, e);
}

static void refusals(void **state)
{
    struct patch_change *changes;
    struct error e;
    size_t n;

    (void)state;
    for (size_t i = 0; i < COUNT(refused_v21) + COUNT(refused_v20); i++) {
        bool v21 = i < COUNT(refused_v21);
        size_t at = v21 ? i : i - COUNT(refused_v21);
        CLEANUP(json_drop)
        json_t *body = json_loads(v21 ? refused_v21[at].body : refused_v20[at].body, 0, NULL);
        struct arena *a = arena_make(512);

        assert_int_equal(parse(a, v21 ? PATCH_V21 : PATCH_V20, body, &changes, &n, &e), -1);
        assert_string_equal(e.message, v21 ? refused_v21[at].message : refused_v20[at].message);
        assert_int_equal(e.kind, v21 ? refused_v21[at].kind : ERROR_INVALID);
        arena_free(a);
    }
}

static void changes_in_order(void **state)
{
    CLEANUP(json_drop)
    json_t *body = json_loads("[{\"op\": \"add\", \"path\": \"/a~1b~0c\", \"value\": \"1\"}, {\"op\": "
                              "\"remove\", \"path\": \"/ x \"},"
                              " {\"op\": \"replace\", \"path\": \"/tags\", \"value\": [\"t\"]}, {\"op\": "
                              "\"remove\", \"path\": \"/locations/0\"},"
                              " {\"op\": \"add\", \"path\": \"/\", \"value\": \"empty\"}]",
                              0, NULL);
    struct arena *a = arena_make(512);
    struct patch_change *c;
    struct error e;
    size_t n;

    (void)state;
    assert_int_equal(parse(a, PATCH_V21, body, &c, &n, &e), 0);
    assert_int_equal(n, 5);
    assert_string_equal(c[0].path[0], "a/b~c");
    assert_int_equal(c[1].op, PATCH_REMOVE);
    assert_string_equal(c[1].path[0], "x");
    assert_true(json_is_array(c[2].value));
    assert_string_equal(c[3].path[1], "0");
    assert_string_equal(c[4].path[0], "");
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(changes_in_order),
    };

    return cmocka_run_group_tests(tests, open_schema, close_schema);
}
