/* SPDX-License-Identifier: Apache-2.0 */
/* A zip archive of exactly one file, stored or deflated (PKWARE's APPNOTE.TXT 6.3.10, section 4.3; zip64).
 * The directory at the end alone says what there is; names mean nothing. Everything it says is checked
 * against the size of the archive before it is believed. */
#include "unpack/deflate.h"

#include <string.h>

enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    ENTRY_SIZE = 46,
    HEADER_SIZE = 30,
    TEXT_MAX = 65535, /* of a name, an extra field, a comment */
    STORED = 0,
    DEFLATED = 8,
    ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13, /* flags: the data, strongly, and the directory */
    PATCH = 1 << 5,
    EXTRA_ZIP64 = 1,
};

#define NARROW 0xffffffffu /* see the zip64 field */

struct entry {
    unsigned flags, method;
    uint32_t crc;
    uint64_t packed, size, at; /* at: of the local header */
};

struct zip {
    struct entry entry;
    z_stream z;
    bool begun, over; /* z has to be ended; zlib saw the end */
    uint64_t given;
    uint32_t crc;
};

static int broken(struct error *e, const char *why)
{
    unpack_broken(e, &unpack_zip, why);
    return -1;
}

static unsigned u16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

/* ---- the directory ---- */

struct directory {
    uint64_t end, size, offset; /* end: where the records behind it begin */
};

/* The last end record, which a comment may follow. */
static int end_find(struct unpack_input *in, uint64_t *ret_at, uint8_t ret[END_SIZE], struct error *e)
{
    size_t n = in->end < END_SIZE + TEXT_MAX ? (size_t)in->end : END_SIZE + TEXT_MAX, at = n;
    uint8_t *tail = mem_new(n + 1);
    bool found = false;

    if (unpack_read_at(in, in->end - n, tail, n, e) < 0) {
        mem_free(tail);
        return -1;
    }
    for (at = n < END_SIZE ? 0 : n - END_SIZE + 1; at > 0 && !found; at--)
        found = memcmp(tail + at - 1, "PK\5\6", 4) == 0;
    memcpy(ret, tail + at, found ? END_SIZE : 0);
    *ret_at = in->end - n + at;
    mem_free(tail);
    return found ? 0 : broken(e, "there is no directory at their end");
}

/* The zip64 record, where there is one. */
static int end64_read(struct unpack_input *in, struct directory *d, struct error *e)
{
    uint8_t locator[LOCATOR_SIZE], end[END64_SIZE];
    uint64_t at;

    if (d->end < LOCATOR_SIZE)
        return 0;
    if (unpack_read_at(in, d->end - LOCATOR_SIZE, locator, sizeof locator, e) < 0)
        return -1;
    if (memcmp(locator, "PK\6\7", 4) != 0)
        return 0;
    if (u32(locator + 4) != 0 || u32(locator + 16) > 1)
        return broken(e, "the archive has several parts");
    at = u64(locator + 8);
    if (at > d->end - LOCATOR_SIZE || d->end - LOCATOR_SIZE - at < END64_SIZE)
        return broken(e, "the zip64 record is not where it should be");
    if (unpack_read_at(in, at, end, sizeof end, e) < 0)
        return -1;
    if (memcmp(end, "PK\6\6", 4) != 0 || u32(end + 16) != 0 || u32(end + 20) != 0)
        return broken(e, "the zip64 record is wrong");
    *d = (struct directory){ .end = at, .size = u64(end + 40), .offset = u64(end + 48) };
    return 0;
}

static int directory_find(struct unpack_input *in, struct directory *ret, struct error *e)
{
    uint8_t end[END_SIZE];

    if (end_find(in, &ret->end, end, e) < 0)
        return -1;
    if (u16(end + 4) != 0 || u16(end + 6) != 0)
        return broken(e, "the archive has several parts");
    ret->size = u32(end + 12);
    ret->offset = u32(end + 16);
    if (end64_read(in, ret, e) < 0)
        return -1;
    if (ret->size > ret->end || ret->offset > ret->end - ret->size)
        return broken(e, "the directory is not where it should be");
    return 0;
}

/* The zip64 field has those numbers, in this order, that the entry has no room for. */
static int wide_numbers(const uint8_t *extra, size_t n, struct entry *en, struct error *e)
{
    uint64_t *const wide[] = { &en->size, &en->packed, &en->at };
    size_t len = 0;

    while (n >= 4 && u16(extra) != EXTRA_ZIP64 && u16(extra + 2) <= n - 4) {
        n -= 4 + u16(extra + 2);
        extra += 4 + u16(extra + 2);
    }
    if (n >= 4 && u16(extra) == EXTRA_ZIP64 && u16(extra + 2) <= n - 4)
        len = u16(extra + 2);
    for (size_t i = 0, at = 4; i < COUNT(wide); i++) {
        if (*wide[i] != NARROW)
            continue;
        if (at + 8 > 4 + len)
            return broken(e, "a zip64 number is missing");
        *wide[i] = u64(extra + at);
        at += 8;
    }
    return 0;
}

static int entry_parse(const uint8_t *p, size_t n, struct entry *ret, struct error *e)
{
    size_t name, extra, all;

    if (n == 0)
        return error_set(e, ERROR_MEDIA, "The zip archive has no file.");
    if (n < ENTRY_SIZE || memcmp(p, "PK\1\2", 4) != 0)
        return broken(e, "the directory is wrong");
    name = u16(p + 28);
    extra = u16(p + 30);
    all = ENTRY_SIZE + name + extra + u16(p + 32);
    if (all > n)
        return broken(e, "the directory is wrong");
    if (all < n)
        return error_set(e, ERROR_MEDIA, "The zip archive has more than one file.");
    if (name > 0 && p[ENTRY_SIZE + name - 1] == '/')
        return error_set(e, ERROR_MEDIA, "The zip archive has a directory only.");
    *ret = (struct entry){ .flags = u16(p + 8),
                           .method = u16(p + 10),
                           .crc = u32(p + 16),
                           .packed = u32(p + 20),
                           .size = u32(p + 24),
                           .at = u32(p + 42) };
    return wide_numbers(p + ENTRY_SIZE + name, extra, ret, e);
}

