# SPDX-License-Identifier: Apache-2.0
"""Who may do what: every route, for each identity, visibility and state of the image, beside what the real Glance 33 answers.

authority.txt has Glance's statuses. To record it again: E2E_TRUSTED_URL, E2E_DATABASE (its SQLite file), E2E_STORE (its store's
directory as we see it), E2E_STORE_INSIDE (as it sees it) and E2E_RECORD=1."""
import json
import os
import re
import uuid

import pytest

from database import Database
from glint import HERE, PATCH_21, TOP, Client, External, identity

TABLE = os.path.join(HERE, 'authority.txt')
OWNER, ACCEPTED, PENDING = 'project-1', 'project-2', 'project-5'
WHO = {
    'anonymous': {},
    'norole': identity(OWNER, '', 'user-4'),
    'reader': identity(OWNER, 'reader', 'user-3'),
    'memberonly': identity(OWNER, 'member', 'user-5'),
    'owner': identity(OWNER, 'member,reader'),
    'admin': identity('project-admin', 'admin,member,reader', 'user-admin'),
    'service': identity('project-s', 'service', 'user-s'),
    'accepted': identity(ACCEPTED, 'member,reader', 'user-2'),
    'pending': identity(PENDING, 'member,reader', 'user-6'),
    'other': identity('project-6', 'member,reader', 'user-7'),
    'otherreader': identity('project-6', 'reader', 'user-8'),
}
STRANGERS = ('anonymous', 'service', 'accepted', 'pending', 'other', 'otherreader')     # to a private image
VISIBILITIES = ('public', 'community', 'shared', 'private')
# status, deleted, protected, os_hidden
STATES = {
    'queued': ('queued', 0, 0, 0), 'saving': ('saving', 0, 0, 0), 'uploading': ('uploading', 0, 0, 0), 'importing': ('importing', 0, 0, 0), 'active': ('active', 0, 0, 0),
    'deactivated': ('deactivated', 0, 0, 0), 'deleted': ('deleted', 1, 0, 0), 'protected': ('active', 0, 1, 0), 'hidden': ('active', 0, 0, 1),
}
DATA = b'data'
NOBODYS = '11111111-2222-4333-8444-555555555555'
# Differ from request to request; a connection is closed when a body that is not wanted had not come yet.
TRANSPORT = ('date', 'x-openstack-request-id', 'connection')
PATCH = {'Content-Type': PATCH_21}
OCTETS = {'Content-Type': 'application/octet-stream'}
JSON = {'Content-Type': 'application/json'}


def patch(**value):
    return PATCH, json.dumps([{'op': 'replace', 'path': '/' + name, 'value': v} for name, v in value.items()]).encode()


