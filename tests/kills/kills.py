#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""kills.py [--kills N] [--seed S] [--jobs N] [--case NAME[@POINT:COUNT:ACTION,…]] [--list]   kill -9 of server, worker or both
at named points of the program and at moments in between, and others who do the work of one that sleeps at a point while
its leases run out, until it wakes up. After each everything must come to rest, with nothing lost and
nothing left behind.

First each case runs undisturbed, which tells the points that it passes and how often. Then every point is killed at, at
least once, and the rest of N is drawn from all passings of all cases, and from no point at all. A point of the program at
which nothing was killed is a failure. What is drawn follows from the seed; a single kill is repeated by --case with what
was printed. Ends with "N passed, N failed". The program: GLINT, a build with -Dpoints=true."""
import argparse
import collections
import os
import queue
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback

os.chdir(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.getcwd())
sys.path.insert(0, os.path.dirname(os.getcwd()))
import cases  # noqa: E402
import downloads  # noqa: E402,F401
import imports  # noqa: E402,F401
import origin  # noqa: E402
import world  # noqa: E402
from world import glint  # noqa: E402

KILLS = ('kill', 'kill', 'group')
# Who sleeps there holds up everybody.
IN_TRANSACTION = ('db.commit', 'trash.removed', 'reap.removed', 'import.unstored')
OFTEN = 6           # of a point that is passed many times in a case: as many of its passings are drawn from


class Run:
    """A case, and what happens to it: shots [(point, count, action)], or a moment in seconds and whom to shoot then."""

    def __init__(self, name, shots=(), moment=None, who=None):
        self.name, self.shots, self.moment, self.who = name, list(shots), moment, who

    def __str__(self):
        if self.moment is not None:
            return '%s@%s:%.3f' % (self.name, self.who, self.moment)
        return self.name + ('@' + ','.join('%s:%d:%s' % shot for shot in self.shots) if self.shots else '')


def parse(text):
    name, _, rest = text.partition('@')
    words = [word.split(':') for word in rest.split(',') if word]
    if len(words) == 1 and len(words[0]) == 2:
        return Run(name, moment=float(words[0][1]), who=words[0][0])
    return Run(name, [(point, int(count), action) for point, count, action in words])


class Range:
    """Worlds of their own, one a thread, and what was seen in them."""

    def __init__(self, directory, jobs, verbose):
        self.directory, self.jobs, self.verbose = directory, jobs, verbose
        self.origin = origin.start()
        self.elsewhere = glint.Server(os.path.join(directory, 'elsewhere'))
        self.lock = threading.Lock()
        self.passed = self.failed = 0
        self.fired, self.hurt_at = collections.Counter(), collections.Counter()      # by what was done, by point
        self.traces = {}        # case -> passings of each point
        self.worlds = {}

    def world_of(self, thread, kind):
        key = (thread, kind)
        if key not in self.worlds:
            self.worlds[key] = made = world.World(os.path.join(self.directory, '%s-%d' % (kind, thread)), **cases.WORLDS[kind])
            made.origin, made.origin_data, made.elsewhere = self.origin, origin.content(2 * glint.MIB + 5), self.elsewhere
        return self.worlds[key]

    def one(self, thread, run, seed):
        """Raises what is wrong; returns {point: passings}."""
        cls = cases.CASES[run.name]
        here = self.world_of(thread, cls.world)
        before = here.hits()
        case = cls(here, seed)
        case.begin()
        here.rest()
        begun = here.hits()
        self.disturb(here, case, run)
        passed = here.hits() - begun
        case.end()
        here.rest()
        case.clear()
        here.rest()
        live = here.sql('SELECT COUNT(*) FROM images WHERE NOT deleted')
        world.need(live == [(0,)] and not here.files(), 'not empty:', live, sorted(here.files())[:5])
        world.need(not here.deaths, 'a process', '; '.join(here.deaths))
        if self.verbose:
            print('  %s: %s' % (run, dict(here.hits() - before)), flush=True)
        return passed

    def disturb(self, here, case, run):
        """The case acts, and the shots of the run are fired; until all is at rest."""
        over, wrong, helpers = threading.Event(), [], []
        if run.moment is not None:
            helpers.append(threading.Timer(run.moment, here.shoot, (run.who,)))
        if any(what == 'stop' for _, _, what in run.shots):
            helpers.append(threading.Thread(target=self.overtake, args=(here, over, wrong)))
        here.arm(run.shots)
        for helper in helpers:
            helper.start()
        try:
            case.act()
            here.rest()
            fired = run.shots[:len(run.shots) - here.armed()]
        finally:
            here.arm([])
            over.set()
            for helper in helpers:
                helper.join()
            here.wake()
        world.need(not wrong, *wrong)
        here.rest()
        with self.lock:
            self.fired.update([what for _, _, what in fired] + (['shot'] if run.moment is not None else []))
            self.hurt_at.update(point for point, _, _ in fired)

    @staticmethod
    def overtake(here, over, wrong):
        """Whoever a point stops loses his work to another."""
        try:
            while not over.wait(0.02):
                if here.sleeper():
                    here.overtake(here.sleeper())
        except world.Wrong as e:
            wrong.append(e)

    def attempt(self, thread, run, seed):
        began = time.monotonic()
        try:
            passed = self.one(thread, run, seed)
        except Exception as e:
            why = str(e) if isinstance(e, world.Wrong) else traceback.format_exc()
            key = (thread, cases.CASES[run.name].world)
            with self.lock:
                self.failed += 1
                print('FAIL %s: %s' % (run, why), flush=True)
                self.drop(key)
            return None
        with self.lock:
            self.passed += 1
            if self.verbose:
                print('ok   %s  %.1f s' % (run, time.monotonic() - began), flush=True)
        return passed

    def drop(self, key):
        """A world in which something went wrong is kept for looking at, and not used again."""
        here = self.worlds.pop(key, None)
        if here:
            here.close()
            os.rename(here.directory, here.directory + '-failed-%d' % self.failed)
            print('     see %s' % (here.directory + '-failed-%d' % self.failed), flush=True)

    def all(self, runs, seed):
        """Each run on the next free thread; [(run, {point: passings})]."""
        todo, found = queue.Queue(), []
        for n, run in enumerate(runs):
            todo.put((n, run))

        def go(thread):
            while True:
                try:
                    n, run = todo.get_nowait()
                except queue.Empty:
                    return
                found.append((n, run, self.attempt(thread, run, seed + n)))
        threads = [threading.Thread(target=go, args=(t,)) for t in range(self.jobs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return [(run, passed) for _, run, passed in sorted(found, key=lambda item: item[0])]

    def close(self):
        self.elsewhere.stop()
        for key in list(self.worlds):
            wrong = self.worlds.pop(key).close()
            if wrong:
                self.failed += 1
                print('FAIL at the end: ' + wrong)


# Points that are passed only while something killed is cleaned up, and what makes that necessary; others are found out.
RECOVERIES = {'reap.taken': parse('upload@upload.begun:1:kill'), 'reap.removed': parse('upload@upload.stored:1:kill')}


# What once found a fault is done each time.
FOUND = ('web-download-broken@db.committed:5:stop', 'web-download-two@db.committed:5:stop,staging.unlinked:2:kill')


def passings(counter):
    """[(point, count)] to draw from: all passings of the seldom ones, some of the frequent ones."""
    found = []
    for point, n in sorted(counter.items()):
        found += [(point, k) for k in (range(1, n + 1) if n <= OFTEN else sorted({1, 2, n // 3, n // 2, n - 1, n}))]
    return found


def action(rng, name, point):
    """Who sleeps in a transaction, or beside other threads, may hold a lock that nobody can take over."""
    return rng.choice(KILLS if point in IN_TRANSACTION or cases.CASES[name].crowded else KILLS + ('stop',))


def draw(rng, traces, n):
    """n runs: first each point that a case passes, then whatever comes."""
    runs, points = [], {point for counter in traces.values() for point in counter}
    for point in sorted(points):
        owners = [name for name, counter in traces.items() if point in counter]
        name = rng.choice(owners)
        runs.append(Run(name, [(point, rng.choice([k for p, k in passings(traces[name]) if p == point]), action(rng, name, point))]))
    pool = [(name, shot) for name, counter in sorted(traces.items()) for shot in passings(counter)]
    names = sorted(traces)
    while len(runs) < n and pool:
        kind = rng.random()
        if kind < 0.2:
            runs.append(Run(rng.choice(names), moment=rng.random() ** 2 * 0.8, who=rng.choice(('server', 'worker', 'both'))))
            continue
        name, (point, count) = rng.choice(pool)
        shots = [(point, count, action(rng, name, point))]
        if kind > 0.6:      # once more, on the way back
            again = rng.choice([(p, k) for p, k in passings(traces[name]) if k <= 4] + [('db.committed', 1), ('db.committed', 2)])
            shots.append((*again, rng.choice(KILLS)))
        runs.append(Run(name, shots))
    return runs


def campaign(there, a, points):
    rng = random.Random(a.seed)
    names = [name for name in cases.CASES if a.only in name]
    for run, passed in there.all([Run(name) for name in names], a.seed):
        there.traces[run.name] = passed or collections.Counter()
    there.all([run for run in map(parse, FOUND) if run.name in names], a.seed + 500)
    known = {p for counter in there.traces.values() for p in counter}
    recoveries = {point: run for point, run in RECOVERIES.items() if run.name in names}
    for run, passed in there.all(draw(rng, there.traces, a.kills), a.seed + 1000):
        for point in set(passed or ()) - known if run.shots else ():
            recoveries.setdefault(point, run)
    # How often a point is passed may depend on how bytes arrive: a shot at a late passing need not have been fired.
    for point in sorted(known - set(recoveries)):
        recoveries[point] = Run(rng.choice([name for name in names if point in there.traces[name]]))
    there.all([Run(run.name, run.shots[:1] + [(point, 1, rng.choice(KILLS))]) for point, run in sorted(recoveries.items())
               if not there.hurt_at[point]], a.seed + 100000)
    for point in points if not a.only else ():
        if not there.hurt_at[point]:
            there.failed += 1
            print('FAIL nothing was killed at %s' % point)
    kills = there.fired.total() - there.fired['stop']
    print('%d points, %d kills (%d at points, %d of server and worker at once), %d overtaken in their sleep, %d cases, seed %d' % (
        len(points), kills, kills - there.fired['shot'], there.fired['group'], there.fired['stop'], len(names), a.seed))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--kills', type=int, default=int(os.environ.get('KILLS', '60')))
    ap.add_argument('--seed', type=int, default=int(os.environ.get('SEED', '0')) or random.randrange(1, 1 << 30))
    ap.add_argument('--jobs', type=int, default=int(os.environ.get('KILLS_JOBS', '2')))
    ap.add_argument('--case', action='append', default=[])
    ap.add_argument('--only', default='', help='cases with this in their names')
    ap.add_argument('--list', action='store_true', help='points and cases')
    ap.add_argument('--keep', action='store_true')
    ap.add_argument('-v', '--verbose', action='store_true')
    a = ap.parse_args()
    points = world.all_points(glint.GLINT)
    if a.list:
        print('\n'.join(points + [''] + list(cases.CASES)))
        return 0
    if not points:
        print('%s has no points: meson setup -Dpoints=true' % glint.GLINT)
        return 2
    directory = tempfile.mkdtemp(prefix='glint-kills-')
    there = Range(directory, min(a.jobs, len(a.case) or a.jobs), a.verbose)
    print('seed %d' % a.seed, flush=True)
    try:
        if a.case:
            there.all([parse(text) for text in a.case], a.seed)
        else:
            campaign(there, a, points)
    finally:
        there.close()
    if not a.keep and not there.failed:
        shutil.rmtree(directory, ignore_errors=True)
    print('%d passed, %d failed' % (there.passed, there.failed))
    return 1 if there.failed or not there.passed else 0


if __name__ == '__main__':
    sys.exit(main())
