# SPDX-License-Identifier: Apache-2.0
"""make check and make check-all: nothing is left out, and what failed is named at the end of the output."""
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(TOP, 'tools')
sys.path.insert(0, TOOLS)
import steps  # noqa: E402


loader = importlib.machinery.SourceFileLoader('check', os.path.join(TOOLS, 'check'))
check = importlib.util.module_from_spec(importlib.util.spec_from_loader('check', loader))
loader.exec_module(check)


def all_fronts():
    done = subprocess.run([sys.executable, '-B', os.path.join(TOP, 'tests', 'matrix', 'matrix.py'), '--list'], capture_output=True, text=True)
    names = done.stdout.split('\n\n')[0].split()
    assert 'direct' in names and 'direct-tls' in names, done
    return names


def covered(rows):
    found = set().union(*(row.run.covers for row in rows))
    return found | ({'plain:front:' + name for name in all_fronts()} if 'plain:front:ALL' in found else set())


IN_CHECK = [row for row in steps.STEPS if row.in_check]
IN_ALL = [row for row in steps.STEPS if row.in_all]

# What each folder of tests/ is run by: a prefix of what steps cover.
FOLDERS = {'e2e': 'plain:e2e:', 'fault': 'plain:unit:imports', 'fuzz': 'fuzz:', 'kills': 'kills', 'lint': 'tests/lint', 'matrix': 'plain:front:',
           'oracle': 'oracle:', 'pages': 'pages', 'qemu': 'qemu', 'unit': 'plain:unit:'}


def test_check_all_covers_what_check_covers():
    assert covered(IN_CHECK) - covered(IN_ALL) == set()


def test_check_all_covers_everything():
    everything = {'plain:e2e:' + name for name in os.listdir(steps.E2E) if name.startswith('test_') and name.endswith('.py')}
    everything |= {'plain:front:' + name for name in all_fronts()}
    everything |= {'%s:unit:%s' % (kind, name) for name in os.listdir(os.path.join(TOP, 'tests', 'unit')) for kind in ('plain', 'asan', 'tsan')}
    everything |= {'lint:' + name for name in os.listdir(TOOLS) if name.startswith('check-')}
    everything |= {'oracle:' + name for name in os.listdir(os.path.join(TOP, 'tests', 'oracle', 'profiles'))}
    everything |= {'fuzz:' + name[:-2] for name in os.listdir(os.path.join(TOP, 'tests', 'fuzz')) if name.endswith('.c')}
    assert everything - covered(IN_ALL) == set()


def test_every_folder_of_tests_is_run():
    folders = {name for name in os.listdir(os.path.join(TOP, 'tests')) if os.path.isdir(os.path.join(TOP, 'tests', name))} - {'__pycache__'}
    assert folders == set(FOLDERS)
    found = covered(IN_ALL)
    for folder, prefix in FOLDERS.items():
        assert any(what.startswith(prefix) for what in found), folder


def test_every_end_to_end_file_is_in_check():
    """Plain where a sanitizer would leave out some of what it asserts, else once, under ASan."""
    found = covered(IN_CHECK)
    for name in steps.e2e_files():
        with open(os.path.join(steps.E2E, name)) as f:
            weaker = 'SANITIZED' in f.read()
        assert 'plain:e2e:' + name in found if weaker else {'plain:e2e:' + name, 'asan:e2e:' + name} & found, name


KINDS = [('direct',), ('mod-glint-event', 'mod-glint-worker', 'mod-glint-prefork'), ('mod-glint-body',), ('nginx-http',),
         ('nginx-uwsgi', 'nginx-uwsgi-unix'), ('apache-http',), ('apache-uwsgi',), ('uwsgi-http11-socket', 'uwsgi-http-socket', 'uwsgi-http'),
         ('uwsgi-nginx',), ('uwsgi-python-http11-socket', 'uwsgi-python-http'), ('mod-wsgi-daemon',), ('mod-wsgi-embedded',), ('gunicorn',),
         ('waitress',)]


def test_every_kind_of_front_is_in_check():
    found = {what.split(':')[2] for what in covered(IN_CHECK) if ':front:' in what}
    assert all(set(names) & found for names in KINDS)
    assert any(name.endswith('-tls') for name in found) and any(name.endswith('-h2') for name in found)
    known = set(sum(KINDS, ()))
    assert {name for name in all_fronts() if not re.search('-(tls|h2)', name)} <= known, 'a kind for the new front'


