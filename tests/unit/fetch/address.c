/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "fetch/fetch.h"

static const struct sockaddr *address_of(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)ret;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ret;

    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1)
        ret->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1)
        ret->ss_family = AF_INET6;
    else
        fail_msg("%s is no address", text);
    return (const struct sockaddr *)ret;
}

static const char *const publics[] = {
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
    "2002:101:101::1",
    "2001:0:101:101:0:0:fefe:fefe", /* Teredo: server 1.1.1.1, client 1.1.1.1 */
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00::1",
    "2001:db7:ffff::1",
    "2a00::5efe:1.1.1.1",
};

static const struct {
    const char *address;
    enum fetch_reach reach;
    const char *name; /* NULL: whatever */
} special[] = {
    { "0.0.0.0", FETCH_NEVER, "unspecified" },
    { "0.1.2.3", FETCH_NEVER, NULL },
    { "10.0.0.0", FETCH_PRIVATE, "private" },
    { "10.255.255.255", FETCH_PRIVATE, NULL },
    { "100.64.0.0", FETCH_PRIVATE, "shared" },
    { "100.127.255.255", FETCH_PRIVATE, NULL },
    { "127.0.0.1", FETCH_NEVER, "loopback" },
    { "127.255.255.255", FETCH_NEVER, NULL },
    { "169.254.169.254", FETCH_NEVER, "link-local" },
    { "172.16.0.0", FETCH_PRIVATE, NULL },
    { "172.31.255.255", FETCH_PRIVATE, NULL },
    { "192.0.0.170", FETCH_NOBODY, NULL },
    { "192.0.2.1", FETCH_NOBODY, "documentation" },
    { "192.88.99.1", FETCH_NOBODY, NULL },
    { "192.168.255.255", FETCH_PRIVATE, NULL },
    { "198.18.0.0", FETCH_NOBODY, NULL },
    { "198.19.255.255", FETCH_NOBODY, NULL },
    { "198.51.100.1", FETCH_NOBODY, NULL },
    { "203.0.113.1", FETCH_NOBODY, NULL },
    { "224.0.0.1", FETCH_NEVER, "multicast" },
    { "239.255.255.255", FETCH_NEVER, NULL },
    { "240.0.0.1", FETCH_NOBODY, NULL },
    { "255.255.255.255", FETCH_NEVER, "broadcast" },
    { "::", FETCH_NEVER, "unspecified" },
    { "::1", FETCH_NEVER, NULL },
    { "::127.0.0.1", FETCH_NEVER, NULL },
    { "::10.0.0.1", FETCH_NOBODY, NULL },
    { "::ffff:127.0.0.1", FETCH_NEVER, "loopback" },
    { "::ffff:10.0.0.1", FETCH_PRIVATE, NULL },
    { "::ffff:0:10.0.0.1", FETCH_NOBODY, NULL },
    { "::ffff:0:127.0.0.1", FETCH_NEVER, NULL },
    { "64:ff9b::127.0.0.1", FETCH_NEVER, "loopback" },
    { "64:ff9b::10.0.0.1", FETCH_PRIVATE, "private" },
    { "64:ff9b::a9fe:a9fe", FETCH_NEVER, "link-local" },
    { "64:ff9b:1::1.1.1.1", FETCH_NOBODY, NULL },
    { "100::1", FETCH_NOBODY, NULL },
    { "2001:0:7f00:1::fefe:fefe", FETCH_NEVER, NULL },       /* Teredo by way of a server here */
    { "2001:0:101:101:0:0:80ff:fffe", FETCH_NEVER, NULL },   /* Teredo of 127.0.0.1 */
    { "2001:0:101:101:0:0:f5ff:fffe", FETCH_PRIVATE, NULL }, /* Teredo of 10.0.0.1 */
    { "2001:1::1", FETCH_NOBODY, NULL },
    { "2001:2::1", FETCH_NOBODY, NULL },
    { "2001:10::1", FETCH_NOBODY, NULL },
    { "2001:2f::1", FETCH_NOBODY, NULL },
    { "2001:1ff::1", FETCH_NOBODY, NULL },
    { "2001:db8::1", FETCH_NOBODY, NULL },
    { "2002:7f00:1::1", FETCH_NEVER, NULL },
    { "2002:a00:1::1", FETCH_PRIVATE, NULL },
    { "2002:a9fe:a9fe::1", FETCH_NEVER, NULL },
    { "2a00::5efe:10.0.0.1", FETCH_PRIVATE, NULL },
    { "2a00::200:5efe:127.0.0.1", FETCH_NEVER, NULL },
    { "3fff::1", FETCH_NOBODY, NULL },
    { "5f00::1", FETCH_NOBODY, NULL },
    { "fc00::1", FETCH_PRIVATE, "unique local" },
    { "fdff:ffff::1", FETCH_PRIVATE, NULL },
    { "fe80::1", FETCH_NEVER, "link-local" },
    { "fec0::1", FETCH_NOBODY, NULL },
    { "ff02::1", FETCH_NEVER, "multicast" },
};

