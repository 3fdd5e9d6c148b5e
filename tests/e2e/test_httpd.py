# SPDX-License-Identifier: Apache-2.0
"""The service inside Apache httpd: what the matrix does not ask of every front. Directives and httpd -t, several services in
one httpd, logs, the worker, restarts, and other modules around it."""
import contextlib
import http.client
import http.server
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import types

import pytest

import httpd
import webservers
from glint import GLINT, MIB, SLOW, TOP, Client, eventually, free_port, pattern, read_answer

sys.path.insert(0, os.path.join(TOP, 'tests', 'matrix'))
import wire  # noqa: E402
import wire_h2  # noqa: E402

pytestmark = pytest.mark.skipif(bool(httpd.missing()), reason=str(httpd.missing()))
PROGRAM = httpd.program() if not httpd.missing() else GLINT
LOAD = 'LoadModule glint_module %s\nGlintProgram %s\n' % (httpd.MODULE, PROGRAM)
MOUNT = LOAD + '<Location "/image">\n Glint On\n GlintConfig %s\n%s\n</Location>\n'


class Mounted(Client):
    """A client of what is mounted at a prefix."""

    def __init__(self, server, prefix='/image', who='member', **kw):
        super().__init__(server.host, server.port, who, **kw)
        self.prefix = prefix

    def request(self, method, path, **kw):
        return super().request(method, self.prefix + path, **kw)

    def head(self, method, path, headers=None):
        return super().head(method, self.prefix + path, headers)


@pytest.fixture
def make(tmp_path_factory):
    """make(text) -> a running httpd, make.data() -> configuration, database and store of a service."""
    made, folders = [], []

    class Make:
        def directory(self):
            folder = tempfile.mkdtemp(prefix='glint-httpd-', dir='/var/tmp')
            os.chmod(folder, 0o755)
            folders.append(folder)
            return folder

        def data(self, **kw):
            return httpd.Data(self.directory(), **{'trusted': True, **kw})

        def prepare(self, text, **kw):
            server = httpd.Httpd(self.directory(), text, **kw)
            made.append(server)
            return server

        def __call__(self, text, ready='/image/versions', **kw):
            server = self.prepare(text, **kw).start()
            return server.wait_ready(ready) if ready else server
    yield Make()
    wrong = [text for text in (finish(server) for server in made) if text]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    assert not wrong, '\n'.join(wrong)


def finish(server):
    """Stops it and says what was wrong with the run, or ''."""
    status = server.stop()
    log = server.log()
    if status != 0:
        return 'exit status %s:\n%s' % (status, log[-5000:])
    if any(word in log for word in httpd.glint.REPORTS) or not server.terminated and re.search(r'exit signal (?!Killed)', log):
        return log[-20000:]
    return ''


# ---------------------------------------------------------------- configuration

def test_wrong_configurations_are_refused_by_httpd_t(make):
    data = make.data()
    with open(data.conf, 'a') as f:
        f.write('[DEFAULT]\nbind_port = many\n')
    with open(data.conf) as f:
        line = f.read().split('\n').index('bind_port = many') + 1
    server = make.prepare(MOUNT % (data.conf, ''))
    status, said = server.check()
    assert status != 0
    assert '%s:%d' % (data.conf, line) in said and 'many' in said, said
    with open(server.conf) as f:
        line = f.read().split('\n').index(' Glint On') + 2
    assert '%s:%d: ' % (server.conf, line) in said, said


