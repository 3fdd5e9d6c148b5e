/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "work/source.h"
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
    { "glint", "import_networks", OPTION_LIST, "" },
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

static const char *const private[] = { "glint.import_networks=10.0.0.0/8,fd00::/8,127.0.0.2", NULL };
static const char *const eighty[] = { "import_filtering_opts.allowed_ports=[8080]", NULL };

/* What imports may fetch, and what is asked for then; asked NULL: nothing. */
static const struct {
    const char *url;
    const char *const *lists;
    bool allowed;
    const char *asked;
} imports[] = {
    { "http://1.1.1.1/x", standard, true, "http://1.1.1.1:80/x" },
    { "HTTPS://1.1.1.1", standard, true, "https://1.1.1.1:443/" },
    { " http://1.1.1.1/x?a=b&c#d ", standard, true, "http://1.1.1.1:80/x?a=b&c" },
    { "http://1.1.1.1?x", standard, true, "http://1.1.1.1:80/?x" },
    { "http://1.1.1.1/\xC3\xBC", standard, true, "http://1.1.1.1:80/%C3%BC" },
    { "http://[2606:4700::1111]/x", standard, true, "http://[2606:4700::1111]:80/x" },
    { "http://[64:ff9b::101:101]/x", standard, true, "http://[64:ff9b::101:101]:80/x" },
    { "http://user:word@1.1.1.1/x", standard, true, NULL },
    { "http://1.1.1.1@2.2.2.2/x", standard, true, NULL },
    { "http://1.1.1.1:0/x", standard, true, NULL },
    { "http://1.1.1.1/a b", standard, true, NULL },
    { "http://1.1.1.1/a\r\nHost: b", standard, true, NULL },
    { "http://1.1.1.1/a\tb", standard, true, NULL },
    { "http://1.1.1.1/\\", standard, true, NULL },
    { "http://1.1.1.1:8080/x", standard, false, NULL },
    { "http://1.1.1.1:8080/x", eighty, true, "http://1.1.1.1:8080/x" },
    { "http://1.1.1.1/x", eighty, false, NULL },
    { "ftp://1.1.1.1/x", open_lists, false, NULL },
    { "gopher://1.1.1.1/x", open_lists, false, NULL },
    { "file:///etc/passwd", open_lists, false, NULL },
    { "http:1.1.1.1", standard, false, NULL },
    { "http:///x", standard, false, NULL },
    { "", standard, false, NULL },
    { "http://10.0.0.1/x", standard, false, NULL },
    { "http://100.64.0.1/x", standard, false, NULL },
    { "http://172.16.0.1/x", standard, false, NULL },
    { "http://192.168.0.1/x", standard, false, NULL },
    { "http://169.254.169.254/x", standard, false, NULL },
    { "http://127.0.0.1/x", standard, false, NULL },
    { "http://127.1/x", standard, false, NULL },
    { "http://127.0.0.1./x", standard, false, NULL },
    { "http://127.0.0.1\\@1.1.1.1/", standard, true, NULL },
    { "http://0/x", standard, false, NULL },
    { "http://2130706433/x", standard, false, NULL },
    { "http://0x7f000001/x", standard, false, NULL },
    { "http://0x7f.1/x", standard, false, NULL },
    { "http://017700000001/x", standard, false, NULL },
    { "http://0177.0.0.1/x", standard, false, NULL },
    { "http://127.0x0.0.1/x", standard, false, NULL },
    { "http://\xEF\xBC\x91\xEF\xBC\x92\xEF\xBC\x97.0.0.1/x", standard, false, NULL },
    { "http://127\xE3\x80\x82"
      "0.0.1/x",
      standard, false, NULL },
    { "http://[::1]/x", standard, false, NULL },
    { "http://[::]/x", standard, false, NULL },
    { "http://[::ffff:127.0.0.1]/x", standard, false, NULL },
    { "http://[::ffff:7f00:1]/x", standard, false, NULL },
    { "http://[64:ff9b::7f00:1]/x", standard, false, NULL },
    { "http://[2002:7f00:1::]/x", standard, false, NULL },
    { "http://[fe80::1%25eth0]/x", standard, false, NULL },
    { "http://[fe80::1%eth0]/x", standard, false, NULL },
    { "http://[127.0.0.1]/x", standard, false, NULL },
    { "http://[1.1.1.1]/x", standard, false, NULL },
    { "http://[fd00::1]/x", standard, false, NULL },
    { "http://10.0.0.1/x", private, true, "http://10.0.0.1:80/x" },
    { "http://[::ffff:10.0.0.1]/x", private, true, "http://[::ffff:10.0.0.1]:80/x" },
    { "http://[64:ff9b::10.0.0.1]/x", private, false, NULL },
    { "http://[fd00::1]/x", private, true, "http://[fd00::1]:80/x" },
    { "http://127.0.0.2/x", private, true, "http://127.0.0.2:80/x" },
    { "http://127.0.0.1/x", private, false, NULL },
    { "http://192.168.0.1/x", private, false, NULL },
    { "http://127.0.0.1:9292/x", here, true, "http://127.0.0.1:9292/x" },
    { "http://127.0.0.1:22/x", here, false, NULL },
    { "http://1.1.1.1/x", here, false, NULL },
    { "http://a.b c/", standard, false, NULL },
    { "http://no.such.host.invalid/x", standard, false, NULL },
};

static struct config *config_of(const char *const *lists, struct source_filter *ret)
{
    const struct config_input in = { .options = options, .overrides = lists };
    struct config *c;
    struct error e;

    if (config_read(&in, &c, &e) < 0)
        fail_msg("%s", e.message);
    source_filter_read(c, ret);
    return c;
}

static void imports_are_filtered(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(imports); i++) {
        struct arena *a = arena_make(1024);
        struct source_filter f;
        struct config *c = config_of(imports[i].lists, &f);
        struct source_gate g = { .filter = &f, .arena = a };
        struct fetch_target t;
        struct error e;
        int admitted = source_admit(&g, imports[i].url, &t, &e);

        CHECK_CASE(imports[i].url, source_allowed_import(&f, imports[i].url) == imports[i].allowed);
        CHECK_CASE(imports[i].url, (admitted == 0) == (imports[i].asked != NULL));
        if (admitted == 0)
            CHECK_CASE(imports[i].url, str_eq(t.url, imports[i].asked) && t.n_addresses == 1 && t.literal);
        config_free(c);
        arena_free(a);
    }
}

static void encryption_is_not_given_up(void **state UNUSED)
{
    struct arena *a = arena_make(1024);
    struct source_filter f;
    struct config *c = config_of(standard, &f);
    struct source_gate g = { .filter = &f, .arena = a };
    struct fetch_target t;
    struct error e;

    assert_int_equal(source_admit(&g, "http://1.1.1.1/", &t, &e), 0);
    assert_int_equal(source_admit(&g, "https://1.1.1.1/", &t, &e), 0);
    assert_int_equal(source_admit(&g, "https://1.1.1.2/", &t, &e), 0);
    assert_int_equal(source_admit(&g, "http://1.1.1.1/", &t, &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    config_free(c);
    arena_free(a);
}

static void sources_are_filtered(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct source_filter f;
        struct config *c = config_of(cases[i].lists, &f);

        CHECK_CASE(cases[i].url, source_allowed(&f, cases[i].url) == cases[i].allowed);
        config_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sources_are_filtered),
                                        cmocka_unit_test(imports_are_filtered),
                                        cmocka_unit_test(encryption_is_not_given_up) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
