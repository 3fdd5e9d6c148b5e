# SPDX-License-Identifier: Apache-2.0
"""The tasks API. A task is found again by the image_id in its input."""
import json

from make import *

HERE = ('imports',)
WHO = ('admin', 'member', 'reader', 'other', 'adminonly', 'service', 'norole', 'noproject', 'adminnoproject', 'none')


def asked(path='ok/10', **more):
    return {'type': 'import', 'input': dict({'import_from': '<origin>/' + path, 'import_from_format': 'raw', 'image_properties': {'name': '<id>', 'disk_format': 'raw', 'container_format': 'bare'}, 'image_id': '<id>'}, **more)}


def task(body=None, who='admin', **more):
    return post('/v2/tasks', asked() if body is None else body, who, **dict({'keep': {'gen1': 'id'}}, **more))


def found(query='', who='admin', **more):
    return get('/v2/tasks?image_id=<id>' + query, who, **more)


def ended(name='gen1'):
    """Waits for a task by a request that writes nothing: a listing does, and gets in the way of a task on SQLite."""
    return get('/v2/tasks/<%s>' % name, 'admin', settle=True, quiet=True)


BODIES = ['', '{', '[]', 'null', '"x"', '1', '{}', '{"type": "import"}', '{"input": {}}', '{"type": null, "input": {}}', '{"type": 1, "input": {}}', '{"type": "nope", "input": {}}', '{"type": "import", "input": null}', '{"type": "import", "input": []}', '{"type": "import", "input": "x"}', '{"type": "import", "input": {}}',
          '{"type": "api_image_import", "input": {}}', '{"type": "location_import", "input": {}}', '{"type": "api_image_import", "input": {"image_id": "<id>"}}', '{"type": "import", "input": {"import_from": null}}', '{"type": "import", "input": {"import_from": ""}}', '{"type": "import", "input": {"import_from": 1}}', '{"type": "import", "input": {"import_from": []}}',
          '{"type": "import", "input": {"import_from": "<origin>/ok/10"}, "extra": 1}', '{"type": "import", "input": {"import_from": "<origin>/ok/10"}, "id": "x"}', '{"type": "import", "input": {"import_from": "<origin>/ok/10"}, "status": "success"}', '{"type": "import", "input": {"import_from": "<origin>/ok/10"}, "owner": "<p1>"}', '{"type": "import", "input": {"import_from": "file:///etc/passwd"}, "status": "nope"}']
URLS = ['file:///etc/passwd', 'FILE:///etc/passwd', 'file://etc', 'filesystem:///etc/passwd', 'ftp://127.0.0.1/x', 'swift://x/y', 'x', ' ', 'HTTP://127.0.0.1/x', 'http://', 'http:///x', 'http://localhost/x', 'http://127.0.0.1:22/x', 'http://169.254.169.254/x', 'http://2130706433/x', 'http://[::1]/x', 'https://no.such.host.invalid/x', 'http://127.0.0.1:port/x']
PATHS = ['ok/10', 'ok/100000', 'empty', 'status/404', 'status/500', 'drop', 'short/10', 'nolength/10', 'redirect/302/2/ok/10', 'to?file:///etc/passwd', 'loop']
PROPERTIES = [{}, {'name': '<id>'}, {'disk_format': 'nope', 'container_format': 'bare'}, {'disk_format': 'raw', 'container_format': 'nope'}, {'name': '<id>', 'disk_format': 'raw', 'container_format': 'bare', 'color': 'red', 'tags': ['a']}, {'disk_format': 'raw', 'container_format': 'bare', 'visibility': 'public'}, {'disk_format': 'raw', 'container_format': 'bare', 'protected': False, 'min_ram': 5}, None, [], 'x', 1,
              {'disk_format': 'raw', 'container_format': 'bare', 'owner': '<p1>'}, {'disk_format': 'qcow2', 'container_format': 'bare'}, {'disk_format': 'raw', 'container_format': 'bare', 'os_glance_x': 'y'}]
QUERIES = ['', '&status=pending', '&status=processing', '&status=success', '&status=failure', '&status=nope', '&status=', '&status=SUCCESS', '&type=import', '&type=api_image_import', '&type=location_import', '&type=nope', '&type=', '&owner=<pa>', '&owner=<p1>', '&limit=1', '&limit=0', '&limit=2', '&limit=-1', '&limit=x', '&limit=', '&limit=1.5', '&limit=99999999999', '&marker=x', '&marker=',
           '&marker=11111111-2222-4333-8444-555555555555', '&marker=<gen1>', '&marker=<gen2>', '&limit=1&marker=<gen2>', '&sort_dir=asc', '&sort_dir=desc', '&sort_dir=up', '&sort_dir=', '&sort_dir=ASC', '&sort_key=created_at&sort_dir=asc', '&sort_key=type', '&sort_key=status', '&sort_key=nope', '&sort_key=', '&sort_key=id,type', '&sort_key=input', '&sort_key=expires_at', '&sort=created_at:asc',
           '&message=x', '&message=', '&user_id=user-a', '&user_id=x', '&id=<gen1>', '&deleted=true', '&deleted=false', '&nope=1', '&result=x', '&input=x', '&created_at=x', '&image_id=x', '&request_id=x', '&expires_at=x', '&member_status=all', '&limit=1&sort_dir=asc&status=success']


