/* SPDX-License-Identifier: Apache-2.0 */
/* Objects at a web server: a little one of its own, which also misbehaves. */
#include "setup.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "fetch/fetch.h"

/* What a path answers. Its object is the letters in order. */
struct page {
    const char *path;
    int status;
    size_t size;           /* of the object */
    size_t sent;           /* bytes of the body that really go out; 0: all */
    bool ranges;           /* honoured */
    bool chunked, silent;  /* no length told; does not close after what it sent */
    const char *location;  /* a redirect; PORT is the server's */
    size_t size_of_ranges; /* what a part says of the whole; 0: the truth */
    const char *head;      /* more lines of it */
    bool no_range;         /* a part does not say which */
};

static const struct page pages[] = {
    { "/ok", 200, 1000, .ranges = true },
    { "/big", 200, 5 << 20, .ranges = true },
    { "/norange", 200, 1000 },
    { "/empty", 200, 0 },
    { "/chunked", 200, 1000, .chunked = true },
    { "/short", 200, 1000, .sent = 500 },
    { "/shortbig", 200, 5 << 20, .sent = 3 << 20 },
    { "/cutchunks", 200, 1000, .sent = 500, .chunked = true },
    { "/stall", 200, 1000, .sent = 500, .silent = true },
    { "/mute", 0, 0, .silent = true },
    { "/drop", 0, 0 },
    { "/grown", 200, 1000, .ranges = true, .size_of_ranges = 1001 },
    { "/placeless", 200, 1000, .ranges = true, .no_range = true },
    { "/206", 206, 1000 },
    { "/206part", 206, 1000, .head = "Content-Range: bytes 1000-1999/2000\r\n" },
    { "/206all", 206, 1000, .head = "Content-Range: bytes 0-999/1000\r\n" },
    { "/lengths", 200, 1000, .head = "Content-Length: 900\r\n" },
    { "/length2", 200, 1000, .head = "Content-Length: 1000\r\n" },
    { "/gzip", 200, 1000, .head = "Transfer-Encoding: gzip\r\n" },
    { "/gzips", 200, 1000, .chunked = true, .head = "Transfer-Encoding: gzip, gzip, chunked\r\n" },
    { "/content", 200, 1000, .head = "Content-Encoding: gzip\r\n" },
    { "/404", 404, 0 },
    { "/403", 403, 0 },
    { "/503", 503, 0 },
    { "/304", 304, 0 },
    { "/1", 302, 0, .location = "http://127.0.0.1:PORT/ok" },
    { "/2", 301, 0, .location = "/1" },
    { "/3", 302, 0, .location = "http://127.0.0.1:PORT/2" },
    { "/4", 302, 0, .location = "http://127.0.0.1:PORT/3" },
    { "/5", 302, 0, .location = "http://127.0.0.1:PORT/4" },
    { "/303", 303, 0, .location = "http://127.0.0.1:PORT/ok" },
    { "/307", 307, 0, .location = "http://127.0.0.1:PORT/ok" },
    { "/loop", 302, 0, .location = "http://127.0.0.1:PORT/loop" },
    { "/nowhere", 302, 0 },
    { "/tofile", 302, 0, .location = "file:///etc/passwd" },
    { "/toftp", 302, 0, .location = "ftp://127.0.0.1/x" },
    { "/tobad", 302, 0, .location = "http://127.0.0.1:1:2/" },
};

static struct server {
    int fd;
    unsigned port;
    pthread_t thread;
    struct stores *stores;
    struct store *store;
    _Atomic int requests;
} server;

/* ---- the server ---- */

static const struct page *page_find(const char *request, bool *ret_head)
{
    const char *path = strchr(request, ' ');
    size_t n = path ? strcspn(path + 1, " ?") : 0;

    *ret_head = str_starts(request, "HEAD ");
    for (size_t i = 0; path && i < COUNT(pages); i++)
        if (strlen(pages[i].path) == n && strncmp(path + 1, pages[i].path, n) == 0)
            return &pages[i];
    return NULL;
}

