# SPDX-License-Identifier: Apache-2.0
"""Pages of other origins: the cors filter of the pipeline, and [cors]."""
import signal
import subprocess

import pytest

from glint import GLINT, PASTE_TRUSTED, Client, eventually

HERE, THERE = 'http://one.example', 'http://two.example'


def allowed(client, origin=HERE, path='/v2/images'):
    return client.get(path, headers={'Origin': origin}).header('Access-Control-Allow-Origin')


def preflight(client, origin=HERE, path='/v2/images', method='GET', **headers):
    return client.request('OPTIONS', path, headers={'Origin': origin, 'Access-Control-Request-Method': method, **headers})


def test_nothing_without_origins(trusted, member):
    answer = member.get('/v2/images', headers={'Origin': HERE})
    assert answer.status == 200 and answer.header('Vary') is None and allowed(member) is None
    answer = preflight(trusted.client('nobody'))
    assert (answer.status, answer.body, answer.header('Access-Control-Allow-Origin')) == (200, b'', None)


def test_a_page_uses_an_image(glint_server):
    member = glint_server(trusted=True, config={'cors': {'allowed_origin': HERE}}).client('member')
    image = member.active(b'0123456789')
    for path in ('/v2/images', '/v2/images/%s' % image, '/v2/images/%s/file' % image, '/v2/nothing'):
        answer = member.get(path, headers={'Origin': HERE})
        assert answer.header('Access-Control-Allow-Origin') == HERE and answer.header('Vary') == 'Origin', answer
        assert answer.header('Access-Control-Allow-Credentials') == 'true'
        assert 'X-OpenStack-Request-ID' in answer.header('Access-Control-Expose-Headers').split(',')
        assert allowed(member, THERE, path) is None
    answer = preflight(member, method='PATCH', **{'Access-Control-Request-Headers': 'x-auth-token, content-type'})
    assert (answer.status, answer.body) == (200, b'')
    assert answer.header('Access-Control-Allow-Methods') == 'PATCH'
    assert answer.header('Access-Control-Allow-Headers') == 'x-auth-token,content-type'
    assert answer.header('Access-Control-Max-Age') == '3600'
    assert preflight(member, method='BREW').header('Access-Control-Allow-Origin') is None


def test_options_of_versions_has_a_body(glint_server):
    nobody = glint_server(trusted=True, config={'cors': {'allowed_origin': HERE}}).client('nobody')
    answer = preflight(nobody, path='/versions')
    assert answer.json['versions'] and answer.header('Access-Control-Allow-Origin') == HERE
    assert preflight(nobody, path='//versions').body and not preflight(nobody, path='/versionsx').body


def test_origins_follow_a_reload(glint_server):
    server = glint_server(trusted=True, config={'cors': {'allowed_origin': HERE}})
    member = server.client('member')
    assert allowed(member) == HERE
    server.configure({'cors': {'allowed_origin': THERE}})
    server.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: allowed(member, THERE) == THERE)
    assert allowed(member) is None


def with_section(tmp_path, lines):
    """The test pipeline with these lines in the section of its cors filter."""
    path = tmp_path / 'paste.ini'
    with open(PASTE_TRUSTED) as f:
        path.write_text(f.read().replace('[filter:cors]\n', '[filter:cors]\n' + lines))
    return {'paste_deploy': {'flavor': 'trusted', 'config_file': path}, 'cors': {'allowed_origin': HERE, 'max_age': 5}}


def test_the_paste_section_wins(glint_server, tmp_path):
    server = glint_server(trusted=True, config=with_section(tmp_path, 'allowed_origin = %s\nallow_credentials = no\n' % THERE))
    answer = preflight(server.client('nobody'), THERE)
    assert answer.header('Access-Control-Allow-Origin') == THERE
    assert answer.header('Access-Control-Allow-Credentials') is None and answer.header('Access-Control-Max-Age') == '5'
    assert allowed(server.client('member')) is None


def test_a_wrong_value_in_the_paste_section_stops_the_start(glint_server, tmp_path):
    server = glint_server(trusted=True)
    server.stop()
    server.configure(with_section(tmp_path, 'max_age = soon\n'))
    done = subprocess.run([GLINT, 'serve', '--config-file', server.conf], capture_output=True, text=True, timeout=60,
                          env=server.environment())
    assert done.returncode != 0 and "paste section 'cors'" in done.stderr and 'max_age' in done.stderr, done.stderr


@pytest.mark.parametrize('config', [None, {'cors': {'allowed_origin': '*'}}])
def test_without_the_filter(glint_server, tmp_path, config):
    path = tmp_path / 'paste.ini'
    with open(PASTE_TRUSTED) as f:
        path.write_text(f.read().replace('trusted = cors ', 'trusted = '))
    server = glint_server(trusted=True, config={'paste_deploy': {'flavor': 'trusted', 'config_file': path}, **(config or {})})
    assert allowed(server.client('member')) is None
    assert preflight(server.client('member')).status == 405
    assert Client(server.host, server.port).request('OPTIONS', '/v2/images').status == 401
