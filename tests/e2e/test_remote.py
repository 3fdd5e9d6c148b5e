# SPDX-License-Identifier: Apache-2.0
"""glance-download: an image of another region's service. What Glance itself answers and does is in tests/oracle."""
import hashlib
import json
import socket
import threading

import pytest

import origin
from glint import eventually
from test_download import settled, staged
from test_locations import LOCATED

REMOTE = '11111111-2222-4333-8444-555555555555'
TOKEN = 'a-token-that-nobody-may-see'


class Wire:
    """Answers each request with the next of `answers` (bytes) and keeps what it was asked."""

    def __init__(self, *answers):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.url = 'http://127.0.0.1:%d' % self.socket.getsockname()[1]
        self.answers = list(answers)
        self.asked = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                head = b''
                while b'\r\n\r\n' not in head:
                    got = connection.recv(65536)
                    if not got:
                        break
                    head += got
                self.asked.append(head.decode('latin-1'))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                try:
                    for piece in [answer] if isinstance(answer, bytes) else answer():
                        connection.sendall(piece)
                except OSError:
                    pass

    def close(self):
        self.socket.close()


def answer(status, body=b'', **headers):
    lines = ['HTTP/1.1 %s' % status, 'Content-Length: %d' % len(body), 'Connection: close']
    lines += ['%s: %s' % (name.replace('_', '-'), value) for name, value in headers.items()]
    return '\r\n'.join(lines).encode() + b'\r\n\r\n' + body


def document(**more):
    return json.dumps({'id': REMOTE, 'status': 'active', 'disk_format': 'raw', 'container_format': 'bare', 'size': 10, **more}).encode()


@pytest.fixture
def region(glint_server):
    """A server that imports from other regions."""
    def make(**sections):
        config = {**LOCATED, 'DEFAULT': {**LOCATED['DEFAULT'], 'enabled_import_methods': '[glance-download]', 'http_retries': 2}}
        return glint_server(trusted=True, config={**config, **sections})
    return make


@pytest.fixture
def wire():
    made = []

    def make(*answers):
        made.append(Wire(*answers))
        return made[-1]
    yield make
    for each in made:
        each.close()


def fetch(client, url, image_id=None, catalog=None, token=TOKEN, status=202, image=None, **method):
    """Imports; the image's id."""
    image_id = image_id or client.create(**image or {})['id']
    known = catalog or [{'type': 'compute', 'endpoints': [{'region': 'one', 'publicURL': 'http://127.0.0.1:1'}]},
                        {'type': 'image', 'endpoints': [{'region': 'zero', 'publicURL': 'http://127.0.0.1:1'}, {'region': 'One', 'publicURL': url}]}]
    got = client.post('/v2/images/%s/import' % image_id, {'method': {'name': 'glance-download', 'glance_region': 'one', 'glance_image_id': REMOTE, **method}},
                      headers={'X-Auth-Token': token, 'X-Service-Catalog': json.dumps(known)})
    assert got.status == status, got
    return image_id


def kept(server):
    """What jobs remember of other services."""
    return server.sql("select * from glint_job_notes where name in ('token', 'before', 'remote', 'fetch')")


def failed(client, image_id):
    image, task = settled(client, image_id)
    assert (task['status'], task['message'], image['status']) == ('failure', 'Task failed due to Internal Error', 'queued')
    assert 'os_glance_import_task' not in image
    return image


def test_an_image_of_another_region(region, web):
    server = region()
    member = server.client()
    image, task = settled(member, fetch(member, web.url + '/remote/active/3000000/3000000', image={'disk_format': 'qcow2', 'hw_machine_type': 'pc', 'mine': 'local'}))
    assert (task['status'], image['status'], image['size'], image['disk_format']) == ('success', 'active', 3000000, 'raw')
    assert (image['hw_machine_type'], image['os_distro'], image['mine'], image['name']) == ('q35', 'debian', 'local', None)
    assert image['os_hash_value'] == hashlib.sha512(origin.content(3000000)).hexdigest()
    assert task['input']['import_req']['method']['glance_service_interface'] == 'public'
    assert staged(server) == []