@pytest.mark.parametrize('text, says', [
    ('<Location "/image">\n Glint On\n GlintConfig /nonexistent/glance.conf\n</Location>', '/nonexistent/glance.conf'),
    ('<Location "/image">\n Glint On\n GlintConfigDir /nonexistent\n</Location>', '/nonexistent'),
    ('<Location "/image">\n Glint On\n GlintSet nonsense\n</Location>', 'GlintSet takes group.name=value'),
    ('<Location "/image">\n Glint On\n GlintConfig {conf}\n GlintSet DEFAULT.bind_port=x\n</Location>', 'bind_port'),
    ('<Location "/image">\n Glint On\n</Location>', 'no configuration was found'),
    ('<Location "/image">\n SetHandler glint\n</Location>', 'no configuration was found'),
    ('<Directory "/">\n Glint On\n</Directory>', 'belongs into a <Location> with a plain path'),
    ('<LocationMatch "^/image">\n Glint On\n</LocationMatch>', 'belongs into a <Location> with a plain path'),
    ('<Location ~ "^/image">\n SetHandler glint\n</Location>', 'belongs into a <Location> with a plain path'),
    ('<Location "/*/image">\n Glint On\n</Location>', 'belongs into a <Location> with a plain path'),
    ('<Location "/image">\n GlintProgram /bin/true\n</Location>', 'GlintProgram not allowed'),
    ('GlintProgram /nonexistent/glint\n<Location "/image">\n Glint On\n GlintConfig {conf}\n GlintWorker On\n</Location>',
     '/nonexistent/glint'),
])
def test_what_cannot_work_is_said(make, text, says):
    data = make.data()
    # Nothing is found in the places where the service looks by itself.
    server = make.prepare(LOAD + text.replace('{conf}', data.conf), env={'HOME': '/nonexistent', 'OS_GLANCE_CONFIG_DIR': '/nonexistent'})
    status, said = server.check()
    assert status != 0 and says in said, said


def test_a_right_configuration_is_checked_without_a_trace(make):
    data = make.data()
    os.remove(data.database)
    server = make.prepare(MOUNT % (data.conf, ' GlintWorker On'))
    assert server.check() == (0, 'Syntax OK\n')
    assert not os.path.exists(data.database)


def test_the_shipped_configuration(make):
    data = make.data()
    with open(os.path.join(TOP, 'deploy', 'httpd', 'glint.conf')) as f:
        text = webservers.trusting(f.read())
    for theirs, ours in (('/usr/bin/glint', PROGRAM), ('/etc/glance/glance-api.conf', data.conf)):
        assert theirs in text
        text = text.replace(theirs, ours)
    server = make('LoadModule glint_module %s\n' % httpd.MODULE + text, modules=('reqtimeout', 'headers'))
    member = Mounted(server)
    image = member.active(pattern(100000))
    assert member.download(image).body == pattern(100000) and one_worker(server)


def test_no_htaccess_makes_a_service(make):
    data = make.data()
    server = make.prepare(MOUNT % (data.conf, '') + 'DocumentRoot {dir}/doc\n<Directory "{dir}/doc">\n AllowOverride FileInfo\n</Directory>\n')
    folder = os.path.join(server.directory, 'doc', 'sub')
    os.makedirs(folder)
    with open(os.path.join(folder, '.htaccess'), 'w') as f:
        f.write('SetHandler glint\n')
    server.start().wait_ready('/image/versions')
    assert Client(server.host, server.port).get('/sub/v2/images').status == 500
    httpd.wait_for_log(server, 'SetHandler cannot occur within')
    assert Mounted(server).get('/v2/images').status == 200


def test_two_services_in_one_httpd(make):
    """Their own databases and settings; the same configuration twice is one service."""
    one, two = make.data(), make.data(config={'DEFAULT': {'limit_param_default': 1}})
    server = make(LOAD + '''
<Location "/one">
    SetHandler glint
    GlintConfig {0}
</Location>
<Location "/two">
    Glint On
    GlintConfig {1}
    GlintSet DEFAULT.api_limit_max=2
</Location>
<Location "/one/again">
    Glint On
    GlintConfig {0}
</Location>
<Location "/one/off">
    Glint Off
</Location>
'''.format(one.conf, two.conf), ready='/one/versions')
    a, b, again = Mounted(server, '/one'), Mounted(server, '/two'), Mounted(server, '/one/again')
    data = pattern(100000)
    mine = a.active(data, name='mine')
    for n in range(3):
        b.create(name='theirs %d' % n)
    assert a.listed() == [mine] == again.listed()
    assert again.download(mine).body == data
    assert len(b.listed()) == 1 and len(b.listed('?limit=100')) == 2
    assert b.get('/v2/images/' + mine).status == 404
    assert Client(server.host, server.port).get('/one/off/v2/images').status == 404
    assert again.get('/versions').json['versions'][0]['links'][0]['href'].startswith('http://%s:%d/one/again/v2/' % (server.host, server.port))
    assert one.sql('select count(*) from images') == [(1,)] and two.sql('select count(*) from images') == [(3,)]


