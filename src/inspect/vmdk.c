/* SPDX-License-Identifier: Apache-2.0 */
/* VMware Virtual Disk Format 1.1 (hosted sparse extents): a header of one sector, a text descriptor from
 * sector 1 on and, when the header says that its grain directory is elsewhere, a second header at the
 * very end. A descriptor may also be a file of its own. Numbers are little-endian.
 *
 * The descriptor can name other files, so it is read as strictly as Glance reads it, and then as QEMU's
 * block/vmdk.c reads it, which does not ask how long the descriptor is or whether it is text:
 *  - a file without a magic number is a descriptor from byte 0 to its first NUL;
 *  - a sparse file without capacity has one from sector 1 to the next NUL;
 *  - the name of a parent is looked for in the 20 sectors from sector 1 on, also in the older kind of sparse
 *    file (COWD), which has no descriptor. */
#include <string.h>

#include "inspect/format.h"
#include "inspect/vmdk_descriptor.h"

enum {
    AT_VERSION = 4,
    AT_CAPACITY = 12,
    AT_DESCRIPTOR_SECTOR = 28,
    AT_DESCRIPTOR_SECTORS = 36,
    AT_GRAIN_DIRECTORY = 56,
    VERSION_MAX = 3,
    DESCRIPTOR_MAX = 1024 * 1024 - 1, /* QEMU's */
    PARENT_MAX = 20 * SECTOR,         /* QEMU's */
    MARKER_SECTORS = 8,
    MARKER_TYPE = 12,
    MARKER_FOOTER = 3,
    TAIL_SIZE = 3 * SECTOR /* footer marker, second header, end-of-stream marker */
};

#define DIRECTORY_AT_END UINT64_MAX

enum kind {
    KIND_SPARSE, /* begins with the header */
    KIND_OLD,    /* begins as the older kind of sparse file */
    KIND_TEXT,   /* begins as a descriptor does */
    KIND_OTHER   /* anything else: no descriptor to anybody but QEMU */
};

struct vmdk {
    struct window header, descriptor;
    size_t said;    /* by the header the descriptor is so long, 0 is none; the window goes to the first NUL */
    size_t scanned; /* no NUL up to here */
    bool has_tail;  /* a second header is due; tail then holds the last tail_len bytes so far */
    size_t tail_len;
    uint8_t tail[TAIL_SIZE];
};

static enum kind kind_of(const uint8_t *bytes, size_t n)
{
    if (n >= 4 && memcmp(bytes, "KDMV", 4) == 0)
        return KIND_SPARSE;
    if (n >= 4 && memcmp(bytes, "COWD", 4) == 0)
        return KIND_OLD;
    return descriptor_may_start(bytes, n) ? KIND_TEXT : KIND_OTHER;
}

static void keep_tail(struct vmdk *v, const uint8_t *bytes, size_t n)
{
    size_t keep;

    if (n >= TAIL_SIZE) {
        memcpy(v->tail, bytes + n - TAIL_SIZE, TAIL_SIZE);
        v->tail_len = TAIL_SIZE;
        return;
    }
    keep = v->tail_len + n > TAIL_SIZE ? TAIL_SIZE - n : v->tail_len;
    memmove(v->tail, v->tail + v->tail_len - keep, keep);
    memcpy(v->tail + keep, bytes, n);
    v->tail_len = keep + n;
}

/* The first sector is there: what else is to be seen? */
static void read_header(struct vmdk *v)
{
    const uint8_t *h = v->header.bytes;
    enum kind kind = kind_of(h, SECTOR);
    uint32_t version = le32(h + AT_VERSION);
    uint64_t sectors = le64(h + AT_DESCRIPTOR_SECTORS);

    if (kind == KIND_OLD) {
        window_open(&v->descriptor, SECTOR, PARENT_MAX);
        return;
    }
    if (kind != KIND_SPARSE) {
        window_open(&v->descriptor, 0, DESCRIPTOR_MAX);
        window_feed(&v->descriptor, 0, h, SECTOR);
        return;
    }
    v->has_tail = le64(h + AT_GRAIN_DIRECTORY) == DIRECTORY_AT_END;
    /* QEMU looks there whatever the header says of it. */
    window_open(&v->descriptor, SECTOR, DESCRIPTOR_MAX);
    if (version < 1 || version > VERSION_MAX || le64(h + AT_DESCRIPTOR_SECTOR) != 1)
        return;
    v->said = sectors > DESCRIPTOR_MAX / SECTOR ? DESCRIPTOR_MAX : (size_t)sectors * SECTOR;
}

/* The next byte of the descriptor that anybody would look at. */
static uint64_t descriptor_wants(struct vmdk *v)
{
    const struct window *w = &v->descriptor;

    if (!w->bytes)
        return ENOUGH;
    if (w->have > v->scanned && !memchr(w->bytes + v->scanned, 0, w->have - v->scanned))
        v->scanned = w->have;
    return v->scanned < w->have && w->have >= v->said ? ENOUGH : window_wants(w);
}

