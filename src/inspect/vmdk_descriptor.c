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
/* Those whose extents QEMU opens, block/vmdk.c. */
static const char *const multi_file_types[] = { "monolithicFlat",       "vmfs",
                                                "vmfsSparse",           "seSparse",
                                                "twoGbMaxExtentSparse", "twoGbMaxExtentFlat" };
enum { TYPE_MAX = 32 }; /* longer than any of them */

static const char type_word[] = "createType", type_key[] = "createType=\"",
                  parent_word[] = "parentFileNameHint";

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
        if (((t.at[0] ^ word[0]) & ~0x20) == 0 && starts_with(t, word))
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

bool descriptor_has_parent(const uint8_t *bytes, size_t n)
{
    return after(whole(bytes, n), parent_word).at != NULL;
}

/* QEMU takes the first "createType" wherever it stands, and passes over two characters whatever they are. */
bool descriptor_has_other_files(const uint8_t *bytes, size_t n)
{
    struct text rest = whole(bytes, n), type;

    do {
        rest = after(rest, type_word);
        if (!rest.at || rest.n < 2)
            return false;
        type = until((struct text){ rest.at + 2, rest.n - 2 < TYPE_MAX ? rest.n - 2 : TYPE_MAX }, '"');
        for (size_t i = 0; i < COUNT(multi_file_types); i++)
            if (equals(type, multi_file_types[i]))
                return true;
    } while (true);
}

const char *descriptor_fault(const uint8_t *bytes, size_t n, size_t seen, bool *ret_typed)
{
    struct text all = whole(bytes, n), rest = after(all, type_key), type = until(rest, '"');
    struct text first = after(whole(bytes, seen), type_word);

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
    /* Which one a reader heeds depends on the reader. */
    if (first.at + strlen(type_key) - strlen(type_word) != rest.at || after(first, type_word).at)
        return "there is more than one type";
    /* QEMU opens it as a backing file. */
    if (descriptor_has_parent(bytes, seen))
        return "it names a parent disk";
    return lines_fault(all);
}
