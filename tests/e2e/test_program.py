# SPDX-License-Identifier: Apache-2.0
"""The program as a process: its start, its signals, its sockets, its child."""
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from glint import GLINT, SLOW, Client, eventually, free_port, pattern


class Program:
    """glint serve with a directory of its own and no configuration but what the test gives."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.port, self.metrics_port = free_port(), free_port()
        self.log_path = os.path.join(self.directory, 'stderr')
        self.env = {k: v for k, v in os.environ.items() if not k.startswith('OS_')}
        self.env.update({'HOME': self.directory, 'GLINT_DATA_DIR': os.path.join(self.directory, 'data')})
        self.process = None

    def run(self, *words, env=None):
        return subprocess.run([GLINT, *words], env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60 * SLOW)

    def configure(self):
        """The configuration that a service manager's service needs; start()'s words for it."""
        path = os.path.join(self.directory, 'glance-api.conf')
        with open(path, 'w') as f:
            f.write('[DEFAULT]\nbind_host = 127.0.0.1\nnode_staging_uri = file://{0}/staging\n[database]\n'
                    'connection = sqlite:///{0}/db\n[glance_store]\nfilesystem_store_datadir = {0}/images\n'
                    .format(self.directory))
        done = self.run('db', 'sync', '--config-file', path)
        assert done.returncode == 0, done
        return ('--config-file', path)

    def start(self, *words, env=None, wait=True, launcher=(), pass_fds=()):
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                [*launcher, GLINT, 'serve', '--bind-port', str(self.port), '--set',
                 'glint.metrics_port=%d' % self.metrics_port, *words],
                env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds)
        if wait:
            self.wait(lambda: Client('127.0.0.1', self.port).get('/versions').status == 200)
        return self

    def wait(self, check, seconds=20):
        def now():
            assert self.process.poll() is None, self.log()
            with contextlib.suppress(OSError, http.client.HTTPException):
                return check()
        found = eventually(now, seconds)
        assert found, self.log()
        return found

    def wait_log(self, text, times=1):
        return self.wait(lambda: self.log().count(text) >= times)

    def log(self):
        with open(self.log_path, errors='replace') as f:
            return f.read()

    def client(self):
        return Client('127.0.0.1', self.port)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self, seconds=20):
        return self.process.wait(seconds * SLOW)

    def workers(self):
        with open('/proc/%d/task/%d/children' % (self.process.pid, self.process.pid)) as f:
            return [int(pid) for pid in f.read().split()]


@pytest.fixture
def program(tmp_path):
    p = Program(tmp_path)
    yield p
    if p.process and p.process.poll() is None:
        p.signal(signal.SIGTERM)
        assert p.end() == 0, p.log()


# ---------------------------------------------------------------- start

def test_no_configuration_at_all(program):
    program.start()
    program.wait_log('Ctrl-C stops it')
    said = program.log()
    assert 'serves the Images API at http://127.0.0.1:%d' % program.port in said
    assert os.path.join(program.directory, 'data', 'glance.sqlite') in said
    assert os.path.join(program.directory, 'data', 'images') in said
    assert 'http://127.0.0.1:%d/metrics' % program.metrics_port in said
    assert 'openstack --os-auth-type none --os-endpoint http://127.0.0.1:%d' % program.port in said
    client = program.client()
    image_id = client.active(b'data of an image')
    assert client.download(image_id).body == b'data of an image'
    assert client.create(visibility='public')['visibility'] == 'public'
    assert Client('127.0.0.1', program.metrics_port).get('/metrics').status == 200
    assert listened_on(program.port) == {'0100007F'} and listened_on(program.metrics_port) == {'0100007F'}


def listened_on(port):
    """The addresses of listening sockets with this port, as /proc writes them."""
    found = set()
    for table in ('/proc/net/tcp', '/proc/net/tcp6'):
        with open(table) as f:
            for line in list(f)[1:]:
                address, state = line.split()[1], line.split()[3]
                if state == '0A' and int(address.split(':')[1], 16) == port:
                    found.add(address.split(':')[0])
    return found


AS_PID = 'import os, sys; os.environ[sys.argv[1]] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])'


@pytest.mark.parametrize('words, env, launcher, said', [
    ((), {'OS_GLANCE_CONFIG_DIR': '{dir}/none'}, (),
     'the directory {dir}/none (OS_GLANCE_CONFIG_DIR) is not there'),
    ((), {'OS_GLANCE_CONFIG_DIR': ''}, (), 'no configuration was found'),
    (('--config-dir', '{dir}/empty'), {}, (), '{dir}/empty (--config-dir) has no .conf file'),
    (('--config-dir', '{dir}/none'), {}, (), '{dir}/none: no such directory (--config-dir)'),
    (('--bind-host', '0.0.0.0'), {}, (), '[DEFAULT] bind_host is 0.0.0.0, and without a configuration everybody'),
    (('--set', 'glint.bind_uwsgi=0.0.0.0:1'), {}, (), '[glint] bind_uwsgi is 0.0.0.0, and without'),
    ((), {'NOTIFY_SOCKET': '{dir}/notify'}, (), 'no configuration was found'),
    ((), {}, (sys.executable, '-c', AS_PID, 'SYSTEMD_EXEC_PID'), 'no configuration was found'),
])
def test_nobody_is_served_where_a_configuration_is_meant(program, words, env, launcher, said):
    def put(text):
        return text.replace('{dir}', program.directory)
    os.mkdir(os.path.join(program.directory, 'empty'))
    program.start(*map(put, words), env={k: put(v) for k, v in env.items()}, launcher=launcher, wait=False)
    assert program.end() == 1
    assert put(said) in program.log()
    assert program.log().count('\n') == 1
    assert not os.path.exists(os.path.join(program.directory, 'data'))


def test_a_worker_without_a_configuration(program):
    done = program.run('worker')
    assert done.returncode == 1
    assert 'no configuration was found' in done.stderr


def test_tools_say_whose_database_they_mean(program):
    """Without a configuration there is one only after a service ran without one, and no tool makes it."""
    for words in (('jobs', 'list'), ('db', 'sync'), ('db', 'check'), ('db', 'version')):
        done = program.run(*words)
        assert done.returncode == 1 and 'no configuration was found' in done.stderr, done
        assert done.stdout == ''
    assert program.run('doctor').returncode == 2
    assert not os.path.exists(os.path.join(program.directory, 'data'))
    program.start()
    meant = 'no configuration was found: this is about %s/data/glance.sqlite' % program.directory
    for words in (('jobs', 'list'), ('db', 'check'), ('db', 'version'), ('doctor',)):
        done = program.run(*words)
        assert done.returncode == 0 and meant in done.stderr, done
    assert program.run('db', 'sync').returncode == 1
    assert program.run('config', 'show').returncode == 0
    named = 'database.connection=sqlite:///%s/other' % program.directory
    assert 'other is up to date' in program.run('db', 'sync', '--set', named).stdout


def test_a_configuration_that_is_gone_at_a_reload(program):
    """The one that is in force stays; the service does not become one that trusts everybody."""
    os.mkdir(os.path.join(program.directory, '.glance'))
    drop_in = os.path.join(program.directory, '.glance', 'glance-api.conf.d')
    os.mkdir(drop_in)
    with open(program.configure()[1]) as f, open(os.path.join(drop_in, 'a.conf'), 'w') as out:
        out.write(f.read())
    program.start()
    assert program.client().post('/v2/images', json={'visibility': 'public'}).status == 403
    os.rename(drop_in, drop_in + '.away')
    program.signal(signal.SIGHUP)
    program.wait_log('the configuration stays as it was: no configuration was found')
    assert program.client().post('/v2/images', json={'visibility': 'public'}).status == 403


def test_data_survives_a_restart(program):
    program.start()
    image_id = program.client().active(b'kept')
    program.signal(signal.SIGTERM)
    assert program.end() == 0
    program.start()
    assert program.client().download(image_id).body == b'kept'


def test_a_port_in_use(program):
    with socket.socket() as s:
        s.bind(('127.0.0.1', program.port))
        s.listen()
        program.start(wait=False)
        assert program.end() == 1
    assert 'glint cannot start' in program.log()


def test_a_directory_that_cannot_be_made(program):
    program.start(wait=False, env={'GLINT_DATA_DIR': '/proc/nowhere'})
    assert program.end() == 1
    assert 'the data directory /proc/nowhere cannot be made' in program.log()


def test_the_identity_of_headers_is_told(program):
    here = os.path.dirname(os.path.abspath(__file__))
    program.start('--set', 'paste_deploy.flavor=trusted', '--set',
                  'paste_deploy.config_file=' + os.path.join(here, 'paste-trusted.ini'))
    program.wait_log('only a trusted proxy may reach this service')


# ---------------------------------------------------------------- sockets

def unix_get(path, target):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b'GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' % target.encode())
        answer = http.client.HTTPResponse(s)
        answer.begin()
        return answer.status, answer.read()


def test_a_unix_socket(program):
    path = os.path.join(program.directory, 'glint.sock')
    program.start('--set', 'glint.bind_unix=' + path, '--set', 'glint.bind_unix_mode=0600')
    assert unix_get(path, '/versions')[0] == 200
    assert os.stat(path).st_mode & 0o777 == 0o600
    program.process.kill()
    program.end()
    program.start('--set', 'glint.bind_unix=' + path)  # the old socket file is in nobody's way
    assert unix_get(path, '/versions')[0] == 200


LAUNCH = '''
import os, sys
names, count = sys.argv[1], int(sys.argv[2])
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count), LISTEN_FDNAMES=names)
for i in range(count):
    os.dup2(int(sys.argv[3 + i]), 3 + i, inheritable=True)
os.execv(sys.argv[3 + count], sys.argv[3 + count:])
'''


def listening():
    s = socket.socket()
    s.bind(('127.0.0.1', 0))
    s.listen()
    return s


def test_socket_activation(program, tmp_path):
    web, metrics, local = listening(), listening(), socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / 'activated.sock'))
    local.listen()
    # above the numbers that the launcher fills
    fds = [os.dup2(s.fileno(), 100 + i) for i, s in enumerate((web, metrics, local))]
    launcher = [sys.executable, '-c', LAUNCH, 'web:metrics:local', '3', *map(str, fds)]
    program.start(*program.configure(), wait=False, launcher=launcher, pass_fds=fds)
    port = web.getsockname()[1]
    program.wait(lambda: Client('127.0.0.1', port).get('/versions').status == 200)
    assert unix_get(str(tmp_path / 'activated.sock'), '/versions')[0] == 200
    assert Client('127.0.0.1', metrics.getsockname()[1]).get('/metrics').status == 200
    for closed in (program.port, program.metrics_port):
        with pytest.raises(OSError):
            socket.create_connection(('127.0.0.1', closed), timeout=2)
    for fd in fds:
        os.close(fd)


def test_sockets_for_another_process_are_left_alone(program):
    program.start(env={'LISTEN_PID': '1', 'LISTEN_FDS': '1'})
    assert program.client().get('/versions').status == 200


class Notified:
    """The socket that systemd would read."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(20 * SLOW)

    def next(self):
        return self.socket.recv(4096).decode()

    def until(self, word):
        while True:
            text = self.next()
            if word in text.split('\n'):
                return text


