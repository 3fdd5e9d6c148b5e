/* SPDX-License-Identifier: Apache-2.0 */
/* One request from the front end's hand to its answer: what stands before the routes, the match, the
 * identity, the handler, the error, the log line. */
#include "api/api.h"

#include <string.h>

#include "api/core/access.h"
#include "api/core/before.h"
#include "api/core/respond.h"
#include "api/core/route.h"
#include "db/db.h"

/* ---- settings of a running request ---- */

static struct settings *settings_hold(struct api *api)
{
    WITH_MUTEX(&api->lock);

    atomic_fetch_add(&api->settings->refs, 1);
    return api->settings;
}

int request_db(struct request *rq, struct db_conn **ret, struct error *e)
{
    if (!rq->conn && db_acquire(rq->api->db, rq->http->inline_only ? DB_NOWAIT : DB_WAIT, &rq->conn, e) < 0)
        return -1;
    *ret = rq->conn;
    return 0;
}

void request_db_release(struct request *rq)
{
    db_release(&rq->conn);
}

int request_write(struct request *rq, const struct db_unit *unit, void *arg, struct error *e)
{
    struct db_conn *c;

    return request_db(rq, &c, e) < 0 ? -1 : db_write_on(c, unit, arg, e);
}

/* ---- matching ---- */

enum { SEGMENTS_MAX = 8 };

/* Decodes the path and cuts it at '/'; -1 when it cannot be a route of ours. */
static int path_split(struct arena *a, const char *path, char *segments[SEGMENTS_MAX])
{
    char *text;
    int n = 0;

    if (!http_path_decode(a, path, strlen(path), &text) || *text != '/' ||
        str_utf8_len(text, strlen(text)) < 0)
        return -1;
    for (text++; text; n++) {
        char *slash = strchr(text, '/');

        if (n == SEGMENTS_MAX)
            return -1;
        if (slash)
            *slash++ = '\0';
        if (str_eq(text, ".") || str_eq(text, "..")) /* never a valid id, and would allow path traversal */
            return -1;
        segments[n] = text;
        text = slash;
    }
    return n;
}

static bool template_matches(const char *template, char *const *segments, int n, const char **args)
{
    size_t n_args = 0;

    for (int i = 0; i < n; i++) {
        size_t len;

        if (*template ++ != '/')
            return false;
        len = strcspn(template, "/");
        if (*template == '{') {
            if (!*segments[i] || n_args == ROUTE_ARGS_MAX)
                return false;
            args[n_args++] = segments[i];
        } else if (strlen(segments[i]) != len || memcmp(segments[i], template, len) != 0) {
            return false;
        }
        template += len;
    }
    return *template == '\0';
}

static const char *const known_methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH" };

static bool method_known(const char *method)
{
    for (size_t i = 0; i < COUNT(known_methods); i++)
        if (str_eq(known_methods[i], method))
            return true;
    return false;
}

/* Glance offers no HEAD; this one is optional. */
static bool is_offered(const struct request *rq, const struct route *route)
{
    return rq->settings->head_image_data || !str_eq(route->method, "HEAD");
}

static int route_find(struct request *rq, struct error *e)
{
    const struct route_table *all = rq->api->routes;
    char *segments[SEGMENTS_MAX];
    int n = path_split(rq->arena, rq->path, segments);
    const char *allow = NULL;

    for (size_t i = 0; i < all->n && n > 0; i++) {
        const struct route *r = &all->items[i];

        if (!is_offered(rq, r) || !template_matches(r->template, segments, n, rq->args))
            continue;
        if (str_eq(r->method, rq->http->method)) {
            rq->route = r;
            return 0;
        }
        allow = arena_printf(rq->arena, "%s%s%s", allow ? allow : "", allow ? ", " : "", r->method);
    }
    if (allow) {
        headers_add(rq->arena, &rq->headers, "Allow", allow);
        return error_set(e, ERROR_METHOD, "%s", "");
    }
    if (!method_known(rq->http->method))
        return error_set(e, ERROR_UNIMPLEMENTED, "%s", "");
    return error_set(e, ERROR_NOT_FOUND, "%s", "");
}

/* ---- identity ---- */

static const char *request_id_given(const struct request *rq)
{
    const char *given =
        rq->settings->identity == IDENTITY_TRUSTED_HEADERS /* Glance's other context filter does not */
            ? http_header(rq->http, "X-Openstack-Request-Id")
            : NULL;

    return given && *given ? given : NULL;
}

