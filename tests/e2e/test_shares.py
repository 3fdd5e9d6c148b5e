# SPDX-License-Identifier: Apache-2.0
"""Nobody holds a bounded pool: one, two and ten projects that are as slow as they may be, beside one that is not."""
import itertools
import select
import socket
import time
import urllib.request

import pytest

from glint import MIB, SLOW, Server, eventually, identity, read_answer
from test_import import bring, settled, staged
from test_jobs import listed
from test_locations import LOCATED, ask

CROWDS = [1, 2, 10]
names = ('crowd%d' % n for n in itertools.count())


def client_of(s, project):
    client = s.client()
    client.identity = identity(project, 'member,reader', 'user-of-' + project)
    return client


def attackers(s, n):
    return [client_of(s, 'slow-%d' % k) for k in range(n)]


def well_behaved(s):
    return client_of(s, 'quick')


# ---------------------------------------------------------------- jobs

def by_download(client, url):
    image_id = client.create()['id']
    assert bring(client, image_id, 'web-download', {'uri': url}).status == 202
    return image_id


def by_location(client, url):
    image_id = client.create()['id']
    assert ask(client, image_id, url).status == 202
    return image_id


@pytest.fixture(scope='module')
def slow_sources(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp('jobs'), trusted=True,
               config={**LOCATED, 'glint': {'jobs_at_once': 4, 'jobs_slow_max': 28}})
    yield s
    assert not s.finish()


@pytest.mark.parametrize('how, crowd', [(by_download, 1), (by_download, 10), (by_location, 1), (by_location, 2)])
def test_slow_sources_hold_up_nobody(slow_sources, web, how, crowd):
    s, name = slow_sources, next(names)
    taken = [how(client, '%s/trickle/%s/100000000' % (web.url, name))
             for _ in range(-(-12 // crowd)) for client in attackers(s, crowd)]
    try:
        assert eventually(lambda: sum(job['state'] == 'running' for job in listed(s)) >= 4)
        quick = well_behaved(s)
        assert settled(quick, imported(quick), 10)['status'] == 'active'
    finally:
        urllib.request.urlopen(web.url + '/open/' + name).read()
        for client in attackers(s, crowd):
            for image_id in client.listed():
                client.delete('/v2/images/' + image_id)
        assert taken and eventually(lambda: not [j for j in listed(s) if j['state'] in ('running', 'waiting')], 20)


def imported(client):
    image_id = staged(client)
    assert bring(client, image_id).status == 202
    return image_id


# ---------------------------------------------------------------- requests

@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """A server with few threads, and ways to hold each of them."""
    s = Server(tmp_path_factory.mktemp('small'), trusted=True,
               config={'glint': {'workers_max': 8, 'transfers_max': 32, 'queue_timeout': 1, 'head_timeout': 3, 'supervise_worker': 'false'}})
    yield s
    assert not s.finish()


def slow_document(client, _):
    s = client.connect()
    s.sendall(client.head('POST', '/v2/images', {'Content-Type': 'application/json', 'Content-Length': '1000'}) + b'{"name": ')
    return s


def slow_reader(client, image_id):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    s.settimeout(20)
    s.connect((client.host, client.port))
    s.sendall(client.head('GET', '/v2/images/%s/file' % image_id))
    return s


def slow_upload(client, _):
    return client.half_upload(client.create()['id'], MIB, 100)


def slow_head(client, _):
    s = client.connect()
    s.sendall(client.head('GET', '/v2/images')[:-10])
    return s


def idle(client, _):
    return client.connect()


def slowest_of(client, image_id):
    """Of everything that a well-behaved client does, in seconds."""
    seconds = []
    for _ in range(5):
        for act, status in ((lambda: client.get('/v2/images'), 200), (lambda: client.post('/v2/images', json={'name': 'x'}), 201),
                            (lambda: client.download(image_id), 200), (lambda: client.upload(client.create()['id'], b'data'), 204)):
            began = time.monotonic()
            assert act().status == status
            seconds.append(time.monotonic() - began)
    return max(seconds)


@pytest.mark.parametrize('crowd', CROWDS)
@pytest.mark.parametrize('attack, each', [(slow_document, 40), (slow_reader, 40), (slow_upload, 20), (slow_head, 40), (idle, 40)])
def test_slow_clients_hold_up_nobody(small, attack, each, crowd):
    quick = well_behaved(small)
    image_id = quick.active(bytes(MIB))
    big = attackers(small, crowd)[0].active(bytes(8 * MIB), visibility='community')
    held = [attack(client, big) for client in attackers(small, crowd) for _ in range(-(-each // crowd))]
    try:
        assert slowest_of(quick, image_id) < 2 * SLOW
        if attack is slow_upload and crowd == 1:         # twice as many as the project's share: the rest is told
            assert eventually(lambda: [s for s in held if select.select([s], [], [], 0)[0]], 5)
            answer = read_answer(next(s for s in held if select.select([s], [], [], 0)[0]))
            assert (answer.status, answer.header('Retry-After')) == (503, '5')
    finally:
        for s in held:
            s.close()
