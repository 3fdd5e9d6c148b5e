# SPDX-License-Identifier: Apache-2.0
"""Image create, show, update, delete: documents, rights and refusals."""
import re
import uuid

import pytest

from glint import PATCH_20, PATCH_21

ORDER = ['name', 'disk_format', 'container_format', 'visibility', 'size', 'virtual_size', 'status', 'checksum', 'protected',
         'min_ram', 'min_disk', 'owner', 'os_hidden', 'os_hash_algo', 'os_hash_value', 'id', 'created_at', 'updated_at',
         'tags', 'self', 'file', 'schema']
TIME = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')


@pytest.fixture
def image(member):
    """A queued image of the member, with two extra properties."""
    made = member.create(name='subject', colour='blue', os_distro='debian')
    yield made
    member.delete('/v2/images/' + made['id'])


# ---------------------------------------------------------------- create

def test_create_with_nothing(member):
    answer = member.post('/v2/images', json={})
    assert (answer.status, answer.reason) == (201, 'Created')
    image = answer.json
    assert list(image) == ORDER
    assert uuid.UUID(image['id']).version == 4
    assert TIME.match(image['created_at']) and image['created_at'] == image['updated_at']
    link = '/v2/images/' + image['id']
    assert image == {
        'name': None, 'disk_format': None, 'container_format': None, 'visibility': 'shared', 'size': None,
        'virtual_size': None, 'status': 'queued', 'checksum': None, 'protected': False, 'min_ram': 0, 'min_disk': 0,
        'owner': 'project-1', 'os_hidden': False, 'os_hash_algo': None, 'os_hash_value': None, 'id': image['id'],
        'created_at': image['created_at'], 'updated_at': image['updated_at'], 'tags': [], 'self': link,
        'file': link + '/file', 'schema': '/v2/schemas/image'}


def test_create_answers_headers(member, trusted):
    answer = member.post('/v2/images', json={})
    assert answer.header('Location') == trusted.url + '/v2/images/' + answer.json['id']
    assert answer.header('OpenStack-image-import-methods') == 'glance-direct,web-download,copy-image'
    assert answer.header('Content-Type') == 'application/json'


def test_create_with_everything(member):
    image_id = str(uuid.uuid4())
    sent = {'id': image_id, 'name': 'żółw 龜', 'disk_format': 'qcow2', 'container_format': 'bare', 'visibility': 'private',
            'protected': True, 'min_ram': 512, 'min_disk': 10, 'os_hidden': True, 'tags': ['a', 'b', 'a'],
            'os_distro': 'debian', 'hw_disk_bus': 'virtio', 'empty': ''}
    answer = member.post('/v2/images', json=sent)
    assert answer.status == 201
    image = member.show(image_id)
    assert sorted(image['tags']) == ['a', 'b']
    assert {k: v for k, v in image.items() if k in sent and k != 'tags'} == {k: v for k, v in sent.items() if k != 'tags'}
    assert 'żółw 龜'.encode() in answer.body
    assert member.patch(image_id, [{'op': 'replace', 'path': '/protected', 'value': False}]).status == 200
    assert member.delete('/v2/images/' + image_id).status == 204


def test_an_id_is_never_used_twice(member):
    image_id = str(uuid.uuid4())
    assert member.post('/v2/images', json={'id': image_id}).status == 201
    again = member.post('/v2/images', json={'id': image_id})
    assert again.status == 409 and 'Image ID %s already exists!' % image_id in again.text
    assert member.delete('/v2/images/' + image_id).status == 204
    assert member.post('/v2/images', json={'id': image_id}).status == 409


def test_ids_differ_by_case(member):
    image_id = str(uuid.uuid4())
    upper = image_id[:-4] + 'ABCD'
    lower = upper.lower()
    assert member.post('/v2/images', json={'id': upper}).status == 201
    assert member.get('/v2/images/' + lower).status == 404
    assert member.post('/v2/images', json={'id': lower}).status == 201
    for each in (upper, lower):
        assert member.delete('/v2/images/' + each).status == 204


