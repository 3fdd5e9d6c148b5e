# SPDX-License-Identifier: Apache-2.0
"""The uwsgi protocol, spoken by hand: what web servers send well, and what nobody should."""
import contextlib
import os
import select
import signal
import socket
import stat
import struct
import sys
import time

import pytest
from glint import MIB, SLOW, WHO, Server, eventually, free_port, read_all, read_answer
from test_program import LAUNCH, program, unix_get  # noqa: F401


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """(server, its uwsgi port, its uwsgi socket)"""
    port, path = free_port(), str(tmp_path_factory.mktemp('socket') / 'uwsgi.sock')
    server = Server(tmp_path_factory.mktemp('uwsgi'), trusted=True, config={
        'DEFAULT': {'image_size_cap': 40 * MIB},
        'glint': {'bind_uwsgi': '127.0.0.1:%d' % port, 'bind_uwsgi_unix': path, 'bind_uwsgi_unix_mode': '0600',
                  'head_timeout': 1 * SLOW, 'body_timeout': 2 * SLOW, 'drain_timeout': 4 * SLOW}})
    yield server, port, path
    problem = server.finish()
    assert not problem, problem


@pytest.fixture
def uwsgi(place):
    return Speaker(place[1])


def packet(variables, modifiers=(0, 0)):
    block = b''.join(struct.pack('<H', len(x)) + x for pair in variables for x in pair)
    return struct.pack('<BHB', modifiers[0], len(block) & 0xFFFF, modifiers[1]) + block


def raw(text):
    return text if isinstance(text, bytes) else str(text).encode()


class Speaker:
    def __init__(self, where, who='member'):
        self.where, self.who = where, who

    def connect(self):
        if isinstance(self.where, str):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(30 * SLOW)
            s.connect(self.where)
            return s
        s = socket.create_connection(('127.0.0.1', self.where), timeout=30 * SLOW)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def variables(self, method, uri, **more):
        """As nginx sends them; a name in `more` replaces one, None leaves it out, a list repeats it."""
        found = {'QUERY_STRING': uri.partition('?')[2], 'REQUEST_METHOD': method, 'CONTENT_TYPE': '', 'CONTENT_LENGTH': '',
                 'REQUEST_URI': uri, 'PATH_INFO': uri.partition('?')[0], 'SERVER_PROTOCOL': 'HTTP/1.1', 'REQUEST_SCHEME': 'http',
                 'REMOTE_ADDR': '192.0.2.7', 'REMOTE_PORT': '1234', 'SERVER_NAME': 'front', 'SERVER_PORT': '80',
                 'HTTP_HOST': 'front'}
        for name, value in WHO[self.who].items():
            found['HTTP_' + name.upper().replace('-', '_')] = value
        found.update(more)
        return [(raw(name), raw(each)) for name, value in found.items() if value is not None
                for each in (value if isinstance(value, list) else [value])]

    def begin(self, method, uri, body=b'', **more):
        s = self.connect()
        s.sendall(packet(self.variables(method, uri, **more)) + body)
        return s

    def ask(self, method, uri, body=None, **more):
        if body is not None:
            more.setdefault('CONTENT_LENGTH', len(body))
        with self.begin(method, uri, body or b'', **more) as s:
            return read_answer(s)

    def create(self):
        answer = self.ask('POST', '/v2/images', b'{"disk_format": "raw", "container_format": "bare"}', CONTENT_TYPE='application/json')
        assert answer.status == 201, answer
        return answer.json['id']

    def upload(self, image, body, **more):
        return self.ask('PUT', '/v2/images/%s/file' % image, body, CONTENT_TYPE='application/octet-stream', **more)

    def active(self, data):
        image = self.create()
        assert self.upload(image, data).status == 204
        return image

    def status(self, image):
        return self.ask('GET', '/v2/images/' + image).json['status']

    def queued_again(self, image):
        return eventually(lambda: self.status(image) == 'queued', 20)


def was_reset(s):
    try:
        while s.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return False


# ---------------------------------------------------------------- well-behaved servers

def test_a_life_of_an_image(uwsgi, place):
    data = os.urandom(3 * MIB + 17)
    image = uwsgi.active(data)
    answer = uwsgi.ask('GET', '/v2/images/%s/file' % image)
    assert (answer.status, answer.body) == (200, data)
    assert answer.header('Content-Length') == str(len(data))
    assert uwsgi.ask('GET', '/v2/images/%s/file' % image, HTTP_RANGE='bytes=5-9').body == data[5:10]
    assert uwsgi.ask('HEAD', '/v2/images/' + image).status in (200, 404, 405)
    assert uwsgi.ask('DELETE', '/v2/images/' + image).status == 204
    assert uwsgi.ask('GET', '/v2/images/' + image).status == 404