# Route of api/routes.c, its arguments beside the image's id, headers, body. A route may be asked in several ways.
REQUESTS = [
    ('POST /v2/images', {}, JSON, b'{"visibility": "%(visibility)s"}'),
    ('POST /v2/images', {'owner': OWNER}, JSON, b'{"visibility": "%(visibility)s", "owner": "project-1"}'),
    ('GET /v2/images/{image_id}', {}, {}, None),
    ('PATCH /v2/images/{image_id}', {}, *patch(name='n')),
    ('PATCH /v2/images/{image_id}', {'to': 'public'}, *patch(visibility='public')),
    ('PATCH /v2/images/{image_id}', {'to': 'community'}, *patch(visibility='community')),
    ('PATCH /v2/images/{image_id}', {'change': 'nothing'}, PATCH, b'[]'),
    ('DELETE /v2/images/{image_id}', {}, {}, None),
    ('GET /v2/images/{image_id}/file', {}, {}, None),
    ('HEAD /v2/images/{image_id}/file', {}, {}, None),
    ('PUT /v2/images/{image_id}/file', {}, OCTETS, DATA),
    ('PUT /v2/images/{image_id}/stage', {}, OCTETS, DATA),
    ('POST /v2/images/{image_id}/import', {}, JSON, b'{"method": {"name": "glance-direct"}}'),
    ('POST /v2/images/{image_id}/import', {'method': 'web-download'}, JSON, b'{"method": {"name": "web-download", "uri": "x"}}'),
    ('GET /v2/images/{image_id}/locations', {}, {}, None),
    ('POST /v2/images/{image_id}/locations', {}, JSON, b'{"url": "file:///nowhere"}'),
    ('DELETE /v2/stores/{store_id}/{image_id}', {'store_id': 'file'}, {}, None),
    ('POST /v2/images/{image_id}/actions/deactivate', {}, {}, None),
    ('POST /v2/images/{image_id}/actions/reactivate', {}, {}, None),
    ('GET /v2/images/{image_id}/members', {}, {}, None),
    ('POST /v2/images/{image_id}/members', {}, JSON, b'{"member": "project-new"}'),
    ('GET /v2/images/{image_id}/members/{member}', {'member': ACCEPTED}, {}, None),
    ('GET /v2/images/{image_id}/members/{member}', {'member': 'nobody'}, {}, None),
    ('PUT /v2/images/{image_id}/members/{member}', {'member': ACCEPTED}, JSON, b'{"status": "rejected"}'),
    ('PUT /v2/images/{image_id}/members/{member}', {'member': PENDING}, JSON, b'{"status": "accepted"}'),
    ('DELETE /v2/images/{image_id}/members/{member}', {'member': ACCEPTED}, {}, None),
    ('PUT /v2/images/{image_id}/tags/{tag}', {'tag': 'new'}, {}, None),
    ('DELETE /v2/images/{image_id}/tags/{tag}', {'tag': 'there'}, {}, None),
    ('GET /v2/images/{image_id}/tasks', {}, {}, None),
    ('GET /v2/tasks', {}, {}, None),
    ('POST /v2/tasks', {}, JSON, b'{"type": "import", "input": {}}'),
    ('GET /v2/tasks/{task_id}', {'task_id': NOBODYS}, {}, None),
    ('DELETE /v2/tasks/{task_id}', {'task_id': NOBODYS}, {}, None),
]
# Routes that Glance does not have, and which of its own they have to agree with.
AS = {'HEAD /v2/images/{image_id}/file': 'GET /v2/images/{image_id}/file'}
# What has no image to be careful with; test_random_lists.py has the listing.
ELSEWHERE = re.compile(r'GET /v2/images|GET /v2/schemas/.*|GET /v2/info/.*')


def title(request):
    return ' '.join([request[0], *('%s=%s' % item for item in request[1].items())])


def ask(client, request, image_id, visibility='private'):
    route, arguments, headers, body = request
    method, path = route.split(' ')
    path = path.format(image_id=image_id, **arguments)
    if body and b'%(visibility)s' in body:
        body = body.replace(b'%(visibility)s', visibility.encode())
    return client.request(method, path, body=body, headers=headers)


# ---------------------------------------------------------------- images in every state

class Images:
    """Puts images straight into a server's database and store: no request could make all of them."""

    def __init__(self, server):
        external = isinstance(server, External)
        if external and 'E2E_DATABASE' not in os.environ:
            pytest.skip('E2E_DATABASE and E2E_STORE say where the images go')
        self.database = Database(os.environ['E2E_DATABASE']) if external else server.db
        self.outside = os.environ['E2E_STORE'] if external else server.images
        self.inside = os.environ['E2E_STORE_INSIDE'] if external else server.images

    def make(self, wanted):
        """[(visibility, state), …] -> their ids"""
        ids, now = [], '2026-01-01 00:00:00.000000'
        with self.database.connect() as db:
            for visibility, state in wanted:
                status, deleted, protected, hidden = STATES[state]
                stored = status in ('active', 'deactivated')
                image_id = str(uuid.uuid4())
                gone = now if deleted else None
                db.execute('insert into images (id, status, deleted, deleted_at, protected, os_hidden, visibility, owner, size, checksum,'
                           ' disk_format, container_format, min_disk, min_ram, created_at, updated_at) values'
                           " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'raw', 'bare', 0, 0, ?, ?)",
                           image_id, status, deleted, gone, protected, hidden, visibility, OWNER, len(DATA) if stored else None,
                           '8d777f385d3dfec8815d20f7496026dc' if stored else None, now, now)
                for project, answer in ((ACCEPTED, 'accepted'), (PENDING, 'pending')):
                    db.execute('insert into image_members (image_id, member, status, can_share, created_at, updated_at, deleted, deleted_at)'
                               ' values (?, ?, ?, 0, ?, ?, ?, ?)', image_id, project, answer, now, now, deleted, gone)
                db.execute('insert into image_tags (image_id, value, created_at, updated_at, deleted, deleted_at) values (?, ?, ?, ?, ?, ?)',
                           image_id, 'there', now, now, deleted, gone)
                if stored:
                    with open(os.path.join(self.outside, image_id), 'wb') as f:
                        f.write(DATA)
                    os.chmod(f.name, 0o666)
                    db.execute("insert into image_locations (image_id, value, meta_data, status, created_at, updated_at, deleted) values"
                               " (?, ?, '{}', 'active', ?, ?, 0)", image_id, 'file://%s/%s' % (self.inside, image_id), now, now)
                ids.append(image_id)
        return ids


