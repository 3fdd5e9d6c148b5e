/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's options, and a look at uWSGI's own: most of what made the Images API fail under uWSGI is an
 * option that was not set. */
#include "embed/uwsgi/plugin_private.h"

enum {
    HEAD_ROOM = 16 * 1024, /* a Fernet or JWS token alone may have 8 KiB */
    ROUTER_BUFFER_MAX =
        49152, /* with 65536 the router resets each upload whose first read fills its buffer */
};

/* clang-format off */
struct uwsgi_option plugin_options[] = {
    { (char *)"glint-config", required_argument, 0, (char *)"read this configuration file instead of Glance's places; may be repeated",
      uwsgi_opt_add_string_list, &plugin.files, 0 },
    { (char *)"glint-config-dir", required_argument, 0, (char *)"read the configuration files in this directory; may be repeated",
      uwsgi_opt_add_string_list, &plugin.dirs, 0 },
    { (char *)"glint-set", required_argument, 0, (char *)"set one option, as GROUP.OPTION=VALUE; may be repeated",
      uwsgi_opt_add_string_list, &plugin.overrides, 0 },
    { (char *)"glint-prefix", required_argument, 0, (char *)"serve below this path where the web server does not set SCRIPT_NAME",
      uwsgi_opt_set_str, &plugin.prefix, 0 },
    { NULL, 0, 0, NULL, NULL, NULL, 0 },
};
/* clang-format on */

/* What was given for one of uWSGI's options, "" for a plain switch; NULL when it was not set. */
static const char *given(const char *name)
{
    for (int i = 0; i < uwsgi.exported_opts_cnt; i++)
        if (str_eq(uwsgi.exported_opts[i]->key, name))
            return uwsgi.exported_opts[i]->value ? uwsgi.exported_opts[i]->value : "";
    return NULL;
}

static bool has_router(void)
{
    static const char *const names[] = { "http", "httprouter", "https", "https2" };

    for (size_t i = 0; i < COUNT(names); i++)
        if (given(names[i]))
            return true;
    return false;
}

/* uWSGI reads numbers with strtol and friends: "true" is 0. */
static long number(const char *name)
{
    const char *text = given(name);

    return text ? strtol(text, NULL, 10) : 0;
}

static void judge_router(void)
{
    if (!given("http-chunked-input") && !given("http-raw-body")) {
        plugin.router_hides_chunks = true;
        log_warning("uWSGI's HTTP router keeps chunked bodies to itself: such uploads are refused; set "
                    "http-chunked-input = true");
    }
    if (number("http-manage-expect") == 0)
        log_warning("uWSGI's HTTP router does not answer Expect: 100-continue: such uploads begin late or "
                    "not at all; "
                    "set http-manage-expect = 1 (a number: \"true\" counts as 0)");
    if (number("http-buffer-size") > ROUTER_BUFFER_MAX)
        log_warning("http-buffer-size above %d makes uWSGI's HTTP router reset uploads",
                    (int)ROUTER_BUFFER_MAX);
}

int options_judge(struct error *e)
{
    if (plugin.prefix && *plugin.prefix != '/')
        return error_set(e, ERROR_INVALID, "glint-prefix must begin with a slash");
    if (uwsgi.async > 1)
        return error_set(
            e, ERROR_INVALID,
            "uWSGI's async mode runs requests on one thread, which this service would block: set threads "
            "instead of async");
    if (has_router())
        judge_router();
    if (uwsgi.buffer_size < HEAD_ROOM)
        log_warning("buffer-size is %llu: uWSGI drops requests with a larger head, as with a long token; set "
                    "buffer-size = 65535",
                    (unsigned long long)uwsgi.buffer_size);
    if (uwsgi.post_buffering > 0)
        log_warning("post-buffering makes uWSGI spool each upload before the service sees it");
    if (uwsgi.limit_post > 0)
        log_warning("limit-post refuses uploads of more than %llu bytes",
                    (unsigned long long)uwsgi.limit_post);
    if (uwsgi.threads * uwsgi.numproc < 2)
        log_warning("one process with one thread serves one request at a time: set processes and threads");
    return 0;
}