@pytest.mark.parametrize('abstract', [False, True])
def test_systemd_is_told(program, abstract):
    name = 'glint-test-%d' % os.getpid() if abstract else os.path.join(program.directory, 'notify')
    systemd = Notified('\0' + name if abstract else name)
    program.start(*program.configure(), wait=False, env={'NOTIFY_SOCKET': '@' + name if abstract else name, 'WATCHDOG_USEC': '400000'})
    ready = systemd.until('READY=1')
    assert 'STATUS=' in ready
    assert program.client().get('/versions').status == 200
    systemd.until('WATCHDOG=1')
    systemd.until('WATCHDOG=1')
    program.signal(signal.SIGHUP)
    assert re.search(r'MONOTONIC_USEC=\d+', systemd.until('RELOADING=1'))
    systemd.until('READY=1')
    program.signal(signal.SIGTERM)
    systemd.until('STOPPING=1')
    assert program.end() == 0


# ---------------------------------------------------------------- signals

def refuses(client):
    try:
        client.connect().close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_request_under_way_is_finished(glint_server, number):
    server = glint_server()
    client = server.client()
    image = client.create()
    data = pattern(200000)
    with client.half_upload(image['id'], len(data), 0) as s:
        s.sendall(data[:100000])
        time.sleep(0.2 * SLOW)
        server.process.send_signal(number)
        assert eventually(lambda: refuses(client))
        s.sendall(data[100000:])
        answer = http.client.HTTPResponse(s)
        answer.begin()
        assert answer.status == 204
    assert server.process.wait(20 * SLOW) == 0
    server.process = None
    server.start()
    assert server.client().download(image['id']).body == data


