# SPDX-License-Identifier: Apache-2.0
"""Policy files: what they change, how they are followed, and glint policy."""
import collections
import http.server
import json
import os
import threading
import time
import urllib.parse

import pytest

import chance
from glint import SLOW, eventually


@pytest.fixture
def ruled(glint_server, tmp_path):
    """make(policy, **oslo_policy) -> Server with identities from headers and that policy file."""
    def make(text=None, **options):
        if text is not None:
            (tmp_path / 'policy.yaml').write_text(text)
        return glint_server(directory=tmp_path, trusted=True, config={'oslo_policy': options})
    return make


def write(server, text, name='policy.yaml'):
    """As an editor saves: a new file takes the old one's name."""
    path = os.path.join(server.directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + '.new', 'w') as f:
        f.write(text)
    os.rename(path + '.new', path)


def status(client, path='/v2/images'):
    return client.get(path).status


# ---------------------------------------------------------------- what rules do

def test_a_rule_takes_the_place_of_its_default(ruled):
    server = ruled('get_images: role:member\n"upload_image": "role:reader and project_id:%(project_id)s"\n')
    member, reader, norole = (server.client(who) for who in ('member', 'reader', 'norole'))
    assert [status(c) for c in (member, reader, norole)] == [200, 403, 403]
    assert 'You are not authorized to complete get_images action.' in reader.get('/v2/images').text
    image = member.create()
    assert reader.upload(image['id'], b'x').status == 204
    assert server.client('other').upload(image['id'], b'x').status == 404


def test_an_empty_patch_shows_nothing_that_get_image_keeps(ruled):
    """No rule of a change guards what its answer shows. A change is judged by its own rule alone, as in Glance."""
    server = ruled('get_image: role:admin\nmodify_image: "@"\n')
    admin, member, other = (server.client(who) for who in ('admin', 'member', 'other'))
    image_id = admin.create(owner='project-1', visibility='public', licence='secret', name='n')['id']
    for client in (member, other):
        answer = client.patch(image_id, [])
        assert answer.status == 404 and 'secret' not in answer.text, answer
        assert answer.body == client.get('/v2/images/' + image_id).body
        assert client.get('/v2/images?marker=' + image_id).status == 400
    assert admin.patch(image_id, []).json['licence'] == 'secret'
    assert member.patch(admin.create(owner='project-2', visibility='private')['id'], []).status == 404
    assert member.patch(image_id, [{'op': 'replace', 'path': '/name', 'value': 'm'}]).status == 200


def test_attributes_and_properties_of_the_image(ruled):
    server = ruled('\n'.join([
        'get_image: "@"',
        'delete_image: "role:member and not True:%(protected)s and not \'gold\':%(class)s"',
        'modify_image: "user_id:%(keeper)s or role:admin"', '']))
    member = server.client('member')
    gold, plain = member.create(**{'class': 'gold'}), member.create(**{'class': 'plain', 'keeper': 'user-1'})
    bare = member.create()
    rename = [{'op': 'replace', 'path': '/name', 'value': 'n'}]
    assert [member.patch(i['id'], rename).status for i in (gold, plain, bare)] == [403, 200, 403]
    assert [member.delete('/v2/images/' + i['id']).status for i in (gold, plain, bare)] == [403, 204, 204]


def test_what_may_not_be_seen_does_not_exist(ruled):
    server = ruled("get_image: \"role:admin or 'public':%(visibility)s\"\n")
    member, admin = server.client('member'), server.client('admin')
    image = member.create()
    assert status(member, '/v2/images/' + image['id']) == 404
    assert member.delete('/v2/images/' + image['id']).status == 204, 'the default of delete_image asks the project'
    image = member.create()
    assert member.listed() == []
    assert admin.listed() == [image['id']]


def test_who_is_an_administrator_is_a_rule(ruled):
    server = ruled('context_is_admin: role:member and user_id:user-1\n')
    image = server.client('other').create(visibility='private')
    assert status(server.client('member'), '/v2/images/' + image['id']) == 200
    assert status(server.client('admin'), '/v2/images/' + image['id']) == 404


