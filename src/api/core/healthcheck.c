/* SPDX-License-Identifier: Apache-2.0 */
#include "api/core/healthcheck.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/core/before.h"
#include "api/core/respond.h"
#include "db/db.h"
#include "model/model.h"
#include "store/store.h"

struct result {
    bool available;
    const char *reason, *details; /* details: NULL for none */
};

typedef const char *page(const struct healthcheck *h, const struct result *results, size_t n,
                         struct str *out);
typedef void backend(const struct healthcheck *h, struct request *rq, struct result *ret);

/* The addresses that begin with these bits. */
struct range {
    int family;
    uint8_t address[16];
    unsigned bits;
};

struct port_file {
    unsigned port;
    const char *path;
};

struct healthcheck {
    const char *path; /* where it is mounted */
    bool filter;      /* what it does not answer goes on to the service */
    bool detailed, ignore_proxied;
    backend **backends;
    size_t n_backends;
    struct range *ranges; /* none: everybody may ask */
    size_t n_ranges;
    const char *disable_file;
    struct port_file *port_files;
    size_t n_port_files;
    const char **enable_files;
    size_t n_enable_files;
};

/* ---- backends ---- */

static void disable_by_file(const struct healthcheck *h, struct request *rq, struct result *ret)
{
    const char *path = h->disable_file;

    *ret = (struct result){ true, "OK", "No 'disable_by_file_path' configuration value specified" };
    if (!path || !*path)
        return;
    ret->available = access(path, F_OK) != 0;
    ret->reason = ret->available ? "OK" : "DISABLED BY FILE";
    ret->details = arena_printf(rq->arena, "Path '%s' was %sfound", path, ret->available ? "not " : "");
}

static void disable_by_files_ports(const struct healthcheck *h, struct request *rq, struct result *ret)
{
    const char *path = NULL;

    for (size_t i = 0; i < h->n_port_files; i++)
        if (h->port_files[i].port == rq->http->port)
            path = h->port_files[i].path;
    *ret = (struct result){ true, "OK", NULL };
    if (path && access(path, F_OK) == 0)
        *ret = (struct result){ false, "DISABLED BY FILE", NULL };
}

static void enable_by_files(const struct healthcheck *h, struct request *rq, struct result *ret)
{
    *ret = (struct result){ true, "OK", "Specified file paths are available" };
    for (size_t i = 0; i < h->n_enable_files && ret->available; i++)
        if (access(h->enable_files[i], F_OK) != 0)
            *ret = (struct result){ false, "FILE PATH MISSING",
                                    arena_printf(rq->arena, "File path %s is missing", h->enable_files[i]) };
}

static const struct {
    const char *name;
    backend *run;
} backends[] = {
    { "disable_by_file", disable_by_file },
    { "disable_by_files_ports", disable_by_files_ports },
    { "enable_by_files", enable_by_files },
};

/* ---- what the service itself lacks ---- */

enum { OWN_MAX = 34 }; /* lines of one answer */

/* A worker starts with the service, so that none is missed before it had time to. */
static void own_worker(struct request *rq, struct db_conn *c, struct result *ret, size_t *n)
{
    struct worker_row *workers;
    struct error e;
    size_t at_work;

    if (clock_mono_us() - rq->api->attached_us < WORKER_BEAT_SECONDS * CLOCK_SECOND)
        return;
    if (worker_list(c, rq->arena, &workers, &at_work, &e) == 0 && at_work == 0)
        ret[(*n)++] =
            (struct result){ true, "NO WORKER",
                             "no worker is at work: imports and other jobs wait until glint worker runs" };
}

static void own_database(struct request *rq, struct result *ret, size_t *n)
{
    struct db_conn *c;
    struct error e;

    if (request_db(rq, &c, &e) < 0)
        ret[(*n)++] = (struct result){ true, "DATABASE AWAY", arena_printf(rq->arena, "%s", e.detail) };
    else
        own_worker(rq, c, ret, n);
}

static void own_store(struct request *rq, struct store *s, struct result *ret, size_t *n)
{
    struct error e;

    if (s && *n < OWN_MAX && store_check(s, &e) < 0)
        ret[(*n)++] = (struct result){ true, "STORE AWAY",
                                       arena_printf(rq->arena, "Store '%s': %s", store_id(s), e.detail) };
}

/* Adds lines to detailed answers where something is wrong. The status stays that of the backends: what is
 * away is away for every server, and a load balancer that takes servers out would help nobody. Looking waits
 * for the database and the stores, which an event loop must not. */
