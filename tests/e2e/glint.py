# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: starting the program, talking to it, looking at its process and files."""
import contextlib
import fcntl
import hashlib
import http.client
import json as jsonlib
import os
import shutil
import signal
import socket
import subprocess
import time

import database

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
GLINT = os.environ.get('GLINT', os.path.join(TOP, 'build', 'glint'))
CI = bool(os.environ.get('CI'))
# Everything may take so much longer: with sanitizers, and on a machine that does other things, too.
SLOW = float(os.environ.get('GLINT_SLOW', '1'))
SANITIZED = bool(os.environ.get('GLINT_SANITIZED'))    # asan, tsan
PASTE_TRUSTED = os.path.join(HERE, 'paste-trusted.ini')
PATCH_21 = 'application/openstack-images-v2.1-json-patch'
PATCH_20 = 'application/openstack-images-v2.0-json-patch'
MIB = 1024 * 1024
FIRST_PORT = 20000
REPORTS = ('AddressSanitizer', 'LeakSanitizer', 'ThreadSanitizer', 'UndefinedBehaviorSanitizer', 'runtime error:')


def identity(project, roles, user='user-1'):
    headers = {'X-Identity-Status': 'Confirmed', 'X-User-Id': user, 'X-Roles': roles}
    if project is not None:
        headers['X-Project-Id'] = project
    return headers


WHO = {
    'admin': identity('project-admin', 'admin,member,reader', 'user-admin'),
    'member': identity('project-1', 'member,reader'),
    'reader': identity('project-1', 'reader', 'user-3'),
    'other': identity('project-2', 'member,reader', 'user-2'),
    'norole': identity('project-1', '', 'user-4'),
    'nobody': {},
}


def free_port():
    """A port that nobody has and nobody else will be given soon: below those that the kernel gives to outgoing connections,
    and counted through by all test processes of the machine together."""
    with open('/proc/sys/net/ipv4/ip_local_port_range') as f:
        above = min(int(f.read().split()[0]), 32000)
    with open('/tmp/glint-test-port.%d' % os.getuid(), 'a+') as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        f.seek(0)
        port = int(f.read() or 0)
        for _ in range(above):
            port = port + 1 if FIRST_PORT <= port < above - 1 else FIRST_PORT
            with contextlib.suppress(OSError), socket.socket() as s:
                s.bind(('0.0.0.0', port))
                f.truncate(0)
                f.write(str(port))
                return port
    raise AssertionError('every port is taken')


