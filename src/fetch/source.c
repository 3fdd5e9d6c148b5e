/* SPDX-License-Identifier: Apache-2.0 */
/* Which URLs a client may have the service ask. Facts: Glance 33's common/utils.py, what it takes for a host
 * and in which order it asks the lists; it lets pass 0.0.0.0 and ::, which reach this machine, and does not
 * look at what a name resolves to when the service connects. */
#include "fetch/source_private.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http/http.h"

enum { HOST_MAX = 256, PORT_TEXT_MAX = 8 };

#define BLANKS " \t\r\n\v\f"
#define NAME   "abcdefghijklmnopqrstuvwxyz0123456789.-_" /* of hosts; http_url_split() lowers */

/* ---- the configuration ---- */

static struct source_list list_copy(struct arena *a, const struct config *c, const char *group,
                                    const char *name)
{
    const char *const *items;
    size_t n = config_list(c, group, name, &items);
    const char **copy = arena_array(a, const char *, n + 1);

    for (size_t i = 0; i < n; i++)
        copy[i] = arena_str(a, items[i]);
    return (struct source_list){ copy, n };
}

static void networks_read(struct fetch_rules *r, const struct config *c)
{
    const char *const *items;
    size_t n = config_list(c, "glint", "import_networks", &items);

    r->networks = arena_array(r->arena, struct fetch_network, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (fetch_network_parse(items[i], &r->networks[r->n_networks]))
            r->n_networks++;
        else
            log_warning("[glint] import_networks: %s is not a network", items[i]);
    }
}

#define READ(list) r->list = list_copy(r->arena, c, "import_filtering_opts", #list)

struct fetch_rules *fetch_rules_make(const struct config *c, const struct fetch_system *system)
{
    struct fetch_rules *r = mem_new(sizeof *r);

    r->refs = 1;
    r->arena = arena_make(1024);
    r->system = system ? system : &fetch_system;
    pthread_mutex_init(&r->lock, NULL);
    READ(allowed_schemes);
    READ(disallowed_schemes);
    READ(allowed_hosts);
    READ(disallowed_hosts);
    READ(allowed_ports);
    READ(disallowed_ports);
    networks_read(r, c);
    r->private = config_bool(c, "glint", "import_private");
    own_hosts_read(r, c);
    return r;
}

struct fetch_rules *fetch_rules_ref(struct fetch_rules *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void fetch_rules_free(struct fetch_rules *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
        return;
    pthread_mutex_destroy(&r->lock);
    arena_free(r->resolved_arena);
    arena_free(r->arena);
    mem_free(r);
}

void fetch_rules_describe(const struct fetch_rules *r, struct str *out)
{
    const char *const *hosts = r->allowed_hosts.items;

    if (r->allowed_hosts.n > 0) {
        str_add(out, "clients may name sources at the hosts of [import_filtering_opts] allowed_hosts alone:");
        for (size_t i = 0; i < r->allowed_hosts.n; i++)
            str_addf(out, " %s", hosts[i]);
        return;
    }
    str_add(out, r->private
                     ? "clients may name sources at public addresses and in private networks (10.0.0.0/8, "
                       "172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7), which [glint] "
                       "import_private = false closes"
                     : "clients may name sources at public addresses; private networks are closed "
                       "([glint] import_private = false)");
    if (r->n_networks > 0)
        str_addf(out, ", and in %zu networks of [glint] import_networks", r->n_networks);
}

/* ---- what is refused, and why ---- */

/* One message for all, so that clients learn nothing of what listens where. */
static int refuse(struct error *e, enum error_kind kind, const char *host, const char *why)
{
    error_set(e, kind, "Remote server where the image is present is unavailable.");
    return error_detail(e, "source %.200s: %.180s", *host ? host : "without a host", why);
}

static bool holds(const struct source_list *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++)
        if (str_eq(l->items[i], text))
            return true;
    return false;
}

/* The first list has priority: only when it is empty does the second one count. */
#define PASSES(r, kind, text)                                                                                \
    ((r)->allowed_##kind.n > 0 ? holds(&(r)->allowed_##kind, text) : !holds(&(r)->disallowed_##kind, text))

/* Hosts are compared without case and without the dot that ends an absolute name. */
static bool same_host(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);

    while (n > 0 && a[n - 1] == '.')
        n--;
    while (m > 0 && b[m - 1] == '.')
        m--;
    return n == m && strncasecmp(a, b, n) == 0;
}

static bool holds_host(const struct source_list *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (same_host(l->items[i], name))
            return true;
    return false;
}

/* ---- hosts ---- */

struct host {
    char name[HOST_MAX]; /* as the lists spell it */
    bool literal;
    bool named; /* allowed_hosts names it: whatever it resolves to */
    struct sockaddr_storage one;
    struct sockaddr_storage *addresses;
    size_t n;
};

