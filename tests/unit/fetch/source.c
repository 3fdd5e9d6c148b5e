/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs clients may name, by resolvers and interfaces of its own. */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "fetch/fetch.h"

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
    { "glint", "import_private", OPTION_BOOL, "true" },
    { "glint", "import_proxy", OPTION_STRING, "" },
    { "database", "connection", OPTION_STRING },
    { "database", "slave_connection", OPTION_STRING, .flags = OPTION_NO_EFFECT },
    { "DEFAULT", "transport_url", OPTION_STRING, .flags = OPTION_NO_EFFECT | OPTION_SECRET },
    { "DEFAULT", "worker_self_reference_url", OPTION_STRING },
    { "keystone_authtoken", "auth_url", OPTION_STRING, .flags = OPTION_NO_EFFECT },
    { "keystone_authtoken", "memcached_servers", OPTION_STRING, .flags = OPTION_NO_EFFECT },
    { "cors", "allowed_origin", OPTION_LIST },
    { "glance_store", "s3_store_host", OPTION_STRING, .flags = OPTION_ANY_GROUP },
    { "*", "swift_store_auth_address", OPTION_STRING, .flags = OPTION_ANY_GROUP },
    { NULL },
};

static const char *const standard[] = { NULL };
static const char *const here[] = LISTS("[http,https]", "[]", "[127.0.0.1,::1]", "[10.0.0.1]", "[]", "[22]");
static const char *const open_lists[] = LISTS("[]", "[ftp]", "[]", "[10.0.0.1,fd00::1]", "[]", "[22,25]");

static const char *const closed[] = { "glint.import_private=false", NULL };
static const char *const networks[] = { "glint.import_private=false",
                                        "glint.import_networks=10.0.0.0/8,fd00::/8,127.0.0.2,198.18.0.0/15",
                                        NULL };
static const char *const everything[] = { "glint.import_private=false",
                                          "glint.import_networks=0.0.0.0/0,::/0", NULL };
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
    { "http://10.0.0.1/x", closed, false, NULL },
    { "http://10.0.0.1/x", standard, true, "http://10.0.0.1:80/x" },
    { "http://100.64.0.1/x", closed, false, NULL },
    { "http://100.64.0.1/x", standard, true, "http://100.64.0.1:80/x" },
    { "http://172.16.0.1/x", closed, false, NULL },
    { "http://172.16.0.1/x", standard, true, "http://172.16.0.1:80/x" },
    { "http://192.168.0.1/x", closed, false, NULL },
    { "http://192.168.0.1/x", standard, true, "http://192.168.0.1:80/x" },
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
    { "http://[fd00::1]/x", closed, false, NULL },
    { "http://[fd00::1]/x", standard, true, "http://[fd00::1]:80/x" },
    { "http://10.0.0.1/x", networks, true, "http://10.0.0.1:80/x" },
    { "http://[::ffff:10.0.0.1]/x", networks, true, "http://[::ffff:10.0.0.1]:80/x" },
    { "http://[64:ff9b::10.0.0.1]/x", networks, false, NULL },
    { "http://[fd00::1]/x", networks, true, "http://[fd00::1]:80/x" },
    { "http://127.0.0.2/x", networks, true, "http://127.0.0.2:80/x" },
    { "http://127.0.0.1/x", networks, false, NULL },
    { "http://192.168.0.1/x", networks, false, NULL },
    { "http://127.0.0.1:9292/x", here, true, "http://127.0.0.1:9292/x" },
    { "http://127.0.0.1:22/x", here, false, NULL },
    { "http://1.1.1.1/x", here, false, NULL },
    { "http://10.0.0.1:8080/x", open_lists, false, NULL },
    { "http://10.0.0.2:8080/x", open_lists, true, "http://10.0.0.2:8080/x" },
    { "ftp://10.0.0.2/x", open_lists, false, NULL },
    { "http://10.0.0.2:25/x", open_lists, false, NULL },
    { "http://[::1]:9292/x", here, true, "http://[::1]:9292/x" },
    { "http://[0:0:0:0:0:0:0:1]/x", here, true, "http://[0:0:0:0:0:0:0:1]:80/x" },
    { "http://127.0.0.2/x", here, false, NULL },
    { "http://127.0.0.2/x", everything, false, NULL },
    { "http://169.254.169.254/x", everything, false, NULL },
    { "http://[::ffff:127.0.0.1]/x", everything, false, NULL },
    { "http://192.168.0.1/x", everything, true, "http://192.168.0.1:80/x" },
    { "http://198.18.0.1/x", standard, false, NULL },
    { "http://198.18.0.1/x", networks, true, "http://198.18.0.1:80/x" },
    { "http://[64:ff9b::a00:1]/x", closed, false, NULL },
    { "http://[64:ff9b::a00:1]/x", standard, true, "http://[64:ff9b::a00:1]:80/x" },
    { "http://224.0.0.1/x", everything, false, NULL },
    { "http://255.255.255.255/x", everything, false, NULL },
    { "http://a.b c/", standard, false, NULL },
    { "http://unknown/x", standard, false, NULL },
};

