# SPDX-License-Identifier: Apache-2.0
"""Property protection files: who may create, read, update and delete which properties, and what is wrong with a file.
What Glance answers to each operation of each caller is in tests/oracle; here is what has no counterpart there."""
import os
import signal
import subprocess
import threading

import pytest

from glint import PATCH_20, PATCH_21, eventually

ALL = {'create': '@', 'read': '@', 'update': '@', 'delete': '@'}
ADMIN = {'create': 'admin', 'read': 'admin', 'update': 'admin', 'delete': 'admin'}
RULES = [('^hidden_', ADMIN), ('^shown_', {**ADMIN, 'read': '@'}), ('^drop_', {**ADMIN, 'create': '@'}), ('^free_', ALL),
         ('^(kernel_id|os_distro)$', ADMIN)]


def text_of(rules):
    return ''.join('[%s]\n%s\n' % (name, ''.join('%s = %s\n' % item for item in rights.items())) for name, rights in rules)


@pytest.fixture
def protected(glint_server, tmp_path):
    """make(rules, **options) -> Server with identities from headers and that protection file."""
    def make(rules=RULES, policy=None, conf=None, **options):
        (tmp_path / 'protect.conf').write_text(rules if isinstance(rules, str) else text_of(rules))
        if policy is not None:
            (tmp_path / 'policy.yaml').write_text(policy)
        return glint_server(directory=tmp_path, trusted=True,
                            config={'DEFAULT': {'property_protection_file': 'protect.conf', **options}, **(conf or {})})
    return make


def write(server, rules, name='protect.conf'):
    with open(os.path.join(server.directory, name), 'w') as f:
        f.write(rules if isinstance(rules, str) else text_of(rules))


def reload(server, says):
    """SIGHUP, and the lines that it led to once one of them has `says` in it."""
    at = len(server.log())
    server.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: says in server.log()[at:]), server.log()[at:]
    return [line for line in server.log()[at:].splitlines() if 'access' not in line]


def rows(server, image_id):
    """The properties in the database, deleted ones left out."""
    return dict(server.sql('select name, value from image_properties where image_id = ? and deleted = 0', image_id))


# ---------------------------------------------------------------- nothing is lost

HIDDEN = {'hidden_a': 'secret', 'hidden_b': '', 'shown_a': 'x', 'kernel_id': None}


@pytest.fixture
def mixed(protected):
    """A server and an image of the member's project with properties that he does not see."""
    server = protected()
    image = server.client('admin').create(owner='project-1', tags=['old'], free_a='1', **HIDDEN)
    member = server.client('member')
    assert member.show(image['id'])['free_a'] == '1'
    return server, member, image['id']


SAVES = {
    'a name': lambda m, i: m.patch(i, [{'op': 'replace', 'path': '/name', 'value': 'n'}]),
    'a property': lambda m, i: m.patch(i, [{'op': 'add', 'path': '/free_b', 'value': 'n'}]),
    'a property less': lambda m, i: m.patch(i, [{'op': 'remove', 'path': '/free_a'}]),
    'the old dialect': lambda m, i: m.patch(i, [{'replace': '/free_a', 'value': 'n'}], PATCH_20),
    'a tag': lambda m, i: m.put('/v2/images/%s/tags/new' % i),
    'a tag less': lambda m, i: m.delete('/v2/images/%s/tags/old' % i),
    'an upload': lambda m, i: m.upload(i, b'0123'),
}


@pytest.mark.parametrize('how', SAVES)
def test_a_save_keeps_what_its_caller_cannot_see(mixed, how):
    server, member, image_id = mixed
    answer = SAVES[how](member, image_id)
    assert answer.status in (200, 204), answer
    left = rows(server, image_id)
    assert {k: v for k, v in left.items() if not k.startswith('free_')} == HIDDEN
    assert 'secret' not in member.get('/v2/images/' + image_id).text
    assert server.client('admin').show(image_id)['hidden_a'] == 'secret'


def test_actions_keep_it_too(mixed):
    server, member, image_id = mixed
    assert member.upload(image_id, b'0123').status == 204
    for action in ('deactivate', 'reactivate'):
        assert member.post('/v2/images/%s/actions/%s' % (image_id, action)).status == 204
    assert rows(server, image_id)['hidden_a'] == 'secret'