def test_a_catalog_of_the_newer_form(region, web):
    server = region()
    member = server.client()
    url = web.url + '/remote/active/10/10/'
    known = [{'type': 'image', 'endpoints': [{'region': 'one', 'region_id': 'one', 'interface': 'public', 'url': 'http://127.0.0.1:1'},
                                             {'region': 'one', 'region_id': 'one', 'interface': 'internal', 'url': url}]}]
    image, task = settled(member, fetch(member, None, catalog=known, glance_service_interface='internal'))
    assert (task['status'], image['size']) == ('success', 10)


@pytest.mark.parametrize('path', ['active/11/10', 'active/9/10', 'active/none/10', 'active/junk/10', 'queued/10/10', 'deactivated/10/10', '404/10/10', '500/10/10'])
def test_what_fails_leaves_the_image_as_it_was(region, web, path):
    server = region()
    member = server.client()
    before = {'disk_format': 'qcow2', 'container_format': 'ovf', 'hw_machine_type': 'pc', 'mine': 'local'}
    image = failed(member, fetch(member, web.url + '/remote/' + path, image=before))
    assert {name: image[name] for name in before} == before and 'os_distro' not in image
    assert image['size'] is None and staged(server) == []
    assert kept(server) == []


@pytest.mark.parametrize('body', [b'', b'{', b'[]', b'null', b'"x"', b'{"status": "active"}', document(disk_format=None), document(container_format=[]), document(size=-1),
                                  document(size=1.5), document(size=True), document(status=['active']), document(more='x' * (1 << 20)), b'[' * 100000], ids=lambda body: body[:20].decode() + '-%d' % len(body))
def test_documents_that_are_none(region, wire, body):
    server = region()
    member = server.client()
    there = wire(answer('200 OK', body))
    failed(member, fetch(member, there.url))
    assert len(there.asked) == 1


def test_only_what_is_configured_is_copied(region, wire):
    server = region(glance_download_properties={'extra_properties': '[os_,hw_,owner,x]'})
    member = server.client()
    there = wire(answer('200 OK', document(os_glance_import_task='x', os_glance_stage_host='http://h', os_hidden=True, os_hash_algo='sha512', owner='thief', owner_of='x',
                                           hw_number=1, hw_list=['x'], hw_null=None, hw_text='yes', os_distro='debian', name='theirs', protected=True, **{'x' * 256: 'x'})),
                 answer('200 OK', b'0123456789'))
    image, task = settled(member, fetch(member, there.url))
    assert task['status'] == 'success'
    assert {name: image.get(name) for name in ('hw_text', 'os_distro', 'owner_of')} == {'hw_text': 'yes', 'os_distro': 'debian', 'owner_of': 'x'}
    assert not {'hw_number', 'hw_list', 'hw_null', 'os_glance_stage_host', 'x' * 256} & set(image)
    assert (image['os_hidden'], image['owner'], image['name'], image['protected']) == (False, 'project-1', None, False)


PROTECTED = """[^hw_admin_.*]
create = admin
read = admin,member
update = admin
delete = admin

[.*]
create = admin,member
read = admin,member
update = admin,member
delete = admin,member
"""


def test_what_another_region_says_is_a_word_of_the_caller(region, wire, tmp_path):
    """Property protections, formats and lengths hold as for a create by who asked."""
    rules = tmp_path / 'protections.conf'
    rules.write_text(PROTECTED)
    server = region(DEFAULT={**LOCATED['DEFAULT'], 'enabled_import_methods': '[glance-download]', 'http_retries': 2, 'property_protection_file': str(rules)})
    member, admin = server.client(), server.client('admin')
    for theirs in ({'hw_admin_cpu': 'x'}, {'disk_format': 'x' * 5000}, {'disk_format': 'floppy'}, {'container_format': 'box'}, {'hw_text': 'x' * 70000}):
        there = wire(answer('200 OK', document(**theirs)), answer('200 OK', b'0123456789'))
        image = failed(member, fetch(member, there.url, image={'disk_format': 'qcow2'}))
        assert image['disk_format'] == 'qcow2' and 'hw_admin_cpu' not in image and 'hw_text' not in image
        assert len(there.asked) == 1 and 'that the caller may not set' in server.log()
    there = wire(answer('200 OK', document(hw_admin_cpu='x', hw_text='y')), answer('200 OK', b'0123456789'))
    image, task = settled(admin, fetch(admin, there.url))
    assert (task['status'], image['hw_admin_cpu'], image['hw_text']) == ('success', 'x', 'y')


