/* SPDX-License-Identifier: Apache-2.0 */
#include "embed/httpd/mod_glint.h"

#include <unistd.h>

#include <mpm_common.h>

static const char *program; /* GlintProgram */

/* ---- directives ---- */

static void *place_make(apr_pool_t *p, char *dir UNUSED)
{
    return apr_pcalloc(p, sizeof(struct place));
}

static void *place_merge(apr_pool_t *p, void *outer_conf, void *inner_conf)
{
    const struct place *outer = outer_conf, *inner = inner_conf;
    struct place *both = apr_pmemdup(p, inner, sizeof *inner);

    if (!inner->section)
        both->section = outer->section;
    if (inner->state == PLACE_UNSET) {
        both->state = outer->state;
        both->mount = outer->mount;
    }
    return both;
}

static struct section *section_of(cmd_parms *cmd, struct place *place)
{
    if (!place->section)
        place->section = section_make(cmd);
    return place->section;
}

static const char *set_on(cmd_parms *cmd, void *conf, int on)
{
    struct place *place = conf;

    if (on)
        return place_enable(cmd, place);
    place->state = PLACE_OFF;
    return NULL;
}

/* httpd's own directive: its core sees it as well. */
static const char *set_handler(cmd_parms *cmd, void *conf, const char *name)
{
    const char *wrong;

    if (!str_eq(name, HANDLER))
        return DECLINE_CMD;
    wrong = ap_check_cmd_context(cmd, NOT_IN_HTACCESS); /* which is read while requests run */
    return wrong ? wrong : place_enable(cmd, conf);
}

static const char *add_file(cmd_parms *cmd, void *conf, const char *path)
{
    APR_ARRAY_PUSH(section_of(cmd, conf)->files, const char *) = ap_server_root_relative(cmd->pool, path);
    return NULL;
}

static const char *add_dir(cmd_parms *cmd, void *conf, const char *path)
{
    APR_ARRAY_PUSH(section_of(cmd, conf)->dirs, const char *) = ap_server_root_relative(cmd->pool, path);
    return NULL;
}

static const char *add_set(cmd_parms *cmd, void *conf, const char *pair)
{
    const char *dot = ap_strchr_c(pair, '.'), *equal = ap_strchr_c(pair, '=');

    if (!dot || !equal || dot > equal)
        return "GlintSet takes group.name=value";
    APR_ARRAY_PUSH(section_of(cmd, conf)->sets, const char *) = pair;
    return NULL;
}

static const char *set_worker(cmd_parms *cmd, void *conf, int on)
{
    section_of(cmd, conf)->worker = on != 0;
    return NULL;
}

static const char *set_program(cmd_parms *cmd, void *conf UNUSED, const char *path)
{
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    if (!wrong)
        program = ap_server_root_relative(cmd->pool, path);
    return wrong;
}

enum { ANYWHERE = RSRC_CONF | ACCESS_CONF };

static const command_rec directives[] = {
    AP_INIT_FLAG("Glint", set_on, NULL, ANYWHERE, "On in a <Location>: the Images API is mounted there"),
    AP_INIT_TAKE1("SetHandler", set_handler, NULL, OR_FILEINFO,
                  "glint in a <Location>: the same as Glint On"),
    AP_INIT_ITERATE("GlintConfig", add_file, NULL, ANYWHERE,
                    "Configuration files, in order; without any the service's own places are searched"),
    AP_INIT_ITERATE("GlintConfigDir", add_dir, NULL, ANYWHERE,
                    "Directories whose *.conf are read after the files"),
    AP_INIT_ITERATE("GlintSet", add_set, NULL, ANYWHERE, "group.name=value pairs that win over files"),
    AP_INIT_FLAG("GlintWorker", set_worker, NULL, ANYWHERE,
                 "On: httpd keeps `glint worker` of this configuration alive"),
    AP_INIT_TAKE1("GlintProgram", set_program, NULL, RSRC_CONF, "The program that GlintWorker starts"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL },
};

/* ---- phases ---- */

/* Runs for each reading of the configuration, of which a start has two. */
static int pre_config(apr_pool_t *pconf, apr_pool_t *plog UNUSED, apr_pool_t *ptemp UNUSED)
{
    log_begin();
    services_reset(pconf);
    places_reset(pconf);
    program = GLINT_PROGRAM;
    return OK;
}

static int check_program(void)
{
    for (struct service *s = service_next(NULL); s; s = service_next(s)) {
        if (!s->worker || access(program, X_OK) == 0)
            continue;
        ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_STARTUP, errno, s->server,
                     "%s: GlintWorker cannot start %s; GlintProgram names another", s->where, program);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* Also all that `httpd -t` does. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog UNUSED, apr_pool_t *ptemp UNUSED, server_rec *s)
{
    if (services_load(s, pconf, program, places_settle()) < 0)
        return HTTP_INTERNAL_SERVER_ERROR;
    return check_program();
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog UNUSED, apr_pool_t *ptemp UNUSED, server_rec *s)
{
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    ap_add_version_component(pconf, "Glint/" GLINT_VERSION);
    log_levels(s);
    services_warn();
    workers_start(program, pconf, s);
    return OK;
}

static void child_init(apr_pool_t *pchild UNUSED, server_rec *s UNUSED)
{
    services_open();
}

static int monitor(apr_pool_t *p UNUSED, server_rec *s UNUSED)
{
    workers_tick();
    return DECLINED;
}

static int handle(request_rec *r)
{
    const struct place *place = place_of(r);
    struct service *s;

    if (!place || !r->handler || strcmp(r->handler, HANDLER) != 0)
        return DECLINED;
    s = service_of(place->section);
    if (!s) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "no configuration belongs to this place");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (!service_ready(s)) {
        apr_table_setn(r->err_headers_out, "Retry-After", "5");
        return HTTP_SERVICE_UNAVAILABLE;
    }
    return gateway_run(r, s, place->mount);
}

static void hooks(apr_pool_t *p UNUSED)
{
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
    route_hooks();
}

module glint_module = {
    STANDARD20_MODULE_STUFF, place_make, place_merge, NULL, NULL, directives, hooks, 0,
};
