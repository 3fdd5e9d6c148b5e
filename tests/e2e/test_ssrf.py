# SPDX-License-Identifier: Apache-2.0
"""Where the service may not be sent, by whichever way: web-download, glance-download and tasks of type import. A server that listens at
this machine's addresses must never be asked; one at 127.0.0.2, which is allowed, sends the service on, or misbehaves."""
import errno
import gzip
import hashlib
import itertools
import json
import os
import socket
import struct
import subprocess
import threading
import time

import pytest

from glint import GLINT, SANITIZED, SLOW, eventually
from test_download import settled, staged
from test_remote import REMOTE, Wire, answer, document

INTERNAL = 'Task failed due to Internal Error'
FILTER = {'allowed_hosts': '[]', 'allowed_ports': '[]'}


def beside(make, address, **options):
    """What `make` makes, at a port that is free at this address, too; and a listener there."""
    for _ in range(50):
        first = make()
        try:
            return first, socket.create_server((address, first.port), **options)
        except OSError as e:
            first.close()
            if e.errno != errno.EADDRINUSE:
                raise
    raise AssertionError('no port is free at both addresses')


class Secret(Wire):
    """What nobody may reach: one port of 127.0.0.1 and, once guard() has it, ::1."""

    def __init__(self):
        super().__init__(answer('200 OK', b'secret'))
        self.port = self.socket.getsockname()[1]
        self.other_asked = 0

    def guard(self, other):
        self.other = other
        threading.Thread(target=self.count, daemon=True).start()

    def count(self):
        while True:
            try:
                self.other.accept()[0].close()
            except OSError:
                return
            self.other_asked += 1

    def untouched(self):
        return self.asked == [] and self.other_asked == 0


class Open(Wire):
    """At the address that is allowed."""

    def __init__(self, *answers):
        self.socket = socket.create_server(('127.0.0.2', 0))
        self.port = self.socket.getsockname()[1]
        self.url = 'http://127.0.0.2:%d' % self.port
        self.answers, self.asked = list(answers), []
        threading.Thread(target=self.run, daemon=True).start()


@pytest.fixture
def secret():
    if not socket.has_ipv6:
        made = Secret()
    else:
        made, other = beside(Secret, '::1', family=socket.AF_INET6)
        made.guard(other)
    yield made
    made.close()


@pytest.fixture
def opened():
    made = []

    def make(*answers):
        made.append(Open(*answers))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def service(glint_server):
    def make(program=GLINT, networks='127.0.0.2', filter=None, glint=None, **default):
        return glint_server(trusted=True, program=program, config={
            'DEFAULT': {'enabled_import_methods': '[web-download,glance-download]', 'http_retries': 1, **default},
            'import_filtering_opts': filter or FILTER, 'glint': {'import_private': 'false', 'import_networks': networks, 'fetch_timeout': 2, **(glint or {})}})
    return make


# ---- the three ways: what becomes of this URL; 'refused', or the status of the task

def by_download(server, url):
    client = server.client()
    image_id = client.create()['id']
    got = client.post('/v2/images/%s/import' % image_id, {'method': {'name': 'web-download', 'uri': url}})
    if got.status == 400:
        assert b'does not pass filtering' in got.body and client.show(image_id)['status'] == 'queued'
        return 'refused'
    assert got.status == 202, got
    return over(client, image_id)


def by_region(server, url):
    """The URL's path is the endpoint's; what it is asked for is behind that."""
    client = server.client()
    image_id = client.create()['id']
    catalog = json.dumps([{'type': 'image', 'endpoints': [{'region': 'one', 'publicURL': url}]}])
    got = client.post('/v2/images/%s/import' % image_id, {'method': {'name': 'glance-download', 'glance_region': 'one', 'glance_image_id': REMOTE}},
                      headers={'X-Auth-Token': 'token', 'X-Service-Catalog': catalog})
    assert got.status == 202, got
    return over(client, image_id)


def over(client, image_id):
    image, task = settled(client, image_id)
    if task['status'] == 'failure':
        assert image['status'] == 'queued' and 'os_glance_import_task' not in image, image
        assert task['message'] == INTERNAL or 'too large' in task['message'], task
    return task['status']


def by_task(server, url):
    admin = server.client('admin')
    got = admin.post('/v2/tasks', {'type': 'import', 'input': {'import_from': url, 'import_from_format': 'raw', 'image_properties': {'disk_format': 'raw', 'container_format': 'bare'}}})
    if got.status == 400:
        return 'refused'
    assert got.status == 201, got
    task = eventually(lambda: next((t for t in [admin.get('/v2/tasks/' + got.json['id']).json] if t['status'] in ('success', 'failure')), None), 60)
    return task['status']


