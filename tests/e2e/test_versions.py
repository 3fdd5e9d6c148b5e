# SPDX-License-Identifier: Apache-2.0
"""Discovery, health, request ids, and what unknown routes and wrong methods get."""
import pytest

from glint import PASTE_TRUSTED, Client

VERSIONS = ['v2.15', 'v2.9', 'v2.17', 'v2.7', 'v2.6', 'v2.5', 'v2.4', 'v2.3', 'v2.2', 'v2.1', 'v2.0']


@pytest.mark.parametrize('path', ['/', '/v1', '/v1/images', '/v3/images', '/v2.8/images', '/nothing'])
def test_choices_before_authentication(trusted, path):
    answer = trusted.client('nobody').get(path)
    assert (answer.status, answer.reason) == (300, 'Multiple Choices')
    assert answer.header('Content-Type') == 'application/json'
    assert [v['id'] for v in answer.json['versions']] == VERSIONS


@pytest.mark.parametrize('method', ['GET', 'POST', 'DELETE'])
def test_versions_document(trusted, method):
    answer = trusted.client('nobody').request(method, '/versions')
    assert answer.status == 200
    assert [v['id'] for v in answer.json['versions']] == VERSIONS
    assert [v['id'] for v in answer.json['versions'] if v['status'] == 'CURRENT'] == ['v2.17']
    base = trusted.url
    assert all(v['links'] == [{'rel': 'self', 'href': base + '/v2/'}] for v in answer.json['versions'])
    assert answer.header('X-Openstack-Request-Id').startswith('req-')


@pytest.mark.parametrize('prefix', ['/v2', '/v2.0', '/v2.5', '/v2.7', '/v2.9', '/v2.15', '/v2.17'])
def test_version_prefixes(member, prefix):
    answer = member.get(prefix + '/images')
    assert answer.status == 200
    assert answer.json['first'] == '/v2/images'


def test_version_by_media_type(member):
    answer = member.get('/images', headers={'Accept': 'application/vnd.openstack.images-v2.6'})
    assert answer.status == 200 and answer.json['schema'] == '/v2/schemas/images'


def test_bare_version_redirects(member, trusted):
    answer = member.get('/v2')
    assert answer.status == 302
    assert answer.header('Location') == trusted.url + '/v2/'


@pytest.mark.parametrize('method,path,status', [
    ('GET', '/v2/', 404),
    ('GET', '/v2/nothing', 404),
    ('GET', '/v2/images/', 404),
    ('POST', '/v2/nothing', 404),
    ('TRACE', '/v2/nothing', 501),
    ('OPTIONS', '/v2/nothing', 200),
    ('OPTIONS', '/v2/images', 200),
])
def test_routes_that_are_not(member, method, path, status):
    assert member.request(method, path).status == status


@pytest.mark.parametrize('method,path,allow', [
    ('DELETE', '/v2/images', 'GET, POST'),
    ('PUT', '/v2/images', 'GET, POST'),
    ('HEAD', '/v2/images', 'GET, POST'),
    ('POST', '/v2/images/%s', 'GET, PATCH, DELETE'),
    ('HEAD', '/v2/images/%s', 'GET, PATCH, DELETE'),
    ('POST', '/v2/images/%s/file', 'GET, HEAD, PUT'),
    ('DELETE', '/v2/images/%s/file', 'GET, HEAD, PUT'),
    ('POST', '/v2/schemas/image', 'GET'),
    ('DELETE', '/v2/schemas/images', 'GET'),
])
def test_wrong_method(member, method, path, allow):
    if '%s' in path:
        path %= '00000000-0000-4000-8000-000000000000'
    answer = member.request(method, path)
    assert answer.status == 405
    assert answer.header('Allow') == allow


def test_without_an_identity(trusted):
    nobody = trusted.client('nobody')
    for method, path in (('GET', '/v2/images'), ('GET', '/v2'), ('GET', '/v2/schemas/image'), ('GET', '/v2/nothing')):
        answer = nobody.request(method, path)
        assert answer.status == 401, path
        assert answer.header('X-Openstack-Request-Id').startswith('req-')
    answer = trusted.client('member').get('/v2/images', headers={'X-Identity-Status': 'Invalid'})
    assert answer.status == 401


# ---------------------------------------------------------------- health

def test_health(trusted):
    answer = trusted.client('nobody').get('/healthcheck')
    assert (answer.status, answer.body) == (200, b'OK')
    assert answer.header('Content-Type').startswith('text/plain')
    assert answer.header('X-Openstack-Request-Id').startswith('req-')


