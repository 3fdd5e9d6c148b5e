/* SPDX-License-Identifier: Apache-2.0 */
/* CGI variables (RFC 3875, PEP 3333) to a request. A web server has read the head before us, but what it
 * hands on of a client's is judged as strictly as a head of our own: it goes into answers and logs. */
#include "http/http.h"

#include <string.h>

struct cgi {
    const char *(*get)(void *arg, const char *name);
    void *arg;
    struct http_request *rq;
    const char *authority; /* of an absolute REQUEST_URI */
};

static const char *var(struct cgi *c, const char *name)
{
    const char *text = c->get(c->arg, name);

    return text && *text ? text : NULL;
}

static bool is_all(const char *text, unsigned class)
{
    size_t n = strlen(text);

    return http_span(text, text + n, class) == n;
}

static int take_method(struct cgi *c, struct error *e)
{
    const char *method = var(c, "REQUEST_METHOD");

    if (!method || !is_all(method, HTTP_TOKEN))
        return error_set(e, ERROR_INVALID, "REQUEST_METHOD is missing or malformed");
    c->rq->method = method;
    return 0;
}

/* ---- path, prefix and query ---- */

/* The byte that raw begins with and where the next one begins. */
static char decode_one(const char **raw)
{
    const char *p = *raw;

    if (*p == '%' && http_hex(p[1]) >= 0 && http_hex(p[2]) >= 0) {
        *raw += 3;
        return (char)(http_hex(p[1]) << 4 | http_hex(p[2]));
    }
    *raw += 1;
    return *p;
}

/* What follows the decoded prefix in the raw path, or NULL when it does not begin with it. Servers merge
 * slashes before they compare, so one slash of the prefix stands for any number. */
static const char *after_prefix(const char *raw, const char *prefix)
{
    for (size_t i = 0; prefix[i]; i++) {
        if (*raw == '\0' || decode_one(&raw) != prefix[i])
            return NULL;
        while (prefix[i] == '/' && *raw == '/')
            raw++;
    }
    return *raw == '\0' || *raw == '/' ? raw : NULL;
}

/* The length of "scheme://" at the start of an absolute-form target. */
static size_t scheme_length(const char *target)
{
    const char *colon = strstr(target, "://");
    size_t n = colon ? (size_t)(colon - target) : 0;

    return n > 0 && http_span(target, colon, HTTP_TOKEN) == n ? n + 3 : 0;
}

/* Cuts REQUEST_URI into path and query; the authority of an absolute form replaces Host (RFC 9112 3.2.2). */
static int cut_target(struct cgi *c, const char *target, struct error *e)
{
    struct http_request *rq = c->rq;
    const char *rest = target, *question;
    size_t skip = *target == '/' ? 0 : scheme_length(target);

    if (!is_all(target, HTTP_TARGET))
        return error_set(e, ERROR_INVALID, "REQUEST_URI has bytes that it must not have");
    if (skip > 0) {
        rest = target + skip + strcspn(target + skip, "/?");
        c->authority = arena_strn(rq->arena, target + skip, (size_t)(rest - target) - skip);
        if (!*c->authority || !http_host_valid(c->authority, strlen(c->authority)))
            return error_set(e, ERROR_INVALID, "the authority in REQUEST_URI is malformed");
    } else if (*target != '/' && !(str_eq(target, "*") && str_eq(rq->method, "OPTIONS"))) {
        return error_set(e, ERROR_INVALID, "REQUEST_URI is of no known form");
    }
    question = strchr(rest, '?');
    rq->path = question ? arena_strn(rq->arena, rest, (size_t)(question - rest)) : rest;
    rq->query = question ? question + 1 : NULL;
    return 0;
}

static const char *quote(struct arena *a, const char *text)
{
    CLEANUP(str_done) struct str quoted = STR_INIT;

    http_quote_path(&quoted, text);
    return arena_str(a, str_text(&quoted));
}

/* The path as the server has decoded it: where it gives no raw one, or has rewritten it. */
static int take_path_info(struct cgi *c, struct error *e)
{
    struct http_request *rq = c->rq;
    const char *path = var(c, "PATH_INFO"), *query = var(c, "QUERY_STRING");

    if (path && *path != '/')
        return error_set(e, ERROR_INVALID, "PATH_INFO does not begin with a slash");
    if (query && !is_all(query, HTTP_TARGET))
        return error_set(e, ERROR_INVALID, "QUERY_STRING has bytes that it must not have");
    rq->path = path ? quote(rq->arena, path) : "/";
    rq->query = query;
    return 0;
}

