# SPDX-License-Identifier: Apache-2.0
"""One object, several names: no deletion destroys data that another image has, however its location is spelled."""
import os
import subprocess

import pytest

from glint import eventually
from test_storage import needs_root

OTHER = {
    'scheme': lambda path, name: 'filesystem://%s/%s' % (path, name),
    'escape': lambda path, name: 'file://%s/%%%02x%s' % (path, ord(name[0]), name[1:]),
    'escaped directory': lambda path, name: 'file://%s/%s' % (path.replace('/', '%2f', 1), name),
    'empty segment': lambda path, name: 'file:///%s//%s' % (path, name),
    'dot segment': lambda path, name: 'file:///.%s/./%s' % (path, name),
    'dot dot': lambda path, name: 'file://%s/../%s/%s' % (path, os.path.basename(path), name),
    'escaped dots': lambda path, name: 'file://%s/%%2e/%s' % (path, name),
    'both': lambda path, name: 'filesystem://%s/%%%02x%s' % (path, ord(name[0]), name[1:]),
}


# No store has an object whose path has "..": behind a link it leads elsewhere than it says.
OF_STORE = [spelling for spelling in OTHER if spelling != 'dot dot']


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    from glint import Server
    server = Server(tmp_path_factory.mktemp('spellings'), trusted=True, config={'glint': {'reap_interval': 1}})
    yield server
    assert server.stop() == 0


def two(world, spelling):
    """An image with data, and another one whose row, written by somebody else, names the same object."""
    member = world.client()
    owner, alias = member.active(b'data'), member.active(b'else')
    world.sql('UPDATE image_locations SET value = ? WHERE image_id = ?', OTHER[spelling](world.images, owner), alias)
    return member, owner, alias


@pytest.mark.parametrize('spelling', OTHER)
def test_deleting_the_alias_spares_the_owner(world, spelling):
    member, owner, alias = two(world, spelling)
    assert member.delete('/v2/images/' + alias).status == 204
    assert member.download(owner).body == b'data'


@pytest.mark.parametrize('spelling', OF_STORE)
def test_the_object_goes_with_the_last_that_names_it(world, spelling):
    member, owner, alias = two(world, spelling)
    assert member.download(alias).body == b'data'
    assert member.delete('/v2/images/' + owner).status == 204
    assert member.download(alias).body == b'data'
    assert member.delete('/v2/images/' + alias).status == 204
    assert eventually(lambda: not os.path.exists(os.path.join(world.images, owner)))


def test_staged_files_of_unknown_images_go_at_once(glint_server, tmp_path):
    """Also what conversions left; what an image waits for, and what is not called as one is, stays."""
    server = glint_server(trusted=True, config={'glint': {'reap_interval': 1}})
    member = server.client()
    waits = member.create()['id']
    assert member.put('/v2/images/%s/stage' % waits, b'staged', headers={'Content-Type': 'application/octet-stream'}).status == 204
    server.stop()
    unknown = '01234567-89ab-4cde-8f01-23456789abcd'
    for name in (unknown, unknown + '.qcow2', unknown + '.uc', unknown + '.part', waits + '.raw', 'README'):
        with open(os.path.join(server.staging, name), 'w') as f:
            f.write('left')
    server.start()
    assert eventually(lambda: set(os.listdir(server.staging)) == {waits, waits + '.raw', 'README'})


def test_an_object_that_an_import_has_written_stays(world):
    """Its row comes with the end of the import; until then the job's note says whose it is."""
    member = world.client()
    waits, alias = member.create()['id'], member.active(b'else')
    path = os.path.join(world.images, waits)
    with open(path, 'wb') as f:
        f.write(b'data')
    world.sql("INSERT INTO glint_jobs (id, kind, image_id, state, step, attempt, holder, expires_at, next_run_at, arguments, "
              "message, created_at, updated_at) VALUES ('job-1', 'import', ?, 'waiting', '', 0, '', 0, ?, '{}', '', "
              "'2026-01-01', '2026-01-01')", waits, 1 << 60)
    world.sql("INSERT INTO glint_job_notes (job_id, name, value) VALUES ('job-1', 'object:file', ?)", 'file://' + path)
    world.sql('UPDATE image_locations SET value = ? WHERE image_id = ?', OTHER['both'](world.images, waits), alias)
    assert member.delete('/v2/images/' + alias).status == 204
    assert os.path.exists(path)
    world.sql("DELETE FROM glint_job_notes WHERE job_id = 'job-1'")
    world.sql("DELETE FROM glint_jobs WHERE id = 'job-1'")
    assert eventually(lambda: not os.path.exists(path))


