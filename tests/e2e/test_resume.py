# SPDX-License-Identifier: Apache-2.0
"""Downloads that go on where they were: after a broken transfer, and after kill -9; and never with bytes of another object."""
import email.utils
import hashlib
import http.server
import os
import re
import socket
import struct
import threading
import time

import pytest

import origin
from glint import eventually
from test_download import fetch, fetching, settled, staged  # noqa: F401
from test_locations import LOCATED

MIB = 1 << 20
SIZE = 8 * MIB


class Object:
    """What a server has: `cuts` says after how many bytes of a body each answer breaks off; an event holds it there instead."""

    def __init__(self, size=SIZE, etag='"one"', modified=None, ranges=True, cuts=(), gate=None):
        self.size, self.etag, self.modified, self.ranges, self.cuts, self.gate = size, etag, modified, ranges, list(cuts), gate
        self.first = 0
        self.asked = []         # (Range, If-Range), status
        self.how = None         # a function that answers in place of this

    def content(self, start, end):
        return origin.content(self.size + self.first, start + self.first, end + self.first)

    def digest(self):
        return hashlib.sha512(self.content(0, self.size)).hexdigest()

    def same(self, validator):
        return validator is None or validator in (self.etag, self.modified)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *_):
        pass

    def do_GET(self):
        there = self.server.object
        asked = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range') or '')
        start = int(asked[1]) if asked and there.ranges and there.same(self.headers.get('If-Range')) else 0
        status = 206 if start else 200
        if there.how and there.how(self, start):
            return
        there.asked.append((self.headers.get('Range'), self.headers.get('If-Range'), status))
        self.send_response(status)
        self.send_header('Content-Length', str(there.size - start))
        if status == 206:
            self.send_header('Content-Range', 'bytes %d-%d/%d' % (start, there.size - 1, there.size))
        if there.etag:
            self.send_header('ETag', there.etag)
        if there.modified:
            self.send_header('Last-Modified', there.modified)
        self.end_headers()
        cut = there.cuts.pop(0) if there.cuts else there.size
        self.wfile.write(there.content(start, min(there.size, start + cut)))
        self.wfile.flush()
        if start + cut < there.size:
            if there.gate:
                there.gate.wait(60)
            self.close_connection = True
            self.connection.shutdown(2)


@pytest.fixture
def serve():
    made = []

    def make(**kw):
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None
        server.object = Object(**kw)
        server.object.url = 'http://127.0.0.1:%d/x' % server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        return server.object
    yield make
    for each in made:
        each.shutdown()


def done(server, there, **method):
    image, task = settled(server.client(), fetch(server.client(), there.url, **method))
    assert (task['status'], image['size'], image['os_hash_value']) == ('success', there.size, there.digest()), task
    assert staged(server) == []
    return image


OLD = email.utils.formatdate(time.time() - 3600, usegmt=True)


@pytest.mark.parametrize('validators,validator', [({}, '"one"'), ({'etag': None, 'modified': OLD}, OLD), ({'modified': OLD}, '"one"'), ({'etag': 'W/"one"', 'modified': OLD}, OLD)])
def test_what_gains_goes_on_at_once(fetching, serve, validators, validator):
    """However often it breaks: http_retries is for what does not get on."""
    server = fetching(http_retries=1)
    there = serve(cuts=[2 * MIB, 2 * MIB, 2 * MIB], **validators)
    done(server, there)
    starts = [None] + ['bytes=%d-' % (2 * n * MIB) for n in (1, 2, 3)]
    assert [each[0] for each in there.asked] == starts
    assert [each[1:] for each in there.asked[1:]] == [(validator, 206)] * 3


def reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    os.close(handler.connection.detach())


def falls_silent(handler):
    handler.server.object.gate.wait(60)


@pytest.mark.parametrize('ending', [reset, falls_silent])
def test_a_large_body_that_breaks_goes_on(glint_server, serve, ending):
    server = glint_server(trusted=True, config={**LOCATED, 'glint': {'fetch_timeout': 1}})
    there = serve(gate=threading.Event())

    def how(handler, start):
        if start:
            return False
        there.asked.append((None, None, 200))
        handler.send_response(200)
        handler.send_header('Content-Length', str(SIZE))
        handler.send_header('ETag', there.etag)
        handler.end_headers()
        handler.wfile.write(there.content(0, 5 * MIB))
        handler.wfile.flush()
        time.sleep(0.5)
        ending(handler)
        handler.close_connection = True
        return True
    there.how = how
    try:
        done(server, there)
    finally:
        there.gate.set()
    assert len(there.asked) == 2 and there.asked[1][2] == 206


@pytest.mark.parametrize('head,more', [({'Content-Length': str(SIZE)}, b'more than was said'), ({'Transfer-Encoding': 'chunked'}, b''),
                                       ({'Connection': 'close'}, b'')])
def test_a_large_body_is_what_its_head_says(fetching, serve, head, more):
    there = serve()

    def how(handler, _):
        handler.send_response(200)
        for item in head.items():
            handler.send_header(*item)
        handler.end_headers()
        chunked = 'Transfer-Encoding' in head
        for at in range(0, SIZE, MIB):
            handler.wfile.write((b'100000\r\n' if chunked else b'') + there.content(at, at + MIB) + (b'\r\n' if chunked else b''))
        handler.wfile.write(b'0\r\n\r\n' if chunked else more)
        handler.close_connection = True
        return True
    there.how = how
    done(fetching(), there)


