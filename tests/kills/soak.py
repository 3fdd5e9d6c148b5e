#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""soak.py [--minutes N] [--seed S] [--clients N] [--size MIB] [--rest SECONDS]   clients that create, upload, stage, import,
download, change, share, list and delete images without a pause, while the service is killed, stopped, reloaded, put to
sleep and its disk is filled.

Each client remembers what the service acknowledged and checks it whenever it asks: an acknowledged image has its bytes, a
deleted one is gone, a list has each image once, and no answer is 5xx but 503. At intervals everything stops, must come to
rest (no job, lease, trash or file that nobody owns), and every acknowledged image is downloaded and compared. Ends with
"N passed, N failed": one for each round, plus what the clients saw. As root the service lives on a file system of its own
of --size MiB that is filled; otherwise nothing is filled. The program: GLINT."""
import argparse
import collections
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

os.chdir(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.getcwd())
import world  # noqa: E402
from world import LOST, STORES, Wrong, glint, need  # noqa: E402

SIZES = (0, 1, 4096, 65536, 65537, 300_000, 1 << 20, 3 << 20)
ROUND_SECONDS = 60
KEPT = 12           # images a client keeps before it deletes one
# While the disk is full Glance answers 413 to data, and 503 is any other want of something.
REFUSALS = (413, 503)


class Unclear(Exception):
    """There was no answer, or a refusal for want of something: the state has to be asked for."""


class Client(threading.Thread):
    """One project's user, who knows what was acknowledged."""

    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak, self.draw = soak, random.Random(soak.seed * 1000 + number)
        self.who = 'client %d' % number
        glint.WHO[self.who] = glint.identity('project-%d' % number, 'member,reader', 'user-%d' % number)
        self.images = {}        # id: {'data': bytes or None, 'name': str or None when unclear}
        self.gone = collections.deque(maxlen=50)

    def ask(self, method, path, **kw):
        try:
            answer = glint.Client(self.soak.world.host, self.soak.world.port, self.who, timeout=60).request(method, path, **kw)
        except LOST as e:
            self.soak.count['no answer'] += 1
            raise Unclear(e) from e
        self.soak.count['%s %d' % (method, answer.status)] += 1
        if answer.status in REFUSALS:
            raise Unclear(answer)
        need(answer.status < 500, method, path, 'gave', answer, answer.body[:300])
        return answer

    def run(self):
        steps = (self.upload, self.upload, self.stage, self.download, self.download, self.change, self.show, self.list, self.delete, self.show_gone)
        while not self.soak.ending.is_set():
            if not self.soak.running.wait(0.2):
                continue
            with self.soak.working:
                try:
                    self.draw.choice(steps)()
                except Unclear:
                    time.sleep(0.05)
                except Wrong as e:
                    self.soak.wrong(self, e)

    # ---- steps

    def data(self):
        return self.draw.randbytes(self.draw.choice(SIZES))

    def new(self):
        if len(self.images) >= KEPT:
            self.delete()
        name = 'name %d' % self.draw.randrange(1 << 30)
        image = self.ask('POST', '/v2/images', json={'name': name, 'disk_format': 'raw', 'container_format': 'bare', 'tags': ['a', 'b']}).json
        self.images[image['id']] = {'data': None, 'name': name}
        return image['id']

    def upload(self):
        image, data = self.new(), self.data()
        body = {'chunks': [data[i:i + 70_000] for i in range(0, len(data), 70_000)]} if self.draw.random() < 0.5 else {'body': data}
        try:
            answer = self.ask('PUT', '/v2/images/%s/file' % image, headers={'Content-Type': 'application/octet-stream'}, **body)
        except Unclear:
            self.images[image]['tried'] = data
            raise
        need(answer.status == 204, 'an upload gave', answer)
        self.images[image]['data'] = data

    def stage(self):
        image, data = self.new(), self.data()
        self.images[image]['tried'] = data
        answer = self.ask('PUT', '/v2/images/%s/stage' % image, headers={'Content-Type': 'application/octet-stream'}, body=data)
        need(answer.status == 204, 'staging gave', answer)
        stores = self.draw.sample(STORES, self.draw.randrange(1, 4))
        answer = self.ask('POST', '/v2/images/%s/import' % image, json={'method': {'name': 'glance-direct'}, 'stores': stores})
        need(answer.status == 202, 'an import gave', answer)
        self.images[image]['importing'] = True

    def pick(self):
        return self.draw.choice(list(self.images)) if self.images else None

    def download(self):
        image = self.pick()
        if not image or self.images[image]['data'] is None:
            return
        answer = self.ask('GET', '/v2/images/%s/file' % image)
        data = self.images[image]['data']
        need(answer.status == (200 if data else 204) or (not data and answer.status == 200), 'a download of', image, 'gave', answer)
        need(answer.body == data, 'other bytes of', image, len(answer.body), 'and not', len(data))

    def change(self):
        image = self.pick()
        if not image:
            return
        name = 'other %d' % self.draw.randrange(1 << 30)
        known, self.images[image]['name'] = self.images[image]['name'], None
        try:
            answer = self.ask('PATCH', '/v2/images/' + image, headers={'Content-Type': glint.PATCH_21},
                              body=b'[{"op": "replace", "path": "/name", "value": "%s"}]' % name.encode())
        except Unclear as e:
            # An answer says that nothing was changed; no answer says nothing.
            if e.__cause__ is None:
                self.images[image]['name'] = known
            raise
        need(answer.status == 200, 'a change of', image, 'gave', answer)
        self.images[image]['name'] = name

    def show(self):
        image = self.pick()
        if image:
            self.check_shown(image, self.ask('GET', '/v2/images/' + image))

    def check_shown(self, image, answer):
        known = self.images[image]
        need(answer.status == 200, 'image', image, 'gave', answer)
        need(known['name'] in (None, answer.json['name']), 'the name of', image, 'is', answer.json['name'], 'and not', known['name'])
        if known['data'] is not None:
            need(answer.json['status'] == 'active', image, 'is', answer.json['status'])
            need(answer.json['os_hash_value'] == hashlib.sha512(known['data']).hexdigest(), 'the hash of', image)

    def list(self):
        before, seen, path = set(self.images), [], '/v2/images?limit=%d&visibility=shared' % self.draw.randrange(1, 9)
        while path:
            answer = self.ask('GET', path)
            need(answer.status == 200, path, 'gave', answer)
            seen += [image['id'] for image in answer.json['images']]
            path = answer.json.get('next')
        need(len(seen) == len(set(seen)), 'a list has an image twice')
        need(before <= set(seen), 'a list lacks', before - set(seen))
        need(not set(self.gone) & set(seen), 'a list has a deleted image', set(self.gone) & set(seen))

    def delete(self):
        image = self.pick()
        if not image:
            return
        known = self.images.pop(image)
        try:
            answer = self.ask('DELETE', '/v2/images/' + image)
        except Unclear as e:
            if e.__cause__ is None:
                self.images[image] = known
            raise
        # An image whose import is under way may be in use.
        if answer.status == 409 and 'importing' in known:
            self.images[image] = known
            return
        need(answer.status == 204, 'a delete of', image, 'gave', answer)
        self.gone.append(image)

    def show_gone(self):
        if self.gone:
            image = self.draw.choice(self.gone)
            answer = self.ask('GET', '/v2/images/%s%s' % (image, self.draw.choice(('', '/file'))))
            need(answer.status == 404, 'a deleted image', image, 'gave', answer)

    # ---- at rest

    def settle(self):
        """Asks for the state of each image whose last step was unclear, and compares all."""
        for image, known in list(self.images.items()):
            answer = self.soak.world.insist(lambda c, i=image: c.get('/v2/images/' + i), self.who)
            need(answer.status == 200, 'image', image, 'gave', answer)
            tried = known.pop('tried', None)
            imported = known.pop('importing', False)
            if tried is not None and known['data'] is None and answer.json['status'] == 'active':
                known['data'] = tried
            if imported:
                need(answer.json['status'] in ('active', 'queued', 'uploading'), 'an imported image is', answer.json['status'])
            known['name'] = answer.json['name'] if known['name'] is None else known['name']
            self.check_shown(image, answer)
            if known['data'] is not None:
                answer = self.soak.world.insist(lambda c, i=image: c.download(i), self.who)
                need(answer.body == known['data'], 'the bytes of', image, 'are', len(answer.body), 'with', answer.status)