def test_directories_count_after_the_file_in_the_order_of_names(ruled):
    server = ruled('get_images: "!"\nadd_image: "!"\n')
    member = server.client('member')
    assert status(member) == 403
    write(server, 'get_images: "!"\n', 'policy.d/10.yaml')
    write(server, '{"get_images": "role:member"}', 'policy.d/20.json')
    write(server, 'get_images: "!"\n', 'policy.d/.hidden')
    assert eventually(lambda: status(member) == 200, 5)
    assert member.post('/v2/images', json={}).status == 403


def test_older_defaults_let_everybody_touch_only_what_they_own(ruled):
    server = ruled(enforce_new_defaults='false')
    norole, other = server.client('norole'), server.client('other')
    image = norole.create(visibility='community')
    path = '/v2/images/' + image['id']
    assert status(other, path) == 200
    refused = other.delete(path)
    assert (refused.status, 'You do not own this image' in refused.text) == (403, True)
    refused = other.patch(image['id'], [{'op': 'replace', 'path': '/name', 'value': 'n'}])
    assert (refused.status, 'You do not own this image' in refused.text) == (403, True)
    refused = other.upload(image['id'], b'x')
    assert (refused.status, 'Not allowed to upload image data for image ' + image['id'] in refused.text) == (403, True)
    refused = other.post('/v2/images', json={'owner': 'project-1'})
    assert (refused.status, 'You are not permitted to create images owned by ' in refused.text) == (403, True)
    assert norole.upload(image['id'], b'x').status == 204
    assert norole.delete(path).status == 204


def test_without_authentication_publishing_needs_the_role(server):
    client = server.client()
    assert client.post('/v2/images', json={'visibility': 'public'}).status == 403
    image = client.create(visibility='community')
    assert client.delete('/v2/images/' + image['id']).status == 204