static bool as_address(const char *text, struct host *ret)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&ret->one;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&ret->one;

    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        return inet_ntop(AF_INET, &four->sin_addr, ret->name, sizeof ret->name) != NULL;
    }
    if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
        return false;
    six->sin6_family = AF_INET6;
    return inet_ntop(AF_INET6, &six->sin6_addr, ret->name, sizeof ret->name) != NULL;
}

/* What a resolver could read as an address (0x7f000001, 127.1, 1.2.3.0x4) ends in a number. */
static bool ends_in_number(const char *name)
{
    size_t n = strlen(name), first;

    while (n > 0 && name[n - 1] == '.')
        n--;
    for (first = n; first > 0 && name[first - 1] != '.';)
        first--;
    if (first == n)
        return true;
    if (n - first >= 2 && name[first] == '0' && name[first + 1] == 'x')
        return strspn(name + first + 2, "0123456789abcdef") >= n - first - 2;
    return strspn(name + first, "0123456789") >= n - first;
}

static const char *host_read(const char *text, struct host *ret)
{
    size_t n = strlen(text);

    memset(ret, 0, sizeof *ret);
    if (n == 0)
        return "there is no host";
    ret->literal = as_address(text, ret);
    if (ret->literal)
        return NULL;
    if (n >= HOST_MAX || text[strspn(text, NAME)] || ends_in_number(text))
        return "it is neither a name nor an address in its usual form";
    str_copy(ret->name, sizeof ret->name, text);
    return NULL;
}

/* lists: what clients may name counts, not only what must never be. */
static const char *host_listed(const struct fetch_rules *r, struct host *h, bool lists)
{
    h->named = holds_host(&r->allowed_hosts, h->name);
    if (h->named)
        return NULL;
    if (r->allowed_hosts.n > 0)
        return lists ? "allowed_hosts does not name it" : NULL;
    return holds_host(&r->disallowed_hosts, h->name) ? "disallowed_hosts names it" : NULL;
}

static void host_resolve(const struct fetch_rules *r, struct arena *a, struct host *h)
{
    h->addresses = &h->one;
    h->n = h->literal ? 1 : r->system->resolve(r->system->arg, a, h->name, &h->addresses);
}

static const char *address_text(const struct sockaddr *address, char *ret, socklen_t size)
{
    socklen_t n = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

    if (getnameinfo(address, n, ret, size, NULL, 0, NI_NUMERICHOST) != 0)
        return "?";
    return ret;
}

/* In import_networks? What never is reached has to be named by itself, not by a network around it. */
static bool in_networks(const struct fetch_rules *r, const struct fetch_address *a, bool never)
{
    for (size_t i = 0; i < r->n_networks; i++)
        if (fetch_network_holds(&r->networks[i], a) &&
            (!never || fetch_network_within(&r->networks[i], FETCH_NEVER)))
            return true;
    return false;
}

/* Why this address of the host is not connected to; NULL: it may be. */
static const char *address_refused(struct fetch_rules *r, struct arena *a, const struct host *h,
                                   const struct sockaddr *address)
{
    struct fetch_address bytes;
    char text[HOST_MAX];
    const char *name;

    if (!fetch_address_bytes(address, &bytes))
        return "not IP";
    if (h->named)
        return NULL;
    if (!h->literal && holds(&r->disallowed_hosts, address_text(address, text, sizeof text)))
        return "disallowed_hosts names it";
    switch (fetch_address_reach(&bytes, &name)) {
    case FETCH_NEVER:
        return in_networks(r, &bytes, true) ? NULL : name;
    case FETCH_NOBODY:
        if (!in_networks(r, &bytes, false))
            return name;
        break;
    case FETCH_PRIVATE:
        if (!r->private && !in_networks(r, &bytes, false))
            return arena_printf(a, "%s, and import_private is false", name);
        break;
    case FETCH_PUBLIC:
        break;
    }
    return own_address(r, a, &bytes);
}

/* Leaves the addresses that may be connected to; *ret_why says of the last other one why not. */
static void addresses_judge(struct fetch_rules *r, struct arena *a, struct host *h, const char **ret_why)
{
    const char *option = h->named ? NULL : own_host_named(r, h->name);
    size_t n = 0;
    char text[HOST_MAX];

    for (size_t i = 0; i < h->n; i++) {
        const struct sockaddr *address = (const struct sockaddr *)&h->addresses[i];
        const char *why = option ? option : address_refused(r, a, h, address);

        if (!why)
            h->addresses[n++] = h->addresses[i];
        else
            *ret_why = arena_printf(a, "its address %s is refused: %s",
                                    address_text(address, text, sizeof text), why);
    }
    h->n = n;
}

/* The addresses of the host that may be asked, in h. */
static int host_judge(struct fetch_rules *r, struct arena *a, const char *name, bool lists, bool proxied,
                      struct host *h, struct error *e)
{
    const char *why = host_read(name, h);