static bool say(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, text, n, MSG_NOSIGNAL);

        if (done <= 0)
            return false;
        text += done;
        n -= (size_t)done;
    }
    return true;
}

static char letter(size_t at)
{
    return (char)('a' + at % 26);
}

static void say_head(int fd, const struct page *p, uint64_t first, bool part)
{
    CLEANUP(str_done) struct str head = STR_INIT;

    str_addf(&head, "HTTP/1.1 %d Whatever\r\nConnection: close\r\n", part ? 206 : p->status);
    if (p->location) {
        const char *port = strstr(p->location, "PORT");

        str_addf(&head, "Location: %.*s", port ? (int)(port - p->location) : (int)strlen(p->location),
                 p->location);
        if (port)
            str_addf(&head, "%u%s", server.port, port + 4);
        str_add(&head, "\r\n");
    }
    if (p->head)
        str_add(&head, p->head);
    if (part && !p->no_range)
        str_addf(&head, "content-range: bytes %llu-%zu/%zu\r\n", (unsigned long long)first, p->size - 1,
                 p->size_of_ranges ? p->size_of_ranges : p->size);
    if (p->chunked)
        str_add(&head, "Transfer-Encoding: chunked\r\n\r\n");
    else
        str_addf(&head, "Content-Length: %llu\r\n\r\n", (unsigned long long)(p->size - first));
    say(fd, str_text(&head), head.len);
}

static char letters[26 * 4096];

static void fill_letters(void)
{
    for (size_t i = 0; i < sizeof letters; i++)
        letters[i] = letter(i);
}

static void say_body(int fd, const struct page *p, uint64_t first)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t end = p->sent ? p->sent : p->size;

    pthread_once(&once, fill_letters);
    if (p->chunked) {
        CLEANUP(str_done) struct str line = STR_INIT;

        str_addf(&line, "%zx\r\n", end - (size_t)first);
        say(fd, str_text(&line), line.len);
    }
    for (size_t at = (size_t)first, n; at < end; at += n) {
        n = sizeof letters - at % 26;
        n = n < end - at ? n : end - at;
        if (!say(fd, letters + at % 26, n))
            return;
    }
    if (p->chunked)
        say(fd, p->sent ? "\r\n" : "\r\n0\r\n\r\n", p->sent ? 2 : 7);
}

static void *answer(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[4096];
    const struct page *p;
    const char *range;
    uint64_t first = 0;
    ssize_t n = recv(fd, request, sizeof request - 1, 0);
    bool head;

    if (n > 0) {
        request[n] = '\0';
        atomic_fetch_add(&server.requests, 1);
        p = page_find(request, &head);
        range = strstr(request, "Range: bytes=");
        if (range && p && p->ranges)
            first = strtoull(range + 13, NULL, 10);
        if (p && p->status) {
            say_head(fd, p, first, first > 0);
            if (!head)
                say_body(fd, p, first);
        }
        if (p && p->silent)
            n = recv(fd, request, sizeof request, 0);
    }
    close(fd);
    return NULL;
}

static void *serve(void *arg UNUSED)
{
    pthread_t t;
    int fd;

    while ((fd = accept(server.fd, NULL, NULL)) >= 0)
        if (pthread_create(&t, NULL, answer, (void *)(intptr_t)fd) == 0)
            pthread_detach(t);
    return NULL;
}

static int start(void **state UNUSED)
{
    static const char *const pairs[] = { "glance_store.stores=memory,http",
                                         "glance_store.default_store=memory",
                                         "glint.fetch_timeout=1",
                                         "import_filtering_opts.allowed_hosts=[127.0.0.1]",
                                         "import_filtering_opts.allowed_ports=[]",
                                         NULL };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof at;
    struct error e;

    server.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(server.fd, 64), 0);
    getsockname(server.fd, (struct sockaddr *)&at, &n);
    server.port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
    if (test_stores_open(pairs, &server.stores, &e) < 0)
        fail_msg("%s", e.message);
    server.store = stores_for_url(server.stores, NULL, "https://x/");
    assert_non_null(server.store);
    return 0;
}