/* ---- the machine ---- */

/* What names resolve to: the n-th question gets the n-th answer, later ones the last. */
static const struct name {
    const char *name;
    const char *answers[3];
} names[] = {
    { "mirror", { "10.0.0.7" } },
    { "public", { "1.1.1.1" } },
    { "local", { "127.0.0.1" } },
    { "mixed", { "127.0.0.1 1.1.1.1 169.254.169.254" } },
    { "rebinding", { "1.1.1.1", "127.0.0.1" } },
    { "mapped", { "::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::" } },
    { "db", { "10.9.0.1" } },
    { "cache-two", { "10.9.0.2 10.9.0.3" } },
    { "alias-of-db", { "10.9.0.1" } },
    { "self", { "8.8.4.4" } },
    { "self64", { "64:ff9b::8.8.4.4" } },
    { "evil", { "8.8.8.8" } },
};
static unsigned asked[COUNT(names)];
static const char *interfaces; /* addresses, with blanks between */

static size_t addresses_read(struct arena *a, const char *text, struct sockaddr_storage **ret)
{
    struct sockaddr_storage *items = NULL;
    size_t n = 0, cap = 0;

    while (*text) {
        char one[INET6_ADDRSTRLEN];
        struct sockaddr_storage *at = ARENA_PUSH(a, items, n, cap);
        size_t len = strcspn(text, " ");

        snprintf(one, sizeof one, "%.*s", (int)len, text);
        at->ss_family = strchr(one, ':') ? AF_INET6 : AF_INET;
        if (inet_pton(at->ss_family, one,
                      at->ss_family == AF_INET
                          ? (void *)&((struct sockaddr_in *)(void *)at)->sin_addr
                          : (void *)&((struct sockaddr_in6 *)(void *)at)->sin6_addr) != 1)
            fail_msg("%s is no address", one);
        text += len + (text[len] == ' ');
    }
    *ret = items;
    return n;
}

static size_t resolve(void *arg UNUSED, struct arena *a, const char *name, struct sockaddr_storage **ret)
{
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_eq(names[i].name, name)) {
            size_t n = asked[i]++;

            while (n > 0 && (n >= COUNT(names[i].answers) || !names[i].answers[n]))
                n--;
            return addresses_read(a, names[i].answers[n], ret);
        }
    return 0;
}

static size_t own(void *arg UNUSED, struct arena *a, struct sockaddr_storage **ret)
{
    return addresses_read(a, interfaces, ret);
}

static const struct fetch_system machine = { resolve, own, NULL };

static struct fetch_rules *rules_of(const char *const *lists)
{
    const struct config_input in = { .options = options, .overrides = lists };
    struct fetch_rules *r;
    struct config *c;
    struct error e;

