# SPDX-License-Identifier: Apache-2.0
"""Images whose data another host of the service has staged: what it is asked, by whom, and what becomes of its answers. The other
host is tests/origin.py here; two real ones are in test_hosts.py."""
import socket
import threading

import pytest

import origin
from glint import WHO, eventually, free_port
from test_uwsgi import Speaker

OWN = 'http://worker.test:9292'
TOKEN = {'X-Auth-Token': 'secret'}


@pytest.fixture(scope='module')
def peer(web):
    return web


@pytest.fixture(scope='module')
def host(tmp_path_factory):
    """A host with a name of its own."""
    from glint import Server
    server = Server(tmp_path_factory.mktemp('host'), trusted=True, config={'DEFAULT': {'worker_self_reference_url': OWN}})
    yield server
    assert server.finish() == ''


def staged_at(server, url, **fields):
    """An image that says so of itself; its id."""
    image_id = server.client().create(**fields)['id']
    server.sql("INSERT INTO image_properties (image_id, name, value, created_at, updated_at, deleted) SELECT id, 'os_glance_stage_host', ?, "
               'created_at, updated_at, 0 FROM images WHERE id = ?', url, image_id)
    return image_id


def deleted(server, image_id, headers=TOKEN, who=None, path='/v2/images/'):
    return server.client(who).delete(path + image_id, headers=headers)


def imported(server, image_id, headers=TOKEN, who=None, body=None, path='/v2/images/%s/import'):
    return server.client(who).post(path % image_id, json=body or {'method': {'name': 'glance-direct'}}, headers=headers)


def staged_there(server, url):
    """An image that this host has staged, and says that another one did."""
    image_id = staged_at(server, url)
    server.sql("DELETE FROM image_properties WHERE image_id = ?", image_id)
    answer = server.client().put('/v2/images/%s/stage' % image_id, b'0123456789', headers={'Content-Type': 'application/octet-stream'})
    assert answer.status == 204, answer
    server.sql("UPDATE image_properties SET value = ? WHERE image_id = ? AND name = 'os_glance_stage_host'", url, image_id)
    return image_id


def told(name):
    return origin.Handler.told.pop(name, [])


def test_a_deletion_is_passed_on(host, peer):
    image_id = staged_at(host, peer.url + '/peer/204/plain')
    answer = deleted(host, image_id, {**TOKEN, 'Cookie': 'a=b', 'X-Other': 'x'}, path='/v2.6/images/')
    assert (answer.status, answer.body, answer.header('x-openstack-request-id')) == (204, b'', 'req-of-the-peer')
    assert told('plain') == [{'method': 'DELETE', 'path': '/v2/images/' + image_id, 'body': None, 'headers': [('x-auth-token', 'secret')]}]
    host.client().show(image_id)                    # nothing was done here


def test_the_name_of_this_host_is_no_other(host):
    for url in (OWN, OWN + '/', OWN.upper().replace('WORKER.TEST', 'worker.test'), ''):
        image_id = staged_at(host, url)
        assert deleted(host, image_id).status == 204
        assert host.client().get('/v2/images/' + image_id).status == 404


@pytest.mark.parametrize('how, status, words', [
    ('400', 400, 'The server could not comply'), ('403', 403, ''), ('404', 404, ''), ('409-Not_before_tea', 409, 'Not before tea'), ('413', 413, ''), ('500', 500, ''),
    ('501', 501, '')])
def test_a_refusal_is_passed_back(host, peer, how, status, words):
    image_id = staged_at(host, '%s/peer/%s/refusal' % (peer.url, how))
    answer = deleted(host, image_id)
    assert answer.status == status and words in answer.text and answer.header('x-openstack-request-id') == 'req-of-the-peer', answer
    assert len(told('refusal')) == 1
    host.client().show(image_id)