static int stop(void **state UNUSED)
{
    shutdown(server.fd, SHUT_RDWR);
    pthread_join(server.thread, NULL);
    close(server.fd);
    stores_close(server.stores);
    return 0;
}

static const char *url_of(const char *path)
{
    static _Thread_local char url[200];

    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server.port, path);
    return url;
}

/* ---- reading ---- */

static bool read_all(const char *path, size_t step, size_t *ret_n, enum error_kind *ret_kind)
{
    CLEANUP(store_get_close) struct store_get *g = NULL;
    char *buffer = malloc(step);
    uint64_t size, at = 0;
    bool right = true;
    struct error e;
    ssize_t got = -1;

    error_clear(&e);
    if (store_get_open(server.store, url_of(path), &g, &size, &e) == 0)
        while ((got = store_get_read(g, at, buffer, step, &e)) > 0) {
            for (ssize_t i = 0; i < got; i++)
                right &= buffer[i] == letter(at + (size_t)i);
            at += (uint64_t)got;
        }
    free(buffer);
    *ret_n = at;
    *ret_kind = got < 0 ? e.kind : ERROR_NONE;
    return right;
}

static const struct {
    const char *name, *path;
    size_t step, n;
    enum error_kind kind;
} reads[] = {
    { "a whole object", "/ok", 4096, 1000, ERROR_NONE },
    { "byte by byte", "/ok", 1, 1000, ERROR_NONE },
    { "in odd steps", "/big", 65537, 5 << 20, ERROR_NONE },
    { "in large steps", "/big", 1 << 20, 5 << 20, ERROR_NONE },
    { "nothing", "/empty", 10, 0, ERROR_NONE },
    { "of unknown length", "/chunked", 100, 1000, ERROR_NONE },
    { "after four redirects", "/4", 100, 1000, ERROR_NONE },
    { "what ends early is no end", "/short", 100, 500, ERROR_UNAVAILABLE },
    { "nor in the middle of much", "/shortbig", 1 << 20, 3 << 20, ERROR_UNAVAILABLE },
    { "nor between chunks", "/cutchunks", 100, 500, ERROR_UNAVAILABLE },
    { "silence ends", "/stall", 100, 500, ERROR_UNAVAILABLE },
    { "silence before the head too", "/mute", 100, 0, ERROR_UNAVAILABLE },
    { "no answer", "/drop", 100, 0, ERROR_UNAVAILABLE },
    { "not there", "/404", 100, 0, ERROR_NOT_FOUND },
    { "not for us", "/403", 100, 0, ERROR_INVALID },
    { "not now", "/503", 100, 0, ERROR_UNAVAILABLE },
    { "not modified", "/304", 100, 0, ERROR_INVALID },
    { "five redirects", "/5", 100, 0, ERROR_INVALID },
    { "a circle", "/loop", 100, 0, ERROR_INVALID },
    { "see other", "/303", 100, 0, ERROR_INVALID },
    { "a temporary redirect", "/307", 100, 0, ERROR_INVALID },
    { "to nowhere", "/nowhere", 100, 0, ERROR_INVALID },
    { "to a file", "/tofile", 100, 0, ERROR_INVALID },
    { "to another protocol", "/toftp", 100, 0, ERROR_INVALID },
    { "to no URL", "/tobad", 100, 0, ERROR_INVALID },
    { "a part of nothing known", "/206", 100, 0, ERROR_INVALID },
    { "a part that nobody asked for", "/206part", 100, 0, ERROR_INVALID },
    { "all of it, as a part", "/206all", 100, 1000, ERROR_NONE },
    { "two lengths", "/lengths", 100, 0, ERROR_INVALID },
    { "one length twice", "/length2", 100, 1000, ERROR_NONE },
    { "coded for the way", "/gzip", 100, 0, ERROR_INVALID },
    { "and twice, in chunks", "/gzips", 100, 0, ERROR_INVALID },
    { "coded for itself", "/content", 100, 1000, ERROR_NONE },
};