def cases():
    def one(name, *steps, profiles=HERE):
        return case(name, *steps, profiles=profiles)

    end = [ended(), found(), get('/v2/tasks/<gen1>', 'admin', settle=True), get('/v2/images?name=<id>', 'admin')]
    for who in WHO:
        yield one('create-by:' + who, task(who=who), ended(), task({}, who), found(), profiles=HERE)
        yield one('read-by:' + who, task(quiet=True, keep={'gen1': 'id'}), ended(), get('/v2/tasks/<gen1>', who), found('', who), get('/v2/tasks?limit=x', who), delete('/v2/tasks/<gen1>', who), get('/v2/tasks/11111111-2222-4333-8444-555555555555', who))
        yield one('of-image:' + who, bare(), web(quiet=True), settled(quiet=True), found('', who), get('/v2/images/<id>/tasks', who), get('/v2/images/<id9>/tasks', who))
    for n, body in enumerate(BODIES):
        yield one('body-%02d' % n, step('POST', '/v2/tasks', 'admin', {'Content-Type': 'application/json'}, body=body, keep={'gen1': 'id'}))
    for n, url in enumerate(URLS):
        yield one('uri-%02d:%s' % (n, url), task(asked(import_from=url), keep={'gen1': 'id'}), ended(), found())
    for profile in ('imports', 'imports-work', 'imports-stores', 'trusted'):
        for n, path in enumerate(PATHS if profile != 'trusted' else PATHS[:1]):
            yield case('from:%s:%02d:%s' % (profile, n, path.split('/')[0]), task(asked(path), keep={'gen1': 'id'}), end, profiles=(profile,))
    for n, properties in enumerate(PROPERTIES):
        yield one('properties-%02d' % n, task(asked(image_properties=properties), keep={'gen1': 'id'}), ended(), found(), get('/v2/tasks/<gen1>', 'admin'), get('/v2/images?name=<id>', 'admin'))
    for n, form in enumerate((None, '', 'qcow2', 'nope', 1)):
        yield one('format-%d' % n, task(asked(import_from_format=form), keep={'gen1': 'id'}), end)
    yield one('missing', [[task({'type': 'import', 'input': {k: v for k, v in asked()['input'].items() if k != gone}}), ended()] for gone in ('import_from', 'import_from_format', 'image_properties')], found())

    two = [task(quiet=True), ended(), task(asked('status/404'), quiet=True, keep={'gen2': 'id'}), ended('gen2')]
    for n, query in enumerate(QUERIES):
        yield one('list-%02d:%s' % (n, query), two, found(query))
    yield one('pages', two, found('&limit=1', keep={'gen3': 'next'}), get('<gen3>', 'admin', keep={'gen4': 'next'}), get('<gen4>', 'admin'))
    yield one('repeated', two, found('&status=success&status=failure'), found('&type=import&type=nope'), found('&limit=1&limit=2'))
    yield one('routes', [step(m, '/v2/tasks', 'admin') for m in ('PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS')], [step(m, '/v2/tasks/x', 'admin') for m in ('GET', 'PUT', 'DELETE', 'PATCH', 'POST', 'HEAD', 'OPTIONS')], get('/v2/tasks/', 'admin'), get('/v2/tasks/x/y', 'admin'), step('GET', '/v2/tasks?image_id=<id>', 'admin', json={}), step('GET', '/v2/tasks/x', 'admin', json={}),
              step('DELETE', '/v2/tasks/x', 'admin', json={}), delete('/v2/tasks/x', 'member'), delete('/v2/tasks/x', 'admin', {'Accept': 'application/json'}), step('GET', '/v2/tasks/x', 'admin', {'Accept': 'application/json'}))
    yield one('image-routes', bare(), [step(m, '/v2/images/<id>/tasks') for m in ('PUT', 'DELETE', 'PATCH', 'POST', 'HEAD', 'OPTIONS')], get('/v2/images/<id>/tasks'), get('/v2/images/<id>/tasks/'), get('/v2/images/<id>/tasks/x'), get('/v2/images/x/tasks'), step('GET', '/v2/images/<id>/tasks', json={}), get('/v2/images/<id>/tasks?limit=0'))
    yield one('types', [step('POST', '/v2/tasks', 'admin', [('Content-Type', t)] if t else [], body=json.dumps({'type': 'import', 'input': {'import_from': 'x'}})) for t in (None, 'text/plain', 'application/json; charset=utf-8', 'application/octet-stream')])
    yield one('location-import', bare(), post('/v2/images/<id>/locations', {'url': '<origin>/ok/10'}, quiet=True), settled(), jobs(), found())
    for version in ('2.0', '2.1', '2.2', '2.18'):
        yield one('version:' + version, get('/v%s/tasks?image_id=<id>' % version, 'admin'), get('/v%s/schemas/task' % version), get('/v%s/schemas/tasks' % version))
    for profile in ('noauth', 'imports-none'):
        yield case('in:' + profile, task(), ended(), found(), get('/v2/images?name=<id>', 'admin'), profiles=(profile,))
