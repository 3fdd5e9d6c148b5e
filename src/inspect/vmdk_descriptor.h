/* SPDX-License-Identifier: Apache-2.0 */
/* The text part of a VMDK. It ends at the first NUL or at n; callers keep n under a megabyte. */
#ifndef INSPECT_VMDK_DESCRIPTOR_H
#define INSPECT_VMDK_DESCRIPTOR_H

#include "base/base.h"

/* Could a descriptor file start with these bytes? Text, or the comment that every descriptor begins with. */
bool descriptor_may_start(const uint8_t *bytes, size_t n);
/* Names a createType, whichever. */
bool descriptor_has_type(const uint8_t *bytes, size_t n);
/* Would QEMU, which finds words anywhere up to the first NUL, take the data to be in other files, or open
 * a backing file? Both look at more text than the header says there is: DESCRIPTOR_MAX bytes. Both may say
 * yes where QEMU would not, for example for words in another case. */
bool descriptor_has_other_files(const uint8_t *bytes, size_t n);
bool descriptor_has_parent(const uint8_t *bytes, size_t n);
/* What makes it unsafe, or NULL. n is the length that the header says, seen >= n what a reader may look at
 * all the same. *ret_typed: its createType keeps all data in the file that it is in. */
const char *descriptor_fault(const uint8_t *bytes, size_t n, size_t seen, bool *ret_typed);

#endif
