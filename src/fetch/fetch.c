/* SPDX-License-Identifier: Apache-2.0 */
/* A pull over libcurl's push: the transfer runs only while somebody waits for it, what it gives goes straight
 * into the reader's buffer, and it is paused as soon as that is full. Redirects are followed here, one
 * request each, so that each step is looked at. */
#include "fetch/fetch.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { RECEIVE_BUFFER = 256 * 1024, TICK_MS = 1000 };

struct fetch {
    const struct fetch_lib *lib;
    CURL *easy;
    CURLM *multi;
    struct fetch_options o;
    char why[CURL_ERROR_SIZE];

    unsigned requests;    /* sent so far */
    bool near_first;      /* the first one went to this machine or its link */
    bool head_read, done; /* of the present request */
    CURLcode result;      /* once done */
    uint64_t part_first, part_total;
    bool part;

    unsigned char *target; /* of the reader who waits */
    size_t room;
    struct str spill; /* what did not fit, at most one piece of libcurl's */
    size_t spilled;   /* of it, given already */
    bool paused;
    uint64_t moved; /* bytes so far, head and body: signs of life */
};

bool fetch_address_near(const struct sockaddr *address)
{
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    uint32_t four;

    if (address->sa_family == AF_INET) {
        four = ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
    } else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six)) {
        memcpy(&four, six->s6_addr + 12, sizeof four);
        four = ntohl(four);
    } else {
        return address->sa_family != AF_INET6 || IN6_IS_ADDR_LOOPBACK(six) || IN6_IS_ADDR_UNSPECIFIED(six) ||
               IN6_IS_ADDR_LINKLOCAL(six);
    }
    return four >> 24 == 127 || four >> 24 == 0 || four >> 16 == 0xA9FE;
}

/* ---- what libcurl calls ---- */