@pytest.mark.parametrize('method, uri, status', [
    ('GET', '/', 300), ('GET', '/versions', 200), ('GET', '/v2/images', 200), ('GET', '/v2/images?limit=x', 400), ('GET', '/v2/nowhere', 404),
    ('PUT', '/v2/images', 405), ('OPTIONS', '/v2/images', 200), ('BREW', '/v2/images', 405), ('GET', '/healthcheck', 200)])
def test_an_answer_ends_with_its_connection(uwsgi, method, uri, status):
    with uwsgi.begin(method, uri) as s:
        text = read_all(s)
    head, _, body = text.partition(b'\r\n\r\n')
    lines = head.decode().split('\r\n')
    names = {line.partition(':')[0].lower(): line.partition(':')[2].strip() for line in lines[1:]}
    assert lines[0].startswith('HTTP/1.1 %d ' % status) or status == 200 and lines[0].startswith('HTTP/1.1 204 ')
    assert 'connection' not in names and 'transfer-encoding' not in names
    if b'204' not in lines[0].encode():
        assert names['content-length'] == str(len(body))


def test_the_client_is_who_the_server_says(uwsgi, place):
    uwsgi.ask('GET', '/v2/images/who-was-it', REMOTE_ADDR='198.51.100.9')
    assert eventually(lambda: any('path=/v2/images/who-was-it' in line and 'peer=198.51.100.9' in line
                                  for line in place[0].log().splitlines()))


def test_links_carry_the_mount(uwsgi):
    answer = uwsgi.ask('GET', '/image/', SCRIPT_NAME='/image', HTTPS='on', HTTP_HOST='example.org')
    assert answer.json['versions'][0]['links'][0]['href'] == 'https://example.org/image/v2/'
    answer = uwsgi.ask('GET', '/a/b/v2/images?limit=1', SCRIPT_NAME='/wrong', GLINT_MOUNT='/a/b')
    assert answer.status == 200


@pytest.mark.parametrize('path', ['/v2/images/{}', '/v2/images/{}%2F', '/v2/images%2F{}', '/v2//images/{}', '//v2/images/{}', '/v2/images/{}%00',
                                  '/v2/x/../images/{}', '/v2/images/./{}', '/v2/images/{}?a=%2F%00', '/v2/images/%zz{}', '/v2/images/%20{}'])
def test_paths_are_routed_as_they_were_sent(uwsgi, place, path):
    """As by HTTP, whatever the server has made of them for PATH_INFO."""
    image = uwsgi.create()
    answer = uwsgi.ask('GET', '/image' + path.format(image), SCRIPT_NAME='/image', PATH_INFO='/v2/tasks')
    assert answer.status == place[0].client('member').get(path.format(image)).status, answer


def test_identity_comes_from_headers_only(uwsgi):
    uwsgi.who = 'nobody'
    assert uwsgi.ask('GET', '/v2/images').status == 401
    assert uwsgi.ask('GET', '/v2/images', X_IDENTITY_STATUS='Confirmed', X_USER_ID='u', X_PROJECT_ID='p', X_ROLES='admin').status == 401
    assert uwsgi.ask('GET', '/v2/images', REMOTE_USER='admin').status == 401


def test_a_unix_socket(place):
    assert stat.S_IMODE(os.stat(place[2]).st_mode) == 0o600
    speaker = Speaker(place[2])
    data = os.urandom(MIB)
    image = speaker.active(data)
    assert speaker.ask('GET', '/v2/images/%s/file' % image).body == data


# ---------------------------------------------------------------- bodies

CHUNKED = b'3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n'
BODIES = {
    'a length': (dict(CONTENT_LENGTH=5), b'abcde', b'abcde'),
    'no bytes': (dict(CONTENT_LENGTH=0), b'', b''),
    'no word of a body': ({}, b'', b''),
    'a length and garbage after it': (dict(CONTENT_LENGTH=3), b'abcde', b'abc'),
    'spooled by nginx': (dict(CONTENT_LENGTH=5, HTTP_TRANSFER_ENCODING='chunked'), b'0\r\n\r\n', b'0\r\n\r\n'),
    'framed by a filter': (dict(BODY_FRAMING='chunked', CONTENT_LENGTH=2**63 - 1), CHUNKED, b'abcde'),
    'framed, and garbage after it': (dict(BODY_FRAMING='chunked'), CHUNKED + b'more', b'abcde'),
    'framed, no bytes': (dict(BODY_FRAMING='chunked'), b'0\r\n\r\n', b''),
    'chunked as it came': (dict(HTTP_TRANSFER_ENCODING='chunked'), CHUNKED, b'abcde'),
    'framed by the client': (dict(HTTP_BODY_FRAMING='chunked', CONTENT_LENGTH=len(CHUNKED)), CHUNKED, CHUNKED),
    'a length said twice': (dict(CONTENT_LENGTH=['5', '5']), b'abcde', b'abcde'),
}


