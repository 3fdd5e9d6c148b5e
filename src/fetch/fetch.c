/* SPDX-License-Identifier: Apache-2.0 */
/* A pull over libcurl's push: the transfer runs only while somebody waits for it, what it gives goes straight
 * into the reader's buffer, and it is paused as soon as that is full. Redirects are followed here, one
 * request each, so that each step is looked at. What is left of a large body that nothing is done to on its
 * way is read from the socket itself. */
#include "fetch/source_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE_BUFFER = 256 * 1024, SPILL_MAX = 2 * RECEIVE_BUFFER, TICK_MS = 1000 };

struct fetch {
    const struct fetch_lib *lib;
    CURL *easy;
    CURLM *multi;
    struct fetch_options o;
    char why[CURL_ERROR_SIZE];

    struct arena *arena;
    struct fetch_gate gate;
    unsigned requests;    /* sent so far */
    bool head_read, done; /* of the present request */
    CURLcode result;      /* once done */
    const char *reason;   /* that we ended it for; NULL: libcurl says why */
    struct fetch_head head;
    struct fetch_target target;
    struct sockaddr_storage *proxies; /* addresses of the proxy, where there is one */
    size_t n_proxies;
    const char *where;                     /* "host:port" of the target */
    bool part_asked;                       /* by the present request */
    struct curl_slist *headers, *resolved; /* lists of libcurl's options */

    int64_t deadline_us; /* monotonic; 0: none */
    int64_t waited_us;   /* of the present window of rate_min, and what moved before it */
    uint64_t window_moved;

    unsigned char *buffer; /* of the reader who waits */
    size_t room;
    struct str spill; /* what did not fit, the rest of what libcurl had received */
    size_t spilled;   /* of it, given already */
    bool paused;
    uint64_t body;  /* bytes of it that libcurl handed over */
    uint64_t moved; /* bytes so far, head and body: signs of life */

    int newest;       /* of libcurl's sockets; -1 once that is closed */
    unsigned sockets; /* that it has open */
    int plain;        /* the socket, once libcurl is not asked any more; -1 */
    uint64_t left;    /* bytes of the body that are still to come there */
};

/* ---- what libcurl calls ---- */

static bool same_host(const struct sockaddr *a, const struct sockaddr_storage *b)
{
    if (a->sa_family != b->ss_family)
        return false;
    if (a->sa_family == AF_INET)
        return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr,
                      &((const struct sockaddr_in *)(const void *)b)->sin_addr, sizeof(struct in_addr)) == 0;
    return a->sa_family == AF_INET6 &&
           memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                  &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
}

static bool may_connect(const struct fetch *f, const struct sockaddr *address)
{
    for (size_t i = 0; i < f->target.n_addresses; i++)
        if (same_host(address, &f->target.addresses[i]))
            return true;
    for (size_t i = 0; i < f->n_proxies; i++)
        if (same_host(address, &f->proxies[i]))
            return true;
    return false;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose UNUSED, struct curl_sockaddr *address)
{
    struct fetch *f = arg;
    int fd;

    if (!may_connect(f, &address->addr))
        return CURL_SOCKET_BAD;
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd >= 0) {
        f->newest = fd;
        f->sockets++;
    }
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct fetch *f = arg;

    f->sockets--;
    if (f->newest == fd)
        f->newest = -1;
    return close(fd);
}

static size_t take_head(char *bytes, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    long status = 0;

    n *= size;
    f->moved += n;
    if (f->head_read) /* fields after the body */
        return n;
    fetch_head_line(&f->head, bytes, n);
    if (n <= 2) {
        f->lib->easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
        f->head_read = status >= 200;
        f->reason = f->head_read ? fetch_head_refused(&f->head, (unsigned)status, f->part_asked) : NULL;
    }
    return f->reason ? 0 : n; /* before libcurl undoes any coding of the body */
}

/* What it has received libcurl hands over in small pieces. To refuse one makes it copy all that follow, into
 * memory mapped for that alone: they are taken, and no more is received. */