static curl_socket_t open_socket(void *arg, curlsocktype purpose UNUSED, struct curl_sockaddr *address)
{
    struct fetch *f = arg;
    bool near = fetch_address_near(&address->addr);

    if (f->requests == 1)
        f->near_first |= near;
    else if (near && !f->near_first)
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_head(char *bytes, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    unsigned long long first, last, total;
    CLEANUP(str_done) struct str line = STR_INIT;
    long status = 0;

    n *= size;
    f->moved += n;
    str_addn(&line, bytes, n);
    if (str_starts(str_text(&line), "HTTP/")) {
        f->part = false;
    } else if (strncasecmp(str_text(&line), "Content-Range:", 14) == 0 &&
               sscanf(str_text(&line) + 14, " bytes %llu-%llu/%llu", &first, &last, &total) == 3) {
        f->part = true;
        f->part_first = first;
        f->part_total = total;
    }
    if (n <= 2) {
        f->lib->easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
        f->head_read = status >= 200;
    }
    return n;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    size_t fits;

    n *= size;
    if (f->spill.len > 0 || (f->room == 0 && n > 0)) {
        f->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    fits = n < f->room ? n : f->room;
    memcpy(f->target, bytes, fits);
    f->target += fits;
    f->room -= fits;
    f->moved += n;
    str_addn(&f->spill, bytes + fits, n - fits);
    return n;
}

/* ---- moving on ---- */

static int fail(const struct fetch *f, enum error_kind kind, CURLcode code, struct error *e)
{
    error_set(e, kind, "Remote server where the image is present is unavailable.");
    return error_detail(e, "%s", *f->why ? f->why : f->lib->easy_strerror(code));
}

/* One step of the transfer; waits for the network when there is nothing to do. */
static int step(struct fetch *f, int wait_ms, struct error *e)
{
    int running = 0, left = 0;
    uint64_t before = f->moved;
    CURLMsg *m;

    if (f->lib->multi_perform(f->multi, &running) != CURLM_OK)
        return fail(f, ERROR_UNAVAILABLE, CURLE_FAILED_INIT, e);
    while ((m = f->lib->multi_info_read(f->multi, &left)))
        if (m->msg == CURLMSG_DONE) {
            f->done = true;
            f->result = m->data.result;
        }
    if (!f->done && !f->paused && f->moved == before)
        f->lib->multi_poll(f->multi, NULL, 0, wait_ms, NULL);
    return 0;
}

/* Runs the transfer until its head is there, the reader's buffer has something, or it is over. */
static int run(struct fetch *f, bool for_head, struct error *e)
{
    int64_t last = clock_mono_us();
    const unsigned char *start = f->target;
    uint64_t seen = f->moved;

    while (!f->done && (for_head ? !f->head_read : f->target == start)) {
        int64_t left = f->o.timeout_ms - (clock_mono_us() - last) / 1000;

        if (left <= 0)
            return fail(f, ERROR_UNAVAILABLE, CURLE_OPERATION_TIMEDOUT, e);
        if (step(f, left < TICK_MS ? (int)left : TICK_MS, e) < 0)
            return -1;
        if (f->moved != seen) {
            seen = f->moved;
            last = clock_mono_us();
        }
        if (f->paused && !for_head)
            break;
    }
    return 0;
}

/* ---- asking ---- */

static void set_tls(const struct fetch *f)
{
    const struct fetch_options *o = &f->o;

    f->lib->easy_setopt(f->easy, CURLOPT_SSL_VERIFYPEER, o->verify ? 1L : 0L);
    f->lib->easy_setopt(f->easy, CURLOPT_SSL_VERIFYHOST, o->verify ? 2L : 0L);
    if (o->verify && o->ca_file && *o->ca_file)
        f->lib->easy_setopt(f->easy, CURLOPT_CAINFO, o->ca_file);
}

static void set_up(struct fetch *f, bool head, uint64_t offset)
{
    const struct fetch_lib *lib = f->lib;
    char range[32];

    lib->easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    lib->easy_setopt(f->easy, CURLOPT_FOLLOWLOCATION, 0L);
    lib->easy_setopt(f->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    lib->easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
    lib->easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)f->o.timeout_ms);
    lib->easy_setopt(f->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    lib->easy_setopt(f->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    lib->easy_setopt(f->easy, CURLOPT_USERAGENT, "glint/" GLINT_VERSION);
    lib->easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->why);
    lib->easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    lib->easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f);
    lib->easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, take_head);
    lib->easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
    lib->easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, take_body);
    lib->easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
    lib->easy_setopt(f->easy, CURLOPT_NOBODY, head ? 1L : 0L);
    if (offset > 0) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)offset);
        lib->easy_setopt(f->easy, CURLOPT_RANGE, range);
    }
    set_tls(f);
}

static int ask(struct fetch *f, const char *url, struct error *e)
{
    const char *proxy = str_starts(url, "https://") ? f->o.proxy_https : f->o.proxy_http;

    f->requests++;
    f->head_read = f->done = f->paused = false;
    f->result = CURLE_OK;
    str_clear(&f->spill);
    f->spilled = 0;
    f->lib->easy_setopt(f->easy, CURLOPT_URL, url);
    f->lib->easy_setopt(f->easy, CURLOPT_PROXY, proxy);
    if (f->lib->multi_add_handle(f->multi, f->easy) != CURLM_OK)
        return fail(f, ERROR_UNAVAILABLE, CURLE_FAILED_INIT, e);
    if (run(f, true, e) < 0)
        return -1;
    if (f->head_read || (f->done && f->result == CURLE_OK))
        return 0;
    return fail(f, f->result == CURLE_URL_MALFORMAT ? ERROR_INVALID : ERROR_UNAVAILABLE, f->result, e);
}

static bool is_redirect(const struct fetch *f)
{
    return fetch_status(f) == 301 || fetch_status(f) == 302;
}