class Soak:
    def __init__(self, directory, seed, clients, room, rest):
        self.seed, self.draw, self.room = seed, random.Random(seed), room
        self.running, self.ending = threading.Event(), threading.Event()
        self.count, self.faults, self.lock = collections.Counter(), [], threading.Lock()
        self.working = threading.Semaphore(clients)
        world.REST_SECONDS = rest
        self.world = world.World(directory)
        self.clients = [Client(self, n) for n in range(clients)]

    def wrong(self, client, why):
        with self.lock:
            self.faults.append(str(why))
        print('  WRONG %s %s: %s' % (time.strftime('%H:%M:%S'), client.name, why), flush=True)

    # ---- accidents

    def kill(self):
        self.world.shoot(self.draw.choice(('server', 'worker', 'both')))

    def terminate(self):
        """An ordinary stop; the next one is started at once."""
        with self.world.lock:
            name = self.draw.choice(('process', 'worker'))
            child = getattr(self.world, name)
            if child is None or child.poll() is not None:
                return
            child.terminate()
            try:
                status = child.wait(90)
            except subprocess.TimeoutExpired:
                child.kill()
                raise Wrong('SIGTERM did not end it in 90 s') from None
            setattr(self.world, name, None)
            self.world.start(wait=False)
        need(status in (0, -signal.SIGKILL), 'SIGTERM ended it with', status)

    def reload(self):
        with self.world.lock:
            for child in (self.world.process, self.world.worker):
                if child is not None:
                    child.send_signal(signal.SIGHUP)

    def sleep(self):
        with self.world.lock:
            child = self.draw.choice((self.world.process, self.world.worker))
        if child is not None:
            child.send_signal(signal.SIGSTOP)
            time.sleep(self.draw.uniform(0.1, 3))
            child.send_signal(signal.SIGCONT)

    def fill(self):
        """Leaves the file system without a free block for some seconds."""
        filler = os.path.join(self.world.directory, 'filler')
        end = time.monotonic() + self.draw.uniform(1, 5)
        with open(filler, 'wb', buffering=0) as f:
            while time.monotonic() < end:
                try:
                    f.write(bytes(1 << 20))
                except OSError:
                    try:
                        f.write(bytes(4096))
                    except OSError:
                        time.sleep(0.02)
        os.unlink(filler)

    def accidents(self, seconds):
        kinds = [self.kill, self.kill, self.terminate, self.reload, self.sleep] + [self.fill, self.fill] * self.room
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.draw.uniform(0.2, 4))
            kind = self.draw.choice(kinds)
            self.count['accident ' + kind.__name__] += 1
            kind()

    # ---- rounds

    def round(self, seconds):
        self.running.set()
        try:
            self.accidents(seconds)
        finally:
            self.running.clear()
        for _ in self.clients:
            need(self.working.acquire(timeout=120), 'a client waits for more than two minutes')
        try:
            self.world.rest()
            for client in self.clients:
                client.settle()
            need(not self.world.deaths, 'processes ended:', dict(self.world.deaths))
            done = self.world.tool('doctor', check=False)
            need(done.returncode == 0, 'doctor says', done.stdout[-2000:])
            need(self.world.sql('PRAGMA integrity_check') == [('ok',)], 'the database is damaged')
        finally:
            for _ in self.clients:
                self.working.release()


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('--minutes', type=float, default=10)
    ap.add_argument('--seed', type=int, default=int(time.time()) % 1_000_000)
    ap.add_argument('--clients', type=int, default=12)
    ap.add_argument('--size', type=int, default=400)
    ap.add_argument('--rest', type=float, default=90)
    ap.add_argument('--keep', action='store_true')
    ap.add_argument('--hold', action='store_true', help='wait for a key after a fault')
    a = ap.parse_args()
    directory, room = tempfile.mkdtemp(prefix='glint-soak-'), False
    if os.geteuid() == 0:
        room = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=%dm,mode=755' % a.size, 'glint-soak', directory]).returncode == 0
    print('seed %d, %d clients, %s' % (a.seed, a.clients, 'a disk of %d MiB' % a.size if room else 'no disk to fill'), flush=True)
    soak = Soak(directory, a.seed, a.clients, room, a.rest)
    for client in soak.clients:
        client.start()
    passed, end = 0, time.monotonic() + a.minutes * 60
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            soak.round(min(ROUND_SECONDS, max(end - time.monotonic(), 5)))
            passed += 1
            print('round %d: %.0f s, %d images' % (passed, time.monotonic() - began, sum(len(c.images) for c in soak.clients)), flush=True)
        except Wrong as e:
            soak.faults.append(str(e))
            print('  WRONG %s: %s' % (time.strftime('%H:%M:%S'), e), flush=True)
            print('  jobs: %r' % soak.world.sql("SELECT * FROM glint_jobs WHERE state IN ('waiting', 'running')"), flush=True)
            if a.hold:
                input('held, %s: enter goes on' % directory)
    soak.ending.set()
    for client in soak.clients:
        client.join()
    said = soak.world.close()
    if said:
        soak.faults.append(said)
        print('  WRONG at the end: ' + said)
    print(', '.join('%s: %d' % pair for pair in sorted(soak.count.items())))
    if a.keep or soak.faults:
        kept = tempfile.mkdtemp(prefix='glint-soak-log-')
        shutil.copy(soak.world.errors, kept)
        print('the log: ' + kept)
    if room:
        subprocess.run(['umount', '-l', directory])
    if not a.keep:
        shutil.rmtree(directory, ignore_errors=True)
    print('%d passed, %d failed' % (passed, len(soak.faults)))
    return 1 if soak.faults else 0


if __name__ == '__main__':
    sys.exit(main())
