/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <string.h>

static const char *const some[] = { "cors.allowed_origin=http://a,null,https://b:8443",
                                    "cors.allow_methods=GET,PUT",
                                    "cors.allow_headers=X-Auth-Token,x-low",
                                    "cors.expose_headers=X-Out, x-also",
                                    "cors.max_age=7",
                                    NULL };
static const char *const any[] = { "cors.allowed_origin=*", "cors.allow_credentials=false", "cors.max_age=0",
                                   "cors.expose_headers=", NULL };
static const char *const none[] = { NULL };

static const struct {
    const char *name;
    const char *const *options;
    const char *method, *target, *origin, *wanted, *headers; /* NULL: no such header */
    const char *ret_origin, *ret_credentials, *ret_exposed, *ret_age, *ret_methods, *ret_headers;
} rows[] = {
    { "a simple request", some, "GET", "/v2/images", "http://a", NULL, NULL, "http://a", "true",
      "X-Out,x-also", NULL, NULL, NULL },
    { "an error", some, "GET", "/v2/nope", "null", NULL, NULL, "null", "true", "X-Out,x-also", NULL, NULL,
      NULL },
    { "a port belongs to the origin", some, "GET", "/v2/images", "https://b", NULL, NULL, NULL, NULL, NULL,
      NULL, NULL, NULL },
    { "so does the case", some, "GET", "/v2/images", "HTTP://a", NULL, NULL, NULL, NULL, NULL, NULL, NULL,
      NULL },
    { "no origin", some, "GET", "/v2/images", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { "nobody is listed", none, "GET", "/v2/images", "http://a", NULL, NULL, NULL, NULL, NULL, NULL, NULL,
      NULL },
    { "everybody is", any, "GET", "/v2/images", "http://x", NULL, NULL, "*", NULL, NULL, NULL, NULL, NULL },
    { "the health check is not behind the filter", some, "GET", "/healthcheck", "http://a", NULL, NULL, NULL,
      NULL, NULL, NULL, NULL, NULL },
    { "a preflight", some, "OPTIONS", "/v2/images", "http://a", "PUT", "X-LOW , x-auth-token,,", "http://a",
      "true", NULL, "7", "PUT", "X-LOW,x-auth-token" },
    { "simple headers need no listing", some, "OPTIONS", "/nope", "http://a", "GET", "accept,Last-Modified",
      "http://a", "true", NULL, "7", "GET", "accept,Last-Modified" },
    { "another header", some, "OPTIONS", "/v2/images", "http://a", "GET", "accept,x-other", NULL, NULL, NULL,
      NULL, NULL, NULL },
    { "another method", some, "OPTIONS", "/v2/images", "http://a", "POST", NULL, NULL, NULL, NULL, NULL, NULL,
      NULL },
    { "methods have a case", some, "OPTIONS", "/v2/images", "http://a", "get", NULL, NULL, NULL, NULL, NULL,
      NULL, NULL },
    { "no method", some, "OPTIONS", "/v2/images", "http://a", NULL, "accept", NULL, NULL, NULL, NULL, NULL,
      NULL },
    { "a preflight of another origin", some, "OPTIONS", "/v2/images", "http://b", "GET", NULL, NULL, NULL,
      NULL, NULL, NULL, NULL },
    { "of anybody", any, "OPTIONS", "/versions", "http://b", "GET", "X-Auth-Token", "*", NULL, NULL, NULL,
      "GET", "X-Auth-Token" },
};

static void answer_is(const struct loopback_answer *a, size_t i)
{
    const char *const got[] = { loopback_header(a, "Access-Control-Allow-Origin"),
                                loopback_header(a, "Access-Control-Allow-Credentials"),
                                loopback_header(a, "Access-Control-Expose-Headers"),
                                loopback_header(a, "Access-Control-Max-Age"),
                                loopback_header(a, "Access-Control-Allow-Methods"),
                                loopback_header(a, "Access-Control-Allow-Headers"),
                                loopback_header(a, "Vary") };
    const char *const want[] = { rows[i].ret_origin,
                                 rows[i].ret_credentials,
                                 rows[i].ret_exposed,
                                 rows[i].ret_age,
                                 rows[i].ret_methods,
                                 rows[i].ret_headers,
                                 rows[i].ret_origin ? "Origin" : NULL };

    for (size_t k = 0; k < COUNT(got); k++)
        CHECK_CASE(rows[i].name, str_eq(got[k], want[k]));
    CHECK_CASE(rows[i].name, !str_eq(rows[i].method, "OPTIONS") || a->status == 200);
}

static void cross_origin_answers(void **state)
{
    const char *const *running = NULL;
    struct service s = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        CLEANUP(loopback_done) struct loopback_answer a;
        struct http_header headers[5] = { { "X-Identity-Status", "Confirmed" }, { "X-Roles", "reader" } };
        struct loopback_request rq = {
            .method = rows[i].method, .target = rows[i].target, .headers = headers, .n_headers = 2
        };

        if (rows[i].options != running) {
            if (running)
                service_stop(&s);
            running = rows[i].options;
            service_start(&s, true, running);
        }
        if (rows[i].origin)
            headers[rq.n_headers++] = (struct http_header){ "Origin", rows[i].origin };
        if (rows[i].wanted)
            headers[rq.n_headers++] = (struct http_header){ "Access-Control-Request-Method", rows[i].wanted };
        if (rows[i].headers)
            headers[rq.n_headers++] =
                (struct http_header){ "Access-Control-Request-Headers", rows[i].headers };
        loopback_run(&s.http, &rq, &a);
        answer_is(&a, i);
    }
    service_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cross_origin_answers) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
