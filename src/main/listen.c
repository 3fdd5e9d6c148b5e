/* SPDX-License-Identifier: Apache-2.0 */
/* Where glint serve is to be found: what systemd handed over, else what the configuration names. */
#include "main/serve.h"

#include <string.h>

static const enum http1_protocol protocols[] = { HTTP1_HTTP, HTTP1_UWSGI };

/* FileDescriptorName=uwsgi; every other name but metrics is HTTP's. */
static enum http1_protocol protocol_of(const struct systemd_socket *s)
{
    return str_eq(s->name, "uwsgi") ? HTTP1_UWSGI : HTTP1_HTTP;
}

static int take_inherited(struct server *s, bool *ret_any, struct error *e)
{
    *ret_any = false;
    for (size_t i = 0; i < s->n_inherited; i++) {
        if (str_eq(s->inherited[i].name, "metrics"))
            continue;
        if (http1_listen_fd(s->front, protocol_of(&s->inherited[i]), s->inherited[i].fd, e) < 0)
            return -1;
        *ret_any = true;
    }
    return 0;
}

/* "host:port", the host perhaps in brackets. */
static int cut_address(struct arena *a, const char *text, const char **ret_host, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    size_t n;

    if (!colon || colon == text || !str_to_u64(colon + 1, UINT16_MAX, &port))
        return -1;
    n = (size_t)(colon - text);
    if (*text == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return -1;
    }
    *ret_host = arena_strn(a, text, n);
    *ret_port = (uint16_t)port;
    return n > 0 ? 0 : -1;
}

static int listen_uwsgi(struct server *s, const struct config *c, int backlog, struct error *e)
{
    const char *address = config_str(c, "glint", "bind_uwsgi"), *host = NULL;
    struct arena *a;
    uint16_t port = 0;
    int result;

    if (!address || !*address)
        return 0;
    a = arena_make(256);
    if (cut_address(a, address, &host, &port) < 0)
        result = error_set(e, ERROR_INVALID, "%s: [glint] bind_uwsgi: '%s' is not valid: expected host:port",
                           config_origin(c, "glint", "bind_uwsgi", NULL), address);
    else
        result = http1_listen_tcp(s->front, HTTP1_UWSGI, host, port, backlog, e);
    arena_free(a);
    return result;
}

static int listen_paths(struct server *s, const struct config *c, int backlog, struct error *e)
{
    static const char *const paths[HTTP1_PROTOCOLS] = { "bind_unix", "bind_uwsgi_unix" },
                             *const modes[HTTP1_PROTOCOLS] = { "bind_unix_mode", "bind_uwsgi_unix_mode" };

    for (size_t i = 0; i < COUNT(protocols); i++) {
        const char *path = config_str(c, "glint", paths[i]);
        unsigned mode = (unsigned)config_int(c, "glint", modes[i]);

        if (path && *path && http1_listen_unix(s->front, protocols[i], path, mode, backlog, e) < 0)
            return -1;
    }
    return 0;
}

static bool is_named(const struct config *c, const char *name)
{
    const char *text = config_str(c, "glint", name);

    return text && *text;
}

int serve_listen(struct server *s, struct error *e)
{
    const struct config *c = host_config(s->host);
    const char *host = config_str(c, "DEFAULT", "bind_host");
    int backlog = (int)config_int(c, "DEFAULT", "backlog");
    bool inherited;

    if (take_inherited(s, &inherited, e) < 0 || listen_uwsgi(s, c, backlog, e) < 0 ||
        listen_paths(s, c, backlog, e) < 0)
        return -1;
    if (inherited)
        return 0;
    if (host && *host)
        return http1_listen_tcp(s->front, HTTP1_HTTP, host, (uint16_t)config_int(c, "DEFAULT", "bind_port"),
                                backlog, e);
    if (is_named(c, "bind_unix") || is_named(c, "bind_uwsgi") || is_named(c, "bind_uwsgi_unix"))
        return 0;
    return error_set(e, ERROR_INVALID, "%s: bind_host is empty, and nothing else to listen on is named",
                     config_origin(c, "DEFAULT", "bind_host", NULL));
}
