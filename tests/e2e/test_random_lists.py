# SPDX-License-Identifier: Apache-2.0
"""Random listings of images with everything that can differ, compared with a naive filter and sort in Python. With
E2E_TRUSTED_URL and E2E_DATABASE (its empty SQLite file) the real Glance is held against the same filter."""
import datetime
import functools
import os
import random
import urllib.parse
import uuid

import pytest

from chance import draw
from database import Database
from glint import External, WHO

IMAGES = 400
PROJECTS = ('project-1', 'project-2', 'project-admin')
NAMES = (None, '', 'a', 'A', 'b', 'a:b', 'a,b', 'say "x"', 'ünïcode', 'two words', 'z' * 255, '10', '9', "o'k", 'in:a', 'eq:a', '%')
STATUSES = ('queued', 'saving', 'active', 'active', 'active', 'deactivated', 'killed', 'importing', 'uploading', 'pending_delete')
VISIBILITIES = ('public', 'community', 'shared', 'private')
MEMBER_STATUSES = ('accepted', 'pending', 'rejected')
FORMATS = {'disk_format': (None, 'raw', 'qcow2', 'vhd'), 'container_format': (None, 'bare', 'ovf')}
KEYS = ('name', 'status', 'container_format', 'disk_format', 'size', 'id', 'created_at', 'updated_at')
TAGS = ('a', 'b', 'ü', 'x y', 'A')
PROPERTIES = {'os_distro': ('debian', 'Debian', ''), 'k': ('v', 'w', '1'), 'ü': ('ü',), 'hw_x': ('a,b', 'in:v')}
WHO_LISTS = ('member', 'reader', 'other', 'admin')


def moment(rng):
    """Few different seconds, so that many are equal; some with a fraction."""
    at = datetime.datetime(2026, 1, 1) + datetime.timedelta(days=rng.choice((0, 0, 1, 40)), seconds=rng.randrange(4))
    return at + datetime.timedelta(microseconds=rng.choice((0, 0, 0, 1, 500000, 999999)))


def make_image(rng, n):
    image = {'id': str(uuid.UUID(int=rng.getrandbits(128))), 'name': rng.choice(NAMES), 'status': rng.choice(STATUSES),
             'visibility': rng.choice(VISIBILITIES), 'size': rng.choice((None, 0, 1, 10, 10, 1 << 40)),
             'virtual_size': rng.choice((None, 0, 10)), 'min_disk': rng.choice((0, 1, 10)), 'min_ram': rng.choice((0, 1, 512)),
             'protected': rng.random() < 0.2, 'os_hidden': rng.random() < 0.15, 'owner': rng.choice(PROJECTS + ('project-4', None)),
             'created_at': moment(rng), 'updated_at': moment(rng), 'deleted': rng.random() < 0.1,
             'checksum': rng.choice((None, 'c%d' % (n % 3))), 'os_hash_algo': rng.choice((None, 'sha512')),
             'os_hash_value': rng.choice((None, 'h%d' % (n % 5)))}
    image.update({name: rng.choice(values) for name, values in FORMATS.items()})
    if image['deleted']:
        image['status'] = 'deleted'
    # (value, deleted): of each tag, property and member some were taken away again
    image['tags'] = [(tag, rng.random() < 0.2) for tag in rng.sample(TAGS, rng.randrange(4))]
    image['properties'] = {name: (rng.choice(values), rng.random() < 0.2) for name, values in PROPERTIES.items() if rng.random() < 0.5}
    image['members'] = {p: (rng.choice(MEMBER_STATUSES), rng.random() < 0.2) for p in PROJECTS if rng.random() < 0.5}
    return image


