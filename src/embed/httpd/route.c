/* SPDX-License-Identifier: Apache-2.0 */
/* Which requests are ours. They are no files: the path never touches the file system, and httpd's own
 * decoding of it (AllowEncodedSlashes, 404 for %2F) does not apply, because the service decodes the raw path
 * itself. What httpd's sections are matched with is decoded as the service does it, so that no <Location> can
 * be evaded by encoding. */
#include "embed/httpd/mod_glint.h"

#include <stdlib.h>

#include "embed/httpd/mount.h"

enum { LIMIT_UNSET = -1 }; /* core.c: AP_LIMIT_REQ_BODY_UNSET */

/* A place that said so. */
struct mount {
    const struct place *place;
    server_rec *server;
    core_dir_config *core;
    const char *where;
};
static apr_array_header_t *mounts; /* struct mount */

/* What is known of a request that is ours. */
struct route {
    const char *uri; /* as decoded from the raw one; when it differs now, a module has rewritten it */
    bool mapped;
};

/* ---- configuration ---- */

void places_reset(apr_pool_t *pconf)
{
    mounts = apr_array_make(pconf, 4, sizeof(struct mount));
}

static const char *place_wrong(const cmd_parms *cmd)
{
    const ap_directive_t *in = cmd->directive->parent;
    const char *name = in ? in->directive : "";

    if (!*name || str_eq_nocase(name, "<VirtualHost"))
        return NULL;
    if (!str_eq_nocase(name, "<Location") || in->args[strspn(in->args, " \t\"")] == '~' || !cmd->path ||
        *cmd->path != '/' || apr_fnmatch_test(cmd->path))
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " of Glint belongs into a <Location> with a plain path, "
                           "which is where the service is mounted",
                           NULL);
    return NULL;
}

const char *place_enable(cmd_parms *cmd, struct place *ret)
{
    const char *wrong = place_wrong(cmd), *path = cmd->path ? cmd->path : "";
    size_t n = strlen(path);

    if (wrong)
        return wrong;
    while (n > 0 && path[n - 1] == '/')
        n--;
    ret->state = PLACE_ON;
    ret->mount = apr_pstrmemdup(cmd->pool, path, n);
    APR_ARRAY_PUSH(mounts, struct mount) = (struct mount){
        .place = ret,
        .server = cmd->server,
        .core = ap_get_core_module_config(cmd->context),
        .where = apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num),
    };
    return NULL;
}

/* The default is 1 GiB (since 2.4.53), which is little for an image. */
static void lift_limit(const struct mount *m)
{
    const core_dir_config *around = ap_get_core_module_config(m->server->lookup_defaults);

    if (m->core->limit_req_body == LIMIT_UNSET && around->limit_req_body == LIMIT_UNSET)
        m->core->limit_req_body = 0;
    else if (m->core->limit_req_body > 0 || (m->core->limit_req_body < 0 && around->limit_req_body > 0))
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, m->server,
                     "%s: LimitRequestBody bounds uploads to %" APR_OFF_T_FMT " bytes here", m->where,
                     m->core->limit_req_body > 0 ? m->core->limit_req_body : around->limit_req_body);
}

bool places_settle(void)
{
    bool any_default = false;

    for (int i = 0; i < mounts->nelts; i++) {
        const struct mount *m = &APR_ARRAY_IDX(mounts, i, struct mount);
        const struct place *around = ap_get_module_config(m->server->lookup_defaults, &glint_module);

        any_default |= !m->place->section && (!around || !around->section);
        lift_limit(m);
    }
    return any_default;
}

/* ---- requests ---- */

const struct place *place_of(const request_rec *r)
{
    const struct place *place = ap_get_module_config(r->per_dir_config, &glint_module);

    return place && place->state == PLACE_ON ? place : NULL;
}

static struct route *route_of(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &glint_module);
}

/* Decodes the path where it lies. What cannot be decoded, or would then lead elsewhere, stays encoded: the
 * service answers 404 to it. */
static void decode(request_rec *r, const char *mount)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    unsigned how = AP_NORMALIZE_NOT_ABOVE_ROOT;
    char *path = apr_pstrdup(r->pool, r->parsed_uri.path);

    if (core->merge_slashes != AP_CORE_CONFIG_OFF)
        how |= AP_NORMALIZE_MERGE_SLASHES;
    if (ap_unescape_url_ex(path, AP_UNESCAPE_URL_KEEP_UNRESERVED) == OK && ap_normalize_path(path, how) &&
        mount_holds(mount, path))
        memcpy(r->parsed_uri.path, path, strlen(path) + 1); /* decoding never makes it longer */
}

static int pre_translate(request_rec *r)
{
    const struct place *place = place_of(r);
    struct route *route;

    if (!place || !r->parsed_uri.path)
        return DECLINED;
    decode(r, place->mount);
    route = apr_pcalloc(r->pool, sizeof *route);
    route->uri = apr_pstrdup(r->pool, r->parsed_uri.path);
    ap_set_module_config(r->request_config, &glint_module, route);
    return DONE;
}

/* After those who rewrite. Other modules look at the file's name, and must find neither a suffix nor NULL. */
static int translate(request_rec *r)
{
    struct route *route = route_of(r);

    if (!route || !place_of(r) || !str_eq(route->uri, r->uri))
        return DECLINED;
    r->filename = apr_pstrdup(r->pool, HANDLER ":");
    route->mapped = true;
    return OK;
}

/* Before the walk through directories, and before httpd answers TRACE by itself. */
static int map_to_storage(request_rec *r)
{
    const struct route *route = route_of(r);

    return route && route->mapped ? OK : DECLINED;
}

static int check_type(request_rec *r)
{
    const struct route *route = route_of(r);

    return route && route->mapped ? OK : DECLINED;
}

static int fixups(request_rec *r)
{
    if (place_of(r) && !r->handler)
        r->handler = HANDLER;
    return DECLINED;
}

/* The path of a request target in origin or absolute form. */
static const char *raw_path(request_rec *r)
{
    const char *target = r->unparsed_uri, *scheme = ap_strstr_c(target, "://");

    if (*target != '/' && scheme)
        target = scheme + 3 + strcspn(scheme + 3, "/?#");
    return apr_pstrmemdup(r->pool, target, strcspn(target, "?#"));
}

const char *route_path(request_rec *r, const char *mount)
{
    const struct route *route = route_of(r);
    const char *rest = route && str_eq(route->uri, r->uri) ? mount_rest(mount, raw_path(r)) : NULL;
    CLEANUP(str_done) struct str path = STR_INIT;

    if (!rest) { /* it was rewritten, or holds dot segments: the decoded path says it as well */
        http_quote_path(&path, mount_holds(mount, r->uri) ? r->uri + strlen(mount) : r->uri);
        rest = apr_pstrdup(r->pool, str_text(&path));
    }
    return *rest ? rest : "/";
}

void route_hooks(void)
{
    ap_hook_pre_translate_name(pre_translate, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_translate_name(translate, NULL, NULL, APR_HOOK_LAST);
    ap_hook_map_to_storage(map_to_storage, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_type_checker(check_type, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(fixups, NULL, NULL, APR_HOOK_LAST);
}
