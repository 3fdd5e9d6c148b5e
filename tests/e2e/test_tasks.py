# SPDX-License-Identifier: Apache-2.0
"""Tasks as clients see them. What Glance itself answers to each request is in tests/oracle; here is what the order of its
cases cannot show: paging through many, who sees whose, what becomes of those that expired, and of imports that are interrupted."""
import hashlib
import json
import os
import random
import time
import urllib.request
import uuid

import pytest

import origin
from glint import SANITIZED, Client, eventually, identity
from test_locations import LOCATED, ask

WHEN = '2026-01-01 00:00:%09.6f'


@pytest.fixture
def tasked(glint_server):
    return glint_server(trusted=True)


def put_task(server, owner='project-a', status='success', second=0.0, image=None, expires='2999-01-01 00:00:00.000000', kind='import', **info):
    """Straight into the database; its id."""
    task_id = str(uuid.uuid4())
    server.sql('insert into tasks (id, type, status, owner, expires_at, created_at, updated_at, deleted, image_id, request_id, user_id)'
               ' values (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)',
               task_id, kind, status, owner, expires, WHEN % second, WHEN % second, image, 'req-x', 'user-x')
    server.sql('insert into task_info (task_id, input, result, message) values (?, ?, ?, ?)',
               task_id, json.dumps(info.get('input', {})), json.dumps(info['result']) if 'result' in info else None, info.get('message', ''))
    return task_id


def caller(server, project, roles):
    client = Client(server.host, server.port)
    client.identity = identity(project, roles)
    return client


def ids(answer):
    assert answer.status == 200, answer
    return [task['id'] for task in answer.json['tasks']]


def walk(client, path):
    found = []
    while path:
        page = client.get(path)
        found += ids(page)
        path = page.json.get('next')
    return found


@pytest.mark.parametrize('key', ['created_at', 'id', 'type', 'status', 'owner', 'expires_at', 'image_id', 'user_id', 'updated_at'])
def test_every_order_shows_every_task_once(tasked, key):
    """Also where some have none of what they are sorted by."""
    admin = tasked.client('admin')
    made = [put_task(tasked, 'project-%d' % (n % 3), ('pending', 'success', 'failure')[n % 3], n % 7, image='i%d' % (n % 4) if n % 2 else None,
                     expires='2999-01-%02d 00:00:00.000000' % (n + 1) if n % 3 else None) for n in range(30)]
    for direction in ('asc', 'desc'):
        whole = ids(admin.get('/v2/tasks?limit=1000&sort_key=%s&sort_dir=%s' % (key, direction)))
        assert sorted(whole) == sorted(made)
        assert walk(admin, '/v2/tasks?limit=4&sort_key=%s&sort_dir=%s' % (key, direction)) == whole
    assert len(ids(admin.get('/v2/tasks'))) == 25


def test_api_limit_max_counts_for_tasks(glint_server):
    server = glint_server(trusted=True, config={'DEFAULT': {'api_limit_max': 3, 'limit_param_default': 2}})
    admin = server.client('admin')
    for n in range(5):
        put_task(server, second=n)
    assert [len(ids(admin.get('/v2/tasks' + query))) for query in ('', '?limit=4', '?limit=1')] == [2, 3, 1]