def eventually(check, seconds=10, every=0.05):
    """The first true value of check(), asked again until the time is over; None then."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            return None
        time.sleep(every)


# ---------------------------------------------------------------- asking

class Answer:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def header(self, name):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return None

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return jsonlib.loads(self.body)

    def __repr__(self):
        return '%d %s %r %r' % (self.status, self.reason, self.headers, self.body[:500])


class Client:
    """One request per connection, as one caller."""

    def __init__(self, host, port, who=None, timeout=60):
        self.host, self.port, self.timeout = host, port, timeout * SLOW
        self.identity = WHO[who] if who else {}

    def request(self, method, path, body=None, headers=None, json=None, chunks=None):
        """body: bytes with a Content-Length; chunks: a list of bytes, each sent as one chunk; json: an object."""
        sent = dict(self.identity)
        if json is not None:
            body = jsonlib.dumps(json).encode()
            sent['Content-Type'] = 'application/json'
        sent.update(headers or {})
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.putrequest(method, path, skip_host='Host' in sent, skip_accept_encoding=True)
            for key, value in sent.items():
                connection.putheader(key, value)
            if chunks is not None:
                connection.putheader('Transfer-Encoding', 'chunked')
            elif body is not None and 'Content-Length' not in sent:
                connection.putheader('Content-Length', str(len(body)))
            connection.endheaders()
            try:
                for piece in chunks or ():
                    connection.send(b'%x\r\n%s\r\n' % (len(piece), piece))
                if chunks is not None:
                    connection.send(b'0\r\n\r\n')
                elif body is not None:
                    connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # an early refusal; its answer is still to be read
            answer = connection.getresponse()
            return Answer(answer.status, answer.reason, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def get(self, path, **kw):
        return self.request('GET', path, **kw)

    def post(self, path, json=None, **kw):
        return self.request('POST', path, json=json, **kw)

    def put(self, path, body=None, **kw):
        return self.request('PUT', path, body=body, **kw)

    def delete(self, path, **kw):
        return self.request('DELETE', path, **kw)

    # ---- images

    def create(self, **fields):
        """A new image (raw, bare unless told otherwise); its document."""
        document = {'disk_format': 'raw', 'container_format': 'bare'}
        document.update(fields)
        answer = self.post('/v2/images', json=document)
        assert answer.status == 201, answer
        return answer.json

    def show(self, image_id):
        answer = self.get('/v2/images/' + image_id)
        assert answer.status == 200, answer
        return answer.json

    def patch(self, image_id, operations, media_type=PATCH_21, **kw):
        return self.request('PATCH', '/v2/images/' + image_id, body=jsonlib.dumps(operations).encode(),
                            headers={'Content-Type': media_type}, **kw)

    def upload(self, image_id, body=None, chunks=None, headers=None):
        sent = {'Content-Type': 'application/octet-stream'}
        sent.update(headers or {})
        return self.request('PUT', '/v2/images/%s/file' % image_id, body=body, chunks=chunks, headers=sent)

    def download(self, image_id, headers=None):
        return self.get('/v2/images/%s/file' % image_id, headers=headers)

    def active(self, data=b'0123456789', **fields):
        image = self.create(**fields)
        answer = self.upload(image['id'], data)
        assert answer.status == 204, answer
        return image['id']

    def listed(self, query=''):
        answer = self.get('/v2/images' + query)
        assert answer.status == 200, answer
        return [image['id'] for image in answer.json['images']]

    # ---- sockets

    def connect(self):
        return socket.create_connection((self.host, self.port), timeout=self.timeout)

    def head(self, method, path, headers=None):
        """The bytes of a request head."""
        lines = ['%s %s HTTP/1.1' % (method, path), 'Host: %s:%d' % (self.host, self.port)]
        for key, value in {**self.identity, **(headers or {})}.items():
            lines.append('%s: %s' % (key, value))
        return ('\r\n'.join(lines) + '\r\n\r\n').encode()

    def half_upload(self, image_id, length, sent):
        """Starts an upload of `length` bytes (None: chunked), sends `sent` bytes of it and returns the open socket."""
        headers = {'Content-Type': 'application/octet-stream'}
        if length is None:
            headers['Transfer-Encoding'] = 'chunked'
        else:
            headers['Content-Length'] = str(length)
        s = self.connect()
        s.sendall(self.head('PUT', '/v2/images/%s/file' % image_id, headers))
        piece = bytes(sent)
        if sent:
            s.sendall(b'%x\r\n%s\r\n' % (len(piece), piece) if length is None else piece)
        return s


def read_answer(s):
    """One answer from a socket, with its body."""
    answer = http.client.HTTPResponse(s)
    answer.begin()
    return Answer(answer.status, answer.reason, answer.getheaders(), answer.read())


def read_all(s):
    data = b''
    with contextlib.suppress(ConnectionResetError):
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            data += piece
    return data


# ---------------------------------------------------------------- the server's process

class Process:
    """What /proc says about a process and its children."""

    def __init__(self, pid):
        self.pid = pid

    def tree(self):
        children = {}
        for name in os.listdir('/proc'):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    with open('/proc/%s/stat' % name) as f:
                        parent = int(f.read().rsplit(')', 1)[1].split()[1])
                    children.setdefault(parent, []).append(int(name))
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            todo += children.get(pid, [])
        return found

    def rss(self):
        """Resident anonymous memory in bytes: what the process itself holds, without mapped files."""
        total = 0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                with open('/proc/%d/status' % pid) as f:
                    for line in f:
                        if line.startswith('RssAnon:'):
                            total += int(line.split()[1]) * 1024
        return total

    def files(self):
        return sum(len(os.listdir('/proc/%d/fd' % pid)) for pid in self.tree())


class Server:
    """A running glint with its own directory. config: {section: {option: value}} over the defaults below."""

    def __init__(self, directory, trusted=False, config=None, env=None, args=(), wait=True, program=GLINT):
        self.directory = str(directory)
        self.program, self.trusted = program, trusted
        self.host, self.port, self.metrics_port = '127.0.0.1', free_port(), free_port()
        self.staging = os.path.join(directory, 'staging')
        self.images = os.path.join(self.directory, 'images')
        self.database = os.path.join(self.directory, 'glance.sqlite')
        self.errors = os.path.join(self.directory, 'stderr.log')
        self.conf = os.path.join(self.directory, 'glance-api.conf')
        self.env, self.args = dict(env or {}), list(args)
        self.process = None
        self.exit_status = None
        os.makedirs(self.images, exist_ok=True)
        self.configure(config)
        self.tool('db', 'sync')
        self.start(wait)

    def configure(self, config=None):
        sections = {
            'DEFAULT': {'bind_host': self.host, 'bind_port': self.port, 'node_staging_uri': 'file://' + self.staging},
            'glint': {'metrics_port': self.metrics_port},
            'database': {'connection': 'sqlite:///' + self.database},
            'glance_store': {'stores': 'file,http', 'default_store': 'file', 'filesystem_store_datadir': self.images},
            'oslo_policy': {} if self.trusted else {'enforce_new_defaults': 'false', 'enforce_scope': 'false'},
            'paste_deploy': {'flavor': 'trusted', 'config_file': PASTE_TRUSTED} if self.trusted else {},
        }
        for section, options in (config or {}).items():
            sections.setdefault(section, {}).update(options)    # an option that is None is left out
        declared = os.path.join(self.directory, 'schema-image.json')
        if not os.path.exists(declared):
            shutil.copy(os.path.join(TOP, 'src', 'json', 'image-properties.json'), declared)
        self.listening = [self.port] + [port for port in [sections['glint']['metrics_port']] if port == self.metrics_port]
        with open(self.conf, 'w') as f:
            for section, options in sections.items():
                f.write('[%s]\n' % section)
                for name, value in options.items():
                    for each in [] if value is None else value if isinstance(value, list) else [value]:
                        f.write('%s = %s\n' % (name, each))
                f.write('\n')

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith('OS_')}
        env.update({'LC_ALL': 'C.UTF-8', 'TZ': 'UTC'})
        env.setdefault('ASAN_OPTIONS', 'detect_leaks=1:abort_on_error=0')
        env.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1')
        env.update(self.env)
        return env

    def tool(self, *command, check=True):
        """Another subcommand with this server's configuration."""
        done = subprocess.run([self.program, *command, '--config-file', self.conf], env=self.environment(),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60 * SLOW)
        assert not check or done.returncode == 0, done
        return done

    def start(self, wait=True):
        assert self.process is None
        with open(self.errors, 'ab') as log:
            self.process = subprocess.Popen([self.program, 'serve', '--config-file', self.conf, *self.args],
                                            env=self.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                if self.alive():
                    self.kill()
                raise

    def wait_ready(self, seconds=20):
        def ready():
            assert self.process.poll() is None, 'glint ended by itself:\n' + self.log()
            try:
                return all(Client(self.host, port, timeout=5).get('/versions').status in (200, 404) for port in self.listening)
            except OSError:
                return False
        assert eventually(ready, seconds, 0.01), 'glint does not answer:\n' + self.log()

    def log(self):
        with open(self.errors, errors='replace') as f:
            return f.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, seconds=30):
        """Ends it in an orderly way and returns the exit status."""
        if self.process is None:
            return self.exit_status
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.exit_status = self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            self.kill()
            self.exit_status = 'did not stop within %d s' % (seconds * SLOW)
        self.process = None
        return self.exit_status

    def kill(self):
        """kill -9 of everything it runs."""
        pids = Process(self.process.pid).tree()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None
        self.exit_status = 0
        for pid in pids[1:]:
            eventually(lambda: not os.path.exists('/proc/%d' % pid), 5, 0.005)

    def finish(self):
        """For teardown: stops and says what was wrong with the run, or ''."""
        status = self.stop()
        log = self.log()
        if any(word in log for word in REPORTS):
            return 'a sanitizer reported:\n' + log[-20000:]
        if status != 0:
            return 'exit status %s:\n%s' % (status, log[-5000:])
        return ''

    # ---- looking

    def client(self, who=None, **kw):
        if who is None and self.trusted:
            who = 'member'
        return Client(self.host, self.port, who, **kw)

    @property
    def url(self):
        return 'http://%s:%d' % (self.host, self.port)

    def proc(self):
        return Process(self.process.pid)

    def metrics(self):
        """{series line without its value: value}"""
        answer = Client(self.host, self.metrics_port).get('/metrics')
        assert answer.status == 200, answer
        return {line.rsplit(' ', 1)[0]: float(line.rsplit(' ', 1)[1]) for line in answer.text.splitlines()
                if line and not line.startswith('#')}

    @property
    def db(self):
        return database.of_configuration(self.conf)

    def sql(self, statement, *values):
        return self.db.query(statement, *values)

    def stored(self):
        """Every file below the store's directory, relative to it."""
        found = []
        for folder, _, names in os.walk(self.images):
            found += [os.path.relpath(os.path.join(folder, name), self.images) for name in names]
        return sorted(found)

    def object_of(self, image_id):
        rows = self.sql('select value from image_locations where image_id = ? and deleted = 0', image_id)
        assert len(rows) == 1, rows
        assert rows[0][0].startswith('file://'), rows
        return rows[0][0][len('file://'):]


class External:
    """Somebody else's server at a URL (the real Glance), for checking the tests themselves."""

    def __init__(self, url, trusted):
        self.url, self.trusted = url, trusted
        self.host, self.port = url.split('/')[2].split(':')
        self.port = int(self.port)

    client = Server.client


# ---------------------------------------------------------------- data

def pattern(size, seed=1):
    """Bytes that do not repeat soon and look like no image format."""
    block = b''.join(hashlib.sha256(b'%d %d' % (seed, n)).digest() for n in range(min(size, MIB) // 32 + 1))
    return (block * (size // len(block) + 1))[:size]


def digests(data):
    return hashlib.md5(data).hexdigest(), hashlib.sha512(data).hexdigest()


def file_digests(path):
    md5, sha512 = hashlib.md5(), hashlib.sha512()
    with open(path, 'rb') as f:
        while piece := f.read(MIB):
            md5.update(piece)
            sha512.update(piece)
    return md5.hexdigest(), sha512.hexdigest()