static int own_look(struct request *rq, struct result ret[OWN_MAX], size_t *ret_n, struct error *e)
{
    struct stores *stores = rq->api->stores;

    *ret_n = 0;
    if (rq->http->inline_only)
        return error_set(e, ERROR_WOULD_BLOCK, "%s", "");
    own_database(rq, ret, ret_n);
    for (size_t i = 0; i < stores_count(stores); i++)
        own_store(rq, stores_at(stores, i), ret, ret_n);
    own_store(rq, stores_staging(stores), ret, ret_n);
    return 0;
}

/* ---- options ---- */

static backend *backend_named(const char *name)
{
    for (size_t i = 0; i < COUNT(backends); i++)
        if (str_eq(backends[i].name, name))
            return backends[i].run;
    return NULL;
}

static size_t list_of(const struct filter_view *v, const char *name, const char *const **ret)
{
    return config_list(filter_view(v, name), v->group, name, ret);
}

static int read_backends(struct arena *a, const struct filter_view *v, struct healthcheck *h, struct error *e)
{
    const char *const *items;
    size_t n = list_of(v, "backends", &items), filled = 0, cap = 0;
    bool disables = false, enables = false;

    for (size_t i = 0; i < n; i++) {
        backend *run = backend_named(items[i]);

        if (!run)
            return error_set(e, ERROR_INVALID, "the healthcheck backend '%s' is not known here", items[i]);
        disables = disables || run == disable_by_file;
        enables = enables || run == enable_by_files;
        *ARENA_PUSH(a, h->backends, filled, cap) = run;
    }
    if (disables && enables)
        return error_set(e, ERROR_INVALID,
                         "the healthcheck backends disable_by_file and enable_by_files exclude each other");
    h->n_backends = filled;
    return 0;
}

