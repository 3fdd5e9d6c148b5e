/* SPDX-License-Identifier: Apache-2.0 */
/* What the service says when it is ready. */
#include "main/serve.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A URL that works on this machine: every address means this one. */
static void add_url(const struct server *s, struct str *out)
{
    const char *host = config_str(host_config(s->host), "DEFAULT", "bind_host");
    const char *cert = config_str(host_config(s->host), "DEFAULT", "cert_file");

    if (!*host || str_eq(host, "0.0.0.0") || str_eq(host, "*") || str_eq(host, "::"))
        host = "127.0.0.1";
    str_addf(out, strchr(host, ':') ? "%s://[%s]:%u" : "%s://%s:%u", cert && *cert ? "https" : "http", host,
             http1_port(s->front, HTTP1_HTTP));
}

static const char *store_place(const struct server *s, struct str *out)
{
    const char *const *dirs;
    size_t n = config_list(host_config(s->host), "glance_store", "filesystem_store_datadirs", &dirs);

    if (n == 0)
        return config_str(host_config(s->host), "glance_store", "filesystem_store_datadir");
    for (size_t i = 0; i < n; i++)
        str_addf(out, "%s%s", i ? ", " : "", dirs[i]);
    return str_text(out);
}

static const char *identity(const struct pipeline *p)
{
    return pipeline_has(p, FILTER_UNAUTHENTICATED)
               ? "none: whoever reaches the port may do everything"
               : "from the X-User-Id, X-Project-Id and X-Roles of the request";
}

static void print_screen(const struct server *s, const char *url)
{
    CLEANUP(str_done) struct str dirs = STR_INIT;

    fprintf(stderr, "\nglint " GLINT_VERSION " serves the Images API at %s\n\n", url);
    fprintf(stderr, "  database  %s\n  images    %s\n  identity  %s\n", host_database(s->host),
            store_place(s, &dirs), identity(host_pipeline(s->host)));
    if (s->metrics)
        fprintf(stderr, "  metrics   http://%s:%u/metrics\n",
                config_str(host_config(s->host), "glint", "metrics_host"),
                http1_port(s->metrics, HTTP1_HTTP));
    fprintf(stderr,
            "\nTry:\n"
            "  curl %s/v2/images\n"
            "  alias os='openstack --os-auth-type none --os-endpoint %s'\n"
            "  os image create --disk-format qcow2 --container-format bare --file disk.qcow2 my-image\n"
            "  os image list\n\n"
            "Ctrl-C stops it. glint --help, glint config sample, man glint.conf tell the rest.\n\n",
            url, url);
}

/* The other places, for the log. */
static void add_sockets(const struct server *s, struct str *out)
{
    static const struct {
        const char *option, *what;
    } all[] = {
        { "bind_unix", "" },
        { "bind_uwsgi", "uwsgi " },
        { "bind_uwsgi_unix", "uwsgi " },
    };

    if (s->n_inherited > 0)
        str_addf(out, "%s%s", out->len > 0 ? ", " : "", "inherited sockets");
    for (size_t i = 0; i < COUNT(all); i++) {
        const char *value = config_str(host_config(s->host), "glint", all[i].option);

        if (value && *value)
            str_addf(out, "%s%s%s", out->len > 0 ? ", " : "", all[i].what, value);
    }
}

void serve_greet(struct server *s)
{
    CLEANUP(str_done) struct str url = STR_INIT, places = STR_INIT;
    const struct pipeline *p = host_pipeline(s->host);

    if (http1_port(s->front, HTTP1_HTTP) > 0)
        add_url(s, &url);
    str_add(&places, str_text(&url));
    add_sockets(s, &places);
    log_info("glint " GLINT_VERSION " serves the Images API at %s, database %s, pipeline %s of %s",
             str_text(&places), host_database(s->host), p->name, p->source);
    if (url.len > 0 && (conf_is_standalone(host_config(s->host)) || isatty(STDERR_FILENO)))
        print_screen(s, str_text(&url));
}
