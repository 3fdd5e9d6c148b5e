/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets. TCP has one socket per loop (SO_REUSEPORT), so that the kernel spreads connections and
 * no loop wakes in vain; what can exist only once, Unix and inherited sockets, all loops share. */
#include "front/http1/http1_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPT_MAX = 64, ACCEPT_SHARED_MAX = 4 };
#define RETRY_US    (CLOCK_SECOND / 4)
#define IDLE_MIN_US CLOCK_SECOND /* before a connection may be closed for another one */

/* ---- doors: a listening socket in a loop's epoll set ---- */

static void door_watch(struct loop *l, struct door *d)
{
    struct epoll_event ev = { .events = EPOLLIN | (d->shared ? (uint32_t)EPOLLEXCLUSIVE : 0), .data.ptr = d };

    epoll_ctl(l->epoll, EPOLL_CTL_ADD, d->fd, &ev);
}

static void door_add(struct loop *l, struct listener *from, int fd, bool shared)
{
    struct door *d = mem_new(sizeof *d);

    *d = (struct door){ .source = SOURCE_DOOR, .fd = fd, .shared = shared, .listener = from };
    pthread_mutex_lock(&l->h->lock);
    d->next = l->doors;
    l->doors = d;
    if (!l->doors_shut)
        door_watch(l, d);
    pthread_mutex_unlock(&l->h->lock);
}

void loop_shut_doors(struct loop *l, int64_t retry)
{
    pthread_mutex_lock(&l->h->lock);
    l->doors_shut = true;
    l->doors_retry = retry;
    for (struct door *d = l->doors; d; d = d->next)
        epoll_ctl(l->epoll, EPOLL_CTL_DEL, d->fd, NULL);
    pthread_mutex_unlock(&l->h->lock);
    l->h->shut++;
}

void loop_try_doors(struct loop *l)
{
    struct http1 *h = l->h;

    if (l->doors_retry == INT64_MAX ? h->open >= h->o.connections_max : l->now < l->doors_retry)
        return;
    h->shut--;
    pthread_mutex_lock(&h->lock);
    l->doors_shut = false;
    for (struct door *d = l->doors; d; d = d->next)
        door_watch(l, d);
    pthread_mutex_unlock(&h->lock);
}

/* A shared socket stays open for listeners_close(): it is in no epoll set any more by then. */
void loop_close_doors(struct loop *l)
{
    pthread_mutex_lock(&l->h->lock);
    while (l->doors) {
        struct door *d = l->doors;

        l->doors = d->next;
        if (!l->doors_shut)
            epoll_ctl(l->epoll, EPOLL_CTL_DEL, d->fd, NULL);
        if (!d->shared)
            close(d->fd);
        mem_free(d);
    }
    pthread_mutex_unlock(&l->h->lock);
}

/* ---- accepting ---- */

static void peer_text(const struct sockaddr_storage *a, char *out, size_t size)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

    if (a->ss_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, out, (socklen_t)size);
    else if (a->ss_family != AF_INET6)
        str_copy(out, size, "unix");
    else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out, (socklen_t)size);
    else
        inet_ntop(AF_INET6, &v6->sin6_addr, out, (socklen_t)size);
}

/* Whose connection it is: an address, or a network of IPv6, of which one client may have as much as it
 * likes. 0: somebody on this machine's Unix socket. */
