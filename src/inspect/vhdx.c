/* SPDX-License-Identifier: Apache-2.0 */
/* MS-VHDX (Microsoft Open Specifications): identifier at 0, first region table at 192 KiB, which says
 * where the metadata region is, whose table says where the disk's size is. Numbers are little-endian.
 *
 * Each step opens the next window. A table may point back into one that is still in memory, which is
 * then fed again; anything earlier has gone by and leaves the verdict incomplete. */
#include <string.h>

#include "inspect/format.h"

enum {
    IDENTIFIER_SIZE = 8,
    AT_REGIONS = 192 * 1024,
    TABLE_SIZE = 64 * 1024,
    AT_REGION_COUNT = 8,
    REGIONS_HEADER = 16,
    REGION_ENTRY = 32,
    REGION_OFFSET = 16,
    AT_ITEM_COUNT = 10,
    ITEMS_HEADER = 32,
    ITEM_ENTRY = 32,
    ITEM_OFFSET = 16,
    ITEM_LENGTH = 20,
    ENTRIES_MAX = 2047,
    DISK_SIZE_LENGTH = 8
};

struct vhdx {
    struct window identifier, regions, metadata, size;
    bool bad_size; /* the item is not a size */
};

/* 8B7CA206-4790-4B9A-B8FE-575F050F886E and 2FA54224-CD1B-4876-B211-5DBED83BF4B8 */
static const uint8_t metadata_region[16] = { 0x06, 0xA2, 0x7C, 0x8B, 0x90, 0x47, 0x9A, 0x4B,
                                             0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E };
static const uint8_t disk_size_item[16] = { 0x24, 0x42, 0xA5, 0x2F, 0x1B, 0xCD, 0x76, 0x48,
                                            0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8 };

/* The first of count entries that starts with id, or NULL. Both tables have entries of 32 bytes. */
static const uint8_t *find_entry(const uint8_t *entries, uint32_t count, const uint8_t id[16])
{
    _Static_assert((int)REGION_ENTRY == (int)ITEM_ENTRY, "one search for both tables");
    if (count > ENTRIES_MAX)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(entries + (size_t)i * REGION_ENTRY, id, 16) == 0)
            return entries + (size_t)i * REGION_ENTRY;
    return NULL;
}

static void read_regions(struct vhdx *x)
{
    const uint8_t *table = x->regions.bytes, *entry;

    if (memcmp(table, "regi", 4) != 0)
        return;
    entry = find_entry(table + REGIONS_HEADER, le32(table + AT_REGION_COUNT), metadata_region);
    if (!entry)
        return;
    window_open(&x->metadata, le64(entry + REGION_OFFSET), TABLE_SIZE);
    window_feed(&x->metadata, x->regions.at, table, TABLE_SIZE);
}

static void read_metadata(struct vhdx *x)
{
    const uint8_t *table = x->metadata.bytes, *entry;
    uint64_t at;

    if (memcmp(table, "metadata", 8) != 0)
        return;
    entry = find_entry(table + ITEMS_HEADER, le16(table + AT_ITEM_COUNT), disk_size_item);
    if (!entry)
        return;
    x->bad_size = le32(entry + ITEM_LENGTH) != DISK_SIZE_LENGTH ||
                  __builtin_add_overflow(x->metadata.at, (uint64_t)le32(entry + ITEM_OFFSET), &at);
    if (x->bad_size)
        return;
    window_open(&x->size, at, DISK_SIZE_LENGTH);
    window_feed(&x->size, x->metadata.at, table, TABLE_SIZE);
}

/* Feeds one window; true when that made it full. */
static bool fills(struct window *w, uint64_t at, const uint8_t *bytes, size_t n)
{
    if (!w->bytes || window_full(w))
        return false;
    window_feed(w, at, bytes, n);
    return window_full(w);
}

static uint64_t vhdx_feed(void *state, uint64_t at, const uint8_t *bytes, size_t n)
{
    struct vhdx *x = state;

    if (!x->identifier.bytes)
        window_open(&x->identifier, 0, IDENTIFIER_SIZE);
    if (fills(&x->identifier, at, bytes, n) && memcmp(x->identifier.bytes, "vhdxfile", IDENTIFIER_SIZE) == 0)
        window_open(&x->regions, AT_REGIONS, TABLE_SIZE);
    if (fills(&x->regions, at, bytes, n))
        read_regions(x);
    if (x->metadata.bytes && !x->size.bytes && !x->bad_size && fills(&x->metadata, at, bytes, n))
        read_metadata(x);
    window_feed(&x->size, at, bytes, n);

    if (!window_full(&x->identifier))
        return window_wants(&x->identifier);
    if (x->size.bytes)
        return window_wants(&x->size);
    if (x->metadata.bytes)
        return window_wants(&x->metadata);
    return x->regions.bytes ? window_wants(&x->regions) : ENOUGH;
}

static bool vhdx_match(const struct stream_seen *seen UNUSED, const void *state)
{
    return ((const struct vhdx *)state)->regions.bytes != NULL;
}

static void vhdx_verdict(const struct stream_seen *seen UNUSED, const void *state, struct finding *ret)
{
    const struct vhdx *x = state;

    ret->complete = window_full(&x->regions) && (!x->metadata.bytes || window_full(&x->metadata)) &&
                    (!x->size.bytes || window_full(&x->size));
    ret->has_virtual_size = !x->bad_size;
    if (x->size.bytes && window_full(&x->size))
        ret->virtual_size = le64(x->size.bytes);
}

static void vhdx_done(void *state)
{
    struct vhdx *x = state;

    window_close(&x->identifier);
    window_close(&x->regions);
    window_close(&x->metadata);
    window_close(&x->size);
}

const struct inspector inspect_vhdx = {
    .name = "vhdx",
    .state_size = sizeof(struct vhdx),
    .feed = vhdx_feed,
    .match = vhdx_match,
    .verdict = vhdx_verdict,
    .done = vhdx_done,
};
