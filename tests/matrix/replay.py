#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""replay.py --front NAME,… [--files a,b] [--only GLOB]   the recorded answers of the real Glance, compared through web servers.

Without --files and --only all cases of the profile `trusted`. Ends with "N passed, N failed" over all fronts."""
import argparse
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import tempfile

os.chdir(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.getcwd())
import fronts  # noqa: E402
import matrix  # noqa: E402,F401  (it knows all fronts)

sys.path.insert(0, os.path.join(fronts.TOP, 'tests'))
import origin  # noqa: E402

ORACLE = os.path.join(fronts.TOP, 'tests', 'oracle', 'oracle.py')


def unexplained(cls, output):
    """The failed cases that are not the server's own doing."""
    names = re.findall(r'^(\S+?/.*?): (?:body|status|header:|broken)', output, re.M)
    ours = [name for name in names if not any(fnmatch.fnmatchcase(name, glob) for glob in cls.own)]
    if len(ours) < len(names):
        print('  %d are the server\'s own: %s' % (len(names) - len(ours), '; '.join('%s (%s)' % pair for pair in cls.own.items())))
    return ours


def replay(cls, directory, url_of_origin, more):
    """(passed, failed). At the root, for the recorded links know no prefix."""
    at_root = type(cls.__name__, (cls,), {'prefix': ''})
    with fronts.running(at_root, os.path.join(directory, cls.name)) as front:
        done = subprocess.run([sys.executable, ORACLE, 'replay', 'http://%s:%d' % (front.host, front.port), '--origin', url_of_origin,
                               '--brief', *(['--front'] if cls.bare_204 else []), *more], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    counts = re.findall(r'^(\d+) passed, (\d+) failed', done.stdout, re.M)
    print(re.sub('(?m)^', '  ', (done.stdout + done.stderr)[-20000:]), flush=True)
    if not counts:
        return 0, 1
    passed, failed = map(int, counts[-1])
    return passed, len(unexplained(cls, done.stdout)) if failed else 0


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--front', default='', help='without it: all that can be mounted at the root')
    ap.add_argument('--files')
    ap.add_argument('--only')
    a = ap.parse_args()
    more = [word for name in ('files', 'only') if getattr(a, name) for word in ('--' + name, getattr(a, name))]
    web, directory, total = origin.start(), tempfile.mkdtemp(prefix='glint-replay-'), [0, 0]
    os.chmod(directory, 0o755)
    for name in a.front.split(',') if a.front else [name for name, cls in fronts.FRONTS.items() if cls.at_root]:
        cls = fronts.FRONTS[name]
        print('%s …' % name, flush=True)
        passed, failed = (0, 1) if cls.missing() else replay(cls, directory, web.url, more)
        total = [total[0] + passed, total[1] + failed]
    shutil.rmtree(directory, ignore_errors=True)
    print('%d passed, %d failed' % tuple(total))
    return 1 if total[1] or not total[0] else 0


if __name__ == '__main__':
    sys.exit(main())
