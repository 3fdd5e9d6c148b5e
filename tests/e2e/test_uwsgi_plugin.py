# SPDX-License-Identifier: Apache-2.0
"""The plugin inside real uWSGI: its options, its start, what happens to it. The API through it is in tests/matrix."""
import contextlib
import os
import re
import signal
import subprocess
import sys

import pytest

import glint
import webservers
from glint import MIB, SLOW, Process, eventually, free_port, pattern, read_answer

sys.path.insert(0, os.path.join(glint.TOP, 'tests', 'matrix'))
import fronts_uwsgi  # noqa: E402
from hosted import PLUGIN, Hosted, sanitizers  # noqa: E402

DEPLOY = os.path.join(glint.TOP, 'deploy', 'uwsgi')
pytestmark = pytest.mark.skipif(bool(fronts_uwsgi.Http11Socket.missing()), reason=str(fronts_uwsgi.Http11Socket.missing()))


@pytest.fixture
def host(tmp_path):
    """host(front class or name, **attributes) -> the running front."""
    made = []

    def make(cls, wait=True, **attributes):
        here = type(cls.__name__, (cls,), attributes)(str(tmp_path / ('%s-%d' % (cls.name, len(made)))))
        made.append(here)
        here.start()
        if wait:
            here.wait_ready()
        return here
    yield make
    for here in made:
        here.stop()
        assert not any(report in here.logs() for report in glint.REPORTS), here.logs()[-5000:]


def options(**more):
    return {name.replace('_', '-'): value for name, value in more.items()}


def start_fails(tmp_path, lines):
    """The output of a uWSGI that does not come up."""
    ini = tmp_path / 'uwsgi.ini'
    ini.write_text('[uwsgi]\nplugin = %s\nhttp-socket = 127.0.0.1:%d\nmaster = true\n%s\n' % (PLUGIN, free_port(), lines))
    done = subprocess.run(['uwsgi-core', '--ini', str(ini)], env={**os.environ, **sanitizers(os.environ)}, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60 * SLOW)
    assert done.returncode == 1, done
    return done.stdout + done.stderr


def client(front):
    return glint.Client(front.host, front.port, 'member')


# ---------------------------------------------------------------- start

def test_a_wrong_configuration_stops_the_start(tmp_path):
    conf = tmp_path / 'glance-api.conf'
    conf.write_text('[DEFAULT]\ndebug = false\nbind_port = many\n')
    said = start_fails(tmp_path, 'glint-config = %s' % conf)
    assert 'glint cannot start: ' in said and '%s:3' % conf in said and 'bind_port' in said


def test_a_configuration_that_is_not_there_stops_the_start(tmp_path):
    assert 'glint cannot start: ' in start_fails(tmp_path, 'glint-config = /nonexistent/glance-api.conf')


def test_async_mode_is_refused(tmp_path):
    conf = tmp_path / 'glance-api.conf'
    conf.write_text('')
    said = start_fails(tmp_path, 'glint-config = %s\nasync = 10' % conf)
    assert 'set threads instead of async' in said


def test_a_prefix_has_to_be_a_path(tmp_path):
    assert 'glint-prefix must begin with a slash' in start_fails(tmp_path, 'glint-prefix = image')


def test_the_database_may_come_later(host, tmp_path):
    front = host(fronts_uwsgi.Http11Socket, config={'database': {'connection': 'sqlite:///%s/later.sqlite' % tmp_path}})
    front.background.stop()
    os.unlink(tmp_path / 'later.sqlite')
    front.end()
    front.launch()

    def status():
        with contextlib.suppress(OSError):
            return client(front).get('/v2/images').status
    assert eventually(lambda: status() == 503, 10)
    assert 'glint db sync' in front.logs()
    front.background.tool('db', 'sync')
    assert eventually(lambda: status() == 200, 10)


# ---------------------------------------------------------------- options

def test_options_reach_the_service(host):
    front = host(fronts_uwsgi.Http11Socket, options=options(glint_set='glint.access_log=false'))
    assert client(front).get('/v2/images').status == 200
    assert ' access request_id=' not in front.logs()


def test_a_prefix_is_served_and_shown(host):
    front = host(fronts_uwsgi.Http11Socket, options=options(glint_prefix='/image/'))
    c = client(front)
    assert c.get('/image/v2/images').status == 200
    links = c.get('/image/').json['versions']
    assert all('/image/v2/' in version['links'][0]['href'] for version in links)
    assert '/image' not in c.get('/').json['versions'][0]['links'][0]['href']
    assert c.get('/images/v2/images').status == 300