def test_a_refused_save_changes_nothing(mixed):
    server, member, image_id = mixed
    before = rows(server, image_id)
    for name, status in (('/hidden_a', 403), ('/shown_a', 403), ('/other', 403), ('/os_distro', 403)):
        answer = member.patch(image_id, [{'op': 'add', 'path': '/free_a', 'value': '2'}, {'op': 'add', 'path': name, 'value': 'v'}])
        assert (answer.status, "Attribute '%s' is reserved." % name[1:] in answer.text) == (status, True), answer
    assert member.patch(image_id, [{'op': 'remove', 'path': '/hidden_a'}]).status == 409
    assert member.patch(image_id, [{'op': 'remove', 'path': '/shown_a'}]).status == 403
    assert rows(server, image_id) == before


def test_what_may_be_created_but_not_read_is_stored_and_not_shown(protected):
    server = protected()
    member, admin = server.client('member'), server.client('admin')
    image = member.create(drop_a='1', free_a='2')
    assert 'drop_a' not in image and image['free_a'] == '2'
    answer = member.patch(image['id'], [{'op': 'add', 'path': '/drop_b', 'value': '3'}])
    assert answer.status == 200 and 'drop_b' not in answer.json
    assert rows(server, image['id']) == {'drop_a': '1', 'drop_b': '3', 'free_a': '2'}
    assert admin.show(image['id'])['drop_b'] == '3'
    answer = member.patch(image['id'], [{'op': 'add', 'path': '/drop_a', 'value': 'other'}])
    assert answer.status == 403, 'creating is not updating'
    assert rows(server, image['id'])['drop_a'] == '1'


def test_a_property_that_is_null_can_be_given_a_value(mixed):
    server, _, image_id = mixed
    value = '12345678-1234-1234-1234-123456789012'
    assert server.client('admin').patch(image_id, [{'op': 'replace', 'path': '/kernel_id', 'value': value}]).status == 200
    assert rows(server, image_id)['kernel_id'] == value


# ---------------------------------------------------------------- nothing is told

def test_a_filter_by_what_is_hidden_finds_nothing(mixed):
    server, member, image_id = mixed
    admin = server.client('admin')
    for query, seen in (('?hidden_a=secret', []), ('?free_a=1&hidden_a=secret', []), ('?shown_a=x', [image_id]), ('?unknown=1', [])):
        assert member.listed(query) == seen, query
    assert admin.listed('?hidden_a=secret') == [image_id]
    assert admin.listed('?hidden_a=wrong') == []


def test_pages_are_the_same_with_what_is_hidden(protected):
    server = protected()
    admin, member = server.client('admin'), server.client('member')
    made = [admin.create(owner='project-1', free_a=str(n % 2), hidden_a=str(n))['id'] for n in range(7)]
    seen, query = [], '?limit=2&sort=created_at:asc'
    while query:
        answer = member.get('/v2/images' + query).json
        assert all('hidden_a' not in image for image in answer['images'])
        seen += [image['id'] for image in answer['images']]
        query = answer['next'].split('/v2/images')[1] if 'next' in answer else None
    assert sorted(seen) == sorted(made)


def test_rules_do_not_see_what_the_caller_does_not(protected):
    server = protected(policy="download_image: \"'gold':%(hidden_class)s\"\n")
    image = server.client('admin').create(owner='project-1', hidden_class='gold')
    assert server.client('admin').upload(image['id'], b'0123').status == 204
    assert server.client('member').download(image['id']).status == 403
    assert server.client('admin').download(image['id']).status == 200


def test_versions_are_of_what_is_shown(mixed):
    server, member, image_id = mixed
    admin = server.client('admin')
    tag, whole = (who.get('/v2/images/' + image_id).header('ETag') for who in (member, admin))
    assert tag != whole
    assert admin.patch(image_id, [{'op': 'replace', 'path': '/hidden_a', 'value': 'other'}]).status == 200
    assert member.patch(image_id, [{'op': 'add', 'path': '/drop_a', 'value': '1'}]).status == 200
    answer = admin.request('PATCH', '/v2/images/' + image_id, body=b'[{"op": "replace", "path": "/name", "value": "x"}]',
                           headers={'Content-Type': PATCH_21, 'If-Match': whole})
    assert answer.status == 412
    answer = member.patch(image_id, [{'op': 'add', 'path': '/drop_b', 'value': '1'}])
    assert answer.header('ETag') == member.get('/v2/images/' + image_id).header('ETag')
    answer = member.delete('/v2/images/' + image_id, headers={'If-Match': answer.header('ETag')})
    assert answer.status == 204