static bool covers(const struct range *r, const uint8_t *address)
{
    unsigned whole = r->bits / 8, rest = r->bits % 8;

    if (memcmp(r->address, address, whole) != 0)
        return false;
    return rest == 0 || (r->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

/* "address" or "address/bits"; bits set beyond them are a mistake to Python's ipaddress too. */
static bool range_parse(struct arena *a, const char *text, struct range *ret)
{
    const char *slash = strchrnul(text, '/');
    const char *address = arena_strn(a, text, (size_t)(slash - text));
    uint64_t bits;
    unsigned width;

    *ret = (struct range){ .family = strchr(address, ':') ? AF_INET6 : AF_INET };
    width = ret->family == AF_INET6 ? 128 : 32;
    bits = width;
    if (inet_pton(ret->family, address, ret->address) != 1 ||
        (*slash && !str_to_u64(slash + 1, width, &bits)))
        return false;
    ret->bits = (unsigned)bits;
    for (unsigned i = ret->bits; i < width; i++)
        if (ret->address[i / 8] & 0x80 >> i % 8)
            return false;
    return true;
}

static int read_ranges(struct arena *a, const struct filter_view *v, struct healthcheck *h, struct error *e)
{
    const char *const *items;
    size_t n = list_of(v, "allowed_source_ranges", &items), cap = 0;

    for (size_t i = 0; i < n; i++)
        if (!range_parse(a, items[i], ARENA_PUSH(a, h->ranges, h->n_ranges, cap)))
            return error_set(e, ERROR_INVALID,
                             "[healthcheck] allowed_source_ranges: '%s' is no network such as 10.0.0.0/8",
                             items[i]);
    return 0;
}

static int read_files(struct arena *a, const struct filter_view *v, struct healthcheck *h, struct error *e)
{
    static const char name[] = "disable_by_file_path";
    const char *const *items;
    size_t n = list_of(v, "disable_by_file_paths", &items), cap = 0;

    h->disable_file = arena_str(a, config_str(filter_view(v, name), v->group, name));
    for (size_t i = 0; i < n; i++) {
        const char *colon = strchrnul(items[i], ':');
        uint64_t port;

        if (!*colon || !str_to_u64(arena_strn(a, items[i], (size_t)(colon - items[i])), UINT16_MAX, &port))
            return error_set(e, ERROR_INVALID, "[healthcheck] disable_by_file_paths: '%s' is not port:path",
                             items[i]);
        *ARENA_PUSH(a, h->port_files, h->n_port_files, cap) =
            (struct port_file){ (unsigned)port, arena_str(a, colon + 1) };
    }
    n = list_of(v, "enable_by_file_paths", &items);
    cap = 0;
    for (size_t i = 0; i < n; i++)
        *ARENA_PUSH(a, h->enable_files, h->n_enable_files, cap) = arena_str(a, items[i]);
    return 0;
}

int healthcheck_make(struct arena *a, const struct healthcheck_mount *m, const struct config *c,
                     const struct healthcheck **ret, struct error *e)
{
    CLEANUP(filter_view_done) struct filter_view v = { 0 };
    struct healthcheck *h = arena_new(a, struct healthcheck);

    if (filter_view_open(m->filter, c, "healthcheck", &v, e) < 0)
        return -1;
    h->path = arena_str(a, m->path);
    h->filter = m->is_filter;
    h->detailed = config_bool(filter_view(&v, "detailed"), v.group, "detailed");
    h->ignore_proxied =
        config_bool(filter_view(&v, "ignore_proxied_requests"), v.group, "ignore_proxied_requests");
    if (read_backends(a, &v, h, e) < 0 || read_ranges(a, &v, h, e) < 0 || read_files(a, &v, h, e) < 0)
        return -1;
    *ret = h;
    return 0;
}

/* ---- pages ---- */

/* What a detailed answer tells of the machine; the original's adds its interpreter's insides. */
struct machine {
    char now[CLOCK_TEXT_MAX], platform[256], host[80];
};

static void machine_look(struct machine *m)
{
    struct utsname u = { 0 };

    clock_sql(clock_now_us(), m->now);
    (void)uname(&u);
    (void)snprintf(m->platform, sizeof m->platform, "%s-%s-%s", u.sysname, u.release, u.machine);
    str_copy(m->host, sizeof m->host, u.nodename);
}

static void add_escaped(struct str *out, const char *text)
{
    static const struct {
        char c;
        const char *as;
    } marks[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '\'', "&#39;" }, { '"', "&#34;" } };

    for (; *text; text++) {
        const char *as = NULL;

        for (size_t i = 0; i < COUNT(marks); i++)
            if (marks[i].c == *text)
                as = marks[i].as;
        if (as)
            str_add(out, as);
        else
            str_addc(out, *text);
    }
}

static void add_html_machine(struct str *out)
{
    struct machine m;

    machine_look(&m);
    str_add(out, "<H1>Server status</H1>\n<B>Server hostname:</B><PRE>");
    add_escaped(out, m.host);
    str_addf(out, "</PRE>\n<B>Current time:</B><PRE>%s</PRE>\n<B>Platform:</B><PRE>", m.now);
    add_escaped(out, m.platform);
    str_add(out, "</PRE>\n<HR></HR>\n");
}

static const char *add_html(const struct healthcheck *h, const struct result *results, size_t n,
                            struct str *out)
{
    str_add(out, "<HTML>\n<HEAD><TITLE>Healthcheck Status</TITLE></HEAD>\n<BODY>\n");
    if (h->detailed)
        add_html_machine(out);
    str_addf(out,
             "%s<H2>Result of %zu checks:</H2>\n<TABLE bgcolor=\"#ffffff\" border=\"1\">\n<TBODY>\n<TR>\n%s\n"
             "</TR>\n",
             h->detailed ? "" : "\n", n,
             h->detailed ? "<TH>\nKind\n</TH>\n<TH>\nReason\n</TH>\n<TH>\nDetails\n</TH>\n"
                         : "\n<TH>\nReason\n</TH>");
    for (size_t i = 0; i < n; i++) {
        str_addf(out, "<TR>\n%s\n    <TD>%s</TD>\n", h->detailed ? "<TD>HealthcheckResult</TD>" : "",
                 results[i].reason);
        if (h->detailed) {
            str_add(out, "<TD>");
            add_escaped(out, results[i].details ? results[i].details : "");
            str_add(out, "</TD>");
        }
        str_add(out, "\n</TR>");
    }
    str_add(out, "\n</TBODY>\n</TABLE>\n<HR></HR>\n\n</BODY>\n</HTML>");
    return "text/html; charset=UTF-8";
}

static const char *add_text(const struct healthcheck *h UNUSED, const struct result *results, size_t n,
                            struct str *out)
{
    for (size_t i = 0; i < n; i++)
        str_addf(out, "%s%s", i ? "\n" : "", results[i].reason);
    return "text/plain; charset=UTF-8";
}

static void add_json_machine(struct str *out)
{
    struct machine m;

    machine_look(&m);
    str_addf(out, "    \"now\": \"%s\",\n    \"platform\": ", m.now);
    json_add_text(out, m.platform, true);
    str_add(out, ",\n");
}

static const char *add_json(const struct healthcheck *h, const struct result *results, size_t n,
                            struct str *out)
{
    str_addf(out, "{\n    \"detailed\": %s,\n", h->detailed ? "true" : "false");
    if (h->detailed)
        add_json_machine(out);
    str_add(out, "    \"reasons\": [");
    for (size_t i = 0; i < n; i++) {
        str_add(out, i ? ",\n" : "\n");
        if (h->detailed) {
            str_add(out,
                    "        {\n            \"class\": \"HealthcheckResult\",\n            \"details\": ");
            json_add_text(out, results[i].details ? results[i].details : "", true);
            str_addf(out, ",\n            \"reason\": \"%s\"\n        }", results[i].reason);
        } else {
            str_addf(out, "        \"%s\"", results[i].reason);
        }
    }
    str_addf(out, "%s]\n}", n ? "\n    " : "");
    return "application/json";
}

/* ---- the answer ---- */

/* Whether path is at or below the mount; slashes in a row count as one there. */
static bool is_below(const char *mount, const char *path)
{
    for (; *mount; mount++, path++) {
        if (*path != *mount)
            return false;
        while (path[0] == '/' && path[1] == '/')
            path++;
    }
    return !*path || *path == '/';
}

static bool came_through_a_proxy(struct request *rq)
{
    static const char *const names[] = { "X-Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host",
                                         "X-Forwarded-For", "X-Forwarded-Prefix" };

    for (size_t i = 0; i < COUNT(names); i++) {
        const char *value = http_header(rq->http, names[i]);

        if (value && *value)
            return true;
    }
    return false;
}

/* By the address of the connection: what a proxy says of others is not known to be true here. */
static bool may_ask(const struct healthcheck *h, struct request *rq)
{
    const char *peer = rq->http->peer ? rq->http->peer : "";
    int family = strchr(peer, ':') ? AF_INET6 : AF_INET;
    uint8_t address[16];

    if (h->ignore_proxied && came_through_a_proxy(rq))
        return false;
    if (h->n_ranges == 0)
        return true;
    if (inet_pton(family, peer, address) != 1)
        return false;
    for (size_t i = 0; i < h->n_ranges; i++)
        if (h->ranges[i].family == family && covers(&h->ranges[i], address))
            return true;
    return false;
}

static const struct healthcheck *find(const struct request *rq)
{
    const struct settings *s = rq->settings;
    const struct healthcheck *best = NULL;

    for (size_t i = 0; i < s->n_healthchecks; i++)
        if (is_below(s->healthchecks[i]->path, rq->http->path) &&
            (!best || strlen(best->path) < strlen(s->healthchecks[i]->path)))
            best = s->healthchecks[i];
    return best;
}

static int answer(const struct healthcheck *h, struct request *rq, struct error *e)
{
    static const char *const offers[] = { "text/plain", "text/html", "application/json" };
    static page *const pages[] = { add_text, add_html, add_json };
    CLEANUP(str_done) struct str body = STR_INIT;
    struct result *results = arena_array(rq->arena, struct result, h->n_backends + OWN_MAX + 1);
    size_t n = h->n_backends, n_own = 0;
    int form = http_accept_best(http_header(rq->http, "Accept"), offers, COUNT(offers));
    bool head = str_eq(rq->http->method, "HEAD"), healthy = true;
    const char *type;

    for (size_t i = 0; i < n; i++) {
        h->backends[i](h, rq, &results[i]);
        healthy = healthy && results[i].available;
    }
    if (h->detailed && own_look(rq, results + n, &n_own, e) < 0)
        return -1;
    n += n_own;
    type = pages[head || form < 0 ? 0 : form](h, results, n, &body);
    if (!head)
        respond_text(rq, healthy ? 200 : 503, type, str_text(&body), body.len);
    else
        respond_empty(rq, healthy ? 204 : 503, healthy ? NULL : type);
    return 0;
}

int healthcheck_answer(struct request *rq, bool *ret_done, struct error *e)
{
    const struct healthcheck *h = find(rq);

    *ret_done = h && may_ask(h, rq);
    if (*ret_done && answer(h, rq, e) < 0)
        return -1;
    if (h && !*ret_done && !h->filter)
        return error_set(e, ERROR_NOT_FOUND, "%s", "");
    return 0;
}