static int entry_find(struct unpack_input *in, const struct directory *d, struct entry *ret, struct error *e)
{
    size_t n = d->size < ENTRY_SIZE + 3 * TEXT_MAX + 1 ? (size_t)d->size : ENTRY_SIZE + 3 * TEXT_MAX + 1;
    uint8_t *p = mem_new(n + 1);
    int r = unpack_read_at(in, d->end - d->size, p, n, e);

    if (r == 0)
        r = entry_parse(p, n, ret, e);
    mem_free(p);
    return r;
}

/* Sets the input to the file's data. base: what stands before the archive. */
static int data_find(struct unpack_input *in, const struct entry *en, uint64_t base, uint64_t limit,
                     struct error *e)
{
    uint8_t header[HEADER_SIZE];
    uint64_t from;

    if (base > limit || en->at > limit - base || limit - base - en->at < HEADER_SIZE)
        return broken(e, "the file is not where it should be");
    if (unpack_read_at(in, base + en->at, header, sizeof header, e) < 0)
        return -1;
    from = base + en->at + HEADER_SIZE + u16(header + 26) + u16(header + 28);
    if (memcmp(header, "PK\3\4", 4) != 0 || from > limit || en->packed > limit - from)
        return broken(e, "the file is not where it should be");
    in->at = from;
    in->end = from + en->packed;
    return 0;
}

static int entry_supported(const struct entry *en, struct error *e)
{
    if (en->flags & ENCRYPTED)
        return error_set(e, ERROR_MEDIA, "The zip archive is encrypted.");
    if (en->flags & PATCH || (en->method != STORED && en->method != DEFLATED))
        return error_set(e, ERROR_MEDIA, "The zip archive uses method %u; it has to be stored or deflated.",
                         en->method);
    if (en->method == STORED && en->packed != en->size)
        return broken(e, "the directory is wrong");
    return 0;
}

static int zip_open(void *state, struct unpack_input *in, uint64_t memory UNUSED, struct error *e)
{
    struct zip *s = state;
    struct directory d;

    if (!unpack_zlib())
        return unpack_no_library(&unpack_zip, e);
    if (directory_find(in, &d, e) < 0 || entry_find(in, &d, &s->entry, e) < 0 ||
        entry_supported(&s->entry, e) < 0 ||
        data_find(in, &s->entry, d.end - d.size - d.offset, d.end - d.size, e) < 0)
        return -1;
    if (unpack_zlib()->init2(&s->z, -MAX_WBITS, ZLIB_VERSION, (int)sizeof s->z) != Z_OK)
        return error_set(e, ERROR_INTERNAL, "zlib cannot be used.");
    s->begun = true;
    return 0;
}

/* ---- the data ---- */

static int more(struct zip *s, struct unpack_input *in, struct error *e)
{
    if (s->z.avail_in > 0)
        return 0;
    if (unpack_fill(in, e) < 0)
        return -1;
    s->z.next_in = in->piece;
    s->z.avail_in = (uInt)in->n;
    return 0;
}

static ssize_t read_stored(struct zip *s, struct unpack_input *in, uint8_t *buf, size_t n, struct error *e)
{
    size_t take;

    if (more(s, in, e) < 0)
        return -1;
    take = s->z.avail_in < n ? s->z.avail_in : n;
    if (take == 0)
        return 0;
    memcpy(buf, s->z.next_in, take);
    s->z.next_in += take;
    s->z.avail_in -= (uInt)take;
    return (ssize_t)take;
}

static ssize_t read_deflated(struct zip *s, struct unpack_input *in, uint8_t *buf, size_t n, struct error *e)
{
    s->z.next_out = buf;
    s->z.avail_out = (uInt)n;
    while (s->z.avail_out == n && !s->over) {
        int r;

        if (more(s, in, e) < 0)
            return -1;
        if (s->z.avail_in == 0)
            return broken(e, "they end too early");
        r = unpack_zlib()->inflate(&s->z, Z_NO_FLUSH);
        s->over = r == Z_STREAM_END;
        if (r != Z_OK && r != Z_BUF_ERROR && !s->over)
            return broken(e, s->z.msg ? s->z.msg : "zlib gives up");
    }
    return (ssize_t)(n - s->z.avail_out);
}

static ssize_t zip_read(void *state, struct unpack_input *in, void *buf, size_t n, struct error *e)
{
    struct zip *s = state;
    ssize_t got;

    n = n < UNPACK_ONCE ? n : UNPACK_ONCE;
    got = s->entry.method == STORED ? read_stored(s, in, buf, n, e) : read_deflated(s, in, buf, n, e);
    if (got < 0)
        return -1;
    s->given += (uint64_t)got;
    s->crc = (uint32_t)unpack_zlib()->crc32(s->crc, buf, (size_t)got);
    if (s->given > s->entry.size || (got == 0 && (s->given < s->entry.size || s->crc != s->entry.crc)))
        return broken(e, "size or checksum are not those of the directory");
    return got;
}

static void zip_done(void *state)
{
    struct zip *s = state;

    if (s->begun)
        unpack_zlib()->end(&s->z);
}

const struct unpack_driver unpack_zip = {
    .name = "zip",
    .library = "zlib",
    .state_size = sizeof(struct zip),
    .open = zip_open,
    .read = zip_read,
    .done = zip_done,
};