# ---------------------------------------------------------------- quotas, schemas, base attributes

def test_hidden_properties_count_against_the_quota(protected):
    server = protected(image_property_quota=3)
    admin, member = server.client('admin'), server.client('member')
    image = admin.create(owner='project-1', hidden_a='1', hidden_b='2', free_a='3')
    answer = member.patch(image['id'], [{'op': 'add', 'path': '/free_b', 'value': 'x'}])
    assert answer.status == 413 and 'Attempted: 4, Maximum: 3' in answer.text
    assert member.patch(image['id'], [{'op': 'replace', 'path': '/free_a', 'value': 'x'}]).status == 200
    answer = member.patch(image['id'], [{'op': 'remove', 'path': '/free_a'}, {'op': 'add', 'path': '/free_b', 'value': 'x'}])
    assert answer.status == 200
    assert rows(server, image['id']) == {'hidden_a': '1', 'hidden_b': '2', 'free_b': 'x'}


def test_attributes_of_the_image_are_not_subject(protected):
    server = protected([('.*', {**ALL, 'create': '!', 'update': '!', 'delete': '!', 'read': '!'})])
    member = server.client('member')
    image = member.create(name='n', min_ram=5, tags=['t'], visibility='private')
    assert (image['name'], image['min_ram'], image['tags']) == ('n', 5, ['t'])
    answer = member.patch(image['id'], [{'op': 'replace', 'path': '/name', 'value': 'm'}, {'op': 'add', 'path': '/tags', 'value': []}])
    assert answer.status == 200 and answer.json['name'] == 'm'
    assert member.post('/v2/images', json={'os_distro': 'x'}).status == 403
    assert member.get('/v2/schemas/image').json['properties']['os_distro']


def test_the_services_own_properties_are_open_and_only_those(protected):
    server = protected([('^free_', ALL), ('os_glance_secret', ADMIN)])
    member = server.client('member')
    image = member.create()
    server.sql("insert into image_properties (image_id, name, value, created_at, deleted) values (?, 'os_glance_failed_import', 'h', "
               "'2020-01-01 00:00:00.000000', 0)", image['id'])
    server.sql("insert into image_properties (image_id, name, value, created_at, deleted) values (?, 'my_os_glance_x', 'h', "
               "'2020-01-01 00:00:00.000000', 0)", image['id'])
    seen = server.client('admin').show(image['id'])
    assert 'os_glance_failed_import' in seen and 'my_os_glance_x' not in seen
    assert member.post('/v2/images', json={'my_os_glance_x': 'x'}).status == 403


# ---------------------------------------------------------------- services that ask for somebody

def test_the_roles_of_a_service_count_for_properties_alone(protected):
    server = protected()
    member = server.client('member')
    served = server.client('member')
    served.identity = {**served.identity, 'X-Service-Roles': 'service, admin'}
    image = served.create(hidden_a='1')
    assert image['hidden_a'] == '1'
    assert 'hidden_a' not in member.show(image['id'])
    assert served.show(image['id'])['hidden_a'] == '1'
    answer = served.patch(image['id'], [{'op': 'replace', 'path': '/visibility', 'value': 'public'}])
    assert answer.status == 403 and 'publicize_image' in answer.text


# ---------------------------------------------------------------- the policies format

POLICIES = [('^keep_', {'create': 'keepers', 'read': 'keepers or role:reader', 'update': '@', 'delete': '!'})]


def test_rules_of_the_policy_decide_and_are_followed(protected):
    server = protected(POLICIES, policy='keepers: "role:admin"\n', property_protection_rule_format='policies')
    member = server.client('member')
    assert member.post('/v2/images', json={'keep_a': '1'}).status == 403
    write(server, 'keepers: "role:member"\n', 'policy.yaml')
    assert eventually(lambda: member.post('/v2/images', json={'keep_a': '1'}).status == 201)
    write(server, 'other: "role:member"\n', 'policy.yaml')
    says = ':2: the policy rule \'keepers\' is defined nowhere'
    assert eventually(lambda: member.get('/v2/images').status == 200 and says in server.log())
    assert 'the policy stays as it was' in server.log()
    assert member.post('/v2/images', json={'keep_a': '1'}).status == 201, 'and not the rule "default", which lets everybody'
    assert server.client('norole').post('/v2/images', json={'keep_a': '1'}).status == 403


def test_glint_policy_does_not_need_the_file(protected):
    server = protected(POLICIES, policy='keepers: "role:admin"\n', property_protection_rule_format='policies')
    assert 'keepers' in server.tool('policy', 'list').stdout


