# SPDX-License-Identifier: Apache-2.0
"""web-download: what is fetched, from where, and what becomes of an import whose server misbehaves. What Glance itself answers and
does is in tests/oracle."""
import hashlib
import os

import pytest

import origin
from glint import eventually
from test_locations import LOCATED


@pytest.fixture
def fetching(glint_server):
    """A server that imports from this machine; options: of [DEFAULT]."""
    def make(**options):
        return glint_server(trusted=True, config={**LOCATED, 'DEFAULT': {**LOCATED['DEFAULT'], **options}})
    return make


def fetch(client, uri, **method):
    image_id = client.create()['id']
    answer = client.post('/v2/images/%s/import' % image_id, {'method': {'name': 'web-download', 'uri': uri, **method}})
    assert answer.status == 202, answer
    return image_id


def settled(client, image_id):
    """The image and its one task, once that is over."""
    def over():
        tasks = client.get('/v2/images/%s/tasks' % image_id).json['tasks']
        return tasks[0] if tasks and tasks[0]['status'] in ('success', 'failure') else None
    task = eventually(over, 60)
    return client.show(image_id), task


def staged(server):
    return os.listdir(server.staging)


@pytest.mark.parametrize('path,size', [('/ok/3000000', 3000000), ('/nolength/100000', 100000), ('/empty', 0), ('/redirect/302/3/ok/1000', 1000),
                                       ('/redirect/307/10/ok/1000', 1000), ('/norange/100000', 100000)])
def test_what_is_fetched_is_the_image(fetching, web, path, size):
    server = fetching()
    member = server.client()
    image, task = settled(member, fetch(member, web.url + path))
    assert (task['status'], image['status'], image['size']) == ('success', 'active', size)
    assert image['os_hash_value'] == hashlib.sha512(origin.content(size)).hexdigest()
    assert size == 0 or member.download(image['id']).body == origin.content(size)
    assert staged(server) == []


@pytest.mark.parametrize('path', ['/status/404', '/status/503', '/drop', '/short/100000', '/redirect/302/11/ok/10', '/loop', '/nowhere', '/to?file:///etc/passwd',
                                  '/to?http://[::1]:1/', '/to?http://169.254.169.254/', '/to?gopher://127.0.0.1/'])
def test_every_failure_reads_the_same(fetching, web, path):
    """So that a client learns nothing of what it cannot reach; and it may try again."""
    server = fetching(http_retries=2)
    member = server.client()
    image, task = settled(member, fetch(member, web.url + path))
    assert (task['status'], task['message'], image['status']) == ('failure', 'Task failed due to Internal Error', 'queued')
    assert 'os_glance_import_task' not in image and staged(server) == []
    assert member.post('/v2/images/%s/import' % image['id'], {'method': {'name': 'web-download', 'uri': web.url + '/ok/10'}}).status == 202
    assert eventually(lambda: member.show(image['id'])['status'] == 'active')


def test_a_transfer_that_breaks_is_tried_again(fetching, web):
    server = fetching(http_retries=3)
    member = server.client()
    image, task = settled(member, fetch(member, web.url + '/flaky/again/2/3000000'))
    assert (task['status'], image['size']) == ('success', 3000000)
    assert image['os_hash_value'] == hashlib.sha512(origin.content(3000000)).hexdigest()
    assert origin.Handler.counts['again'] == 3


@pytest.mark.parametrize('algorithm', ['md5', 'sha256', 'sha512', 'sha1'])
def test_data_have_the_hash_that_was_asked_for(fetching, web, algorithm):
    server = fetching()
    member = server.client()
    right = hashlib.new(algorithm, origin.content(1000)).hexdigest()
    for value, status in ((right, 'success'), (right.upper(), 'success'), (right[::-1], 'failure')):
        asked = {'checksum': value} if algorithm == 'md5' else {'os_hash_algo': algorithm, 'os_hash_value': value}
        image, task = settled(member, fetch(member, web.url + '/ok/1000', **asked))
        assert task['status'] == status, task
        assert image['status'] == ('active' if status == 'success' else 'queued')
    assert staged(server) == []


def test_mirrors_are_tried_in_order(fetching, web):
    server = fetching(http_retries=2)
    member = server.client()
    right = hashlib.md5(origin.content(1000)).hexdigest()
    image, task = settled(member, fetch(member, web.url + '/status/404', checksum=right,
                                        mirrors=[web.url + path for path in ('/drop', '/name/wrong/999', '/name/right/1000', '/name/never/1000')]))
    assert (task['status'], image['size']) == ('success', 1000)
    assert [origin.Handler.counts[name] for name in ('wrong', 'right', 'never')] == [1, 1, 0]


@pytest.mark.parametrize('method', [
    {'checksum': 'x'}, {'checksum': '0' * 31}, {'os_hash_algo': 'sha512'}, {'os_hash_value': '00'}, {'os_hash_algo': 'no', 'os_hash_value': '00'},
    {'os_hash_algo': 'sha1', 'os_hash_value': '0' * 39}, {'mirrors': 'x'}, {'mirrors': ['file:///etc/passwd']}, {'mirrors': [1]},
    {'mirrors': ['http://127.0.0.1:22/']}, {'mirrors': ['http://127.0.0.1/'] * 17}], ids=repr)
def test_what_may_not_be_asked_for(fetching, web, method):
    server = fetching()
    member = server.client()
    image_id = member.create()['id']
    answer = member.post('/v2/images/%s/import' % image_id, {'method': {'name': 'web-download', 'uri': web.url + '/ok/10', **method}})
    assert answer.status == 400, answer
    assert server.sql('select * from tasks') == [] and member.show(image_id)['status'] == 'queued'


def test_an_image_that_is_too_large_is_not_fetched_to_its_end(fetching, web):
    server = fetching(image_size_cap=1000000)
    member = server.client()
    for path in ('/ok/1000001', '/nolength/3000000'):
        image, task = settled(member, fetch(member, web.url + path))
        assert (task['status'], task['message']) == ('failure', 'The incoming image is too large: The provided image is too large.')
        assert image['status'] == 'queued' and staged(server) == []
