/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "fetch/fetch.h"

enum { HEADERS_MAX = 100 };

/* What comes back, on its way. */
struct asking {
    const struct fetch_lib *lib;
    struct arena *arena;
    CURL *easy;
    struct curl_slist *headers;
    struct str body;
    struct fetch_answer answer;
    struct fetch_header *items;
    size_t cap;
    char why[CURL_ERROR_SIZE];
    struct fetch_head head;
    const char *refused;
};

static void asking_end(struct asking *k)
{
    if (k->lib) {
        k->lib->easy_cleanup(k->easy);
        k->lib->slist_free_all(k->headers);
    }
    str_done(&k->body);
}

/* ---- what libcurl calls ---- */

static const char *trimmed(struct arena *a, const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && strchr(" \t\r\n", end[-1]))
        end--;
    return arena_strn(a, p, (size_t)(end - p));
}

/* A status line begins the lines of an answer anew: those of 100 Continue do not count. */
static size_t take_head(char *bytes, size_t size, size_t n, void *arg)
{
    struct asking *k = arg;
    const char *end = bytes + size * n, *colon = memchr(bytes, ':', size * n), *blank;
    struct fetch_header *h;

    fetch_head_line(&k->head, bytes, size * n);
    if (size * n <= 2 && (k->refused = fetch_head_refused(&k->head, 0, false)))
        return 0;
    if (size * n > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        blank = memchr(bytes, ' ', size * n);
        blank = blank ? memchr(blank + 1, ' ', (size_t)(end - blank - 1)) : NULL;
        k->answer.reason = blank ? trimmed(k->arena, blank, end) : "";
        k->answer.n_headers = 0;
    } else if (colon && k->answer.n_headers < HEADERS_MAX) {
        h = ARENA_PUSH(k->arena, k->items, k->answer.n_headers, k->cap);
        h->name = arena_strn(k->arena, bytes, (size_t)(colon - bytes));
        h->value = trimmed(k->arena, colon + 1, end);
    }
    return size * n;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct asking *k = arg;
    size_t room = FETCH_BODY_MAX - k->body.len;

    str_addn(&k->body, bytes, size * n < room ? size * n : room);
    return size * n;
}

/* ---- asking ---- */

static bool is_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' && *text != '\t')
            return false;
    return true;
}

static int add_header(struct asking *k, const char *header, struct error *e)
{
    size_t name = strcspn(header, ":");
    const char *value = header[name] ? header + name + 1 : "";
    struct curl_slist *list;

    if (name == 0 || !header[name] || !is_line(header))
        return error_set(e, ERROR_INVALID, "A header must not be sent: it is more than one line.");
    if (value[strspn(value, " \t")] == '\0') /* libcurl takes "Name:" as: without it */
        header = arena_printf(k->arena, "%.*s;", (int)name, header);
    list = k->lib->slist_append(k->headers, header);
    if (list)
        k->headers = list;
    return list ? 0 : error_set(e, ERROR_UNAVAILABLE, "libcurl has no memory");
}

static void set_up(struct asking *k, const struct fetch_question *q)
{
    const struct fetch_lib *lib = k->lib;
    CURL *easy = k->easy;

    lib->easy_setopt(easy, CURLOPT_URL, q->url);
    lib->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    lib->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    lib->easy_setopt(easy, CURLOPT_PROXY, "");
    lib->easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    lib->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    lib->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)q->connect_ms);
    lib->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)q->timeout_ms);
    lib->easy_setopt(easy, CURLOPT_USERAGENT, "glint/" GLINT_VERSION);
    lib->easy_setopt(easy, CURLOPT_ERRORBUFFER, k->why);
    lib->easy_setopt(easy, CURLOPT_HTTPHEADER, k->headers);
    lib->easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head);
    lib->easy_setopt(easy, CURLOPT_HEADERDATA, k);
    lib->easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    lib->easy_setopt(easy, CURLOPT_WRITEDATA, k);
    if (q->ca_file && *q->ca_file)
        lib->easy_setopt(easy, CURLOPT_CAINFO, q->ca_file);
    if (q->body) {
        lib->easy_setopt(easy, CURLOPT_POSTFIELDS, q->body);
        lib->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->size);
    }
    lib->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
}

/* The server was not reached, or closed without an answer; otherwise its answer is malformed. */
static enum error_kind kind_of(CURLcode code)
{
    static const CURLcode unreached[] = { CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,
                                          CURLE_OPERATION_TIMEDOUT,   CURLE_SSL_CONNECT_ERROR,
                                          CURLE_SEND_ERROR,           CURLE_RECV_ERROR,
                                          CURLE_GOT_NOTHING,          CURLE_PEER_FAILED_VERIFICATION };

    for (size_t i = 0; i < COUNT(unreached); i++)
        if (unreached[i] == code)
            return ERROR_UNAVAILABLE;
    return ERROR_INVALID;
}

static int ask(struct asking *k, const struct fetch_question *q, struct error *e)
{
    CURLcode code;
    long status = 0;

    if (!is_line(q->method) || !is_line(q->url))
        return error_set(e, ERROR_INVALID, "A request must not be sent: it is more than one line.");
    k->headers = k->lib->slist_append(NULL, "Expect:"); /* the body is short: nothing is gained by waiting */
    for (const char *const *h = q->headers; h && *h; h++)
        if (add_header(k, *h, e) < 0)
            return -1;
    set_up(k, q);
    code = k->lib->easy_perform(k->easy);
    k->lib->easy_getinfo(k->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status >= 200) {
        k->answer.status = (unsigned)status;
        return 0;
    }
    error_set(e, code == CURLE_OK ? ERROR_INVALID : kind_of(code), "%.500s gives no answer.", q->url);
    return error_detail(e, "%s", k->refused ? k->refused : *k->why ? k->why : k->lib->easy_strerror(code));
}

int fetch_ask(struct arena *a, const struct fetch_question *q, struct fetch_answer *ret, struct error *e)
{
    CLEANUP(asking_end) struct asking k = { .arena = a, .body = STR_INIT, .answer = { .reason = "" } };

    k.lib = fetch_lib();
    if (!k.lib)
        return error_set(e, ERROR_UNAVAILABLE, "libcurl.so.4 is not installed");
    k.easy = k.lib->easy_init();
    if (!k.easy)
        return error_set(e, ERROR_UNAVAILABLE, "libcurl cannot be used");
    if (ask(&k, q, e) < 0)
        return -1;
    k.answer.body = arena_strn(a, str_text(&k.body), k.body.len);
    k.answer.size = k.body.len;
    k.answer.headers = k.items;
    *ret = k.answer;
    return 0;
}

const char *fetch_answer_header(const struct fetch_answer *answer, const char *name)
{
    for (size_t i = answer->n_headers; i > 0; i--)
        if (strcasecmp(answer->headers[i - 1].name, name) == 0)
            return answer->headers[i - 1].value;
    return NULL;
}
