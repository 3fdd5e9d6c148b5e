# SPDX-License-Identifier: Apache-2.0
"""What a client sends costs what it is long: four times the input, about four times the CPU time, never sixteen.

The CPU time of the server process is compared with itself, the least of three tries each, so that neither the speed nor
the load of the machine matters. Small inputs, which the limits of a request head bound, are sent many times."""
import itertools
import json
import os
import string
import time

import pytest

from conftest import finished
from glint import PATCH_21, SANITIZED, Server, identity

TRIES = 3
NOISE = 0.03    # seconds of CPU time that anything may cost, whatever it is long
PROTECTIONS = ''.join('[%s]\ncreate = %s\nread = %s\nupdate = %s\ndelete = %s\n' % (name, *(['@'] * 4))
                      for name in ['^x_%d_.*' % n for n in range(20)] + ['.*'])


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    where = tmp_path_factory.mktemp('linear')
    protections = where / 'protections.conf'
    protections.write_text(PROTECTIONS)
    s = Server(where, trusted=True, config={'DEFAULT': {
        'show_multiple_locations': 'true', 'property_protection_file': str(protections)}})
    yield s
    finished([s])


def cpu(server):
    """Of the process and the threads that it had, in seconds (clock_getcpuclockid(3))."""
    return time.clock_gettime((~server.process.pid << 3) | 2)


def names(n, prefix=''):
    letters = string.ascii_letters + string.digits
    return [prefix + ''.join(c) for c in itertools.islice(itertools.product(letters, repeat=4), n)]


def cost(server, send, n, times):
    best = None
    for _ in range(TRIES):
        before = cpu(server)
        for _ in range(times):
            send(n)
        used = cpu(server) - before
        best = used if best is None else min(best, used)
    return best


def check_linear(server, send, n, times=1):
    send(n)     # what is done once is done
    one, four = cost(server, send, n, times), cost(server, send, 4 * n, times)
    # AddressSanitizer's strict_string_checks reads every string to its end whenever it is searched
    assert SANITIZED or four < 8 * one + NOISE, '%d: %.4f s, %d: %.4f s' % (n, one, 4 * n, four)


def sender(client, method, path, make, status, media_type='application/json'):
    def send(n):
        answer = client.request(method, path, body=json.dumps(make(n)).encode(), headers={'Content-Type': media_type})
        assert answer.status in status, answer
    return send


BODIES = {
    'properties': ('POST', lambda n: {name: '' for name in names(n)}, 413),
    'tags': ('POST', lambda n: {'tags': names(n)}, 413),
    'equal tags': ('POST', lambda n: {'tags': ['a'] * n}, 413),
    'replace tags': ('PATCH', lambda n: [{'op': 'replace', 'path': '/tags', 'value': names(n)}], 413),
    'replace equal tags': ('PATCH', lambda n: [{'op': 'replace', 'path': '/tags', 'value': ['a'] * n}], 413),
    'add properties': ('PATCH', lambda n: [{'op': 'add', 'path': '/' + name, 'value': ''} for name in names(n)], 413),
    'add and remove properties': ('PATCH', lambda n: [{'op': 'add', 'path': '/' + name, 'value': ''} for name in names(n)] +
                                  [{'op': 'remove', 'path': '/' + name} for name in names(n)], 200),
    'add and remove backwards': ('PATCH', lambda n: [{'op': 'add', 'path': '/' + name, 'value': ''} for name in names(n)] +
                                 [{'op': 'remove', 'path': '/' + name} for name in reversed(names(n))], 200),
    'replace one property': ('PATCH', lambda n: [{'op': 'add', 'path': '/a', 'value': str(i)} for i in range(n)], 200),
    'protected properties': ('PATCH', lambda n: [{'op': 'add', 'path': '/' + name, 'value': ''} for name in names(n, 'x_19_')], 413),
    'locations': ('PATCH', lambda n: [{'op': 'replace', 'path': '/locations', 'value': [
        {'url': 'http://127.0.0.1:1/%d' % i, 'metadata': {}} for i in range(n)]}], 413),
    'a path of many parts': ('PATCH', lambda n: [{'op': 'remove', 'path': '/a' * n}], 400),
    'a path of many escapes': ('PATCH', lambda n: [{'op': 'remove', 'path': '/' + '~1' * n}], 409),
    'a long name': ('PATCH', lambda n: [{'op': 'replace', 'path': '/name', 'value': 'a' * n}], 400),
    'unknown operations': ('PATCH', lambda n: [{'op': 'test', 'path': '/' + name, 'value': ''} for name in names(n)], 400),
}


