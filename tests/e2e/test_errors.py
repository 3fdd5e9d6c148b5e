# SPDX-License-Identifier: Apache-2.0
"""The form of error bodies, and what is said about requests that are wrong as such."""
import re

import pytest

from glint import PATCH_21

STOCK = 'The resource could not be found.'


@pytest.mark.parametrize('accept,form', [
    (None, 'plain'),
    ('text/plain', 'plain'),
    ('image/png', 'plain'),
    ('*/*', 'html'),
    ('text/html', 'html'),
    ('text/*', 'html'),
    ('application/json, text/html', 'html'),
    ('application/json', 'json'),
    ('text/html;q=0.5, application/json', 'json'),
])
def test_error_body_is_negotiated(member, accept, form):
    answer = member.get('/v2/nothing', headers={'Accept': accept} if accept else {})
    assert answer.status == 404
    if form == 'json':
        assert answer.header('Content-Type').startswith('application/json')
        assert answer.json == {'message': STOCK + '<br /><br />\n\n\n', 'code': '404 Not Found', 'title': 'Not Found'}
    elif form == 'html':
        assert answer.header('Content-Type').startswith('text/html')
        assert answer.text.startswith('<html>\n <head>\n  <title>404 Not Found</title>\n')
        assert STOCK in answer.text
    else:
        assert answer.header('Content-Type').startswith('text/plain')
        assert answer.text == '404 Not Found\n\n' + STOCK + '\n\n   '


def test_message_is_escaped_in_html(member):
    answer = member.get("/v2/images/a'b", headers={'Accept': 'text/html'})
    assert answer.status == 404
    assert 'a&#x27;b' in answer.text


@pytest.mark.parametrize('body,status,message', [
    (b'', 400, 'Body expected in request.'),
    (b'{', 400, 'Malformed JSON in request body.'),
    (b'{"name": "a",}', 400, 'Malformed JSON'),
    (b'"text"', 400, 'Unexpected body type. Expected list/dict.'),
    (b'5', 400, 'Unexpected body type. Expected list/dict.'),
    (b'\xff\xfe', 400, ''),
    (b'{"name": "\xff"}', 400, ''),
])
def test_json_bodies(member, body, status, message):
    answer = member.request('POST', '/v2/images', body=body, headers={'Content-Type': 'application/json'})
    assert answer.status == status, answer
    assert message in answer.text


def test_content_type_of_json_is_not_looked_at(member):
    answer = member.request('POST', '/v2/images', body=b'{"name": "n"}', headers={'Content-Type': 'text/plain'})
    assert answer.status == 201
    member.delete('/v2/images/' + answer.json['id'])


def test_json_body_in_chunks(member):
    answer = member.request('POST', '/v2/images', chunks=[b'{"na', b'me"', b': "chunked"}'],
                            headers={'Content-Type': 'application/json'})
    assert answer.status == 201 and answer.json['name'] == 'chunked'
    member.delete('/v2/images/' + answer.json['id'])


@pytest.mark.parametrize('method,path', [
    ('GET', '/v2/images/x'), ('DELETE', '/v2/images/x'), ('GET', '/v2/images/x/file'),
    ('GET', '/v2/schemas/image'),
])
def test_bodies_where_none_belongs(member, method, path):
    answer = member.request(method, path, body=b'{}')
    assert answer.status == 400
    assert 'A body is not expected with this request.' in answer.text


@pytest.mark.parametrize('depth', [100, 100000])
def test_deep_json_is_refused(member, depth):
    answer = member.request('POST', '/v2/images', body=b'[' * depth + b']' * depth,
                            headers={'Content-Type': 'application/json'})
    assert 400 <= answer.status < 500


def test_huge_json_is_refused(glint_server):
    member = glint_server(trusted=True).client()
    body = b'{"name": "%s"}' % (b'x' * (8 << 20))
    answer = member.request('POST', '/v2/images', body=body, headers={'Content-Type': 'application/json'})
    assert answer.status in (400, 413)


def test_patch_media_type(member):
    image = member.create()
    answer = member.patch(image['id'], [], media_type='application/json')
    assert answer.status == 415
    assert PATCH_21 in answer.header('Accept-Patch')
    assert 'Image PATCH expects Content-Type one of' in answer.text
    member.delete('/v2/images/' + image['id'])


def test_no_server_error_for_odd_addresses(member):
    for path in ('/v2/images/%00', '/v2/images/%zz', '/v2/images/%ff', '/v2/images/' + 'x' * 5000, '/v2/images/..',
                 '/v2//images', '/v2/images/%2e%2e/file', '/v2/images?' + '&'.join('a%d=1' % n for n in range(600)),
                 '/v2/images?name=%ff', '/v2/images?limit=99999999999999999999', '/v2/images?=&&='):
        answer = member.get(path)
        assert 200 <= answer.status < 500, (path, answer)


@pytest.mark.parametrize('method, path, who', [
    ('GET', '/versions', 'nobody'), ('GET', '/', 'nobody'), ('GET', '/v9/x', 'nobody'), ('GET', '/healthcheck', 'nobody'),
    ('GET', '/v2', 'member'), ('GET', '/v2/images', 'member'), ('GET', '/v2/images', 'nobody'), ('GET', '/v2/nope', 'member'),
    ('OPTIONS', '/v2/images', 'nobody'), ('DELETE', '/v2/images', 'member'), ('BREW', '/v2/images', 'member'), ('HEAD', '/v2/images/x', 'member'),
])
def test_every_answer_has_a_request_id(trusted, method, path, who):
    client = trusted.client(who)
    first, second = (client.request(method, path).header('x-openstack-request-id') for _ in range(2))
    assert re.fullmatch(r'req-[0-9a-f-]{36}', first) and first != second
    answer = client.request(method, path, headers={'X-Openstack-Request-Id': 'req-mine'})
    assert answer.header('x-openstack-request-id') == 'req-mine'
    answer = client.request(method, path, headers={'X-Openstack-Request-Id': 'x' * 65})
    assert re.fullmatch(r'req-[0-9a-f-]{36}', answer.header('x-openstack-request-id'))
