#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""matrix.py [--front NAME,…] [--check WORDS] [--full] [--list] [--keep]   every check through every front, on the real servers.

Fronts by TLS and by HTTP/2 (NAME-tls, NAME-h2) get the checks for which the transport matters; all of them with --full or --check.
Prints a table front x check and ends with "N passed, N failed". A front whose server is not installed or not built is a
failure too, unless --skip-missing. MATRIX_BIG_MIB sets the size of the large transfer."""
import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback

os.chdir(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.getcwd())
import checks  # noqa: E402
import checks_downloads  # noqa: E402,F401
import checks_hostile  # noqa: E402,F401
import checks_imports  # noqa: E402,F401
import checks_life  # noqa: E402,F401
import checks_transport  # noqa: E402,F401
import fronts  # noqa: E402
import fronts_httpd  # noqa: E402,F401
import fronts_proxy  # noqa: E402,F401
import fronts_secure  # noqa: E402
import fronts_uwsgi  # noqa: E402,F401
import fronts_wsgi  # noqa: E402,F401
import wire  # noqa: E402

ALL = {**fronts.FRONTS, **fronts_secure.SECURE}
REPORTS = fronts.glint.REPORTS


def checks_of(cls, chosen, full):
    """Those of the checks that this front gets."""
    if issubclass(cls, fronts_secure.Secure) and not full:
        chosen = [c for c in chosen if c.title in fronts_secure.TRANSPORT]
    return [c for c in chosen if c.title not in (fronts_secure.NOT_HTTP2 if cls.http2 else fronts_secure.ONLY_HTTP2)]


def run_check(check, front):
    """('ok' | 'FAIL' | 'n/a', why)"""
    if check.title in front.cannot:
        return 'n/a', front.cannot[check.title]
    try:
        check(front)
        return 'ok', ''
    except (AssertionError, wire.Broken, OSError, ValueError, KeyError) as e:
        return 'FAIL', '%s: %s' % (type(e).__name__, e) if not isinstance(e, AssertionError) else str(e)


def run_front(cls, chosen, directory, verbose):
    """{check's title: (verdict, why)}; all fail when the front does not come up."""
    front, results = cls(os.path.join(directory, cls.name)), {}
    try:
        front.start()
        front.wait_ready()
        for check in chosen:
            began = time.monotonic()
            results[check.title] = verdict, why = run_check(check, front)
            if verbose or verdict == 'FAIL':
                print('  %-4s %-42s %6.2f s%s' % (verdict, check.title, time.monotonic() - began, ': ' + why[:600] if why else ''),
                      flush=True)
    except Exception:
        why = traceback.format_exc()
        print(why, flush=True)
        results.update({check.title: ('FAIL', why) for check in chosen if check.title not in results})
    finally:
        front.stop()
    said = front.logs()
    if any(report in said for report in REPORTS):
        print(said[-6000:])
        results['no report of a sanitizer'] = ('FAIL', 'see above')
    return results


def print_table(table, chosen):
    titles = [check.title for check in chosen]
    width = max(map(len, titles))
    names = list(table)
    for i, name in enumerate(names):
        print('%s %s' % (' ' * width, '  |' * i + '  ' + name))
    for title in titles:
        cells = [table[name].get(title, ('not asked', ''))[0] for name in names]
        print('%-*s %s' % (width, title, ''.join('%3s' % {'ok': 'ok', 'n/a': '-', 'FAIL': 'XX', 'not asked': ''}[cell] for cell in cells)))
    for name in names:
        for title, (verdict, why) in table[name].items():
            if verdict == 'n/a':
                print('-  %s, %s: %s' % (name, title, why))
    for name in names:
        for title, (verdict, why) in table[name].items():
            if verdict == 'FAIL':
                print('FAIL %s, %s: %s' % (name, title, ' '.join(why.split())[-500:]))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--front', default=os.environ.get('FRONT', ''))
    ap.add_argument('--check', default='')
    ap.add_argument('--full', action='store_true', help='every check by TLS and HTTP/2, too')
    ap.add_argument('--list', action='store_true')
    ap.add_argument('--keep', action='store_true', help='leave the directories of the servers')
    ap.add_argument('--skip-missing', action='store_true')
    ap.add_argument('-v', '--verbose', action='store_true')
    a = ap.parse_args()
    chosen = [c for c in checks.CHECKS if a.check.replace('_', ' ') in c.title]
    names = [n for n in a.front.split(',') if n] or list(ALL)
    if a.list:
        print('\n'.join(list(ALL) + [''] + [c.title for c in checks.CHECKS]))
        return 0
    fronts.Front.debian_modules = True
    unknown = [n for n in names if n not in ALL]
    if unknown or not chosen:
        print('no such front or check: %s' % (', '.join(unknown) or a.check))
        return 2
    directory, table = tempfile.mkdtemp(prefix='glint-matrix-'), {}
    os.chmod(directory, 0o755)
    for name in names:
        missing, mine = ALL[name].missing(), checks_of(ALL[name], chosen, a.full or a.check)
        began = time.monotonic()
        print('%s …' % name, flush=True)
        if missing and a.skip_missing:
            print('  left out: ' + missing)
            continue
        if missing:
            table[name] = {c.title: ('FAIL', missing) for c in mine}
        else:
            table[name] = run_front(ALL[name], mine, directory, a.verbose)
        print('%s: %.0f s' % (name, time.monotonic() - began), flush=True)
    print_table(table, chosen)
    verdicts = [verdict for results in table.values() for verdict, _ in results.values()]
    if not a.keep:
        shutil.rmtree(directory, ignore_errors=True)
    failed = verdicts.count('FAIL')
    print('%d passed, %d failed' % (verdicts.count('ok'), failed))
    return 1 if failed or not verdicts.count('ok') else 0


if __name__ == '__main__':
    sys.exit(main())