@pytest.mark.parametrize('name', BODIES)
def test_bodies_are_framed_in_order(uwsgi, name):
    variables, sent, stored = BODIES[name]
    image = uwsgi.create()
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, sent, CONTENT_TYPE='application/octet-stream', **variables) as s:
        assert read_answer(s).status == 204
    assert uwsgi.ask('GET', '/v2/images/%s/file' % image).body == stored


@pytest.mark.parametrize('variables, body, status', [
    (dict(CONTENT_LENGTH='x'), b'abc', 400), (dict(CONTENT_LENGTH='-1'), b'abc', 400), (dict(CONTENT_LENGTH='5, 5'), b'abcde', 400),
    (dict(CONTENT_LENGTH=['5', '6']), b'abcde', 400), (dict(CONTENT_LENGTH=2**63), b'abc', 400),
    (dict(BODY_FRAMING='gzip'), b'abc', 400), (dict(HTTP_TRANSFER_ENCODING='gzip, chunked'), b'abc', 501),
    (dict(CONTENT_LENGTH=None, HTTP_CONTENT_LENGTH='5'), b'abcde', 400), (dict(BODY_FRAMING='chunked'), b'5\nabcde\n0\n\n', 400),
    (dict(BODY_FRAMING='chunked'), b'zz\r\n', 400)])
def test_framing_that_is_no_framing(uwsgi, variables, body, status):
    image = uwsgi.create()
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, body, CONTENT_TYPE='application/octet-stream', **variables) as s:
        assert read_answer(s).status == status
    assert uwsgi.queued_again(image)


def test_no_100_continue(uwsgi):
    image = uwsgi.create()
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', CONTENT_LENGTH=5,
                     HTTP_EXPECT='100-continue') as s:
        assert not select.select([s], [], [], 0.5)[0]
        s.sendall(b'abcde')
        assert read_all(s).startswith(b'HTTP/1.1 204 ')


# ---------------------------------------------------------------- packets

def test_a_packet_byte_by_byte(uwsgi):
    image = uwsgi.create()
    data = packet(uwsgi.variables('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', CONTENT_LENGTH=3)) + b'abc'
    with uwsgi.connect() as s:
        for at in range(len(data)):
            s.sendall(data[at:at + 1])
        assert read_answer(s).status == 204