def test_a_policy_may_open_tasks_to_members_who_see_their_own(glint_server, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('tasks_api_access: role:member\n')
    server = glint_server(trusted=True, config={'oslo_policy': {'policy_file': str(policy)}})
    mine, theirs = put_task(server, 'project-1'), put_task(server, 'project-2')
    member = caller(server, 'project-1', 'member,reader')
    assert ids(member.get('/v2/tasks')) == [mine]
    assert member.get('/v2/tasks/' + mine).status == 200
    assert member.get('/v2/tasks/' + theirs).status == 404
    assert member.get('/v2/tasks?marker=' + theirs).status == 400
    assert ids(caller(server, None, 'member,reader').get('/v2/tasks')) == []


def test_tasks_of_an_image_are_shown_to_who_started_them(tasked):
    member, admin = tasked.client(), tasked.client('admin')
    image = member.create(visibility='community')['id']
    started = put_task(tasked, 'project-1', image=image, kind='api_image_import', input={'name': 'żółw'}, result={'image_id': image})
    admins = put_task(tasked, 'project-a', image=image, second=1)
    put_task(tasked, 'project-1', image='another')
    path = '/v2/images/%s/tasks' % image
    assert ids(member.get(path)) == [started]
    assert ids(admin.get(path)) == [started, admins]
    assert ids(tasked.client('other').get(path)) == []
    answer = member.get(path)
    assert json.loads(answer.text) == {'tasks': [{
        'id': started, 'type': 'api_image_import', 'status': 'success', 'owner': 'project-1', 'expires_at': '2999-01-01T00:00:00.000000',
        'created_at': '2026-01-01T00:00:00.000000', 'updated_at': '2026-01-01T00:00:00.000000', 'deleted_at': None, 'deleted': False,
        'image_id': image, 'request_id': 'req-x', 'user_id': 'user-x', 'input': {'name': 'żółw'}, 'result': {'image_id': image}, 'message': ''}]}
    assert '"name": "\\u017c\\u00f3\\u0142w"' in answer.text
    assert '"name": "żółw"' in admin.get('/v2/tasks/' + started).text


def test_a_poller_pays_for_what_changed(tasked):
    admin = tasked.client('admin')
    image = admin.create()['id']
    task = put_task(tasked, status='processing', image=image, message='Copied 1 MiB')
    for path in ('/v2/tasks', '/v2/tasks/' + task, '/v2/images/%s/tasks' % image):
        tag = admin.get(path).header('ETag')
        assert admin.get(path, headers={'If-None-Match': tag}).status == 304
        tasked.sql('update tasks set updated_at = ? where id = ?', WHEN % len(path), task)
        assert admin.get(path, headers={'If-None-Match': tag}).status == 200


def test_a_task_is_not_deleted_by_request(tasked):
    admin, task = tasked.client('admin'), put_task(tasked)
    for accept, wanted in (('text/html', '\n  This operation is currently not permitted on Glance Tasks. They are auto deleted after reaching the'
                            ' time based on their expires_at property.\n </body>\n</html>'), ('text/plain', 'expires_at property.')):
        answer = admin.delete('/v2/tasks/' + task, headers={'Accept': accept})
        assert (answer.status, answer.header('Allow')) == (405, 'GET') and answer.text.endswith(wanted), answer
    assert tasked.client().delete('/v2/tasks/' + task).status == 403
    assert admin.get('/v2/tasks/' + task).status == 200


def test_expired_tasks_are_not_listed_and_go(glint_server):
    server = glint_server(trusted=True, config={'glint': {'reap_interval': 1}})
    admin = server.client('admin')
    image = admin.create()['id']
    kept, old = put_task(server, image=image, second=1), put_task(server, image=image, expires='2026-01-01 00:00:00.000000')
    elses = put_task(server, 'project-else', expires='2026-01-01 00:00:00.000000')
    assert ids(admin.get('/v2/tasks')) == [kept]
    assert ids(admin.get('/v2/images/%s/tasks' % image)) == [kept]
    eventually(lambda: server.sql('select count(*) from tasks where deleted = 1') == [(2,)])
    assert server.sql('select id from tasks where deleted = 0') == [(kept,)]
    assert ids(admin.get('/v2/tasks')) == [kept]
    for task in (old, elses):       # what was deleted is not hidden from an administrator
        assert admin.get('/v2/tasks/' + task).json['id'] == task
    assert walk(admin, '/v2/tasks?sort_dir=asc&marker=' + old) == [kept]


def test_odd_rows_are_shown(tasked):
    """As another service may have written them."""
    admin = tasked.client('admin')
    task = put_task(tasked)
    tasked.sql("update task_info set input = '{', result = '[1', message = null where task_id = ?", task)
    tasked.sql('update tasks set updated_at = null, expires_at = null where id = ?', task)
    answer = admin.get('/v2/tasks/' + task)
    assert (answer.json['input'], answer.json['result'], answer.json['message']) == (None, None, '')
    assert answer.json['updated_at'] == answer.json['created_at'] and 'expires_at' not in answer.json
    tasked.sql('delete from task_info where task_id = ?', task)
    assert admin.get('/v2/tasks/' + task).json['input'] is None


# ---------------------------------------------------------------- tasks that import

RAW = {'name': 'brought', 'disk_format': 'raw', 'container_format': 'bare'}


@pytest.fixture
def importing(glint_server):
    """A server whose tasks may import from this machine."""
    def make(**config):
        merged = {section: {**LOCATED.get(section, {}), **config.get(section, {})} for section in {**LOCATED, **config}}
        return glint_server(trusted=True, config=merged)
    return make


def posted(client, url, properties=RAW, **more):
    answer = client.post('/v2/tasks', {'type': 'import', 'input': {'import_from': url, 'import_from_format': 'raw', 'image_properties': properties, **more}})
    assert (answer.status, answer.json['status']) == (201, 'pending'), answer
    assert answer.header('Location').endswith('/v2/tasks/' + answer.json['id'])
    return answer.json['id']


def ended(client, task, seconds=30):
    """The task, once it is over."""
    def over():
        found = client.get('/v2/tasks/' + task).json
        return found if found['status'] in ('success', 'failure') else None
    return eventually(over, seconds)


def images(client):
    return client.get('/v2/images?limit=1000').json['images']


def leftovers(server):
    """What belongs to no live image, or says that something is under way."""
    wanted = [row[0] for row in server.sql('select value from image_locations where deleted = 0')]
    files = ['file://' + os.path.join(server.images, name) for name in server.stored() if '/' not in name]
    return {'objects': sorted(set(files) ^ set(wanted)), 'staged': os.listdir(server.staging),
            'trash': server.sql('select * from glint_trash'), 'facts': server.sql('select * from glint_staged'),
            'locks': server.sql("select * from image_properties where name = 'os_glance_import_task' and deleted = 0"),
            'jobs': server.sql("select * from glint_jobs where state in ('waiting', 'running')"),
            'notes': server.sql("select * from glint_job_notes where name like 'object:%' or name like 'stored:%'"),
            'importing': server.sql("select id from images where status = 'importing' and deleted = 0")}


def clean(server):
    assert eventually(lambda: not any(leftovers(server).values())), leftovers(server)


def test_a_task_may_set_what_a_create_may_set(importing, web, tmp_path):
    """Of each pair of values the first is one that POST /v2/images takes and the second one that it refuses."""
    server = importing(image_format={'disk_formats': 'raw', 'container_formats': 'bare,ova'})
    server.stop()
    with open(os.path.join(server.directory, 'schema-image.json'), 'w') as f:
        json.dump({'arch': {'type': 'string', 'enum': ['arm', '386']}, 'level': {'type': 'string', 'maxLength': 3, 'pattern': '^[0-9]*$'}}, f)
    server.start()
    admin = server.client('admin')
    for name, good, bad in (('disk_format', 'raw', 'iso'), ('container_format', 'ova', 'docker'), ('arch', 'arm', 'mips'), ('level', '123', '1234'),
                            ('level', '12', 'ab'), ('name', 'a' * 255, 'a' * 256), ('tags', ['a' * 255], ['a' * 256]), ('owner', 'a' * 255, 'a' * 256),
                            ('arch', 386, 385), ('min_disk', 1 << 30, 1 << 31), ('b' * 255, 'x', None), ('visibility', 'shared', 'secret')):
        values = [{**RAW, name: good}, {**RAW, name: bad} if bad is not None else {**RAW, name + 'b': good}]
        tasks = [ended(admin, posted(admin, web.url + '/ok/10', v)) for v in values]
        assert [t['status'] for t in tasks] == ['success', 'failure'], (name, tasks)
        if name in ('disk_format', 'container_format', 'arch'):
            assert tasks[1]['message'].startswith("Provided object does not match schema 'image': '%s' is not one of [" % bad), tasks
    clean(server)


def test_a_member_gives_no_image_to_another_project_by_a_task(glint_server, web, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('tasks_api_access: role:member\nadd_image: role:member\n')
    server = glint_server(trusted=True, config={**LOCATED, 'oslo_policy': {
        'policy_file': str(policy), 'enforce_new_defaults': 'false', 'enforce_scope': 'false'}})
    member = server.client()
    for owner, status in (('project-1', 'success'), ('project-2', 'failure')):
        assert member.post('/v2/images', {'owner': owner}).status == (201 if status == 'success' else 403)
        assert ended(member, posted(member, web.url + '/ok/10', {**RAW, 'owner': owner}))['status'] == status


def test_a_task_makes_an_image(importing, web):
    server = importing()
    admin = server.client('admin')
    task = ended(admin, posted(admin, web.url + '/ok/100000', {**RAW, 'color': 'red', 'tags': ['a', 'b', 'a'], 'visibility': 'public', 'min_ram': 7, 'n': 5, 'nothing': None}))
    assert (task['status'], task['message']) == ('success', '')
    image = server.client().show(task['result']['image_id'])
    assert (image['status'], image['size'], image['visibility'], image['color'], image['n'], image['nothing'], sorted(image['tags']), image['min_ram'], image['owner']) == \
        ('active', 100000, 'public', 'red', '5', '', ['a', 'b'], 7, None)
    assert not [name for name in image if name.startswith('os_glance')]
    assert image['os_hash_value'] == hashlib.sha512(origin.content(100000)).hexdigest()
    assert admin.download(image['id']).body == origin.content(100000)
    clean(server)
    hours = server.sql("select (julianday(expires_at) - julianday(updated_at)) * 24 from tasks where id = ?", task['id'])[0][0]
    assert 47.9 < hours < 48.1


@pytest.mark.parametrize('path', ['/status/404', '/status/500', '/drop', '/short/100000', '/to?file:///etc/passwd', '/loop'])
def test_a_failed_task_leaves_nothing(importing, web, path):
    server = importing(DEFAULT={'http_retries': 2})
    admin = server.client('admin')
    task = ended(admin, posted(admin, web.url + path))
    assert (task['status'], task['result'], task['message']) == ('failure', None, 'Task failed due to Internal Error')
    assert images(admin) == []
    clean(server)


@pytest.mark.parametrize('properties', [
    {}, None, [], 'x', {**RAW, 'id': str(uuid.uuid4())}, {**RAW, 'status': 'active'}, {**RAW, 'visibility': 'nope'}, {**RAW, 'min_ram': -1},
    {**RAW, 'os_glance_import_task': 'x'}, {**RAW, 'tags': 'ab'}, {**RAW, 'protected': 'x'}, {**RAW, 'd': {}}, {**RAW, 'name': 'x' * 256},
    {'disk_format': 'raw'}, {**RAW, 'disk_format': 'x' * 21}, {**RAW, 'color': '\U0001f600'}, {**RAW, **{'p%d' % n: '' for n in range(129)}},
    {**RAW, 'tags': [str(n) for n in range(129)]}], ids=repr)
def test_properties_that_no_image_has_fail_the_task(importing, web, properties):
    server = importing()
    admin = server.client('admin')
    task = ended(admin, posted(admin, web.url + '/name/never/10', properties))
    assert (task['status'], task['message']) == ('failure', 'Task failed due to Internal Error')
    assert origin.Handler.counts['never'] == 0
    assert server.sql('select * from images') == [] and server.sql('select * from glint_jobs') == []


def test_tasks_of_other_types_fail(importing):
    admin = importing().client('admin')
    for body, message in (({}, 'Input to api_image_import task is empty.'), ({'image_id': str(uuid.uuid4())}, 'Task failed due to Internal Error')):
        answer = admin.post('/v2/tasks', {'type': 'api_image_import', 'input': body})
        assert (answer.status, answer.json['status']) == (201, 'pending')
        assert ended(admin, answer.json['id'])['message'] == message
    answer = admin.post('/v2/tasks', {'type': 'import', 'input': {'import_from': 'http://127.0.0.1/'}})
    assert ended(admin, answer.json['id'])['message'] == "Input does not contain 'import_from_format' field"


def test_a_task_needs_a_project(importing, web):
    server = importing()
    answer = caller(server, None, 'admin,member,reader').post('/v2/tasks', {'type': 'import', 'input': {'import_from': web.url + '/ok/1'}})
    assert answer.status == 400 and server.sql('select * from tasks') == []


def test_members_who_may_post_tasks_make_no_public_images(glint_server, web, tmp_path):
    policy = tmp_path / 'policy.yaml'
    policy.write_text('tasks_api_access: role:member\n')
    server = glint_server(trusted=True, config={**LOCATED, 'oslo_policy': {'policy_file': str(policy)}})
    member = server.client()
    for properties, status in (({**RAW, 'owner': 'project-1'}, 'success'), (RAW, 'failure'), ({**RAW, 'owner': 'project-1', 'visibility': 'public'}, 'failure'),
                               ({**RAW, 'owner': 'project-2'}, 'failure')):
        assert ended(member, posted(member, web.url + '/ok/10', properties))['status'] == status
    clean(server)


@pytest.mark.parametrize('where', ['before', 'begun', 'while it loads'])
def test_killed_tasks_go_on(importing, web, where):
    server = importing()
    admin = server.client('admin')
    name = 'task' + where.replace(' ', '')
    if where == 'before':
        task = posted(admin, web.url + '/name/%s/1000' % name)
    else:
        task = posted(admin, web.url + '/gate/%s/100000' % name)
        assert eventually(lambda: admin.get('/v2/tasks/' + task).json['status'] == 'processing')
        if where != 'begun':
            assert eventually(lambda: origin.Handler.counts[name] == 1)
            time.sleep(0.3)
    server.kill()
    urllib.request.urlopen(web.url + '/open/' + name).read()
    server.start()
    found = ended(admin, task)
    assert found['status'] == 'success', found
    size = 1000 if where == 'before' else 100000
    assert admin.download(found['result']['image_id']).body == origin.content(size)
    assert len(images(admin)) == 1
    clean(server)


def test_an_image_that_is_deleted_meanwhile_fails_its_task(importing, web):
    server = importing()
    admin = server.client('admin')
    task = posted(admin, web.url + '/gate/deleted/100000')
    assert eventually(lambda: origin.Handler.counts['deleted'] == 1)
    image = images(admin)[0]
    assert image['status'] == 'importing' and image['os_glance_import_task'] == task
    assert admin.delete('/v2/images/' + image['id']).status == 204
    urllib.request.urlopen(web.url + '/open/deleted').read()
    assert ended(admin, task)['status'] == 'failure'
    clean(server)


def test_tasks_deleted_at_random_moments_leave_nothing(importing, web):
    """What CVE-2014-9684 and CVE-2015-1881 were about."""
    server = importing()
    admin = server.client('admin')
    chance = random.Random(1)
    tasks = []
    for n in range(8 if SANITIZED else 30):
        tasks.append(posted(admin, web.url + '/name/random%d/%d' % (n, chance.choice((10, 300000))), {**RAW, 'name': str(n)}))
        if n % 3:
            time.sleep(chance.random() * 0.1)
        for image in images(admin):
            if chance.random() < 0.5:
                assert admin.delete('/v2/images/' + image['id']).status in (204, 404)
    kept = {ended(admin, task)['result']['image_id'] for task in tasks if ended(admin, task)['status'] == 'success'}
    assert {image['id'] for image in images(admin)} <= kept and {image['status'] for image in images(admin)} <= {'active'}
    clean(server)


def test_a_work_directory_is_used_and_looked_at(importing, web, tmp_path):
    """What the data are decides the disk_format there, as where there are several stores."""
    work = tmp_path / 'work'
    server = importing(task={'work_dir': str(work), 'task_time_to_live': 2})
    admin = server.client('admin')
    task = posted(admin, web.url + '/gate/work/100000', {**RAW, 'disk_format': 'qcow2'})
    assert eventually(lambda: work.exists() and [name for name in os.listdir(work) if name.endswith('.part')])
    assert leftovers(server)['staged'] == []
    urllib.request.urlopen(web.url + '/open/work').read()
    found = ended(admin, task)
    assert found['status'] == 'success'
    assert admin.show(found['result']['image_id'])['disk_format'] == 'raw'
    assert os.listdir(work) == []
    hours = server.sql("select (julianday(expires_at) - julianday(updated_at)) * 24 from tasks where id = ?", task)[0][0]
    assert 1.9 < hours < 2.1
    clean(server)


def test_limits_hold_for_tasks(importing, web):
    server = importing(DEFAULT={'image_size_cap': 1000, 'user_storage_quota': '500'})
    admin = server.client('admin')
    for size, message in ((2000, 'The incoming image is too large: The provided image is too large.'), (600, 'The size of the data 600 will exceed the limit.')):
        task = ended(admin, posted(admin, web.url + '/ok/%d' % size))
        assert (task['status'], task['message']) == ('failure', message)
    clean(server)


@pytest.mark.parametrize('url,text', [
    ('http://127.0.0.1:22/x', 'does not pass filtering'), ('http://2130706433/', 'does not pass filtering'), ('http://[::1]/', 'does not pass filtering'),
    ('http://[::ffff:127.0.0.1]/', 'does not pass filtering'), ('http://0x7f.1/', 'does not pass filtering'), ('http://127.1/', 'does not pass filtering'),
    ('http://169.254.169.254/', 'does not pass filtering'), ('http://a@127.0.0.1@10.0.0.1/', 'does not pass filtering'), ('http://localhost/', 'does not pass filtering'),
    ('file:///etc/passwd', 'File based imports'), ('gopher://127.0.0.1/', 'not valid')])
def test_where_tasks_may_not_look(importing, url, text):
    answer = importing().client('admin').post('/v2/tasks', {'type': 'import', 'input': {
        'import_from': url, 'import_from_format': 'raw', 'image_properties': RAW}}, headers={'Accept': 'text/plain'})
    assert answer.status == 400 and text in answer.text, answer


# ---------------------------------------------------------------- tasks of new locations

def test_a_location_has_a_task(importing, web):
    server = importing()
    member = server.client()
    proof = {'os_hash_algo': 'md5', 'os_hash_value': hashlib.md5(origin.content(100000)).hexdigest()}
    image = member.create()['id']
    assert ask(member, image, web.url + '/gate/located/2/100000', **proof).status == 202

    def task():
        found = member.get('/v2/images/%s/tasks' % image).json['tasks']
        assert len(found) == 1
        return found[0]
    assert eventually(lambda: task()['status'] in ('processing', 'success'))
    urllib.request.urlopen(web.url + '/open/located').read()
    assert eventually(lambda: task()['status'] == 'success')
    found = task()
    assert (found['type'], found['owner'], found['user_id'], found['message']) == ('location_import', 'project-1', 'user-1', '')
    assert found['input'] == {'image_id': image, 'loc_url': web.url + '/gate/located/2/100000', 'validation_data': proof}
    assert found['result'] == {'image_id': image}


def test_a_location_that_fails_fails_its_task(importing, web):
    server = importing(DEFAULT={'http_retries': 1})
    member = server.client()
    proof = {'os_hash_algo': 'md5', 'os_hash_value': '0' * 32}
    for path, given, status in (('/ok/10', proof, 'failure'), ('/status/404', {}, 'failure'), ('/lies/10', {}, 'success'), ('/lies/10', proof, 'failure')):
        image = member.create()['id']
        assert ask(member, image, web.url + path, **given).status == 202
        tasks = eventually(lambda: [t for t in member.get('/v2/images/%s/tasks' % image).json['tasks'] if t['status'] in ('success', 'failure')])
        assert [(t['status'], t['message']) for t in tasks] == [(status, '' if status == 'success' else 'Task failed due to Internal Error')], path
