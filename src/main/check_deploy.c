/* SPDX-License-Identifier: Apache-2.0 */
/* glint check-deploy URL: asks the service through whatever stands before it, and says in plain words which
 * directive of which server is wrong. It makes one small image, uses it, and deletes it again. */
#include "main/main.h"
#include "main/probe.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_SIZE = 3 * 1024 * 1024 + 17, CHUNK = 48 * 1024, EARLY_SIZE = 24 * 1024 * 1024 };
#define LARGE_BODY "5368709120" /* 5 GiB */

struct deploy {
    struct probe_place place;
    struct arena *arena;
    struct str why;    /* of the check that runs: what was seen */
    const char *image; /* with data, once uploaded */
    char *data;
    const char *server; /* what the front end calls itself, "" when it does not */
};

static bool seen(struct deploy *d, const char *format, ...) PRINTF(2, 3);

/* Notes what was seen; false, so that a check can end with it. */
static bool seen(struct deploy *d, const char *format, ...)
{
    va_list ap;

    str_clear(&d->why);
    va_start(ap, format);
    str_addv(&d->why, format, ap);
    va_end(ap);
    return false;
}

/* Whether the service itself answered; a refusal by the server before it lacks the request id. */
static bool is_ours(const struct probe_answer *answer)
{
    return headers_get(&answer->headers, "X-Openstack-Request-Id") != NULL;
}

/* ---- requests ---- */

/* One request with a small body (or NULL) on a connection of its own. */
static bool ask(struct deploy *d, const char *method, const char *path, const char *fields, const char *body,
                struct probe_answer *ret)
{
    CLEANUP(str_done) struct str all = STR_INIT;
    CLEANUP(probe_close) struct probe *p = NULL;
    struct error e;

    *ret = (struct probe_answer){ .body = STR_INIT };
    str_add(&all, fields);
    if (body)
        str_addf(&all, "Content-Length: %zu\r\n", strlen(body));
    if (probe_open(&d->place, &p, &e) < 0 || probe_head(p, method, path, str_text(&all), &e) < 0)
        return seen(d, "%s", e.message);
    if (body)
        (void)probe_send(p, body, strlen(body));
    if (probe_answer(p, d->arena, method, false, ret, &e) < 0)
        return seen(d, "%s %s: %s", method, path, e.message);
    return true;
}

/* The words of an answer, which may be a page, within one line. */
static const char *one_line(struct arena *a, const char *text)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    for (bool blank = false; *text && line.len < 200; text++) {
        bool gap = isspace((unsigned char)*text);

        if (!gap && blank && line.len > 0)
            str_addc(&line, ' ');
        if (!gap)
            str_addc(&line, *text);
        blank = gap;
    }
    return arena_str(a, str_text(&line));
}

static const char *image_make(struct deploy *d)
{
    static const char body[] = "{\"name\": \"glint check-deploy\", \"disk_format\": \"raw\", "
                               "\"container_format\": \"bare\"}";
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *id = NULL;
    json_t *j;

    if (!ask(d, "POST", "/v2/images", "Content-Type: application/json\r\n", body, &answer))
        return NULL;
    j = json_loads(str_text(&answer.body), 0, NULL);
    if (answer.status == 201 && j)
        id = arena_str(d->arena, json_string_value(json_object_get(j, "id")));
    json_decref(j);
    if (!id)
        seen(d, "status %d, %s", answer.status, one_line(d->arena, str_text(&answer.body)));
    return id;
}

static void image_drop(struct deploy *d, const char *id)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (id)
        (void)ask(d, "DELETE", arena_printf(d->arena, "/v2/images/%s", id), "", NULL, &answer);
}

/* An image's attribute as text; numbers in decimal. NULL: there is none. */
static const char *image_get(struct deploy *d, const char *id, const char *name)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *text = NULL;
    json_t *j, *value;

    if (!ask(d, "GET", arena_printf(d->arena, "/v2/images/%s", id), "", NULL, &answer))
        return NULL;
    j = json_loads(str_text(&answer.body), 0, NULL);
    value = json_object_get(j, name);
    if (json_is_string(value))
        text = arena_str(d->arena, json_string_value(value));
    else if (json_is_integer(value))
        text = arena_printf(d->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    json_decref(j);
    return text;
}