static bool request_id_fits(const struct request *rq, const char *given)
{
    return rq->settings->max_request_id <= 0 || (int64_t)strlen(given) <= rq->settings->max_request_id;
}

/* Before anything is answered, so that every answer can be found in the log. */
static void request_id_set(struct request *rq)
{
    const char *given = request_id_given(rq);
    char uuid[UUID_TEXT_MAX];

    if (given && request_id_fits(rq, given)) {
        rq->request_id = str_starts(given, "req-") ? given : arena_printf(rq->arena, "req-%s", given);
        return;
    }
    uuid_make(uuid);
    rq->request_id = arena_printf(rq->arena, "req-%s", uuid);
}

static int request_id_check(const struct request *rq, struct error *e)
{
    const char *given = request_id_given(rq);

    if (!given || request_id_fits(rq, given))
        return 0;
    return error_set(e, ERROR_HEADER_SIZE, "x-openstack-request-id is too long, max size %lld",
                     (long long)rq->settings->max_request_id);
}

/* A rule that asks another server waits for it, which an event loop cannot. */
static int rules_hold(struct request *rq, struct error *e)
{
    rq->rules = policy_hold(rq->settings->policy);
    if (rq->http->inline_only && policy_is_remote(rq->rules))
        return error_set(e, ERROR_WOULD_BLOCK, "%s", "");
    return 0;
}

static void identity_judge(struct request *rq)
{
    struct policy_target target;

    policy_target_identity(&rq->identity, &target);
    rq->identity.is_admin = policy_allows(rq->rules, &rq->identity, "context_is_admin", &target);
}

static int identify(struct request *rq, struct error *e)
{
    const struct settings *s = rq->settings;

    if (rules_hold(rq, e) < 0)
        return -1;
    switch (s->identity) {
    case IDENTITY_UNAUTHENTICATED:
        if (s->standalone)
            identity_sole_user(&rq->identity);
        else
            identity_unauthenticated(&rq->identity);
        break;
    case IDENTITY_TRUSTED_HEADERS:
        if (identity_from_headers(rq->http, s->allow_anonymous, &rq->identity, e) < 0)
            return -1;
        identity_judge(rq);
        break;
    case IDENTITY_NOBODY:
        return error_set(e, ERROR_UNAUTHENTICATED, "%s", "");
    }
    return request_id_check(rq, e);
}

int request_writes(struct request *rq, struct error *e)
{
    return rq->identity.read_only ? error_in_detail(e, ERROR_FORBIDDEN, "Read-only access") : 0;
}

/* ---- bodies ---- */

static bool has_body(const struct http_request *http)
{
    return http->content_length > 0 ||
           (http->content_length == HTTP_BODY_UNKNOWN &&
            (str_eq(http->method, "POST") || str_eq(http->method, "PUT") || str_eq(http->method, "PATCH")));
}

static int body_read(struct request *rq, struct str *text, struct error *e)
{
    if (rq->http->content_length > HTTP_JSON_BODY_MAX || rq->http->body_over)
        return error_set(e, ERROR_TOO_LARGE, "%s", "");
    rq->http->body_max = HTTP_JSON_BODY_MAX;
    for (;;) {
        ssize_t got;

        str_reserve(text, 16 * 1024);
        got = http_read(rq->http, text->data + text->len, text->cap - text->len - 1);
        if (got == 0)
            return 0;
        if (got < 0 && rq->http->body_over)
            return error_set(e, ERROR_TOO_LARGE, "%s", "");
        if (got < 0)
            return error_set(e, ERROR_ABORTED, "The request body could not be read to its end.");
        text->len += (size_t)got;
        text->data[text->len] = '\0';
        if (text->len > HTTP_JSON_BODY_MAX)
            return error_set(e, ERROR_TOO_LARGE, "%s", "");
    }
}

static void body_drop(void *body)
{
    json_decref(body);
}