@pytest.mark.parametrize('how', ['502', '503', '504', 'drop', 'junk', 'cut', 'loop', '301', '304'])
def test_a_deletion_goes_on_without_an_answer(host, peer, how):
    image_id = staged_at(host, '%s/peer/%s/gone' % (peer.url, how))
    answer = deleted(host, image_id)
    assert answer.status == 204 and answer.header('x-openstack-request-id') != 'req-of-the-peer', answer
    assert len(told('gone')) == 1                   # redirects are not followed
    assert host.client().get('/v2/images/' + image_id).status == 404


@pytest.mark.parametrize('url', ['http://127.0.0.1:1', 'http://nowhere.invalid', 'worker', 'ftp://127.0.0.1', 'http://', 'http://a@127.0.0.1', 'http://127.0.0.1:99999'])
def test_a_deletion_goes_on_where_nobody_is(host, url):
    image_id = staged_at(host, url)
    assert deleted(host, image_id).status == 204
    assert host.client().get('/v2/images/' + image_id).status == 404


TRICKS = ['{at}/peer/204/x/../../../admin?', '{at}/peer/204/x?a=', '{at}/peer/204/x#', '{at}/peer/204/x/%2e%2e', '{at}\\@evil', 'http://user:word@{name}/peer/204/x',
          '{at}/peer/204/x\r\nX-Roles: admin', '{at}/peer/204/x HTTP/1.0\r\n\r\n', '{at}/peer/204/x\n', ' {at}/peer/204/x', 'http:/{name}/peer/204/x', '{at}//peer/204/x']


@pytest.mark.parametrize('trick', range(len(TRICKS)))
def test_no_request_follows_a_trick(host, peer, trick):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        listener.settimeout(0.3)
        name = '127.0.0.1:%d' % listener.getsockname()[1]
        image_id = staged_at(host, TRICKS[trick].format(at='http://' + name, name=name))
        assert deleted(host, image_id).status == 204    # here
        with pytest.raises(socket.timeout):
            listener.accept()
    assert host.client().get('/v2/images/' + image_id).status == 404


STOCK = 'There was a conflict when trying to complete your request.'
WORDS = [
    (b'{"message": "Not now.<br /><br />\\n\\n\\n", "code": "409 Conflict", "title": "Conflict"}', 'Not now.\n\n   '),
    (b'{"message": "%s<br /><br />\\nNot now.\\n\\n", "code": "409 Conflict"}' % STOCK.encode(), STOCK + '\n\n Not now.  '),
    (b'{"message": "<b>Not</b> now & <br>then"}', 'Not now & \nthen\n\n   '),
    (b'{"message": 5}', STOCK + '\n\n   '), (b'{"message"', STOCK + '\n\n   '), (b'[]', STOCK + '\n\n   '), (b'', STOCK + '\n\n   '), (b'\xff', STOCK + '\n\n   '),
    (b'{"message": "' + b'x' * 70000 + b'"}', STOCK + '\n\n   '),
]


@pytest.mark.parametrize('body, words', WORDS, ids=range(len(WORDS)))
def test_its_words_are_given_on(host, body, words):
    with socket.create_server(('127.0.0.1', 0)) as listener:
        image_id = staged_at(host, 'http://127.0.0.1:%d' % listener.getsockname()[1])

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b'HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body))
        thread = threading.Thread(target=serve)
        thread.start()
        answer = deleted(host, image_id)
        thread.join(10)
    assert (answer.status, answer.text) == (409, '409 Conflict\n\n' + words)