def test_a_packet_in_two_pieces_wherever_it_is_cut(uwsgi):
    data = packet(uwsgi.variables('GET', '/versions'))
    for cut in [*range(1, 12), len(data) // 2, len(data) - 1]:
        with uwsgi.connect() as s:
            s.sendall(data[:cut])
            time.sleep(0.02)
            s.sendall(data[cut:])
            assert read_answer(s).status == 200, cut


def test_the_greatest_packet(uwsgi):
    variables = uwsgi.variables('GET', '/versions')
    room = 65535 - len(packet(variables)) + 4 - 4 - len('HTTP_X_LONG')
    data = packet(variables + [(b'HTTP_X_LONG', b'x' * room)])
    assert len(data) == 4 + 65535
    with uwsgi.connect() as s:
        s.sendall(data)
        assert read_answer(s).status == 200


@pytest.mark.parametrize('data, status', [
    (packet([], (5, 0)), 400), (packet([], (0, 1)), 400), (b'GET / HTTP/1.1\r\nHost: h\r\n\r\n', 400), (packet([]), 400),
    (struct.pack('<BHB', 0, 3, 0) + b'\xff\xffx', 400), (packet([(b'', b'x')]), 400), (packet([(b'REQUEST_URI', b'/\0')]), 400),
    (packet([(b'REQUEST_METHOD', b'GET'), (b'REQUEST_URI', b'/'), (b'HTTP_A', b'b\r\nC: d')]), 400),
    (packet([(b'REQUEST_METHOD', b'GET'), (b'REQUEST_URI', b'/' + b'x' * 20000)]), 414),
    (packet([(b'REQUEST_METHOD', b'GET'), (b'REQUEST_URI', b'/')] + [(b'HTTP_A%d' % i, b'') for i in range(200)]), 431)])
def test_packets_that_are_none(uwsgi, data, status):
    with uwsgi.connect() as s:
        s.sendall(data)
        text = read_all(s)
    assert text.startswith(b'HTTP/1.1 %d ' % status), text[:200]
    assert b'Connection' not in text


def test_a_mount_of_old_configurations(uwsgi):
    with uwsgi.connect() as s:
        s.sendall(packet(uwsgi.variables('GET', '/image/versions', SCRIPT_NAME='/image'), (30, 0)))
        assert read_answer(s).status == 200


@pytest.mark.parametrize('cut', [0, 1, 4, 50])
def test_a_packet_that_stops(uwsgi, cut):
    """Within head_timeout, or by the end of the connection."""
    data = packet(uwsgi.variables('GET', '/versions'))[:cut]
    with uwsgi.connect() as s:
        s.sendall(data)
        if cut > 0:
            assert read_all(s).startswith(b'HTTP/1.1 408 ')
    with uwsgi.connect() as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b''


# ---------------------------------------------------------------- ends

@pytest.mark.parametrize('framing', ['length', 'framed'])
@pytest.mark.parametrize('how', ['close', 'half', 'reset'])
@pytest.mark.parametrize('sent', [0, 100000])
def test_an_upload_that_breaks_off(uwsgi, framing, how, sent):
    image = uwsgi.create()
    body = b'x' * sent
    if framing == 'length':
        variables = dict(CONTENT_LENGTH=sent + 1)
    else:
        variables, body = dict(BODY_FRAMING='chunked'), b'%x\r\n%s\r\n' % (sent, body) if sent else b''
    s = uwsgi.begin('PUT', '/v2/images/%s/file' % image, body, CONTENT_TYPE='application/octet-stream', **variables)
    assert eventually(lambda: uwsgi.status(image) == 'saving', 20)
    if how == 'half':
        s.shutdown(socket.SHUT_WR)
        read_all(s)
    elif how == 'reset':
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.close()
    assert uwsgi.queued_again(image)
    assert uwsgi.upload(image, b'again').status == 204


def test_an_upload_that_stalls(uwsgi):
    image = uwsgi.create()
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, b'x' * 1000, CONTENT_TYPE='application/octet-stream', CONTENT_LENGTH=2000) as s:
        assert b'HTTP/1.1 4' in read_all(s)[:10]
    assert uwsgi.queued_again(image)


@pytest.mark.parametrize('framing', [dict(CONTENT_LENGTH=30 * MIB), dict(BODY_FRAMING='chunked')])
def test_a_refusal_reaches_who_sends_first(uwsgi, framing):
    """The image is active, which is known before the first byte of the body."""
    image = uwsgi.active(b'abc')
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', **framing) as s:
        for _ in range(30):
            s.sendall(b'\0' * MIB)
        answer = read_answer(s)
    assert answer.status == 409, answer
    assert uwsgi.ask('GET', '/v2/images/%s/file' % image).body == b'abc'


def test_a_refusal_within_the_body(uwsgi):
    image = uwsgi.create()
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', BODY_FRAMING='chunked') as s:
        for _ in range(60):
            s.sendall(b'100000\r\n' + b'\0' * MIB + b'\r\n')
        s.sendall(b'0\r\n\r\n')
        assert read_answer(s).status == 413
    assert uwsgi.queued_again(image)


def test_draining_has_an_end(uwsgi):
    image = uwsgi.active(b'abc')
    began = time.monotonic()
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', CONTENT_LENGTH=2**40) as s:
        with pytest.raises(OSError):
            while time.monotonic() - began < 60 * SLOW:
                s.sendall(b'\0' * 65536)
                time.sleep(0.01)
    assert 3 * SLOW < time.monotonic() - began < 30 * SLOW
    with uwsgi.begin('PUT', '/v2/images/%s/file' % image, CONTENT_TYPE='application/octet-stream', CONTENT_LENGTH=2**40) as s:
        assert read_answer(s).status == 409      # and of a body that does not come
        assert eventually(lambda: select.select([s], [], [], 0)[0] and not s.recv(1), 10)


def test_a_download_that_nobody_takes(uwsgi):
    image = uwsgi.active(os.urandom(8 * MIB))
    with uwsgi.begin('GET', '/v2/images/%s/file' % image) as s:
        s.recv(100)
        time.sleep(4 * SLOW)
        assert was_reset(s)


def test_a_file_that_became_shorter(uwsgi, place):
    image = uwsgi.active(os.urandom(32 * MIB))
    with uwsgi.begin('GET', '/v2/images/%s/file' % image) as s:
        s.recv(100)
        os.truncate(os.path.join(place[0].images, image), MIB)
        assert was_reset(s)