@pytest.mark.parametrize('name', ['link', 'below/%s'])
def test_a_link_to_an_object_is_not_the_object(world, name):
    member = world.client()
    owner, alias = member.active(b'data'), member.active(b'else')
    link = os.path.join(world.images, name.partition('/')[0] + owner[:8])
    os.symlink(owner if name == 'link' else '.', link)
    value = 'file://' + (link if name == 'link' else os.path.join(link, owner))
    world.sql('UPDATE image_locations SET value = ? WHERE image_id = ?', value, alias)
    assert member.delete('/v2/images/' + alias).status == 204
    assert member.download(owner).body == b'data'
    if os.path.lexists(link):
        os.unlink(link)


@pytest.mark.parametrize('spelling', OF_STORE)
def test_an_object_spelled_otherwise_is_no_orphan(world, spelling):
    member, owner, alias = two(world, spelling)
    world.sql("UPDATE image_locations SET deleted = 1, status = 'deleted', deleted_at = '2020-01-01' WHERE image_id = ?", owner)
    world.sql("UPDATE images SET deleted = 1, status = 'deleted', deleted_at = '2020-01-01', updated_at = '2020-01-01' "
              "WHERE id = ?", owner)
    os.utime(os.path.join(world.images, owner), (1500000000, 1500000000))
    assert owner not in world.tool('doctor', '--json', check=False).stdout
    world.sql('DELETE FROM image_locations WHERE image_id = ?', alias)
    assert owner in world.tool('doctor', '--json', check=False).stdout
    world.tool('doctor', '--repair', check=False)


@pytest.mark.parametrize('how', ['link', pytest.param('bind', marks=needs_root)])
@pytest.mark.parametrize('first', ['one', 'two'])
def test_two_stores_that_are_one_directory(glint_server, tmp_path, how, first):
    """Deleted under the name of one store, an object stays while a row names it under the other's."""
    one, two = tmp_path / 'one', tmp_path / 'two'
    one.mkdir()
    if how == 'link':
        two.symlink_to(one)
    else:
        two.mkdir()
        subprocess.run(['mount', '--bind', one, two], check=True)
    try:
        server = glint_server(trusted=True, config={
            'DEFAULT': {'enabled_backends': 'one:file,two:file'}, 'glance_store': {'default_backend': 'one'},
            'glint': {'reap_interval': 1},
            **{name: {'filesystem_store_datadir': str(tmp_path / name)} for name in ('one', 'two')}})
        member = server.client()
        owner, alias = member.active(b'data'), member.active(b'else')
        server.sql('UPDATE image_locations SET value = ?, meta_data = ? WHERE image_id = ?',
                   'file://%s/%s' % (two, owner), '{"store": "two"}', alias)
        gone, stays = (owner, alias) if first == 'one' else (alias, owner)
        assert member.delete('/v2/images/' + gone).status == 204
        assert eventually(lambda: server.sql('SELECT count(*) FROM glint_trash') == [(0,)])
        assert member.download(stays).body == b'data'
        assert member.delete('/v2/images/' + stays).status == 204
        assert eventually(lambda: not (one / owner).exists())
        server.stop()
    finally:
        if how == 'bind':
            subprocess.run(['umount', '-l', two], check=True)


def test_finding_who_names_an_object_uses_the_index(world):
    """However many rows there are, of whichever spelling."""
    plan = world.sql("EXPLAIN QUERY PLAN SELECT value FROM image_locations WHERE value LIKE 'file%' AND "
                     "replace(value, rtrim(value, replace(value, '/', '')), '') = 'x' AND NOT deleted")
    assert any('glint_image_locations_name' in str(row) for row in plan), plan
