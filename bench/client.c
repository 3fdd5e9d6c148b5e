/* SPDX-License-Identifier: Apache-2.0 */
/* A client that costs as little as possible, so that a benchmark measures the server:
 *
 *     client get PORT BYTES HEADERS PATH...    fetch each PATH at once, a thread each; bodies are dropped in
 *                                              the kernel
 *     client put PORT BYTES HEADERS PATH...    send BYTES from memory to each PATH at once
 *     client sink PORT FILE                    take one connection and write what it brings to FILE, past the
 *                                              page cache
 *     client feed PORT BYTES                   send BYTES to a sink
 *     client empty PLACE BYTES                 a uwsgi server that gives every request the same answer, of
 *                                              BYTES; PLACE is a port or a Unix socket's path
 *     client empty-http PORT BYTES            the same by HTTP, on connections that are kept
 *
 * HEADERS is a file of request header lines. Prints: seconds S bytes B bad N cpu C. Loopback only. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 1024 * 1024, HEAD_MAX = 64 * 1024, THREADS_MAX = 64 };

static uint16_t port;
static uint64_t body_bytes;
static char headers[HEAD_MAX];
static char piece[PIECE] __attribute__((aligned(4096)));

struct transfer {
    pthread_t thread;
    const char *path;
    bool put, good;
    uint64_t moved;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static struct sockaddr_in loopback(void)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons(port),
                                 .sin_addr = { htonl(INADDR_LOOPBACK) } };
}

static int connect_loopback(void)
{
    struct sockaddr_in to = loopback();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

static bool send_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, data, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        data += sent;
        n -= (size_t)sent;
    }
    return true;
}

static bool send_body(int fd, uint64_t bytes)
{
    while (bytes > 0) {
        size_t n = bytes < PIECE ? (size_t)bytes : PIECE;

        if (!send_all(fd, piece, n))
            return false;
        bytes -= n;
    }
    return true;
}

/* The answer's head; returns its status and how many body bytes came with it. */
static int read_head(int fd, uint64_t *ret_body)
{
    char head[HEAD_MAX];
    size_t n = 0;

    for (;;) {
        ssize_t got = recv(fd, head + n, sizeof head - 1 - n, 0);
        char *end;

        if (got <= 0)
            return -1;
        n += (size_t)got;
        head[n] = '\0';
        end = strstr(head, "\r\n\r\n");
        if (end) {
            *ret_body = n - (size_t)(end + 4 - head);
            return n > 12 ? (int)strtol(head + 9, NULL, 10) : -1;
        }
        if (n == sizeof head - 1)
            return -1;
    }
}

static void *transfer_run(void *arg)
{
    struct transfer *t = arg;
    char request[HEAD_MAX + 4096];
    int fd = connect_loopback();
    uint64_t got = 0;
    int n = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s",
                     t->put ? "PUT" : "GET", t->path, port, headers);

    if (t->put)
        n += snprintf(request + n, sizeof request - (size_t)n,
                      "Content-Type: application/octet-stream\r\nContent-Length: %llu\r\n",
                      (unsigned long long)body_bytes);
    n += snprintf(request + n, sizeof request - (size_t)n, "\r\n");
    if (!send_all(fd, request, (size_t)n))
        return NULL;
    if (t->put) {
        if (send_body(fd, body_bytes) && read_head(fd, &got) == 204) {
            t->moved = body_bytes;
            t->good = true;
        }
    } else if (read_head(fd, &got) == 200) {
        while (got < body_bytes) {
            ssize_t more = recv(fd, NULL, PIECE, MSG_TRUNC);

            if (more <= 0)
                break;
            got += (uint64_t)more;
        }
        t->moved = got;
        t->good = got == body_bytes;
    }
    close(fd);
    return NULL;
}

static void sink(const char *path)
{
    struct sockaddr_in here = loopback();
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), from, to;
    ssize_t n;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 1) < 0) {
        perror("bind");
        exit(1);
    }
    from = accept(listener, NULL, NULL);
    to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_DIRECT, 0600);
    if (to < 0) /* not every file system can */
        to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while ((n = recv(from, piece, sizeof piece, MSG_WAITALL)) > 0) {
        if (write(to, piece, (size_t)n) != n) {
            perror("write");
            exit(1);
        }
        body_bytes += (uint64_t)n;
    }
    fsync(to);
    close(to);
}

/* ---- a server that does nothing ---- */

