/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http1/http1_private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t wait_for(struct wire *w, short events)
{
    w->want = events;
    return WIRE_WAIT;
}

/* What a failed system call on the socket means. */
static ssize_t failed(struct wire *w, short events)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? wait_for(w, events) : WIRE_GONE;
}

static ssize_t ssl_failed(struct wire *w, int result)
{
    switch (SSL_get_error(w->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(w, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(w, POLLOUT);
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return WIRE_GONE;
    }
}

static int at_most(size_t n)
{
    return n > 1 << 30 ? 1 << 30 : (int)n;
}

ssize_t wire_read(struct wire *w, void *buf, size_t n)
{
    ssize_t got;

    if (w->ssl) {
        int result;

        ERR_clear_error();
        result = SSL_read(w->ssl, buf, at_most(n));
        return result > 0 ? result : ssl_failed(w, result);
    }
    got = recv(w->fd, buf, n, 0);
    return got >= 0 ? got : failed(w, POLLIN);
}

ssize_t wire_write(struct wire *w, const struct iovec *iov, int n, bool more)
{
    struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };
    ssize_t sent;

    if (w->ssl) {
        int result;

        while (n > 1 && iov->iov_len == 0) {
            iov++;
            n--;
        }
        ERR_clear_error();
        result = SSL_write(w->ssl, iov->iov_base, at_most(iov->iov_len));
        if (result > 0)
            return result;
        sent = ssl_failed(w, result);
        return sent == 0 ? WIRE_GONE : sent;
    }
    sent = sendmsg(w->fd, &m, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    return sent >= 0 ? sent : failed(w, POLLOUT);
}

ssize_t wire_sendfile(struct wire *w, int fd, uint64_t offset, size_t n)
{
    off_t at = (off_t)offset;
    ssize_t sent = sendfile(w->fd, fd, &at, n);

    return sent >= 0 ? sent : failed(w, POLLOUT);
}

ssize_t wire_handshake(struct wire *w)
{
    ssize_t result;

    ERR_clear_error();
    result = SSL_accept(w->ssl);
    if (result == 1)
        return 0;
    result = ssl_failed(w, (int)result);
    return result == 0 ? WIRE_GONE : result;
}

bool wire_pending(const struct wire *w)
{
    return w->ssl && SSL_pending(w->ssl) > 0;
}

/* Also true for a client that only closed its sending half: before we write there is no telling the two
 * apart, and hardly any client does that. */
bool wire_vanished(const struct wire *w)
{
    struct pollfd p = { .fd = w->fd, .events = POLLRDHUP };

    return poll(&p, 1, 0) > 0;
}

uint64_t wire_queued(const struct wire *w)
{
    int n = 0;

    return ioctl(w->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (uint64_t)n : 0;
}

void wire_shut(struct wire *w)
{
    if (w->ssl && SSL_is_init_finished(w->ssl)) {
        ERR_clear_error();
        SSL_shutdown(w->ssl);
    }
    shutdown(w->fd, SHUT_WR);
}

void wire_reset(struct wire *w)
{
    struct linger l = { .l_onoff = 1 };

    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

void wire_calm(struct wire *w)
{
    struct linger l = { .l_onoff = 0 };

    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

/* To be connected to nothing resets a TCP connection at once. A Unix socket only knows an end. */
void wire_break(struct wire *w)
{
    const struct sockaddr nothing = { .sa_family = AF_UNSPEC };

    if (connect(w->fd, &nothing, sizeof nothing) < 0)
        shutdown(w->fd, SHUT_RDWR);
}

void wire_close(struct wire *w)
{
    SSL_free(w->ssl);
    w->ssl = NULL;
    close(w->fd);
    w->fd = -1;
}
