/* SPDX-License-Identifier: Apache-2.0 */
/* VirtualBox disk image, header version 1.1 as QEMU's block/vdi.c describes it. Numbers are little-endian. */
#include "inspect/format.h"

enum { AT_SIGNATURE = 64, AT_DISK_SIZE = 368 };

static bool vdi_match(const struct stream_seen *seen, const void *state UNUSED)
{
    return seen->total >= SECTOR && le32(seen->head + AT_SIGNATURE) == 0xBEDA107F;
}

static void vdi_verdict(const struct stream_seen *seen, const void *state UNUSED, struct finding *ret)
{
    ret->complete = true;
    ret->virtual_size = le64(seen->head + AT_DISK_SIZE);
    ret->has_virtual_size = true;
}

const struct inspector inspect_vdi = { .name = "vdi", .match = vdi_match, .verdict = vdi_verdict };
