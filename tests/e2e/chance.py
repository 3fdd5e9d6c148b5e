# SPDX-License-Identifier: Apache-2.0
"""For tests that draw their cases: the same cases each time, as many as the time allows.

    GLINT_RANDOM_SECONDS=600    for so long (10)
    GLINT_RANDOM_SEED=4711      from this seed on (1): what failed is the first thing that runs"""
import itertools
import os
import random
import time

SECONDS = float(os.environ.get('GLINT_RANDOM_SECONDS', '10'))
SEED = int(os.environ.get('GLINT_RANDOM_SEED', '1'))


def draw(check):
    """check(random.Random) again and again."""
    end = time.monotonic() + SECONDS
    for seed in itertools.count(SEED):
        try:
            check(random.Random(seed))
        except Exception as problem:
            raise AssertionError('GLINT_RANDOM_SEED=%d: %s' % (seed, problem)) from problem
        if time.monotonic() > end:
            print('%d seeds' % (seed + 1 - SEED))
            return