def test_another_modifier(host):
    front = host(fronts_uwsgi.HttpSocket, options={'plugin': '35:' + PLUGIN, 'http-socket-modifier1': 35})
    assert client(front).get('/v2/images').status == 200


def test_bodies_that_uwsgi_has_buffered(host):
    front = host(fronts_uwsgi.Http11Socket, options=options(post_buffering=65536))
    assert 'post-buffering' in front.logs()
    for size in (10, MIB + 3):
        data = pattern(size)
        assert client(front).download(client(front).active(data)).body == data


def test_a_router_that_keeps_chunks_is_named(host):
    """Not a client that waits, nor an image of no bytes."""
    front = host(fronts_uwsgi.Router, options={'plugins': 'http', 'http-timeout': 60})
    said = front.logs()
    assert 'http-chunked-input = true' in said and 'http-manage-expect = 1' in said
    c = client(front)
    image = c.create()
    answer = c.upload(image['id'], chunks=[b'x' * 1000])
    assert answer.status == 501 and b'http-chunked-input' in answer.body
    assert c.show(image['id'])['status'] == 'queued'
    assert c.upload(image['id'], b'x' * 1000).status == 204


# ---------------------------------------------------------------- connections

def test_close_is_honoured(host):
    front = host(fronts_uwsgi.Http11Socket)
    c = client(front)
    with c.connect() as s:
        s.sendall(c.head('GET', '/v2/images', {'Connection': 'close'}))
        assert read_answer(s).header('connection') == 'close'
        assert s.recv(1) == b''
    with c.connect() as s:
        s.sendall(c.head('GET', '/v2/images').replace(b'HTTP/1.1', b'HTTP/1.0'))
        assert read_answer(s).status == 200
        assert s.recv(1) == b''


@pytest.mark.parametrize('framing, begin', [('Content-Length: many', b''), ('Transfer-Encoding: gzip', b''),
                                            ('Content-Length: 5\r\nTransfer-Encoding: chunked', b''),
                                            ('Transfer-Encoding: chunked', b'zz\r\n')],
                         ids=['length', 'coding', 'both', 'chunk'])
def test_a_refusal_reaches_a_client_that_sends_on(host, framing, begin):
    c = client(host(fronts_uwsgi.Http11Socket))
    image = c.create()
    with c.connect() as s:
        head = c.head('PUT', '/v2/images/%s/file' % image['id'], {'Content-Type': 'application/octet-stream'})
        s.sendall(head[:-2] + framing.encode() + b'\r\n\r\n')
        with contextlib.suppress(ConnectionError):
            s.sendall(begin + bytes(4 * MIB))
        assert read_answer(s).status in (400, 501)
        assert s.recv(1) == b''
    assert c.show(image['id'])['status'] == 'queued'


def test_a_slow_client_is_told(host):
    front = host(fronts_uwsgi.Http11Socket, config={'glint': {'body_timeout': 1}})
    c = client(front)
    image = c.create()
    with c.half_upload(image['id'], 1000, 10) as s:
        assert read_answer(s).status == 400
    assert c.show(image['id'])['status'] == 'queued'


@pytest.mark.parametrize('cls', [fronts_uwsgi.Http11Socket, fronts_uwsgi.HttpSocket, fronts_uwsgi.Router, fronts_uwsgi.BehindNginx],
                         ids=lambda cls: cls.name)
def test_data_that_ends_early_is_seen(host, cls):
    """A file that is cut while it is sent: the client sees a broken transfer, and soon."""
    if cls.missing():
        pytest.skip(cls.missing())
    front = host(cls)
    c = client(front)
    c.timeout = 20 * SLOW
    path = front.prefix + '/v2/images'
    image = c.post(path, json={'disk_format': 'raw', 'container_format': 'bare'}).json
    data = pattern(64 * MIB)
    url = '%s/%s/file' % (path, image['id'])
    assert c.put(url, data, headers={'Content-Type': 'application/octet-stream'}).status == 204
    stored = os.path.join(front.background.images, image['id'])
    with c.connect() as s:
        s.sendall(c.head('GET', url))
        got = s.recv(65536)
        os.truncate(stored, 8 * MIB)
        with contextlib.suppress(ConnectionResetError):
            while piece := s.recv(MIB):
                got += piece
    assert len(got) < 64 * MIB
    assert c.get(front.prefix + '/v2/images?limit=1').status == 200


@pytest.mark.parametrize('name', ['uwsgi-http11-socket', 'uwsgi-http'])
def test_recorded_answers(name):
    """A sample of what the real Glance answers; tests/matrix/replay.py has the others."""
    done = subprocess.run([sys.executable, '-B', os.path.join(glint.TOP, 'tests', 'matrix', 'replay.py'), '--front', name, '--files',
                           'create,list,show'], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300 * SLOW)
    passed, failed = map(int, re.findall(r'^(\d+) passed, (\d+) failed', done.stdout, re.M)[-1])
    assert passed >= 200 and failed == 0, done.stdout[-3000:]