def test_data_are_those_that_the_other_service_hashed(region, wire):
    server = region()
    member = server.client()
    right = {'os_hash_algo': 'sha256', 'os_hash_value': hashlib.sha256(b'0123456789').hexdigest(), 'checksum': hashlib.md5(b'0123456789').hexdigest()}
    there = wire(answer('200 OK', document(**right)), answer('200 OK', b'0123456789'))
    assert settled(member, fetch(member, there.url))[1]['status'] == 'success'
    for wrong in ({'os_hash_value': '0' * 64}, {'checksum': '0' * 32}):
        there = wire(answer('200 OK', document(**{**right, **wrong})), answer('200 OK', b'0123456789'))
        image, task = settled(member, fetch(member, there.url))
        assert (task['status'], image['status'], staged(server)) == ('failure', 'queued', [])


def test_the_token_goes_to_the_endpoint_alone(region, wire):
    """Neither along a redirect, nor into the log, the database or what jobs tell."""
    server = region()
    member = server.client()
    other = wire(answer('200 OK', b'0123456789'))
    there = wire(answer('200 OK', document()), answer('302 Found', Location=other.url + '/data'))
    image, task = settled(member, fetch(member, there.url))
    assert (task['status'], image['size']) == ('success', 10)
    assert len(there.asked) == 2 and all('X-Auth-Token: %s\r\n' % TOKEN in asked for asked in there.asked)
    assert len(other.asked) == 1 and TOKEN not in other.asked[0] and 'x-auth-token' not in other.asked[0].lower()
    assert all('User-Agent: glint/' in asked for asked in there.asked + other.asked)
    assert TOKEN not in server.log()
    for table in ('glint_jobs', 'glint_job_notes', 'tasks', 'task_info', 'image_properties'):
        assert TOKEN not in repr(server.sql('select * from ' + table))


def test_endpoints_are_filtered(region, web):
    server = region()
    member = server.client()
    for url in ('http://127.0.0.1:22', 'http://127.0.0.2/', 'http://[::1]/', 'http://169.254.169.254', 'file:///etc/passwd', 'ftp://127.0.0.1', 'http://user:word@127.0.0.1:1', 'x', ''):
        failed(member, fetch(member, url))


def test_without_a_token_or_a_catalog(region, web):
    server = region()
    member = server.client()
    body = {'method': {'name': 'glance-download', 'glance_region': 'one', 'glance_image_id': REMOTE}}
    for headers in ({}, {'X-Auth-Token': 't'}, {'X-Auth-Token': 't', 'X-Service-Catalog': '[]'}, {'X-Auth-Token': 't', 'X-Service-Catalog': '{"a": [1]}'},
                    {'X-Auth-Token': 't', 'X-Service-Catalog': '[1, {"type": "image"}, {"type": "image", "endpoints": [1, {}, {"region": 1}]}]'},
                    {'X-Service-Catalog': json.dumps([{'type': 'image', 'endpoints': [{'region': 'one', 'publicURL': web.url + '/remote/active/10/10'}]}])}):
        image_id = member.create()['id']
        assert member.post('/v2/images/%s/import' % image_id, body, headers=headers).status == 202
        failed(member, image_id)
    image_id = member.create()['id']
    got = member.post('/v2/images/%s/import' % image_id, body, headers={'X-Auth-Token': 't', 'X-Service-Catalog': '{'})
    assert got.status == 500 and b'Invalid service catalog json.' in got.body


def test_a_worker_that_dies_goes_on(region, web):
    """Described and half fetched; the token is still known to who goes on, and forgotten with the end."""
    server = region()
    member = server.client()
    url = web.url + '/remote/active/10/10'
    image_id = fetch(member, url)
    server.kill()
    server.start()
    image, task = settled(member, image_id)
    assert (task['status'], image['status']) == ('success', 'active')
    assert eventually(lambda: kept(server) == [])
