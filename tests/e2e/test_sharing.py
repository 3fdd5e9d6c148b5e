# SPDX-License-Identifier: Apache-2.0
"""Members, tags, deactivation: what several projects see of one image."""
import json
import os

import pytest

from glint import TOP

RECORDED = os.path.join(TOP, 'tests', 'oracle', 'recorded', 'schemas')
DOCUMENTS = ['member', 'members', 'task', 'tasks'] + ['metadefs/' + name for name in (
    'namespace', 'namespaces', 'object', 'objects', 'properties', 'property', 'resource_type', 'resource_types', 'tag', 'tags')]


@pytest.fixture
def shared(member):
    """A shared image of the member's project, with data."""
    image_id = member.active(b'shared bytes', name='common', visibility='shared')
    yield image_id
    member.delete('/v2/images/' + image_id)


def listed(client, image_id, query=''):
    return image_id in [i['id'] for i in client.get('/v2/images?limit=1000' + query).json['images']]


def test_offered_then_accepted_then_taken_back(member, other, shared):
    members = '/v2/images/' + shared + '/members'
    project = 'project-2'
    assert other.get('/v2/images/' + shared).status == 404
    assert other.get('/v2/images/' + shared + '/file').status == 404
    made = member.post(members, json={'member': project})
    assert made.status == 200 and made.json['status'] == 'pending' and made.json['schema'] == '/v2/schemas/member'
    assert other.get('/v2/images/' + shared + '/file').body == b'shared bytes'
    assert not listed(other, shared) and listed(other, shared, '&member_status=pending')
    assert other.put(members + '/' + project, json={'status': 'accepted'}).json['status'] == 'accepted'
    assert listed(other, shared) and listed(other, shared, '&member_status=all&visibility=shared')
    assert other.get(members + '/' + project).json['status'] == 'accepted'
    assert [m['member_id'] for m in member.get(members).json['members']] == [project]
    assert other.delete(members + '/' + project).status == 403
    assert member.delete(members + '/' + project).status == 204
    assert not listed(other, shared, '&member_status=all')
    assert other.get('/v2/images/' + shared).status == 404


def test_the_offered_project_decides_and_nobody_else(member, other, admin, shared):
    member.post('/v2/images/' + shared + '/members', json={'member': 'project-2'})
    mine = '/v2/images/' + shared + '/members/' + 'project-2'
    assert member.put(mine, json={'status': 'accepted'}).status == 403
    assert other.put(mine, json={'status': 'rejected'}).status == 200
    assert not listed(other, shared) and listed(other, shared, '&member_status=rejected')
    assert admin.put(mine, json={'status': 'accepted'}).status == 200
    assert listed(other, shared)


def test_members_count_again_when_the_image_is_shared_again(member, other, shared):
    member.post('/v2/images/' + shared + '/members', json={'member': 'project-2'})
    member.patch(shared, [{'op': 'replace', 'path': '/visibility', 'value': 'private'}])
    assert other.get('/v2/images/' + shared).status == 404
    assert member.get('/v2/images/' + shared + '/members').status == 403
    member.patch(shared, [{'op': 'replace', 'path': '/visibility', 'value': 'shared'}])
    assert other.get('/v2/images/' + shared).status == 200


def test_tags_one_by_one(member, other, shared):
    assert member.put('/v2/images/' + shared + '/tags/red').status == 204
    assert member.put('/v2/images/' + shared + '/tags/red').status == 204
    assert member.put('/v2/images/' + shared + '/tags/two%20words').status == 204
    assert member.show(shared)['tags'] == ['red', 'two words']
    assert listed(member, shared, '&tag=red&tag=two+words')
    assert other.put('/v2/images/' + shared + '/tags/blue').status == 404
    assert member.delete('/v2/images/' + shared + '/tags/red').status == 204
    assert member.delete('/v2/images/' + shared + '/tags/red').status == 404
    assert member.show(shared)['tags'] == ['two words']


def test_out_of_service_and_back(member, admin, shared):
    assert member.post('/v2/images/' + shared + '/actions/deactivate').status == 204
    assert member.show(shared)['status'] == 'deactivated'
    assert member.get('/v2/images/' + shared + '/file').status == 403
    assert admin.get('/v2/images/' + shared + '/file').body == b'shared bytes'
    assert member.post('/v2/images/' + shared + '/actions/deactivate').status == 204
    assert member.post('/v2/images/' + shared + '/actions/reactivate').status == 204
    assert member.get('/v2/images/' + shared + '/file').body == b'shared bytes'


@pytest.mark.parametrize('who', ['member', 'admin'])
def test_deleting_a_deactivated_image_removes_its_data(glint_server, who):
    s = glint_server(trusted=True)
    member = s.client('member')
    image_id = member.active(b'gone')
    assert member.post('/v2/images/' + image_id + '/actions/deactivate').status == 204
    assert s.client(who).delete('/v2/images/' + image_id).status == 204
    assert image_id not in s.stored()


@pytest.mark.parametrize('name', DOCUMENTS)
def test_schema_documents_equal_the_recorded_ones(member, name):
    answer = member.get('/v2/schemas/' + name)
    assert answer.status == 200
    with open(os.path.join(RECORDED, name.replace('/', '-') + '.json')) as f:
        assert answer.json == json.load(f)
