/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

ssize_t http_read(struct http_request *rq, void *buf, size_t n)
{
    ssize_t got = rq->ops->read(rq->gateway, buf, n);

    if (got > 0)
        rq->bytes_in += (uint64_t)got;
    return got;
}

int http_head(struct http_request *rq, int status, const struct http_headers *h, int64_t length)
{
    rq->status = status;
    return rq->ops->head(rq->gateway, status, h, length);
}

int http_write(struct http_request *rq, const void *buf, size_t n)
{
    if (n == 0)
        return 0;
    if (rq->ops->write(rq->gateway, buf, n) < 0)
        return -1;
    rq->bytes_out += n;
    return 0;
}

int http_sendfile(struct http_request *rq, int fd, uint64_t offset, uint64_t len)
{
    if (len == 0)
        return 0;
    if (rq->ops->sendfile(rq->gateway, fd, offset, len) < 0)
        return -1;
    rq->bytes_out += len;
    return 0;
}

/* FNV-1a. */
uint64_t http_hash(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t h = 14695981039346656037ull;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211ull;
    return h ? h : 1;
}

const char *http_header(struct http_request *rq, const char *name)
{
    return rq->ops->header(rq->gateway, name);
}

bool http_aborted(struct http_request *rq)
{
    return rq->ops->aborted(rq->gateway);
}
