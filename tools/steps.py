# SPDX-License-Identifier: Apache-2.0
"""The steps of tools/check: how each kind of step runs, and the table STEPS.

A step's function takes the Running step and returns (passed, failed, skipped). Its attribute `covers` is the set of what it
runs (test files, fronts, tools, targets …): tests/lint/test_check.py holds `make check-all` to covering everything there is,
and everything that `make check` covers."""
import collections
import glob
import json
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
E2E = os.path.join(TOP, 'tests', 'e2e')
LOGS = os.path.join(TOP, 'build-check')
DURATIONS = os.path.join(E2E, 'durations.json')
PYTHON = ['/usr/bin/python3', '-B']
PYTEST = PYTHON + ['-m', 'pytest', '-q']
NICE = ['nice', '-n', '10']     # of what only computes, so that tests beside it get the processor when they ask for it

ASAN = ('-Db_sanitize=address,undefined', '-Db_lundef=false')
TSAN = ('-Db_sanitize=thread', '-Db_lundef=false', '-Dhttpd=disabled', '-Duwsgi=disabled', '-Dwsgi=disabled')
ASAN_ENV = {'ASAN_OPTIONS': 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
            'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1', 'GLINT_SANITIZED': 'asan'}
TSAN_ENV = {'TSAN_OPTIONS': 'halt_on_error=0:exitcode=66:second_deadlock_stack=1:suppressions=' + os.path.join(TOP, 'tests', 'tsan.txt'),
            'GLINT_SANITIZED': 'tsan'}


class Failed(Exception):
    """A step that could not even count."""


def covering(*what):
    def mark(function):
        function.covers = frozenset(what)
        return function
    return mark


def kind_of(env):
    """Of a build, by the environment of its tests: plain, asan or tsan."""
    return (env or {}).get('GLINT_SANITIZED', 'plain')


def program(folder):
    return os.path.join(TOP, folder, 'src', 'main', 'glint')


def listed(folder, pattern):
    return sorted(name for name in os.listdir(os.path.join(TOP, folder)) if re.fullmatch(pattern, name))


def counted(output, what):
    """(passed, failed, 0) of the last line "N passed, N failed"."""
    counts = re.findall(r'^(\d+) passed, (\d+) failed', output, re.M)
    if not counts:
        raise Failed('%s did not end' % what)
    return int(counts[-1][0]), int(counts[-1][1]), 0


def added(results):
    return tuple(map(sum, zip(*results)))


# ---------------------------------------------------------------- building and reading the sources

def build(folder, *options, cc='gcc', targets=('all',)):
    """targets: of ninja; a function gives them once the folder is set up."""
    @covering()
    def run(step):
        there = os.path.exists(os.path.join(TOP, folder, 'build.ninja'))
        step.run(['meson', *(['configure', folder] if there else ['setup', '--werror', folder]), *options], env={'CC': cc}, check=True)
        step.run(NICE + ['ninja', '--quiet', '-k', '0', '-C', folder, *(targets() if callable(targets) else targets)], check=True)
        return 1, 0, 0
    return run


def unit_targets(folder, rooms):
    """The executables of the unit tests of some rooms, and the program."""
    def targets():
        with open(os.path.join(TOP, folder, 'meson-info', 'intro-tests.json')) as f:
            tests = json.load(f)
        found = {os.path.relpath(os.path.realpath(test['cmd'][0]), os.path.realpath(os.path.join(TOP, folder)))
                 for test in tests if room_of_test(test) in rooms}
        return ['src/main/glint', *sorted(found)]
    return targets


def room_of_test(test):
    """The outermost folder of tests/unit that holds a test of meson-info/intro-tests.json; '' elsewhere."""
    found = re.search(r'/tests/unit/(\w+)/', test['cmd'][0])
    return found.group(1) if found else ''


def lint(*tools):
    """tools: names, with arguments behind them."""
    @covering(*('lint:' + tool.split()[0] for tool in tools))
    def run(step):
        passed = failed = 0
        for tool in tools:
            name, *arguments = tool.split()
            status, _ = step.run(NICE + [os.path.join(TOP, 'tools', name), *arguments])
            passed, failed = passed + (status == 0), failed + (status != 0)
            if status:
                step.failures.append(name)
        return passed, failed, 0
    return run