static const char *file_of(struct deploy *d, const char *image)
{
    return arena_printf(d->arena, "/v2/images/%s/file", image);
}

/* Sends data in chunks; false when the other side takes no more. */
static bool send_chunks(struct probe *p, const char *data, size_t n)
{
    char line[32];

    for (size_t at = 0; at < n; at += CHUNK) {
        size_t size = n - at < CHUNK ? n - at : CHUNK;

        snprintf(line, sizeof line, "%zx\r\n", size);
        if (!probe_send(p, line, strlen(line)) || !probe_send(p, data + at, size) ||
            !probe_send(p, "\r\n", 2))
            return false;
    }
    return probe_send(p, "0\r\n\r\n", 5);
}

/* ---- checks ---- */

#define STREAM_FIELD "Content-Type: application/octet-stream\r\n"

static bool check_answers(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *server;

    if (!ask(d, "GET", "/versions", "", NULL, &answer))
        return false;
    server = headers_get(&answer.headers, "Server");
    d->server = server ? arena_str(d->arena, server) : "";
    if (answer.status != 200 || !strstr(str_text(&answer.body), "\"versions\""))
        return seen(d, "GET %s/versions is %d and no list of versions", d->place.url, answer.status);
    return true;
}

static bool check_links(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    const char *want = arena_printf(d->arena, "\"%s/v2/\"", d->place.url), *href;

    if (!ask(d, "GET", "/", "", NULL, &answer))
        return false;
    if (strstr(str_text(&answer.body), want))
        return true;
    href = strstr(str_text(&answer.body), "\"href\"");
    return seen(d, "the versions' links do not begin with %s: %.80s", d->place.url, href ? href : "none");
}

static bool check_spoofing(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!ask(d, "GET", "/",
             "X-Forwarded-Host: check-deploy.invalid\r\nX-Forwarded-Prefix: /check-deploy-invalid\r\n"
             "Forwarded: host=check-deploy.invalid\r\n",
             NULL, &answer))
        return false;
    return !strstr(str_text(&answer.body), "check-deploy") ||
           seen(d, "links name the host or the prefix that a client put into X-Forwarded-Host, "
                   "X-Forwarded-Prefix "
                   "or Forwarded");
}

static bool check_identity(struct deploy *d)
{
    d->image = image_make(d);
    return d->image != NULL;
}

static bool check_chunked(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(probe_close) struct probe *p = NULL;
    const char *size;
    struct error e;

    if (probe_open(&d->place, &p, &e) < 0 ||
        probe_head(p, "PUT", file_of(d, d->image), STREAM_FIELD "Transfer-Encoding: chunked\r\n", &e) < 0)
        return seen(d, "%s", e.message);
    (void)send_chunks(p, d->data, DATA_SIZE);
    if (probe_answer(p, d->arena, "PUT", false, &answer, &e) < 0)
        return seen(d, "an upload in chunks: %s", e.message);
    if (answer.status != 204)
        return seen(d, "an upload in chunks is answered %d by %s", answer.status,
                    is_ours(&answer) ? "the service" : "the server before it");
    size = image_get(d, d->image, "size");
    if (!size || !str_eq(size, arena_printf(d->arena, "%d", DATA_SIZE)))
        return seen(d, "%d bytes were sent in chunks and the image has %s", DATA_SIZE,
                    size ? size : "no size");
    return true;
}

static bool check_range(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!ask(d, "GET", file_of(d, d->image), "Range: bytes=1000-1099\r\n", NULL, &answer))
        return false;
    if (answer.status != 206 || answer.length != 100 || answer.body.len != 100 ||
        memcmp(answer.body.data, d->data + 1000, 100) != 0)
        return seen(d, "a range of 100 bytes is answered %d with %" PRIu64 " bytes", answer.status,
                    answer.length);
    return true;
}

