# SPDX-License-Identifier: Apache-2.0
"""No descriptor left: every route answers, 503 where it cannot go on, and works again when there are some."""
import contextlib
import os
import resource
import time

import pytest

from glint import Server, eventually, pattern, read_answer
from test_import import bring, settled, staged
from test_locations import LOCATED

OCTETS = {'Content-Type': 'application/octet-stream'}
JSON = {'Content-Type': 'application/json'}
PATCH = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}


@contextlib.contextmanager
def no_descriptors(server, spare=0):
    """Like ulimit -n with what the server has open, and so many more."""
    pid = server.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = sorted(int(fd) for fd in os.listdir('/proc/%d/fd' % pid))
    lowest = next(n for n in range(len(used) + 1) if n not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest + spare, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def seconds_of_cpu(pid):
    with open('/proc/%d/stat' % pid) as f:
        return sum(int(n) for n in f.read().rsplit(')', 1)[1].split()[11:13]) / os.sysconf('SC_CLK_TCK')


@pytest.fixture(scope='module')
def server(tmp_path_factory, web):
    s = Server(tmp_path_factory.mktemp('few'), trusted=True, config={**LOCATED, 'glint': {'supervise_worker': 'false'}})
    yield s
    assert not s.finish()


def routes(member, web):
    """Method, path, headers, body; and what the answer may be beside 503."""
    active, queued, other = member.active(pattern(100000)), member.create()['id'], member.create()['id']
    waiting = staged(member)
    located = member.create()['id']
    doomed, deactivated = member.active(b'data'), member.active(b'data')
    return [
        ('GET', '/', {}, b'', (300,)),
        ('GET', '/v2/images', {}, b'', (200,)),
        ('POST', '/v2/images', JSON, b'{"name": "x"}', (201,)),
        ('GET', '/v2/images/' + active, {}, b'', (200,)),
        ('PATCH', '/v2/images/' + active, PATCH, b'[{"op": "add", "path": "/k", "value": "v"}]', (200,)),
        ('GET', '/v2/images/%s/file' % active, {}, b'', (200,)),
        ('HEAD', '/v2/images/%s/file' % active, {}, b'', (200,)),
        ('PUT', '/v2/images/%s/file' % queued, OCTETS, b'some data', (204,)),
        ('PUT', '/v2/images/%s/stage' % other, OCTETS, b'some data', (204,)),
        ('POST', '/v2/images/%s/import' % waiting, JSON, b'{"method": {"name": "glance-direct"}}', (202,)),
        ('POST', '/v2/images/%s/locations' % located, JSON, ('{"url": "%s/ok/100"}' % web.url).encode(), (202,)),
        ('GET', '/v2/images/%s/tasks' % waiting, {}, b'', (200,)),
        ('POST', '/v2/images/%s/members' % active, JSON, b'{"member": "p2"}', (200, 403)),
        ('GET', '/v2/images/%s/members' % active, {}, b'', (200, 403)),
        ('PUT', '/v2/images/%s/tags/t' % active, {}, b'', (204,)),
        ('POST', '/v2/images/%s/actions/deactivate' % deactivated, {}, b'', (204, 403)),
        ('DELETE', '/v2/images/' + doomed, {}, b'', (204,)),
        ('GET', '/v2/tasks', {}, b'', (200, 403)),
        ('GET', '/v2/info/import', {}, b'', (200,)),
        ('GET', '/v2/info/stores', {}, b'', (200, 404)),
        ('GET', '/v2/info/usage', {}, b'', (200,)),
        ('GET', '/v2/schemas/image', {}, b'', (200,)),
    ]


def test_every_route_without_descriptors(server, web):
    member = server.client()
    asked = routes(member, web)
    sockets = [member.connect() for _ in asked]
    for each in sockets:                                 # they are accepted, and nothing else is needed for them
        each.sendall(member.head('GET', '/v2/schemas/image'))
        assert read_answer(each).status == 200
    wrong, unavailable = [], 0
    with no_descriptors(server):
        for each, (method, path, headers, body, right) in zip(sockets, asked):
            sized = {'Content-Length': str(len(body))} if body else {}
            each.sendall(member.head(method, path, {**headers, **sized}) + body)
            answer = read_head(each) if method == 'HEAD' else read_answer(each)
            if answer.status == 503:
                unavailable += 1
                if not answer.header('Retry-After'):
                    wrong.append((method, path, answer, 'no Retry-After'))
            elif answer.status not in right:
                wrong.append((method, path, answer))
    for each in sockets:
        each.close()
    assert not wrong and unavailable >= 4, (wrong, unavailable)
    for method, path, headers, body, right in asked:     # all is as before; what was done is not done twice
        answer = member.request(method, path, body=body or None, headers=headers)
        assert answer.status in right + (409, 404), (method, path, answer)


def read_head(sock):
    """An answer to HEAD, which has no body."""
    class Answer:
        def header(self, name):
            return dict((k.lower(), v) for k, v in self.fields).get(name.lower())
    text = b''
    while b'\r\n\r\n' not in text:
        text += sock.recv(4096)
    lines = text.decode().split('\r\n')
    answer = Answer()
    answer.status = int(lines[0].split()[1])
    answer.fields = [line.split(': ', 1) for line in lines[1:] if ': ' in line]
    return answer


def test_a_new_connection_without_descriptors(server):
    """It is told so, or has to wait; the server does not spin, and takes it when there are some."""
    member = server.client()
    with no_descriptors(server):
        before = seconds_of_cpu(server.process.pid)
        sockets = [member.connect() for _ in range(20)]
        for each in sockets:
            with contextlib.suppress(OSError):
                each.sendall(member.head('GET', '/v2/images'))
        time.sleep(1)
        assert seconds_of_cpu(server.process.pid) - before < 0.4
        for each in sockets:
            each.settimeout(0.2)
            with contextlib.suppress(OSError):
                text = each.recv(4096)
                assert not text or text.startswith((b'HTTP/1.1 503 ', b'HTTP/1.1 200 ')), text
                assert not text.startswith(b'HTTP/1.1 503 ') or b'\r\nRetry-After: ' in text
        for each in sockets:
            each.close()
    assert eventually(lambda: member.get('/v2/images').status == 200)
    image = member.active(b'some data')
    assert member.download(image).body == b'some data'


def test_a_worker_without_descriptors(glint_server):
    """A job that cannot open its files waits, and is done when it can."""
    s = glint_server(trusted=True)
    member = s.client()
    assert settled(member, imported(member))['status'] == 'active'
    worker = next(pid for pid in s.proc().tree() if b'worker' in open('/proc/%d/cmdline' % pid, 'rb').read())
    limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    used = {int(fd) for fd in os.listdir('/proc/%d/fd' % worker)}
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (next(n for n in range(1000) if n not in used), limits[1]))
    image = imported(member)
    time.sleep(1)
    resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
    assert settled(member, image, 30)['status'] == 'active'
    assert worker in s.proc().tree(), 'and by the same worker'


def imported(client):
    image_id = staged(client)
    assert bring(client, image_id).status == 202
    return image_id
