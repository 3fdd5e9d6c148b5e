/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *text;
    bool valid;
} texts[] = {
    { "123e4567-e89b-42d3-a456-426614174000", true },   { "123E4567-E89B-42D3-A456-426614174000", true },
    { "00000000-0000-0000-0000-000000000000", true },   { "123e4567-e89b-42d3-a456-42661417400", false },
    { "123e4567-e89b-42d3-a456-4266141740000", false }, { "123e4567e89b42d3a456426614174000", false },
    { "123e4567-e89b-42d3-a4564-26614174000", false },  { "123e4567-e89b-42d3-a456-42661417400g", false },
    { "{123e4567-e89b-42d3-a456-42661417400}", false }, { "", false },
};

static void uuid_knows_its_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        CHECK_CASE(texts[i].text, uuid_valid(texts[i].text) == texts[i].valid);
}

static void uuid_makes_new_ones(void **state)
{
    char made[200][UUID_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(made); i++) {
        uuid_make(made[i]);
        assert_true(uuid_valid(made[i]));
        assert_int_equal(made[i][14], '4');
        assert_non_null(strchr("89ab", made[i][19]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(made[i], made[j]);
    }
}

static void a_forked_process_makes_others(void **state)
{
    char first[UUID_TEXT_MAX], ours[UUID_TEXT_MAX], theirs[UUID_TEXT_MAX];
    int fds[2];
    pid_t pid;

    (void)state;
    uuid_make(first);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        uuid_make(theirs);
        _exit(write(fds[1], theirs, sizeof theirs) == (ssize_t)sizeof theirs ? 0 : 1);
    }
    uuid_make(ours);
    assert_int_equal(read(fds[0], theirs, sizeof theirs), sizeof theirs);
    waitpid(pid, NULL, 0);
    assert_string_not_equal(ours, theirs);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuid_knows_its_form),
        cmocka_unit_test(uuid_makes_new_ones),
        cmocka_unit_test(a_forked_process_makes_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
