/* SPDX-License-Identifier: Apache-2.0 */
/* Which host of the service has an image's staged data (Glance 33 api/v2/images.py: a property of the image
 * names it by URL). The URL comes from the database, and a request with the caller's token is sent there: it
 * is looked at closely. */
#include "peers/hosts.h"

#include <strings.h>

enum { URL_MAX = 1024 };

void hosts_read(const struct config *c, struct hosts *ret)
{
    const char *own = config_str(c, "DEFAULT", "worker_self_reference_url");
    const char *all = config_str(c, "DEFAULT", "public_endpoint");

    ret->shared = config_bool(c, "glint", "staging_shared");
    ret->n_peers = config_list(c, "glint", "peers", &ret->peers);
    ret->ca_file = config_str(c, "glint", "peer_ca_file");
    ret->name = own ? own : "";
    ret->self = own && *own ? own : all ? all : "";
    ret->place = ret->shared ? "" : ret->name;
    if (ret->shared)
        ret->self = "";
}

static const char *after_scheme(const char *url)
{
    if (strncasecmp(url, "http://", 7) == 0)
        return url + 7;
    return strncasecmp(url, "https://", 8) == 0 ? url + 8 : NULL;
}

bool host_same(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), head;

    while (n > 0 && a[n - 1] == '/')
        n--;
    while (m > 0 && b[m - 1] == '/')
        m--;
    if (n != m || !after_scheme(a))
        return n == m && memcmp(a, b, n) == 0;
    head = (size_t)(after_scheme(a) - a);
    head += strcspn(a + head, "/");
    head = head < n ? head : n;
    return strncasecmp(a, b, head) == 0 && memcmp(a + head, b + head, n - head) == 0;
}

const char *hosts_elsewhere(const struct hosts *h, const struct image *im)
{
    static const char *const names[] = { IMAGE_STAGE_HOST, IMAGE_HASH_HOST };

    for (size_t i = h->shared ? 1 : 0; i < COUNT(names); i++) {
        const char *url = image_property_get(im, names[i]);

        if (url && *url && !host_same(url, h->self))
            return url;
    }
    return NULL;
}

/* How many bytes from p on are letters, digits or one of `others`. */
static size_t plain_span(const char *p, const char *others)
{
    size_t n = 0;

    while (((p[n] | 32) >= 'a' && (p[n] | 32) <= 'z') || (p[n] >= '0' && p[n] <= '9') ||
           (p[n] && strchr(others, p[n])))
        n++;
    return n;
}

/* The end of a name or an address with its port; NULL when it is neither. */
static const char *after_authority(const char *p)
{
    size_t n = *p == '[' ? plain_span(p + 1, ":.") : plain_span(p, "-._");
    const char *end = p + n;
    char text[8] = "";
    uint64_t port;

    if (n == 0 || (*p == '[' && p[n + 1] != ']'))
        return NULL;
    if (*p == '[')
        end += 2;
    if (*end != ':')
        return end;
    n = plain_span(++end, "");
    if (n < sizeof text)
        memcpy(text, end, n);
    return str_to_u64(text, 65535, &port) && port > 0 ? end + n : NULL;
}

/* Segments, none of them "." or "..", and none empty but the last. */
static bool path_plain(const char *path)
{
    while (*path == '/') {
        size_t n = plain_span(++path, "-._~");

        if (n == 0 ? *path != '\0' : strspn(path, ".") == n)
            return false;
        path += n;
    }
    return *path == '\0';
}

int host_check(const char *url, struct error *e)
{
    const char *at = after_scheme(url);

    if (at && strlen(url) <= URL_MAX)
        at = after_authority(at);
    else
        at = NULL;
    if (at && path_plain(at))
        return 0;
    return error_set(e, ERROR_INVALID, "%.200s is no http or https URL of a host", url);
}

int hosts_peer_check(const struct hosts *h, const char *url, struct error *e)
{
    if (host_check(url, e) < 0)
        return -1;
    for (size_t i = 0; i < h->n_peers; i++)
        if (host_same(h->peers[i], url))
            return 0;
    if (h->n_peers == 0)
        return 0;
    return error_set(e, ERROR_INVALID, "%.200s is none of [glint] peers", url);
}
