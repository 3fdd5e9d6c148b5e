/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/vmdk_descriptor.h"

#include <string.h>
#include <strings.h>

/* Part of a descriptor; not terminated. */
struct text {
    const char *at;
    size_t n;
};

/* The types that name no file but the one they are in. */
static const char *const single_file_types[] = { "monolithicSparse", "streamOptimized" };
static const char type_key[] = "createType=\"";

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
}

static struct text whole(const uint8_t *bytes, size_t n)
{
    const uint8_t *nul = memchr(bytes, 0, n);

    return (struct text){ (const char *)bytes, nul ? (size_t)(nul - bytes) : n };
}

static bool starts_with(struct text t, const char *word)
{
    size_t n = strlen(word);

    return t.n >= n && strncasecmp(t.at, word, n) == 0;
}

static bool equals(struct text t, const char *word)
{
    return t.n == strlen(word) && starts_with(t, word);
}

/* What follows the first occurrence of the word, in any case; at is NULL when there is none. */
static struct text after(struct text t, const char *word)
{
    size_t n = strlen(word);

    for (; t.n >= n; t.at++, t.n--)
        if (starts_with(t, word))
            return (struct text){ t.at + n, t.n - n };
    return (struct text){ NULL, 0 };
}

/* As far as c, or all of it. */
static struct text until(struct text t, char c)
{
    const char *end = t.n ? memchr(t.at, c, t.n) : NULL;

    return (struct text){ t.at, end ? (size_t)(end - t.at) : t.n };
}

static struct text trim(struct text t)
{
    while (t.n && is_blank(t.at[0])) {
        t.at++;
        t.n--;
    }
    while (t.n && is_blank(t.at[t.n - 1]))
        t.n--;
    return t;
}

bool descriptor_may_start(const uint8_t *bytes, size_t n)
{
    if (starts_with((struct text){ (const char *)bytes, n }, "# Disk DescriptorFile"))
        return true;
    for (size_t i = 0; i < n; i++)
        if (!is_blank((char)bytes[i]) && (bytes[i] < 0x20 || bytes[i] > 0x7E))
            return false;
    return n > 0;
}

bool descriptor_has_type(const uint8_t *bytes, size_t n)
{
    return after(whole(bytes, n), type_key).at != NULL;
}

static const char *line_fault(struct text line, bool *extent)
{
    static const char *const access[] = { "RW", "RDONLY", "NOACCESS" };
    struct text word = until(line, ' ');

    *extent = false;
    if (line.n == 0 || line.at[0] == '#' || starts_with(line, "ddb"))
        return NULL;
    for (size_t i = 0; i < COUNT(access); i++)
        *extent |= equals(word, access[i]);
    if (*extent)
        return memchr(line.at, '/', line.n) ? "an extent names a file elsewhere" : NULL;
    return memchr(word.at, '=', word.n) ? NULL : "a line is neither a setting nor an extent";
}

static const char *lines_fault(struct text all)
{
    bool extent, extents = false;
    const char *fault = NULL;

    while (all.n && !fault) {
        struct text line = until(all, '\n');
        size_t step = line.n < all.n ? line.n + 1 : line.n;

        fault = line_fault(trim(line), &extent);
        extents |= extent;
        all.at += step;
        all.n -= step;
    }
    return fault ? fault : extents ? NULL : "there is no extent";
}

const char *descriptor_fault(const uint8_t *bytes, size_t n, bool *ret_typed)
{
    struct text all = whole(bytes, n), rest = after(all, type_key), type = until(rest, '"');

    *ret_typed = false;
    for (size_t i = 0; i < all.n; i++)
        if ((unsigned char)all.at[i] >= 0x80)
            return "the descriptor is not plain text";
    if (all.n == 0)
        return "there is no descriptor";
    for (size_t i = 0; i < COUNT(single_file_types) && rest.at; i++)
        *ret_typed |= type.n < rest.n && equals(type, single_file_types[i]);
    if (!*ret_typed)
        return "the type is not one that keeps all data in one file";
    /* QEMU heeds the case of keys and finds them in comments too: another type may be the one it sees. */
    if (after(rest, "createType").at)
        return "there is more than one type";
    /* QEMU opens it as a backing file. */
    if (after(all, "parentFileNameHint").at)
        return "it names a parent disk";
    return lines_fault(all);
}
