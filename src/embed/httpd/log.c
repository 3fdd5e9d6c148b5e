/* SPDX-License-Identifier: Apache-2.0 */
#include "embed/httpd/mod_glint.h"

static __thread request_rec *about_request;
static __thread server_rec *about_server;

static const int apache_levels[] = {
    [LEVEL_DEBUG] = APLOG_DEBUG,
    [LEVEL_INFO] = APLOG_INFO,
    [LEVEL_WARNING] = APLOG_WARNING,
    [LEVEL_ERROR] = APLOG_ERR,
};

static void sink(void *arg UNUSED, enum log_level level, const char *line)
{
    int apache_level = (size_t)level < COUNT(apache_levels) ? apache_levels[level] : APLOG_ERR;

    if (about_request)
        ap_log_rerror(APLOG_MARK, apache_level, 0, about_request, "%s", line);
    else
        ap_log_error(APLOG_MARK, apache_level, 0, about_server ? about_server : ap_server_conf, "%s", line);
}

void log_begin(void)
{
    log_sink_set(sink, NULL);
}

void log_levels(server_rec *main_server)
{
    enum log_level level = (enum log_level)LEVEL_INFO;

    for (server_rec *s = main_server; s; s = s->next)
        if (APLOG_IS_LEVEL(s, APLOG_DEBUG))
            level = (enum log_level)LEVEL_DEBUG;
    log_level_set(level);
}

void log_about(request_rec *r, server_rec *s)
{
    about_request = r;
    about_server = s;
}
