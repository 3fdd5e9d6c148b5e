/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/stream.h"
#include "test.h"

#include <string.h>

static const struct {
    const char *text, *known_by;
} texts[] = {
    { "", "e3b0c44298fc1c149afbf4c8996fb924" },
    { "abc", "ba7816bf8f01cfea414140de5dae2223" },
    { "abd", "a52d159f262b2c6ddb724a61840befc3" },
};

static void half_of_sha256(void **state)
{
    char got[STREAM_FINGERPRINT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(stream_fingerprint(texts[i].text, strlen(texts[i].text), got));
        assert_string_equal(got, texts[i].known_by);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(half_of_sha256) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
