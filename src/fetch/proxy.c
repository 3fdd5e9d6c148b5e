/* SPDX-License-Identifier: Apache-2.0 */
/* Proxies, which the operator names: in the configuration or by the environment. */
#include "fetch/source_private.h"

#include <stdlib.h>
#include <string.h>

#include "http/http.h"

/* As libcurl reads it. */
static const char *of_environment(bool tls)
{
    static const char *const plain[] = { "http_proxy", "all_proxy", "ALL_PROXY" };
    static const char *const encrypted[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" };
    const char *const *names = tls ? encrypted : plain;
    const char *found = NULL;

    for (size_t i = 0; i < (tls ? COUNT(encrypted) : COUNT(plain)) && (!found || !*found); i++)
        found = getenv(names[i]);
    return found ? found : "";
}

bool proxy_used(const char *configured, bool tls, const char **ret)
{
    *ret = configured ? configured : of_environment(tls);
    return **ret != '\0';
}

size_t proxy_addresses(const struct fetch_rules *r, struct arena *a, const char *proxy,
                       struct sockaddr_storage **ret)
{
    struct http_url u;

    if (!http_url_split(a, arena_printf(a, "%s%s", strstr(proxy, "://") ? "" : "//", proxy), &u) || !*u.host)
        return 0;
    return r->system->resolve(r->system->arg, a, u.host, ret);
}
