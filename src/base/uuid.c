/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "base/process.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Each request has an id of its own, so random bytes are fetched from the kernel in handfuls. */
static void random_bytes(unsigned char *out, size_t n)
{
    static _Thread_local unsigned char pool[256];
    static _Thread_local size_t left;
    static _Thread_local pid_t owner;

    if (left < n || owner != process_id()) { /* a forked child must not repeat its parent's bytes */
        if (getrandom(pool, sizeof pool, 0) != (ssize_t)sizeof pool)
            abort(); /* up to 256 bytes are given whole once the kernel has entropy (getrandom(2)) */
        left = sizeof pool;
        owner = process_id();
    }
    left -= n;
    memcpy(out, pool + left, n);
    memset(pool + left, 0, n);
}

void uuid_make(char out[UUID_TEXT_MAX])
{
    static const char digit[] = "0123456789abcdef";
    unsigned char u[16];
    size_t at = 0;

    random_bytes(u, sizeof u);
    u[6] = (unsigned char)((u[6] & 0x0F) | 0x40); /* version 4 (RFC 9562, section 5.4) */
    u[8] = (unsigned char)((u[8] & 0x3F) | 0x80);
    for (size_t i = 0; i < sizeof u; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digit[u[i] >> 4];
        out[at++] = digit[u[i] & 15];
    }
    out[at] = '\0';
}

bool uuid_valid(const char *text)
{
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return text[36] == '\0';
}