# ---------------------------------------------------------------- unit tests and fuzz targets

def unit(folder, slow=1, env=None, rooms=None):
    """The unit tests of a build; rooms: of these alone."""
    @covering(*('%s:unit:%s' % (kind_of(env), room) for room in rooms or unit_rooms()))
    def run(step):
        names = []
        if rooms:
            with open(os.path.join(TOP, folder, 'meson-info', 'intro-tests.json')) as f:
                names = [test['name'] for test in json.load(f) if room_of_test(test) in rooms]
        step.run(['meson', 'test', '-C', folder, '--no-rebuild', '--print-errorlogs', '--timeout-multiplier', str(slow * 2), *names], env=env)
        passed = failed = 0
        with open(os.path.join(TOP, folder, 'meson-logs', 'testlog.json')) as f:
            for line in f:
                test = json.loads(line)
                text = test.get('stdout', '') + test.get('stderr', '')
                good = sum(int(n) for n in re.findall(r'\[  PASSED  \] (\d+) test', text))
                bad = sum(int(n) for n in re.findall(r'\[  FAILED  \] (\d+) test', text))
                if test['result'] not in ('OK', 'EXPECTEDFAIL'):
                    bad = max(bad, 1)
                elif good + bad == 0:
                    good = 1
                if bad:
                    step.failures.append(test['name'])
                passed, failed = passed + good, failed + bad
        if passed + failed == 0:
            raise Failed('no unit test ran')
        return passed, failed, 0
    return run


def unit_rooms():
    return listed('tests/unit', r'\w+')


def fuzz_names():
    with open(os.path.join(TOP, 'tests', 'fuzz', 'meson.build')) as f:
        return re.findall(r"^  \['(\w+)'", f.read(), re.M)


def fuzz(folder, seconds):
    """Every target over its seeds and, for so many seconds each, over what libFuzzer makes of them (0: the seeds alone)."""
    @covering(*('fuzz:' + name for name in fuzz_names()))
    def run(step):
        commands = []
        for name in fuzz_names():
            fresh = os.path.join(LOGS, 'corpus', 'fuzz-' + name)
            os.makedirs(fresh, exist_ok=True)
            seeds = os.path.join(TOP, 'tests', 'fuzz', 'corpus', name)
            commands.append(NICE + [os.path.join(TOP, folder, 'tests', 'fuzz', 'fuzz-' + name),
                                    '-max_total_time=%s' % seconds if seconds else '-runs=0', '-timeout=60', '-rss_limit_mb=2048',
                                    '-print_final_stats=1', '-artifact_prefix=' + fresh + '-crash-'] +
                            ([fresh] if seconds else []) + ([seeds] if os.path.isdir(seeds) else []))
        results = step.run_all(commands, 2, env=ASAN_ENV)
        step.failures += ['fuzz-' + name for name, (status, _) in zip(fuzz_names(), results) if status]
        bad = sum(status != 0 for status, _ in results)
        return len(results) - bad, bad, 0
    return run


@covering('qemu')
def inspect_qemu(step):
    """Our inspector beside the real qemu-img: what was found once, and FUZZ_SECONDS of something new."""
    status, output = step.run([os.path.join(TOP, 'build-gcc', 'tests', 'qemu', 'qemu-inspect'), '--seconds', os.environ.get('FUZZ_SECONDS', '5'),
                               '--seed', os.environ.get('FUZZ_SEED', '0'), '--save', LOGS] +
                              sorted(glob.glob(os.path.join(TOP, 'tests', 'fuzz', 'corpus', 'inspect', '*'))))
    return (0, 0, 1) if status == 77 else counted(output, 'the comparison')


# ---------------------------------------------------------------- the whole program