/* mod_proxy_uwsgi that is given no path says "/" for PATH_INFO and the whole path for SCRIPT_NAME. No mount
 * begins like a path of this API. */
static bool is_whole_path(struct cgi *c, const char *script_name)
{
    static const char *const first[] = { "/v1", "/v2", "/v3", "/versions", "/healthcheck" };

    if (!str_eq(var(c, "PATH_INFO"), "/"))
        return false;
    for (size_t i = 0; i < COUNT(first); i++) {
        size_t n = strlen(first[i]);

        if (strncmp(script_name, first[i], n) == 0 && (!script_name[n] || script_name[n] == '/'))
            return true;
    }
    return false;
}

/* Where the service is mounted: GLINT_MOUNT, set by hand where a server cannot tell ("" or "/" is the root),
 * else SCRIPT_NAME. mod_proxy_uwsgi computes SCRIPT_NAME from the lengths of paths that are decoded
 * differently. */
static int take_mount(struct cgi *c, const char **ret, bool *ret_by_hand, struct error *e)
{
    const char *mount = c->get(c->arg, "GLINT_MOUNT"), *name = mount ? "GLINT_MOUNT" : "SCRIPT_NAME";
    size_t n;

    *ret_by_hand = mount != NULL;
    if (!mount)
        mount = var(c, "SCRIPT_NAME");
    if (!*ret_by_hand && mount && is_whole_path(c, mount))
        mount = NULL;
    if (mount && *mount && *mount != '/')
        return error_set(e, ERROR_INVALID, "%s does not begin with a slash", name);
    n = mount ? strlen(mount) : 0;
    while (n > 0 && mount[n - 1] == '/')
        n--;
    *ret = n > 0 ? arena_strn(c->rq->arena, mount, n) : "";
    c->rq->prefix = n > 0 ? quote(c->rq->arena, *ret) : "";
    return 0;
}

/* Takes the mount off the path. */
static int take_rest(struct cgi *c, const char *mount, bool by_hand, struct error *e)
{
    const char *rest = after_prefix(c->rq->path, mount);

    if (rest) {
        c->rq->path = *rest ? rest : "/";
        return 0;
    }
    if (by_hand || !c->get(c->arg, "PATH_INFO"))
        return error_set(e, ERROR_INVALID, "REQUEST_URI does not begin with %s",
                         by_hand ? "GLINT_MOUNT" : "SCRIPT_NAME");
    return take_path_info(c, e);
}

/* REQUEST_URI less the mount. PATH_INFO alone could not tell %2F from a slash. */
static int take_target(struct cgi *c, struct error *e)
{
    struct http_request *rq = c->rq;
    const char *target = var(c, "REQUEST_URI"), *mount = "";
    bool by_hand;

    if (!target)
        target = var(c, "RAW_URI");              /* gunicorn's */
    if (!target && !c->get(c->arg, "PATH_INFO")) /* which may be empty */
        return error_set(e, ERROR_INVALID, "there is neither REQUEST_URI nor PATH_INFO");
    if (target && strlen(target) > HTTP_TARGET_MAX) {
        error_set(e, ERROR_INVALID, "the request target is too long");
        e->status = 414;
        return -1;
    }
    if (take_mount(c, &mount, &by_hand, e) < 0)
        return -1;
    if (!target)
        return take_path_info(c, e);
    if (cut_target(c, target, e) < 0)
        return -1;
    if (*rq->path != '*')
        return take_rest(c, mount, by_hand, e);
    rq->prefix = "";
    return 0;
}

/* ---- client and server addresses ---- */

static const char *server_name(struct cgi *c)
{
    const char *name = var(c, "SERVER_NAME"), *port = var(c, "SERVER_PORT");
    const char *usual = str_eq(c->rq->scheme, "https") ? "443" : "80";
    bool bare6 = name && *name != '[' && strchr(name, ':');
    char *host;

    if (!name)
        return NULL;
    if (port && str_eq(port, usual))
        port = NULL;
    host = arena_printf(c->rq->arena, "%s%s%s%s%s", bare6 ? "[" : "", name, bare6 ? "]" : "", port ? ":" : "",
                        port ? port : "");
    return http_host_valid(host, strlen(host)) ? host : NULL;
}