WAYS = {'download': by_download, 'region': by_region, 'task': by_task}
every_way = pytest.mark.parametrize('way', WAYS)


# ---- spellings

HERE = ['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7F.0.0.1', '0x7f.1', '017700000001', '0177.0.0.1', '127.0x0.0.1', '127.0.0.01', '0127.0.0.1', '127.0.0.1.', '0', '0.0.0.0',
        'localhost', 'LOCALHOST', 'localhost.', 'ip6-localhost', '\uff11\uff12\uff17.0.0.1', '127\u30020\u30020\u30021', '\u2460\u2461\u2466.0.0.1', 'loc\u00e4lhost', '%31%32%37.0.0.1', '127.0.0.1%00', '127.0.0.1%2e',
        '[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::FFFF:7F00:0001]', '[::127.0.0.1]', '[::ffff:0:127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b::127.0.0.1]', '[64:ff9b:1::7f00:1]',
        '[2002:7f00:1::]', '[2001:0:7f00:1::]', '[fe80::1]', '[fe80::1%25lo]', '[fe80::1%lo]', '[::1%25lo]', '[::1%lo]', '[127.0.0.1]', '[v1.127.0.0.1]', '[::1', '::1', '127.0.0.1,127.0.0.2', '127.0.0.1 127.0.0.2']
FAR = ['10.0.0.1', '100.64.0.1', '169.254.169.254', '172.16.0.1', '192.168.0.1', '192.0.0.1', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '[fd00::1]', '[fec0::1]', '[ff02::1]', '[::ffff:10.0.0.1]', '[64:ff9b::a00:1]', '[2002:a00:1::]']


@every_way
def test_no_spelling_leads_to_this_machine(service, secret, way):
    server = service()
    for host in HERE:
        assert WAYS[way](server, 'http://%s:%d/x' % (host, secret.port)) in ('refused', 'failure'), host
    assert secret.untouched() and staged(server) == []


@every_way
def test_no_spelling_leads_into_the_site(service, way):
    """Refused before anything is sent: nobody waits for a network that swallows."""
    server = service()
    begun = time.monotonic()
    for host in FAR:
        assert WAYS[way](server, 'http://%s/x' % host) in ('refused', 'failure'), host
    assert time.monotonic() - begun < len(FAR) * 10 * SLOW


@every_way
def test_tricks_with_users_ports_and_blanks(service, secret, opened, way):
    server = service(filter={'allowed_hosts': '[]', 'allowed_ports': '[]', 'disallowed_ports': '[22]'})
    there = opened(answer('200 OK', document()), answer('200 OK', b'0123456789'))
    p, q = secret.port, there.port
    for url in ('http://127.0.0.2@127.0.0.1:%d/' % p, 'http://127.0.0.2:%d@127.0.0.1:%d/' % (q, p), 'http://127.0.0.1:%d#@127.0.0.2:%d/' % (p, q), 'http://127.0.0.1:%d?@127.0.0.2:%d/' % (p, q),
                'http://127.0.0.1:%d\\@127.0.0.2:%d/' % (p, q), 'http://127.0.0.1:%d/@127.0.0.2:%d/' % (p, q), 'http://user:word@127.0.0.2:%d/' % q, 'http://@127.0.0.2:%d/' % q, 'http://127.0.0.1:%d:%d/' % (p, q),
                'http://127.0.0.2:%d:%d/' % (q, p), 'http://127.0.0.2:22/', 'http://127.0.0.2:022/', 'http://127.0.0.2:0/', 'http://127.0.0.2:65536/', 'http://127.0.0.2:-1/', 'http://127.0.0.2:+%d/' % q, 'http://127.0.0.2:%d0000/' % q,
                'http://127.0.0.2:x/', 'http://:%d/' % p, 'http:///', 'http:', 'http:127.0.0.1:%d/' % p, 'http:/127.0.0.1:%d/' % p, '//127.0.0.1:%d/' % p, 'file:///etc/passwd', 'file://127.0.0.1/etc/passwd', 'ftp://127.0.0.1:%d/' % p,
                'gopher://127.0.0.1:%d/_x' % p, 'dict://127.0.0.1:%d/' % p, 'scp://127.0.0.1:%d/' % p, 'data:,x', 'http+unix://%2ftmp%2fx/', 'http://127.0.0.2:%d/a b' % q, 'http://127.0.0.2:%d/x HTTP/1.1\r\nHost: y\r\n\r\n' % q,
                'http://127.0.0.2:%d/\r\nX: y' % q, 'http://127.0.0.2:%d/\tx' % q, 'http://127.0.0.2\r\n:%d/' % p, 'http://127.0.0.2\t.0.0.1:%d/' % p, 'http://127.0.0.2:%d/\x7f' % q, 'http://127.0.0.2:%d/\x01' % q, 'http://127.0.0.2:%d\\x/' % q):
        assert WAYS[way](server, url) in ('refused', 'failure'), url
    assert secret.untouched() and there.asked == []
    if way != 'task':
        assert WAYS[way](server, there.url) == 'success'