static bool check_download(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!ask(d, "GET", file_of(d, d->image), "", NULL, &answer))
        return false;
    if (answer.status != 200 || answer.length != DATA_SIZE)
        return seen(d, "a download of %d bytes is answered %d with %" PRIu64, DATA_SIZE, answer.status,
                    answer.length);
    return headers_get(&answer.headers, "Content-Length") ||
           seen(d,
                "a download has lost its Content-Length: clients cannot tell a broken one from a whole one");
}

/* The image has its data, so that the service refuses before it has read the body. */
static bool check_early_refusal(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(probe_close) struct probe *p = NULL;
    struct error e;

    if (probe_open(&d->place, &p, &e) < 0 ||
        probe_head(p, "PUT", file_of(d, d->image),
                   arena_printf(d->arena, STREAM_FIELD "Content-Length: %d\r\n", EARLY_SIZE), &e) < 0)
        return seen(d, "%s", e.message);
    for (size_t sent = 0; sent < EARLY_SIZE && probe_send(p, d->data, 1024 * 1024); sent += 1024 * 1024)
        ;
    if (probe_answer(p, d->arena, "PUT", false, &answer, &e) < 0)
        return seen(d, "a refusal while a body is on its way does not arrive: %s", e.message);
    return answer.status == 409 || seen(d, "a refusal while a body is on its way should be 409 and is %d%s",
                                        answer.status, is_ours(&answer) ? "" : ", the server's own");
}

/* A head that announces a body, and what comes before any of it is sent. */
static bool announce(struct deploy *d, const char *fields, bool interim, struct probe_answer *ret)
{
    CLEANUP(probe_close) struct probe *p = NULL;
    const char *image = image_make(d);
    bool came = false;
    struct error e;

    *ret = (struct probe_answer){ .body = STR_INIT };
    if (!image)
        return false;
    if (probe_open(&d->place, &p, &e) < 0 || probe_head(p, "PUT", file_of(d, image), fields, &e) < 0 ||
        probe_answer(p, d->arena, "PUT", interim, ret, &e) < 0)
        seen(d, "%s", e.message);
    else
        came = true;
    probe_close(&p);
    image_drop(d, image);
    return came;
}

static bool check_continue(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!announce(d, STREAM_FIELD "Content-Length: 1000000\r\nExpect: 100-continue\r\n", true, &answer))
        return false;
    return answer.status == 100 || seen(d, "a client that waits for 100 Continue gets %d", answer.status);
}

static bool check_large_body(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!announce(d, STREAM_FIELD "Content-Length: " LARGE_BODY "\r\nExpect: 100-continue\r\n", true,
                  &answer))
        return false;
    return answer.status == 100 ||
           seen(d, "an image of 5 GiB is refused with %d before any byte of it was sent", answer.status);
}

static bool check_large_header(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };
    CLEANUP(str_done) struct str fields = STR_INIT;

    for (unsigned i = 0; i < 4; i++) {
        str_addf(&fields, "X-Check-Deploy-%u: ", i);
        for (unsigned n = 0; n < 4000; n++)
            str_addc(&fields, 'x');
        str_add(&fields, "\r\n");
    }
    if (!ask(d, "GET", "/versions", str_text(&fields), NULL, &answer))
        return false;
    return answer.status == 200 ||
           seen(d, "four headers of 4 KB, as tokens and catalogs can be, give %d", answer.status);
}

static bool check_encoded_path(struct deploy *d)
{
    CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

    if (!ask(d, "PUT", arena_printf(d->arena, "/v2/images/%s/tags/a%%20b%%2Bc", d->image), "", "", &answer))
        return false;
    if (answer.status != 204)
        return seen(d, "a tag named 'a b+c' is answered %d", answer.status);
    if (!ask(d, "GET", arena_printf(d->arena, "/v2/images/%s%%2Ftags", d->image), "", NULL, &answer))
        return false;
    return is_ours(&answer) || seen(d, "a path with %%2F is answered %d by the server itself", answer.status);
}

