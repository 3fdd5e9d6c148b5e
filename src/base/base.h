/* SPDX-License-Identifier: Apache-2.0 */
/* The toolbox under every room: it knows no word of the image service.
 *
 * Nothing here logs above debug, exits (but on exhausted memory) or keeps state, apart from the log
 * sink and the metrics registry. */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEANUP(fn)  __attribute__((cleanup(fn)))
#define MUST_CHECK   __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define UNUSED       __attribute__((unused))
#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))
/* Hands a pointer over and leaves NULL, so that the scope's cleanup has nothing left to undo. */
#define TAKE(p)                                                                                              \
    ({                                                                                                       \
        __typeof__(p) *take_ = &(p);                                                                         \
        __typeof__(p) took_ = *take_;                                                                        \
        *take_ = NULL;                                                                                       \
        took_;                                                                                               \
    })

#include "base/arena.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/names.h"
#include "base/point.h"
#include "base/share.h"
#include "base/str.h"
#include "base/threads.h"
#include "base/uuid.h"

#endif