def test_an_import_is_passed_on(host, peer):
    image_id = staged_there(host, peer.url + '/peer/200/import')
    body = {'method': {'name': 'glance-direct', 'x': 'é'}, 'all_stores_must_succeed': True, 'more': [1, None]}
    answer = imported(host, image_id, {**TOKEN, 'X-Image-Meta-Store': 'slow'}, body=body, path='/v2.6/images/%s/import?a=b')
    assert (answer.status, answer.body, answer.header('x-openstack-request-id')) == (202, b'', 'req-of-the-peer')
    assert told('import') == [{'method': 'POST', 'path': '/v2/images/%s/import' % image_id, 'body': body,
                               'headers': [('content-type', 'application/json'), ('x-auth-token', 'secret'), ('x-image-meta-store', 'slow')]}]
    assert host.client().show(image_id)['status'] == 'uploading'
    assert host.sql('SELECT COUNT(*) FROM glint_jobs WHERE image_id = ?', image_id) == [(0,)]


def test_an_import_here_is_not_passed_on(host):
    image_id = staged_there(host, OWN + '/')
    assert imported(host, image_id).status == 202
    assert eventually(lambda: host.client().show(image_id)['status'] == 'active')
    assert host.client().download(image_id).body == b'0123456789'
    assert host.sql("SELECT COUNT(*) FROM image_properties WHERE image_id = ? AND name = 'os_glance_stage_host' AND NOT deleted", image_id) == [(0,)]


@pytest.mark.parametrize('how, status', [('400', 400), ('403', 403), ('404', 404), ('409', 409), ('413', 413), ('500', 500), ('502', 502), ('503', 503), ('504', 504)])
def test_a_refused_import_is_passed_back(host, peer, how, status):
    image_id = staged_there(host, '%s/peer/%s/refusal' % (peer.url, how))
    answer = imported(host, image_id)
    assert answer.status == status and answer.header('x-openstack-request-id') == 'req-of-the-peer', answer
    assert host.client().show(image_id)['status'] == 'uploading' and len(told('refusal')) == 1


@pytest.mark.parametrize('how, status', [('drop', 504), ('junk', 502), ('cut', 502), ('loop', 502), ('301', 502), ('304', 502)])
def test_an_import_without_an_answer(host, peer, how, status):
    image_id = staged_there(host, '%s/peer/%s/silent' % (peer.url, how))
    answer = imported(host, image_id)
    assert answer.status == status and 'Stage host is unavailable' in answer.text and answer.header('x-openstack-request-id') != 'req-of-the-peer', answer
    assert host.client().show(image_id)['status'] == 'uploading' and len(told('silent')) == 1


@pytest.mark.parametrize('url, status', [('http://127.0.0.1:1', 504), ('http://nowhere.invalid', 504), ('worker', 502), ('ftp://127.0.0.1', 502), ('http://a@127.0.0.1', 502)])
def test_an_import_where_nobody_is(host, url, status):
    image_id = staged_there(host, url)
    answer = imported(host, image_id)
    assert answer.status == status and 'Stage host is unavailable' in answer.text, answer
    assert host.client().show(image_id)['status'] == 'uploading'


def test_an_import_that_was_passed_on_wrongly(host, peer):
    image_id = staged_there(host, peer.url + '/peer/202/wrong')
    assert imported(host, image_id, {**TOKEN, 'X-Glint-Passed-On': 'http://first.test'}).status == 502
    assert told('wrong') == []


def test_what_is_refused_here_is_not_passed_on(host, peer):
    image_id = staged_there(host, peer.url + '/peer/202/refused')
    assert imported(host, image_id, who='reader').status == 403
    assert imported(host, image_id, who='other').status == 404
    assert imported(host, image_id, body={'method': {'name': 'web-download', 'uri': 'http://10.0.0.1/'}}).status == 409
    assert imported(host, image_id, body={'method': {'name': 'glance-direct'}, 'all_stores_must_succeed': False}).status == 400
    assert told('refused') == []


def test_a_request_id_that_grew_stays_here(host):
    for given, sent in (('x' * 60, 'req-' + 'x' * 60), ('x' * 61, None), ('req-' + 'x' * 60, 'req-' + 'x' * 60)):
        answer, headers = asked_raw(host, {**TOKEN, 'x-openstack-request-id': given})
        assert headers.get('x-openstack-request-id') == sent
        assert answer.header('x-openstack-request-id') == (given if given.startswith('req-') else 'req-' + given)


