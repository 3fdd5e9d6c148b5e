# SPDX-License-Identifier: Apache-2.0
"""Several stores: where data go, where they are read from, and how one copy is removed."""
import json
import os
import shutil
import signal
import threading

import pytest
from glint import Client, Server, eventually

DATA = b'the data of an image' * 1000


@pytest.fixture(scope='module')
def server(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp('stores'))
    server = Server(directory, trusted=True, config={
        'DEFAULT': {'enabled_backends': 'fast:file,slow:file,web:http', 'show_multiple_locations': 'true'},
        'glance_store': {'default_backend': 'fast', 'stores': None, 'default_store': None, 'filesystem_store_datadir': None},
        'fast': {'filesystem_store_datadir': directory + '/fast', 'store_description': 'near "you"'},
        'slow': {'filesystem_store_datadir': directory + '/slow', 'weight': 10},
        'web': {},
    })
    yield server
    server.stop()


@pytest.fixture
def member(server):
    return Client(server.host, server.port, 'member')


@pytest.fixture
def admin(server):
    return Client(server.host, server.port, 'admin')


def path(server, store, image):
    return os.path.join(server.directory, store, image)


def copy(server, image, source, target, metadata='{"store": "%s"}'):
    """A second copy, as an import would make it."""
    shutil.copy(path(server, source, image), path(server, target, image))
    server.db.execute('INSERT INTO image_locations (image_id, value, meta_data, status, created_at, updated_at, deleted) VALUES '
                      "(?, ?, ?, 'active', datetime('now'), datetime('now'), 0)",
                      image, 'file://' + path(server, target, image), metadata % target if '%' in metadata else metadata)


def stored(member, where='slow'):
    image = member.create()['id']
    assert member.upload(image, DATA, headers={'x-image-meta-store': where}).status == 204
    return image


def test_data_go_where_they_are_sent(server, member):
    default = member.active(DATA)
    assert os.path.exists(path(server, 'fast', default)) and member.show(default)['stores'] == 'fast'
    image = stored(member)
    assert os.path.exists(path(server, 'slow', image)) and not os.path.exists(path(server, 'fast', image))
    assert member.show(image)['stores'] == 'slow'
    assert member.show(image)['locations'][0]['metadata'] == {'store': 'slow'}
    assert member.download(image).body == DATA


def test_a_store_that_is_none_takes_nothing(server, member):
    for name in 'nope', '', 'os_glance_staging_store', '../fast':
        image = member.create()['id']
        answer = member.upload(image, DATA, headers={'x-image-meta-store': name})
        assert answer.status == 400 and 'Store for identifier %s not found' % name in answer.text.replace('&#x27;', "'")
        assert member.show(image)['status'] == 'queued'
    assert member.upload(image, DATA, headers={'x-image-meta-store': 'web'}).status == 410
    assert member.show(image)['status'] == 'queued'


def test_the_heaviest_is_read_first(server, member):
    image = stored(member, 'fast')
    copy(server, image, 'fast', 'slow')
    assert member.show(image)['stores'] == 'slow,fast'
    with open(path(server, 'slow', image), 'r+b') as f:
        f.write(b'SLOW')
    assert member.download(image).body[:4] == b'SLOW'
    assert member.get('/v2/images/%s/file?prefer=fast' % image).body == DATA
    assert member.get('/v2/images/%s/file?prefer=fast,slow' % image).body == DATA
    assert member.get('/v2/images/%s/file?prefer=slow' % image).body[:4] == b'SLOW'
    assert member.get('/v2/images/%s/file?prefer=nope' % image).status == 400
    listed = [i for i in member.get('/v2/images?limit=1000').json['images'] if i['id'] == image]
    assert listed[0]['stores'] == 'slow,fast'


def test_what_cannot_be_read_is_read_elsewhere(server, member):
    image = stored(member, 'fast')
    copy(server, image, 'fast', 'slow')
    os.unlink(path(server, 'slow', image))
    assert member.download(image).body == DATA
    assert member.get('/v2/images/%s/file?prefer=slow' % image).body == DATA


def test_locations_from_before_there_were_several_stores(server, member):
    image = stored(member, 'fast')
    server.db.execute("UPDATE image_locations SET meta_data = '{}' WHERE image_id = ?", image)
    shown = member.show(image)
    assert shown['stores'] == 'fast' and shown['locations'][0]['metadata'] == {'store': 'fast'}
    assert member.download(image).body == DATA
    server.db.execute("""UPDATE image_locations SET meta_data = '{"a": [1, "}"]}' WHERE image_id = ?""", image)
    assert member.show(image)['locations'][0]['metadata'] == {'a': [1, '}'], 'store': 'fast'}
    server.db.execute("""UPDATE image_locations SET meta_data = '{"store": "g\\u006fne", "x": "y"}' WHERE image_id = ?""", image)
    assert member.show(image)['stores'] == 'fast'
    assert member.patch(image, [{'op': 'add', 'path': '/a', 'value': 'b'}]).json['stores'] == 'fast'
    (text,), = server.sql('SELECT meta_data FROM image_locations WHERE image_id = ?', image)
    assert json.loads(text, object_pairs_hook=list) == [('store', 'fast'), ('x', 'y')]