def test_the_time_to_finish_is_limited(glint_server):
    server = glint_server(config={'glint': {'shutdown_timeout': 0.5}})
    client = server.client()
    image = client.create()
    with client.half_upload(image['id'], 1000, 10):
        time.sleep(0.2 * SLOW)
        assert server.stop() == 0
    assert '1 requests were broken off' in server.log()
    assert server.stored() == []


def test_a_second_signal_ends_it_at_once(program):
    program.start()
    client = program.client()
    image = client.create()
    with client.half_upload(image['id'], 1000, 10):
        time.sleep(0.2 * SLOW)
        program.signal(signal.SIGTERM)
        program.wait_log('stopping')
        program.signal(signal.SIGTERM)              # a shell and its make pass one signal on twice
        with pytest.raises(subprocess.TimeoutExpired):
            program.end(0.7)
        program.signal(signal.SIGTERM)
        assert program.end(5) == 1
    program.start()
    program.wait(lambda: program.client().show(image['id'])['status'] == 'queued')


def test_reload(glint_server):
    server = glint_server(config={'DEFAULT': {'limit_param_default': 2}})
    client = server.client()
    for _ in range(4):
        client.create()
    assert len(client.listed()) == 2

    def reloaded(config, said):
        before = server.log().count(said)
        server.configure(config)
        server.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: server.log().count(said) > before), server.log()

    reloaded({'DEFAULT': {'limit_param_default': 3}}, 'the configuration is read again')
    assert len(client.listed()) == 3
    reloaded({'DEFAULT': {'limit_param_default': 'x'}}, 'the configuration stays as it was: ')
    assert "limit_param_default: 'x' is not valid" in server.log()
    assert len(client.listed()) == 3
    reloaded({'DEFAULT': {'workers': 7}}, '[DEFAULT] workers is changed and takes effect after a restart')
    reloaded({'DEFAULT': {'http_retries': 7}}, '[DEFAULT] http_retries is changed and takes effect after a restart')
    assert len(client.listed()) == 4
    reloaded({'paste_deploy': {'flavor': 'keystone'}}, 'Keystone authentication is not supported yet')
    assert client.get('/v2/images').status == 200