# ---------------------------------------------------------------- bad files

BAD = [
    ('[a]\n', 'roles', ':1: [a] does not say who may create'),
    (text_of([('a', ALL)]) + '[a]\n', 'roles', ':7: [a] is there twice: it began in line 1'),
    ('[a]\nread = x\nread = y\n', 'roles', ":3: 'read' is there twice in its section: also in line 2"),
    (text_of([('a(', ALL)]), 'roles', ':1: [a(] is no regular expression: '),
    (text_of([('a', {**ALL, 'destroy': '@'})]), 'roles', ":6: [a] 'destroy' is none of the operations"),
    (text_of([('a', {**ALL, 'read': '@, !'})]), 'roles', ":3: [a] '@' (everybody) and '!' (nobody) exclude each other"),
    ('read = @\n', 'roles', ':1: no [section] comes before this line'),
    (text_of([('a', {**ALL, 'read': 'x, y'})]), 'policies', ':3: [a] names several policy rules'),
    (text_of([('a', {**ALL, 'read': 'nobody_defined_this'})]), 'policies', ":3: the policy rule 'nobody_defined_this' is defined nowhere"),
    (text_of([('a', {**ALL, 'read': 'default and'})]), 'policies', ":3: 'rule:default and' is no policy rule"),
]


@pytest.mark.parametrize('text, form, message', BAD)
def test_a_bad_file_stops_the_start(protected, text, form, message):
    server = protected()
    assert server.stop() == 0
    write(server, text)
    server.configure({'DEFAULT': {'property_protection_file': 'protect.conf', 'property_protection_rule_format': form}})
    done = subprocess.run([server.program, 'serve', '--config-file', server.conf], env=server.environment(), capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1
    assert os.path.join(server.directory, 'protect.conf') + message in done.stderr


def test_a_reload_follows_the_file_and_a_bad_one_leaves_the_rules(protected):
    server = protected()
    member = server.client('member')
    assert member.post('/v2/images', json={'hidden_a': '1'}).status == 403
    for text, message in (('[^hidden_]\n', 'does not say who may create'), ('[(]\n' + text_of([('x', ALL)])[4:], 'no regular expression')):
        write(server, text)
        said = reload(server, message)
        assert sum('the configuration stays as it was' in line for line in said) == 1, said
        assert len(said) == 1, said
        assert member.post('/v2/images', json={'hidden_a': '1'}).status == 403
        assert member.post('/v2/images', json={'free_a': '1'}).status == 201
    os.unlink(os.path.join(server.directory, 'protect.conf'))
    assert len(reload(server, 'there is no protect.conf beside the configuration')) == 1
    assert member.post('/v2/images', json={'hidden_a': '1'}).status == 403
    write(server, [('^hidden_', ALL)])
    reload(server, 'the configuration is read again')
    assert member.post('/v2/images', json={'hidden_a': '1'}).status == 201
    assert member.post('/v2/images', json={'free_a': '1'}).status == 403


def test_each_request_sees_one_set_of_rules(protected):
    server = protected([('^both_', ALL)])
    image = server.client('admin').create(owner='project-1', both_a='1', both_b='2')['id']
    stop, answers, wrong = threading.Event(), set(), []

    def ask():
        member = server.client('member')
        while not stop.is_set():
            shown = [name for name in member.show(image) if name.startswith('both_')]
            answers.add(len(shown))
            if len(shown) == 1:
                wrong.append(shown)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(20):
        write(server, [('^both_', ADMIN if n % 2 == 0 else ALL)])
        reload(server, 'the configuration is read again')
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and answers == {0, 2}


def test_protections_come_and_go_with_a_reload(protected):
    server = protected()
    member, options = server.client('member'), {'property_protection_file': 'protect.conf'}
    image = server.client('admin').create(owner='project-1', hidden_a='1')
    for on in (False, True):
        server.configure({'DEFAULT': options if on else {}})
        reload(server, 'the configuration is read again')
        assert ('hidden_a' in member.show(image['id'])) is not on


def test_an_empty_right_is_named(protected):
    server = protected([('^a', {**ALL, 'delete': ''})])
    assert 'protect.conf:5: [^a] delete is empty: nobody may' in server.log()
    image = server.client('admin').create(a='1')
    assert server.client('admin').patch(image['id'], [{'op': 'remove', 'path': '/a'}]).status == 403