@pytest.mark.parametrize('sent,status,message', [
    ({'name': 1}, 400, "1 is not of type"),
    ({'name': 'x' * 256}, 400, 'is too long'),
    ({'id': 'nope'}, 400, "'nope' does not match"),
    ({'disk_format': 'floppy'}, 400, "'floppy' is not one of"),
    ({'container_format': 'box'}, 400, "'box' is not one of"),
    ({'visibility': 'everybody'}, 400, "'everybody' is not one of"),
    ({'protected': 'true'}, 400, "'true' is not of type"),
    ({'tags': 'a'}, 400, "'a' is not of type"),
    ({'tags': ['x' * 256]}, 400, 'is too long'),
    ({'tags': [1]}, 400, '1 is not of type'),
    ({'min_ram': '1'}, 400, "'1' is not of type"),
    ({'min_ram': -1}, 400, 'Cannot be a negative value'),
    ({'min_disk': 2 ** 31}, 400, 'value out of range'),
    ({'os_distro': 5}, 400, '5 is not of type'),
    ({'anything': 5}, 400, '5 is not of type'),
    ({'anything': None}, 400, 'None is not of type'),
    ({'k' * 256: 'v'}, 400, ''),
    ({'name': '\U0001F600'}, 400, '4 byte unicode'),
    ({'status': 'active'}, 403, "Attribute 'status' is read-only."),
    ({'size': 5}, 403, "Attribute 'size' is read-only."),
    ({'checksum': 'a' * 32}, 403, "Attribute 'checksum' is read-only."),
    ({'created_at': '2020-01-01T00:00:00Z'}, 403, "Attribute 'created_at' is read-only."),
    ({'self': '/x'}, 403, "Attribute 'self' is read-only."),
    ({'stores': 'x'}, 403, "Attribute 'stores' is read-only."),
    ({'os_glance_x': 'y'}, 403, "Attribute 'os_glance_x' is reserved."),
    ({'deleted': 'y'}, 403, "Attribute 'deleted' is reserved."),
    ({'owner': 'project-2'}, 403, "not permitted to create images owned by 'project-2'"),
    ({'visibility': 'public'}, 403, 'not authorized'),
    ([], 400, ''),
])
def test_create_is_refused(member, sent, status, message):
    before = set(member.listed('?limit=1000'))
    answer = member.post('/v2/images', json=sent)
    if sent == []:
        assert 400 <= answer.status < 500
    else:
        assert answer.status == status, answer
        assert message in answer.text
    assert set(member.listed('?limit=1000')) == before


@pytest.mark.parametrize('quota,sent', [
    ('image_property_quota', {'a%d' % n: 'v' for n in range(6)}),
    ('image_tag_quota', {'tags': ['t%d' % n for n in range(6)]}),
])
def test_quota(glint_server, quota, sent):
    member = glint_server(trusted=True, config={'DEFAULT': {quota: 5}}).client()
    assert member.post('/v2/images', json=sent).status == 413
    fewer = {'tags': sent['tags'][:5]} if 'tags' in sent else dict(list(sent.items())[:5])
    assert member.post('/v2/images', json=fewer).status == 201


def test_many_properties(member):
    sent = {'key%03d' % n: 'value %d' % n for n in range(128)}
    image = member.create(**sent)
    shown = member.show(image['id'])
    assert {k: v for k, v in shown.items() if k.startswith('key')} == sent
    assert member.post('/v2/images', json={**sent, 'more': 'x'}).status == 413
    member.delete('/v2/images/' + image['id'])


def test_admin_creates_for_another(admin, other):
    image = admin.create(owner='project-2', visibility='private')
    assert other.show(image['id'])['owner'] == 'project-2'
    admin.delete('/v2/images/' + image['id'])


# ---------------------------------------------------------------- who sees what

@pytest.mark.parametrize('visibility,others', [('private', 404), ('shared', 404), ('community', 200), ('public', 200)])
def test_visibility(admin, member, other, visibility, others):
    image = admin.create(owner='project-1', visibility=visibility)
    assert member.get('/v2/images/' + image['id']).status == 200
    assert other.get('/v2/images/' + image['id']).status == others
    assert admin.get('/v2/images/' + image['id']).status == 200
    assert (image['id'] in other.listed('?limit=1000')) == (visibility == 'public')
    assert (image['id'] in other.listed('?visibility=community')) == (visibility == 'community')
    refused = other.delete('/v2/images/' + image['id']).status
    assert refused == (403 if others == 200 else 404)
    admin.delete('/v2/images/' + image['id'])


def test_reader_may_look_only(member, reader):
    image = member.create()
    assert reader.get('/v2/images/' + image['id']).status == 200
    assert reader.post('/v2/images', json={}).status == 403
    assert reader.delete('/v2/images/' + image['id']).status == 403
    assert reader.patch(image['id'], [{'op': 'add', 'path': '/a', 'value': 'b'}]).status == 403
    assert reader.upload(image['id'], b'x').status == 403
    member.delete('/v2/images/' + image['id'])


def test_no_role_sees_nothing(member, norole):
    image = member.create()
    assert norole.get('/v2/images').status == 403
    assert norole.get('/v2/images/' + image['id']).status == 404
    member.delete('/v2/images/' + image['id'])


