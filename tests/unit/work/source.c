/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "work/work.h"

#define LISTS(as, ds, ah, dh, ap, dp)                                                                        \
    {                                                                                                        \
        "import_filtering_opts.allowed_schemes=" as, "import_filtering_opts.disallowed_schemes=" ds,         \
            "import_filtering_opts.allowed_hosts=" ah, "import_filtering_opts.disallowed_hosts=" dh,         \
            "import_filtering_opts.allowed_ports=" ap, "import_filtering_opts.disallowed_ports=" dp, NULL    \
    }

static const struct option options[] = {
    { "import_filtering_opts", "allowed_schemes", OPTION_BOUNDED_LIST, "[http,https]" },
    { "import_filtering_opts", "disallowed_schemes", OPTION_BOUNDED_LIST, "[]" },
    { "import_filtering_opts", "allowed_hosts", OPTION_BOUNDED_LIST, "[]" },
    { "import_filtering_opts", "disallowed_hosts", OPTION_BOUNDED_LIST, "[]" },
    { "import_filtering_opts", "allowed_ports", OPTION_BOUNDED_LIST, "[80,443]" },
    { "import_filtering_opts", "disallowed_ports", OPTION_BOUNDED_LIST, "[]" },
    { NULL },
};

static const char *const standard[] = { NULL };
static const char *const here[] = LISTS("[http,https]", "[]", "[127.0.0.1,::1]", "[10.0.0.1]", "[]", "[22]");
static const char *const open_lists[] = LISTS("[]", "[ftp]", "[]", "[10.0.0.1,fd00::1]", "[]", "[22,25]");

static const struct {
    const char *url;
    const char *const *lists;
    bool allowed;
} cases[] = {
    { "http://10.0.0.1/x", standard, true },
    { "https://10.0.0.1/x", standard, true },
    { "http://10.0.0.1:80/x", standard, true },
    { "http://10.0.0.1:443/x", standard, true },
    { "HTTP://10.0.0.1/x", standard, true },
    { "http://user:word@10.0.0.1/x", standard, true },
    { "http://[2001:db8::1]/x", standard, true },
    { "http://10.0.0.1:8080/x", standard, false },
    { "http://10.0.0.1:port/x", standard, false },
    { "http://10.0.0.1:65536/x", standard, false },
    { "ftp://10.0.0.1/x", standard, false },
    { "file:///etc/passwd", standard, false },
    { "//10.0.0.1/x", standard, false },
    { "10.0.0.1", standard, false },
    { "", standard, false },
    { "http://", standard, false },
    { "http:///x", standard, false },
    { "http://127.0.0.1/x", standard, false },
    { "http://127.9.9.9/x", standard, false },
    { "http://10.0.0.1@127.0.0.1/x", standard, false },
    { "http://169.254.169.254/x", standard, false },
    { "http://0.0.0.0/x", standard, false },
    { "http://0/x", standard, false },
    { "http://2130706433/x", standard, false },
    { "http://127.1/x", standard, false },
    { "http://0x7f000001/x", standard, false },
    { "http://[::1]/x", standard, false },
    { "http://[::]/x", standard, false },
    { "http://[::ffff:127.0.0.1]/x", standard, false },
    { "http://[fe80::1]/x", standard, false },
    { "http://[::1/x", standard, false },
    { "http://no.such.host.invalid/x", standard, false },
    { "http://127.0.0.1:9292/x", here, true },
    { "http://[::1]:9292/x", here, true },
    { "http://[0:0:0:0:0:0:0:1]/x", here, true },
    { "http://127.0.0.1:22/x", here, false },
    { "http://127.0.0.2/x", here, false },
    { "http://10.0.0.1/x", here, false }, /* what is allowed has priority, and it is not among that */
    { "http://10.0.0.2:8080/x", open_lists, true },
    { "gopher://10.0.0.2/x", open_lists, true },
    { "ftp://10.0.0.2/x", open_lists, false },
    { "http://10.0.0.1/x", open_lists, false },
    { "http://[fd00::1]/x", open_lists, false },
    { "http://10.0.0.2:25/x", open_lists, false },
    { "http://127.0.0.1/x", open_lists, false },
};

static void sources_are_filtered(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct config_input in = { .options = options, .overrides = cases[i].lists };
        struct source_filter f;
        struct config *c;
        struct error e;

        if (config_read(&in, &c, &e) < 0)
            fail_msg("%s", e.message);
        source_filter_read(c, &f);
        CHECK_CASE(cases[i].url, source_allowed(&f, cases[i].url) == cases[i].allowed);
        config_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sources_are_filtered) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