def store(database, images):
    def text(at):
        return at.strftime('%Y-%m-%d %H:%M:%S.%f')
    columns = ('id', 'name', 'status', 'visibility', 'size', 'virtual_size', 'min_disk', 'min_ram', 'protected', 'os_hidden', 'owner',
               'deleted', 'checksum', 'os_hash_algo', 'os_hash_value', 'disk_format', 'container_format')
    with database.connect() as db:
        for i in images:
            at, now = i['created_at'], text(i['updated_at'])
            db.execute('insert into images (created_at, updated_at, deleted_at, %s) values (?, ?, ?, %s)'
                       % (', '.join(columns), ', '.join('?' * len(columns))),
                       text(at), now, now if i['deleted'] else None, *[i[c] for c in columns])
            for table, names, rows in (
                    ('image_tags', 'value', [((tag,), gone) for tag, gone in i['tags']]),
                    ('image_properties', 'name, value', [((name, value), gone) for name, (value, gone) in i['properties'].items()]),
                    ('image_members', 'member, status, can_share', [((p, s, 0), gone) for p, (s, gone) in i['members'].items()])):
                for values, gone in rows:
                    db.execute('insert into %s (image_id, created_at, updated_at, deleted_at, deleted, %s) values (?, ?, ?, ?, ?, %s)'
                               % (table, names, ', '.join('?' * len(values))),
                               i['id'], text(at), now, now if gone else None, gone, *values)


@pytest.fixture(scope='module')
def images(trusted):
    """The same images each time: what differs from seed to seed is the question."""
    if isinstance(trusted, External) and 'E2E_DATABASE' not in os.environ:
        pytest.skip('E2E_DATABASE says where the images go')
    rng = random.Random(20260101)
    made = [make_image(rng, n) for n in range(IMAGES)]
    store(Database(os.environ['E2E_DATABASE']) if isinstance(trusted, External) else trusted.db, made)
    return made


# ---------------------------------------------------------------- the naive filter

def live(pairs):
    return {value for value, gone in pairs if not gone}


def properties(image):
    return {name: value for name, (value, gone) in image['properties'].items() if not gone}


def may_be_listed(image, who, query):
    project, visibility = WHO[who]['X-Project-Id'], query.get('visibility')
    if visibility not in (None, 'all') and image['visibility'] != visibility:
        return False
    if who == 'admin':
        return visibility is not None or image['visibility'] != 'community' or image['owner'] == project
    if image['owner'] == project:
        return visibility not in ('public', 'community') or image['visibility'] == visibility
    if image['visibility'] == 'shared':
        wanted = query.get('member_status', 'accepted')
        status, gone = image['members'].get(project, (None, True))
        return not gone and wanted in ('all', status)
    return image['visibility'] == 'public' or (image['visibility'] == 'community' and visibility is not None)


def may_be_shown(image, who):
    return image['owner'] is None or may_be_read(image, who)


def may_be_read(image, who):
    """What the default rule get_image says: an ownerless private image is no project's."""
    project = WHO[who]['X-Project-Id']
    return (who == 'admin' or image['owner'] == project or image['visibility'] in ('public', 'community')
            or (image['visibility'] == 'shared' and (image['owner'] is None or not image['members'].get(project, (None, True))[1])))


COMPARE = {'eq': lambda a, b: a == b, 'neq': lambda a, b: a != b, 'gt': lambda a, b: a > b, 'gte': lambda a, b: a >= b,
           'lt': lambda a, b: a < b, 'lte': lambda a, b: a <= b}


def passes(image, name, value):
    """One filter; value is what the drawing meant, not how it was written."""
    if name in ('created_at', 'updated_at'):
        return COMPARE[value[0]](image[name], value[1])
    if name.endswith('_min') or name.endswith('_max'):
        has = image[name[:-4]]
        return has is not None and (has >= value if name.endswith('_min') else has <= value)
    if name == 'tag':
        return value in live(image['tags'])
    if name in image and name not in ('tags', 'properties', 'members'):
        return image[name] in value if isinstance(value, tuple) else image[name] is not None and image[name] == value
    return properties(image).get(name) == value


def before(keys, a, b):
    """-1, 0, 1; NULL is less than anything, texts are compared by their bytes, as SQLite does."""
    for key, ascending in keys:
        x, y = a[key], b[key]
        if x == y:
            continue
        less = x is None or (y is not None and (x.encode() < y.encode() if isinstance(x, str) else x < y))
        return -1 if less == ascending else 1
    return 0


