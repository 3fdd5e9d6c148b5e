/* SPDX-License-Identifier: Apache-2.0 */
/* How far addresses reach: everybody's, those of a private network, nobody's, and this machine's and its
 * link's.
 *
 * Facts: IANA's registries of special-purpose addresses for IPv4 and IPv6; RFC 6890 and what updates it. An
 * IPv4 address inside an IPv6 one counts where a translator or a tunnel takes it from: RFC 6052 (NAT64), RFC
 * 3056 (6to4), RFC 4380 (Teredo), RFC 5214 (ISATAP). */
#include "fetch/fetch.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

enum { ADDRESS_BYTES = 16, FOUR_AT = 12, FOUR_BITS = 96 };

static const unsigned char mapped[FOUR_AT] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

/* What is in none of them is everybody's. Of several that hold an address the one of the narrowest reach
 * counts. */
static const struct {
    const char *network;
    enum fetch_reach reach;
    const char *name;
} special[] = {
    { "0.0.0.0/8", FETCH_NEVER, "unspecified" }, /* 0.0.0.0 reaches this machine */
    { "10.0.0.0/8", FETCH_PRIVATE, "private" },
    { "100.64.0.0/10", FETCH_PRIVATE, "shared" }, /* behind a provider's NAT */
    { "127.0.0.0/8", FETCH_NEVER, "loopback" },
    { "169.254.0.0/16", FETCH_NEVER, "link-local" },
    { "172.16.0.0/12", FETCH_PRIVATE, "private" },
    { "192.0.0.0/24", FETCH_NOBODY, "reserved" }, /* IETF protocols */
    { "192.0.2.0/24", FETCH_NOBODY, "documentation" },
    { "192.88.99.0/24", FETCH_NOBODY, "6to4 relay" },
    { "192.168.0.0/16", FETCH_PRIVATE, "private" },
    { "198.18.0.0/15", FETCH_NOBODY, "benchmarking" },
    { "198.51.100.0/24", FETCH_NOBODY, "documentation" },
    { "203.0.113.0/24", FETCH_NOBODY, "documentation" },
    { "224.0.0.0/4", FETCH_NEVER, "multicast" },
    { "240.0.0.0/4", FETCH_NOBODY, "reserved" },
    { "255.255.255.255", FETCH_NEVER, "broadcast" },
    { "::", FETCH_NEVER, "unspecified" },
    { "::1", FETCH_NEVER, "loopback" },
    { "::/96", FETCH_NOBODY, "IPv4-compatible" },
    { "::ffff:0:0:0/96", FETCH_NOBODY, "IPv4-translated" }, /* SIIT */
    { "64:ff9b:1::/48", FETCH_NOBODY, "local NAT64" },
    { "100::/64", FETCH_NOBODY, "discarded" },
    { "100:0:0:1::/64", FETCH_NOBODY, "reserved" }, /* dummy prefix */
    { "2001:1::/32", FETCH_NOBODY, "reserved" },    /* of IETF protocols, 2001::/23, all but Teredo */
    { "2001:2::/31", FETCH_NOBODY, "reserved" },    /* benchmarks, AMT */
    { "2001:4::/30", FETCH_NOBODY, "reserved" },    /* AS112, identifiers */
    { "2001:8::/29", FETCH_NOBODY, "reserved" },    /* the rest of 2001::/28 */
    { "2001:10::/28", FETCH_NOBODY, "reserved" },   /* ORCHID */
    { "2001:20::/27", FETCH_NOBODY, "reserved" },   /* ORCHIDv2, DET */
    { "2001:40::/26", FETCH_NOBODY, "reserved" },
    { "2001:80::/25", FETCH_NOBODY, "reserved" },
    { "2001:100::/24", FETCH_NOBODY, "reserved" },
    { "2001:db8::/32", FETCH_NOBODY, "documentation" },
    { "3fff::/20", FETCH_NOBODY, "documentation" },
    { "5f00::/16", FETCH_NOBODY, "segment routing" },
    { "fc00::/7", FETCH_PRIVATE, "unique local" },
    { "fe80::/10", FETCH_NEVER, "link-local" },
    { "fec0::/10", FETCH_NOBODY, "site-local" },
    { "ff00::/8", FETCH_NEVER, "multicast" },
};

