# SPDX-License-Identifier: Apache-2.0
"""Tasks as clients see them. What Glance itself answers to each request is in tests/oracle; here is what the order of its
cases cannot show: paging through many, who sees whose, and what becomes of those that expired."""
import json
import uuid

import pytest

from glint import Client, eventually, identity

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
