# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as it is on the wire: framing, limits, pipelining, 100-continue, early answers, time limits."""
import json
import re
import socket
import time

import pytest

from glint import MIB, SLOW, Client, eventually, read_all, read_answer

HOST = b'Host: h\r\n'
GET = b'GET /v2/images HTTP/1.1\r\n'
POST = b'POST /v2/images HTTP/1.1\r\n' + HOST + b'Content-Type: application/json\r\n'
BODY = b'{"name": "framed"}'


def dial(server):
    return socket.create_connection((server.host, server.port), timeout=30 * SLOW)


def exchange(server, request):
    """All that comes back, until the server closes."""
    with dial(server) as s:
        s.sendall(request)
        return read_all(s)


def status_of(data):
    match = re.match(rb'HTTP/1\.1 (\d{3}) ', data)
    assert match, data[:200]
    return int(match.group(1))


def fields_of(data):
    lines = data.split(b'\r\n\r\n', 1)[0].split(b'\r\n')[1:]
    return {name.lower(): value for name, value in (line.split(b': ', 1) for line in lines)}


# ---------------------------------------------------------------- refused heads

REFUSED = {
    'both framings': (400, POST + b'Content-Length: 18\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    'both framings, the other way': (400, POST + b'Transfer-Encoding: chunked\r\nContent-Length: 18\r\n\r\n0\r\n\r\n'),
    'two lengths': (400, POST + b'Content-Length: 18\r\nContent-Length: 5\r\n\r\n' + BODY),
    'a list of lengths': (400, POST + b'Content-Length: 18, 5\r\n\r\n' + BODY),
    'a length with a sign': (400, POST + b'Content-Length: +18\r\n\r\n' + BODY),
    'a length that wraps round': (400, POST + b'Content-Length: 18446744073709551634\r\n\r\n' + BODY),
    'a bare LF after the request line': (400, b'GET /v2/images HTTP/1.1\n' + HOST + b'\r\n'),
    'a bare LF after a field': (400, GET + b'Host: h\n\r\n'),
    'a bare CR in a value': (400, GET + HOST + b'X-A: b\rc\r\n\r\n'),
    'a folded field': (400, GET + HOST + b'X-A: b\r\n c\r\n\r\n'),
    'a blank before the colon': (400, GET + b'Host : h\r\n\r\n'),
    'two Hosts': (400, GET + HOST + HOST + b'\r\n'),
    'no Host': (400, GET + b'\r\n'),
    'a Host that is none': (400, GET + b'Host: a/b\r\n\r\n'),
    'NUL in a value': (400, GET + HOST + b'X-A: \0\r\n\r\n'),
    'a control character in a value': (400, GET + HOST + b'X-A: \x01\r\n\r\n'),
    'NUL in the target': (400, b'GET /v2/\0 HTTP/1.1\r\n' + HOST + b'\r\n'),
    'a blank in the target': (400, b'GET /v2/a b HTTP/1.1\r\n' + HOST + b'\r\n'),
    'a fragment': (400, b'GET /v2/images#x HTTP/1.1\r\n' + HOST + b'\r\n'),
    'no method': (400, b' /v2/images HTTP/1.1\r\n' + HOST + b'\r\n'),
    'HTTP/0.9': (400, b'GET /v2/images\r\n\r\n'),
    'HTTP/2': (505, b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    'CONNECT': (501, b'CONNECT h:80 HTTP/1.1\r\n' + HOST + b'\r\n'),
    'an unknown coding': (501, POST + b'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'),
    'chunked is not the last': (400, POST + b'Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n'),
    'chunked in 1.0': (400, b'POST /v2/images HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    'another expectation': (417, POST + b'Expect: tea\r\nContent-Length: 18\r\n\r\n' + BODY),
    'a target too long': (414, b'GET /v2/' + b'a' * 20000 + b' HTTP/1.1\r\n' + HOST + b'\r\n'),
    'a request line without end': (414, b'GET /' + b'a' * 70000),
    'a field too long': (431, GET + HOST + b'X-A: ' + b'a' * 40000 + b'\r\n\r\n'),
    'too many fields': (431, GET + HOST + b'X-A: b\r\n' * 200 + b'\r\n'),
    'a head too long': (431, GET + HOST + (b'X-A: ' + b'a' * 1000 + b'\r\n') * 100 + b'\r\n'),
    'TLS where none is spoken': (400, b'\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n' + b'\x00' * 50),
}


@pytest.mark.parametrize('name', REFUSED)
def test_refused_and_closed(server, name):
    status, request = REFUSED[name]
    data = exchange(server, request + GET + HOST + b'\r\n')     # what follows must not be served
    assert status_of(data) == status, data
    assert fields_of(data)[b'connection'] == b'close'
    assert fields_of(data)[b'content-type'].startswith(b'text/plain')
    assert data.count(b'\r\nDate: ') == 1, data


MALFORMED = {
    'data without its CR LF': b'12\r\n' + BODY + b'0\r\n\r\n',
    'no size': b'\r\n' + BODY + b'\r\n0\r\n\r\n',
    'a size that is none': b'zz\r\n' + BODY + b'\r\n0\r\n\r\n',
    'a size beyond 64 bits': b'10000000000000012\r\n' + BODY + b'\r\n0\r\n\r\n',
    'a bare LF after the size': b'12\n' + BODY + b'\r\n0\r\n\r\n',
    'a negative size': b'-12\r\n' + BODY + b'\r\n0\r\n\r\n',
    'an endless extension': b'12;' + b'a' * 10000 + b'\r\n' + BODY + b'\r\n0\r\n\r\n',
    'endless trailers': b'12\r\n' + BODY + b'\r\n0\r\n' + b'A: b\r\n' * 10000 + b'\r\n',
}


@pytest.mark.parametrize('name', MALFORMED)
def test_malformed_chunks(server, name):
    before = len(server.client().listed('?name=framed'))
    data = exchange(server, POST + b'Transfer-Encoding: chunked\r\n\r\n' + MALFORMED[name] + GET + HOST + b'\r\n')
    assert data.count(b'\r\nDate: ') <= 1, data
    assert not data or status_of(data) in (400, 408), data
    assert len(server.client().listed('?name=framed')) == before


@pytest.mark.parametrize('sizes', [[1 << 22 | 1], [(1 << 63) - 1], [18, 1 << 22], [18, (1 << 63) - 1]])
def test_a_chunk_that_goes_beyond_the_limit_is_refused_by_its_size(server, sizes):
    """Also when not a byte of it comes."""
    data = b''.join(b'%x\r\n' % size + (BODY + b'\r\n' if size == 18 else b'') for size in sizes)
    with dial(server) as s:
        s.sendall(POST + b'Transfer-Encoding: chunked\r\n\r\n' + data)
        assert read_answer(s).status == 413


@pytest.mark.parametrize('framing', ['length', 'chunked'])
@pytest.mark.parametrize('way', ['file', 'stage'])
def test_an_upload_that_announces_more_than_the_cap_is_refused_at_once(server, framing, way):
    """image_size_cap is 1 TiB unless configured."""
    member = server.client()
    image = member.create()['id']
    size = 1 << 62
    with dial(server) as s:
        s.sendall(b'PUT /v2/images/%s/%s HTTP/1.1\r\n' % (image.encode(), way.encode()) + HOST +
                  b'Content-Type: application/octet-stream\r\n')
        s.sendall(b'Content-Length: %d\r\n\r\n' % size if framing == 'length' else
                  b'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n%x\r\n' % size)
        answer = read_answer(s)
        assert answer.status == 413 and ('too large' in answer.text or framing == 'length'), answer     # or the disk is too small
    assert eventually(lambda: member.show(image)['status'] == 'queued')


# ---------------------------------------------------------------- odd but right

ACCEPTED = {
    'an empty line first': b'\r\n' + GET + HOST + b'Connection: close\r\n\r\n',
    'absolute form': b'GET http://other:1/v2/images HTTP/1.1\r\n' + HOST + b'Connection: close\r\n\r\n',
    'HTTP/1.0': b'GET /v2/images HTTP/1.0\r\n\r\n',
    'blanks around a value': GET + b'Host:\t h \t\r\nConnection:  close \r\n\r\n',
    'names in any case': GET + b'hOST: h\r\ncONNECTION: CLOSE\r\n\r\n',
    'a length of zero': GET + HOST + b'Content-Length: 0\r\nConnection: close\r\n\r\n',
}


@pytest.mark.parametrize('name', ACCEPTED)
def test_odd_but_right(server, name):
    data = exchange(server, ACCEPTED[name])
    assert status_of(data) == 200, data
    assert 'images' in json.loads(data.split(b'\r\n\r\n', 1)[1])


def test_a_head_in_single_bytes(server):
    with dial(server) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in GET + HOST + b'\r\n':
            s.sendall(bytes([byte]))
        assert read_answer(s).status == 200


@pytest.mark.parametrize('size', [1, 3, 100])
def test_chunks_with_extensions_and_trailers(server, size):
    pieces = [BODY[i:i + size] for i in range(0, len(BODY), size)]
    body = b''.join(b'%x;a=b;c="d;e"\r\n%s\r\n' % (len(p), p) for p in pieces) + b'000;z\r\nX-Trailer: t\r\n\r\n'
    with dial(server) as s:
        s.sendall(POST + b'Transfer-Encoding: chunked\r\n\r\n' + body)
        answer = read_answer(s)
        assert (answer.status, answer.json['name']) == (201, 'framed')
        s.sendall(GET + HOST + b'\r\n')      # the connection is still in step
        assert read_answer(s).status == 200


def test_options_of_the_server(server):
    assert status_of(exchange(server, b'OPTIONS * HTTP/1.1\r\n' + HOST + b'Connection: close\r\n\r\n')) == 204


# ---------------------------------------------------------------- keeping a connection

def test_keep_alive(server):
    with dial(server) as s:
        for path in ('/v2/images', '/v2/schemas/image', '/v2/nothing', '/v2/images/no-such-image') * 5:
            s.sendall(b'GET %s HTTP/1.1\r\n%s\r\n' % (path.encode(), HOST))
            answer = read_answer(s)
            assert answer.header('Connection') != 'close'
            assert answer.header('Date').endswith(' GMT')
            assert answer.header('Content-Length') == str(len(answer.body))
    for version, field, kept in ((b'1.0', b'', False), (b'1.0', b'Connection: keep-alive\r\n', True),
                                 (b'1.1', b'', True), (b'1.1', b'Connection: close\r\n', False)):
        with dial(server) as s:
            s.sendall(b'GET /v2/images HTTP/%s\r\n%s%s\r\n' % (version, HOST, field))
            assert read_answer(s).status == 200
            s.settimeout(0.3 * SLOW)
            try:
                assert (s.recv(1) == b'') != kept
            except socket.timeout:
                assert kept


def test_pipelining(server):
    names = ['piped-%d' % i for i in range(10)]
    requests = b''
    for name in names:      # what a loop answers by itself and what a worker does, in turns
        body = json.dumps({'name': name}).encode()
        requests += POST + b'Content-Length: %d\r\n\r\n' % len(body) + body + b'GET /v2/images?name=%s HTTP/1.1\r\n' % name.encode() + HOST + b'\r\n'
    data = exchange(server, requests + b'GET /versions HTTP/1.1\r\n' + HOST + b'Connection: close\r\n\r\n')
    assert re.findall(rb'HTTP/1\.1 (\d+)', data) == [b'201', b'200'] * 10 + [b'200']
    at = [data.index(b'"name": "%s"' % name.encode()) for name in names]
    assert at == sorted(at)


def test_head(server):
    image = server.client().active(b'0123456789')
    for path in ('/v2/images', '/v2/images/' + image, '/versions', '/v2/nothing'):
        with dial(server) as s:
            s.sendall(b'HEAD %s HTTP/1.1\r\n%sConnection: close\r\n\r\n' % (path.encode(), HOST))
            data = read_all(s)
        assert status_of(data) in (200, 300, 404, 405)
        assert data.endswith(b'\r\n\r\n') and data.count(b'\r\n\r\n') == 1, data


# ---------------------------------------------------------------- before and beside the body

def upload_head(image, *fields):
    return b'PUT /v2/images/%s/file HTTP/1.1\r\n%s' % (image.encode(), HOST) + b''.join(f + b'\r\n' for f in fields) + b'\r\n'


def test_continue_before_the_body(server):
    client = server.client()
    image = client.create()['id']
    with dial(server) as s:
        s.sendall(upload_head(image, b'Content-Type: application/octet-stream', b'Content-Length: 5', b'Expect: 100-continue'))
        assert s.recv(1000) == b'HTTP/1.1 100 Continue\r\n\r\n'
        s.sendall(b'abcde')
        assert read_answer(s).status == 204
    assert client.download(image).body == b'abcde'


@pytest.mark.parametrize('case', ['conflict', 'media type', 'missing'])
def test_no_continue_for_what_is_refused(server, case):
    client = server.client()
    image, kind, status = {
        'conflict': (client.active(), b'application/octet-stream', 409),
        'media type': (client.create()['id'], b'text/plain', 415),
        'missing': ('11111111-2222-3333-4444-555555555555', b'application/octet-stream', 404),
    }[case]
    with dial(server) as s:
        s.sendall(upload_head(image, b'Content-Type: ' + kind, b'Content-Length: 1000000000', b'Expect: 100-continue'))
        data = read_all(s)      # no byte of the body was sent, and the end comes by itself
    assert status_of(data) == status, data
    assert fields_of(data)[b'connection'] == b'close'


@pytest.mark.parametrize('framing', ['length', 'chunked'])
def test_an_early_answer_reaches_who_sends_on(server, framing):
    image = server.client().active()
    size = 20 * MIB
    with dial(server) as s:
        if framing == 'length':
            s.sendall(upload_head(image, b'Content-Type: application/octet-stream', b'Content-Length: %d' % size))
        else:
            s.sendall(upload_head(image, b'Content-Type: application/octet-stream', b'Transfer-Encoding: chunked') + b'%x\r\n' % size)
        for _ in range(20):
            s.sendall(bytes(MIB))   # a client that does not look before all is sent
        assert read_answer(s).status == 409


def test_a_small_unread_body_does_not_cost_the_connection(server):
    with dial(server) as s:
        for _ in range(3):
            s.sendall(b'POST /v2/nothing HTTP/1.1\r\n' + HOST + b'Content-Length: 18\r\n\r\n' + BODY)
            assert read_answer(s).status == 404
        s.sendall(GET + HOST + b'\r\n')
        assert read_answer(s).status == 200


# ---------------------------------------------------------------- time

@pytest.fixture(scope='module')
def hasty(tmp_path_factory):
    from glint import Server
    limits = {'head_timeout': 0.5, 'idle_timeout': 0.5, 'body_timeout': 0.5, 'linger_timeout': 0.5}
    s = Server(tmp_path_factory.mktemp('hasty'), config={'glint': limits})
    yield s
    assert not s.finish()


def ended_within(s, seconds):
    began = time.monotonic()
    data = read_all(s)
    assert time.monotonic() - began < seconds * SLOW
    return data


def test_slow_clients_are_let_go(hasty):
    image = hasty.client().create()['id']
    silent, half, kept, body, drip = (dial(hasty) for _ in range(5))
    half.sendall(GET + b'Host: h\r\nX-')
    kept.sendall(GET + HOST + b'\r\n')
    body.sendall(upload_head(image, b'Content-Type: application/octet-stream', b'Content-Length: 100') + b'abc')
    assert ended_within(silent, 5) == b''
    assert status_of(ended_within(half, 5)) == 408
    assert status_of(ended_within(kept, 5)) == 200
    ended_within(body, 5)
    with pytest.raises(OSError):
        for _ in range(200):
            drip.sendall(b'G')
            time.sleep(0.05)
    for s in (silent, half, kept, body, drip):
        s.close()
    assert eventually(lambda: hasty.client().show(image)['status'] == 'queued')


def has_its_end(server, s):
    """Whether the server still has the other end of this connection."""
    ends = ':%04X' % server.port, ':%04X' % s.getsockname()[1]
    with open('/proc/net/tcp') as f:
        lines = [line.split() for line in f]
    return any((words[1][-5:], words[2][-5:]) == ends and words[9] != '0' for words in lines[1:])


def test_a_reader_that_stands_still_is_let_go(hasty):
    client = hasty.client()
    image = client.active(bytes(16 * MIB))
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect((hasty.host, hasty.port))
        s.sendall(b'GET /v2/images/%s/file HTTP/1.1\r\n%s\r\n' % (image.encode(), HOST))
        assert s.recv(10) and has_its_end(hasty, s)
        time.sleep(1.5 * SLOW)
        assert eventually(lambda: not has_its_end(hasty, s))
    assert Client(hasty.host, hasty.port).download(image).body == bytes(16 * MIB)
