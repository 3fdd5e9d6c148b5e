# SPDX-License-Identifier: Apache-2.0
"""The group imports: staged, fetched and copied images, from the request to the moment they are whole, beside a real Glance with
the same three stores (tests/oracle/profiles/imports-parallel)."""
import contextlib
import os
import resource
import subprocess
import threading
import time

from measure import GIB, QUICK, ROUNDS, SIZE, Transfer, given_glance, hashing, number, row, start_glint
from glint import eventually  # measure says where it is

STORES = ('fast', 'slow', 'third')
SMALL_SIZE = 64 << 10
SMALL = 20 if QUICK else 200
AT_ONCE = 16        # requests on their way, of those that start the small imports
PATIENCE = 120      # seconds until an import counts as lost


def start_ours(work):
    directory = os.path.join(work, 'imports')
    sections = {
        'DEFAULT': {'enabled_backends': ', '.join('%s:file' % s for s in STORES),
                    'enabled_import_methods': '[glance-direct, web-download, copy-image]'},
        'glance_store': {'stores': None, 'default_store': None, 'filesystem_store_datadir': None, 'default_backend': STORES[0]},
        'image_import_opts': {'max_parallel_stores': len(STORES)},
        'import_filtering_opts': {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]'},
    }
    for name in STORES + ('os_glance_staging_store', 'os_glance_tasks_store'):
        sections[name] = {'filesystem_store_datadir': os.path.join(directory, name)}
    return start_glint(work, 'imports', config=sections)


class Failed(Exception):
    pass


