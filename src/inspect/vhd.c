/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual Hard Disk Image Format Specification 1.0 (Microsoft, 2006). Dynamic disks begin with a copy
 * of their footer; fixed ones have only the footer and count as raw. Numbers are big-endian. */
#include <string.h>

#include "inspect/format.h"

enum { AT_ORIGINAL_SIZE = 40 };

static bool vhd_match(const struct stream_seen *seen, const void *state UNUSED)
{
    return seen->head_len >= 8 && memcmp(seen->head, "conectix", 8) == 0;
}

static void vhd_verdict(const struct stream_seen *seen, const void *state UNUSED, struct finding *ret)
{
    ret->complete = seen->total >= SECTOR;
    ret->virtual_size = be64(seen->head + AT_ORIGINAL_SIZE);
    ret->has_virtual_size = true;
}

const struct inspector inspect_vhd = { .name = "vhd", .match = vhd_match, .verdict = vhd_verdict };