def listed(images, who, question):
    found = [i for i in images if not i['deleted'] and i['status'] != 'killed' and i['os_hidden'] == question['hidden']
             and may_be_listed(i, who, question['plain']) and all(passes(i, *f) for f in question['filters'])]
    return sorted(found, key=functools.cmp_to_key(functools.partial(before, question['keys'])))


# ---------------------------------------------------------------- what is drawn

def in_list(rng, values):
    def quoted(value):
        return '"%s"' % value if ',' in value or rng.random() < 0.5 else value
    return 'in:' + ','.join(quoted(v) for v in values)


def draw_text(rng, known):
    """(what is meant, how it is written)"""
    known = [v for v in known if v and '"' not in v] + ['nothing like it']
    kind = rng.random()
    if kind < 0.4:
        values = tuple(rng.sample(known, rng.randrange(1, min(5, len(known) + 1))))
        return values, in_list(rng, values)
    value = rng.choice(known)
    return value, 'eq:' + value if ':' in value or kind < 0.6 else value


def draw_time(rng):
    at = moment(rng).replace(microsecond=0)
    op = rng.choice((None, *COMPARE))
    zone = rng.choice(('Z', 'Z', '+00:00', '+02:00', '-05:30'))
    hours = {'+02:00': 2, '-05:30': -5.5}.get(zone, 0)
    written = (at + datetime.timedelta(hours=hours)).strftime('%Y-%m-%dT%H:%M:%S') + zone
    return (op or 'eq', at), written if op is None else op + ':' + written


def draw_filter(rng, images):
    """(name, meant, written)"""
    kind = rng.randrange(9)
    if kind == 0:
        name = rng.choice(('created_at', 'updated_at'))
        return (name, *draw_time(rng))
    if kind == 1:
        name = rng.choice(('size', 'virtual_size', 'min_disk', 'min_ram')) + rng.choice(('_min', '_max'))
        value = rng.choice((0, 1, 10, 11, 512, 1 << 40))
        return name, value, str(value)
    if kind == 2:
        name, value = rng.choice(('size', 'virtual_size', 'min_disk', 'min_ram')), rng.choice((0, 1, 10, 1 << 40))
        return name, value, str(value)
    if kind == 3:
        tag = rng.choice(TAGS + ('nothing',))
        return 'tag', tag, tag
    if kind == 4:
        name = rng.choice(list(PROPERTIES) + ['nothing'])
        value = rng.choice(PROPERTIES.get(name, ('v',)) + ('nothing',))
        return name, value, value
    if kind == 5:
        name = rng.choice(('checksum', 'os_hash_algo', 'os_hash_value', 'owner'))
        value = rng.choice([i[name] for i in rng.sample(images, 5) if i[name]] + ['nothing'])
        return name, value, value
    if kind == 6:
        value = rng.random() < 0.5
        return 'protected', value, str(value).lower()
    name = rng.choice(('name', 'name', 'id', 'status', 'disk_format', 'container_format'))
    return (name, *draw_text(rng, {i[name] for i in images} if name != 'id' else [i['id'] for i in rng.sample(images, 30)]))


def draw_order(rng):
    """([(key, ascending)] with the tie breakers, parameters)"""
    keys = rng.sample(KEYS, rng.choice((0, 1, 1, 2, 3)))
    if rng.random() < 0.5 and keys:
        dirs = [rng.choice((None, 'asc', 'desc')) for _ in keys]
        sent = [('sort', ','.join(k if d is None else k + ':' + d for k, d in zip(keys, dirs)))]
        ways, one_way = [d == 'asc' for d in dirs], len(keys) == 1
    else:
        sent = [('sort_key', k) for k in keys]
        keys = keys or ['created_at']
        given = [rng.choice(('asc', 'desc')) for _ in range(rng.choice((0, 1, len(keys))))]
        sent += [('sort_dir', d) for d in given]
        ways = [d == 'asc' for d in given] if len(given) == len(keys) else [given == ['asc']] * len(keys)
        one_way = len(given) == 1
    last = one_way and ways[0]
    return [*zip(keys, ways), *((k, last) for k in ('created_at', 'id') if k not in keys)], sent


