# SPDX-License-Identifier: Apache-2.0
"""make quick runs what a change concerns."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, 'tools'))
loader = importlib.machinery.SourceFileLoader('quick', os.path.join(TOP, 'tools', 'quick'))
quick = importlib.util.module_from_spec(importlib.util.spec_from_loader('quick', loader))
loader.exec_module(quick)

GRAPH = {'src/store/store.h': {'src/jobs/jobs.h', 'src/store/a.c'}, 'src/jobs/jobs.h': {'src/api/x.c', 'tests/unit/host/host.c'},
         'src/store/own.h': {'src/store/a.c'}, 'tests/unit/front/fixture.h': {'tests/unit/front/a.c'}}


@pytest.mark.parametrize('path,rooms', [
    ('src/store/a.c', {'store'}),
    ('src/store/sub/a.c', {'store'}),
    ('src/store/own.h', {'store'}),
    ('src/jobs/jobs.h', {'jobs', 'api', 'host'}),
    ('src/store/store.h', {'store', 'jobs', 'api', 'host'}),
    ('tests/unit/front/fixture.h', {'front'}),
    ('tests/unit/db/sqlite.c', {'db'}),
    ('README.md', set()),
    ('tests/e2e/test_images.py', set()),
    ('src/meson.build', set()),
])
def test_rooms_of_a_change(path, rooms):
    assert set(quick.rooms_of([path], GRAPH)) == rooms


def test_includes_of_this_tree():
    graph = quick.include_graph(TOP)
    assert {'src/http', 'src/front/http1'} <= {os.path.dirname(path) for path in graph['src/http/http.h']}
    assert any(path.startswith('tests/unit/') for path in graph['tests/test.h'])


@pytest.fixture
def repository(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(['git', '-c', 'user.name=n', '-c', 'user.email=e@example.org', '-C', tmp_path, *words], check=True, capture_output=True)
    git('init', '-q', '-b', 'main')
    for name in ('kept', 'edited', 'removed'):
        (tmp_path / name).write_text(name)
    git('add', '.')
    git('commit', '-qm', 'first')
    git('checkout', '-qb', 'work')
    (tmp_path / 'added').write_text('x')
    git('add', '.')
    git('commit', '-qm', 'second')
    (tmp_path / 'edited').write_text('y')
    (tmp_path / 'removed').unlink()
    (tmp_path / 'untracked').write_text('z')
    monkeypatch.setattr(quick, 'TOP', str(tmp_path))
    return git


def test_changed_files(repository):
    assert quick.changed_files() == ('main', ['added', 'edited', 'removed', 'untracked'])
    assert quick.changed_files('HEAD') == ('HEAD', ['edited', 'removed', 'untracked'])


def test_without_a_main(repository):
    repository('branch', '-D', 'main')
    assert quick.changed_files() == ('HEAD', ['edited', 'removed', 'untracked'])


def test_nothing_to_compare_with(repository):
    with pytest.raises(SystemExit):
        quick.changed_files('no-such')
