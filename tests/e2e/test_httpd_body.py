# SPDX-License-Identifier: Apache-2.0
"""mod_glint_body: what a uwsgi back end of Apache httpd gets to see of a request's body."""
import contextlib
import shutil
import socket
import struct
import tempfile
import threading

import pytest

import httpd
from glint import Client, eventually, pattern, read_all, read_answer

pytestmark = pytest.mark.skipif(bool(httpd.missing(httpd.BODY_MODULE)), reason=str(httpd.missing(httpd.BODY_MODULE)))


class Backend:
    """Keeps the variables and the raw body of each request, and answers 200."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile('rb') as stream:
            head = stream.read(4)
            if len(head) < 4:   # refused before anything was sent
                return
            _, size, _ = struct.unpack('<BHB', head)
            packet, at, variables = stream.read(size), 0, {}
            while at < size:
                pair = []
                for _ in range(2):
                    n, = struct.unpack_from('<H', packet, at)
                    pair.append(packet[at + 2:at + 2 + n].decode('latin-1'))
                    at += 2 + n
                variables[pair[0]] = pair[1]
            body = b''
            if variables.get('BODY_FRAMING') == 'chunked':
                while not body.endswith(b'0\r\n\r\n'):
                    piece = stream.read1(65536)
                    if not piece:
                        break
                    body += piece
            elif variables.get('CONTENT_LENGTH'):
                body = stream.read(int(variables['CONTENT_LENGTH']))
            self.seen.append((variables, body))
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')


def decoded(body):
    """The data of a chunked body that is complete."""
    data = b''
    while True:
        size, _, body = body.partition(b'\r\n')
        n = int(size, 16)
        if n == 0:
            assert body == b'\r\n'
            return data
        data, end, body = data + body[:n], body[n:n + 2], body[n + 2:]
        assert end == b'\r\n'


SITE = '''
LoadModule glint_body_module %s
ProxyPass "/on" "uwsgi://127.0.0.1:%d/"
ProxyPass "/off" "uwsgi://127.0.0.1:%d/"
ProxyPass "/small" "uwsgi://127.0.0.1:%d/"
ProxyPass "/group" "balancer://group/"
<Proxy "balancer://group">
    BalancerMember "uwsgi://127.0.0.1:%d"
</Proxy>
<LocationMatch "^/(on|small|group)">
    GlintBody On
</LocationMatch>
<Location "/small">
    LimitRequestBody 1000
</Location>
'''


@pytest.fixture(scope='module')
def made():
    backend = Backend()
    folder = tempfile.mkdtemp(prefix='glint-httpd-', dir='/var/tmp')
    server = httpd.Httpd(folder, SITE % (httpd.BODY_MODULE, *[backend.port] * 4),
                         modules=('slotmem_shm', 'proxy', 'proxy_uwsgi', 'proxy_balancer', 'lbmethod_byrequests'))
    try:
        server.start().wait_ready('/on')
        yield server, backend
        assert server.stop() == 0, server.log()
        assert not any(word in server.log() for word in httpd.glint.REPORTS), server.log()
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def front(made):
    server, backend = made
    backend.seen.clear()
    return Client(server.host, server.port), backend


@pytest.mark.parametrize('place', ['/on', '/group'])
@pytest.mark.parametrize('sizes', [[0], [1], [1, 2, 3], [8192], [8150, 8160, 8170, 8191, 8193], [100000, 1, 65536], [1] * 300])
def test_a_chunked_body_arrives_as_chunks(front, place, sizes):
    client, backend = front
    data = pattern(sum(sizes))
    at, chunks = 0, []
    for size in sizes:
        chunks.append(data[at:at + size])
        at += size
    answer = client.put(place + '/x', chunks=[chunk for chunk in chunks if chunk], headers={'Content-Type': 'a/b'})
    assert (answer.status, answer.body) == (200, b'ok')
    variables, body = backend.seen.pop()
    assert variables['BODY_FRAMING'] == 'chunked' and 'HTTP_TRANSFER_ENCODING' not in variables
    assert decoded(body) == data


def test_nobody_else_can_say_so(front):
    client, backend = front
    headers = {'Body-Framing': 'chunked', 'BODY_FRAMING': 'chunked', 'Content-Length': '5'}
    assert client.put('/on/x', body=b'5\r\nab', headers=headers).status == 200
    variables, body = backend.seen.pop()
    assert 'BODY_FRAMING' not in variables and variables['CONTENT_LENGTH'] == '5' and body == b'5\r\nab'
    assert client.get('/on/x').status == 200
    assert 'BODY_FRAMING' not in backend.seen.pop()[0]


def test_elsewhere_nothing_changes(front):
    client, backend = front
    assert client.put('/off/x', chunks=[b'abc']).status == 411
    assert client.put('/off/x', body=b'abc').status == 200
    assert [(body, variables.get('BODY_FRAMING')) for variables, body in backend.seen] == [(b'abc', None)]


def test_a_broken_body_is_not_ended(front):
    client, backend = front
    s = client.connect()
    s.sendall(client.head('PUT', '/on/x', {'Transfer-Encoding': 'chunked'}) + b'5\r\nabcde\r\n5\r\nab')
    s.close()
    assert eventually(lambda: backend.seen)
    assert backend.seen[0][0]['BODY_FRAMING'] == 'chunked' and not backend.seen[0][1].endswith(b'0\r\n\r\n')
    s = client.connect()
    s.sendall(client.head('PUT', '/on/x', {'Transfer-Encoding': 'chunked'}) + b'5\r\nabcde\r\nzz\r\n')
    with contextlib.closing(s):
        assert read_answer(s).status in (400, 500)
    assert eventually(lambda: len(backend.seen) == 2) and not backend.seen[1][1].endswith(b'0\r\n\r\n')


def test_the_limit_on_bodies_counts(front):
    client, backend = front
    assert client.put('/small/x', chunks=[bytes(600), bytes(400)]).status == 200
    s = client.connect()
    with contextlib.closing(s):
        s.sendall(client.head('PUT', '/small/x', {'Transfer-Encoding': 'chunked'}) +
                  b'258\r\n%s\r\n191\r\n%s\r\n0\r\n\r\n' % (bytes(600), bytes(401)))
        text = read_all(s)
    assert text.startswith(b'HTTP/1.1 413 ') and text.count(b'HTTP/1.1') == 1 and b'Connection: close' in text, text
    assert eventually(lambda: len(backend.seen) == 2) and not backend.seen[1][1].endswith(b'0\r\n\r\n')


def test_100_continue_comes_with_the_first_read(front):
    client, _ = front
    s = client.connect()
    with contextlib.closing(s):
        s.sendall(client.head('PUT', '/on/x', {'Transfer-Encoding': 'chunked', 'Expect': '100-continue'}))
        s.settimeout(10)
        assert s.recv(1000).startswith(b'HTTP/1.1 100 Continue')
        s.sendall(b'3\r\nabc\r\n0\r\n\r\n')
        assert read_answer(s).status == 200
