/* SPDX-License-Identifier: Apache-2.0 */
#include "api/request.h"
#include "test.h"

static bool is_default(const char *rule)
{
    for (const struct policy_default *d = policy_defaults; d->name; d++)
        if (str_eq(d->name, rule))
            return true;
    return false;
}

/* Documents about the API itself are for everybody. */
static void every_route_names_its_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < routes_n; i++) {
        bool open =
            str_starts(routes[i].template, "/v2/schemas/") || str_starts(routes[i].template, "/v2/info/");

        CHECK_CASE(routes[i].template, routes[i].rule ? is_default(routes[i].rule) : open);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_route_names_its_rule) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
