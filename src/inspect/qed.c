/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU's docs/interop/qed_spec.txt. The format has backing files and no users: always refused. */
#include <string.h>

#include "inspect/format.h"

enum { AT_FEATURES = 16, FEATURE_BACKING_FILE = 1 };

static bool qed_match(const struct stream_seen *seen, const void *state UNUSED)
{
    return seen->head_len >= 4 && memcmp(seen->head, "QED\0", 4) == 0;
}

static void qed_verdict(const struct stream_seen *seen, const void *state UNUSED, struct finding *ret)
{
    ret->complete = true;
    ret->refers = le64(seen->head + AT_FEATURES) & FEATURE_BACKING_FILE;
    ret->virtual_size = seen->total;
    ret->has_virtual_size = true;
    ret->unsafe_check = "banned";
    ret->why = "this format is not accepted";
}

const struct inspector inspect_qed = { .name = "qed", .match = qed_match, .verdict = qed_verdict };
