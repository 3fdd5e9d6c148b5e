#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""again.py [--only NAME] [--verbose]   a database that undoes transactions, loses connections, and loses the answer to COMMIT,
under each route that writes and each kind of job. `glint serve` and `glint worker` of a build with -Dpoints=true run on the
fault driver (src/db/fault.c). In each way, the 1st call of the units concerned fails, then the 2nd, and so on until a case
ends with no failure left: each time the answers, the rows and the objects must be those of an undisturbed run.

Ends with "N passed, N failed". The program: GLINT."""
import argparse
import os
import shutil
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), 'e2e'), os.path.dirname(HERE)]
import glint  # noqa: E402
import origin  # noqa: E402

DATA = b'0123456789' * 100
OCTETS = {'Content-Type': 'application/octet-stream'}
WAYS = ('again', 'lost', 'done', 'undone')
CASES = {}
MOST = 400      # calls; a case that goes on has no end


class World:
    def __init__(self, directory):
        self.control = os.path.join(directory, 'control')
        self.disarm()
        self.server = glint.Server(directory, trusted=True, env={'GLINT_DB_FAULT': self.control}, config={
            'DEFAULT': {'enabled_backends': 'fast:file,slow:file,web:http', 'show_multiple_locations': 'true'},
            'glance_store': {'default_backend': 'fast', 'stores': None, 'default_store': None, 'filesystem_store_datadir': None},
            'os_glance_staging_store': {'filesystem_store_datadir': directory + '/staging'},
            'fast': {'filesystem_store_datadir': directory + '/fast'}, 'slow': {'filesystem_store_datadir': directory + '/slow'},
            'database': {'connection': 'fault+sqlite:///%s/glance.sqlite' % directory},
            'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]', 'disallowed_ports': '[22]'}})
        self.directory = directory
        self.member, self.admin = self.server.client('member'), self.server.client('admin')
        self.web = origin.start()

    def disarm(self):
        open(self.control, 'w').close()

    def arm(self, way, n, units):
        with open(self.control, 'w') as f:
            f.write('%s %d %s\n' % (way, n, units))

    def fired(self):
        """Whether the call that was to fail has come."""
        with open(self.control) as f:
            return not f.read()

    def settled(self, image, client=None):
        """The image when no task works on it any more."""
        def look():
            document = (client or self.member).show(image)
            return None if 'os_glance_import_task' in document else document
        document = glint.eventually(look, 30)
        assert document, 'a task does not end'
        return document

    def objects(self, image):
        """Which stores have an object of it."""
        return [s for s in ('fast', 'slow', 'staging') if os.path.exists(os.path.join(self.directory, s, image))]

    def rest(self):
        """Nothing is left behind."""
        def at_rest():
            return not (self.server.sql('select 1 from glint_leases') or self.server.sql('select 1 from glint_trash') or
                        self.server.sql("select 1 from glint_jobs where state in ('waiting', 'running')"))
        assert glint.eventually(at_rest, 20), 'leases, trash or jobs are left'


def case(units):
    """A function of the world that makes what is needed, and returns the request, which returns what to compare."""
    def declare(fn):
        CASES[fn.__name__] = (units, fn)
        return fn
    return declare


def document(w, image, client=None):
    shown = (client or w.member).show(image)
    for gone in ('id', 'self', 'file', 'created_at', 'updated_at', 'direct_url', 'owner', 'schema'):
        shown.pop(gone, None)
    for location in shown.pop('locations', []):
        shown.setdefault('in', []).append(location['metadata'].get('store'))
    return shown, w.objects(image)


# ---------------------------------------------------------------- images

@case('image.create')
def create(w):
    def act():
        answer = w.member.post('/v2/images', json={'name': 'n', 'disk_format': 'raw', 'container_format': 'bare', 'a': '1', 'tags': ['x', 'y']})
        found = w.server.sql('select count(*) from images where id = ?', answer.json['id']) if answer.status == 201 else None
        return answer.status, found, document(w, answer.json['id'])
    return act


@case('image.create')
def create_with_an_id(w):
    chosen = w.member.create()['id'][:-6] + 'abcdef'
    w.server.sql('delete from image_properties where image_id = ?', chosen)
    w.server.sql('delete from images where id = ?', chosen)

    def act():
        body = {'id': chosen, 'disk_format': 'raw', 'container_format': 'bare'}
        first, second = w.member.post('/v2/images', json=body), w.member.post('/v2/images', json=body)
        return first.status, second.status
    return act


@case('image.patch')
def patch(w):
    image = w.member.create(tags=['a'], p='1')['id']

    def act():
        answer = w.member.patch(image, [{'op': 'replace', 'path': '/name', 'value': 'new'}, {'op': 'remove', 'path': '/p'},
                                        {'op': 'add', 'path': '/q', 'value': '2'}, {'op': 'add', 'path': '/tags', 'value': ['a', 'b']}])
        return answer.status, document(w, image)
    return act


@case('image.patch')
def patch_conditionally(w):
    image = w.member.create()['id']
    tag = w.member.get('/v2/images/' + image).header('ETag')

    def act():
        return w.member.request('PATCH', '/v2/images/' + image, body=b'[{"op": "replace", "path": "/name", "value": "new"}]',
                                headers={'Content-Type': glint.PATCH_21, 'If-Match': tag}).status, document(w, image)
    return act


@case('image.delete')
def delete(w):
    image = w.member.active(DATA)

    def act():
        return w.member.delete('/v2/images/' + image).status, w.member.get('/v2/images/' + image).status, w.objects(image)
    return act


@case('trash.*')
def delete_and_remove(w):
    image = w.member.active(DATA)

    def act():
        status = w.member.delete('/v2/images/' + image).status
        w.rest()
        return status, w.objects(image)
    return act


@case('image.action')
def deactivate(w):
    image = w.member.active(DATA)

    def act():
        return [w.admin.post('/v2/images/%s/actions/%s' % (image, action)).status for action in ('deactivate', 'reactivate', 'deactivate')], \
            document(w, image, w.admin)
    return act


@case('tag.*')
def tags(w):
    image = w.member.create()['id']

    def act():
        statuses = [w.member.put('/v2/images/%s/tags/%s' % (image, t)).status for t in ('a', 'b')]
        return statuses, w.member.delete('/v2/images/%s/tags/a' % image).status, document(w, image)
    return act


@case('member.*')
def members(w):
    image = w.member.create(visibility='shared')['id']
    path = '/v2/images/%s/members' % image
    other = w.server.client('other')

    def act():
        statuses = [w.member.post(path, json={'member': 'project-2'}).status,
                    other.put(path + '/project-2', b'{"status": "accepted"}', headers={'Content-Type': 'application/json'}).status]
        listed = [(m['member_id'], m['status']) for m in w.member.get(path).json['members']]
        return statuses, listed, w.member.delete(path + '/project-2').status, w.member.get(path).json['members']
    return act


# ---------------------------------------------------------------- data

@case('upload.*')
def upload(w):
    image = w.member.create()['id']

    def act():
        return w.member.upload(image, DATA).status, document(w, image), w.member.download(image).body == DATA
    return act


@case('upload.*')
def upload_that_is_refused(w):
    image = w.member.create(disk_format='qcow2')['id']

    def act():
        return w.member.upload(image, DATA).status, document(w, image)
    return act


@case('upload.*')
def stage(w):
    image = w.member.create()['id']

    def act():
        return w.member.put('/v2/images/%s/stage' % image, DATA, headers=OCTETS).status, document(w, image)
    return act


@case('store.image_delete')
def drop_a_copy(w):
    image = w.member.create()['id']
    assert w.member.put('/v2/images/%s/stage' % image, DATA, headers=OCTETS).status == 204
    assert w.member.post('/v2/images/%s/import' % image, json={'method': {'name': 'glance-direct'}, 'all_stores': True}).status == 202
    assert w.settled(image)['status'] == 'active'

    def act():
        return w.admin.delete('/v2/stores/slow/' + image).status, document(w, image)
    return act


# ---------------------------------------------------------------- jobs

def imported(w, image, client=None, **more):
    method = more.pop('method')
    answer = (client or w.member).post('/v2/images/%s/import' % image, json={'method': method, **more})
    assert answer.status == 202, answer
    w.settled(image)
    w.rest()
    tasks = [task['status'] for task in w.member.get('/v2/images/%s/tasks' % image).json['tasks']]
    return tasks, document(w, image)


def import_direct(w):
    image = w.member.create()['id']
    assert w.member.put('/v2/images/%s/stage' % image, DATA, headers=OCTETS).status == 204
    return lambda: imported(w, image, method={'name': 'glance-direct'}, all_stores=True)


def import_web(w):
    image = w.member.create()['id']
    return lambda: imported(w, image, method={'name': 'web-download', 'uri': w.web.url + '/ok/1000'})


def import_that_fails(w):
    image = w.member.create()['id']
    return lambda: imported(w, image, method={'name': 'web-download', 'uri': w.web.url + '/status/404'})


def import_copy(w):
    image = w.member.active(DATA)
    return lambda: imported(w, image, w.admin, method={'name': 'copy-image'}, stores=['slow'])


def location(w):
    image = w.member.create()['id']

    def act():
        answer = w.member.post('/v2/images/%s/locations' % image, json={'url': w.web.url + '/ok/1000'})
        w.settled(image)
        w.rest()
        return answer.status, document(w, image)
    return act


def task(w):
    def act():
        answer = w.admin.post('/v2/tasks', json={'type': 'import', 'input': {
            'import_from': w.web.url + '/ok/1000', 'import_from_format': 'raw',
            'image_properties': {'disk_format': 'raw', 'container_format': 'bare', 'name': 'by a task'}}})
        found = glint.eventually(lambda: (lambda t: t if t['status'] in ('success', 'failure') else None)(
            w.admin.get('/v2/tasks/' + answer.json['id']).json), 30)
        w.rest()
        return answer.status, found['status'], document(w, found['result']['image_id'], w.admin) if found['result'] else None
    return act


for _fn in (import_direct, import_web, import_that_fails, import_copy):
    for _units in ('import.*', 'job*'):
        CASES['%s (%s)' % (_fn.__name__, _units)] = (_units, _fn)
for _units in ('location.*', 'job*'):
    CASES['location (%s)' % _units] = (_units, location)
for _units in ('task.*', 'job*', 'import.*'):
    CASES['task (%s)' % _units] = (_units, task)


# ---------------------------------------------------------------- running

def one(w, name, way, n):
    """Whether the n-th call came. Raises what is wrong."""
    units, prepare = CASES[name]
    act = prepare(w)
    w.rest()
    w.arm(way, n, units)
    try:
        got = act()
    finally:
        fired = w.fired()
        w.disarm()
    w.rest()
    assert got == w.expected[name], '%s %d: %r where %r was to come' % (way, n, got, w.expected[name])
    return fired


def campaign(w, names, verbose):
    failed = passed = fired = 0
    w.expected = {}
    for name in names:
        act = CASES[name][1](w)
        w.expected[name] = act()
        w.rest()
        for way in WAYS:
            for n in range(1, MOST):
                try:
                    came = one(w, name, way, n)
                except Exception:
                    failed += 1
                    print('%s, %s, call %d:' % (name, way, n))
                    traceback.print_exc(limit=3, file=sys.stdout)
                    break
                passed += 1
                fired += came
                if not came:
                    break
            if n == 1 and not failed:
                failed += 1
                print('%s, %s: nothing failed' % (name, way))
            if verbose:
                print('%s, %s: %d calls' % (name, way, n - 1), flush=True)
    print('%d failures injected, %d cases' % (fired, len(names)))
    return passed, failed


def main():
    ap = argparse.ArgumentParser(usage=__doc__)
    ap.add_argument('--only', help='cases whose name contains this')
    ap.add_argument('--verbose', action='store_true')
    a = ap.parse_args()
    directory = tempfile.mkdtemp(prefix='glint-again-')
    w = World(directory)
    try:
        passed, failed = campaign(w, [name for name in CASES if not a.only or a.only in name], a.verbose)
        if failed:
            print(w.server.log()[-3000:])
    finally:
        w.disarm()
        wrong = w.server.finish()
        shutil.rmtree(directory, ignore_errors=True)
    if wrong:
        failed += 1
        print(wrong)
    print('%d passed, %d failed' % (passed, failed))
    sys.exit(1 if failed or not passed else 0)


if __name__ == '__main__':
    main()
