/* SPDX-License-Identifier: Apache-2.0 */
#include "embed/httpd/mount.h"

#include <stddef.h>
#include <string.h>

bool mount_holds(const char *mount, const char *path)
{
    size_t n = strlen(mount);

    return strncmp(mount, path, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that raw begins with, and how many characters spell it; an encoded slash is none, as for httpd. */
static unsigned char byte_at(const char *raw, size_t *ret_len)
{
    int high = raw[0] == '%' ? hex(raw[1]) : -1, low = high >= 0 ? hex(raw[2]) : -1;

    *ret_len = low >= 0 ? 3 : 1;
    if (low < 0)
        return (unsigned char)raw[0];
    return high * 16 + low == '/' ? '\0' : (unsigned char)(high * 16 + low);
}

const char *mount_rest(const char *mount, const char *raw)
{
    for (; *mount; mount++) {
        size_t len;

        if (byte_at(raw, &len) != (unsigned char)*mount)
            return NULL;
        raw += len;
        while (*mount == '/' && *raw == '/')
            raw++;
    }
    return *raw == '/' || *raw == '\0' ? raw : NULL;
}