static uint64_t address_of(const struct sockaddr_storage *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;

    if (a->ss_family == AF_INET)
        return http_hash(&v4->sin_addr, sizeof v4->sin_addr);
    if (a->ss_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return http_hash(&v6->sin6_addr.s6_addr[12], 4);
    return http_hash(&v6->sin6_addr, sizeof v6->sin6_addr / 2);
}

/* A place for one more connection of the address; false when it has its part. What comes by the uwsgi
 * protocol is a web server's, and lasts for one request. */
static bool count_connection(struct http1 *h, const struct door *d, uint64_t address, struct share **ret)
{
    WITH_MUTEX(&h->shares_lock);

    *ret = NULL;
    if (address == 0 || d->listener->protocol != HTTP1_HTTP || h->addresses.percent >= 100)
        return true;
    *ret = share_of(&h->addresses, address);
    if (share_take(&h->addresses, *ret, 1, h->o.connections_max))
        return true;
    share_tidy(&h->addresses, TAKE(*ret));
    return false;
}

void connection_uncount(struct http1 *h, struct share **place)
{
    WITH_MUTEX(&h->shares_lock);

    if (*place)
        share_leave(&h->addresses, TAKE(*place), 1);
}

static void refuse_connection(struct loop *l, const struct door *d, int fd, const char *why)
{
    http1_count_refusal(l->h, 503);
    if (!d->listener->tls) {
        CLEANUP(str_done) struct str out = STR_INIT;

        answer_refusal(&out, &l->date, d->listener->protocol, 503, why);
        /* What is unread would break the connection before the answer is heard. */
        (void)!recv(fd, l->scratch.data, l->scratch.cap, MSG_DONTWAIT);
        (void)!send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        shutdown(fd, SHUT_WR);
    }
    close(fd);
    l->h->open--;
}

/* A TLS session for a new connection; NULL also when the heap or OpenSSL refuses. */
static SSL *new_session(struct http1 *h, int fd)
{
    SSL *ssl;

    pthread_mutex_lock(&h->lock);
    ssl = SSL_new(h->tls);
    pthread_mutex_unlock(&h->lock);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

static bool take_place(struct http1 *h)
{
    if (atomic_fetch_add(&h->open, 1) < h->o.connections_max)
        return true;
    h->open--;
    return false;
}

static bool is_exhausted(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static void accepted(struct loop *l, struct door *d, int fd, const struct sockaddr_storage *from)
{
    uint64_t address = address_of(from);
    char peer[INET6_ADDRSTRLEN] = "";
    struct share *place;
    SSL *ssl;

    l->complained = false;
    if (l->reserve < 0)
        l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!count_connection(l->h, d, address, &place)) {
        refuse_connection(l, d, fd, "too many connections of this address");
        return;
    }
    ssl = d->listener->tls ? new_session(l->h, fd) : NULL;
    peer_text(from, peer, sizeof peer);
    if (d->listener->tls && !ssl) {
        connection_uncount(l->h, &place);
        close(fd);
        l->h->open--;
        return;
    }
    conn_open(l, d->listener, fd, ssl, peer, address, place);
}

/* Without a descriptor for one more connection: the one that is idle for longest goes, or the new one hears
 * that it cannot be served. False: not even that is possible. */
static bool make_do(struct loop *l, const struct door *d)
{
    const struct conn *idle = l->lists[CONN_IDLE].first;
    int fd;

    l->crowded = idle && idle->since + IDLE_MIN_US < l->now;
    if (l->crowded)
        return true;
    if (l->reserve < 0)
        return false;
    close(l->reserve);
    fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        l->h->open++;
        refuse_connection(l, d, fd, "the server has no descriptor for this connection");
    }
    l->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

void loop_make_room(struct loop *l)
{
    if (l->crowded && l->lists[CONN_IDLE].first)
        conn_close(l->lists[CONN_IDLE].first);
    l->crowded = false;
}

void loop_accept(struct loop *l, struct door *d)
{
    int max = d->shared ? ACCEPT_SHARED_MAX : ACCEPT_MAX;

    for (int i = 0; i < max && !l->doors_shut; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t len = sizeof from;
        int fd;

        if (!take_place(l->h)) {
            loop_shut_doors(l, INT64_MAX);
            return;
        }
        fd = accept4(d->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted(l, d, fd, &from);
            continue;
        }
        l->h->open--;
        if (errno == EAGAIN)
            return;
        if (is_exhausted(errno)) {
            if (!l->complained)
                log_warning("http %s: cannot accept connections for now: error %d", l->h->o.name, errno);
            l->complained = true;
            if (make_do(l, d)) {
                if (l->crowded)
                    return; /* the door is still ready when that one is gone */
                continue;
            }
            loop_shut_doors(l, l->now + RETRY_US);
        }
    }
}

/* ---- making listening sockets ---- */

static struct listener *listener_add(struct http1 *h, enum http1_protocol p, const char *host)
{
    struct listener *n = mem_new(sizeof *n);

    n->fd = -1;
    n->protocol = p;
    str_copy(n->host, sizeof n->host, host);
    n->next = h->listeners;
    h->listeners = n;
    return n;
}

static int fail(struct error *e, const char *what, const char *name)
{
    return error_errno(e, errno == EADDRINUSE ? ERROR_CONFLICT : ERROR_INVALID, errno, "cannot %s %s", what,
                       name);
}

static void host_text(char *out, size_t size, const char *host, uint16_t port)
{
    bool any = str_eq(host, "*") || str_eq(host, "::");

    snprintf(out, size, !any && strchr(host, ':') ? "[%s]:%u" : "%s:%u", any ? "localhost" : host, port);
}

static int tcp_socket(const struct addrinfo *a, bool reuse_port)
{
    int one = 1, zero = 0, err, fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* accepted ones inherit it */
    if (reuse_port)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    err = errno;
    close(fd);
    errno = err;
    return -1;
}

/* By the uwsgi protocol a client has only one thing to say, and at once: the kernel wakes us when it is
 * there. After that time, in seconds, it hands over also who says nothing. */
static void defer_accept(int fd)
{
    int seconds = 5;

    setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}

static uint16_t *port_of(struct sockaddr *a)
{
    return a->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)a)->sin6_port
                                    : &((struct sockaddr_in *)a)->sin_port;
}