# ---------------------------------------------------------------- processes

def workers(front):
    return [pid for pid in Process(front.process.pid).tree() if pid != front.process.pid]


def test_a_worker_that_is_killed_takes_no_image_with_it(host):
    front = host(fronts_uwsgi.Http11Socket, options={'processes': 1})
    c = client(front)
    image = c.create()
    with c.half_upload(image['id'], 10 * MIB, MIB):
        assert eventually(lambda: c.show(image['id'])['status'] == 'saving', 10)
        os.kill(workers(front)[0], signal.SIGKILL)
    front.wait_ready()
    assert eventually(lambda: c.show(image['id'])['status'] == 'queued', 40)
    assert c.upload(image['id'], b'again').status == 204


def test_a_worker_that_comes_later_reads_the_configuration_again(host):
    front = host(fronts_uwsgi.Http11Socket, options={'processes': 1})
    c = client(front)
    assert c.get('/v2/images').status == 200
    front.background.configure({'DEFAULT': {'limit_param_default': 1}})
    for _ in range(3):
        c.create()
    os.kill(workers(front)[0], signal.SIGKILL)
    front.wait_ready()
    assert eventually(lambda: len(c.listed()) == 1, 10)
    front.background.configure({'DEFAULT': {'limit_param_default': 'many'}})
    os.kill(workers(front)[0], signal.SIGKILL)
    front.wait_ready()
    assert 'the configuration stays as the master read it' in front.logs()
    assert c.get('/v2/images').status == 200


def test_only_the_entry_is_exported():
    done = subprocess.run(['nm', '-D', '--defined-only', PLUGIN], capture_output=True, text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines() if ' _' not in line] == ['glint_plugin']


# ---------------------------------------------------------------- the files in deploy/

class Deployed(Hosted):
    """One of deploy/uwsgi/*.ini, with this machine's places."""
    name = 'deployed'
    ini = None
    moved = {}

    def command(self):
        with open(os.path.join(DEPLOY, self.ini)) as f:
            text = webservers.trusting(f.read())
        for old, new in {r'^plugins = .*$': 'plugin = ' + PLUGIN, r'0\.0\.0\.0:9292': '%s:%d' % (self.host, self.port),
                         r'^(uid|gid|chown-socket) = .*$': '', r'/run/glint/': self.directory + '/',
                         r'cmd=glint worker': 'cmd=/usr/bin/env -u LD_PRELOAD %s worker' % glint.GLINT, **self.moved}.items():
            text, count = re.subn(old, lambda m: new, text, flags=re.M)
            assert count or '9292' in old or 'uid' in old or '/run/' in old, old
        with open(self.directory + '/reload', 'w'):
            pass
        path = os.path.join(self.directory, 'uwsgi.ini')
        with open(path, 'w') as f:
            f.write(text)
        return ['uwsgi-core', '--ini', path]

    def environment(self):
        return {**super().environment(), 'OS_GLANCE_CONFIG_DIR': self.directory}


@pytest.mark.parametrize('ini, moved', [('glint-http.ini', {r'^(plugin = .*)$': 'plugins = http\nplugin = ' + PLUGIN}),
                                        ('glint-http-socket.ini', {}),
                                        ('glint-uwsgi.ini', {r'^(socket = .*)$': 'http-socket = {host}:{port}'})])
def test_deployed_files_work(host, ini, moved):
    class Here(Deployed):
        def command(self):
            self.moved = {old: new.format(host=self.host, port=self.port) for old, new in moved.items()}
            return super().command()
    front = host(Here, ini=ini)
    c = client(front)
    data = pattern(3 * MIB)
    image = c.create()
    assert c.upload(image['id'], chunks=[data[:MIB], data[MIB:]]).status == 204
    assert c.download(image['id']).body == data
    assert c.download(image['id'], {'Range': 'bytes=5-9'}).body == data[5:10]
    names = []
    for pid in workers(front):
        with open('/proc/%d/cmdline' % pid) as f:
            names.append(f.read())
    assert any('worker' in name.split('\0') for name in names), names
    assert 'WARNING' not in re.sub('(?m)^.*(only a trusted proxy|running uWSGI as root).*$', '', front.logs()), front.logs()
    os.utime(front.directory + '/reload', (2e9, 2e9))
    assert eventually(lambda: 'chain reload' in front.logs().lower(), 10)
    front.wait_ready()