/* Where the redirect leads, in *ret (to be freed). */
static int follow(struct fetch *f, struct str *ret, struct error *e)
{
    const char *to = NULL;

    f->lib->easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to || (!str_starts(to, "http://") && !str_starts(to, "https://")))
        return error_set(e, ERROR_INVALID, "The remote server redirects to where nothing is fetched from.");
    if (f->requests >= f->o.requests_max)
        return error_set(e, ERROR_INVALID, "The HTTP URL exceeded %u maximum redirects.", f->o.requests_max);
    str_clear(ret);
    str_add(ret, to);
    f->lib->multi_remove_handle(f->multi, f->easy);
    return 0;
}

int fetch_open(const struct fetch_options *o, const char *url, bool head, uint64_t offset, struct fetch **ret,
               struct error *e)
{
    CLEANUP(fetch_close) struct fetch *f = mem_new(sizeof *f);
    CLEANUP(str_done) struct str at = STR_INIT;

    f->lib = fetch_lib();
    if (!f->lib)
        return error_set(e, ERROR_UNAVAILABLE, "libcurl.so.4 is not installed");
    f->o = *o;
    f->easy = f->lib->easy_init();
    f->multi = f->lib->multi_init();
    if (!f->easy || !f->multi)
        return error_set(e, ERROR_UNAVAILABLE, "libcurl cannot be used");
    set_up(f, head, offset);
    str_add(&at, url);
    if (ask(f, str_text(&at), e) < 0)
        return -1;
    while (is_redirect(f))
        if (follow(f, &at, e) < 0 || ask(f, str_text(&at), e) < 0)
            return -1;
    *ret = TAKE(f);
    return 0;
}

unsigned fetch_status(const struct fetch *f)
{
    long status = 0;

    f->lib->easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    return (unsigned)status;
}

int64_t fetch_length(const struct fetch *f)
{
    curl_off_t length = -1;

    f->lib->easy_getinfo(f->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length;
}

bool fetch_part(const struct fetch *f, uint64_t *ret_first, uint64_t *ret_total)
{
    if (fetch_status(f) != 206 || !f->part)
        return false;
    *ret_first = f->part_first;
    *ret_total = f->part_total;
    return true;
}

/* ---- reading ---- */

static size_t take_spilled(struct fetch *f, void *buf, size_t n)
{
    size_t left = f->spill.len - f->spilled, got = left < n ? left : n;

    if (got == 0)
        return 0;
    memcpy(buf, f->spill.data + f->spilled, got);
    f->spilled += got;
    if (f->spilled == f->spill.len) {
        str_clear(&f->spill);
        f->spilled = 0;
    }
    return got;
}

ssize_t fetch_read(struct fetch *f, void *buf, size_t n, struct error *e)
{
    size_t got = take_spilled(f, buf, n);
    int failed = 0;

    if (got == n || n == 0)
        return (ssize_t)got;
    f->target = (unsigned char *)buf + got;
    f->room = n - got;
    if (f->paused) {
        f->paused = false;
        f->lib->easy_pause(f->easy, CURLPAUSE_CONT);
    }
    if (f->target == (unsigned char *)buf)
        failed = run(f, false, e);
    got = (size_t)(f->target - (unsigned char *)buf);
    f->target = NULL;
    f->room = 0;
    if (got > 0)
        return (ssize_t)got;
    if (failed < 0)
        return -1;
    return f->result == CURLE_OK ? 0 : fail(f, ERROR_UNAVAILABLE, f->result, e);
}

void fetch_close(struct fetch **f)
{
    struct fetch *own = TAKE(*f);

    if (!own)
        return;
    if (own->multi && own->easy)
        own->lib->multi_remove_handle(own->multi, own->easy);
    if (own->easy)
        own->lib->easy_cleanup(own->easy);
    if (own->multi)
        own->lib->multi_cleanup(own->multi);
    str_done(&own->spill);
    mem_free(own);
}