    if (!why)
        why = host_listed(r, h, lists);
    if (why)
        return refuse(e, ERROR_UNAVAILABLE, name, why);
    host_resolve(r, a, h);
    if (h->n == 0)
        return proxied && !h->literal ? 0 : refuse(e, ERROR_UNAVAILABLE, name, "the name cannot be resolved");
    addresses_judge(r, a, h, &why);
    return h->n > 0 ? 0 : refuse(e, ERROR_UNAVAILABLE, name, why);
}

/* ---- URLs ---- */

/* Scheme and port; NULL: they may be named. */
static const char *form_refused(const struct fetch_rules *r, const struct http_url *u, bool lists,
                                unsigned *ret_port)
{
    bool tls = str_eq(u->scheme, "https");
    char port[PORT_TEXT_MAX];

    if (!tls && !str_eq(u->scheme, "http"))
        return "its scheme is neither http nor https";
    *ret_port = u->port_told ? u->port : tls ? 443 : 80;
    if (!lists)
        return NULL;
    if (!PASSES(r, schemes, u->scheme))
        return "its scheme is not allowed";
    snprintf(port, sizeof port, "%u", *ret_port);
    return PASSES(r, ports, port) || *ret_port == 0 ? NULL : "its port is not allowed";
}

int fetch_source_check(struct fetch_rules *r, const char *url, struct error *e)
{
    CLEANUP(arena_end) struct arena *a = arena_make(1024);
    struct http_url u;
    struct host h;
    const char *why;
    unsigned port;

    if (!http_url_split(a, url, &u))
        return refuse(e, ERROR_INVALID, "", "this is not a URL");
    why = form_refused(r, &u, true, &port);
    if (why)
        return refuse(e, ERROR_INVALID, u.host, why);
    if (host_judge(r, a, u.host, true, false, &h, e) < 0) {
        e->kind = ERROR_INVALID;
        return -1;
    }
    return 0;
}

/* What the check and libcurl could understand differently is not a URL. */
static bool plain(const char *url)
{
    for (const unsigned char *p = (const unsigned char *)url; *p; p++)
        if (*p <= ' ' || *p == 0x7F || *p == '\\')
            return false;
    return true;
}

static const char *blanks_cut(struct arena *a, const char *url)
{
    size_t n;

    url += strspn(url, BLANKS);
    n = strlen(url);
    while (n > 0 && strchr(BLANKS, url[n - 1]))
        n--;
    return arena_strn(a, url, n);
}

static void add_ascii(struct str *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p && *p != '#'; p++)
        str_addf(out, *p < 0x80 ? "%c" : "%%%02X", *p);
}

/* As it is sent: without fragment, and with nothing but ASCII. */
static const char *url_join(struct arena *a, const struct http_url *u, unsigned port, bool user)
{
    CLEANUP(str_done) struct str out = STR_INIT;
    const char *bracket = strchr(u->host, ':') ? "[" : "";

    str_addf(&out, "%s://", u->scheme);
    if (user) {
        add_ascii(&out, u->user); /* has no '#': the host would have ended there */
        str_addc(&out, '@');
    }
    str_addf(&out, "%s%s%s:%u", bracket, u->host, *bracket ? "]" : "", port);
    if (*u->rest != '/')
        str_addc(&out, '/');
    add_ascii(&out, u->rest);
    return arena_str(a, str_text(&out));
}

static const char *request_refused(const struct fetch_gate *g, const struct http_url *u, bool lists,
                                   unsigned *ret_port)
{
    const char *why = form_refused(g->rules, u, lists, ret_port);

    if (why)
        return why;
    if (u->user_told && lists)
        return "it has a user";
    if (*ret_port == 0)
        return "its port is 0";
    return g->tls && str_eq(u->scheme, "http") ? "a redirect leads from https to http" : NULL;
}

int fetch_admit(struct fetch_gate *g, const char *url, struct fetch_target *ret, struct error *e)
{
    bool first = !g->followed, lists = !(g->stored && first);
    struct host *h = arena_new(g->arena, struct host);
    struct http_url u = { .host = "" };
    const char *why = NULL;
    unsigned port = 0;

    url = blanks_cut(g->arena, url);
    if (!plain(url))
        why = "it has a blank, a control character or a backslash";
    else if (!http_url_split(g->arena, url, &u))
        why = "this is not a URL";
    else
        why = request_refused(g, &u, lists, &port);
    if (why)
        return refuse(e, ERROR_INVALID, u.host, why);
    if (host_judge(g->rules, g->arena, u.host, lists, g->proxied, h, e) < 0)
        return -1;
    g->tls = str_eq(u.scheme, "https");
    g->followed = true;
    *ret = (struct fetch_target){ .url = url_join(g->arena, &u, port, first && u.user_told),
                                  .host = u.host,
                                  .port = port,
                                  .literal = h->literal,
                                  .addresses = h->addresses,
                                  .n_addresses = h->n };
    return 0;
}