def draw_question(rng, images):
    plain = {}
    if rng.random() < 0.5:
        plain['visibility'] = rng.choice(VISIBILITIES + ('all',))
    if rng.random() < 0.3:
        plain['member_status'] = rng.choice(MEMBER_STATUSES + ('all',))
    hidden = rng.random() < 0.15
    if hidden or rng.random() < 0.1:
        plain['os_hidden'] = rng.choice((str, lambda b: str(b).lower()))(hidden)
    filters, sent = {}, []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        name, meant, written = draw_filter(rng, images)
        if name == 'tag' or name not in [n for n, _ in sent]:
            filters[name, written] = (name, meant)
            sent.append((name, written))
    keys, order = draw_order(rng)
    sent += list(plain.items()) + order
    if not any(name.startswith('sort_') for name, _ in sent):
        rng.shuffle(sent)
    return {'plain': plain, 'hidden': hidden, 'filters': list(filters.values()), 'keys': keys, 'sent': sent}


# ---------------------------------------------------------------- the property

def ask(client, sent):
    answer = client.get('/v2/images?' + urllib.parse.urlencode(sent))
    assert answer.status == 200, answer
    return answer.json


def pages(client, sent, limit):
    """All pages put together, by following the links."""
    found, path = [], '/v2/images?' + urllib.parse.urlencode([*sent, ('limit', limit)])
    while path:
        answer = client.get(path)
        assert answer.status == 200, answer
        page = answer.json
        assert len(page['images']) <= limit
        found += [image['id'] for image in page['images']]
        path = page.get('next')
        assert len(found) <= IMAGES, 'the pages do not end'
    return found


def check_documents(shown, images):
    """Nobody else's properties or tags, none twice, none that are gone."""
    by_id = {i['id']: i for i in images}
    for document in shown:
        image = by_id[document['id']]
        assert sorted(document['tags']) == sorted(live(image['tags']))
        assert {k: v for k, v in document.items() if k in PROPERTIES} == properties(image)
        shown = {**image, 'size': None if image['status'] == 'saving' else image['size']}     # announced, not there
        assert [document[k] for k in ('name', 'status', 'size', 'owner')] == [shown[k] for k in ('name', 'status', 'size', 'owner')]


def glance_pages_well(question):
    """docs/differences.md, paging-with-nulls and next-link-keeps-tags"""
    return (not any(key in ('size', 'name', 'disk_format', 'container_format') for key, _ in question['keys'])
            and all(sum(n == name for n, _ in question['sent']) < 2 for name in ('tag', 'sort_key', 'sort_dir')))


def test_listings_are_what_a_naive_filter_finds(trusted, images):
    external = isinstance(trusted, External)

    def one_question(rng):
        who, question = rng.choice(WHO_LISTS), draw_question(rng, images)
        client, sent = trusted.client(who), question['sent']
        expected = [i['id'] for i in listed(images, who, question)]
        whole = ask(client, [*sent, ('limit', '1000')])
        told = (who, sent)
        assert [i['id'] for i in whole['images']] == expected, told
        check_documents(whole['images'], images)
        if external and not glance_pages_well(question):
            return
        if expected and rng.random() < 0.3:
            limit = rng.choice((1, 2, 3, 7, len(expected), len(expected) + 1))
            if len(expected) / limit < 60:
                assert pages(client, sent, limit) == expected, (told, limit)
        marker = rng.choice(images)
        limit = rng.choice((1, 5, 25))
        answer = client.get('/v2/images?' + urllib.parse.urlencode([*sent, ('marker', marker['id']), ('limit', limit)]))
        told = (told, marker['id'], limit, answer)
        if marker['deleted'] and who != 'admin':
            assert answer.status == 400, told
        elif external and not may_be_shown(marker, who):
            assert answer.status == 403, told
        elif not external and not may_be_read(marker, who):
            assert answer.status == 400, told
        else:
            assert answer.status == 200, told
            after = [i['id'] for i in listed(images, who, question) if before(question['keys'], i, marker) > 0]
            assert [i['id'] for i in answer.json['images']] == after[:limit], told
            assert ('next' in answer.json) == (len(after) >= limit), told
    draw(one_question)