def test_health_head(trusted):
    answer = trusted.client('nobody').request('HEAD', '/healthcheck')
    assert (answer.status, answer.body) == (204, b'')


def test_health_json(trusted):
    answer = trusted.client('nobody').get('/healthcheck', headers={'Accept': 'application/json'})
    assert answer.status == 200 and answer.json == {'detailed': False, 'reasons': ['OK']}


def test_health_disabled_by_file(glint_server, tmp_path):
    switch = tmp_path / 'disable'
    paste = tmp_path / 'paste.ini'
    with open(PASTE_TRUSTED) as f:
        paste.write_text(f.read().replace('/nonexistent/healthcheck_disable', str(switch)))
    s = glint_server(trusted=True, config={'paste_deploy': {'config_file': paste}})
    nobody = s.client('nobody')
    assert nobody.get('/healthcheck').status == 200
    switch.write_text('')
    answer = nobody.get('/healthcheck')
    assert (answer.status, answer.body) == (503, b'DISABLED BY FILE')
    switch.unlink()
    assert nobody.get('/healthcheck').status == 200


# ---------------------------------------------------------------- request ids

def test_request_id_is_made(member):
    ids = [member.get('/v2/images').header('x-openstack-request-id') for _ in range(2)]
    assert all(i.startswith('req-') and len(i) == 40 for i in ids) and ids[0] != ids[1]


@pytest.mark.parametrize('path', ['/v2/images', '/v2/images/nope', '/v2/nothing'])
@pytest.mark.parametrize('sent,seen', [('abc', 'req-abc'), ('req-abc', 'req-abc')])
def test_request_id_is_adopted(member, path, sent, seen):
    assert member.get(path, headers={'X-Openstack-Request-Id': sent}).header('x-openstack-request-id') == seen


# ---------------------------------------------------------------- links and addresses

def test_links_follow_the_host_header(trusted):
    answer = trusted.client('nobody').get('/versions', headers={'Host': 'images.example:8080'})
    assert answer.json['versions'][0]['links'][0]['href'] == 'http://images.example:8080/v2/'


def test_public_endpoint(glint_server):
    s = glint_server(config={'DEFAULT': {'public_endpoint': 'https://images.example/api'}})
    answer = s.client().get('/versions')
    assert answer.json['versions'][0]['links'][0]['href'] == 'https://images.example/api/v2/'


def test_without_authentication(server):
    anybody = Client(server.host, server.port)
    image = anybody.create(name='open')
    assert image['owner'] is None
    assert anybody.show(image['id'])['name'] == 'open'
    assert anybody.delete('/v2/images/' + image['id']).status == 204


@pytest.mark.parametrize('headers,base', [
    ({'Forwarded': ' Proto = https ; host = "f.example" ;x, proto=http;host=g.example'}, 'https://f.example'),
    ({'Forwarded': 'proto=;host='}, None),
    ({'Forwarded': '', 'X-Forwarded-Host': 'x.example:80'}, 'http://x.example'),
    ({'Forwarded': 'host=f.example', 'X-Forwarded-Host': 'x.example', 'X-Forwarded-Prefix': '/p/'}, 'http://f.example/p'),
    ({'X-Forwarded-Host': '', 'X-Forwarded-Proto': '', 'X-Forwarded-Prefix': '/'}, None),
    ({'X-Forwarded-Host': 'x.example, y.example', 'X-Forwarded-Proto': 'https , http'}, 'https://x.example'),
])
@pytest.mark.parametrize('place', ['oslo_middleware', 'the paste file'])
def test_what_a_proxy_says(glint_server, tmp_path, headers, base, place):
    paste = tmp_path / 'paste.ini'
    line = 'paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory\n'
    with open(PASTE_TRUSTED) as f:
        paste.write_text(f.read().replace(line, line + ('enable_proxy_headers_parsing = true\n' if place == 'the paste file' else '')))
    server = glint_server(trusted=True, config={
        'paste_deploy': {'flavor': 'trusted', 'config_file': paste},
        'oslo_middleware': {'enable_proxy_headers_parsing': str(place == 'oslo_middleware').lower()}})
    answer = server.client().post('/v2/images', json={}, headers=headers)
    assert answer.header('Location') == (base or server.url) + '/v2/images/' + answer.json['id']
    links = server.client().get('/versions', headers=headers).json['versions'][0]['links']
    assert links == [{'rel': 'self', 'href': (base or server.url) + '/v2/'}]
