/* SPDX-License-Identifier: Apache-2.0 */
#include "imports/import.h"

static const struct job_kind *const kinds[] = { &job_location, &job_import, &job_task };
const struct job_kinds import_job_kinds = { kinds, COUNT(kinds) };
