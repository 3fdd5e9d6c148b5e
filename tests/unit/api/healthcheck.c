/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <stdio.h>

#include "api/core/healthcheck.h"

static const struct {
    const char *name, *option, *peer,
        *header; /* option of [healthcheck], without the group; header: its name */
    int status;
} rows[] = {
    { "everybody", NULL, "198.51.100.1", NULL, 200 },
    { "an address", "allowed_source_ranges=10.0.0.0/8,127.0.0.1", "127.0.0.1", NULL, 200 },
    { "another address", "allowed_source_ranges=10.0.0.0/8,127.0.0.1", "127.0.0.2", NULL, 404 },
    { "inside a network", "allowed_source_ranges=10.32.0.0/11", "10.63.255.255", NULL, 200 },
    { "just outside it", "allowed_source_ranges=10.32.0.0/11", "10.64.0.0", NULL, 404 },
    { "every address of the other kind", "allowed_source_ranges=0.0.0.0/0", "::1", NULL, 404 },
    { "the other kind", "allowed_source_ranges=0.0.0.0/0,2001:db8::/33", "2001:db8:7fff::1", NULL, 200 },
    { "outside the other kind", "allowed_source_ranges=2001:db8::/33", "2001:db8:8000::1", NULL, 404 },
    { "no address at all", "allowed_source_ranges=0.0.0.0/0,::/0", "-", NULL, 404 },
    { "through a proxy", "ignore_proxied_requests=true", "127.0.0.1", "X-Forwarded-For", 404 },
    { "another header", "ignore_proxied_requests=true", "127.0.0.1", "Forwarded", 200 },
    { "proxies are welcome", NULL, "127.0.0.1", "X-Forwarded-For", 200 },
};

static void who_may_ask(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        CLEANUP(loopback_done) struct loopback_answer a;
        struct http_header header = { rows[i].header, "192.0.2.1" };
        struct loopback_request rq = { .target = "/healthcheck",
                                       .peer = rows[i].peer,
                                       .headers = &header,
                                       .n_headers = rows[i].header != NULL };
        char option[128];
        const char *overrides[] = { rows[i].option ? option : NULL, NULL };
        struct service s;

        snprintf(option, sizeof option, "healthcheck.%s", rows[i].option ? rows[i].option : "");
        service_start(&s, true, overrides);
        loopback_run(&s.http, &rq, &a);
        CHECK_CASE(rows[i].name, a.status == rows[i].status);
        service_stop(&s);
    }
}

static const char *const refused[] = {
    "backends=disable_by_file,enable_by_files",
    "backends=ping",
    "allowed_source_ranges=10.0.0.1/8",
    "allowed_source_ranges=10.0.0.0/33",
    "allowed_source_ranges=2001:db8::/129",
    "allowed_source_ranges=example.org",
    "allowed_source_ranges=10.0.0.0/",
    "disable_by_file_paths=/off",
    "disable_by_file_paths=http:/off",
    "disable_by_file_paths=65536:/off",
    "detailed=perhaps",
};

static void options_that_cannot_be(void **state)
{
    const char *none[] = { NULL };
    struct arena *a = arena_make(256);
    struct config *c;
    struct error e;

    (void)state;
    assert_int_equal(config_read(&(struct config_input){ .options = conf_options }, &c, &e), 0);
    for (size_t i = 0; i < COUNT(refused); i++) {
        const char *options[] = { refused[i], NULL };
        struct filter f = { FILTER_HEALTHCHECK, "h", options }, fine = { FILTER_HEALTHCHECK, "h", none };
        const struct healthcheck *h;

        CHECK_CASE(refused[i],
                   healthcheck_make(a, &(struct healthcheck_mount){ "/h", false, &f }, c, &h, &e) < 0);
        CHECK_CASE(refused[i], *e.message);
        CHECK_CASE("no options",
                   healthcheck_make(a, &(struct healthcheck_mount){ "/h", false, &fine }, c, &h, &e) == 0);
    }
    config_free(c);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_ask),
        cmocka_unit_test(options_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
