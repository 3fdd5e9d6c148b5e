/* SPDX-License-Identifier: Apache-2.0 */
/* Times are microseconds. Wall-clock times are UTC since 1970; monotonic ones only measure. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_SECOND ((int64_t)1000000)

int64_t clock_now_us(void);
int64_t clock_mono_us(void);

enum { CLOCK_TEXT_MAX = 80 };
/* Each writes at most CLOCK_TEXT_MAX bytes with the terminator and returns out. */
char *clock_iso(int64_t us, char *out);  /* 2026-11-22T08:21:00Z, as the Images API shows times */
char *clock_sql(int64_t us, char *out);  /* 2026-11-22 08:21:00.000000, as Glance stores them */
char *clock_http(int64_t us, char *out); /* Sun, 22 Nov 2026 08:21:00 GMT (RFC 9110 5.6.7) */
/* Reads what clock_sql() writes, with or without the fraction. */
bool clock_from_sql(const char *text, int64_t *ret);
/* ISO 8601 as Python's oslo_utils.timeutils.parse_isotime takes it: date, optional time, optional
 * fraction, optional zone (Z or +hh:mm, +hhmm, +hh); no zone means UTC. */
bool clock_from_iso(const char *text, int64_t *ret);

#endif
