/* SPDX-License-Identifier: Apache-2.0 */
#include "api/routes.h"
#include "base/metrics.h"
#include "service.h"
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
    for (size_t i = 0; i < api_routes.n; i++) {
        bool open = str_starts(api_routes.items[i].template, "/v2/schemas/") ||
                    str_starts(api_routes.items[i].template, "/v2/info/");

        CHECK_CASE(api_routes.items[i].template,
                   api_routes.items[i].rule ? is_default(api_routes.items[i].rule) : open);
    }
}

/* "/v2/images/{image_id}/file" -> "/v2/images/x/file" */
static void fill_template(const char *template, struct str *out)
{
    while (*template) {
        size_t n = strcspn(template, "{");

        str_addf(out, "%.*s%s", (int)n, template, template[n] ? "x" : "");
        template += n;
        template += strcspn(template, "}");
        template += *template == '}';
    }
}

static void every_route_is_matched_and_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < api_routes.n; i++) {
        CLEANUP(str_done) struct str target = STR_INIT;
        struct call c = { .method = api_routes.items[i].method, .roles = "admin" };

        fill_template(api_routes.items[i].template, &target);
        c.target = str_text(&target);
        assert_null(api_routes.series[i].seconds);
        service_status(&service, &c);
        CHECK_CASE(api_routes.items[i].template,
                   api_routes.series[i].seconds && metric_value(api_routes.series[i].seconds) == 1);
    }
}

static void unknown_paths_are_counted_after_the_last_route(void **state)
{
    struct call c = { .method = "GET", .target = "/v2/nothing/here", .roles = "admin" };

    (void)state;
    assert_null(api_routes.series[api_routes.n].seconds);
    assert_int_equal(service_status(&service, &c), 404);
    assert_int_equal(metric_value(api_routes.series[api_routes.n].seconds), 1);
    assert_int_equal(metric_value(api_routes.series[api_routes.n].requests[404 - STATUS_MIN]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_names_its_rule),
        cmocka_unit_test(every_route_is_matched_and_counted),
        cmocka_unit_test(unknown_paths_are_counted_after_the_last_route),
    };

    return SERVICE_RUN(tests, true, NULL);
}
