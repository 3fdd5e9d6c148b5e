/* SPDX-License-Identifier: Apache-2.0 */
/* The chunked transfer coding (RFC 9112 section 7.1), a byte at a time but for the data itself.
 *
 *   SIZE -> (BLANK ->) (EXTENSION ->) SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE …
 *   after size 0: SIZE_LF -> TRAILER -> (NAME -> VALUE -> VALUE_LF -> TRAILER …) -> END_LF -> DONE */
#include "http/http.h"

#include <string.h>

enum {
    SIZE,
    BLANK,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    DONE,
    BAD
};

enum { DIGITS_MAX = 16 };

void http_chunked_init(struct http_chunked *c)
{
    *c = (struct http_chunked){ .state = SIZE };
}

static bool is_text(unsigned char b)
{
    return b == '\t' || (b >= 0x20 && b != 0x7F);
}

static bool is_token(unsigned char b)
{
    return (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z') ||
           (b != 0 && strchr("!#$%&'*+-.^_`|~", b));
}

static int take_size(struct http_chunked *c, unsigned char b)
{
    int digit = http_hex((char)b);

    if (digit >= 0) {
        /* So many digits also bound the leading zeros. */
        if (c->line == DIGITS_MAX || c->left > (uint64_t)INT64_MAX >> 4)
            return BAD;
        c->left = c->left << 4 | (unsigned)digit;
        c->line++;
        return SIZE;
    }
    if (c->line == 0)
        return BAD;
    /* Blanks are allowed only in front of an extension. */
    return b == '\r' ? SIZE_LF : b == ';' ? EXTENSION : b == ' ' || b == '\t' ? BLANK : BAD;
}

static int take_extension(struct http_chunked *c, unsigned char b)
{
    if (++c->line > HTTP_CHUNK_LINE_MAX)
        return BAD;
    if (c->state == BLANK)
        return b == ';' ? EXTENSION : b == ' ' || b == '\t' ? BLANK : BAD;
    return b == '\r' ? SIZE_LF : is_text(b) ? EXTENSION : BAD;
}

static int take_trailer(struct http_chunked *c, unsigned char b)
{
    if (++c->line > HTTP_TRAILER_MAX)
        return BAD;
    switch (c->state) {
    case TRAILER:
        return b == '\r' ? END_LF : is_token(b) ? NAME : BAD;
    case NAME:
        return b == ':' ? VALUE : is_token(b) ? NAME : BAD;
    default:
        return b == '\r' ? VALUE_LF : is_text(b) ? VALUE : BAD;
    }
}

/* The state after the framing byte b. */
static int step(struct http_chunked *c, unsigned char b)
{
    switch (c->state) {
    case SIZE:
        return take_size(c, b);
    case BLANK:
    case EXTENSION:
        return take_extension(c, b);
    case SIZE_LF:
        c->line = 0;
        c->announced = c->left > UINT64_MAX - c->announced ? UINT64_MAX : c->announced + c->left;
        return b != '\n' ? BAD : c->left > 0 ? DATA : TRAILER;
    case DATA_CR:
        return b == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return b == '\n' ? SIZE : BAD;
    case TRAILER:
    case NAME:
    case VALUE:
        return take_trailer(c, b);
    case VALUE_LF:
        return b == '\n' ? TRAILER : BAD;
    case END_LF:
        return b == '\n' ? DONE : BAD;
    default:
        return BAD;
    }
}

int http_chunked_decode(struct http_chunked *c, const char *in, size_t *in_len, char *out, size_t *out_len)
{
    size_t used = 0, made = 0;

    while (used < *in_len && c->state < DONE) {
        size_t n = *in_len - used;

        if (c->state != DATA) {
            c->state = step(c, (unsigned char)in[used++]);
            continue;
        }
        if (n > c->left)
            n = (size_t)c->left;
        if (n > *out_len - made)
            n = *out_len - made;
        if (n == 0)
            break;
        memmove(out + made, in + used, n);
        used += n;
        made += n;
        c->left -= n;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    *in_len = used;
    *out_len = made;
    return c->state == DONE ? 1 : c->state == BAD ? -1 : 0;
}

bool http_chunked_over(const struct http_chunked *c, struct http_request *rq)
{
    rq->body_over = rq->body_max > 0 && c->announced > rq->body_max;
    return rq->body_over;
}
