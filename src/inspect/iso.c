/* SPDX-License-Identifier: Apache-2.0 */
/* ECMA-119 (ISO 9660), section 8; UDF as ECMA-167 part 2 announces it. The first 32 KiB belong to whoever
 * makes the disc bootable. */
#include <string.h>

#include "inspect/format.h"

enum {
    AT_DESCRIPTOR = 32768,
    DESCRIPTOR_SIZE = 2048,
    TYPE_PRIMARY = 1,
    AT_IDENTIFIER = 1,
    AT_BLOCKS = 80,
    AT_BLOCK_SIZE = 128
};

struct iso {
    struct window descriptor; /* the first in the volume's sequence */
};

static uint64_t iso_feed(void *state, uint64_t at, const uint8_t *bytes, size_t n)
{
    struct iso *iso = state;

    if (!iso->descriptor.bytes)
        window_open(&iso->descriptor, AT_DESCRIPTOR, DESCRIPTOR_SIZE);
    window_feed(&iso->descriptor, at, bytes, n);
    return window_wants(&iso->descriptor);
}

static bool iso_match(const struct stream_seen *seen UNUSED, const void *state)
{
    static const char identifiers[][6] = { "CD001", "NSR02", "NSR03" };
    const struct iso *iso = state;

    if (!window_full(&iso->descriptor))
        return false;
    for (size_t i = 0; i < COUNT(identifiers); i++)
        if (memcmp(iso->descriptor.bytes + AT_IDENTIFIER, identifiers[i], 5) == 0)
            return true;
    return false;
}

static void iso_verdict(const struct stream_seen *seen UNUSED, const void *state, struct finding *ret)
{
    const uint8_t *d = ((const struct iso *)state)->descriptor.bytes;

    ret->complete = true;
    /* Other descriptors have other fields there. */
    if (d[0] == TYPE_PRIMARY)
        ret->virtual_size = (uint64_t)le32(d + AT_BLOCKS) * le16(d + AT_BLOCK_SIZE);
    ret->has_virtual_size = true;
}

static void iso_done(void *state)
{
    window_close(&((struct iso *)state)->descriptor);
}

const struct inspector inspect_iso = {
    .name = "iso",
    .state_size = sizeof(struct iso),
    .feed = iso_feed,
    .match = iso_match,
    .verdict = iso_verdict,
    .done = iso_done,
};
