/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by inspect.c and the formats' files; private to them.
 *
 * A format is one const struct inspector at the end of its file. It sees the first bytes of the stream
 * without asking; one that needs later bytes has feed(), which names the next offset it wants, so that
 * everything else passes at the price of an addition. */
#ifndef INSPECT_FORMAT_H
#define INSPECT_FORMAT_H

#include "base/base.h"

/* The longest header that starts at byte 0: LUKS version 1. */
enum { HEAD_SIZE = 592, SECTOR = 512 };

/* feed() wants nothing more. */
#define ENOUGH UINT64_MAX

/* What any format may look at once the stream has ended. */
struct stream_seen {
    uint64_t total;
    size_t head_len; /* of HEAD_SIZE; fewer only when the stream is shorter */
    uint8_t head[HEAD_SIZE];
};

struct finding {
    bool complete; /* the stream holds all that the format's checks need */
    uint64_t virtual_size;
    bool has_virtual_size;
    bool refers;              /* unsafe because QEMU would open another file that the data names */
    const char *unsafe_check; /* NULL when every check passed */
    const char *why;
};

struct inspector {
    const char *name;
    size_t state_size; /* of zeroed memory that is the inspector's own; 0 is none */
    /* Takes bytes in order, n > 0; those before the offset it last returned may be left out. Returns
     * the offset of the next byte it wants, or ENOUGH. NULL when the head is all it needs. */
    uint64_t (*feed)(void *state, uint64_t at, const uint8_t *bytes, size_t n);
    bool (*match)(const struct stream_seen *seen, const void *state);
    /* Only after match() said yes; *ret is zeroed. */
    void (*verdict)(const struct stream_seen *seen, const void *state, struct finding *ret);
    void (*done)(void *state); /* frees what feed() allocated; NULL when nothing */
};

extern const struct inspector inspect_qcow2, inspect_qed, inspect_vhd, inspect_vhdx, inspect_vmdk,
    inspect_vdi, inspect_iso, inspect_gpt, inspect_luks;

/* A stretch of the stream to be seen whole. Bytes that went by before it was opened are lost, unless
 * the format kept them and feeds them again. */
struct window {
    uint64_t at;
    size_t want, have;
    bool missed;    /* its next byte has gone by */
    uint8_t *bytes; /* NULL until opened */
};

void window_open(struct window *w, uint64_t at, size_t want);
void window_feed(struct window *w, uint64_t at, const uint8_t *bytes, size_t n);
bool window_full(const struct window *w);      /* false while not opened */
uint64_t window_wants(const struct window *w); /* as feed() returns it */
void window_close(struct window *w);

static inline uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static inline uint64_t be64(const uint8_t *p)
{
    return (uint64_t)be32(p) << 32 | be32(p + 4);
}

static inline uint16_t le16(const uint8_t *p)
{
    return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t le32(const uint8_t *p)
{
    return (uint32_t)le16(p + 2) << 16 | le16(p);
}

static inline uint64_t le64(const uint8_t *p)
{
    return (uint64_t)le32(p + 4) << 32 | le32(p);
}

#endif