def pytest_counts(status, output):
    counts = {word: int(n) for n, word in re.findall(r'(\d+) (passed|failed|errors?|skipped)', output.rsplit('\n', 3)[-2] if output else '')}
    failed = counts.get('failed', 0) + counts.get('error', 0) + counts.get('errors', 0)
    if status not in (0, 1):
        raise Failed('pytest ended with %d' % status)
    return counts.get('passed', 0), failed, counts.get('skipped', 0)


# Files that use one and the same thing, so that they may not run at once.
TOGETHER = {'test_swap.py', 'test_remote_glance.py', 'test_hosts.py'}


def queue(files, seconds):
    """[[file, …], …]: what one process runs, the longest first, so that those who take from it end at about the same time.
    seconds: {file: measured seconds}; a file that was never measured counts as the mean of the others."""
    mean = sum(seconds.values()) / len(seconds) if seconds else 1
    units = [[name] for name in files if name not in TOGETHER] + [[name for name in files if name in TOGETHER]]
    return sorted((unit for unit in units if unit), key=lambda unit: -sum(seconds.get(name, mean) for name in unit))


def measured(kind):
    """{file: seconds} of the last measurement, by tools/durations. kind: plain, asan or tsan."""
    with open(DURATIONS) as f:
        return json.load(f).get(kind, {})


def e2e_files():
    return listed('tests/e2e', r'test_\w+\.py')


def e2e(folder, files, slow=2, env=None, at_once=3):
    """End-to-end test files, a process for each, three at a time: most of what they do is wait."""
    @covering(*('%s:e2e:%s' % (kind_of(env), name) for name in files))
    def run(step):
        kind = kind_of(env)
        units = queue(files, measured(kind))
        notes = [os.path.join(LOGS, 'durations.%s.%s.json' % (kind, unit[0][:-3])) for unit in units]
        results = step.run_all([PYTEST + unit for unit in units], at_once, E2E,
                               {'GLINT': program(folder), 'GLINT_SLOW': str(slow), **(env or {})},
                               [{'GLINT_DURATIONS': path} for path in notes])
        counts = [pytest_counts(*result) for result in results]
        return added(counts)
    return run


def profiles():
    return ['trusted', 'noauth', *sorted(os.listdir(os.path.join(TOP, 'tests', 'oracle', 'profiles')))]


@covering(*('oracle:' + name for name in profiles()))
def oracle(step):
    results = step.run_all([PYTHON + ['tests/e2e/serve.py', profile, 'tests/oracle/oracle.py', 'replay', '{url}', '--profile', profile,
                                      '--origin', '{origin}', '--database', '{database}', '--brief'] for profile in profiles()],
                           3, env={'GLINT': program('build-gcc'), 'GLINT_SLOW': '2'})
    counts = []
    for profile, (status, output) in zip(profiles(), results):
        passed, failed, _ = counted(output, 'the replay of ' + profile)
        counts.append((passed, failed or int(status != 0), 0))
        step.failures += ['profile ' + profile] if counts[-1][1] else []
    return added(counts)


def matrix(folder, chosen=(), slow=2, env=None, big=256):
    """big: MiB of the large transfer. Without chosen: all fronts."""
    @covering(*('%s:front:%s' % (kind_of(env), name) for name in chosen or ['ALL']))
    def run(step):
        _, output = step.run(PYTHON + ['tests/matrix/matrix.py'] + (['--front', ','.join(chosen)] if chosen else []),
                             env={'GLINT': program(folder), 'GLINT_SLOW': str(slow), 'MATRIX_BIG_MIB': str(big), **(env or {})})
        return counted(output, 'the matrix')
    return run


def recorded_through_fronts(files):
    @covering(*('recorded:%s' % name for name in files.split(',')))
    def run(step):
        _, output = step.run(PYTHON + ['tests/matrix/replay.py', '--files', files],
                             env={'GLINT': program('build-gcc'), 'GLINT_SLOW': '2'})
        return counted(output, 'the replay')
    return run


@covering('kills')
def kills(step):
    _, output = step.run(PYTHON + ['tests/kills/kills.py', '--kills', os.environ.get('KILLS', '100')],
                         env={'GLINT': program('build-gcc'), 'GLINT_SLOW': '2'})
    return counted(output, 'the kills')