def test_another_server_decides(ruled):
    asked = []

    class Judge(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            form = urllib.parse.parse_qs(self.rfile.read(int(self.headers['Content-Length'])).decode())
            asked.append((self.path, {name: json.loads(values[0]) for name, values in form.items()}))
            answer = b'"True"' if asked[-1][1]['credentials']['user_id'] == 'user-1' else b'False'
            self.send_response(200)
            self.send_header('Content-Length', str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    judge = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Judge)
    threading.Thread(target=judge.serve_forever, daemon=True).start()
    server = ruled('get_image: http://127.0.0.1:%d/may/%%(visibility)s\n' % judge.server_port)
    try:
        member, reader = server.client('member'), server.client('reader')
        image = member.create(colour='red', tags=['t'])
        path = '/v2/images/' + image['id']
        assert [status(c, path) for c in (member, reader)] == [200, 404]
        where, form = asked[0]
        assert where == '/may/shared'
        assert form['rule'] == 'get_image'
        assert form['credentials']['roles'] == ['member', 'reader']
        assert form['target']['project_id'] == form['target']['owner'] == 'project-1'
        assert (form['target']['colour'], form['target']['tags'], form['target']['size']) == ('red', ['t'], None)
    finally:
        judge.shutdown()
        judge.server_close()
    assert status(member, path) == 404
    assert 'does not answer, so it is denied' in server.log()


# ---------------------------------------------------------------- following files

def test_the_next_request_goes_by_a_changed_file(ruled):
    """A right that was taken away is gone: by rename, in place and of the same length, and in policy_dirs."""
    server = ruled()
    reader = server.client('reader')
    write(server, 'get_images: "!"\n', 'policy.d/10.yaml')      # the directory is new
    assert status(reader) == 403
    os.unlink(os.path.join(server.directory, 'policy.d', '10.yaml'))
    assert status(reader) == 200
    for _ in range(20):
        write(server, 'get_images: "!"\n')
        assert status(reader) == 403
        with open(os.path.join(server.directory, 'policy.yaml'), 'w') as f:
            f.write('get_images: "@"\n')
        assert status(reader) == 200
        write(server, 'get_images: "!"\n', 'policy.d/10.yaml')
        assert status(reader) == 403
        os.unlink(os.path.join(server.directory, 'policy.d', '10.yaml'))
        assert status(reader) == 200
    assert 'the policy files are read again' in server.log()


def test_a_bad_file_leaves_the_rules_that_were(ruled):
    server = ruled('get_images: "role:member"\n')
    reader = server.client('reader')
    assert status(reader) == 403
    write(server, 'get_images: "@"\n  - broken: [\n')
    assert eventually(lambda: 'the policy stays as it was: ' in server.log() or status(reader) != 403, 5)
    assert eventually(lambda: status(reader) != 403, 1.5) is None
    assert server.log().count('the policy stays as it was: ') == 1
    os.unlink(os.path.join(server.directory, 'policy.yaml'))
    assert eventually(lambda: 'the policy file is gone' in server.log() or status(reader) != 403, 5)
    assert status(reader) == 403
    write(server, 'get_images: "@"\n')
    assert eventually(lambda: status(reader) == 200, 5)


# A listing asks both rules. With either set nobody ever sees an image: only one rule of each would show them.
SETS = ('get_images: "@"\nget_image: "!"\n', 'get_images: "!"\nget_image: "@"\n')


def test_a_request_is_decided_by_one_set_of_rules(ruled):
    server = ruled('get_image: "@"\n')
    for n in range(200):
        server.client().create(name=str(n))
    assert len(server.client().listed('?limit=200')) == 200
    write(server, SETS[0])
    assert eventually(lambda: server.client().listed() == [], 5)
    seen, wrong, end = collections.Counter(), [], time.monotonic() + max(9, chance.SECONDS) * SLOW

    def ask():
        client = server.client()
        while time.monotonic() < end and not wrong:
            answer = client.get('/v2/images?limit=200')
            seen[answer.status] += 1
            if answer.status not in (200, 403) or (answer.status == 200 and answer.json['images']):
                wrong.append(answer)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    turn = 0
    while time.monotonic() < end and not wrong:
        turn += 1
        write(server, SETS[turn % 2] + '# %d\n' % turn)
        time.sleep(1.4 * SLOW)
    for t in threads:
        t.join()
    assert wrong == []
    assert min(seen[200], seen[403]) > 10, seen
    assert server.log().count('the policy files are read again') > 3


BAD = [
    ('get_images: "@\n', ':'),
    ('a: "@"\nget_images: yes\n', ':2: an expression is a text'),
    ('- get_images\n', ':1: a policy file maps names of rules to expressions'),
    ('a: "@"\nb:\n  c: "@"\n', ':3: an expression is a text'),
    ('get_images: !\n', ':1: an expression is a text'),
    ('get_images: @\n', ':1: not YAML: '),
    ('a: "@"\n---\nb: "@"\n', ':2: a policy file is one document'),
]


@pytest.mark.parametrize('text,message', BAD)
def test_a_bad_file_stops_the_start(ruled, text, message):
    server = ruled()
    server.stop()
    write(server, text)
    with pytest.raises(AssertionError, match='ended by itself'):
        server.start()
    server.process = None
    assert os.path.join(server.directory, 'policy.yaml') + message in server.log()


def test_what_no_rule_can_mean_lets_nobody_and_is_said(ruled):
    server = ruled('get_images: role:member or\nadd_image: rule:ring\nring: rule:add_image\nget_image: rule:nowhere\n')
    member = server.client('member')
    assert status(member) == 403
    assert member.post('/v2/images', json={}).status == 403
    log = server.log()
    assert "policy rule get_images: 'role:member or' cannot be parsed" in log
    assert 'in a circle and let nobody that way: add_image, ring' in log
    assert 'that refer to a rule nobody defines: get_image' in log


# ---------------------------------------------------------------- glint policy

def test_policy_sample_is_a_policy_file_with_every_default(ruled):
    server = ruled()
    sample = server.tool('policy', 'sample').stdout
    rules = [line[1:] for line in sample.splitlines() if line.startswith('#"')]
    assert len(rules) == 67
    assert '# POST /v2/images\n' in sample
    write(server, '\n'.join(rules) + '\n', 'all.yaml')
    listed = server.tool('policy', 'list', '--file', os.path.join(server.directory, 'all.yaml')).stdout
    assert sorted(rules) == [line for line in listed.splitlines() if not line.startswith('#')]
    assert listed.count('# ' + os.path.join(server.directory, 'all.yaml')) == 67


def test_policy_list_tells_where_rules_came_from(ruled):
    server = ruled('# mine\nget_images: role:member\nown: "@"\n')
    listed = server.tool('policy', 'list').stdout
    path = os.path.join(server.directory, 'policy.yaml')
    assert '# %s:2\n"get_images": "role:member"\n' % path in listed
    assert '# %s:3\n"own": "@"\n' % path in listed
    assert '# default\n"copy_image": "rule:context_is_admin"\n' in listed


def test_policy_check_answers_for_a_caller(ruled):
    server = ruled('get_images: role:member\n')

    def check(*words):
        done = server.tool('policy', 'check', *words, check=False)
        return done.returncode, done.stdout.split()
    assert check('--rule', 'get_images', '--roles', 'Member') == (0, ['allowed', 'get_images'])
    assert check('--rule', 'get_images', '--roles', 'reader') == (1, ['denied', 'get_images'])
    assert check('--rule', 'delete_image', '--roles', 'member', '--project', 'p1')[0] == 0
    assert check('--rule', 'delete_image', '--roles', 'member', '--project', 'p1', '--target', 'project_id=p2')[0] == 1
    assert check('--rule', 'get_image', '--roles', 'reader', '--target', 'visibility=public', '--target', 'project_id=p')[0] == 0
    assert len(check('--roles', 'admin')[1]) == 2 * 67
    assert check('--rule', 'x', '--target', 'y')[0] == 2
    assert server.tool('policy', check=False).returncode == 2
    assert server.tool('config', 'show', '--rule', 'x', check=False).returncode == 2


def test_anonymous_readers_change_nothing_whatever_the_rules_say(glint_server, tmp_path):
    (tmp_path / 'policy.yaml').write_text(''.join('"%s": ""\n' % rule for rule in (
        'get_image', 'get_images', 'download_image', 'add_image', 'modify_image', 'delete_image', 'upload_image', 'deactivate', 'reactivate',
        'get_members', 'get_member', 'add_member', 'modify_member', 'delete_member', 'get_image_location', 'delete_image_location')))
    server = glint_server(directory=tmp_path, trusted=True, config={'DEFAULT': {'allow_anonymous_access': 'true'}})
    image = server.client('member').active(b'data', visibility='shared')
    server.client('member').post('/v2/images/%s/members' % image, json={'member': 'project-2'})
    public = server.client('admin').active(b'data', visibility='public')
    nobody = server.client('nobody')
    assert nobody.download(public).body == b'data'
    answers = [nobody.post('/v2/images', json={'name': 'x'})]
    for each in (image, public):
        one = '/v2/images/' + each
        answers += [nobody.patch(each, []), nobody.patch(each, [{'op': 'add', 'path': '/a', 'value': 'b'}]), nobody.delete(one), nobody.upload(each, b'x'),
                    nobody.put(one + '/tags/t'), nobody.delete(one + '/tags/t'), nobody.post(one + '/members', json={'member': 'p'}),
                    nobody.put(one + '/members/project-2', body=b'{"status": "accepted"}'), nobody.delete(one + '/members/project-2'),
                    nobody.post(one + '/actions/deactivate'), nobody.post(one + '/actions/reactivate'),
                    nobody.delete('/v2/stores/file/' + each)]
    assert [a.status for a in answers] == [403] * len(answers)
    assert all('Read-only access' in a.text for a in answers)
    assert nobody.patch(public, {}, 'text/plain').status == 415     # not understood comes first


def test_with_the_older_defaults_owners_share_and_others_answer(glint_server):
    server = glint_server(trusted=True, config={'oslo_policy': {'enforce_new_defaults': 'false', 'enforce_scope': 'false'}})
    image = server.client('member').create(visibility='shared')['id']
    members = '/v2/images/%s/members' % image
    member, other, admin = server.client('member'), server.client('other'), server.client('admin')
    assert member.post(members, json={'member': 'project-2'}).status == 200
    assert other.post(members, json={'member': 'project-3'}).status == 403
    assert other.delete(members + '/project-2').status == 403
    assert member.put(members + '/project-2', body=b'{"status": "accepted"}').status == 403
    assert other.put(members + '/project-2', body=b'{"status": "accepted"}').status == 200
    assert admin.post(members, json={'member': 'project-3'}).status == 200
    assert member.delete(members + '/project-2').status == 204