def test_killed_within_a_download(glint_server):
    port = free_port()
    server = glint_server(trusted=True, config={'glint': {'bind_uwsgi': '127.0.0.1:%d' % port}})
    speaker = Speaker(port)
    image = speaker.active(os.urandom(16 * MIB))
    with speaker.begin('GET', '/v2/images/%s/file' % image) as s:
        assert len(s.recv(100)) > 0
        server.kill()
        assert was_reset(s)
    server.start()


def test_stopped_within_a_download(glint_server):
    port = free_port()
    server = glint_server(trusted=True, config={'glint': {'bind_uwsgi': '127.0.0.1:%d' % port, 'shutdown_timeout': 0.2}})
    speaker = Speaker(port)
    image = speaker.active(os.urandom(16 * MIB))
    with speaker.begin('GET', '/v2/images/%s/file' % image) as s:
        assert len(s.recv(100)) > 0
        server.stop()
        assert was_reset(s)


def test_a_reader_who_does_not_read_holds_up_no_stop(glint_server):
    """Not for shutdown_timeout, 60 s; one who reads has that."""
    port = free_port()
    server = glint_server(trusted=True, config={'glint': {'bind_uwsgi': '127.0.0.1:%d' % port}})
    client, size = server.client(), 24 * MIB
    path = '/v2/images/%s/file' % client.active(bytes(size))
    with client.connect() as quiet, Speaker(port).begin('GET', path), client.connect() as reader:
        for s in (quiet, reader):
            s.sendall(client.head('GET', path))
        got, end = len(reader.recv(1)), time.monotonic() + 7    # longer than a quiet one has
        time.sleep(0.5 * SLOW)
        server.process.send_signal(signal.SIGTERM)
        while time.monotonic() < end:
            got += len(reader.recv(65536))
            time.sleep(0.2)
        while piece := reader.recv(MIB):
            got += len(piece)
        assert got > size
        assert server.process.wait(40 * SLOW) == 0
    assert '2 requests were broken off' in server.log()
    server.process, server.exit_status = None, 0


def test_many_at_once(uwsgi):
    with contextlib.ExitStack() as stack:
        all_of_them = [stack.enter_context(uwsgi.begin('GET', '/v2/images?limit=1')) for _ in range(100)]
        assert all(read_answer(s).status == 200 for s in all_of_them)


# ---------------------------------------------------------------- the program

def test_only_for_web_servers(program):
    port = free_port()
    program.start('--bind-host', '', '--set', 'glint.bind_uwsgi=127.0.0.1:%d' % port, wait=False)
    speaker = Speaker(port, 'nobody')
    program.wait(lambda: speaker.ask('GET', '/versions').status == 200)
    assert 'serves the Images API at uwsgi 127.0.0.1:%d,' % port in program.log()
    with pytest.raises(OSError):
        socket.create_connection(('127.0.0.1', program.port), timeout=2)


@pytest.mark.parametrize('switches, said', [
    (['--bind-host', ''], 'bind_host is empty'),
    (['--set', 'glint.bind_uwsgi=9000'], "[glint] bind_uwsgi: '9000' is not valid: expected host:port"),
    (['--set', 'glint.bind_uwsgi=::1:9000'], 'expected host:port'),
    (['--set', 'glint.bind_uwsgi=127.0.0.1:x'], 'expected host:port'),
    (['--set', 'glint.bind_uwsgi_unix=/nonexistent/dir/sock'], 'cannot listen on /nonexistent/dir/sock')])
def test_nowhere_to_listen(program, switches, said):
    program.start(*switches, wait=False)
    assert program.process.wait(20 * SLOW) == 1
    assert said in program.log()


def test_socket_activation(program, tmp_path):
    web, local = socket.socket(), socket.socket(socket.AF_UNIX)
    web.bind(('127.0.0.1', 0))
    local.bind(str(tmp_path / 'web.sock'))
    for s in (web, local):
        s.listen()
    fds = [os.dup2(s.fileno(), 900 + i) for i, s in enumerate((web, local))]
    launcher = [sys.executable, '-c', LAUNCH, 'uwsgi:web', '2', *map(str, fds)]
    program.start(*program.configure(), wait=False, launcher=launcher, pass_fds=fds)
    speaker = Speaker(web.getsockname()[1], 'nobody')
    program.wait(lambda: speaker.ask('GET', '/versions').status == 200)
    assert unix_get(str(tmp_path / 'web.sock'), '/versions')[0] == 200
    for fd in fds:
        os.close(fd)
