/* SPDX-License-Identifier: Apache-2.0 */
#include "base/share.h"

#include <stdint.h>

/* held < k * free^2 / max, where k makes it `percent` of max for a holder that is alone: p = k * (1 - p)^2.
 */
bool share_allows(unsigned held, unsigned taken, unsigned max, unsigned percent)
{
    uint64_t free = max > taken ? max - taken : 0, rest = percent < 100 ? 100 - percent : 0;

    if (free == 0)
        return false;
    if (held == 0 || rest == 0)
        return true;
    return (uint64_t)held * max * rest * rest < 100ull * percent * free * free;
}
