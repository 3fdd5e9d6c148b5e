# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests: the built program (environment GLINT, else build/glint) as a server.

    server, trusted   one server per test file: without authentication, and with identities from headers
    glint_server      a factory for servers of one's own
    member, admin …   clients of `trusted`
    web               a web server with images of any kind (tests/origin.py), one per test file

With E2E_TRUSTED_URL and E2E_SERVER_URL set, `trusted` and `server` are those running servers instead, so that
the tests themselves can be held against the real Glance."""
import collections
import json
import os
import shutil
import sys
import tempfile

import pytest

from glint import TOP, WHO, External, Server

sys.path.insert(0, os.path.join(TOP, 'tests'))
import origin  # noqa: E402


OWN = pytest.StashKey()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """A directory of its own for each run. The one that runs share by default is closed to other users by every run that
    starts, also to the web servers of the runs beside it."""
    if not config.option.basetemp:
        config.stash[OWN] = config.option.basetemp = tempfile.mkdtemp(prefix='glint-e2e-')


def pytest_unconfigure(config):
    if OWN in config.stash and not FAILED:
        shutil.rmtree(config.stash[OWN], ignore_errors=True)


def finished(servers):
    wrong = [text for text in (s.finish() for s in servers) if text]
    assert not wrong, '\n'.join(wrong)


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    if os.environ.get('E2E_SERVER_URL'):
        yield External(os.environ['E2E_SERVER_URL'], False)
        return
    s = Server(tmp_path_factory.mktemp('server'))
    yield s
    finished([s])


@pytest.fixture(scope='module')
def trusted(tmp_path_factory):
    if os.environ.get('E2E_TRUSTED_URL'):
        yield External(os.environ['E2E_TRUSTED_URL'], True)
        return
    s = Server(tmp_path_factory.mktemp('trusted'), trusted=True)
    yield s
    finished([s])


@pytest.fixture
def glint_server(tmp_path_factory):
    """make(**kw) -> Server; all of them are stopped, and have to have stopped cleanly, after the test."""
    if os.environ.get('E2E_TRUSTED_URL'):
        pytest.skip('needs a server of its own')
    made = []

    def make(directory=None, **kw):
        s = Server(directory or tmp_path_factory.mktemp('own'), **kw)
        made.append(s)
        return s
    yield make
    finished(made)


@pytest.fixture(scope='module')
def web():
    server = origin.start()
    yield server
    server.shutdown()


def client_of(who):
    @pytest.fixture(name=who)
    def fixture(trusted):
        return trusted.client(who)
    return fixture


SECONDS = collections.Counter()
FAILED = []


def pytest_runtest_logreport(report):
    FAILED.extend([report.nodeid] if report.failed else [])
    SECONDS[os.path.basename(report.nodeid.split('::')[0])] += report.duration


def pytest_sessionfinish():
    """How long each file took, for tools/durations."""
    if os.environ.get('GLINT_DURATIONS'):
        with open(os.environ['GLINT_DURATIONS'], 'w') as f:
            json.dump(SECONDS, f)


for _who in WHO:
    globals()[_who] = client_of(_who)