@pytest.mark.parametrize('number', [signal.SIGHUP, signal.SIGUSR1])
def test_the_log_file_is_reopened(program, number):
    path = os.path.join(program.directory, 'glint.log')
    program.start('--log-file', path, '--set', 'glint.supervise_worker=false')

    def read(name):
        with contextlib.suppress(FileNotFoundError), open(name) as f:
            return f.read()
        return ''
    assert eventually(lambda: 'serves the Images API' in read(path))
    os.rename(path, path + '.1')
    program.client().get('/versions')
    assert not os.path.exists(path)
    assert eventually(lambda: 'path=/versions' in read(path + '.1'))
    program.signal(number)
    assert eventually(lambda: os.path.exists(path))
    program.client().get('/v2/schemas/image')
    assert eventually(lambda: 'path=/v2/schemas/image' in read(path))
    assert 'path=/v2/schemas/image' not in read(path + '.1')


# ---------------------------------------------------------------- the worker

def test_the_worker_is_restarted(program):
    program.start()
    first = program.wait(program.workers)
    os.kill(first[0], signal.SIGKILL)
    second = program.wait(lambda: [pid for pid in program.workers() if pid not in first])
    assert 'was ended by signal 9' in program.log()
    os.kill(second[0], signal.SIGTERM)
    program.wait(lambda: [pid for pid in program.workers() if pid not in first + second])
    assert ' INFO glint worker (process %d) has ended' % second[0] in program.log()
    assert 'glint worker is started again' in program.log()
    assert program.client().get('/versions').status == 200


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_one_signal_to_server_and_worker_is_an_ordinary_stop(program, number):
    """systemd signals every process of a unit, and a terminal every process of its foreground group."""
    for _ in range(3):
        program.start()
        pids = [program.process.pid] + program.wait(program.workers)
        for pid in reversed(pids):
            os.kill(pid, number)
        assert program.process.wait(30 * SLOW) == 0
        program.process = None
    assert ' ERROR ' not in program.log() and 'started again' not in program.log(), program.log()


def test_the_worker_dies_with_its_parent(program):
    program.start()
    pid = program.wait(program.workers)[0]
    program.process.kill()
    program.end()
    assert eventually(lambda: not os.path.exists('/proc/%d' % pid))


def test_the_worker_may_be_turned_off(program):
    program.start('--set', 'glint.supervise_worker=false')
    assert program.workers() == []


def test_the_worker_as_a_unit_of_its_own(glint_server):
    server = glint_server(config={'glint': {'supervise_worker': 'false', 'reap_interval': 1}})
    client = server.client()
    image = client.create()
    with client.half_upload(image['id'], 1000, 10):
        assert eventually(lambda: client.show(image['id'])['status'] == 'saving')
        server.kill()
    name = os.path.join(server.directory, 'notify')
    systemd = Notified(name)
    worker = subprocess.Popen([GLINT, 'worker', '--config-file', server.conf],
                              env={**server.environment(), 'NOTIFY_SOCKET': name}, stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    systemd.until('READY=1')
    assert eventually(lambda: server.sql('select status from images where id = ?', image['id']) == [('queued',)])
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20 * SLOW) == 0
    assert 'cleaned up: 1 interrupted uploads' in worker.stderr.read()
    server.start()
    assert server.client().show(image['id'])['status'] == 'queued'
