# SPDX-License-Identifier: Apache-2.0
"""Random documents and random JSON patches, against a model of a dozen rules. With E2E_TRUSTED_URL the real Glance is held
against the same model."""
import copy

from chance import draw
from glint import PATCH_20, PATCH_21, External

MINE, FOREIGN = 'project-1', 'project-2'
BASE = ('name', 'visibility', 'protected', 'os_hidden', 'owner', 'container_format', 'disk_format', 'min_ram', 'min_disk', 'tags')
READ_ONLY = ('id', 'status', 'checksum', 'size', 'virtual_size', 'created_at', 'updated_at', 'self', 'file', 'schema', 'direct_url',
             'os_hash_algo', 'os_hash_value')
RESERVED = ('location', 'deleted', 'deleted_at', 'os_glance_x')
UUID = '01234567-89ab-cdef-0123-456789abcdef'
EXTRA = ('a', 'A', 'b', 'os_distro', 'architecture', 'kernel_id', 'x~y', 'x/y', '~1', '~0/', 'ü', 'two words', '0', '-', 'a.b', 'a\\b', '"', "'")
LONG = 'l' * 255
# What the schema takes, and what it does not, for each name; any other name takes texts.
GOOD = {
    'name': (None, '', 'n', 'naïve', '\u2028 "\\/', LONG),
    'visibility': ('private', 'shared', 'community', 'public'),
    'protected': (True, False),
    'os_hidden': (True, False),
    'owner': (MINE, FOREIGN),
    'container_format': (None, 'bare', 'ovf'),
    'disk_format': (None, 'raw', 'qcow2'),
    'min_ram': (0, 1, 2147483647),
    'min_disk': (0, 1, 2147483647),
    'tags': ([], ['a'], ['a', 'b'], ['b', 'a', 'b'], ['ü', 'x/y'], [LONG]),
    'kernel_id': (None, UUID),
}
BAD = {
    'name': (1, True, ['n'], LONG + 'l'),
    'visibility': (None, '', 'secret', 1),
    'protected': (None, 'true', 0),
    'os_hidden': (None, 'false', []),
    'owner': (1, {}, LONG + 'l'),
    'container_format': ('', 'box', 1),
    'disk_format': ('', 'floppy', True),
    'min_ram': (None, '1', True, {}),
    'min_disk': (None, '1', False, []),
    'tags': (None, 'a', ['a', 1], [LONG + 'l'], {}),
    'kernel_id': ('x', 1),
}
GOOD_TEXT, BAD_TEXT = ('', 'v', 'ünïcode', '{"a": 1}', 'l' * 5000), (None, 1, True, ['v'], {'a': 'b'})


def good(name):
    return GOOD.get(name, GOOD_TEXT)


def bad(name):
    return BAD.get(name, BAD_TEXT)


def fits(name, value):
    if name not in GOOD:
        return isinstance(value, str)
    return any(value == v and type(value) is type(v) for v in GOOD[name])


# ---------------------------------------------------------------- the model

class Refused(Exception):
    def __init__(self, status):
        self.status = status


def pointer_name(pointer):
    """The one name in a pointer; RFC 6901, and what Glance makes of slashes and blanks."""
    if not pointer.startswith('/') or '//' in pointer[1:] or (len(pointer) > 1 and pointer.endswith('/')):
        raise Refused(400)
    names = pointer.lstrip('/').split('/')
    if '~' in pointer.replace('~0', '').replace('~1', '') or len(names) != 1:
        raise Refused(400)
    return names[0].strip().replace('~1', '/').replace('~0', '~')


def read(operation, old_dialect):
    """(op, name, value) of an operation that may be tried."""
    if old_dialect:
        named = [op for op in ('add', 'remove', 'replace') if op in operation]
        if len(named) != 1:
            raise Refused(400)
        op, pointer = named[0], operation[named[0]]
    else:
        if operation.get('op') not in ('add', 'remove', 'replace') or 'path' not in operation:
            raise Refused(400)
        op, pointer = operation['op'], operation['path']
    name = pointer_name(pointer)
    if op != 'remove' and 'value' not in operation:
        raise Refused(400)
    if name in READ_ONLY or name in RESERVED:
        raise Refused(403)
    if op == 'remove':
        return op, name, None
    if not fits(name, operation['value']):
        raise Refused(400)
    return op, name, operation['value']


def change(document, op, name, value, old_dialect, is_admin, queued):
    if name == 'visibility' and value == 'public' and not is_admin:
        raise Refused(403)
    if name == 'owner' and op == 'replace' and not is_admin:
        raise Refused(403)
    if op == 'remove' and name in BASE:
        raise Refused(403)
    if op != 'add' and name not in document:
        raise Refused(409)
    if op == 'add' and old_dialect and name in document:
        raise Refused(409)
    if name in ('disk_format', 'container_format') and not queued:
        raise Refused(403)
    if name == 'owner' and not is_admin and value != MINE:
        raise Refused(403)
    if op == 'remove':
        del document[name]
    else:
        document[name] = sorted(set(value)) if name == 'tags' else value


def model(document, patch, **how):
    """(status, the document afterwards): everything is read before anything is tried, and all of it or nothing is done."""
    after = copy.deepcopy(document)
    try:
        for operation in [read(each, how['old_dialect']) for each in patch]:
            change(after, *operation, **how)
    except Refused as refused:
        return refused.status, document
    return 200, after