/* Sockets that share a port do not notice another program of the same user on it; one that does not, does. */
static int check_free(const struct addrinfo *a)
{
    int fd = tcp_socket(a, false);

    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

/* One socket for each loop, all on the port that the first one got. */
static int listen_address(struct http1 *h, enum http1_protocol p, const char *host, struct addrinfo *a,
                          int backlog)
{
    struct listener *from = listener_add(h, p, "");
    struct sockaddr_storage bound = { 0 };

    if (check_free(a) < 0)
        return -1;
    from->tls = h->tls && p == HTTP1_HTTP;
    for (unsigned i = 0; i < h->n_loops; i++) {
        socklen_t len = sizeof bound;
        int fd = tcp_socket(a, true);

        if (fd < 0 || listen(fd, backlog) < 0 || getsockname(fd, (struct sockaddr *)&bound, &len) < 0) {
            fd_close(&fd);
            return -1;
        }
        if (p == HTTP1_UWSGI)
            defer_accept(fd);
        if (i == 0) {
            /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): getsockname() filled it */
            *port_of(a->ai_addr) = *port_of((struct sockaddr *)&bound);
            from->port = ntohs(*port_of(a->ai_addr));
            host_text(from->host, sizeof from->host, host, ntohs(*port_of(a->ai_addr)));
            if (h->ports[p] == 0) /* before any loop can have a request that asks for it */
                h->ports[p] = ntohs(*port_of(a->ai_addr));
        }
        door_add(&h->loops[i], from, fd, false);
    }
    return 0;
}

static void free_addresses(struct addrinfo **a)
{
    if (*a)
        freeaddrinfo(*a);
}

/* "*" and "::" mean every address of either family, where there is IPv6 at all. */
static int resolve(const char *host, uint16_t port, struct addrinfo **ret)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    bool any = str_eq(host, "*") || str_eq(host, "::");
    char service[8];
    int fd;

    snprintf(service, sizeof service, "%u", port);
    if (any) {
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        hints.ai_family = fd >= 0 ? AF_INET6 : AF_INET;
        fd_close(&fd);
    }
    return getaddrinfo(any ? NULL : host, service, &hints, ret);
}

/* A name may stand for addresses that this machine does not have; one that works is enough. */
static bool is_absent(int err)
{
    return err == EADDRNOTAVAIL || err == EAFNOSUPPORT;
}

