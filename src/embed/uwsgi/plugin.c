/* SPDX-License-Identifier: Apache-2.0 */
/* The service as a uWSGI plugin.
 *
 * The configuration is read in the master, before the fork, so that a wrong one stops the start; database and
 * stores are opened in each worker, which may then start threads. A worker that is spawned later (chain
 * reload, or because one has died) reads it again. */
#include "embed/uwsgi/plugin_private.h"

struct plugin plugin;

/* The one name that uWSGI looks up. */
extern struct uwsgi_plugin glint_plugin;

extern char **environ;

/* ---- configuration ---- */

static const char *const *texts_of(struct arena *a, const struct uwsgi_string_list *list)
{
    const char **texts = NULL;
    size_t n = 0, cap = 0;

    for (const struct uwsgi_string_list *l = list; l; l = l->next)
        *ARENA_PUSH(a, texts, n, cap) = l->value;
    if (n > 0)
        *ARENA_PUSH(a, texts, n, cap) = NULL;
    return texts;
}

static int load(struct error *e)
{
    struct arena *a = arena_make(1024);
    struct conf_request rq = {
        .files = texts_of(a, plugin.files),
        .dirs = texts_of(a, plugin.dirs),
        .overrides = texts_of(a, plugin.overrides),
        .environment = environ,
    };
    int result = embedded_load(&rq, &plugin.service, e);

    arena_free(a);
    return result;
}

static int plugin_init(void)
{
    CLEANUP(str_done) struct str text = STR_INIT;
    struct error e;

    if (options_judge(&e) < 0 || load(&e) < 0) {
        uwsgi_log("glint cannot start: %s\n", embedded_error_text(&e, &text));
        uwsgi_exit(1);
    }
    return 0;
}

/* ---- workers ---- */

/* What the master read may be older than this worker. A configuration that is wrong by now leaves that in
 * force. */
static void read_again(void)
{
    CLEANUP(str_done) struct str text = STR_INIT;
    struct error e;

    if (embedded_reload(plugin.service, &e) < 0)
        log_error("the configuration stays as the master read it: %s", embedded_error_text(&e, &text));
}

/* Also called in mules and spoolers, which serve nothing. */
static void plugin_post_fork(void)
{
    struct http_service service;
    struct error e;

    if (!plugin.service || uwsgi.mywid == 0 || uwsgi.muleid > 0 || uwsgi.i_am_a_spooler)
        return;
    if (uwsgi.workers[uwsgi.mywid].respawn_count > 0)
        read_again();
    plugin.body_us = embedded_seconds_us(plugin.service, "body_timeout");
    plugin.linger_us = embedded_seconds_us(plugin.service, "linger_timeout");
    /* A failure is logged, and answered until an attempt succeeds: a database may come later than the web
     * server. */
    if (embedded_open(plugin.service, &service, &e) < 0)
        return;
}

/* For need-app, and for uWSGI's own accounts of requests. */
static void plugin_init_apps(void)
{
    static char root[] = "";

    if (!uwsgi_add_app(uwsgi_apps_cnt, glint_plugin.modifier1, root, 0, NULL, NULL))
        log_warning("uWSGI takes no more apps");
}

/* ---- requests ---- */

static int judge(struct gateway *g, struct http_service *ret)
{
    struct error e;

    error_clear(&e);
    if (gateway_read_head(g, &e) < 0) {
        g->keep = false;
        g->body = BODY_BAD;
        embedded_refuse(&g->rq, e.status, e.message);
        return -1;
    }
    if (plugin.router_hides_chunks && !g->direct && g->rq.content_length == HTTP_BODY_UNKNOWN &&
        !gateway_framed(g)) {
        g->body = BODY_COMPLETE; /* nothing will come */
        embedded_refuse(
            &g->rq, 501,
            "This server is not set up to take chunked bodies (uWSGI's option http-chunked-input).");
        return -1;
    }
    if (embedded_open(plugin.service, ret, &e) < 0) {
        embedded_refuse(&g->rq, 503, "The image service is not ready; its log says why.");
        return -1;
    }
    return 0;
}

static int plugin_request(struct wsgi_request *req)
{
    struct http_service service;
    struct gateway g;

    if (uwsgi_parse_vars(req))
        return -1;
    gateway_begin(&g, req);
    if (judge(&g, &service) == 0)
        (void)service.serve(service.arg, &g.rq);
    gateway_finish(&g);
    return UWSGI_OK;
}

__attribute__((visibility("default"))) struct uwsgi_plugin glint_plugin = {
    .name = "glint",
    .modifier1 = 0,
    .options = plugin_options,
    .init = plugin_init,
    .post_fork = plugin_post_fork,
    .init_apps = plugin_init_apps,
    .request = plugin_request,
};