static size_t take_body(char *bytes, size_t size, size_t n, void *arg)
{
    struct fetch *f = arg;
    size_t fits;

    n *= size;
    if (f->spill.len >= SPILL_MAX) {
        f->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    fits = n < f->room ? n : f->room;
    if (fits > 0) {
        memcpy(f->buffer, bytes, fits);
        f->buffer += fits;
        f->room -= fits;
    }
    f->moved += n;
    f->body += n;
    str_addn(&f->spill, bytes + fits, n - fits);
    if (f->room == 0 && !f->paused) {
        f->paused = true;
        f->lib->easy_pause(f->easy, CURLPAUSE_RECV);
    }
    return n;
}

/* ---- moving on ---- */

static int fail(const struct fetch *f, enum error_kind kind, CURLcode code, struct error *e)
{
    const char *why = f->reason ? f->reason : *f->why ? f->why : f->lib->easy_strerror(code);

    error_set(e, kind, "Remote server where the image is present is unavailable.");
    return error_detail(e, "source %.200s: %.180s", f->where ? f->where : "", why);
}

static int give_up(struct fetch *f, const char *why, struct error *e)
{
    f->reason = why;
    return fail(f, ERROR_UNAVAILABLE, CURLE_OPERATION_TIMEDOUT, e);
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

/* One step past libcurl. */
static void step_plain(struct fetch *f, int wait_ms)
{
    struct pollfd ready = { .fd = f->plain, .events = POLLIN };
    ssize_t n = recv(f->plain, f->buffer, f->room < f->left ? f->room : f->left, MSG_DONTWAIT);

    if (n > 0) {
        f->buffer += n;
        f->room -= (size_t)n;
        f->left -= (uint64_t)n;
        f->moved += (uint64_t)n;
        f->done = f->left == 0;
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        poll(&ready, 1, wait_ms);
        return;
    }
    f->done = true;
    f->result = n == 0 ? CURLE_PARTIAL_FILE : CURLE_RECV_ERROR;
}

/* NULL: enough for the window of waiting that ends now, and still in time. */
static const char *too_slow(struct fetch *f, int64_t waited_us, int64_t now_us)
{
    f->waited_us += waited_us;
    if (f->waited_us >= f->o.timeout_ms * 1000) {
        if (f->moved - f->window_moved < f->o.rate_min * (uint64_t)f->o.timeout_ms / 1000)
            return "it is slower than the least rate";
        f->waited_us = 0;
        f->window_moved = f->moved;
    }
    return f->deadline_us == 0 || now_us < f->deadline_us ? NULL : "it takes longer than all of it may";
}

/* Runs the transfer until its head is there, the reader's buffer has something, or it is over. */
static int run(struct fetch *f, bool for_head, struct error *e)
{
    int64_t last = clock_mono_us(), now = last, asked = last;
    const unsigned char *start = f->buffer;
    uint64_t seen = f->moved;
    const char *slow;

    while (!f->done && (for_head ? !f->head_read : f->buffer == start)) {
        int64_t left = f->o.timeout_ms - (now - last) / 1000, before = now;
        int wait_ms = left < TICK_MS ? (int)left : TICK_MS;

        if (left <= 0)
            return give_up(f, "nothing came for as long as a silence may last", e);
        if (f->plain >= 0)
            step_plain(f, wait_ms);
        else if (step(f, wait_ms, e) < 0)
            return -1;
        now = clock_mono_us();
        slow = too_slow(f, now - before, now);
        if (slow)
            return give_up(f, slow, e);
        if (f->moved != seen) {
            seen = f->moved;
            last = now;
        }
        if (f->o.alive && now - asked >= TICK_MS * 1000) {
            if (f->o.alive(f->o.alive_arg, e) < 0)
                return -1;
            asked = now;
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

static void header_add(struct fetch *f, const char *name, const char *value)
{
    CLEANUP(str_done) struct str line = STR_INIT;

    if (!value)
        return;
    str_addf(&line, "%s: %s", name, value);
    f->headers = f->lib->slist_append(f->headers, str_text(&line));
}

static void set_up(struct fetch *f, bool head, uint64_t offset)
{
    const struct fetch_lib *lib = f->lib;
    char range[32];

    lib->easy_setopt(f->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    lib->easy_setopt(f->easy, CURLOPT_FOLLOWLOCATION, 0L);
    lib->easy_setopt(f->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    lib->easy_setopt(f->easy, CURLOPT_NOSIGNAL, 1L);
    lib->easy_setopt(f->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(f->o.connect_ms ? f->o.connect_ms : f->o.timeout_ms));
    lib->easy_setopt(f->easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER);
    lib->easy_setopt(f->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    lib->easy_setopt(f->easy, CURLOPT_USERAGENT, "glint/" GLINT_VERSION);
    lib->easy_setopt(f->easy, CURLOPT_ERRORBUFFER, f->why);
    lib->easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    lib->easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f);
    lib->easy_setopt(f->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    lib->easy_setopt(f->easy, CURLOPT_CLOSESOCKETDATA, f);
    lib->easy_setopt(f->easy, CURLOPT_HEADERFUNCTION, take_head);
    lib->easy_setopt(f->easy, CURLOPT_HEADERDATA, f);
    lib->easy_setopt(f->easy, CURLOPT_WRITEFUNCTION, take_body);
    lib->easy_setopt(f->easy, CURLOPT_WRITEDATA, f);
    lib->easy_setopt(f->easy, CURLOPT_NOBODY, head ? 1L : 0L);
    f->part_asked = offset > 0;
    if (offset > 0) {
        snprintf(range, sizeof range, "%llu-", (unsigned long long)offset);
        lib->easy_setopt(f->easy, CURLOPT_RANGE, range);
        header_add(f, "If-Range", f->o.if_range);
    }
    for (const char *const *line = f->o.headers; line && *line; line++)
        f->headers = lib->slist_append(f->headers, *line);
    lib->easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
    set_tls(f);
}

/* A later request is sent to whom nothing was confided. */
static void headers_forget(struct fetch *f, uint64_t offset)
{
    f->lib->slist_free_all(f->headers);
    f->headers = NULL;
    if (offset > 0)
        header_add(f, "If-Range", f->o.if_range);
    f->lib->easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
}

static void address_text(const struct sockaddr_storage *address, char *ret, socklen_t size)
{
    if (address->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, ret, size);
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, ret, size);
}

/* libcurl is told what the name resolves to; open_socket() has the last word. */
static void pin(struct fetch *f)
{
    const struct fetch_target *t = &f->target;
    CLEANUP(str_done) struct str line = STR_INIT;
    char text[INET6_ADDRSTRLEN];

    if (t->literal || t->n_addresses == 0)
        return;
    str_addf(&line, "%s:%u:", t->host, t->port);
    for (size_t i = 0; i < t->n_addresses; i++) {
        address_text(&t->addresses[i], text, sizeof text);
        str_addf(&line, strchr(text, ':') ? "%s[%s]" : "%s%s", i > 0 ? "," : "", text);
    }
    f->lib->easy_setopt(f->easy, CURLOPT_RESOLVE, NULL);
    f->lib->slist_free_all(f->resolved);
    f->resolved = f->lib->slist_append(NULL, str_text(&line));
    f->lib->easy_setopt(f->easy, CURLOPT_RESOLVE, f->resolved);
}

static int ask(struct fetch *f, const char *url, struct error *e)
{
    bool tls = str_starts(url, "https://");
    const char *proxy = tls ? f->o.proxy_https : f->o.proxy_http, *used;

    f->gate.proxied = proxy_used(proxy, tls, &used);
    f->n_proxies = f->gate.proxied ? proxy_addresses(f->o.rules, f->arena, used, &f->proxies) : 0;
    if (fetch_admit(&f->gate, url, &f->target, e) < 0)
        return -1;
    f->where = arena_printf(f->arena, "%s:%u", f->target.host, f->target.port);
    pin(f);
    f->requests++;
    f->head_read = f->done = f->paused = false;
    f->result = CURLE_OK;
    f->reason = NULL;
    str_clear(&f->spill);
    f->spilled = 0;
    f->body = 0;
    f->plain = -1;
    f->lib->easy_setopt(f->easy, CURLOPT_URL, f->target.url);
    f->lib->easy_setopt(f->easy, CURLOPT_PROXY, proxy);
    if (f->lib->multi_add_handle(f->multi, f->easy) != CURLM_OK)
        return fail(f, ERROR_UNAVAILABLE, CURLE_FAILED_INIT, e);
    if (run(f, true, e) < 0)
        return -1;
    if (f->reason)
        return fail(f, ERROR_INVALID, CURLE_OK, e);
    if (f->head_read || (f->done && f->result == CURLE_OK))
        return 0;
    return fail(f, f->result == CURLE_URL_MALFORMAT ? ERROR_INVALID : ERROR_UNAVAILABLE, f->result, e);
}

static bool is_redirect(const struct fetch *f)
{
    unsigned status = fetch_status(f);

    return status == 301 || status == 302 ||
           (f->o.follow_all && (status == 303 || status == 307 || status == 308));
}

/* Of the other URL the scheme is told, for operators. */
static int redirect_refused(const struct fetch *f, const char *message, const char *to, struct error *e)
{
    error_set(e, ERROR_INVALID, "%s", message);
    return error_detail(e, "source %.200s: redirect to \"%.20s\"", f->where,
                        to ? arena_strn(f->arena, to, strcspn(to, ":/?#")) : "");
}

/* Where the redirect leads, in *ret (to be freed). */
static int follow(struct fetch *f, struct str *ret, struct error *e)
{
    const char *to = NULL;

    f->lib->easy_getinfo(f->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to || (!str_starts(to, "http://") && !str_starts(to, "https://")))
        return redirect_refused(f, "The remote server redirects to where nothing is fetched from.", to, e);
    if (f->requests >= f->o.requests_max)
        return redirect_refused(
            f, arena_printf(f->arena, "The HTTP URL exceeded %u maximum redirects.", f->o.requests_max), to,
            e);
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

    f->plain = f->newest = -1;
    f->lib = fetch_lib();
    if (!f->lib)
        return error_set(e, ERROR_UNAVAILABLE, "libcurl.so.4 is not installed");
    f->o = *o;
    f->o.rules = fetch_rules_ref(o->rules);
    f->arena = arena_make(1024);
    f->gate = (struct fetch_gate){ .rules = f->o.rules, .arena = f->arena, .stored = o->stored };
    f->deadline_us = o->total_ms > 0 ? clock_mono_us() + o->total_ms * 1000 : 0;
    f->easy = f->lib->easy_init();
    f->multi = f->lib->multi_init();
    if (!f->easy || !f->multi)
        return error_set(e, ERROR_UNAVAILABLE, "libcurl cannot be used");
    set_up(f, head, offset);
    str_add(&at, url);
    if (ask(f, str_text(&at), e) < 0)
        return -1;
    while (is_redirect(f)) {
        if (follow(f, &at, e) < 0)
            return -1;
        headers_forget(f, offset);
        if (ask(f, str_text(&at), e) < 0)
            return -1;
    }
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
    if (fetch_status(f) != 206 || !f->head.part || !f->head.total_known)
        return false;
    *ret_first = f->head.part_first;
    *ret_total = f->head.total;
    return true;
}

const char *fetch_where(const struct fetch *f)
{
    return f->where;
}

const struct fetch_head *fetch_head(const struct fetch *f)
{
    return &f->head;
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

/* A body as long as its head says, by HTTP/1.1 without TLS, is the socket's next bytes: each is copied once
 * instead of twice. libcurl, which is paused, has given everything that it received. */
static bool leave_libcurl(struct fetch *f)
{
    unsigned status = fetch_status(f);
    int64_t length = fetch_length(f);
    const char *scheme = NULL;
    curl_off_t received = -1;

    if ((status != 200 && status != 206) || f->head.coded || f->head.length_junk || length < 0 ||
        (uint64_t)length <= f->body || f->done || !f->o.proxy_http || *f->o.proxy_http)
        return false;
    f->lib->easy_getinfo(f->easy, CURLINFO_SCHEME, &scheme);
    f->lib->easy_getinfo(f->easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    if (!scheme || !str_eq_nocase(scheme, "http") || received != (curl_off_t)f->body || f->sockets != 1 ||
        f->newest < 0)
        return false;
    f->plain = f->newest;
    f->left = (uint64_t)length - f->body;
    return true;
}

ssize_t fetch_read(struct fetch *f, void *buf, size_t n, struct error *e)
{
    size_t got = take_spilled(f, buf, n);
    int failed = 0;

    if (got == n || n == 0)
        return (ssize_t)got;
    f->buffer = (unsigned char *)buf + got;
    f->room = n - got;
    if (f->paused) {
        f->paused = false;
        if (!leave_libcurl(f))
            f->lib->easy_pause(f->easy, CURLPAUSE_CONT);
    }
    if (f->buffer == (unsigned char *)buf)
        failed = run(f, false, e);
    got = (size_t)(f->buffer - (unsigned char *)buf);
    f->buffer = NULL;
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
    if (own->headers)
        own->lib->slist_free_all(own->headers);
    if (own->resolved)
        own->lib->slist_free_all(own->resolved);
    str_done(&own->spill);
    arena_free(own->arena);
    fetch_rules_free(own->o.rules);
    mem_free(own);
}
