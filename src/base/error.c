/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
const struct error_kind_info error_kinds[ERROR_KINDS] = {
    [ERROR_NONE]            = { "none",            200, LOG_DEBUG   },
    [ERROR_INVALID]         = { "invalid",         400, LOG_DEBUG   },
    [ERROR_UNAUTHENTICATED] = { "unauthenticated", 401, LOG_DEBUG   },
    [ERROR_FORBIDDEN]       = { "forbidden",       403, LOG_DEBUG   },
    [ERROR_NOT_FOUND]       = { "not-found",       404, LOG_DEBUG   },
    [ERROR_METHOD]          = { "method",          405, LOG_DEBUG   },
    [ERROR_CONFLICT]        = { "conflict",        409, LOG_DEBUG   },
    [ERROR_GONE]            = { "gone",            410, LOG_INFO    },
    [ERROR_PRECONDITION]    = { "precondition",    412, LOG_DEBUG   },
    [ERROR_TOO_LARGE]       = { "too-large",       413, LOG_INFO    },
    [ERROR_MEDIA]           = { "media",           415, LOG_INFO    },
    [ERROR_RANGE]           = { "range",           416, LOG_DEBUG   },
    [ERROR_HEADER_SIZE]     = { "header-size",     431, LOG_INFO    },
    [ERROR_INTERNAL]        = { "internal",        500, LOG_ERROR   },
    [ERROR_UNIMPLEMENTED]   = { "unimplemented",   501, LOG_INFO    },
    [ERROR_UNAVAILABLE]     = { "unavailable",     503, LOG_ERROR   },
    [ERROR_ABORTED]         = { "aborted",         499, LOG_INFO    },
    [ERROR_WOULD_BLOCK]     = { "would-block",     503, LOG_DEBUG   },
    [ERROR_AGAIN]           = { "again",           503, LOG_ERROR   },
    [ERROR_UNCERTAIN]       = { "uncertain",       503, LOG_ERROR   },
};
/* clang-format on */

void error_clear(struct error *e)
{
    e->kind = ERROR_NONE;
    e->status = 0;
    e->in_detail = false;
    e->message[0] = '\0';
    e->detail[0] = '\0';
}

/* A text cut in the middle of a UTF-8 sequence would not be valid JSON in the reply. */
static void cut_utf8(char *text, size_t size)
{
    size_t n = strlen(text);

    if (n + 1 < size)
        return;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xC0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)text[n - 1] >= 0xC0)
        n--;
    text[n] = '\0';
}

int error_set(struct error *e, enum error_kind kind, const char *message, ...)
{
    va_list ap;

    e->kind = kind;
    e->status = error_kinds[kind].status;
    e->in_detail = false;
    e->detail[0] = '\0';
    va_start(ap, message);
    vsnprintf(e->message, sizeof e->message, message, ap);
    va_end(ap);
    cut_utf8(e->message, sizeof e->message);
    return -1;
}

bool error_is_exhausted(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOMEM || err == ENOBUFS || err == EAGAIN;
}

int error_errno(struct error *e, enum error_kind kind, int err, const char *message, ...)
{
    char text[128];
    va_list ap;

    if (error_is_exhausted(err) && kind != ERROR_ABORTED)
        kind = ERROR_UNAVAILABLE;
    e->kind = kind;
    e->status = error_kinds[kind].status;
    e->in_detail = false;
    va_start(ap, message);
    vsnprintf(e->message, sizeof e->message, message, ap);
    va_end(ap);
    cut_utf8(e->message, sizeof e->message);
    snprintf(e->detail, sizeof e->detail, "%s (errno %d)", strerror_r(err, text, sizeof text), err);
    return -1;
}

int error_detail(struct error *e, const char *text, ...)
{
    size_t n = strlen(e->detail);
    va_list ap;

    if (n > 0 && n + 2 < sizeof e->detail) {
        memcpy(e->detail + n, "; ", 3);
        n += 2;
    }
    va_start(ap, text);
    vsnprintf(e->detail + n, sizeof e->detail - n, text, ap);
    va_end(ap);
    cut_utf8(e->detail, sizeof e->detail);
    return -1;
}

int error_as(struct error *e, uint16_t status, const char *message, ...)
{
    va_list ap;

    e->status = status;
    va_start(ap, message);
    vsnprintf(e->message, sizeof e->message, message, ap);
    va_end(ap);
    cut_utf8(e->message, sizeof e->message);
    return -1;
}
