/* SPDX-License-Identifier: Apache-2.0 */
/* LUKS1 On-Disk Format Specification 1.2.3. Numbers are big-endian. Version 2 has the same magic. */
#include <string.h>

#include "inspect/format.h"

enum { AT_VERSION = 6, AT_PAYLOAD = 104 };

static bool luks_match(const struct stream_seen *seen, const void *state UNUSED)
{
    return seen->head_len >= 6 && memcmp(seen->head, "LUKS\xba\xbe", 6) == 0;
}

static void luks_verdict(const struct stream_seen *seen, const void *state UNUSED, struct finding *ret)
{
    uint64_t payload = (uint64_t)be32(seen->head + AT_PAYLOAD) * SECTOR;

    ret->complete = seen->head_len == HEAD_SIZE;
    ret->has_virtual_size = payload <= seen->total;
    ret->virtual_size = seen->total - payload;
    if (be16(seen->head + AT_VERSION) != 1) {
        ret->unsafe_check = "version";
        ret->why = "only version 1 is known";
    }
}

const struct inspector inspect_luks = { .name = "luks", .match = luks_match, .verdict = luks_verdict };