@pytest.fixture(scope='module')
def images(trusted):
    return Images(trusted)


@pytest.fixture(scope='module')
def table():
    """{title: {(visibility, state): [statuses in the order of WHO]}}; written back when it is recorded."""
    found = {}
    if os.path.exists(TABLE):
        with open(TABLE) as f:
            for line in f:
                if line[0] not in '#\n':
                    name, row = line.rstrip('\n').split(': ')
                    visibility, state, *statuses = row.split()
                    found.setdefault(name, {})[visibility, state] = [int(s) for s in statuses]
    yield found
    if os.environ.get('E2E_RECORD'):
        with open(TABLE, 'w') as f:
            f.write('# What Glance 33.0.0 answers, by test_authority.py: request: visibility, state, then the statuses for\n# %s\n' % ' '.join(WHO))
            for name, rows in found.items():
                for (visibility, state), statuses in rows.items():
                    f.write('%s: %-9s %-11s %s\n' % (name, visibility, state, ' '.join(map(str, statuses))))


def callers(server):
    for who, headers in WHO.items():
        client = Client(server.host, server.port)
        client.identity = headers
        yield who, client


# ---------------------------------------------------------------- the tests

def test_every_route_is_listed():
    with open(os.path.join(TOP, 'src', 'api', 'routes.c')) as f:
        routes = {'%s %s' % pair for pair in re.findall(r'\{\s*"([A-Z]+)",\s*"(/[^"]*)"', f.read())}
    assert len(routes) > 20
    listed = {request[0] for request in REQUESTS}
    assert sorted(listed - routes) == []
    assert sorted(route for route in routes - listed if not ELSEWHERE.fullmatch(route)) == []


def is_unseen(name, table, cell, at):
    """docs/differences.md, patch-needs-get: an empty PATCH by a caller who may not see the image."""
    return name.startswith('PATCH') and 'change=nothing' in name and table['GET /v2/images/{image_id}'][cell][at] == 404


@pytest.mark.parametrize('request_', REQUESTS, ids=title)
def test_statuses_are_those_of_glance(trusted, images, table, request_):
    cells = [(v, s) for v in VISIBILITIES for s in STATES]
    if isinstance(trusted, External) and title(request_) in AS:
        pytest.skip('Glance does not have it')
    found = {cell: [] for cell in cells}
    for _, client in callers(trusted):      # each caller has images of its own: some requests change them
        for cell, image_id in zip(cells, images.make(cells)):
            found[cell].append(ask(client, request_, image_id, cell[0]).status)
    name = AS.get(title(request_), title(request_))
    if os.environ.get('E2E_RECORD') and name == title(request_):
        table[name] = found
    wrong = ['%s %s: %s answered %d, Glance %d' % (*cell, who, ours, theirs) for cell in cells
             for at, (who, ours, theirs) in enumerate(zip(WHO, found[cell], table[name][cell]))
             if ours != (404 if is_unseen(name, table, cell, at) else theirs)]
    assert wrong == []


def seen(answer, image_id):
    """All of an answer that could tell, without what differs between any two requests."""
    def plain(text):
        return text.replace(image_id, '<id>')
    return (answer.status, answer.reason, [(k, plain(v)) for k, v in answer.headers if k.lower() not in TRANSPORT],
            plain(answer.text))


@pytest.mark.parametrize('request_', [r for r in REQUESTS if '{image_id}' in r[0]], ids=title)
def test_a_strangers_private_image_does_not_exist(trusted, images, request_):
    if isinstance(trusted, External):
        pytest.skip('Glance is not as careful')
    for who, client in callers(trusted):
        if who not in STRANGERS:
            continue
        for state, image_id in zip(STATES, images.make([('private', state) for state in STATES])):
            nobodys = str(uuid.uuid4())
            assert seen(ask(client, request_, image_id), image_id) == seen(ask(client, request_, nobodys), nobodys), (who, state)