int request_json(struct request *rq, struct error *e)
{
    CLEANUP(str_done) struct str text = STR_INIT;

    if (!has_body(rq->http))
        return error_set(e, ERROR_INVALID, "Body expected in request.");
    if (body_read(rq, &text, e) < 0)
        return -1;
    rq->body = json_parse(str_text(&text), text.len);
    if (!rq->body)
        return error_set(e, ERROR_INVALID, "Malformed JSON in request body.");
    arena_at_end(rq->arena, body_drop, rq->body);
    if (!json_is_object(rq->body) && !json_is_array(rq->body))
        return error_set(e, ERROR_INVALID, "Unexpected body type. Expected list/dict.");
    return 0;
}

static int body_check(struct request *rq, struct error *e)
{
    switch (rq->route->body) {
    case BODY_NONE:
        if (has_body(rq->http))
            return error_set(e, ERROR_INVALID, "A body is not expected with this request.");
        return 0;
    case BODY_JSON:
        return request_json(rq, e);
    case BODY_IGNORED:
    case BODY_STREAM:
        return 0;
    }
    return 0;
}

/* ---- the way through ---- */

static int redirect_to_root(struct request *rq)
{
    headers_add(rq->arena, &rq->headers, "Content-Type", "text/plain; charset=utf8");
    headers_addf(rq->arena, &rq->headers, "Location", "%s/v2/", request_base(rq));
    respond_head(rq, 302, 0);
    return 0;
}

static int handle(struct request *rq, struct error *e)
{
    bool done;

    if (healthcheck_answer(rq, &done, e) < 0)
        return -1;
    if (done)
        return 0;
    rq->in_pipeline = true;
    if (rq->settings->cors && str_eq(rq->http->method, "OPTIONS") && !versions_asked(rq))
        return respond_empty(rq, 200, NULL); /* the CORS filter keeps only what succeeded below it */
    if (rq->settings->proxy_headers)
        forwarded_read(rq);
    if (versions_answer(rq))
        return 0;
    if (identify(rq, e) < 0)
        return -1;
    if (str_eq(rq->path, "/v2"))
        return redirect_to_root(rq);
    if (route_find(rq, e) < 0)
        return -1;
    if (rq->http->inline_only && !rq->route->quick)
        return error_set(e, ERROR_WOULD_BLOCK, "%s", "");
    if (body_check(rq, e) < 0)
        return -1;
    return rq->route->handle(rq, e);
}

static void fail(struct request *rq, struct error *e)
{
    if (e->status >= 500 || e->detail[0])
        log_write((enum log_level)error_kinds[e->kind].level, "%s: %s %s: %s: %s%s%s", rq->request_id,
                  rq->http->method, rq->http->path, error_kinds[e->kind].name, e->message,
                  e->detail[0] ? ": " : "", e->detail);
    if (rq->http->status) /* the answer had begun; the front end breaks the connection off */
        return;
    if (e->kind == ERROR_ABORTED)
        e->status = 400;
    if (e->status >= 500 && e->kind == ERROR_INTERNAL)
        e->message[0] = '\0'; /* the reason is for the log */
    respond_error(rq, e);
}

static void log_access(const struct request *rq, int64_t us)
{
    const struct http_request *h = rq->http;
    const struct identity *id = &rq->identity;

    if (!rq->settings->access_log || !log_wants(LOG_INFO))
        return;
    log_info("access request_id=%s peer=%s user=%s project=%s method=%s path=%s%s%s route=%s status=%d "
             "in=%llu out=%llu us=%lld",
             rq->request_id, h->peer ? h->peer : "-", id->user ? id->user : "-",
             id->project ? id->project : "-", h->method, h->path, h->query ? "?" : "",
             h->query ? h->query : "", rq->route ? rq->route->template : "-", h->status,
             (unsigned long long)h->bytes_in, (unsigned long long)h->bytes_out, (long long)us);
}

static void tell(const struct request *rq)
{
    int64_t us = clock_mono_us() - rq->http->started_us;

    metrics_count(rq, rq->route, us);
    log_access(rq, us);
}

/* The end of an answer that was still being sent when its handler had returned. */
static void ended(struct http_request *http UNUSED, void *arg, bool whole)
{
    struct request *rq = arg;
    struct error e;

    if (!whole) {
        error_set(&e, ERROR_ABORTED, "The client went away.");
        fail(rq, &e);
    }
    tell(rq);
    settings_free(rq->settings);
}

static void go_on(struct request *rq)
{
    struct request *kept = arena_new(rq->arena, struct request);

    *kept = *rq;
    kept->rules = NULL;
    rq->http->ended = ended;
    rq->http->ended_arg = kept;
}