static void objects_are_read(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(reads); i++) {
        enum error_kind kind;
        size_t n;

        CHECK_CASE(reads[i].name, read_all(reads[i].path, reads[i].step, &n, &kind));
        CHECK_CASE(reads[i].name, n == reads[i].n);
        CHECK_CASE(reads[i].name, kind == reads[i].kind);
    }
}

static const struct {
    const char *name;
    uint64_t offset;
    size_t n;
    ssize_t least; /* a read may give less than asked for, never nothing */
} ranges[] = {
    { "from the start", 0, 10, 1 },      { "in the middle", 500, 100, 1 }, { "back again", 20, 100, 1 },
    { "over the end", 950, 100, 1 },     { "the last byte", 999, 1, 1 },   { "at the end", 1000, 10, 0 },
    { "far beyond", 1ull << 40, 10, 0 },
};

static void ranges_are_read_anywhere(void **state UNUSED)
{
    static const char *const paths[] = { "/ok", "/norange", "/2" };

    for (size_t p = 0; p < COUNT(paths); p++) {
        CLEANUP(store_get_close) struct store_get *g = NULL;
        char got[100];
        uint64_t size;
        struct error e;

        assert_int_equal(store_get_open(server.store, url_of(paths[p]), &g, &size, &e), 0);
        assert_int_equal(store_get_fd(g), -1);
        assert_int_equal(size, 1000);
        for (size_t i = 0; i < COUNT(ranges); i++) {
            ssize_t n = store_get_read(g, ranges[i].offset, got, ranges[i].n, &e);

            CHECK_CASE(ranges[i].name, n >= ranges[i].least && n <= (ssize_t)ranges[i].n);
            CHECK_CASE(ranges[i].name, ranges[i].least > 0 || n == 0);
            for (ssize_t at = 0; at < n; at++)
                CHECK_CASE(ranges[i].name, got[at] == letter(ranges[i].offset + (size_t)at));
        }
    }
}

static void one_request_serves_reads_in_order(void **state UNUSED)
{
    enum error_kind kind;
    size_t n;
    int before = atomic_load(&server.requests);

    assert_true(read_all("/big", 10000, &n, &kind));
    assert_int_equal(atomic_load(&server.requests), before + 1);
}

static void a_changed_object_is_noticed(void **state UNUSED)
{
    static const char *const paths[] = { "/grown", "/placeless" };

    for (size_t i = 0; i < COUNT(paths); i++) {
        CLEANUP(store_get_close) struct store_get *g = NULL;
        char got[10];
        uint64_t size;
        struct error e;

        assert_int_equal(store_get_open(server.store, url_of(paths[i]), &g, &size, &e), 0);
        CHECK_CASE(paths[i], store_get_read(g, 500, got, 10, &e) == -1 && e.kind == ERROR_UNAVAILABLE);
    }
}

/* ---- the size alone ---- */

static const struct {
    const char *path;
    uint64_t size;
    enum error_kind kind;
} sizes[] = {
    { "/ok", 1000, ERROR_NONE },     { "/short", 1000, ERROR_NONE },    { "/1", 1000, ERROR_NONE },
    { "/chunked", 0, ERROR_NONE },   { "/empty", 0, ERROR_NONE },       { "/404", 0, ERROR_NOT_FOUND },
    { "/403", 0, ERROR_INVALID },    { "/503", 0, ERROR_UNAVAILABLE },  { "/5", 0, ERROR_INVALID },
    { "/tofile", 0, ERROR_INVALID }, { "/drop", 0, ERROR_UNAVAILABLE }, { "/mute", 0, ERROR_UNAVAILABLE },
};

static void sizes_are_asked_for(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint64_t size = 0;
        struct error e;
        int r = store_size(server.store, url_of(sizes[i].path), &size, &e);

        CHECK_CASE(sizes[i].path, r == 0 ? sizes[i].kind == ERROR_NONE : e.kind == sizes[i].kind);
        CHECK_CASE(sizes[i].path, size == sizes[i].size);
    }
}