static uint64_t vmdk_feed(void *state, uint64_t at, const uint8_t *bytes, size_t n)
{
    struct vmdk *v = state;
    bool had_header = window_full(&v->header);

    if (!v->header.bytes)
        window_open(&v->header, 0, SECTOR);
    window_feed(&v->header, at, bytes, n);
    if (!window_full(&v->header))
        return window_wants(&v->header);
    if (!had_header)
        read_header(v);
    window_feed(&v->descriptor, at, bytes, n);
    if (v->has_tail) {
        size_t before = at >= SECTOR ? 0 : (size_t)(SECTOR - at);

        keep_tail(v, bytes + before, n - before);
        return at + n;
    }
    return descriptor_wants(v);
}

/* All text that a reader may look at; *ret_n 0 when there is none. */
static const uint8_t *text_of(const struct vmdk *v, enum kind kind, size_t *ret_n)
{
    bool lone = kind == KIND_TEXT || kind == KIND_OTHER;
    const struct window *w = lone && !v->descriptor.bytes ? &v->header : &v->descriptor;

    *ret_n = w->have;
    return w->bytes;
}

/* What would make QEMU open another file, or NULL. */
static const char *reference(enum kind kind, const uint8_t *text, size_t n)
{
    if (kind != KIND_OLD && descriptor_has_other_files(text, n))
        return "the type is not one that keeps all data in one file";
    /* Of a text alone QEMU reads no more once it knows that it does not support the type. */
    if ((kind == KIND_SPARSE || kind == KIND_OLD) && descriptor_has_parent(text, n))
        return "it names a parent disk";
    return NULL;
}

/* QEMU follows that, but only where there is no other data. */
static bool descriptor_elsewhere(const uint8_t *header)
{
    return le64(header + AT_CAPACITY) == 0 && le64(header + AT_DESCRIPTOR_SECTOR) > 1;
}

static bool vmdk_match(const struct stream_seen *seen, const void *state)
{
    enum kind kind = kind_of(seen->head, seen->head_len < SECTOR ? seen->head_len : SECTOR);
    const uint8_t *text;
    size_t n;

    if (kind == KIND_SPARSE)
        return true;
    text = text_of(state, kind, &n);
    return n > 0 && ((kind == KIND_TEXT && descriptor_has_type(text, n)) || reference(kind, text, n));
}

/* What is wrong with the second header, or NULL. */
static const char *footer_fault(const struct vmdk *v)
{
    const uint8_t *first = v->header.bytes, *marker = v->tail, *second = marker + SECTOR,
                  *end = second + SECTOR;
    static const uint8_t zeros[SECTOR];

    if (v->tail_len < TAIL_SIZE || memcmp(second, first, 4) != 0)
        return "there is no second header at the end";
    if (le32(second + AT_VERSION) != le32(first + AT_VERSION))
        return "the two headers differ in version";
    if (memcmp(second + AT_DESCRIPTOR_SECTOR, first + AT_DESCRIPTOR_SECTOR, 16) != 0)
        return "the two headers differ in where the descriptor is";
    if (le64(second + AT_GRAIN_DIRECTORY) == DIRECTORY_AT_END)
        return "the second header points at a third";
    if (le32(marker + MARKER_SECTORS) != 0 || le32(marker + MARKER_TYPE) != MARKER_FOOTER ||
        memcmp(marker + 16, zeros, SECTOR - 16) != 0)
        return "the second header's marker is not one";
    if (memcmp(end, zeros, SECTOR) != 0)
        return "the stream does not end where it says";
    return NULL;
}

static void vmdk_verdict(const struct stream_seen *seen, const void *state, struct finding *ret)
{
    const struct vmdk *v = state;
    enum kind kind = kind_of(seen->head, seen->head_len < SECTOR ? seen->head_len : SECTOR);
    bool sparse = kind == KIND_SPARSE, typed = false;
    size_t n, said;
    const uint8_t *text = text_of(v, kind, &n);
    const char *refers = n ? reference(kind, text, n) : NULL;

    if (!refers && sparse && descriptor_elsewhere(seen->head))
        refers = "its descriptor is not in the second sector";

    said = sparse && v->said < n ? v->said : n;
    /* What refers to another file does so in a file that is cut, too. */
    ret->complete = refers || !sparse || (window_full(&v->header) && v->descriptor.have >= v->said);
    ret->refers = refers != NULL;
    ret->unsafe_check = "descriptor";
    ret->why = said ? descriptor_fault(text, said, n, &typed) : "there is no descriptor";
    if (!ret->why)
        ret->why = refers;
    if (!ret->why && v->has_tail) {
        ret->unsafe_check = "footer";
        ret->why = footer_fault(v);
    }
    if (!ret->why)
        ret->unsafe_check = NULL;
    /* A descriptor alone does not say how large its disk is. */
    ret->has_virtual_size =
        !typed || (sparse && !__builtin_mul_overflow(le64(seen->head + AT_CAPACITY), (uint64_t)SECTOR,
                                                     &ret->virtual_size));
}

static void vmdk_done(void *state)
{
    struct vmdk *v = state;

    window_close(&v->header);
    window_close(&v->descriptor);
}

const struct inspector inspect_vmdk = {
    .name = "vmdk",
    .state_size = sizeof(struct vmdk),
    .feed = vmdk_feed,
    .match = vmdk_match,
    .verdict = vmdk_verdict,
    .done = vmdk_done,
};