@covering('db-failures')
def db_failures(step):
    _, output = step.run(PYTHON + ['tests/fault/again.py'], env={'GLINT': program('build-gcc'), 'GLINT_SLOW': '2'})
    return counted(output, 'the database failures')


@covering('deploy-table')
def deploy_table(step):
    """Every misconfiguration of every server, and slow clients of web servers."""
    return pytest_counts(*step.run(PYTEST + ['test_deploy_table.py', 'test_shares.py'], cwd=E2E, env={'GLINT': program('build-plain'), 'GLINT_LONG': '1'}))


@covering('pages')
def pages(step):
    status, _ = step.run(PYTHON + ['tests/pages/pages.py'])
    return (0, 1, 0) if status else (1, 0, 0)


@covering('tests/lint')
def lint_self(step):
    return pytest_counts(*step.run(PYTEST, cwd=os.path.join(TOP, 'tests', 'lint')))


# ---------------------------------------------------------------- what there is

# A step: its lane ('busy' computes, 'e2e' and 'fronts' mostly wait; one step of a lane runs at a time, in the order of the
# table), the steps that it needs, whether it is in `make check`, in `make check-all`, and its function.
Row = collections.namedtuple('Row', 'name lane needs in_check in_all run')
CHECK, BOTH, ALL = (True, False), (True, True), (False, True)


def row(name, lane, needs, where, run):
    return Row(name, lane, needs, *where, run)


LINTS = ['check-layers', 'check-banned', 'check-length', 'check-routes', 'check-text', 'check-format']

# Rooms with threads or locks of their own.
THREADED = ['api', 'auth', 'base', 'db', 'fetch', 'front', 'host', 'model', 'imports', 'jobs', 'store', 'stream', 'transfer', 'upkeep']

# The programs that load us are in matrix-asan; the rest only waits for clocks, networks and the real Glance.
NEVER_ASAN = {'test_%s.py' % name for name in (
    'httpd', 'httpd_body', 'webservers', 'wsgi', 'uwsgi_plugin', 'swap', 'remote_glance', 'hosts', 'clients', 'worker', 'deploy_table',
    'identity_fronts')}
E2E_ASAN = [name for name in e2e_files() if name not in NEVER_ASAN]


def asserts_less_under_sanitizers(name):
    with open(os.path.join(E2E, name)) as f:
        return re.search(r'\bSANITIZED\b', f.read())


# In `make check` a file runs once, under ASan, unless that would leave out some of what it asserts.
E2E_PLAIN = [name for name in e2e_files() if name in NEVER_ASAN or asserts_less_under_sanitizers(name)]

E2E_TSAN = ['test_%s.py' % name for name in ('data', 'upload_broken', 'images', 'crowd', 'http1', 'observability', 'races', 'uwsgi', 'import',
                                             'shares', 'exhaustion')]
E2E_TSAN_SAMPLE = ['test_%s.py' % name for name in ('data', 'upload_broken', 'http1', 'import', 'exhaustion', 'races')]

# Of each kind of front one or two, plain or under ASan; check-all has them all, plain.
FRONTS_ASAN = ['mod-glint-event', 'mod-glint-body', 'nginx-uwsgi', 'uwsgi-http11-socket', 'uwsgi-http', 'uwsgi-nginx', 'mod-wsgi-daemon',
               'mod-wsgi-embedded', 'gunicorn']
FRONTS_ASAN_SAMPLE = ['mod-glint-event', 'mod-glint-body', 'nginx-uwsgi', 'uwsgi-http11-socket', 'mod-wsgi-daemon', 'gunicorn']
FRONTS_SAMPLE = ['direct', 'mod-glint-prefork', 'nginx-http', 'apache-http', 'apache-uwsgi', 'uwsgi-http', 'uwsgi-nginx',
                 'uwsgi-python-http11-socket', 'mod-wsgi-embedded', 'waitress', 'direct-tls', 'nginx-uwsgi-tls', 'mod-glint-event-h2',
                 'mod-glint-body-h2']