@pytest.mark.parametrize('name', BODIES)
def test_bodies(measured, name):
    method, make, status = BODIES[name]
    client = measured.client('member')
    path = '/v2/images' + ('' if method == 'POST' else '/' + client.create()['id'])
    media_type = PATCH_21 if method == 'PATCH' else 'application/json'
    check_linear(measured, sender(client, method, path, make, [status], media_type), 8000)


def test_a_task_with_many_properties(measured):
    client = measured.client('admin')

    def make(n):
        return {'type': 'import', 'input': {'import_from': 'http://127.0.0.1:1/', 'import_from_format': 'raw', 'image_properties': {
            'disk_format': 'raw', 'container_format': 'bare', 'tags': names(n), **{name: '' for name in names(n)}}}}
    check_linear(measured, sender(client, 'POST', '/v2/tasks', make, [400, 403, 413]), 4000)


QUERIES = {
    'properties': lambda n: '&'.join(name + '=x' for name in names(n)),
    'one property': lambda n: '&'.join(['a=x'] * n),
    'tags': lambda n: '&'.join('tag=' + name for name in names(n)),
    'unknown parts': lambda n: '&' * n * 4,
    'in': lambda n: 'name=in:' + ','.join(names(n)),
    'quoted in': lambda n: 'name=in:' + ','.join('"%s"' % name for name in names(n)),
    'sort': lambda n: 'sort=' + ','.join(['name'] * n),
    'sort keys': lambda n: '&'.join(['sort_key=name'] * n),
    'escapes': lambda n: 'name=' + '%41' * n,
}


@pytest.mark.parametrize('name', QUERIES)
def test_queries(measured, name):
    client = measured.client('member')

    def send(n):
        assert client.get('/v2/images?' + QUERIES[name](n)).status in (200, 400)
    check_linear(measured, send, 120, times=20)