@pytest.mark.parametrize('validators', [{'etag': None}, {'etag': 'W/"one"'}, {'etag': None, 'modified': email.utils.formatdate(time.time() + 86400, usegmt=True)}, {'ranges': False}])
def test_what_cannot_be_told_apart_begins_again(fetching, serve, validators):
    server = fetching(http_retries=2)
    there = serve(cuts=[2 * MIB], **validators)
    done(server, there)
    assert [each[2] for each in there.asked] == [200, 200]


def test_another_object_is_fetched_from_its_beginning(fetching, serve):
    server = fetching(http_retries=3)
    gate = threading.Event()
    there = serve(cuts=[3 * MIB], gate=gate)
    image_id = fetch(server.client(), there.url)
    assert eventually(lambda: there.asked)
    there.etag, there.first, there.size = '"two"', 7, 5 * MIB
    gate.set()
    image, task = settled(server.client(), image_id)
    assert (image['size'], image['os_hash_value']) == (5 * MIB, there.digest())
    assert [each[2] for each in there.asked] == [200, 200] and there.asked[1][1] == '"one"'


LIES = {'another place': ('bytes %d-%d/%d', 1), 'another length': ('bytes %d-%d/%d', 2), 'no place': (None, 0), 'another tag': ('bytes %d-%d/%d', 3)}


@pytest.mark.parametrize('lie', LIES)
def test_a_server_that_lies_about_the_rest(fetching, serve, lie):
    """What it says of the part is not what was asked for: nothing of it is taken."""
    server = fetching(http_retries=3)
    there = serve(cuts=[3 * MIB])
    form, how = LIES[lie]

    def answer(handler, start):
        if not start or len(there.asked) != 1:
            return False
        there.asked.append('lie')
        size = there.size + (how == 2)
        body = b'x' * (there.size - start)
        handler.send_response(206)
        handler.send_header('Content-Length', str(len(body)))
        handler.send_header('ETag', '"two"' if how == 3 else there.etag)
        if form:
            handler.send_header('Content-Range', form % (start - (how == 1), there.size - 1 - (how == 1), size))
        handler.end_headers()
        handler.wfile.write(body)
        return True
    there.how = answer
    done(server, there)
    assert 'lie' in there.asked


@pytest.mark.parametrize('status', [412, 416])
def test_a_refused_part(fetching, serve, status):
    server = fetching(http_retries=3)
    there = serve(cuts=[3 * MIB])

    def answer(handler, start):
        if not start:
            return False
        there.asked.append(status)
        handler.send_response(status)
        handler.send_header('Content-Length', '0')
        handler.end_headers()
        return True
    there.how = answer
    done(server, there)
    assert there.asked.count(status) == 1


def partial(server, size):
    """At least so much is in staging."""
    return sum(os.path.getsize(os.path.join(server.staging, name)) for name in staged(server)) >= size


def killed(fetching, serve):
    """A server that was killed in the middle of a download, what it fetched, and for which image."""
    server = fetching(http_retries=3)
    there = serve(cuts=[4 * MIB], gate=threading.Event())
    image_id = fetch(server.client(), there.url)
    assert eventually(lambda: partial(server, 3 * MIB))
    server.kill()
    return server, there, image_id


def test_after_kill_it_goes_on(fetching, serve):
    server, there, image_id = killed(fetching, serve)
    there.gate.set()
    server.start()
    image, task = settled(server.client(), image_id)
    assert (task['status'], image['os_hash_value']) == ('success', there.digest())
    assert len(there.asked) == 2 and there.asked[1][2] == 206 and int(there.asked[1][0][6:-1]) >= 3 * MIB
    assert there.asked[1][1] == '"one"' and staged(server) == []


def test_after_kill_another_object_is_not_mixed_in(fetching, serve):
    server, there, image_id = killed(fetching, serve)
    there.etag, there.first = '"two"', 3
    there.gate.set()
    server.start()
    image, task = settled(server.client(), image_id)
    assert (task['status'], image['os_hash_value']) == ('success', there.digest())


def test_a_mirror_that_broke_is_gone_on_with(fetching, serve):
    """Also when the first source still fails: its try takes nothing from what is there."""
    server = fetching(http_retries=3)
    first, second = serve(), serve(cuts=[MIB // 2])

    def down(handler, start):
        first.asked.append('down')
        handler.send_response(503)
        handler.send_header('Content-Length', '0')
        handler.end_headers()
        return True
    first.how = down
    image, task = settled(server.client(), fetch(server.client(), first.url, mirrors=[second.url]))
    assert (task['status'], image['os_hash_value']) == ('success', second.digest())
    assert [each[0] for each in second.asked] == [None, 'bytes=%d-' % (MIB // 2)] and len(first.asked) == 1


def test_the_server_is_left_alone_for_as_long_as_it_asks(fetching, serve):
    server = fetching(http_retries=3)
    there, times = serve(), []

    def busy(handler, start):
        times.append(time.monotonic())
        if len(times) > 1:
            return False
        handler.send_response(429)
        handler.send_header('Content-Length', '0')
        handler.send_header('Retry-After', '4')
        handler.end_headers()
        return True
    there.how = busy
    done(server, there)
    assert len(times) == 2 and times[1] - times[0] >= 3.9