# ---------------------------------------------------------------- delete

def test_delete(member):
    image = member.create()
    answer = member.delete('/v2/images/' + image['id'])
    assert (answer.status, answer.body, answer.header('Content-Length')) == (204, b'', None) or answer.body == b''
    assert member.get('/v2/images/' + image['id']).status == 404
    assert image['id'] not in member.listed('?limit=1000')
    again = member.delete('/v2/images/' + image['id'])
    assert again.status == 404 and 'Failed to find image %s to delete' % image['id'] in again.text


def test_delete_protected(member):
    image = member.create(protected=True)
    answer = member.delete('/v2/images/' + image['id'])
    assert answer.status == 403
    assert 'Image %s is protected and cannot be deleted.' % image['id'] in answer.text
    member.patch(image['id'], [{'op': 'replace', 'path': '/protected', 'value': False}])
    assert member.delete('/v2/images/' + image['id']).status == 204


def test_delete_leaves_no_file(glint_server):
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.active(b'x' * 5000)
    assert s.stored()
    assert member.delete('/v2/images/' + image_id).status == 204
    assert s.stored() == []
    assert s.sql('select status, deleted from images where id = ?', image_id) == [('deleted', 1)]


def test_delete_of_lost_data(glint_server):
    import os
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.active(b'x')
    os.unlink(s.object_of(image_id))
    assert member.delete('/v2/images/' + image_id).status == 204


# ---------------------------------------------------------------- patch

def changed(member, image, operations, media_type=PATCH_21):
    answer = member.patch(image['id'], operations, media_type)
    assert answer.status == 200, answer
    assert answer.json == member.show(image['id'])
    return answer.json


@pytest.mark.parametrize('operations,seen', [
    ([{'op': 'replace', 'path': '/name', 'value': 'new'}], {'name': 'new'}),
    ([{'op': 'replace', 'path': '/name', 'value': None}], {'name': None}),
    ([{'op': 'add', 'path': '/name', 'value': 'added'}], {'name': 'added'}),
    ([{'op': 'add', 'path': '/size_of_hat', 'value': 'XL'}], {'size_of_hat': 'XL'}),
    ([{'op': 'add', 'path': '/colour', 'value': 'red'}], {'colour': 'red'}),
    ([{'op': 'replace', 'path': '/colour', 'value': 'green'}], {'colour': 'green'}),
    ([{'op': 'remove', 'path': '/colour'}], {'colour': 'absent'}),
    ([{'op': 'remove', 'path': '/colour'}, {'op': 'add', 'path': '/colour', 'value': 'again'}], {'colour': 'again'}),
    ([{'op': 'replace', 'path': '/tags', 'value': ['x', 'y']}], {'tags': ['x', 'y']}),
    ([{'op': 'replace', 'path': '/min_disk', 'value': 7}], {'min_disk': 7}),
    ([{'op': 'replace', 'path': '/disk_format', 'value': 'qcow2'}], {'disk_format': 'qcow2'}),
    ([{'op': 'replace', 'path': '/os_hidden', 'value': True}], {'os_hidden': True}),
    ([{'op': 'replace', 'path': '/visibility', 'value': 'private'}], {'visibility': 'private'}),
    ([{'op': 'add', 'path': '/a~1b', 'value': 'slash'}], {'a/b': 'slash'}),
    ([{'op': 'add', 'path': '/a~0b', 'value': 'tilde'}], {'a~b': 'tilde'}),
    ([], {'name': 'subject'}),
])
def test_patch(member, image, operations, seen):
    document = changed(member, image, operations)
    for key, value in seen.items():
        if value == 'absent':
            assert key not in document
        elif key == 'tags':
            assert sorted(document['tags']) == value
        else:
            assert document[key] == value


@pytest.mark.parametrize('operations,seen', [
    ([{'replace': '/name', 'value': 'old style'}], {'name': 'old style'}),
    ([{'add': '/fresh', 'value': 'v'}], {'fresh': 'v'}),
    ([{'remove': '/colour'}], {}),
])
def test_patch_v20(member, image, operations, seen):
    document = changed(member, image, operations, PATCH_20)
    assert {k: document[k] for k in seen} == seen
    assert ('colour' in document) == ('remove' not in operations[0])