def test_what_steps_need_comes_before_them():
    names = [row.name for row in steps.STEPS]
    assert len(set(names)) == len(names)
    for rows in (IN_CHECK, IN_ALL):
        for row in rows:
            assert set(row.needs) <= {other.name for other in rows}, row.name
    for row in steps.STEPS:
        assert all(names.index(need) < names.index(row.name) for need in row.needs), row.name


def test_the_longest_files_come_first():
    assert steps.queue(['a', 'b', 'c', 'd'], {'a': 10, 'b': 40, 'd': 90}) == [['d'], ['c'], ['b'], ['a']], 'c counts as the mean'
    assert sorted(steps.queue(['a', 'b'], {})) == [['a'], ['b']]


def test_what_shares_something_never_runs_at_once():
    units = steps.queue(['a', *sorted(steps.TOGETHER)], {'a': 10, 'test_hosts.py': 1})
    assert sorted(map(len, units)) == [1, len(steps.TOGETHER)] and units[0] != ['a'], 'their seconds are added'


def test_measured_files_exist():
    for kind in ('plain', 'asan', 'tsan'):
        assert set(steps.measured(kind)) <= set(steps.e2e_files())


# ---------------------------------------------------------------- the runner

@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(check, 'LOGS', str(tmp_path))

    def run(*rows):
        made = check.Check([steps.row(name, lane, needs, steps.BOTH, function) for name, lane, needs, function in rows])
        made.run()
        return made, capsys.readouterr().out
    return run


def shell(script, counts=(1, 0, 0)):
    def function(step):
        status, _ = step.run(['sh', '-c', script])
        return counts if status == 0 else (0, 1, 0)
    return function


def test_a_failure_is_named(run):
    made, output = run(('good', 'busy', [], shell('true')), ('bad', 'busy', [], shell('echo FAILED test_x.py::y; false')),
                       ('after', 'busy', ['bad'], shell('true')), ('last', 'busy', [], shell('true')))
    assert made.total == [2, 2, 0]
    assert made.failures == ['bad: FAILED test_x.py::y', 'after: needs bad']
    assert '| FAILED test_x.py::y' in output


def test_a_step_that_breaks_is_a_failure(run):
    def broken(step):
        raise steps.Failed('it did not end')
    made, output = run(('bad', 'busy', [], broken))
    assert made.total == [0, 1, 0] and made.failures == ['bad: it did not end'] and 'FAILED: it did not end' in output


def test_lanes_run_beside_each_other_and_each_in_order(run, tmp_path):
    order = []

    def noted(name, until=None):
        def function(step):
            order.append('+' + name)
            end = time.monotonic() + 60
            while until and '+' + until not in order and time.monotonic() < end:
                time.sleep(0.01)
            order.append('-' + name)
            return 1, 0, 0
        return function
    made, _ = run(('a', 'busy', [], noted('a', until='c')), ('b', 'busy', [], noted('b')), ('c', 'e2e', [], noted('c')))
    assert made.total == [3, 0, 0]
    assert order.index('+c') < order.index('-a') < order.index('+b'), 'c ran while a did, b after it'


def test_processor_time_of_grandchildren_counts(run):
    made, output = run(('work', 'busy', [], shell('sh -c "i=0; while [ \\$i -lt 200000 ]; do i=\\$((i+1)); done"; true')))
    assert made.cpu > 0.02 and ' s CPU' in output


def test_many_commands_of_a_step(run):
    def function(step):
        results = step.run_all([['sh', '-c', 'echo %d $X; exit %d' % (n, n)] for n in range(3)], 2, own=[{'X': str(n)} for n in range(3)])
        step.log.flush()
        with open(step.path) as f:
            assert [line for line in f.read().splitlines() if line[0] != '$'] == ['0 0', '1 1', '2 2']
        assert results == [(n, '$ sh -c echo %d $X; exit %d\n%d %d\n' % (n, n, n, n)) for n in range(3)], results
        return 1, 0, 0
    made, _ = run(('many', 'busy', [], function))
    assert made.total == [1, 0, 0], made.failures


def test_unknown_steps_are_refused():
    done = subprocess.run([os.path.join(TOOLS, 'check'), 'nonsense'], capture_output=True, text=True)
    assert done.returncode != 0 and 'e2e-asan' in done.stderr
