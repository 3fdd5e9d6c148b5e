/* SPDX-License-Identifier: Apache-2.0 */
#include "main/serve.h"

/* The value as one text; backends' options are compared in the single store's section. */
static void value_of(const struct config *c, const struct option *o, struct str *out)
{
    const char *group = str_eq(o->group, "*") ? "glance_store" : o->group;
    const char *text = config_str(c, group, o->name), *const * items;
    size_t n = config_list(c, group, o->name, &items);

    str_clear(out);
    str_add(out, text ? text : "\n");
    for (size_t i = 0; o->type == OPTION_MULTI && i < n; i++)
        str_addf(out, "\n%s", items[i]);
}

/* Compared with what the process started with: a value that was changed and changed back needs nothing. */
static void say_restarts(const struct server *s)
{
    const struct config *now = host_config(s->host);
    CLEANUP(str_done) struct str before = STR_INIT, after = STR_INIT;

    for (const struct option *o = conf_options; o->name; o++) {
        const char *group = str_eq(o->group, "*") ? "glance_store" : o->group;

        if (!(o->flags & OPTION_RESTART))
            continue;
        value_of(host_first_config(s->host), o, &before);
        value_of(now, o, &after);
        if (!str_eq(str_text(&before), str_text(&after)))
            log_warning("%s: [%s] %s is changed and takes effect after a restart",
                        config_origin(now, group, o->name, NULL), group, o->name);
    }
}

/* The certificate is what can still be wrong; nothing is changed when it is. */
static int take_over(struct server *s, struct host **next, struct error *e)
{
    struct http1_options o;

    serve_front_options(s, host_config(*next), &o);
    if (http1_reload(s->front, &o, e) < 0)
        return -1;
    host_adopt(s->host, TAKE(*next));
    if (host_open_log(host_config(s->host), e) < 0)
        start_say("the log stays where it is: ", e);
    return 0;
}

void serve_reload(struct server *s)
{
    struct host *next = NULL;
    struct error e;

    systemd_reloading();
    if (serve_load(s, &next, &e) < 0 || take_over(s, &next, &e) < 0) {
        start_say("the configuration stays as it was: ", &e);
    } else {
        host_warn(s->host);
        say_restarts(s);
        log_info("the configuration is read again");
    }
    host_free(next);
    systemd_notify("READY=1");
}