static int serve(void *arg, struct http_request *http)
{
    struct api *api = arg;
    struct request rq = { .http = http,
                          .api = api,
                          .arena = http->arena,
                          .path = http->path,
                          .scheme = http->scheme,
                          .host = http->host,
                          .prefix = http->prefix };
    struct error e;
    int result = 0;

    error_clear(&e);
    rq.settings = settings_hold(api);
    request_id_set(&rq);
    if (handle(&rq, &e) < 0) {
        if (http->inline_only && e.kind == ERROR_WOULD_BLOCK && !http->status)
            result = -1;
        else
            fail(&rq, &e);
    }
    request_db_release(&rq);
    policy_release(rq.rules);
    if (http->deferred) {
        go_on(&rq);
    } else {
        if (result == 0)
            tell(&rq);
        settings_free(rq.settings);
    }
    if (api->after && !http->inline_only)
        api->after(api->after_arg);
    return result;
}

/* ---- what front ends ask beforehand ---- */

/* Whether the path, as it came, has the template's shape; any first segment that begins as a version does. */
static bool looks_like(const char *template, const char *path)
{
    if (strncmp(path, "/v2", 3) != 0)
        return false;
    template += strlen("/v2");
    path += strcspn(path + 1, "/") + 1;
    while (*template && *path) {
        size_t len = strcspn(template + 1, "/") + 1, got = strcspn(path + 1, "/") + 1;

        if (template[1] != '{' && (len != got || memcmp(template, path, len) != 0))
            return false;
        template += len;
        path += got;
    }
    return !*template && !*path;
}

/* The route that this will most likely be. A wrong guess costs a hand-off, never an answer. */
static const struct route *guess(const struct api *api, const struct http_request *http)
{
    const struct route_table *all = api->routes;

    for (size_t i = 0; i < all->n; i++)
        if (str_eq(all->items[i].method, http->method) && looks_like(all->items[i].template, http->path))
            return &all->items[i];
    return NULL;
}

static bool may_inline(void *arg, const struct http_request *http)
{
    const struct route *route;

    if (!str_eq(http->method, "GET") || http->content_length != HTTP_BODY_NONE)
        return false;
    route = guess(arg, http);
    return !route || route->quick; /* unknown paths get 404 without touching the database */
}

static bool is_transfer(void *arg, const struct http_request *http)
{
    const struct route *route = guess(arg, http);

    return route && route->transfer;
}

/* Also for handlers that check before they read: there the body of a refused request is received for nothing.
 */
static bool is_document(void *arg, const struct http_request *http)
{
    const struct route *route = guess(arg, http);

    return route && !route->transfer && (route->body == BODY_JSON || route->body == BODY_STREAM);
}

static uint64_t holder(void *arg, struct http_request *http)
{
    struct settings *s = settings_hold(arg);
    uint64_t who = request_holder(s, http);

    settings_free(s);
    return who;
}

struct http_service api_service(struct api *api)
{
    return (struct http_service){
        .arg = api,
        .may_inline = may_inline,
        .is_transfer = is_transfer,
        .is_document = is_document,
        .holder = holder,
        .serve = serve,
    };
}

/* ---- the api itself ---- */

int api_open_with(const struct route_table *routes, struct config *c, const struct pipeline *p,
                  struct api **ret, struct error *e)
{
    struct api *api = mem_new(sizeof *api);

    if (settings_make(c, p, &api->settings, e) < 0) {
        mem_free(api);
        return -1;
    }
    pthread_mutex_init(&api->lock, NULL);
    api->routes = routes;
    *ret = api;
    return 0;
}

void api_attach(struct api *api, struct db *db, struct stores *stores)
{
    api->db = db;
    api->stores = stores;
    api->attached_us = clock_mono_us();
}

void api_after_requests(struct api *api, void (*after)(void *arg), void *arg)
{
    api->after = after;
    api->after_arg = arg;
}

void api_adopt(struct api *api, struct api *next)
{
    struct settings *old;

    pthread_mutex_lock(&api->lock);
    old = api->settings;
    api->settings = TAKE(next->settings);
    pthread_mutex_unlock(&api->lock);
    settings_free(old);
    api_close(next);
}

void api_close(struct api *api)
{
    if (!api)
        return;
    settings_free(api->settings);
    pthread_mutex_destroy(&api->lock);
    mem_free(api);
}