int http1_listen_tcp(struct http1 *h, enum http1_protocol p, const char *host, uint16_t port, int backlog,
                     struct error *e)
{
    CLEANUP(free_addresses) struct addrinfo *all = NULL;
    unsigned bound = 0;
    int err = resolve(host, port, &all);

    if (err != 0)
        return error_set(e, ERROR_INVALID, "cannot listen on %s: %s", host, gai_strerror(err));
    for (struct addrinfo *a = all; a; a = a->ai_next) {
        *port_of(a->ai_addr) = htons(port);
        if (listen_address(h, p, host, a, backlog) == 0) {
            port = ntohs(*port_of(a->ai_addr));
            bound++;
        } else if (!is_absent(errno) || (!a->ai_next && bound == 0)) {
            return error_errno(e, errno == EADDRINUSE ? ERROR_CONFLICT : ERROR_INVALID, errno,
                               "cannot listen on %s, port %u", host, port);
        }
    }
    return 0;
}

static int share(struct http1 *h, struct listener *from, int fd)
{
    from->fd = fd;
    for (unsigned i = 0; i < h->n_loops; i++)
        door_add(&h->loops[i], from, fd, true);
    return 0;
}

/* Removes a socket file that no process listens on. */
static int clear_path(const struct sockaddr_un *a)
{
    CLEANUP(fd_close) int fd = -1;
    struct stat st;

    if (lstat(a->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -1;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 || errno == EAGAIN) {
        errno = EADDRINUSE;
        return -1;
    }
    return errno == ECONNREFUSED ? unlink(a->sun_path) : -1;
}

int http1_listen_unix(struct http1 *h, enum http1_protocol p, const char *path, unsigned mode, int backlog,
                      struct error *e)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    CLEANUP(fd_close) int fd = -1;
    struct listener *from;
    struct stat st;

    if (str_copy(a.sun_path, sizeof a.sun_path, path) >= sizeof a.sun_path)
        return error_set(e, ERROR_INVALID, "the socket path %s is too long", path);
    if (clear_path(&a) < 0)
        return fail(e, "use the socket path", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The socket's own mode limits the file's from the first moment; chmod() undoes what the umask took. */
    if (fd < 0 || fchmod(fd, (mode_t)mode) < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 ||
        chmod(path, (mode_t)mode) < 0 || stat(path, &st) < 0 || listen(fd, backlog) < 0)
        return fail(e, "listen on", path);
    from = listener_add(h, p, "localhost");
    from->path = mem_str(path);
    from->dev = st.st_dev;
    from->ino = st.st_ino;
    share(h, from, fd);
    fd = -1;
    return 0;
}

int http1_listen_fd(struct http1 *h, enum http1_protocol p, int fd, struct error *e)
{
    struct sockaddr_storage a = { 0 };
    socklen_t len = sizeof a, option = sizeof(int);
    int listening = 0, one = 1;
    struct listener *from;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option) < 0 || !listening ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return error_set(e, ERROR_INVALID, "the inherited descriptor %d is no listening socket", fd);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    from = listener_add(h, p, "localhost");
    if (a.ss_family == AF_INET || a.ss_family == AF_INET6) {
        uint16_t port = ntohs(*port_of((struct sockaddr *)&a));

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (p == HTTP1_UWSGI)
            defer_accept(fd);
        from->tls = h->tls && p == HTTP1_HTTP;
        from->port = port;
        snprintf(from->host, sizeof from->host, "localhost:%u", port);
        if (h->ports[p] == 0)
            h->ports[p] = port;
    }
    return share(h, from, fd);
}

/* Our Unix sockets' files go, unless a successor has put its own there. */
void listeners_unlink(struct http1 *h)
{
    for (struct listener *n = h->listeners; n; n = n->next) {
        struct stat st;

        if (n->path && stat(n->path, &st) == 0 && st.st_dev == n->dev && st.st_ino == n->ino)
            unlink(n->path);
    }
}

void listeners_close(struct http1 *h)
{
    while (h->listeners) {
        struct listener *n = h->listeners;

        h->listeners = n->next;
        fd_close(&n->fd);
        mem_free(n->path);
        mem_free(n);
    }
}