static int empty_listen(const char *place, bool kept)
{
    struct sockaddr_in tcp = loopback();
    struct sockaddr_un named = { .sun_family = AF_UNIX };
    bool by_name = strchr(place, '/') != NULL;
    int on = 1, fd = socket(by_name ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(named.sun_path, sizeof named.sun_path, "%s", place);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!by_name && !kept)
        setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof on);
    if (bind(fd, by_name ? (struct sockaddr *)&named : (struct sockaddr *)&tcp,
             by_name ? sizeof named : sizeof tcp) < 0 ||
        listen(fd, 4096) < 0) {
        perror("bind");
        exit(1);
    }
    return fd;
}

static char *empty_answer(size_t *ret_n)
{
    char *answer = malloc(HEAD_MAX + (size_t)body_bytes);
    int head = snprintf(answer, HEAD_MAX,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n\r\n",
                        (unsigned long long)body_bytes);

    memset(answer + head, 'x', (size_t)body_bytes);
    *ret_n = (size_t)head + (size_t)body_bytes;
    return answer;
}

static void *empty_run(void *arg)
{
    const int listener = *(const int *)arg;
    static _Thread_local char packet[HEAD_MAX];
    size_t n;
    const char *answer = empty_answer(&n);

    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0)
            continue;
        if (recv(fd, packet, sizeof packet, 0) > 0) /* a packet comes in one piece */
            send(fd, answer, n, MSG_NOSIGNAL | MSG_MORE);
        close(fd);
    }
    return NULL;
}

/* One connection; a head without a body comes in one piece, too. */
static void *empty_kept(void *arg)
{
    int fd = *(int *)arg;
    char head[HEAD_MAX];
    size_t n;
    char *answer = empty_answer(&n);

    free(arg);
    while (recv(fd, head, sizeof head, 0) > 0 && send(fd, answer, n, MSG_NOSIGNAL) > 0)
        ;
    close(fd);
    free(answer);
    return NULL;
}

static void empty(const char *place, bool kept)
{
    int fd = empty_listen(place, kept);
    pthread_t other;

    if (!kept) {
        pthread_create(&other, NULL, empty_run, &fd);
        empty_run(&fd);
    }
    for (;;) {
        int *one = malloc(sizeof *one);

        *one = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (*one < 0 || pthread_create(&other, NULL, empty_kept, one) != 0)
            abort();
        pthread_detach(other);
    }
}

/* ---- */

static void read_headers(const char *path)
{
    FILE *f = fopen(path, "re");
    size_t n = 0;

    if (!f) {
        perror(path);
        exit(1);
    }
    while (n + 3 < sizeof headers && fgets(headers + n, (int)(sizeof headers - n - 2), f)) {
        n += strcspn(headers + n, "\r\n");
        memcpy(headers + n, "\r\n", 3);
        n += 2;
    }
    fclose(f);
}

int main(int argc, char **argv)
{
    static struct transfer transfers[THREADS_MAX];
    uint64_t bytes = 0;
    int n = argc - 5, bad = 0;
    double start = now();

    if (argc < 4)
        return 2;
    port = (uint16_t)strtoul(argv[2], NULL, 10);
    memset(piece, 'g', sizeof piece);
    for (size_t i = 0; i < sizeof piece; i += 8)
        memcpy(piece + i, &i, 8);
    if (strcmp(argv[1], "sink") == 0) {
        sink(argv[3]);
        printf("seconds %.4f bytes %llu bad 0 cpu %.4f\n", now() - start, (unsigned long long)body_bytes,
               cpu());
        return 0;
    }
    body_bytes = strtoull(argv[3], NULL, 10);
    if (strncmp(argv[1], "empty", 5) == 0)
        empty(argv[2], strcmp(argv[1], "empty-http") == 0);
    if (strcmp(argv[1], "feed") == 0)
        return send_body(connect_loopback(), body_bytes) ? 0 : 1;
    if (n < 1 || n > THREADS_MAX)
        return 2;
    read_headers(argv[4]);
    start = now();
    for (int i = 0; i < n; i++) {
        transfers[i] = (struct transfer){ .path = argv[5 + i], .put = strcmp(argv[1], "put") == 0 };
        pthread_create(&transfers[i].thread, NULL, transfer_run, &transfers[i]);
    }
    for (int i = 0; i < n; i++) {
        pthread_join(transfers[i].thread, NULL);
        bytes += transfers[i].moved;
        bad += !transfers[i].good;
    }
    printf("seconds %.4f bytes %llu bad %d cpu %.4f\n", now() - start, (unsigned long long)bytes, bad, cpu());
    return bad != 0;
}