def test_one_copy_is_removed(server, member, admin):
    image = stored(member, 'fast')
    copy(server, image, 'fast', 'slow')
    assert member.request('DELETE', '/v2/stores/slow/' + image).status == 403
    answer = admin.delete('/v2/stores/web/' + image)
    assert answer.status == 404 and 'is not stored in store web.' in answer.text
    assert admin.delete('/v2/stores/slow/' + image, headers={'If-Match': '*'}).status == 412
    answer = admin.delete('/v2/stores/slow/' + image)
    assert answer.status == 204, answer
    assert not os.path.exists(path(server, 'slow', image))
    assert member.show(image)['stores'] == 'fast' and member.download(image).body == DATA
    answer = admin.delete('/v2/stores/fast/' + image)
    assert answer.status == 403 and 'only store' in answer.text
    assert os.path.exists(path(server, 'fast', image))


def test_an_image_is_deleted_if_it_is_what_was_read(server, member, admin):
    image = stored(member, 'fast')
    copy(server, image, 'fast', 'slow', '{}')       # as before there were several: its store is told all the same
    old = member.get('/v2/images/' + image)
    assert member.patch(image, [{'op': 'add', 'path': '/a', 'value': 'b'}]).status == 200
    assert member.delete('/v2/images/' + image, headers={'If-Match': old.header('ETag')}).status == 412
    now = member.get('/v2/images/' + image).header('ETag')
    assert member.delete('/v2/images/' + image, headers={'If-Match': now}).status == 204
    assert not os.path.exists(path(server, 'fast', image)) and not os.path.exists(path(server, 'slow', image))


def test_the_last_copy_stays_whoever_comes_at_once(server, member, admin):
    for _ in range(5):
        image = stored(member, 'fast')
        copy(server, image, 'fast', 'slow')
        answers = []
        threads = [threading.Thread(target=lambda s=s: answers.append(admin.delete('/v2/stores/%s/%s' % (s, image)).status))
                   for s in ('fast', 'slow') * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers.count(204) == 1 and set(answers) <= {204, 403, 404, 409}, answers
        assert member.download(image).body == DATA


def test_what_is_told_of_stores(server, member, admin):
    stores = member.get('/v2/info/stores').json['stores']
    assert [s['id'] for s in stores] == ['fast', 'slow', 'web']
    assert stores[0] == {'id': 'fast', 'description': 'near "you"', 'default': 'true'}
    detail = admin.get('/v2/info/stores/detail').json['stores']
    assert detail[1]['weight'] == 10 and detail[1]['properties']['data_dir'] == server.directory + '/slow'
    assert member.get('/v2/info/stores/detail').status == 403
    assert member.get('/v2/info/import').json['import-methods']['type'] == 'array'
    assert member.get('/v2/info/usage').json == {'usage': {}}
    created = member.post('/v2/images', json={})
    assert created.header('OpenStack-image-store-ids') == 'fast,slow,web'


def test_versions_tell_of_the_stores_that_are_open(tmp_path):
    """Which stores there are takes a restart; what is told of them does not come before."""
    single = {'DEFAULT': {'enabled_backends': None}}
    config = {'DEFAULT': {'enabled_backends': 'a:file'}, 'glance_store': {'default_backend': 'a'},
              'a': {'filesystem_store_datadir': str(tmp_path / 'a')}}
    server = Server(tmp_path, config=config)
    try:
        before = server.client().get('/versions').json
        server.configure(single)
        server.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: 'takes effect after a restart' in server.log())
        assert server.client().get('/versions').json == before
        assert server.client().get('/v2.13/info/stores').status == 200
        server.stop()
        server.start()
        assert server.client().get('/versions').json != before
        assert server.client().get('/v2.13/images').status == 300     # no version of ours
    finally:
        server.stop()


@pytest.mark.parametrize('changes, words', [
    ({'glance_store': {}}, 'default_backend is not set'),
    ({'glance_store': {'default_backend': 'nope'}}, '"nope" is not one'),
    ({'DEFAULT': {'enabled_backends': 'os_glance_x:file'}, 'glance_store': {'default_backend': 'os_glance_x'}}, 'reserved'),
    ({'DEFAULT': {'enabled_backends': 'a:file,b:rbd'}, 'glance_store': {'default_backend': 'a'}}, 'not supported'),
    ({'a': {'filesystem_store_datadir': '/proc/nope'}, 'glance_store': {'default_backend': 'a'}}, '/proc/nope'),
])
def test_mistakes_stop_the_start(tmp_path, changes, words):
    config = {'DEFAULT': {'enabled_backends': 'a:file'}, 'a': {'filesystem_store_datadir': str(tmp_path / 'a')}}
    for section, options in changes.items():
        config.setdefault(section, {}).update(options)
    server = Server(tmp_path, config=config, wait=False)
    try:
        server.process.wait(20)
        assert server.process.returncode != 0 and words in server.log(), server.log()
    finally:
        server.process = None
