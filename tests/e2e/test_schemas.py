# SPDX-License-Identifier: Apache-2.0
"""Schema documents."""
import json
import os

import pytest

from glint import TOP

RECORDED = os.path.join(TOP, 'tests', 'oracle', 'recorded', 'schemas')


@pytest.mark.parametrize('name', ['image', 'images'])
def test_schema_equals_the_recorded_one(member, name):
    answer = member.get('/v2/schemas/' + name)
    assert answer.status == 200 and answer.header('Content-Type') == 'application/json'
    with open(os.path.join(RECORDED, name + '.json')) as f:
        assert answer.json == json.load(f)


def test_image_schema_order(member):
    properties = list(member.get('/v2/schemas/image').json['properties'])
    assert properties[:5] == ['id', 'name', 'status', 'visibility', 'protected']


def test_image_document_obeys_its_schema(member):
    schema = member.get('/v2/schemas/image').json
    image_id = member.active(b'abc', name='schematic', os_distro='debian', tags=['t'])
    image = member.show(image_id)
    types = {'string': str, 'integer': int, 'boolean': bool, 'array': list, 'null': type(None), 'object': dict}
    for key, value in image.items():
        rule = schema['properties'].get(key, schema['additionalProperties'])
        wanted = rule['type'] if isinstance(rule['type'], list) else [rule['type']]
        assert any(isinstance(value, types[t]) for t in wanted), key
        if 'enum' in rule:
            assert value in rule['enum'], key
        if 'maxLength' in rule and value is not None:
            assert len(value) <= rule['maxLength'], key


def test_unknown_schema(member):
    assert member.get('/v2/schemas/nothing').status == 404


def test_without_a_file_nothing_is_declared(glint_server):
    """As in Glance: the properties that it ships are those of its schema-image.json, beside the configuration."""
    server = glint_server()
    client = server.client()
    assert client.post('/v2/images', json={'kernel_id': 'no uuid'}).status == 400
    assert server.stop() == 0
    os.unlink(os.path.join(server.directory, 'schema-image.json'))
    server.start()
    assert 'kernel_id' not in client.get('/v2/schemas/image').json['properties']
    assert client.create(kernel_id='no uuid')['kernel_id'] == 'no uuid'