static bool check_keep_alive(struct deploy *d)
{
    CLEANUP(probe_close) struct probe *p = NULL;
    struct error e;

    if (probe_open(&d->place, &p, &e) < 0)
        return seen(d, "%s", e.message);
    for (unsigned i = 0; i < 5; i++) {
        CLEANUP(probe_answer_done) struct probe_answer answer = { .body = STR_INIT };

        if (probe_head(p, "GET", "/versions", "", &e) < 0 ||
            probe_answer(p, d->arena, "GET", false, &answer, &e) < 0)
            return seen(d, "request %u on one connection: %s", i + 1, e.message);
        if (answer.closes)
            return seen(d, "connections are closed after each answer");
    }
    return true;
}

/* What is asked, and what to do about it by server. */
static const struct check {
    const char *title;
    bool (*run)(struct deploy *d);
    bool required; /* else it is only advice */
    bool image;    /* not tried where none can be created: what would be said of the server were wrong */
    const char *advice;
} checks[] = {
    { "the service answers", check_answers, true, false,
      "Is the address the one under which /v2/images lives? httpd: ProxyPass or SetHandler of this location; "
      "nginx: the location block; and does the back end run? Of 502 and 503 the server's error log has the "
      "reason." },
    { "links lead back here", check_links, true, false,
      "Set public_endpoint in [DEFAULT] to this address; or let the proxy say where it stands: httpd: "
      "ProxyPreserveHost On and RequestHeader set X-Forwarded-Proto; nginx: proxy_set_header Host $http_host "
      "and "
      "X-Forwarded-Proto $scheme, X-Forwarded-Prefix for a mount; with [oslo_middleware] "
      "enable_proxy_headers_parsing = true. The uwsgi protocol and the modules need none of it." },
    { "clients cannot choose the links", check_spoofing, true, false,
      "Forwarding headers of clients must be replaced, not passed on. httpd: RequestHeader unset "
      "X-Forwarded-Host (and "
      "-Prefix, Forwarded); nginx: proxy_set_header for each of them; or leave enable_proxy_headers_parsing "
      "off." },
    { "an image can be created", check_identity, true, false,
      "Name a token or identity that may: OS_TOKEN in the environment, or --header 'X-Auth-Token: …'. "
      "Without "
      "authentication ([paste_deploy] flavor is not set) nobody has a role, as in Glance: [oslo_policy] "
      "enforce_new_defaults = false lets everybody do everything." },
    { "uploads in chunks", check_chunked, true, true,
      "httpd with mod_wsgi: WSGIChunkedRequest On. httpd with mod_proxy_uwsgi: load mod_glint_body and say "
      "GlintBody "
      "On, or go through a mod_proxy_http hop with SetEnv proxy-sendcl 1. nginx: proxy_http_version 1.1 and "
      "proxy_request_buffering off. uWSGI: http-chunked-input = true, or the glint plugin. LimitRequestBody "
      "and client_max_body_size may be in the way too." },
    { "downloads with their length", check_download, true, true,
      "A filter between (gzip, mod_deflate, mod_substitute) changes bodies: switch it off for this "
      "location." },
    { "ranges", check_range, true, true,
      "A filter or a cache between drops Range: switch it off for this location; nginx: no slice, no "
      "proxy_force_ranges. "
      "WSGI servers whose wsgi.file_wrapper ignores ranges need nothing, the application does not use it "
      "there." },
    { "refusals reach a client that is still sending", check_early_refusal, true, true,
      "httpd: mod_proxy_http or mod_glint; for mod_proxy_uwsgi the back end has to be glint serve, which "
      "reads the rest. "
      "nginx: lingering_close on. uWSGI: the glint plugin." },
    { "100 Continue", check_continue, true, true,
      "uWSGI's http router: http-manage-expect = 1 (the word true counts as 0). A back end that never sends "
      "100 needs a "
      "front end that does." },
    { "large images", check_large_body, true, true,
      "httpd: LimitRequestBody 0 (the default is 1 GiB since 2.4.53). nginx: client_max_body_size 0. Or "
      "image_size_cap of "
      "[DEFAULT] is meant to be so small." },
    { "large headers", check_large_header, true, false,
      "httpd: LimitRequestFieldSize 65536. nginx: large_client_header_buffers 8 64k (and uwsgi_buffer_size "
      "for answers). "
      "uWSGI: buffer-size = 65535, http-buffer-size not above 49152." },
    { "encoded paths", check_encoded_path, true, true,
      "httpd: AllowEncodedSlashes NoDecode in the virtual host, and nocanon on ProxyPass. nginx: no URI part "
      "after the "
      "address in proxy_pass." },
    { "connections are kept", check_keep_alive, false, false,
      "httpd: KeepAlive On. nginx: keepalive_timeout. uWSGI: http-keepalive = 1 with the http router, or "
      "http11-socket." },
};

