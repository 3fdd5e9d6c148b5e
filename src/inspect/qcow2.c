/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's docs/interop/qcow2.txt. Numbers are big-endian. The magic is also that of the first qcow
 * format, whose version 1 fails the check on versions. */
#include <string.h>

#include "inspect/format.h"

enum { AT_VERSION = 4, AT_BACKING_OFFSET = 8, AT_SIZE = 24, AT_INCOMPATIBLE = 72 };

#define FEATURE_DATA_FILE ((uint64_t)1 << 2)
/* dirty, corrupt, data file, compression type; extended L2 entries and later ones are not known to Glance. */
#define FEATURES_KNOWN ((uint64_t)0xF)

/* A file that ends within its first sector is qcow2 all the same: QEMU reads what is missing as
 * zeros, and a backing file's name needs little room. */
static bool qcow2_match(const struct stream_seen *seen, const void *state UNUSED)
{
    return seen->head_len >= 4 && memcmp(seen->head, "QFI\xfb", 4) == 0;
}

static void refuse(struct finding *ret, const char *check, const char *why)
{
    ret->unsafe_check = check;
    ret->why = why;
}

static void qcow2_verdict(const struct stream_seen *seen, const void *state UNUSED, struct finding *ret)
{
    const uint8_t *h = seen->head;
    uint32_t version = be32(h + AT_VERSION);
    uint64_t features = be64(h + AT_INCOMPATIBLE);

    ret->complete = true;
    ret->refers = be64(h + AT_BACKING_OFFSET) || (features & FEATURE_DATA_FILE);
    ret->has_virtual_size = seen->total >= SECTOR;
    ret->virtual_size = be64(h + AT_SIZE);
    if (seen->total < SECTOR)
        refuse(ret, "header", "shorter than its header");
    else if (be64(h + AT_BACKING_OFFSET))
        refuse(ret, "backing_file", "it has a backing file");
    /* Version 2 has no feature bits; what stands there must not read as this one to a careless reader. */
    else if (features & FEATURE_DATA_FILE)
        refuse(ret, "data_file", "its data is in another file");
    else if (version != 2 && version != 3)
        refuse(ret, "unknown_features", "neither version 2 nor 3");
    else if (version == 3 && (features & ~FEATURES_KNOWN))
        refuse(ret, "unknown_features", "incompatible features that are not known");
}

const struct inspector inspect_qcow2 = { .name = "qcow2", .match = qcow2_match, .verdict = qcow2_verdict };