class Imports:
    """What one server does; a figure is (seconds from the request to the end, CPU seconds of them)."""

    def __init__(self, target, work, web):
        self.target, self.web = target, web
        target.headers = dict(target.headers, **{'X-Roles': 'admin,member,reader'})
        self.client = target.client()
        self.headers_file = os.path.join(work, 'headers-imports-' + target.name)
        with open(self.headers_file, 'w') as f:
            f.writelines('%s: %s\n' % item for item in target.headers.items())

    @contextlib.contextmanager
    def image(self):
        image_id = self.client.create(name='bench')['id']
        try:
            yield image_id
        finally:
            self.client.delete('/v2/images/' + image_id)

    def stage(self, image_id):
        done = Transfer('put', self.target, SIZE, self.headers_file, ['/v2/images/%s/stage' % image_id])
        if done.bad:
            raise Failed('stage')
        return done

    def ask(self, image_id, method, stores, **more):
        answer = self.client.post('/v2/images/%s/import' % image_id, json={'method': {'name': method, **more}, 'stores': list(stores)})
        if answer.status != 202:
            raise Failed(repr(answer))

    def wait(self, image_id, stores, begin=None):
        """Returns when it is active in these stores and no store is awaited any more. Each look costs the server something, so the
        longer it takes the fewer there are."""
        begin = begin or time.monotonic()
        while True:
            image = self.client.show(image_id)
            if (image['status'] == 'active' and set(stores) <= set(image['stores'].split(','))
                    and not image.get('os_glance_importing_to_stores')):
                return time.monotonic()
            taken = time.monotonic() - begin
            if image.get('os_glance_failed_import') or image['status'] == 'queued' and 'stores' in image or taken > PATIENCE:
                raise Failed('%r' % image)
            time.sleep(min(0.25, max(0.01, taken / 20)))

    def timed(self, image_id, method, stores, **more):
        before, begin = self.target.cpu(), time.monotonic()
        self.ask(image_id, method, stores, **more)
        self.begun = time.monotonic()
        self.wait(image_id, stores)
        return time.monotonic() - begin, self.target.cpu() - before

    # ---- one figure each

    def direct(self, stores):
        """(seconds, CPU seconds, seconds from the 202, CPU seconds with those of staging)"""
        with self.image() as image_id:
            staged = self.stage(image_id)
            seconds, cpu = self.timed(image_id, 'glance-direct', stores)
            return seconds, cpu, time.monotonic() - self.begun, staged.cpu_per_gib * SIZE / GIB + cpu

    def fetched(self):
        with self.image() as image_id:
            return self.timed(image_id, 'web-download', STORES[:1], uri=self.web)

    def copied(self):
        with self.image() as image_id:
            self.stage(image_id)
            self.timed(image_id, 'glance-direct', STORES[:1])
            if not eventually(lambda: not self.client.show(image_id).get('os_glance_import_task'), 20):
                raise Failed('it stays locked')
            return self.timed(image_id, 'copy-image', STORES[1:])

    def small(self):
        """Seconds and CPU seconds of many at once, from the first request to the last active image."""
        ids = [self.client.create(name='bench-small')['id'] for _ in range(SMALL)]
        body = os.urandom(SMALL_SIZE)
        try:
            for image_id in ids:
                answer = self.client.put('/v2/images/%s/stage' % image_id, body, headers={'Content-Type': 'application/octet-stream'})
                if answer.status != 204:
                    raise Failed(repr(answer))
            return self.timed_many(ids)
        finally:
            for image_id in ids:
                self.client.delete('/v2/images/' + image_id)

    def timed_many(self, ids):
        before, begin, failed = self.target.cpu(), time.monotonic(), []

        def some(mine):
            try:
                for image_id in mine:
                    self.ask(image_id, 'glance-direct', STORES[:1])
            except (OSError, Failed) as e:
                failed.append(e)
        threads = [threading.Thread(target=some, args=(ids[n::AT_ONCE],)) for n in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        end = begin
        for image_id in ids:
            try:
                end = self.wait(image_id, STORES[:1], begin)
            except Failed as e:
                failed.append(e)
        if failed:
            print('   %s lost %d of %d, the first: %s' % (self.target.name, len(failed), len(ids), str(failed[0])[:300]), flush=True)
        return end - begin, self.target.cpu() - before


def hashing_file(path):
    """CPU seconds of an image's two hashes of a file in the page cache."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for name in '-md5', '-sha512':
        subprocess.run(['openssl', 'dgst', name, path], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def figures(servers, measure):
    """{name: [figure, …]}; a server that fails is told and left out."""
    found = {}
    for _ in range(ROUNDS):
        for s in servers:
            try:
                figure = measure(s)
                print('   %s: %s' % (s.target.name, ' '.join(number(m) for m in figure)), flush=True)
                found.setdefault(s.target.name, []).append(figure)
            except Failed as e:
                print('   %s: %s' % (s.target.name, str(e)[:300]), flush=True)
    return found


def compare(what, found, size_gib, targets=(None, None)):
    """Rows of seconds from the request to the end and of CPU seconds (a GiB, when there are so many)."""
    ours, theirs = found.get('Glint', []), found.get('Glance', [])
    if not ours:
        return
    row(what + ', to its end', 's', [m[0] for m in ours], 'Glance', [m[0] for m in theirs] or None, targets[0])
    each, unit = (size_gib, 's/GiB') if size_gib else (SMALL / 1000, 'ms each')
    row(what + ', CPU', unit, [m[1] / each for m in ours], 'Glance', [m[1] / each for m in theirs] or None, targets[1])


def rates(found):
    return {name: [SIZE / m[0] / 1e6 for m in values] for name, values in found.items()}


def run(work, nginx):
    """nginx: the Target that serves <work>/nginx/www; what is fetched is put there."""
    with open(os.path.join(work, 'nginx', 'www', 'image'), 'wb') as f:
        block = os.urandom(1 << 20)
        for n in range(SIZE >> 20):
            f.write(n.to_bytes(8, 'little') + block[8:])
    os.chmod(f.name, 0o644)
    server, ours = start_ours(work)
    glance = given_glance('GLANCE_IMPORTS_URL')
    web = 'http://127.0.0.1:%d/image' % nginx.port
    servers = [Imports(t, work, web) for t in [ours] + ([glance] if glance else [])]
    gib = SIZE / GIB
    try:
        found = figures(servers, lambda s: s.direct(STORES[:1]))
        if found.get('Glint'):
            row('glance-direct of %d MiB, from the 202 to active' % (SIZE >> 20), 's', [m[2] for m in found['Glint']], '', None, 0.5)
        compare('import of staged data', found, gib)
        compare('stage and import', {name: [(m[0], m[3]) for m in values] for name, values in found.items()}, gib)
        found = figures(servers, Imports.fetched)
        compare('web-download', found, gib)
        rate = rates(found)
        if found.get('Glint'):
            row('web-download, rate', 'MB/s', rate['Glint'], 'Glance', rate.get('Glance'), 3 if rate.get('Glance') else None, 'high')
            cpu = [m[1] / gib for m in found['Glint']]
            row('web-download, CPU beside hashing the file', 's/GiB', cpu, 'openssl dgst', [hashing_file(f.name) / gib for _ in range(ROUNDS)], 1.2)
            row('web-download, CPU beside hashing 64 KiB again and again', 's/GiB', cpu, 'openssl speed', [hashing() for _ in range(ROUNDS)], 1.2)
        compare('import of staged data to three stores', figures(servers, lambda s: s.direct(STORES)), gib)
        compare('copy to two more stores', figures(servers, Imports.copied), gib)
        compare('%d imports of %d KiB at once' % (SMALL, SMALL_SIZE >> 10), figures(servers, Imports.small), None)
    finally:
        server.stop()