# ---- redirects

@every_way
def test_redirects_are_looked_at(service, secret, opened, way):
    server = service(filter={'allowed_hosts': '[]', 'allowed_ports': '[]', 'disallowed_ports': '[22]'})
    targets = ['http://%s:%d/' % (host, secret.port) for host in ('127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', '0', '[::1]', '[::ffff:127.0.0.1]', '[64:ff9b::7f00:1]', 'localhost', '127.0.0.2@127.0.0.1', '127.0.0.2\\@127.0.0.1')]
    targets += ['//127.0.0.1:%d/' % secret.port, 'file:///etc/passwd', 'FILE:/etc/passwd', 'ftp://127.0.0.1:%d/' % secret.port, 'gopher://127.0.0.1:%d/' % secret.port, 'dict://127.0.0.1:%d/x' % secret.port, 'data:,x', 'http://127.0.0.2:22/',
                'http://10.0.0.1/', 'http://169.254.169.254/latest/meta-data/', 'https://127.0.0.1:%d/' % secret.port, 'javascript:x', 'http://', '', ' ']
    for n, target in enumerate(targets):
        there = opened(answer('%d Moved' % (301, 302, 303, 307, 308)[n % 5], Location=target))
        assert WAYS[way](server, there.url) == 'failure', target
        assert len(there.asked) == 1, target
    there = opened(answer('200 OK', b'', Refresh='0; url=http://127.0.0.1:%d/' % secret.port))
    assert WAYS[way](server, there.url) == ('failure' if way == 'region' else 'success')    # no bytes, and no redirect
    assert secret.untouched() and staged(server) == []


@every_way
def test_redirects_end(service, opened, way):
    server = service()
    there = opened()
    there.answers = [answer('302 Found', Location=there.url + '/again')]
    assert WAYS[way](server, there.url) == 'failure'
    assert len(there.asked) == 11


@every_way
def test_a_redirect_may_lead_to_where_one_may_go(service, opened, way):
    server = service()
    last = opened(answer('200 OK', document()), answer('200 OK', b'0123456789'))
    there = opened(answer('307 Temporary Redirect', Location=last.url + '/y'))
    if way == 'region':
        first = opened(answer('307 Temporary Redirect', Location=last.url + '/y'))
        assert WAYS[way](server, first.url) == 'success'
    elif way == 'download':
        assert WAYS[way](server, there.url) == 'success'
    else:
        assert WAYS[way](server, there.url) in ('success', 'failure')
    assert last.asked and 'x-auth-token' not in ''.join(last.asked).lower()


# ---- names

class Names:
    """A name server: name -> answers of A, the n-th for the n-th question, and the last one from then on. An answer is a list of addresses."""

    def __init__(self, address, **names):
        self.names, self.asked = names, []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            self.socket.sendto(self.answer(question), client)

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += 1 + question[at]
        kind = struct.unpack('!H', question[at + 1:at + 3])[0]
        name = labels[0].lower()
        known = self.names.get(name)
        found = []
        if known and kind in (1, 28):
            told = known[min(sum(each == (name, kind) for each in self.asked), len(known) - 1)]
            self.asked.append((name, kind))
            for each in told:
                if each.startswith('='):
                    alias = b''.join(bytes([len(label)]) + label.encode() for label in (each[1:], 'test')) + b'\0'
                    found.append(b'\xc0\x0c' + struct.pack('!HHIH', 5, 1, 0, len(alias)) + alias)
                    for address in self.names[each[1:]][0]:
                        if kind == 1:
                            found.append(alias + struct.pack('!HHIH', 1, 1, 0, 4) + socket.inet_aton(address))
                elif ':' in each and kind == 28:
                    found.append(b'\xc0\x0c' + struct.pack('!HHIH', 28, 1, 0, 16) + socket.inet_pton(socket.AF_INET6, each))
                elif ':' not in each and kind == 1:
                    found.append(b'\xc0\x0c' + struct.pack('!HHIH', 1, 1, 0, 4) + socket.inet_aton(each))
        return question[:2] + struct.pack('!HHHHH', 0x8180 if known else 0x8183, 1, len(found), 0, 0) + question[12:at + 5] + b''.join(found)

    def close(self):
        self.socket.close()