def test_a_host_without_a_name_passes_on(glint_server):
    _, headers = asked_raw(glint_server(trusted=True), TOKEN)
    assert headers['x-glint-passed-on'] == 'a host without a name'


def asked_raw(server, headers, **create):
    """The head of what the other host is asked for a deletion with these headers, by name."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        image_id = staged_at(server, 'http://127.0.0.1:%d' % listener.getsockname()[1], **create)
        seen = []

        def serve():
            connection, _ = listener.accept()
            with connection:
                head = b''
                while b'\r\n\r\n' not in head:
                    head += connection.recv(65536)
                seen.append(head)
                connection.sendall(b'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n')
        thread = threading.Thread(target=serve)
        thread.start()
        answer = server.client().delete('/v2/images/' + image_id, headers=headers)
        thread.join(10)
    assert answer.status == 204, answer
    lines = seen[0].decode().split('\r\n')
    assert lines[0] == 'DELETE /v2/images/%s HTTP/1.1' % image_id
    return answer, {name.lower(): value.strip() for name, _, value in (line.partition(':') for line in lines[1:]) if name}


def test_the_caller_is_known_there(host):
    answer, headers = asked_raw(host, {**TOKEN, 'X-Service-Token': 'other', 'X-Service-Roles': 'service', 'X-User-Domain-Id': 'd', 'OpenStack-System-Scope': '', 'X-Made-Up': 'x',
                                       'If-None-Match': '"a"', 'x-openstack-request-id': 'req-mine'})
    member = {name.lower(): value for name, value in WHO['member'].items()}
    expected = {**member, 'x-auth-token': 'secret', 'x-service-token': 'other', 'x-service-roles': 'service', 'x-user-domain-id': 'd', 'openstack-system-scope': '',
                'if-none-match': '"a"', 'x-openstack-request-id': 'req-mine', 'x-glint-passed-on': OWN, 'accept': 'application/json'}
    assert {name: headers.get(name) for name in expected} == expected
    assert set(headers) - set(expected) == {'host', 'user-agent'}
    assert answer.header('x-openstack-request-id') == 'req-mine'    # the other one told none


@pytest.mark.parametrize('mounted', ['', '/image', '/image/'])
def test_the_mount_goes_along_once(glint_server, peer, mounted):
    port = free_port()
    server = glint_server(trusted=True, config={'DEFAULT': {'worker_self_reference_url': OWN}, 'glint': {'bind_uwsgi': '127.0.0.1:%d' % port}})
    image_id = staged_at(server, peer.url + '/peer/204/mount' + mounted)
    assert Speaker(port).ask('DELETE', '/image/v2/images/' + image_id, SCRIPT_NAME='/image').status == 204
    assert [asked['path'] for asked in told('mount')] == ['/image/v2/images/' + image_id]


def test_who_is_believed_by_nobody_is_not_passed_on(glint_server):
    server = glint_server(config={'DEFAULT': {'worker_self_reference_url': OWN}})
    _, headers = asked_raw(server, {**TOKEN, **WHO['admin']})
    assert headers['x-auth-token'] == 'secret'
    assert not {name for name in headers if name in ('x-roles', 'x-user-id', 'x-project-id', 'x-identity-status')}


def test_what_was_passed_on_is_not_passed_on_again(host, peer):
    image_id = staged_at(host, peer.url + '/peer/204/again')
    answer = deleted(host, image_id, {**TOKEN, 'X-Glint-Passed-On': 'http://first.test'})
    assert answer.status == 204 and told('again') == []
    assert host.client().get('/v2/images/' + image_id).status == 404
    assert 'http://first.test passed it on to this host' in host.log()


def test_who_may_not_delete_asks_nobody(host, peer):
    image_id = staged_at(host, peer.url + '/peer/204/nobody')
    assert deleted(host, image_id, who='reader').status == 403
    assert deleted(host, image_id, who='other').status == 404
    assert host.client('admin').patch(image_id, [{'op': 'replace', 'path': '/protected', 'value': True}]).status == 200
    assert deleted(host, image_id).status == 403
    assert told('nobody') == []


def test_no_client_can_say_where_an_image_is(host, peer):
    member, admin = host.client(), host.client('admin')
    url = peer.url + '/peer/204/said'
    image_id = member.create()['id']
    for client in (member, admin):
        for name in ('os_glance_stage_host', 'os_glance_hash_op_host'):
            for op in ('add', 'replace'):
                assert client.patch(image_id, [{'op': op, 'path': '/' + name, 'value': url}]).status == 403
            assert client.post('/v2/images', json={name: url}).status == 403
    staged = staged_at(host, url)
    assert member.patch(staged, [{'op': 'remove', 'path': '/os_glance_stage_host'}]).status == 403
    assert 'os_glance' not in str(member.show(staged)) + str(member.get('/v2/images').json)


def test_only_peers_are_asked(glint_server, peer):
    server = glint_server(trusted=True, config={'DEFAULT': {'worker_self_reference_url': OWN}, 'glint': {'peers': '%s/peer/204/listed/, http://b' % peer.url}})
    assert deleted(server, staged_at(server, peer.url + '/peer/204/listed')).status == 204
    assert len(told('listed')) == 1
    image_id = staged_at(server, peer.url + '/peer/204/unlisted')
    assert deleted(server, image_id).status == 204
    assert told('unlisted') == [] and server.client().get('/v2/images/' + image_id).status == 404


def test_names_that_are_none_are_told(glint_server):
    server = glint_server(trusted=True, config={'DEFAULT': {'worker_self_reference_url': 'worker-1'}, 'glint': {'peers': 'http://b, c'}})
    assert 'worker_self_reference_url: worker-1 is no http or https URL of a host: no other host passes requests on to it' in server.log()
    assert '[glint] peers: c is no http or https URL of a host' in server.log() and 'http://b is' not in server.log()


def test_a_shared_staging_store_needs_no_other_host(glint_server, peer):
    server = glint_server(trusted=True, config={'DEFAULT': {'worker_self_reference_url': OWN}, 'glint': {'staging_shared': 'true'}})
    image_id = staged_at(server, peer.url + '/peer/204/shared')
    assert deleted(server, image_id).status == 204
    assert told('shared') == [] and server.client().get('/v2/images/' + image_id).status == 404


def test_no_connection_of_the_database_waits(glint_server, peer):
    """More deletions than the database has connections hang at a silent host; everything else goes on."""
    server = glint_server(trusted=True, config={'DEFAULT': {'worker_self_reference_url': OWN}, 'database': {'max_pool_size': '2'}, 'glint': {'shutdown_timeout': '1'}})
    with socket.create_server(('127.0.0.1', 0), backlog=50) as silent:
        ids = [staged_at(server, 'http://127.0.0.1:%d' % silent.getsockname()[1]) for _ in range(20)]
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(deleted(server, i).status)) for i in ids]
        for thread in threads:
            thread.start()
        taken = [silent.accept()[0] for _ in ids]
        server.client().active()
        assert not answers
        for connection in taken:
            connection.close()
    for thread in threads:
        thread.join(30)
    assert answers == [204] * 20


def test_passed_on_requests_are_counted(glint_server, peer):
    server = glint_server(trusted=True, config={'DEFAULT': {'worker_self_reference_url': OWN}})
    for how in ('204', '409', 'drop'):
        deleted(server, staged_at(server, '%s/peer/%s/counted' % (peer.url, how)))
    told('counted')
    series = 'glint_requests_passed_on_total{method="DELETE",result="%s"}'
    assert eventually(lambda: [server.metrics().get(series % result) for result in ('done', 'refused', 'done here')] == [1, 1, 1])