@pytest.mark.parametrize('operations,status,message', [
    ({'op': 'add'}, 400, ''),
    (['text'], 400, ''),
    ([{'path': '/a', 'value': 'b'}], 400, ''),
    ([{'op': 'move', 'path': '/a', 'value': 'b'}], 400, ''),
    ([{'op': 'add', 'value': 'b'}], 400, ''),
    ([{'op': 'add', 'path': '/a'}], 400, 'Operation "add" requires a member named "value".'),
    ([{'op': 'add', 'path': 'a', 'value': 'b'}], 400, ''),
    ([{'op': 'add', 'path': '/a/', 'value': 'b'}], 400, ''),
    ([{'op': 'add', 'path': '/a~2', 'value': 'b'}], 400, ''),
    ([{'op': 'add', 'path': '/tags/-', 'value': 'b'}], 400, "Invalid JSON pointer for this resource: '/tags/-'"),
    ([{'op': 'add', 'path': '/a', 'value': 5}], 400, '5 is not of type'),
    ([{'op': 'replace', 'path': '/name', 'value': 'x' * 256}], 400, 'is too long'),
    ([{'op': 'replace', 'path': '/min_ram', 'value': -1}], 400, ''),
    ([{'op': 'replace', 'path': '/disk_format', 'value': 'floppy'}], 400, 'is not one of'),
    ([{'op': 'replace', 'path': '/status', 'value': 'active'}], 403, "Attribute 'status' is read-only."),
    ([{'op': 'replace', 'path': '/id', 'value': 'x'}], 403, "Attribute 'id' is read-only."),
    ([{'op': 'add', 'path': '/os_glance_x', 'value': 'y'}], 403, "Attribute 'os_glance_x' is reserved."),
    ([{'op': 'add', 'path': '/deleted', 'value': 'y'}], 403, "Attribute 'deleted' is reserved."),
    ([{'op': 'replace', 'path': '/owner', 'value': 'project-2'}], 403, ''),
    ([{'op': 'replace', 'path': '/visibility', 'value': 'public'}], 403, ''),
    ([{'op': 'remove', 'path': '/name'}], 403, 'Property name may not be removed.'),
    ([{'op': 'replace', 'path': '/absent', 'value': 'y'}], 409, 'Property absent does not exist.'),
    ([{'op': 'remove', 'path': '/absent'}], 409, 'Property absent does not exist.'),
    ([{'op': 'replace', 'path': '/name', 'value': 'first'}, {'op': 'remove', 'path': '/absent'}], 409, ''),
    ([{'op': 'replace', 'path': '/name', 'value': 'first'}, {'op': 'add', 'path': '/a', 'value': 1}], 400, ''),
    ([{'op': 'replace', 'path': '/locations', 'value': []}], 403, ''),
])
def test_patch_is_refused_as_a_whole(member, image, operations, status, message):
    answer = member.patch(image['id'], operations)
    assert answer.status == status, answer
    assert message in answer.text
    assert member.show(image['id']) == image


def test_patch_v20_add_of_what_is_there(member, image):
    assert member.patch(image['id'], [{'add': '/colour', 'value': 'red'}], PATCH_20).status == 409


def test_patch_of_others(member, other, admin, image):
    operations = [{'op': 'replace', 'path': '/name', 'value': 'mine now'}]
    assert other.patch(image['id'], operations).status == 404
    assert admin.patch(image['id'], operations).status == 200
    assert member.patch('00000000-0000-4000-8000-000000000000', operations).status == 404


def test_formats_stay_once_there_is_data(member):
    image_id = member.active(b'abc')
    answer = member.patch(image_id, [{'op': 'replace', 'path': '/disk_format', 'value': 'iso'}])
    assert answer.status == 403
    assert 'Attribute disk_format can be only replaced for a queued image.' in answer.text
    member.delete('/v2/images/' + image_id)


def test_admin_gives_an_image_away(admin, member, other, image):
    assert admin.patch(image['id'], [{'op': 'replace', 'path': '/owner', 'value': 'project-2'},
                                     {'op': 'replace', 'path': '/visibility', 'value': 'private'}]).status == 200
    assert member.get('/v2/images/' + image['id']).status == 404
    assert other.delete('/v2/images/' + image['id']).status == 204


def test_concurrent_patches_lose_nothing(trusted, image):
    from concurrent.futures import ThreadPoolExecutor

    def add(n):
        return trusted.client().patch(image['id'], [{'op': 'add', 'path': '/key%d' % n, 'value': 'v'}]).status
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(add, range(16)))
    assert set(statuses) <= {200, 409}
    shown = trusted.client().show(image['id'])
    for n, status in enumerate(statuses):
        if status == 200:
            assert shown.get('key%d' % n) == 'v'


def test_no_store_ids_with_one_store(member):
    """Also once data has moved, which makes Glance name its reserved stores."""
    member.active(b'data')
    answer = member.post('/v2/images', json={'name': 'x'})
    assert answer.status == 201
    assert answer.header('OpenStack-image-store-ids') is None and 'os_glance_' not in str(answer.headers)