numbers = itertools.count(1)      # a closed socket goes when its thread has noticed


def mounts_possible():
    return os.geteuid() == 0 and subprocess.run(['unshare', '-m', 'true'], capture_output=True).returncode == 0


@pytest.fixture
def named(tmp_path, service):
    """make(**names): a service that asks a name server of the test alone, and that server."""
    if not mounts_possible():
        pytest.skip('no mount namespace can be made here')
    made, address = [], '127.212.%d.%d' % (os.getpid() & 255, next(numbers))
    for name, text in (('resolv.conf', 'nameserver %s\noptions timeout:2 attempts:1\n' % address), ('nsswitch.conf', 'hosts: dns\n')):
        (tmp_path / name).write_text(text)
    wrapper = tmp_path / 'glint'
    wrapper.write_text('#!/bin/sh\nexec unshare -m sh -c \'mount --bind "$0"/resolv.conf /etc/resolv.conf && mount --bind "$0"/nsswitch.conf /etc/nsswitch.conf && exec "$@"\' %s %s "$@"\n' % (tmp_path, GLINT))
    wrapper.chmod(0o755)

    def make(**names):
        made.append(Names(address, **names))
        return service(program=str(wrapper)), made[-1]
    yield make
    for each in made:
        each.close()


@every_way
def test_names_of_this_machine(named, secret, way):
    server, names = named(here=[['127.0.0.1']], six=[['::1']], mapped=[['::ffff:127.0.0.1']], both=[['127.0.0.1', '::1', '10.0.0.1']], alias=[['=here']], unknown=[[]])
    for name in ('here', 'six', 'mapped', 'both', 'alias', 'unknown', 'absent'):
        assert WAYS[way](server, 'http://%s.test:%d/' % (name, secret.port)) in ('refused', 'failure'), name
    assert names.asked and secret.untouched()


@every_way
@pytest.mark.parametrize('flips', [1, 2, 3])
def test_names_that_change_their_mind(named, opened, secret, way, flips):
    """The first answers are an address that may be asked, later ones are this machine: whoever looks twice is led astray. The ports are
    the same on both addresses."""
    there, here = beside(lambda: Open(answer('200 OK', document()), answer('200 OK', b'0123456789')), '127.0.0.1')
    here.setblocking(False)
    try:
        server, names = named(turncoat=[['127.0.0.2']] * flips + [['127.0.0.1']])
        outcome = WAYS[way](server, 'http://turncoat.test:%d/' % there.port)
        assert outcome in ('refused', 'failure', 'success')
        with pytest.raises(BlockingIOError):
            here.accept()
        if way == 'download':
            assert (outcome, len(there.asked)) == (('failure', 0) if flips == 1 else ('success', 1))
    finally:
        here.close()
        there.close()


@every_way
def test_of_several_addresses_only_those_that_may_are_asked(named, opened, secret, way):
    there, here = beside(lambda: Open(answer('200 OK', document()), answer('200 OK', b'0123456789')), '127.0.0.1')
    here.setblocking(False)
    try:
        server, names = named(mixed=[['127.0.0.1', '127.0.0.2', '127.0.0.3'], ['127.0.0.3', '127.0.0.2', '127.0.0.1']])
        outcome = WAYS[way](server, 'http://mixed.test:%d/' % there.port)
        assert outcome == 'success' or way == 'task'
        assert there.asked and 'Host: mixed.test:%d\r\n' % there.port in there.asked[0]
        with pytest.raises(BlockingIOError):
            here.accept()
    finally:
        here.close()
        there.close()


# ---- bodies

def endless():
    yield b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
    while True:
        yield b'10000\r\n' + b'x' * 65536 + b'\r\n'


def endless_head():
    yield b'HTTP/1.1 200 OK\r\n'
    while True:
        yield b'X: ' + b'x' * 1000 + b'\r\n'


def endless_interim():
    while True:
        yield b'HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n' * 100


def slow():
    yield b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'
    for _ in range(100):
        time.sleep(0.2)
        yield b'x'


def slow_head():
    for byte in b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX: ' + b'x' * 200:
        time.sleep(0.2)
        yield bytes([byte])


def silent():
    yield b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxxx'
    time.sleep(20)


def mute():
    time.sleep(20)
    yield b''