HEADERS = {
    'roles': lambda n: {'X-Roles': ','.join(['member'] + names(n))},
    'service roles': lambda n: {'X-Service-Roles': ','.join(names(n))},
    'tags to compare': lambda n: {'If-None-Match': ', '.join('"%s"' % name for name in names(n))},
    'tags to match': lambda n: {'If-Match': ', '.join('"%s"' % name for name in names(n))},
    'ranges': lambda n: {'Range': 'bytes=' + ','.join('%d-%d' % (i, i) for i in range(n))},
    'types': lambda n: {'Accept': ', '.join('a/%s;q=0.5' % name for name in names(n))},
    'origin': lambda n: {'Origin': 'http://' + 'a.' * n},
    'forwarded': lambda n: {'Forwarded': ','.join(['for=127.0.0.1'] * (n // 3))},
    'catalog': lambda n: {'X-Service-Catalog': json.dumps([{'type': name} for name in names(n // 4)])},
    'request id': lambda n: {'X-OpenStack-Request-ID': 'a' * n},
    'fields': lambda n: {'X-' + name: 'x' for name in names(n // 50)},
}


@pytest.mark.parametrize('name', HEADERS)
def test_headers(measured, name):
    client = measured.client('member')
    image_id = client.active(bytes(1000))

    def send(n):
        for path in ('/v2/images/' + image_id, '/v2/images/%s/file' % image_id):
            answer = client.get(path, headers={**identity('project-1', 'member'), **HEADERS[name](n)})
            assert answer.status < 500, answer
    check_linear(measured, send, 1000, times=10)


def test_many_members(measured):
    """Each costs what the first did; the quota refuses the last."""
    client = measured.client('member')
    image_id = client.create(visibility='shared')['id']
    spent = []
    for i in range(130):
        before = cpu(measured)
        answer = client.post('/v2/images/%s/members' % image_id, json={'member': 'project-%d' % i})
        spent.append(cpu(measured) - before)
        assert answer.status == (200 if i < 128 else 413), answer
    assert sorted(spent[100:])[10] < 8 * sorted(spent[:30])[10] + NOISE


def test_many_locations_of_one_object(glint_server, web):
    """Equal ones are found by counting; nothing but an operator who lifts the quota lets so many in."""
    server = glint_server(trusted=True, config={
        'DEFAULT': {'show_multiple_locations': 'true', 'image_location_quota': -1}, 'glance_store': {'stores': 'file,http'},
        'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]'}})
    client = server.client('member')

    def send(n, equal=False):
        locations = [{'url': web.url + '/ok/1000', 'metadata': {'n': str(i)}} for i in range(n)]
        answer = client.patch(client.create()['id'], [{'op': 'replace', 'path': '/locations', 'value': locations + locations[:equal]}])
        assert answer.status == (400 if equal else 200), answer
        assert not equal or 'already exists' in answer.text, answer
    check_linear(server, send, 600)
    send(600, equal=True)


def write(where, name, text):
    with open(os.path.join(where, name), 'w') as f:
        f.write(text)
    return os.path.join(where, name)


OPERATORS = {   # configuration for n entries of a file or an option
    'rules': lambda d, n: {'oslo_policy': {'policy_file': write(d, 'p.yaml', ''.join('"%s": "role:%s"\n' % (x, x) for x in names(n)))}},
    'rules of rules': lambda d, n: {'oslo_policy': {'policy_file': write(d, 'p.yaml', '"get_image": "rule:%s"\n' % names(1)[0] + ''.join(
        '"%s": "role:admin or rule:%s"\n' % pair for pair in zip(names(400), names(400)[1:])) + '"%s": "@"\n' % names(400)[-1] +
        ''.join('"%s": "@"\n' % x for x in names(n, 'x')))}},
    'alternatives': lambda d, n: {'oslo_policy': {'policy_file': write(d, 'p.yaml', '"get_image": "%s or @"\n' % ' or '.join('role:' + x for x in names(n)))}},
    'protections': lambda d, n: {'DEFAULT': {'property_protection_file': write(d, 'q.conf', ''.join(
        '[%s]\ncreate = %s\nread = %s\nupdate = %s\ndelete = %s\n' % (name, *(['@'] * 4)) for name in names(n)))}},
    'origins': lambda d, n: {'cors': {'allowed_origin': ','.join('https://%s.example' % x for x in names(n))}},
    'declared properties': lambda d, n: write(d, 'schema-image.json', json.dumps({x: {'type': 'string', 'description': x} for x in names(n)})) and {},
}


@pytest.mark.parametrize('name', OPERATORS)
def test_operators_files(glint_server, tmp_path_factory, name):
    """A start and some requests; what operators write is long in some clouds, though nobody attacks by it."""
    def spent(n):
        best = None
        for _ in range(2):
            where = str(tmp_path_factory.mktemp('operators'))
            server = glint_server(where, trusted=True, config=OPERATORS[name](where, n))
            client = server.client('member')
            for i in range(10):
                image = client.create(**{x: 'y' for x in names(20)})['id']
                assert client.get('/v2/images/' + image, headers={'Origin': 'https://aaab.example'}).status in (200, 404)
                assert client.get('/v2/images?limit=5').status == 200
            used = cpu(server)
            best = used if best is None else min(best, used)
        return best
    one, four = spent(1000), spent(4000)
    assert SANITIZED or four < 8 * one + NOISE, '1000: %.4f s, 4000: %.4f s' % (one, four)