# ---------------------------------------------------------------- what is drawn

def escape(name):
    return '/' + name.replace('~', '~0').replace('/', '~1')


def draw_name(rng, document):
    extra = [name for name in document if name not in BASE]
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(BASE)
    if kind < 0.65 and extra:
        return rng.choice(extra)
    if kind < 0.97:
        return rng.choice(EXTRA)
    return rng.choice(READ_ONLY + RESERVED)


def draw_pointer(rng, name):
    pointer = escape(name)
    if rng.random() < 0.92:
        return pointer
    return rng.choice((name, '/' + pointer, pointer + '/', pointer + '/-', '/ ' + name.replace('~', '~0').replace('/', '~1') + ' ',
                       pointer + '~', pointer + '~2', pointer + '//x', ''))


def draw_operation(rng, document, old_dialect):
    name = draw_name(rng, document)
    op = rng.choice(('add', 'add', 'replace', 'replace', 'remove'))
    if op == 'remove' and name in BASE and rng.random() < 0.7:
        op = 'replace'
    pointer = draw_pointer(rng, name)
    operation = {op: pointer} if old_dialect else {'op': op, 'path': pointer}
    if op != 'remove' or rng.random() < 0.1:
        operation['value'] = rng.choice(bad(name) if rng.random() < 0.05 else good(name))
    if rng.random() < 0.02:
        operation.pop(rng.choice(list(operation)))
    if rng.random() < 0.02:
        operation['add' if old_dialect else 'op'] = '/a'
    return operation


def draw_document(rng):
    document = {name: rng.choice(good(name)) for name in BASE if name not in ('owner', 'visibility')}
    document.update(visibility=rng.choice(('private', 'shared', 'community')), owner=MINE, protected=False,
                    tags=sorted(set(document['tags'])))
    document.update({name: rng.choice(good(name)) for name in rng.sample(EXTRA, rng.randrange(6))})
    return document


def written(image):
    """The part of an image's document that clients write."""
    assert len(image['tags']) == len(set(image['tags'])), image
    return {name: sorted(value) if name == 'tags' else value for name, value in image.items() if name not in READ_ONLY}


def make(client, document, active=False):
    sent = {**document, 'disk_format': 'raw', 'container_format': 'bare'} if active else document
    image = client.create(**sent)
    document.update(sent)
    assert written(image) == document
    if active:
        assert client.upload(image['id'], b'data').status == 204
    return image['id']


def remove(admin, image_id):
    admin.patch(image_id, [{'op': 'replace', 'path': '/protected', 'value': False}])
    assert admin.delete('/v2/images/' + image_id).status == 204


# ---------------------------------------------------------------- the properties

def test_patches_do_what_the_model_says(trusted):
    admin, member = trusted.client('admin'), trusted.client('member')

    def one_image(rng):
        document, active = draw_document(rng), rng.random() < 0.3
        image_id = make(member, document, active)
        document = written(admin.show(image_id))
        try:
            for _ in range(8):
                is_admin, old_dialect = rng.random() < 0.2 or document['owner'] != MINE, rng.random() < 0.3
                patch = [draw_operation(rng, document, old_dialect) for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6)))]
                if isinstance(trusted, External) and any(each.get('value') == FOREIGN for each in patch):
                    continue    # docs/differences.md, owner-give-away
                before = admin.show(image_id)
                status, after = model(document, patch, old_dialect=old_dialect, is_admin=is_admin, queued=not active)
                answer = (admin if is_admin else member).patch(image_id, patch, PATCH_20 if old_dialect else PATCH_21)
                assert answer.status == status, (patch, document, status, answer)
                shown = admin.show(image_id)
                if status == 200:
                    assert written(answer.json) == after, (patch, document, after, answer.json)
                    assert sorted(answer.json.items(), key=str) == sorted(shown.items(), key=str)
                else:
                    assert shown == before, (patch, before, shown)
                assert written(shown) == after, (patch, document, after, shown)
                document = after
        finally:
            remove(admin, image_id)
    draw(one_image)


def test_the_difference_of_two_documents_makes_the_one_the_other(trusted):
    admin, member = trusted.client('admin'), trusted.client('member')

    def one_pair(rng):
        have, want = draw_document(rng), draw_document(rng)
        image_id = make(member, have)
        operations = [('remove', name) for name in have if name not in want]
        operations += [('add' if name not in have else rng.choice(('add', 'replace')), name) for name in want
                       if name not in have or have[name] != want[name] or rng.random() < 0.2]
        operations = [(op, name) for op, name in operations if name != 'owner']
        rng.shuffle(operations)
        try:
            answer = member.patch(image_id, [{'op': op, 'path': escape(name), **({} if op == 'remove' else {'value': want[name]})}
                                             for op, name in operations])
            assert answer.status == 200, (have, want, answer)
            assert written(answer.json) == want, (have, want, answer.json)
            assert written(member.show(image_id)) == want
            assert written([i for i in member.get('/v2/images?os_hidden=%s&limit=1000' % str(want['os_hidden']).lower()).json['images']
                            if i['id'] == image_id][0]) == want
        finally:
            remove(admin, image_id)
    draw(one_pair)
