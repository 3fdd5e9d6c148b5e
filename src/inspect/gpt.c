/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that starts with a boot record: UEFI Specification 2.10, section 5.2. The name is Glance's, a
 * disk with the old kind of partition table alone counts too. */
#include "inspect/format.h"

enum {
    AT_TABLE = 446,
    ENTRY_SIZE = 16,
    ENTRIES = 4,
    AT_SIGNATURE = 510,
    ENTRY_START_CHS = 1,
    ENTRY_TYPE = 4,
    ENTRY_START_LBA = 8,
    TYPE_PROTECTIVE = 0xEE,
    AT_FAT_COPIES = 16,
    AT_FAT_MEDIA = 21,
    FAT_MEDIA_FIXED = 0xF8
};

/* The boot sector of a FAT file system bears the same signature. */
static bool is_fat(const uint8_t *sector)
{
    return sector[AT_FAT_COPIES] == 2 && sector[AT_FAT_MEDIA] == FAT_MEDIA_FIXED;
}

static bool gpt_match(const struct stream_seen *seen, const void *state UNUSED)
{
    return seen->total >= SECTOR && le16(seen->head + AT_SIGNATURE) == 0xAA55 && !is_fat(seen->head);
}

/* What is wrong with the table, or NULL. */
static const char *table_fault(const uint8_t *table)
{
    unsigned used = 0, protective = 0;

    for (unsigned i = 0; i < ENTRIES; i++) {
        const uint8_t *entry = table + i * ENTRY_SIZE;

        if (entry[0] != 0x00 && entry[0] != 0x80)
            return "a partition's boot flag is neither set nor clear";
        if (entry[ENTRY_TYPE] == 0)
            continue;
        used |= 1u << i;
        if (entry[ENTRY_TYPE] != TYPE_PROTECTIVE)
            continue;
        protective |= 1u << i;
        if (le32(entry + ENTRY_START_LBA) != 1)
            return "the protective partition does not start at block 1";
        if (entry[ENTRY_START_CHS] != 0 || entry[ENTRY_START_CHS + 1] != 2 || entry[ENTRY_START_CHS + 2] != 0)
            return "the protective partition does not start at cylinder 0, head 0, sector 2";
    }
    if (protective && used != 1)
        return "the protective partition is not the first and only one";
    return used ? NULL : "there is no partition";
}

static void gpt_verdict(const struct stream_seen *seen, const void *state UNUSED, struct finding *ret)
{
    ret->complete = true;
    ret->virtual_size = seen->total;
    ret->has_virtual_size = true;
    ret->why = table_fault(seen->head + AT_TABLE);
    ret->unsafe_check = ret->why ? "mbr" : NULL;
}

const struct inspector inspect_gpt = { .name = "gpt", .match = gpt_match, .verdict = gpt_verdict };