def test_a_virtual_host_may_name_the_configuration(make):
    """And the root may be the mount."""
    one, two = make.data(), make.data()
    server = make(LOAD + '''
GlintConfig {0}
<Location "/image">
    Glint On
</Location>
<VirtualHost *:{{port}}>
    ServerName first
    Glint On
</VirtualHost>
<VirtualHost *:{{port}}>
    ServerName second
    GlintConfig {1}
    Glint On
    <Location "/image">
        Glint On
    </Location>
</VirtualHost>
'''.format(one.conf, two.conf), ready='/versions')
    client = Client(server.host, server.port, 'member')
    assert client.post('/v2/images', {'name': 'x'}, headers={'Host': 'first'}).status == 201
    for path, host, n in (('/v2/images', 'first', 1), ('/image/v2/images', 'first', 1), ('/v2/images', 'second', 0), ('/image/v2/images', 'second', 0)):
        answer = client.get(path, headers={'Host': host})
        assert answer.status == 200 and len(answer.json['images']) == n, (path, host, answer)


# ---------------------------------------------------------------- paths, and who else decides about them

AROUND = '''
<Location "/image/v2/schemas">
    Require all denied
</Location>
RewriteEngine On
RewriteRule "^/glance/(.*)$" "/image/$1" [PT]
Header always set X-Around "yes"
'''


def test_other_modules_work_around_it(make):
    data = make.data()
    server = make(MOUNT % (data.conf, '') + AROUND + 'TypesConfig /etc/mime.types\nAddEncoding x-gzip .gz\n',
                  modules=('rewrite', 'headers', 'mime', 'dir', 'env'))
    member, rewritten = Mounted(server), Mounted(server, '/glance')
    image = member.active(b'0123456789', name='x.gz', tags=['a/b c.html.gz'])
    answer = rewritten.get('/v2/images/' + image)
    assert answer.status == 200 and answer.json['tags'] == ['a/b c.html.gz']
    assert answer.header('X-Around') == 'yes' and answer.header('Content-Encoding') is None
    assert rewritten.upload(rewritten.create()['id'], chunks=[b'abc', b'def']).status == 204
    assert member.delete('/v2/images/%s/tags/a%%2Fb%%20c.html.gz' % image).status in (204, 404)
    assert member.get('/v2/images?name=x.gz').json['images'][0]['id'] == image


@pytest.mark.parametrize('path', ['/image/v2/schemas/image', '/image/v2%2Fschemas/image', '/image/%76%32/schemas/image', '/image/v2/schemas%2Fimage',
                                  '//image//v2///schemas/image', '/image/v2/./schemas/image', '/image/v2/x/../schemas/image',
                                  '/image/v2/x/..%2Fschemas/image', '/image/v2/%2e/schemas/image', '/image/v2%252Fschemas/image',
                                  '/image/v2%00/schemas/image', '/image/v2.18/../v2/schemas/image', '/image/v2/%zz/../schemas/image'])
def test_no_spelling_gets_around_a_location(make, path):
    data = make.data()
    server = make(MOUNT % (data.conf, '') + AROUND, modules=('rewrite', 'headers'))
    assert Mounted(server).get('/v2/images').status == 200
    assert Client(server.host, server.port, 'member').get(path).status in (300, 400, 403, 404)


def tls(server):
    """A certificate and the directives that use it on another port."""
    key, cert = server + '/key.pem', server + '/cert.pem'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert,
                    '-subj', '/CN=localhost', '-days', '2'], check=True, capture_output=True)
    port = free_port()
    return port, '''
Listen 127.0.0.1:%d
SSLRandomSeed startup builtin
<VirtualHost 127.0.0.1:%d>
    SSLEngine On
    SSLCertificateFile %s
    SSLCertificateKeyFile %s
</VirtualHost>
''' % (port, port, cert, key)