bool fetch_address_bytes(const struct sockaddr *address, struct fetch_address *ret)
{
    if (address->sa_family == AF_INET) {
        memcpy(ret->bytes, mapped, sizeof mapped);
        memcpy(ret->bytes + FOUR_AT, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, ADDRESS_BYTES);
    } else {
        return false;
    }
    return true;
}

bool fetch_network_holds(const struct fetch_network *n, const struct fetch_address *a)
{
    const unsigned char *bytes = a->bytes;
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8;

    return memcmp(n->bytes, bytes, whole) == 0 &&
           (rest == 0 || (n->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool fetch_network_parse(const char *text, struct fetch_network *ret)
{
    char address[INET6_ADDRSTRLEN];
    size_t n = strcspn(text, "/");
    uint64_t bits = 0;
    bool four;

    if (n >= sizeof address)
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    memcpy(ret->bytes, mapped, sizeof mapped);
    four = inet_pton(AF_INET, address, ret->bytes + FOUR_AT) == 1;
    if (!four && inet_pton(AF_INET6, address, ret->bytes) != 1)
        return false;
    if (text[n] != '/')
        bits = four ? 32 : 128;
    else if (!str_to_u64(text + n + 1, four ? 32 : 128, &bits))
        return false;
    ret->bits = (unsigned)bits + (four ? FOUR_BITS : 0);
    return true;
}

bool fetch_network_within(const struct fetch_network *n, enum fetch_reach reach)
{
    struct fetch_address first;
    struct fetch_network outer;

    memcpy(first.bytes, n->bytes, sizeof first.bytes);
    for (size_t i = 0; i < COUNT(special); i++)
        if (special[i].reach == reach && fetch_network_parse(special[i].network, &outer) &&
            outer.bits <= n->bits && fetch_network_holds(&outer, &first))
            return true;
    return false;
}

/* ---- IPv4 inside IPv6 ---- */

static void four(const unsigned char *bytes, unsigned char flip, struct fetch_address *ret)
{
    memcpy(ret->bytes, mapped, sizeof mapped);
    for (size_t i = 0; i < 4; i++)
        ret->bytes[FOUR_AT + i] = bytes[i] ^ flip;
}

size_t fetch_address_inner(const struct fetch_address *a, struct fetch_address ret[FETCH_INNER_MAX])
{
    static const unsigned char nat64[FOUR_AT] = { 0, 0x64, 0xFF, 0x9B },
                               translated[FOUR_AT] = { 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF },
                               compatible[FOUR_AT] = { 0 };
    const unsigned char *b = a->bytes;

    if (memcmp(b, nat64, FOUR_AT) == 0 || memcmp(b, translated, FOUR_AT) == 0 ||
        memcmp(b, compatible, FOUR_AT) == 0) {
        four(b + 12, 0, &ret[0]);
        return 1;
    }
    if (b[0] == 0x20 && b[1] == 0x02) {
        four(b + 2, 0, &ret[0]);
        return 1;
    }
    if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0) { /* the server; the client, inverted */
        four(b + 4, 0, &ret[0]);
        four(b + 12, 0xFF, &ret[1]);
        return 2;
    }
    if ((b[8] & 0xFD) == 0 && b[9] == 0 && b[10] == 0x5E && b[11] == 0xFE) {
        four(b + 12, 0, &ret[0]);
        return 1;
    }
    return 0;
}

/* ---- how far ---- */

static void narrow(const struct fetch_address *a, enum fetch_reach *reach, const char **name)
{
    struct fetch_network n;

    for (size_t i = 0; i < COUNT(special); i++)
        if (special[i].reach > *reach && fetch_network_parse(special[i].network, &n) &&
            fetch_network_holds(&n, a)) {
            *reach = special[i].reach;
            *name = special[i].name;
        }
}

enum fetch_reach fetch_address_reach(const struct fetch_address *a, const char **ret_name)
{
    struct fetch_address inner[FETCH_INNER_MAX];
    enum fetch_reach reach = FETCH_PUBLIC;
    size_t n = fetch_address_inner(a, inner);

    *ret_name = "public";
    narrow(a, &reach, ret_name);
    for (size_t i = 0; i < n; i++)
        narrow(&inner[i], &reach, ret_name);
    return reach;
}
