/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <string.h>

static void every_kind_has_an_answer(void **state)
{
    (void)state;
    for (int kind = ERROR_INVALID; kind < ERROR_KINDS; kind++) {
        assert_non_null(error_kinds[kind].name);
        CHECK_CASE(error_kinds[kind].name, error_kinds[kind].status >= 400 && error_kinds[kind].status < 600);
    }
}

static void error_is_told_once(void **state)
{
    struct error e;

    (void)state;
    assert_int_equal(error_errno(&e, ERROR_TOO_LARGE, ENOSPC, "No room for %s", "it"), -1);
    assert_int_equal(e.kind, ERROR_TOO_LARGE);
    assert_int_equal(e.status, 413);
    assert_string_equal(e.message, "No room for it");
    assert_string_equal(e.detail, "No space left on device (errno 28)");
    assert_int_equal(error_detail(&e, "and %d more", 2), -1);
    assert_string_equal(e.detail, "No space left on device (errno 28); and 2 more");
    assert_int_equal(error_as(&e, 409, "Other words"), -1);
    assert_int_equal(e.kind, ERROR_TOO_LARGE);
    assert_int_equal(e.status, 409);
    assert_string_equal(e.message, "Other words");
    error_clear(&e);
    assert_int_equal(e.kind, ERROR_NONE);
    assert_string_equal(e.message, "");
    error_detail(&e, "first");
    assert_string_equal(e.detail, "first");
}

/* It is the server that lacks something, whatever the call was for: 503, and not the caller's failure. */
static void exhaustion_is_unavailable(void **state UNUSED)
{
    static const int lacking[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN };
    static const enum error_kind kinds[] = { ERROR_INTERNAL, ERROR_INVALID, ERROR_NOT_FOUND,
                                             ERROR_FORBIDDEN };
    struct error e;

    for (size_t i = 0; i < COUNT(lacking); i++)
        for (size_t k = 0; k < COUNT(kinds); k++) {
            error_errno(&e, kinds[k], lacking[i], "It cannot be read");
            assert_int_equal(e.kind, ERROR_UNAVAILABLE);
            assert_int_equal(e.status, 503);
        }
    error_errno(&e, ERROR_TOO_LARGE, EDQUOT, "No room");
    assert_int_equal(e.status, 413);
    error_errno(&e, ERROR_INTERNAL, EIO, "It cannot be read");
    assert_int_equal(e.status, 500);
}

static void long_texts_are_cut_between_characters(void **state)
{
    char text[3 * ERROR_MESSAGE_MAX + 1];
    struct error e;

    (void)state;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (size_t i = 0; i < ERROR_MESSAGE_MAX; i++)
            memcpy(text + shift + 3 * i, "\xE2\x82\xAC", i + 1 < ERROR_MESSAGE_MAX ? 3 : 0);
        text[shift + 3 * (ERROR_MESSAGE_MAX - 1)] = '\0';
        error_set(&e, ERROR_INVALID, "%s", text);
        assert_true(strlen(e.message) < sizeof e.message && strlen(e.message) > sizeof e.message - 5);
        assert_true(str_utf8_len(e.message, strlen(e.message)) > 0);
        for (int i = 0; i < 3; i++)
            error_detail(&e, "%s", text);
        assert_true(strlen(e.detail) < sizeof e.detail);
        assert_true(str_utf8_len(e.detail, strlen(e.detail)) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_an_answer),
        cmocka_unit_test(error_is_told_once),
        cmocka_unit_test(exhaustion_is_unavailable),
        cmocka_unit_test(long_texts_are_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