    memset(asked, 0, sizeof asked);
    interfaces = "127.0.0.1 ::1 8.8.4.4";
    if (config_read(&in, &c, &e) < 0)
        fail_msg("%s", e.message);
    r = fetch_rules_make(c, &machine);
    config_free(c);
    return r;
}

/* ---- URLs ---- */

static void sources_are_filtered(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(imports); i++) {
        struct arena *a = arena_make(1024);
        struct fetch_rules *r = rules_of(imports[i].lists);
        struct fetch_gate g = { .rules = r, .arena = a };
        struct fetch_target t;
        struct error e;
        int admitted = fetch_admit(&g, imports[i].url, &t, &e);

        CHECK_CASE(imports[i].url, (admitted == 0) == (imports[i].asked != NULL));
        if (admitted == 0)
            CHECK_CASE(imports[i].url, str_eq(t.url, imports[i].asked) && t.n_addresses == 1 && t.literal);
        else
            CHECK_CASE(imports[i].url, e.detail[0] && !strstr(e.message, e.detail));
        CHECK_CASE(imports[i].url, (fetch_source_check(r, imports[i].url, &e) == 0) == imports[i].allowed);
        fetch_rules_free(r);
        arena_free(a);
    }
}

static void encryption_is_not_given_up(void **state UNUSED)
{
    struct arena *a = arena_make(1024);
    struct fetch_gate g = { .rules = rules_of(standard), .arena = a };
    struct fetch_target t;
    struct error e;

    assert_int_equal(fetch_admit(&g, "http://1.1.1.1/", &t, &e), 0);
    assert_int_equal(fetch_admit(&g, "https://1.1.1.1/", &t, &e), 0);
    assert_int_equal(fetch_admit(&g, "https://1.1.1.2/", &t, &e), 0);
    assert_int_equal(fetch_admit(&g, "http://1.1.1.1/", &t, &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    fetch_rules_free(g.rules);
    arena_free(a);
}

/* ---- hosts ---- */

static const char *const service[] = {
    "database.connection=mysql+pymysql://glance:p/w@db/glance?charset=utf8",
    "database.slave_connection=postgresql://u@/x?host=10.9.1.1&hostaddr=10.9.1.2",
    "DEFAULT.transport_url=rabbit://a:b/c@10.9.2.1:5672,d:e@10.9.2.2:5672//",
    "DEFAULT.worker_self_reference_url=http://10.9.3.1:9292",
    "keystone_authtoken.auth_url=https://[fd00:9::1]:5000/v3",
    "keystone_authtoken.memcached_servers=10.9.4.1:11211,inet6:[fd00:9::2]:11211,Cache-Two",
    "glance_store.s3_store_host=10.9.5.1:7480",
    "swift.swift_store_auth_address=https://10.9.6.1/v3",
    "cors.allowed_origin=https://10.9.7.1",
    NULL
};
static const char *const service_named[] = { "database.connection=mysql://glance@db/glance",
                                             "import_filtering_opts.allowed_hosts=[DB,local,mirror]", NULL };
static const char *const not_evil[] = { "import_filtering_opts.disallowed_hosts=[evil,10.0.0.7]", NULL };

/* To what a host is connected; NULL: to nothing. */
static const struct {
    const char *host;
    const char *const *lists;
    const char *addresses;
} hosts[] = {
    { "public", standard, "1.1.1.1" },
    { "mirror", standard, "10.0.0.7" },
    { "mirror.", standard, NULL }, /* unknown to this resolver */
    { "mirror", closed, NULL },
    { "local", standard, NULL },
    { "mapped", standard, NULL },
    { "mixed", standard, "1.1.1.1" },
    { "8.8.4.4", standard, NULL }, /* this machine's */
    { "self", standard, NULL },
    { "self64", standard, NULL },
    { "[::ffff:8.8.4.4]", standard, NULL },
    { "db", service, NULL },
    { "alias-of-db", service, NULL },
    { "10.9.0.1", service, NULL },
    { "[64:ff9b::10.9.0.1]", service, NULL },
    { "10.9.0.4", service, "10.9.0.4" },
    { "cache-two", service, NULL },
    { "10.9.0.2", service, NULL },
    { "10.9.0.3", service, NULL },
    { "10.9.1.1", service, NULL },
    { "10.9.1.2", service, NULL },
    { "10.9.2.1", service, NULL },
    { "10.9.2.2", service, NULL },
    { "10.9.3.1", service, NULL },
    { "[fd00:9::1]", service, NULL },
    { "[fd00:9::2]", service, NULL },
    { "[fd00:9::3]", service, "fd00:9::3" },
    { "10.9.4.1", service, NULL },
    { "10.9.5.1", service, NULL },
    { "10.9.6.1", service, NULL },
    { "10.9.7.1", service, "10.9.7.1" }, /* of browsers */
    { "db", service_named, "10.9.0.1" },
    { "local", service_named, "127.0.0.1" },
    { "mirror", service_named, "10.0.0.7" },
    { "public", service_named, NULL },
    { "evil", not_evil, NULL },
    { "evil.", not_evil, NULL },
    { "mirror", not_evil, NULL }, /* by its address */
    { "public", not_evil, "1.1.1.1" },
};

static void hosts_are_judged_by_each_address(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(hosts); i++) {
        struct arena *a = arena_make(1024);
        struct fetch_gate g = { .rules = rules_of(hosts[i].lists), .arena = a };
        const char *url = arena_printf(a, "http://%s/x", hosts[i].host);
        struct sockaddr_storage *wanted = NULL;
        struct fetch_target t;
        struct error e;
        bool admitted = fetch_admit(&g, url, &t, &e) == 0;

        CHECK_CASE(hosts[i].host, admitted == (hosts[i].addresses != NULL));
        if (admitted) {
            CHECK_CASE(hosts[i].host, t.n_addresses == addresses_read(a, hosts[i].addresses, &wanted));
            CHECK_CASE(hosts[i].host, memcmp(t.addresses, wanted, t.n_addresses * sizeof *wanted) == 0);
        }
        CHECK_CASE(hosts[i].host, (fetch_source_check(g.rules, url, &e) == 0) == admitted);
        fetch_rules_free(g.rules);
        arena_free(a);
    }
}

static void a_name_is_resolved_once(void **state UNUSED)
{
    struct arena *a = arena_make(1024);
    struct fetch_gate g = { .rules = rules_of(standard), .arena = a };
    struct fetch_target t;
    struct error e;

    assert_int_equal(fetch_admit(&g, "http://rebinding/", &t, &e), 0);
    assert_int_equal(t.n_addresses, 1);
    assert_int_equal(asked[4], 1);
    assert_string_equal(names[4].name, "rebinding");
    assert_int_equal(fetch_admit(&g, "http://rebinding/", &t, &e), -1); /* a redirect to itself */
    assert_non_null(strstr(e.detail, "127.0.0.1"));
    assert_non_null(strstr(e.detail, "loopback"));
    fetch_rules_free(g.rules);
    arena_free(a);
}

static void interfaces_are_looked_at_anew(void **state UNUSED)
{
    struct fetch_rules *r = rules_of(standard);
    struct error e;

    assert_int_equal(fetch_source_check(r, "http://8.8.4.4/", &e), -1);
    assert_int_equal(fetch_source_check(r, "http://9.9.9.9/", &e), 0);
    interfaces = "127.0.0.1 9.9.9.9";
    assert_int_equal(fetch_source_check(r, "http://8.8.4.4/", &e), 0);
    assert_int_equal(fetch_source_check(r, "http://9.9.9.9/", &e), -1);
    assert_non_null(strstr(e.detail, "this machine"));
    fetch_rules_free(r);
}

/* ---- locations that are there ---- */

static void a_stored_location_is_judged_by_its_addresses(void **state UNUSED)
{
    static const struct {
        const char *url, *then; /* then: a redirect */
        bool admitted, followed;
        const char *asked;
    } all[] = {
        { "http://mirror:8080/x", "http://public:8080/", true, false, "http://mirror:8080/x" },
        { "http://u:w@mirror/x", "http://public/y", true, true, "http://u:w@mirror:80/x" },
        { "http://u:w@mirror/x", "http://u:w@public/y", true, false, "http://u:w@mirror:80/x" },
        { "http://mirror/x", "http://local/", true, false, "http://mirror:80/x" },
        { "http://\xC3\xBC:\xE9@mirror/x", "http://local/", true, false, "http://%C3%BC:%E9@mirror:80/x" },
        { "https://mirror/x", "http://public/", true, false, "https://mirror:443/x" },
        { "http://local/x", NULL, false, false, NULL },
        { "http://169.254.169.254/x", NULL, false, false, NULL },
        { "ftp://mirror/x", NULL, false, false, NULL },
    };

    for (size_t i = 0; i < COUNT(all); i++) {
        struct arena *a = arena_make(1024);
        struct fetch_gate g = { .rules = rules_of(standard), .arena = a, .stored = true };
        struct fetch_target t;
        struct error e;

        CHECK_CASE(all[i].url, (fetch_admit(&g, all[i].url, &t, &e) == 0) == all[i].admitted);
        if (all[i].admitted) {
            CHECK_CASE(all[i].url, str_eq(t.url, all[i].asked));
            CHECK_CASE(all[i].then, (fetch_admit(&g, all[i].then, &t, &e) == 0) == all[i].followed);
            CHECK_CASE(all[i].then, !all[i].followed || !strchr(t.url, '@'));
        }
        fetch_rules_free(g.rules);
        arena_free(a);
    }
}

/* ---- what operators are told ---- */

static void reasons_tell_no_secrets(void **state UNUSED)
{
    static const struct {
        const char *url, *reason;
    } all[] = {
        { "ftp://mirror/", "scheme" },
        { "http://user:secret@public/?secret", "user" },
        { "http://public:8080/secret", "port" },
        { "http://public:0/secret", "port" },
        { "http://pub lic/secret", "blank" },
        { "http://absent/secret", "resolved" },
        { "http://127.1/secret", "address in its usual form" },
        { "http://local/?secret", "127.0.0.1 is refused: loopback" },
        { "http://db/secret", "[database] connection" },
    };
    struct fetch_rules *r = rules_of(service);

    for (size_t i = 0; i < COUNT(all); i++) {
        struct arena *a = arena_make(1024);
        struct fetch_gate g = { .rules = r, .arena = a };
        struct fetch_target t;
        struct error e;

        CHECK_CASE(all[i].url, fetch_admit(&g, all[i].url, &t, &e) < 0);
        CHECK_CASE(all[i].url, strstr(e.detail, all[i].reason) && !strstr(e.detail, "secret"));
        arena_free(a);
    }
    fetch_rules_free(r);
}

static void what_is_open_is_described(void **state UNUSED)
{
    static const struct {
        const char *const *lists;
        const char *says;
    } all[] = { { standard, "in private networks" },
                { closed, "closed" },
                { networks, "4 networks" },
                { here, "127.0.0.1 ::1" } };

    for (size_t i = 0; i < COUNT(all); i++) {
        CLEANUP(str_done) struct str line = STR_INIT;
        struct fetch_rules *r = rules_of(all[i].lists);

        fetch_rules_describe(r, &line);
        CHECK_CASE(all[i].says, strstr(str_text(&line), all[i].says) != NULL);
        fetch_rules_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sources_are_filtered),
                                        cmocka_unit_test(encryption_is_not_given_up),
                                        cmocka_unit_test(hosts_are_judged_by_each_address),
                                        cmocka_unit_test(a_name_is_resolved_once),
                                        cmocka_unit_test(interfaces_are_looked_at_anew),
                                        cmocka_unit_test(a_stored_location_is_judged_by_its_addresses),
                                        cmocka_unit_test(reasons_tell_no_secrets),
                                        cmocka_unit_test(what_is_open_is_described) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
