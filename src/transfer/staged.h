/* SPDX-License-Identifier: Apache-2.0 */
/* What a row of glint_staged says of a staged file: which file it is, and what inspection said of it. */
#ifndef TRANSFER_STAGED_H
#define TRANSFER_STAGED_H

#include "base/base.h"
#include "inspect/inspect.h"
#include "model/model.h"

/* A file's mark changes with the file and with every write into it. */
enum { STAGED_MARK_MAX = 96 };
int staged_mark(int fd, char ret[STAGED_MARK_MAX], struct error *e) MUST_CHECK;
int staged_mark_at(const char *url, char ret[STAGED_MARK_MAX], struct error *e) MUST_CHECK; /* file://… */

/* A verdict as the row's JSON text, and back; ret's texts are static or the arena's. */
const char *staged_verdict_text(struct arena *a, const struct inspect_verdict *v);
int staged_verdict(struct arena *a, const struct staged *s, struct inspect_verdict *ret,
                   struct error *e) MUST_CHECK;

#endif