def test_tls(make):
    data = make.data()
    port, text = tls(make.directory())
    make(MOUNT % (data.conf, '') + text, modules=('ssl',))
    body = pattern(5 * MIB)
    context = ssl._create_unverified_context()

    def ask(method, path, body=None, **headers):
        connection = http.client.HTTPSConnection('127.0.0.1', port, timeout=30 * SLOW, context=context)
        with contextlib.closing(connection):
            connection.request(method, '/image' + path, body, {**httpd.glint.WHO['member'], **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
    status, text = ask('GET', '/versions')
    assert status == 200 and b'https://127.0.0.1:%d/image/v2/' % port in text
    status, text = ask('POST', '/v2/images', b'{"disk_format": "raw", "container_format": "bare"}', **{'Content-Type': 'application/json'})
    image = httpd.glint.jsonlib.loads(text)['id']
    assert ask('PUT', '/v2/images/%s/file' % image, body, **{'Content-Type': 'application/octet-stream'})[0] == 204
    assert ask('GET', '/v2/images/%s/file' % image) == (200, body)
    assert ask('GET', '/v2/images/%s/file' % image, Range='bytes=1000000-3000000') == (206, body[1000000:3000001])


def test_http_2(make):
    """Uploads without a length are no chunks there, and answers have no connection of their own."""
    if 'HTTP2' not in subprocess.run(['curl', '-V'], capture_output=True, text=True).stdout:
        pytest.skip('this curl has no HTTP/2')
    data = make.data()
    server = make(MOUNT % (data.conf, '') + 'Protocols h2c http/1.1\n', modules=('http2',))
    member = Mounted(server)
    body = pattern(3 * MIB)

    def curl(*arguments, **kw):
        identity = [word for pair in member.identity.items() for word in ('-H', '%s: %s' % pair)]
        done = subprocess.run(['curl', '-sS', '--http2-prior-knowledge', '-H', 'Content-Type: application/octet-stream', '-w',
                               '\n%{http_code} %{http_version}', *identity, *arguments], capture_output=True, timeout=60 * SLOW, **kw)
        assert done.returncode == 0, done
        text, _, code = done.stdout.rpartition(b'\n')
        return code.decode(), text
    for how in (['-T', '-'], ['-X', 'PUT', '--data-binary', '@-']):
        image = member.create()['id']
        url = 'http://%s:%d/image/v2/images/%s/file' % (server.host, server.port, image)
        assert curl(url, *how, input=body)[0] == '204 2'
        assert curl(url) == ('200 2', body)
        assert curl(url, '-r', '100-199') == ('206 2', body[100:200])


def by_http_2(make):
    """(a client of HTTP/1.1, one of HTTP/2) of the same service"""
    if not wire_h2.NGHTTP2:
        pytest.skip('libnghttp2.so.14 is not there')
    data = make.data(config={'DEFAULT': {'image_size_cap': 1 << 30}})
    server = make(MOUNT % (data.conf, '') + 'Protocols h2c http/1.1\n', modules=('http2',))
    member = Mounted(server)
    return member, wire_h2.Client(types.SimpleNamespace(host=server.host, port=server.port, tls=None, scheme='http', prefix='/image',
                                                        identity=member.identity))


def test_a_refusal_by_http_2_reaches_a_client_that_is_sending(make):
    """mod_http2 resets a stream whose body is left over when the answer ends: curl then reports a broken transfer, and no status."""
    member, client = by_http_2(make)
    image = member.active(b'x')
    url = 'http://%s:%d/image/v2/images/%s/file' % (member.host, member.port, image)
    identity = [word for pair in member.identity.items() for word in ('-H', '%s: %s' % pair)]
    for how in ['-T', '-'], ['-X', 'PUT', '--data-binary', '@-']:
        for _ in range(8):
            done = subprocess.run(['curl', '-sS', '--http2-prior-knowledge', '-H', 'Content-Type: application/octet-stream', '-o', '/dev/null', '-w',
                                   '%{http_code}', *identity, *how, url], input=bytes(16 * MIB), capture_output=True, timeout=60 * SLOW)
            assert (done.returncode, done.stdout) == (0, b'409'), done
    queued = member.create()['id']
    with client.connect() as c:     # the answer comes before the body, however long that would be
        c.head('PUT', '/v2/images/%s/file' % queued, wire.length(1 << 40))
        c.send(bytes(MIB))
        status, headers = c.read_head()
        assert status == 413 and 'content-length' in headers
        while len(c.buffer) < int(headers['content-length']):
            c.fill()
        assert b'413' in c.buffer and not c.ended
    assert member.show(queued)['status'] == 'queued'


def test_an_upload_by_http_2_that_is_reset_is_no_whole_one(make):
    """mod_http2 ends the body of a stream that was reset like any other, and only then says so."""
    member, client = by_http_2(make)
    for _ in range(25):
        image = member.create()['id']
        with client.connect() as c:
            c.head('PUT', '/v2/images/%s/file' % image, wire.CHUNKED)
            c.chunk(bytes(200000))
            c.abandon()
        assert eventually(lambda: member.show(image)['status'] != 'saving')
        assert member.show(image)['status'] == 'queued'


# ---------------------------------------------------------------- what is left of a request

@pytest.mark.parametrize('mpm', ['event', 'worker', 'prefork'])
@pytest.mark.parametrize('how', [(), ('--http2-prior-knowledge',), ('-k',)], ids=['http1', 'h2c', 'tls'])
def test_downloads_leave_no_file_open(make, mpm, how):
    """Whole, in part and broken off, of more than the socket takes at once; httpd sets what it cannot send at once aside."""
    if mpm == 'prefork' and 'http2' in ''.join(how):
        pytest.skip('mod_http2 does not run in the prefork MPM')
    data = make.data()
    port, text = tls(make.directory())
    server = make(MOUNT % (data.conf, 'EnableSendfile On') + text + ('' if mpm == 'prefork' else 'Protocols h2c http/1.1\n'),
                  modules=('ssl',) + (() if mpm == 'prefork' else ('http2',)), mpm=mpm, processes=1)
    member = Mounted(server)
    image = member.active(pattern(24 * MIB))
    url = ('https://127.0.0.1:%d' % port if how == ('-k',) else 'http://127.0.0.1:%d' % server.port) + '/image/v2/images/%s/file' % image
    identity = [word for pair in member.identity.items() for word in ('-H', '%s: %s' % pair)]

    def curl(*arguments, ends=0):
        done = subprocess.run(['curl', '-s', '-o', '/dev/null', '-w', '%{size_download}', *how, *identity, url, *arguments],
                              capture_output=True, text=True, timeout=60 * SLOW)
        assert done.returncode == ends, done
        return int(done.stdout)

    def still_open():
        found = []
        for pid in server.children():
            with contextlib.suppress(FileNotFoundError):
                for fd in os.listdir('/proc/%d/fd' % pid):
                    with contextlib.suppress(FileNotFoundError):
                        found.append(os.readlink('/proc/%d/fd/%s' % (pid, fd)))
        return [path for path in found if image in path]
    for _ in range(3):
        assert curl() == 24 * MIB
        assert curl('-r', '1000000-9000000') == 8000001
        assert curl('--limit-rate', '100k', '-m', '0.3', ends=28) < 24 * MIB
    assert eventually(lambda: not still_open()), still_open()
    assert member.delete('/v2/images/' + image).status == 204
    assert not still_open()


# ---------------------------------------------------------------- limits

def expecting(client, image, length):
    """Announces so many bytes and returns the status that comes before any of them."""
    s = client.connect()
    with contextlib.closing(s):
        s.sendall(client.head('PUT', '/v2/images/%s/file' % image, {'Content-Type': 'application/octet-stream', 'Content-Length': str(length),
                                                                    'Expect': '100-continue'}))
        s.settimeout(10 * SLOW)
        return int(s.recv(1000).split(b' ')[1])


def test_httpds_own_limit_on_bodies_is_lifted_and_the_operators_is_kept(make):
    data = make.data()
    server = make(MOUNT % (data.conf, '') + '<Location "/small">\n Glint On\n GlintConfig %s\n LimitRequestBody 1000\n</Location>\n' % data.conf)
    member, small = Mounted(server), Mounted(server, '/small')
    assert expecting(member, member.create()['id'], 20 << 30) == 100
    image = small.create()['id']
    assert expecting(small, image, 1001) == 413
    assert eventually(lambda: small.show(image)['status'] == 'queued')
    assert small.upload(image, chunks=[bytes(600), bytes(600)]).status == 413
    assert eventually(lambda: small.show(image)['status'] == 'queued')
    assert small.upload(image, bytes(1000)).status == 204
    assert 'LimitRequestBody bounds uploads to 1000 bytes' in server.log()


def test_a_slow_body_is_given_up(make):
    data = make.data()
    server = make(MOUNT % (data.conf, '') + 'RequestReadTimeout body=1\n', modules=('reqtimeout',))
    member = Mounted(server)
    image = member.create()['id']
    s = member.half_upload(image, 1000, 10)
    answer = read_answer(s)
    assert answer.status == 408
    assert eventually(lambda: member.show(image)['status'] == 'queued')


# ---------------------------------------------------------------- logs

def test_lines_of_the_logs(make):
    data = make.data()
    server = make(MOUNT % (data.conf, '') + 'LogFormat "%>s %{glint-request-id}n %U" ours\nCustomLog {dir}/access.log ours\n')
    member = Mounted(server)
    identity = member.get('/v2/images').header('x-openstack-request-id')
    assert eventually(lambda: '200 %s /image/v2/images' % identity in httpd.read(server.access))
    shutil.rmtree(data.images)
    failed = member.upload(member.create()['id'], b'data')
    assert failed.status >= 400
    line = httpd.wait_for_log(server, failed.header('x-openstack-request-id'))
    assert re.search(r'\[glint:(info|warn|error)\] \[pid \d+:tid \d+\] \[client 127\.0\.0\.1:\d+\] req-', line), line
    assert 'access request_id=' not in server.log()


def test_the_services_own_access_line_can_be_had(make):
    data = make.data(config={'glint': {'access_log': 'true'}})
    server = make(MOUNT % (data.conf, ''))
    answer = Mounted(server).get('/v2/images')
    line = httpd.wait_for_log(server, 'access request_id=' + answer.header('x-openstack-request-id'))
    assert '[glint:info]' in line and 'path=/v2/images ' in line


def test_each_virtual_host_has_its_log(make):
    data = make.data(config={'nonsense': {'option': 'x'}})
    server = make(LOAD + '<VirtualHost *:{port}>\n ErrorLog {dir}/other.log\n <Location "/image">\n  Glint On\n  GlintConfig %s\n </Location>\n'
                  '</VirtualHost>\n' % data.conf)
    other = os.path.join(server.directory, 'other.log')
    assert eventually(lambda: 'takes identities from' in httpd.read(other))
    assert 'takes identities from' not in server.log()


# ---------------------------------------------------------------- the database comes later

def test_a_missing_database_is_a_503_until_it_is_there(make):
    data = make.data()
    os.remove(data.database)
    server = make(MOUNT % (data.conf, ''), ready=None)
    member = Mounted(server)

    def answer():
        with contextlib.suppress(OSError):
            return member.get('/v2/images')
        return None
    first = eventually(answer)
    assert first.status == 503 and first.header('Retry-After') == '5'
    line = httpd.wait_for_log(server, 'the service cannot be opened')
    assert 'glint db sync --config-file ' + data.conf in line
    data.tool('db', 'sync')
    httpd.give(data.directory)
    assert eventually(lambda: member.get('/v2/images').status == 200, 20)
    assert member.active(b'0123456789')


# ---------------------------------------------------------------- the worker

def one_worker(server, besides=()):
    return eventually(lambda: [pid for pid in server.workers() if pid not in besides][:1], 30)


def test_the_worker_is_kept_alive(make):
    data = make.data(config={'glint': {'reap_interval': 1}})
    server = make(MOUNT % (data.conf, ' GlintWorker On'))
    first = one_worker(server)
    assert first and len(server.workers()) == 1
    if os.geteuid() == 0:
        assert os.stat('/proc/%d' % first[0]).st_uid == httpd.pwd.getpwnam(httpd.USER).pw_uid
    opened = [os.readlink('/proc/%d/fd/%s' % (first[0], fd)) for fd in os.listdir('/proc/%d/fd' % first[0])]
    assert not [name for name in opened if name.startswith('socket:')], opened
    os.kill(first[0], signal.SIGKILL)
    second = one_worker(server, first)
    assert second and 'ended with signal 9' in server.log()
    # What it is for: an upload that died with httpd's child is put back.
    member = Mounted(server)
    image = member.create()['id']
    s = member.half_upload(image, 1000, 10)
    assert eventually(lambda: member.show(image)['status'] == 'saving')
    server.kill_children()
    server.wait_ready('/image/versions')
    assert eventually(lambda: member.show(image)['status'] == 'queued', 120)
    s.close()
    server.graceful()
    third = one_worker(server, first + second)
    assert third and eventually(lambda: server.workers() == third)
    pid = third[0]
    assert server.stop() == 0
    assert eventually(lambda: httpd.gone(pid))


def test_the_worker_ends_with_a_parent_that_is_killed(make):
    data = make.data()
    server = make(MOUNT % (data.conf, ' GlintWorker On'))
    pid = one_worker(server)[0]
    rest = server.children()
    server.process.kill()
    server.process.wait()
    assert eventually(lambda: httpd.gone(pid))
    for child in rest:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    server.process = None


def test_a_worker_that_cannot_start_is_not_a_storm(make):
    data = make.data()
    server = make((MOUNT % (data.conf, ' GlintWorker On')).replace('GlintProgram ' + PROGRAM, 'GlintProgram /bin/false'))
    httpd.wait_for_log(server, 'glint worker')
    time.sleep(4)
    assert 1 <= server.log().count('ended with status 1') <= 2, server.log()
    assert 'ended with signal' not in server.log()
    assert Mounted(server).get('/v2/images').status == 200


# ---------------------------------------------------------------- restarts and ends

def test_uploads_and_downloads_live_through_a_graceful_restart(make):
    data = make.data()
    server = make(MOUNT % (data.conf, ''))
    member = Mounted(server)
    body = pattern(30 * MIB)
    there = member.active(body)
    image = member.create()['id']
    up = member.half_upload(image, len(body), 0)
    up.sendall(body[:MIB])
    assert eventually(lambda: member.show(image)['status'] == 'saving')
    down = member.connect()
    down.sendall(member.head('GET', '/v2/images/%s/file' % there))
    begun = down.recv(1000)
    before = set(server.children())
    with open(data.conf, 'a') as f:
        f.write('\n[DEFAULT]\nlimit_param_default = 1\n')
    server.graceful()
    assert eventually(lambda: set(server.children()) - before)
    assert eventually(lambda: len(member.listed()) == 1)    # the new configuration, while the old one still serves
    up.sendall(body[MIB:])
    assert read_answer(up).status == 204
    assert member.download(image).body == body
    head, _, rest = begun.partition(b'\r\n\r\n')
    while len(rest) < len(body):
        piece = down.recv(1 << 20)
        assert piece, 'broken off after %d bytes' % len(rest)
        rest += piece
    assert head.startswith(b'HTTP/1.1 200 OK') and rest == body
    for s in (up, down):
        s.close()
    assert eventually(lambda: not before & set(server.children()), 30)


@pytest.mark.parametrize('mpm', ['event', 'worker', 'prefork'])
def test_a_chunked_upload_lives_through_a_graceful_restart(make, mpm):
    """In the prefork MPM the signal interrupts the child's wait for the next chunk, which mod_reqtimeout (enabled in Debian) reports."""
    data = make.data()
    server = make(MOUNT % (data.conf, '') + 'RequestReadTimeout header=20-40,MinRate=500 body=40,MinRate=500\n', modules=('reqtimeout',), mpm=mpm)
    member = Mounted(server)
    image, body = member.create()['id'], pattern(2 * MIB)
    up = member.connect()
    up.sendall(member.head('PUT', '/v2/images/%s/file' % image, {'Content-Type': 'application/octet-stream', 'Transfer-Encoding': 'chunked'}))
    half = b'%x\r\n' % MIB + body[:MIB] + b'\r\n', b'%x\r\n' % MIB + body[MIB:] + b'\r\n'
    for sent in (half[0], half[1][:5000]):    # waiting for a chunk, and within one
        up.sendall(sent)
        assert eventually(lambda: member.show(image)['status'] == 'saving')
        for _ in range(2):
            before = set(server.children())
            server.graceful()
            assert eventually(lambda: set(server.children()) - before)
            assert member.show(image)['status'] == 'saving'
    up.sendall(half[1][5000:] + b'0\r\n\r\n')
    assert read_answer(up).status == 204
    assert member.download(image).body == body
    up.close()


@pytest.mark.parametrize('mpm', ['event', 'worker', 'prefork'])
def test_a_stop_within_an_upload_leaves_the_image_to_the_next_try(make, mpm):
    data = make.data()
    server = make(MOUNT % (data.conf, ''), mpm=mpm)
    member = Mounted(server)
    image = member.create()['id']
    s = member.half_upload(image, 10 * MIB, MIB)
    assert eventually(lambda: member.show(image)['status'] == 'saving')
    assert server.stop(signal.SIGTERM) == 0
    s.close()
    server.start().wait_ready('/image/versions')
    if member.show(image)['status'] != 'queued':    # a child that had no time to say so left it to the worker
        worker = subprocess.Popen([GLINT, 'worker', '--config-file', data.conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        assert eventually(lambda: member.show(image)['status'] == 'queued', 120)
        worker.terminate()
        worker.wait()
        httpd.give(data.directory)
    assert member.upload(image, b'second try').status == 204


# ---------------------------------------------------------------- downloads that fail

class Short(http.server.BaseHTTPRequestHandler):
    """Promises more than it sends."""
    protocol_version = 'HTTP/1.1'

    def do_HEAD(self):
        self.send_response(200)
        self.send_header('Content-Length', str(4 * MIB))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(bytes(MIB))
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.mark.parametrize('version', ['HTTP/1.0', 'HTTP/1.1'])
def test_a_download_that_fails_midway_is_no_whole_one(make, version):
    """The data are at a web server that breaks off."""
    backend = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Short)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    data = make.data(config={'glance_store': {'stores': 'file,http'}, 'DEFAULT': {'show_multiple_locations': 'true'},
                             'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]'},
                             'oslo_policy': {'enforce_new_defaults': 'false'}})
    server = make(MOUNT % (data.conf, ''))
    member = Mounted(server, who='admin')
    image = member.create()['id']
    data.sql("update images set status = 'active', size = ? where id = ?", 4 * MIB, image)
    data.sql("insert into image_locations (image_id, value, created_at, updated_at, deleted, meta_data, status) values "
             "(?, ?, '2026-01-01', '2026-01-01', 0, '{}', 'active')", image, 'http://127.0.0.1:%d/disk' % backend.server_port)
    s = member.connect()
    s.sendall(member.head('GET', '/v2/images/%s/file' % image).replace(b'HTTP/1.1', version.encode()))
    got, reset = b'', False
    try:
        while piece := s.recv(1 << 20):
            got += piece
    except ConnectionResetError:
        reset = True
    backend.shutdown()
    head, _, body = got.partition(b'\r\n\r\n')
    if head.split(b' ')[1] == b'200':
        assert b'Content-Length: %d' % (4 * MIB) in head and 0 < len(body) < 4 * MIB and not body.endswith(b'0\r\n\r\n')
        httpd.wait_for_log(server, 'the answer is broken off')
    else:
        assert head.split(b' ')[1] == b'500' and not reset, got[:500]
    assert member.get('/v2/images').status == 200


# ---------------------------------------------------------------- the recorded answers

def test_a_sample_of_the_oracle(make):
    data = make.data()
    server = make(MOUNT % (data.conf, '') + 'LimitRequestFieldSize 65536\nLimitRequestLine 65536\nHttpProtocolOptions LenientMethods\n')
    done = subprocess.run(['/usr/bin/python3', '-B', 'tests/oracle/oracle.py', 'replay', 'http://%s:%d/image' % (server.host, server.port), '--front',
                           '--sample', '250', '--leave-out', 'versions/root:HEAD,versions/versions:HEAD,versions/unknown-method:CONNECT,rest/location-*'],
                          cwd=TOP, capture_output=True, text=True, timeout=500 * SLOW)
    passed = re.search(r'^(\d+) passed, 0 failed$', done.stdout, re.M)
    assert passed and int(passed.group(1)) >= 200, done.stdout[-4000:] + done.stderr[-2000:]