static enum fetch_reach reach_of(const char *text, const char **ret_name)
{
    struct sockaddr_storage at;
    struct fetch_address a;

    assert_true(fetch_address_bytes(address_of(text, &at), &a));
    return fetch_address_reach(&a, ret_name);
}

static void how_far_addresses_reach(void **state UNUSED)
{
    struct sockaddr other = { .sa_family = AF_UNIX };
    struct fetch_address a;
    const char *name;

    for (size_t i = 0; i < COUNT(publics); i++)
        CHECK_CASE(publics[i], reach_of(publics[i], &name) == FETCH_PUBLIC);
    for (size_t i = 0; i < COUNT(special); i++) {
        CHECK_CASE(special[i].address, reach_of(special[i].address, &name) == special[i].reach);
        CHECK_CASE(special[i].address, !special[i].name || str_eq(name, special[i].name));
    }
    assert_false(fetch_address_bytes(&other, &a));
}

static const struct {
    const char *network;
    bool never;
} withins[] = {
    { "127.0.0.2", true },      { "127.0.0.0/8", true },   { "127.0.0.0/7", false }, { "0.0.0.0/0", false },
    { "169.254.0.0/16", true }, { "fe80::/64", true },     { "::1", true },          { "::/0", false },
    { "10.0.0.0/8", false },    { "64:ff9b::/96", false },
};

static void networks_lie_within_others(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(withins); i++) {
        struct fetch_network n;

        assert_true(fetch_network_parse(withins[i].network, &n));
        CHECK_CASE(withins[i].network, fetch_network_within(&n, FETCH_NEVER) == withins[i].never);
    }
}

static const struct {
    const char *network, *address;
    int holds; /* -1: it is no network */
} networks[] = {
    { "10.0.0.0/8", "10.255.0.1", 1 },
    { "10.0.0.0/8", "::ffff:10.255.0.1", 1 },
    { "10.0.0.0/8", "11.0.0.1", 0 },
    { "10.0.0.0/8", "64:ff9b::10.0.0.1", 0 },
    { "10.128.0.0/9", "10.127.255.255", 0 },
    { "10.1.2.3", "10.1.2.3", 1 },
    { "10.1.2.3", "10.1.2.4", 0 },
    { "10.1.2.2/31", "10.1.2.3", 1 },
    { "0.0.0.0/0", "255.1.2.3", 1 },
    { "0.0.0.0/0", "fe80::1", 0 },
    { "::/0", "fe80::1", 1 },
    { "::/0", "1.2.3.4", 1 },
    { "fd00::/8", "fdab::1", 1 },
    { "fd00::/8", "fcab::1", 0 },
    { "::1", "::1", 1 },
    { "::1/128", "::2", 0 },
    { "10.0.0.0/33", NULL, -1 },
    { "10.0.0.0/", NULL, -1 },
    { "10.0.0.0/-1", NULL, -1 },
    { "10.0.0.0/8x", NULL, -1 },
    { "10.0.0/8", NULL, -1 },
    { "fd00::/129", NULL, -1 },
    { "localhost", NULL, -1 },
    { "", NULL, -1 },
    { "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111", NULL, -1 },
};

static void networks_hold_addresses(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(networks); i++) {
        struct sockaddr_storage at;
        struct fetch_address a;
        struct fetch_network n;
        bool is = fetch_network_parse(networks[i].network, &n);

        CHECK_CASE(networks[i].network, is == (networks[i].holds >= 0));
        if (!is)
            continue;
        assert_true(fetch_address_bytes(address_of(networks[i].address, &at), &a));
        CHECK_CASE(networks[i].address, fetch_network_holds(&n, &a) == networks[i].holds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(how_far_addresses_reach),
                                        cmocka_unit_test(networks_lie_within_others),
                                        cmocka_unit_test(networks_hold_addresses) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
