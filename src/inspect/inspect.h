/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at image bytes as they stream past and says what disk format they are, how large the disk is
 * for its guest, and whether the file is safe to hand to tools that follow references in it.
 *
 * Fed bytes, asked for a verdict; never opens a file, keeps only the few bytes a format needs (at most
 * INSPECT_MEMORY_MAX for all formats together). One thread at a time.
 * Facts: Glance 33 and oslo.utils imageutils.format_inspector behaviour as seen from outside; the formats'
 * own specifications are named in each file. */
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include "base/base.h"

enum { INSPECT_MEMORY_MAX = 4 * 1024 * 1024 };

struct inspect;

struct inspect *inspect_begin(void) __attribute__((returns_nonnull));
void inspect_feed(struct inspect *in, const void *buf, size_t n);
/* For who need not read everything: how many of the next bytes nobody here looks at; these are passed over.
 */
uint64_t inspect_unwanted(const struct inspect *in);
void inspect_skip(struct inspect *in, uint64_t n);
void inspect_free(struct inspect **in); /* takes NULL */

struct inspect_verdict {
    const char *format;      /* raw qcow2 qed vhd vhdx vmdk vdi iso gpt luks; NULL when several match */
    const char *formats[10]; /* every format that matched, raw excluded */
    size_t n_formats;
    uint64_t bytes;        /* of the whole stream */
    uint64_t virtual_size; /* what the format says, the bytes seen for raw */
    bool has_virtual_size; /* false: the headers do not tell, or say more than INT64_MAX */
    bool safe;
    bool refers;              /* QEMU would open another file that the data names; whatever the format is said
                               * to be and however many match. Never safe */
    bool incomplete;          /* the data ends before the format's structures do; then not safe either */
    const char *unsafe_check; /* name of the first failed check ("backing_file", "mbr", …) when not safe */
    char why[160];            /* for the log */
};
/* Ends the stream; call once, then inspect_free(). A bootable ISO matches iso and gpt: format is NULL and
 * the rest of the verdict is that of the ISO. */
void inspect_end(struct inspect *in, struct inspect_verdict *ret);

struct inspect_policy {
    bool require_match;              /* [image_format] require_image_format_match */
    const char *const *gpt_nonfatal; /* [image_format] gpt_safety_checks_nonfatal */
    size_t n_gpt_nonfatal;
    const char *const *vmdk_types; /* [image_format] vmdk_allowed_types: for conversion; an upload may be
                                    * monolithicSparse or streamOptimized whatever it says */
    size_t n_vmdk_types;
};
/* Glance's decision for an upload of this disk_format with container_format bare (operations.md 11): 0 with
 * *ret_virtual_size (-1: stays unset), or -1 ERROR_MEDIA with Glance's text
 * ("Image disk_format qcow2 does not match stream data raw", "Multiple formats detected: iso,gpt",
 * "Image failed safety checks", "Incomplete file cannot be safety checked",
 * "Image format inspection failed"). */
int inspect_decide(const struct inspect_verdict *v, const char *disk_format,
                   const struct inspect_policy *policy, int64_t *ret_virtual_size,
                   struct error *e) MUST_CHECK;

#endif