BAD = {
    'endless': endless, 'endless head': endless_head, 'endless interim': endless_interim, 'slow': slow, 'slow head': slow_head, 'silent': silent, 'mute': mute,
    'shorter': b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789', 'no answer': b'', 'junk': b'junk\r\n\r\n', 'version': b'HTTP/7.0 200 OK\r\n\r\nx', 'no version': b'0123456789',
    'length twice': b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456', 'length negative': b'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n',
    'length huge': b'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx', 'too large': b'HTTP/1.1 200 OK\r\nContent-Length: 2000001\r\n\r\nx',
    'chunk cut': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n0123456789', 'chunk junk': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n',
    'chunk huge': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx', 'last chunk missing': b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n',
    'part': b'HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/10\r\n\r\n56789', 'part of more': b'HTTP/1.1 206 Partial Content\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/20\r\n\r\n0123456789',
    'part junk': b'HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes x\r\n\r\n56789', 'switching': b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx',
}


@every_way
@pytest.mark.parametrize('what', BAD)
def test_bodies_that_are_none(service, opened, way, what):
    server = service(image_size_cap=2000000, glint={'import_rate_min': 1000})
    there = opened(BAD[what])
    begun = time.monotonic()
    assert WAYS[way](server, there.url + '/x') == 'failure'
    assert time.monotonic() - begun < 20 * SLOW
    assert staged(server) == [] and server.stored() == []


def test_codings_are_data(service, opened):
    """Nobody asked for them, so that they are what is there; and nothing grows."""
    server = service(image_size_cap=2000000)
    bomb = gzip.compress(bytes(100 << 20))
    client = server.client()
    for headers in ({'Content_Encoding': 'gzip'}, {'Content_Encoding': 'x, gzip, br'}, {'Content_Type': 'application/gzip'}):
        there = opened(answer('200 OK', bomb, **headers))
        image_id = client.create()['id']
        assert client.post('/v2/images/%s/import' % image_id, {'method': {'name': 'web-download', 'uri': there.url}}).status == 202
        image, task = settled(client, image_id)
        assert (task['status'], image['size'], image['checksum']) == ('success', len(bomb), hashlib.md5(bomb).hexdigest())
        assert 'accept-encoding' not in there.asked[0].lower()


def test_what_is_sent(service, opened):
    server = service()
    there = opened(answer('200 OK', b'0123456789'))
    assert by_download(server, there.url + '/\u00fc?a=%0d%0aX:y&b=c#fragment') == 'success'
    lines = there.asked[0].split('\r\n')
    assert lines[0] == 'GET /%C3%BC?a=%0d%0aX:y&b=c HTTP/1.1'
    assert sorted(line.split(':')[0] for line in lines[1:] if line) == ['Accept', 'Host', 'User-Agent']
    assert 'User-Agent: glint/' in there.asked[0] and 'Host: 127.0.0.2:%d' % there.port in lines


def test_environment_names_no_proxy(glint_server, opened, secret):
    """What a proxy resolves is not what was looked at."""
    there = opened(answer('200 OK', b'0123456789'))
    proxy = 'http://127.0.0.1:%d' % secret.port
    server = glint_server(trusted=True, env={name: proxy for name in ('http_proxy', 'https_proxy', 'all_proxy', 'HTTPS_PROXY', 'ALL_PROXY')},
                          config={'import_filtering_opts': FILTER, 'glint': {'import_networks': '127.0.0.2'}})
    assert by_download(server, there.url) == 'success'
    assert secret.untouched() and len(there.asked) == 1


def test_the_proxy_that_is_configured(service, opened):
    there = opened(answer('200 OK', b'0123456789'))
    server = service(networks='127.0.0.0/8', glint={'import_proxy': there.url})
    assert by_download(server, 'http://127.0.0.3:8080/x') == 'success'
    assert there.asked[0].startswith('GET http://127.0.0.3:8080/x HTTP/1.1\r\n')


def test_denied_and_closed_look_the_same(service, opened):
    """Also in how long it takes: both are tried again."""
    server = service(http_retries=2)
    with socket.create_server(('127.0.0.2', 0)) as s:
        closed = s.getsockname()[1]
    times = []
    for target in ('http://127.0.0.2:%d/' % closed, 'http://127.0.0.1:%d/' % closed, 'http://10.0.0.1/', 'http://no.such.host.invalid/'):
        there = opened(answer('302 Found', Location=target))
        begun = time.monotonic()
        assert by_download(server, there.url) == 'failure'
        assert len(there.asked) == 2
        times.append(time.monotonic() - begun)
    assert SANITIZED or max(times[:3]) - min(times[:3]) < 3 * SLOW, times
