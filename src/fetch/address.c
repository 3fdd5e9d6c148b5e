/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses belong to everybody and which to this machine, its link, its site or nobody.
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

/* Not for everybody. */
static const char *const closed[] = {
    "0.0.0.0/8",       /* this network; 0.0.0.0 reaches this machine */
    "10.0.0.0/8",      /* private */
    "100.64.0.0/10",   /* behind a provider's NAT */
    "127.0.0.0/8",     /* loopback */
    "169.254.0.0/16",  /* link-local */
    "172.16.0.0/12",   /* private */
    "192.0.0.0/24",    /* IETF protocols */
    "192.0.2.0/24",    /* documentation */
    "192.88.99.0/24",  /* 6to4 relays */
    "192.168.0.0/16",  /* private */
    "198.18.0.0/15",   /* benchmarks */
    "198.51.100.0/24", /* documentation */
    "203.0.113.0/24",  /* documentation */
    "224.0.0.0/4",     /* multicast */
    "240.0.0.0/4",     /* reserved, and broadcast */
    "::/96",           /* unspecified, loopback, IPv4-compatible */
    "::ffff:0:0:0/96", /* IPv4-translated (SIIT) */
    "64:ff9b:1::/48",  /* a site's own NAT64 */
    "100::/64",        /* discarded */
    "100:0:0:1::/64",  /* dummy prefix */
    "2001:1::/32",     /* of IETF protocols, 2001::/23, all but Teredo */
    "2001:2::/31",     /* benchmarks, AMT */
    "2001:4::/30",     /* AS112, identifiers */
    "2001:8::/29",     /* the rest of 2001::/28 */
    "2001:10::/28",    /* ORCHID */
    "2001:20::/27",    /* ORCHIDv2, DET */
    "2001:40::/26",    "2001:80::/25", "2001:100::/24", "2001:db8::/32", /* documentation */
    "3fff::/20",                                                         /* documentation */
    "5f00::/16",                                                         /* segment routing */
    "fc00::/7",                                                          /* unique local */
    "fe80::/10",                                                         /* link-local */
    "fec0::/10",                                                         /* site-local */
    "ff00::/8",                                                          /* multicast */
};

/* As IPv6; IPv4 is mapped into it. */
static bool bytes_of(const struct sockaddr *address, unsigned char ret[ADDRESS_BYTES])
{
    if (address->sa_family == AF_INET) {
        memcpy(ret, mapped, sizeof mapped);
        memcpy(ret + FOUR_AT, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        memcpy(ret, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, ADDRESS_BYTES);
    } else {
        return false;
    }
    return true;
}

static bool holds(const struct fetch_network *n, const unsigned char bytes[ADDRESS_BYTES])
{
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

bool fetch_network_holds(const struct fetch_network *n, const struct sockaddr *address)
{
    unsigned char bytes[ADDRESS_BYTES];

    return bytes_of(address, bytes) && holds(n, bytes);
}

static bool is_closed(const unsigned char bytes[ADDRESS_BYTES])
{
    struct fetch_network n;

    for (size_t i = 0; i < COUNT(closed); i++)
        if (!fetch_network_parse(closed[i], &n) || holds(&n, bytes))
            return true;
    return false;
}

static bool four_closed(const unsigned char *four, unsigned char flip)
{
    unsigned char bytes[ADDRESS_BYTES];

    memcpy(bytes, mapped, sizeof mapped);
    for (size_t i = 0; i < 4; i++)
        bytes[FOUR_AT + i] = four[i] ^ flip;
    return is_closed(bytes);
}

static bool inner_closed(const unsigned char b[ADDRESS_BYTES])
{
    static const unsigned char nat64[FOUR_AT] = { 0, 0x64, 0xFF, 0x9B };

    if (memcmp(b, nat64, sizeof nat64) == 0)
        return four_closed(b + 12, 0);
    if (b[0] == 0x20 && b[1] == 0x02)
        return four_closed(b + 2, 0);
    if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0 && b[3] == 0) /* the server; the client, inverted */
        return four_closed(b + 4, 0) || four_closed(b + 12, 0xFF);
    if ((b[8] & 0xFD) == 0 && b[9] == 0 && b[10] == 0x5E && b[11] == 0xFE)
        return four_closed(b + 12, 0);
    return false;
}

bool fetch_address_public(const struct sockaddr *address)
{
    unsigned char bytes[ADDRESS_BYTES];

    return bytes_of(address, bytes) && !is_closed(bytes) && !inner_closed(bytes);
}

bool fetch_address_near(const struct sockaddr *address)
{
    static const char *const near[] = {
        "127.0.0.0/8", "0.0.0.0/8", "169.254.0.0/16", "::1", "::", "fe80::/10"
    };
    struct fetch_network n;

    for (size_t i = 0; i < COUNT(near); i++)
        if (fetch_network_parse(near[i], &n) && fetch_network_holds(&n, address))
            return true;
    return address->sa_family != AF_INET && address->sa_family != AF_INET6;
}