FUZZ_SECONDS = os.environ.get('FUZZ_SECONDS', '60')

STEPS = [
    row('build',         'busy',   [],               BOTH,  build('build-gcc', '-Dpoints=true')),
    row('lint-self',     'e2e',    [],               BOTH,  lint_self),
    row('build-clang',   'busy',   [],               BOTH,  build('build-asan', '-Dfuzz=true', *ASAN, cc='clang')),
    row('kills',         'fronts', ['build'],        BOTH,  kills),
    row('db-failures',   'fronts', ['build'],        ALL,   db_failures),
    row('e2e',           'e2e',    ['build'],        CHECK, e2e('build-gcc', E2E_PLAIN)),
    row('matrix',        'fronts', ['build'],        CHECK, matrix('build-gcc', FRONTS_SAMPLE)),
    row('build-tsan',    'busy',   [],               CHECK, build('build-tsan', *TSAN, cc='clang', targets=unit_targets('build-tsan', THREADED))),
    row('build-tsan-all', 'busy',  [],               ALL,   build('build-tsan', *TSAN, cc='clang')),
    row('build-plain',   'busy',   [],               ALL,   build('build-plain')),
    row('build-fuzz',    'busy',   [],               ALL,   build('build-fuzz', '-Dfuzz=true', '-Dc_args=-fsanitize=fuzzer-no-link', *ASAN,
                                                                  cc='clang', targets=('fuzz-targets',))),
    row('lint',          'busy',   [],               CHECK, lint(*LINTS, 'check-tidy --recent', 'check-cppcheck')),
    row('lint-all',      'busy',   [],               ALL,   lint(*LINTS, 'check-tidy', 'check-cppcheck')),
    row('unit',          'busy',   ['build'],        BOTH,  unit('build-gcc', 2)),
    row('unit-asan',     'busy',   ['build-clang'],  BOTH,  unit('build-asan', 4, ASAN_ENV)),
    row('oracle',        'busy',   ['build'],        BOTH,  oracle),
    row('unit-tsan',     'busy',   ['build-tsan'],   CHECK, unit('build-tsan', 8, TSAN_ENV, THREADED)),
    row('unit-tsan-all', 'busy',   ['build-tsan-all'], ALL, unit('build-tsan', 8, TSAN_ENV)),
    row('corpus',        'busy',   ['build-clang'],  BOTH,  fuzz('build-asan', 0)),
    row('inspect-qemu',  'busy',   ['build'],        BOTH,  inspect_qemu),
    row('e2e-all',       'e2e',    ['build-plain'],  ALL,   e2e('build-plain', e2e_files())),
    row('e2e-asan',      'e2e',    ['build-clang'],  BOTH,  e2e('build-asan', E2E_ASAN, 4, {**ASAN_ENV, 'GLINT_KILLS': '10'})),
    row('e2e-tsan',      'busy',   ['build-tsan'],   CHECK, e2e('build-tsan', E2E_TSAN_SAMPLE, 8, TSAN_ENV, 2)),
    row('e2e-tsan-all',  'busy',   ['build-tsan-all'], ALL, e2e('build-tsan', E2E_TSAN, 8, TSAN_ENV, 2)),
    row('matrix-asan',   'fronts', ['build-clang'],  CHECK, matrix('build-asan', FRONTS_ASAN_SAMPLE, 4, ASAN_ENV, 64)),
    row('matrix-asan-all', 'fronts', ['build-clang'], ALL,  matrix('build-asan', FRONTS_ASAN, 4, ASAN_ENV, 64)),
    row('fronts-oracle', 'fronts', ['build'],        BOTH,  recorded_through_fronts('create,show')),
    row('matrix-all',    'fronts', ['build-plain'],  ALL,   matrix('build-plain', big=1024)),
    row('fuzz',          'busy',   ['build-fuzz'],   ALL,   fuzz('build-fuzz', FUZZ_SECONDS)),
    row('deploy-table',  'e2e',    ['build-plain'],  ALL,   deploy_table),
    row('pages',         'fronts', [],               ALL,   pages),
]
