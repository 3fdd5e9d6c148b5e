# SPDX-License-Identifier: Apache-2.0
"""A worker runs wherever the service is hosted: a service inside a web server starts one where none runs on its
machine, and where nobody may start one, everything that an operator looks at says so."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

import glint
import httpd
from glint import SLOW, eventually

sys.path.insert(0, os.path.join(glint.TOP, 'tests', 'matrix'))
import fronts_httpd  # noqa: E402
import fronts_uwsgi  # noqa: E402
import fronts_wsgi  # noqa: E402
import hosted  # noqa: E402

DATA = b'a small image' * 100
SECONDS = 25


class NoWorker(hosted.Background):
    """A configuration and a database, and no process."""

    def start(self, wait=True):
        open(self.errors, 'a').close()
        if self.user:
            httpd.give(self.directory)


class Alone:
    """Mixed into a front: nobody but the service itself starts a worker."""
    options = {}

    def start(self):
        hosted.Background, kept = NoWorker, hosted.Background
        try:
            super().start()
        finally:
            hosted.Background = kept

    def stop(self):
        if hasattr(self, 'process'):
            self.end()


class ModGlint(fronts_httpd.Event):
    """mod_glint without GlintWorker."""

    def start(self):
        self.background = httpd.Data(self.directory, trusted=True, config=self.config)
        self.server = httpd.Httpd(self.directory + '/httpd', fronts_httpd.MOUNTED.replace('GlintWorker On', 'GlintWorker Off') % (
            httpd.MODULE, httpd.program(), self.prefix, self.background.conf), mpm=self.mpm)
        self.port = self.server.port
        self.server.start()


FRONTS = {'gunicorn': fronts_wsgi.Gunicorn, 'waitress': fronts_wsgi.Waitress, 'mod-wsgi': fronts_wsgi.Daemon,
          'uwsgi': fronts_uwsgi.Http11Socket, 'uwsgi-python': fronts_wsgi.PythonHttp11Socket, 'mod-glint': ModGlint}


@pytest.fixture
def start(tmp_path_factory):
    """make(name, **glint options) -> a front that answers; at its end every process is gone."""
    made = []

    def make(name, **options):
        cls = FRONTS[name]
        if cls.missing():
            pytest.skip(cls.missing())
        directory = str(tmp_path_factory.mktemp('host'))
        parent = os.path.dirname(directory)
        while parent.startswith('/tmp/'):       # for a server that runs as another user
            os.chmod(parent, 0o755)
            parent = os.path.dirname(parent)
        os.chmod(directory, 0o755)
        config = {'glint': {'worker_program': httpd.program(), **options}}
        bases = (cls,) if cls is ModGlint else (Alone, cls)
        front = type(cls.__name__, bases, {'config': config})(directory)
        made.append(front)
        front.start()
        front.wait_ready()
        return front
    yield make
    for front in made:
        front.stop()
        assert eventually(lambda: not at_work(front), SECONDS), front.logs()[-4000:]
        assert not any(word in front.logs() for word in glint.REPORTS), front.logs()[-5000:]


def rows(front):
    return front.background.sql('select holder, detached from glint_workers')


def pid_of(holder):
    return int(holder.split(':')[3])


def at_work(front):
    """Processes of workers that have a row and live."""
    return [pid_of(holder) for holder, _ in rows(front) if os.path.exists('/proc/%d' % pid_of(holder))]


def client_of(front):
    client = glint.Client('127.0.0.1', front.port, 'member')
    plain = client.request
    client.request = lambda method, path, *args, **kw: plain(method, front.prefix + path, *args, **kw)
    return client


def accepted(client):
    """An image whose import was accepted."""
    image = client.create(name='worker', disk_format='raw', container_format='bare')['id']
    answer = client.put('/v2/images/%s/stage' % image, DATA, headers={'Content-Type': 'application/octet-stream'})
    assert answer.status == 204, answer
    answer = client.post('/v2/images/%s/import' % image, json={'method': {'name': 'glance-direct'}})
    assert answer.status == 202, answer
    return image


def is_active(client, image):
    return client.show(image)['status'] == 'active'


@pytest.mark.parametrize('name', FRONTS)
def test_an_import_works_without_a_worker_of_its_own(start, name):
    front = start(name)
    client = client_of(front)
    image = accepted(client)
    assert eventually(lambda: is_active(client, image), SECONDS, 0.2), front.logs()[-4000:]
    assert client.download(image).body == DATA
    assert len(at_work(front)) == 1, rows(front)
    assert [detached for _, detached in rows(front)] == [1]
    listed = front.background.tool('jobs', 'list')
    assert 'no worker' not in listed.stderr


def test_a_killed_worker_is_replaced_and_ends_with_the_server(start):
    front = start('gunicorn')
    client = client_of(front)
    assert eventually(lambda: client.listed() is not None and at_work(front), SECONDS, 0.2)
    first = at_work(front)
    os.kill(first[0], signal.SIGKILL)
    image = accepted(client)
    assert eventually(lambda: is_active(client, image), SECONDS, 0.2), front.logs()[-4000:]
    second = at_work(front)
    assert second and second != first
    opened = [os.readlink('/proc/%d/fd/%s' % (second[0], fd)) for fd in os.listdir('/proc/%d/fd' % second[0])]
    assert not [path for path in opened if path.startswith('socket:')], opened
    front.stop()
    assert eventually(lambda: not at_work(front), SECONDS)
    assert rows(front) == []


def test_a_detached_worker_gives_way_to_a_unit_of_its_own(start):
    front = start('waitress')
    client = client_of(front)
    assert eventually(lambda: client.listed() is not None and at_work(front), SECONDS, 0.2)
    unit = hosted.Background.start
    unit(front.background)
    try:
        assert eventually(lambda: [detached for _, detached in rows(front)] == [0], SECONDS, 0.2), rows(front)
        assert at_work(front) == [front.background.process.pid]
    finally:
        front.background.stop()


def test_a_new_server_with_another_configuration_replaces_the_worker(start):
    front = start('waitress')
    client = client_of(front)
    assert eventually(lambda: client.listed() is not None and at_work(front), SECONDS, 0.2)
    first = at_work(front)
    with open(front.background.conf, 'a') as f:
        f.write('\n[task]\ntask_time_to_live = 7\n')
    # A second server beside the first one, as before a rolling restart.
    second = type('Second', (Alone, fronts_wsgi.Waitress), {})(front.directory)
    second.background, second.log = front.background, front.log
    second.launch()
    try:
        second.wait_ready()
        other = client_of(second)
        assert eventually(lambda: other.listed() is not None and at_work(front) and at_work(front) != first, SECONDS, 0.2)
    finally:
        second.end()


def test_a_detached_worker_beside_another_ends_at_once(glint_server):
    server = glint_server()
    assert eventually(lambda: server.sql('select count(*) from glint_workers') == [(1,)], 10 * SLOW)
    done = server.tool('worker', '--detached', str(os.getpid()), check=False)
    assert done.returncode == 0, done
    assert eventually(lambda: server.sql('select detached from glint_workers') == [(0,)], 10 * SLOW)


def test_a_wrong_process_is_refused(glint_server):
    server = glint_server()
    for wrong in 'x', '0', '-1', str(2 ** 22 + 1):
        done = server.tool('worker', '--detached', wrong, check=False)
        assert done.returncode == 1 and 'worker cannot start' in done.stderr, done


def test_nobody_works_is_said(glint_server):
    server = glint_server(config={'glint': {'supervise_worker': 'false'}, 'healthcheck': {'detailed': 'true'}})
    client = server.client()
    accepted(client)
    assert 'no worker is at work' in server.tool('jobs', 'list').stderr
    assert 'no worker is at work' in server.tool('doctor', check=False).stderr
    assert server.metrics()['glint_workers'] == 0
    assert eventually(lambda: 'no worker is at work' in server.log(), 30, 0.2), server.log()
    assert 'supervise_worker is off' in server.log()
    answer = client.get('/healthcheck', headers={'Accept': 'application/json'})
    assert answer.status == 200 and 'NO WORKER' in [reason['reason'] for reason in answer.json['reasons']], answer


def test_a_worker_that_is_there_is_counted(glint_server):
    server = glint_server()
    assert eventually(lambda: server.metrics()['glint_workers'] == 1, 10 * SLOW)
    assert 'no worker' not in server.tool('jobs', 'list').stderr
    assert b'NO WORKER' not in server.client().get('/healthcheck').body
    process = server.sql('select holder from glint_workers')
    assert os.path.exists('/proc/%d' % pid_of(process[0][0]))


def test_a_program_that_cannot_be_started_is_named(start):
    front = start('waitress', worker_program='/nonexistent/glint')
    client = client_of(front)
    assert eventually(lambda: client.listed() is not None and '/nonexistent/glint cannot be started' in front.logs(), SECONDS, 0.2)
    assert 'worker_program' in front.logs()


@pytest.mark.skipif(os.geteuid() != 0, reason='mounts')
def test_staging_in_a_private_or_volatile_directory_is_said():
    """In a mount namespace as systemd makes it for PrivateTmp=, and with a /tmp in memory."""
    top = tempfile.mkdtemp(prefix='glint-staging-', dir='/var/lib')
    try:
        server = glint.Server(os.path.join(top, 'data'), wait=False, config={
            'DEFAULT': {'node_staging_uri': 'file:///tmp/glint-staging'}, 'glint': {'supervise_worker': 'false'}})
        server.stop()
        private = os.path.join(top, 'systemd-private-0123-glint.service-x', 'tmp')
        os.makedirs(private)
        for mount, word in ('mount --bind %s /tmp' % private, 'PrivateTmp'), ('mount -t tmpfs none /tmp', 'in memory'):
            run = '%s && exec timeout --preserve-status 2 %s worker --config-file %s' % (mount, glint.GLINT, server.conf)
            done = subprocess.run(['unshare', '-m', '--propagation', 'private', 'sh', '-c', run], capture_output=True, text=True,
                                  env=server.environment(), stdin=subprocess.DEVNULL, timeout=60 * SLOW)
            assert 'WARNING the staging directory /tmp/glint-staging' in done.stderr and word in done.stderr, done
    finally:
        shutil.rmtree(top)
