/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "peers/hosts.h"

static const struct option options[] = {
    { "DEFAULT", "worker_self_reference_url", OPTION_STRING, NULL },
    { "DEFAULT", "public_endpoint", OPTION_STRING, NULL },
    { "glint", "staging_shared", OPTION_BOOL, "false" },
    { "glint", "peers", OPTION_LIST, "" },
    { "glint", "peer_ca_file", OPTION_STRING, NULL },
    { .name = NULL },
};

static struct config *config_of(const char *const *overrides, struct hosts *ret)
{
    struct config_input in = { .options = options, .overrides = overrides };
    struct config *c = NULL;
    struct error e;

    assert_int_equal(config_read(&in, &c, &e), 0);
    hosts_read(c, ret);
    return c;
}

#define A      "http://a:9292"
#define OWN    "DEFAULT.worker_self_reference_url=http://a:9292"
#define PUBLIC "DEFAULT.public_endpoint=http://all/image/"
#define SHARED "glint.staging_shared=true"

static const struct {
    const char *name, *overrides[4], *own, *self, *place;
} settings[] = {
    { "nothing is told", { NULL }, "", "", "" },
    { "its own name is also the place of its jobs", { OWN, NULL }, A, A, A },
    { "a name that all have is no place", { PUBLIC, NULL }, "", "http://all/image/", "" },
    { "its own name goes first", { PUBLIC, OWN, NULL }, A, A, A },
    { "who shares still takes the jobs that have its place", { PUBLIC, OWN, SHARED, NULL }, A, "", "" },
};

static void what_is_told_of_this_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(settings); i++) {
        struct hosts h = { 0 };
        struct config *c = config_of(settings[i].overrides, &h);

        CHECK_CASE(settings[i].name, str_eq(h.name, settings[i].own) && str_eq(h.self, settings[i].self) &&
                                         str_eq(h.place, settings[i].place));
        config_free(c);
    }
}

static const struct {
    const char *name, *stage, *hash;
    bool shared;
    const char *expected;
} images[] = {
    { "nobody has it", NULL, NULL, false, NULL },
    { "a null value is nobody", "", NULL, false, NULL },
    { "this one has it", "http://a:9292", NULL, false, NULL },
    { "spelled otherwise", "HTTP://A:9292/", NULL, false, NULL },
    { "another one has it", "http://b:9292", NULL, false, "http://b:9292" },
    { "a path tells two apart", "http://a:9292/image", NULL, false, "http://a:9292/image" },
    { "another one reads it", NULL, "http://b:9292", false, "http://b:9292" },
    { "staged here, read elsewhere", "http://a:9292", "http://b", false, "http://b" },
    { "staging is asked about first", "http://b", "http://c", false, "http://b" },
    { "what is shared is nowhere else", "http://b", NULL, true, NULL },
    { "hashes are not shared", "http://b", "http://c", true, "http://c" },
};

static void where_an_image_is(void **state)
{
    struct arena *a = arena_make(1024);

    (void)state;
    for (size_t i = 0; i < COUNT(images); i++) {
        struct hosts h = { .self = images[i].shared ? "" : "http://a:9292", .shared = images[i].shared };
        struct image im = { .id = "x" };

        if (images[i].stage)
            image_property_set(a, &im, IMAGE_STAGE_HOST, images[i].stage);
        if (images[i].hash)
            image_property_set(a, &im, IMAGE_HASH_HOST, images[i].hash);
        CHECK_CASE(images[i].name, str_eq(hosts_elsewhere(&h, &im), images[i].expected));
    }
    arena_free(a);
}

static const struct {
    const char *a, *b;
    bool same;
} pairs[] = {
    { "http://a", "http://a", true },
    { "http://a", "http://a/", true },
    { "HTTP://A:9292", "http://a:9292//", true },
    { "http://a/Image", "http://A/Image/", true },
    { "http://a/image", "http://a/Image", false },
    { "http://a", "https://a", false },
    { "http://a", "http://a:80", false },
    { "http://ab", "http://a", false },
    { "worker", "worker", true },
    { "worker", "Worker", false },
    { "", "", true },
    { "", "http://a", false },
    { "http://", "http:/", true }, /* neither is a URL, and neither is asked */
};

static void names_of_one_host(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(pairs); i++) {
        CHECK_CASE(pairs[i].a, host_same(pairs[i].a, pairs[i].b) == pairs[i].same);
        CHECK_CASE(pairs[i].b, host_same(pairs[i].b, pairs[i].a) == pairs[i].same);
    }
}

static const char *const good[] = {
    "http://worker-1",       "https://10.0.0.1:9292", "http://[fd00::1]:9292/",
    "HTTP://Worker:1/image", "http://[::1]",          "http://worker/image/v_1.~2/",
};

static const char *const bad[] = {
    "",
    "worker",
    "//worker",
    "ftp://worker",
    "file:///etc/passwd",
    "http:/worker",
    "http://",
    "http:///v2",
    "http://:9292",
    "http://worker:0",
    "http://worker:65536",
    "http://worker:99999999999999999999",
    "http://worker:",
    "http://worker:1:2",
    "http://[::1]:0",
    "http://[::1]x",
    "http://[::1",
    "http://[::1]1",
    "http://[]",
    "http://[fe80::1%25eth0]",
    "http://wor%6Ber",
    "http://worker%00",
    "http://a,b",
    "http://worker:0x50",
    "http://worker:+80",
    "http://user@worker",
    "http://user:word@worker",
    "http://10.0.0.1\\@worker",
    "http://worker?x",
    "http://worker#x",
    "http://worker/?x",
    "http://worker/#x",
    "http://worker/a@b",
    "http://worker/a b",
    "http://worker /",
    " http://worker",
    "http://worker\r\nX-Roles: admin",
    "http://worker/\r\nX-Roles: admin",
    "http://worker/\n",
    "http://worker\t",
    "http://worker/..",
    "http://worker/../admin",
    "http://worker/a/./b",
    "http://worker/%2e%2e/b",
    "http://worker//b",
    "http://worker/a//",
    "http://w\xC3\xB6rker",
    "http://worker/\xC3\xB6",
};

static void which_urls_are_hosts(void **state)
{
    char text[3000] = "http://worker/";
    struct error e;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        CHECK_CASE(good[i], host_check(good[i], &e) == 0);
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_CASE(bad[i], host_check(bad[i], &e) < 0 && e.kind == ERROR_INVALID);
    memset(text + strlen(text), 'x', 2000);
    assert_int_equal(host_check(text, &e), -1);
}

static void only_peers_are_asked(void **state)
{
    static const char *const named[] = { "glint.peers=http://b:9292, http://c/image/", NULL };
    static const char *const unnamed[] = { NULL };
    struct hosts h = { 0 };
    struct config *c = config_of(named, &h);
    struct error e;

    (void)state;
    assert_int_equal(hosts_peer_check(&h, "http://B:9292/", &e), 0);
    assert_int_equal(hosts_peer_check(&h, "http://c/image", &e), 0);
    assert_int_equal(hosts_peer_check(&h, "http://b:9293", &e), -1);
    assert_int_equal(hosts_peer_check(&h, "http://c", &e), -1);
    config_free(c);
    c = config_of(unnamed, &h);
    assert_int_equal(hosts_peer_check(&h, "http://b:9293", &e), 0);
    assert_int_equal(hosts_peer_check(&h, "http://user@b:9293", &e), -1);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_of_this_host), cmocka_unit_test(where_an_image_is),
        cmocka_unit_test(names_of_one_host),         cmocka_unit_test(which_urls_are_hosts),
        cmocka_unit_test(only_peers_are_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
