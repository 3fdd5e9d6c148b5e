/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a bounded pool one holder may have. */
#ifndef BASE_SHARE_H
#define BASE_SHARE_H

#include <stdbool.h>

/* Whether a holder of `held` places may take one more of a pool of `max` places, of which `taken` are
 * in use (his own included). percent is the part that a single holder may have while nobody else wants any;
 * 100: all of it. The fewer places are free, the smaller is the part of each further holder, so that many
 * together do not take everything either: with 50 % ten holders, one after the other, leave a twentieth of a
 * large pool. A holder without a place always gets a free one. */
bool share_allows(unsigned held, unsigned taken, unsigned max, unsigned percent);

#endif