/* Any of them may be the one that was set on purpose: behind something that ends TLS, HTTPS is set by hand.
 */
static const char *scheme(struct cgi *c)
{
    static const char *const names[] = { "wsgi.url_scheme", "REQUEST_SCHEME", "UWSGI_SCHEME" };
    const char *https = var(c, "HTTPS");

    for (size_t i = 0; i < COUNT(names); i++) {
        const char *text = var(c, names[i]);

        if (text && str_eq_nocase(text, "https"))
            return "https";
    }
    return https && (str_eq_nocase(https, "on") || str_eq(https, "1")) ? "https" : "http";
}

static int take_names(struct cgi *c, struct error *e)
{
    struct http_request *rq = c->rq;
    const char *host = var(c, "HTTP_HOST"), *peer = var(c, "REMOTE_ADDR"), *port = var(c, "SERVER_PORT");
    uint64_t number = 0;

    rq->scheme = scheme(c);
    if (host && !http_host_valid(host, strlen(host)))
        return error_set(e, ERROR_INVALID, "Host is malformed");
    if (c->authority)
        host = c->authority;
    if (!host)
        host = server_name(c);
    rq->host = host ? host : rq->host ? rq->host : "localhost";
    rq->peer = peer && is_all(peer, HTTP_TOKEN | HTTP_HOST) ? peer : rq->peer ? rq->peer : "-";
    if (port && str_to_u64(port, UINT16_MAX, &number))
        rq->port = (unsigned)number;
    return 0;
}

/* ---- the body ---- */

static int take_coding(struct cgi *c, struct error *e)
{
    const char *coding = var(c, "HTTP_TRANSFER_ENCODING");

    if (coding && !str_eq_nocase(coding, "chunked"))
        return error_set(e, ERROR_UNIMPLEMENTED, "the transfer coding is not known here");
    c->rq->content_length = coding ? HTTP_BODY_UNKNOWN : HTTP_BODY_NONE;
    return 0;
}

/* Who says how long the body is, in this order: the framing that our filter in the server declares (a client
 * cannot set a variable without HTTP_), the length that the server knows, the client's coding. nginx spools a
 * chunked body and then hands on both its length and the client's header. */
static int take_body(struct cgi *c, struct error *e)
{
    const char *framing = var(c, "BODY_FRAMING"), *length = c->get(c->arg, "CONTENT_LENGTH"), *told;

    if (framing && !str_eq_nocase(framing, "chunked"))
        return error_set(e, ERROR_INVALID, "BODY_FRAMING is not known here");
    if (framing) {
        c->rq->content_length = HTTP_BODY_UNKNOWN;
        return 0;
    }
    if (length && *length) {
        if (!str_to_i64(length, 0, INT64_MAX, &c->rq->content_length))
            return error_set(e, ERROR_INVALID, "Content-Length is not a number");
        return 0;
    }
    /* Without the variable there is no telling what the server sends: never take that for an empty body. */
    told = var(c, "HTTP_CONTENT_LENGTH");
    if (!length && told && !str_eq(told, "0"))
        return error_set(e, ERROR_INVALID, "the web server does not hand on CONTENT_LENGTH");
    return take_coding(c, e);
}

int http_cgi_request(struct http_request *rq, const char *(*get)(void *arg, const char *name), void *arg,
                     struct error *e)
{
    struct cgi c = { .get = get, .arg = arg, .rq = rq };

    if (take_method(&c, e) < 0 || take_target(&c, e) < 0 || take_names(&c, e) < 0)
        return -1;
    return take_body(&c, e);
}

const char *http_cgi_header(const char *(*get)(void *arg, const char *name), void *arg, struct arena *a,
                            const char *name)
{
    char *variable = arena_printf(a, "HTTP_%s", name);
    struct cgi c = { .get = get, .arg = arg };
    const char *text = NULL;

    for (char *p = variable; *p; p++)
        *p = (char)(*p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? *p - 0x20 : *p);
    if (str_eq(variable, "HTTP_CONTENT_TYPE") || str_eq(variable, "HTTP_CONTENT_LENGTH"))
        text = var(&c, variable + strlen("HTTP_"));
    return text ? text : get(arg, variable);
}