/* ---- the command ---- */

/* Broken at blanks, with every line indented. */
static void print_wrapped(const char *text)
{
    enum { WIDTH = 90 };

    while (*text) {
        size_t n = strlen(text), end = n;

        if (n > WIDTH)
            for (end = WIDTH; end > 0 && text[end] != ' '; end--)
                ;
        if (end == 0)
            end = n;
        printf("         %.*s\n", (int)end, text);
        text += end + strspn(text + end, " ");
    }
}

static bool run(struct deploy *d)
{
    size_t failed = 0, advised = 0, skipped = 0;

    for (size_t i = 0; i < COUNT(checks); i++) {
        const struct check *c = &checks[i];
        bool good;

        if (c->image && !d->image) {
            printf("skipped  %s\n", c->title);
            skipped++;
            continue;
        }
        str_clear(&d->why);
        good = c->run(d);
        printf("%s  %s%s%s\n",
               good          ? "ok     "
               : c->required ? "WRONG  "
                             : "better ",
               c->title, good ? "" : ": ", good ? "" : str_text(&d->why));
        if (good)
            continue;
        print_wrapped(c->advice);
        failed += c->required;
        advised += !c->required;
        if (i == 0)
            break; /* nobody there: the rest would say the same */
    }
    printf("\n%s%s%s: %zu wrong, %zu could be better", d->place.url, *d->server ? " through " : "", d->server,
           failed, advised);
    if (skipped > 0)
        printf(", %zu not tried: an image is needed", skipped);
    putchar('\n');
    return failed == 0;
}

static void read_headers(struct deploy *d, const struct command_line *cl)
{
    const char *token = getenv("OS_TOKEN");
    const char **headers = arena_array(d->arena, const char *, WORDS_MAX + 1);
    size_t n = 0;

    if (token && *token)
        headers[n++] = arena_printf(d->arena, "X-Auth-Token: %s", token);
    for (size_t i = 0; i < cl->n_asked && n < WORDS_MAX; i++)
        if (str_starts(cl->asked[i], "header="))
            headers[n++] = cl->asked[i] + strlen("header=");
    d->place.headers = headers;
}

int check_deploy_main(const struct command_line *cl)
{
    struct deploy d = { .arena = cl->arena, .why = STR_INIT, .server = "" };
    const char *url = cl->n_words > 1 ? cl->words[1] : NULL;
    bool good;

    if (!url || !probe_place_read(cl->arena, url, &d.place)) {
        fprintf(stderr, "glint: check-deploy needs the address of the service, http://… or https://…, as "
                        "clients use it\n");
        return EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    d.place.insecure = cl->insecure;
    read_headers(&d, cl);
    d.data = mem_new(DATA_SIZE);
    for (size_t i = 0; i < DATA_SIZE; i++)
        d.data[i] = (char)(i * 2654435761U >> 13);
    good = run(&d);
    image_drop(&d, d.image);
    mem_free(d.data);
    str_done(&d.why);
    return good ? EXIT_OK : EXIT_FAILED;
}