static const char *const bad_urls[] = {
    "http:",
    "http://",
    "http:///x",
    "http:/x",
    "HTTP://127.0.0.1/",
    " http://x/",
    "http://x y/",
    "http://x/\r\nA:b",
    "http://user@x/",
    "http://a:b:c@x/",
    "http://a:b@c@x/",
    "http://x:port/",
    "http://[::1]:y/",
    "http://a:b@/",
    "https://?x",
    "file:///etc/passwd",
    "http://127.0.0.1:99999/",
};

static void bad_urls_are_refused(void **state UNUSED)
{
    for (size_t i = 0; i < COUNT(bad_urls); i++) {
        CLEANUP(store_get_close) struct store_get *g = NULL;
        uint64_t size;
        struct error e;

        CHECK_CASE(bad_urls[i],
                   store_size(server.store, bad_urls[i], &size, &e) < 0 && e.kind == ERROR_INVALID);
        CHECK_CASE(bad_urls[i],
                   store_get_open(server.store, bad_urls[i], &g, &size, &e) < 0 && e.kind == ERROR_INVALID);
    }
}

static void nothing_is_written_or_deleted(void **state UNUSED)
{
    struct store_put *p = NULL;
    struct error e;

    assert_false(store_writable(server.store));
    assert_int_equal(store_put_begin(server.store, ID_A, -1, &p, &e), -1);
    assert_int_equal(e.kind, ERROR_GONE);
    assert_int_equal(store_delete(server.store, url_of("/ok"), &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    assert_int_equal(store_delete_check(server.store, url_of("/ok"), &e), -1);
    assert_int_equal(e.kind, ERROR_INVALID);
    assert_int_equal(store_sweep(server.store), 0);
}

static void it_cannot_be_the_default(void **state UNUSED)
{
    static const char *const pairs[] = { "glance_store.stores=http", "glance_store.default_store=http",
                                         NULL };
    struct stores *s;
    struct error e;

    assert_int_equal(test_stores_open(pairs, &s, &e), -1);
    assert_non_null(strstr(e.message, "cannot be written"));
}

/* Every call of the twin that can fail, failing in turn. */
static void the_twin_fails(void **state UNUSED)
{
    for (long n = 1; n <= 4; n++) {
        CLEANUP(store_get_close) struct store_get *g = NULL;
        static bool wrapped;
        uint64_t size;
        char got[10];
        struct error e;
        bool failed;

        if (!wrapped)
            store_fault_wrap(server.store);
        wrapped = true;
        store_fault_arm(n, ERROR_UNAVAILABLE, false);
        failed = store_size(server.store, url_of("/ok"), &size, &e) < 0 ||
                 store_get_open(server.store, url_of("/ok"), &g, &size, &e) < 0 ||
                 store_get_read(g, 0, got, 10, &e) < 0;
        assert_int_equal(failed, n <= 3);
        assert_int_equal(store_fault_fired(), n <= 3);
    }
    store_fault_arm(0, ERROR_NONE, false);
}

static void *reader(void *arg)
{
    enum error_kind kind;
    size_t n;

    *(bool *)arg = read_all("/big", 100000, &n, &kind) && n == 5 << 20 && kind == ERROR_NONE;
    return NULL;
}

static void many_read_at_once(void **state UNUSED)
{
    pthread_t threads[8];
    bool right[8] = { false };

    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &right[i]), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_true(right[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_read),
        cmocka_unit_test(ranges_are_read_anywhere),
        cmocka_unit_test(one_request_serves_reads_in_order),
        cmocka_unit_test(a_changed_object_is_noticed),
        cmocka_unit_test(sizes_are_asked_for),
        cmocka_unit_test(bad_urls_are_refused),
        cmocka_unit_test(nothing_is_written_or_deleted),
        cmocka_unit_test(it_cannot_be_the_default),
        cmocka_unit_test(many_read_at_once),
        cmocka_unit_test(the_twin_fails),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
