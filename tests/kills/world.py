# SPDX-License-Identifier: Apache-2.0
"""The service under attack: `glint serve` and `glint worker` of a build with points, what kills and revives them, and what
must hold whenever it is at rest."""
import collections
import contextlib
import hashlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'e2e'))
import database  # noqa: E402
import glint  # noqa: E402

STORES = ('one', 'two', 'three')
LOST = (OSError, http.client.HTTPException, ValueError)     # no answer, or not a whole one
REST_SECONDS = 40


class Wrong(Exception):
    """Something that must hold does not."""


def need(condition, *why):
    if not condition:
        raise Wrong(' '.join(str(w) for w in why))


def all_points(program):
    """The names of all points of a program, from its section glint_points."""
    done = subprocess.run(['objcopy', '-O', 'binary', '--only-section=glint_points', program, '/dev/stdout'], capture_output=True)
    return sorted({name.decode() for name in done.stdout.split(b'\0') if name})


def sha512(path):
    return glint.file_digests(path)[1]


def group_of(child):
    try:
        return os.getpgid(child.pid)
    except ProcessLookupError:
        return 0


class World(glint.Server):
    """Server and worker are siblings of one process group here, so that each can die alone or both at once."""

    def __init__(self, directory, plugins='no_op', parallel=1, single=False, more=None):
        """single: one store, as services without enabled_backends have it."""
        self.directory = str(directory)
        self.control = os.path.join(self.directory, 'points')
        self.staging = os.path.join(self.directory, 'staging')
        self.worker, self.reviving, self.lock, self.deaths = None, False, threading.RLock(), collections.Counter()
        os.makedirs(self.directory, exist_ok=True)
        for name in (self.control, self.control + '.hits'):
            open(name, 'w').close()
        config = {
            'DEFAULT': {'enabled_backends': ','.join(name + ':file' for name in STORES) + ',web:http', 'show_multiple_locations': 'true',
                        'enabled_import_methods': '[glance-direct,web-download,copy-image,glance-download]', 'http_retries': 3},
            'glint': {'supervise_worker': 'false', 'reap_interval': 1},
            'glance_store': {'default_backend': 'one', 'stores': None, 'default_store': None, 'filesystem_store_datadir': None},
            'import_filtering_opts': {'allowed_schemes': '[http]', 'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]', 'disallowed_ports': '[]'},
            'image_import_opts': {'image_import_plugins': '[%s]' % plugins, 'max_parallel_stores': parallel},
            'web': {},
            'os_glance_staging_store': {'filesystem_store_datadir': self.staging},
            'os_glance_tasks_store': {'filesystem_store_datadir': os.path.join(self.directory, 'tasks')},
            **{name: {'filesystem_store_datadir': os.path.join(self.directory, name)} for name in STORES}}
        if single:
            config['DEFAULT'].update({'enabled_backends': None, 'node_staging_uri': 'file://' + self.staging})
            config['glance_store'] = {'default_store': 'file', 'stores': 'file,http', 'filesystem_store_datadir': os.path.join(self.directory, 'one')}
        for section, options in (more or {}).items():
            config.setdefault(section, {}).update(options)
        super().__init__(directory, trusted=True, config=config, env={'GLINT_POINTS': self.control})
        self.reviving = True
        self.nurse = threading.Thread(target=self.revive_for_ever, daemon=True)
        self.nurse.start()

    # ---- processes

    def launch(self, command, group):
        with open(self.errors, 'ab') as log:
            return subprocess.Popen([self.program, command, '--config-file', self.conf], env=self.environment(), stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, process_group=group)

    def start(self, wait=True):
        """Whichever of the two does not run."""
        with self.lock:
            for name, command, other in (('process', 'serve', 'worker'), ('worker', 'worker', 'process')):
                if getattr(self, name) is None:
                    living = getattr(self, other)
                    setattr(self, name, self.launch(command, group_of(living) if living else 0))
        if wait:
            self.wait_ready()

    def bury(self):
        """Notes who has died; True when somebody has."""
        found = False
        with self.lock:
            for name in ('process', 'worker'):
                child = getattr(self, name)
                if child is not None and child.poll() is not None:
                    if child.returncode != -signal.SIGKILL:
                        self.deaths['%s ended with %d' % (name, child.returncode)] += 1
                    setattr(self, name, None)
                    found = True
        return found

    def revive_for_ever(self):
        while self.reviving:
            time.sleep(0.01)
            if self.bury():
                time.sleep(0.02)    # the other one of a group dies at the same time
                self.bury()
                with contextlib.suppress(ProcessLookupError):
                    self.start(wait=False)

    def shoot(self, who):
        """kill -9 of 'server', 'worker' or 'both', from outside."""
        with self.lock:
            for name in {'server': ('process',), 'worker': ('worker',), 'both': ('process', 'worker')}[who]:
                child = getattr(self, name)
                if child is not None:
                    child.kill()

    # ---- one that sleeps while another does its work

    def sleeper(self):
        """Which of the two a point has stopped; None."""
        with self.lock:
            for child in (self.process, self.worker):
                if child is not None:
                    with contextlib.suppress(OSError):
                        with open('/proc/%d/stat' % child.pid) as f:
                            if f.read().rsplit(')', 1)[1].split()[0] == 'T':
                                return child
        return None

    def wake(self):
        while self.sleeper():
            self.sleeper().send_signal(signal.SIGCONT)
            time.sleep(0.05)

    def overtake(self, child):
        """Who sleeps counts as dead, others do his work, and he wakes up and goes on."""
        try:
            with self.db.connect(timeout=1) as connection:
                for table in ('glint_jobs', 'glint_leases'):
                    connection.execute("UPDATE %s SET holder = replace(holder, ?, ':999999999:')" % table, ':%d:' % child.pid)
        except database.Busy:   # another of its threads sleeps in a transaction, and nobody can write
            child.send_signal(signal.SIGCONT)
            return
        others = [self.launch('worker', group_of(child))] if child is self.worker else []
        at_work = "SELECT (SELECT COUNT(*) FROM glint_leases) + (SELECT COUNT(*) FROM glint_jobs WHERE state IN ('waiting', 'running'))"

        def idle():
            if others and others[-1].poll() is not None:    # a second shot
                others.append(self.launch('worker', group_of(child)))
            return self.sql(at_work) == [(0,)]
        done = glint.eventually(idle, 20)
        child.send_signal(signal.SIGCONT)
        time.sleep(0.3 if others else 0)
        for other in others:
            other.terminate()
            need(other.wait(30 * glint.SLOW) in (0, -signal.SIGKILL), 'the other worker ended with', other.returncode)
        need(done, 'nobody does the work of one who sleeps')

    def close(self):
        """Ends everything; returns what was wrong with the run, or ''."""
        self.reviving = False
        self.nurse.join()
        for child in (self.worker, self.process):
            if child is not None:
                child.send_signal(signal.SIGCONT)
                child.terminate()
        for child in (self.worker, self.process):
            if child is not None:
                try:
                    child.wait(30 * glint.SLOW)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
                    self.deaths['did not stop'] += 1
        self.worker = self.process = None
        said = self.log()
        return '; '.join(self.deaths) + (said[-4000:] if any(report in said for report in glint.REPORTS) else '')

    # ---- points

    def arm(self, shots):
        """shots: [(point, count, action)], one after the other."""
        with open(self.control + '.new', 'w') as f:
            f.write(''.join('%s %d %s\n' % shot for shot in shots))
        os.replace(self.control + '.new', self.control)

    def armed(self):
        """How many shots have not been fired."""
        with open(self.control) as f:
            return len(f.read().splitlines())

    def hits(self):
        with open(self.control + '.hits') as f:
            return collections.Counter(f.read().split())

    # ---- asking, by a client that does not give up

    def insist(self, ask, who='member', tries=400):
        """ask(client)'s answer; asked again as long as there is none, or 503."""
        for _ in range(tries):
            with contextlib.suppress(*LOST):
                answer = ask(self.client(who, timeout=20))
                if answer.status != 503:
                    return answer
            time.sleep(0.05)
        raise Wrong('the service does not come back: ' + self.log()[-1500:])

    def image(self, image_id):
        answer = self.insist(lambda c: c.get('/v2/images/' + image_id), 'admin')
        return answer.json if answer.status == 200 else None

    def create(self, **fields):
        document = {'disk_format': 'raw', 'container_format': 'bare', **fields}
        answer = self.insist(lambda c: c.post('/v2/images', json=document))
        need(answer.status == 201, 'create', answer)
        return answer.json['id']

    # ---- at rest

    UNDER_WAY = (('a lock', "SELECT image_id, value FROM image_properties WHERE name = 'os_glance_import_task' AND NOT deleted"),
                 ('a job', "SELECT id, kind, state, step, attempt, message FROM glint_jobs WHERE state IN ('waiting', 'running')"),
                 ('an upload lease', 'SELECT image_id, holder FROM glint_leases'),
                 ('trash', 'SELECT store, url, attempts FROM glint_trash'),
                 ('a saving image', "SELECT id, status FROM images WHERE status IN ('saving', 'importing') AND NOT deleted"),
                 ('a note of a job', "SELECT * FROM glint_job_notes WHERE name NOT IN ('place', 'owner', 'stores', 'method')"),
                 ('a task at work', "SELECT id, status FROM tasks WHERE status IN ('pending', 'processing') AND NOT deleted"))

    def files(self):
        """Every file below the stores and the staging directory, relative to the world's directory."""
        found = set()
        for name in STORES + ('staging', 'tasks'):
            for folder, _, names in os.walk(os.path.join(self.directory, name)):
                found.update(os.path.relpath(os.path.join(folder, n), self.directory) for n in names)
        return found

    def owned(self):
        """The files that rows own: objects of live images, staged files of images that are uploading."""
        prefix = 'file://%s/' % self.directory
        urls = self.sql('SELECT value FROM image_locations l JOIN images i ON i.id = l.image_id WHERE NOT l.deleted AND NOT i.deleted')
        staged = self.sql("SELECT id FROM images WHERE status = 'uploading' AND NOT deleted")
        return {url[len(prefix):] for url, in urls if url.startswith(prefix)} | {'staging/' + id for id, in staged}

    def unrest(self):
        """What is still under way or lies where it should not; '' at rest."""
        for what, query in self.UNDER_WAY:
            rows = self.sql(query)
            if rows:
                return '%s remains: %r' % (what, rows[:3])
        files, owned = self.files(), self.owned()
        if files - owned:
            return 'nobody owns %r' % sorted(files - owned)[:4]
        if owned - files:
            return 'missing: %r' % sorted(owned - files)[:4]
        known = {id for id, in self.sql('SELECT image_id FROM glint_staged')} - {os.path.basename(f) for f in files if f.startswith('staging/')}
        return 'facts of a staged file that is not there: %r' % sorted(known) if known else ''

    def rest(self):
        """Waits until nothing is under way and nothing lies about."""
        end, last = time.monotonic() + REST_SECONDS * glint.SLOW, 'nothing was asked'
        while time.monotonic() < end:
            last = self.unrest()
            if not last:
                return
            time.sleep(0.05)
        raise Wrong('no rest: ' + last)

    def path_in(self, store, image_id):
        return os.path.join(self.directory, store, image_id)

    def verify(self, image_id, data, stores, failed=''):
        """The image is active with these bytes in each of the stores, and in no other. failed: the stores that it says did not
        get theirs; None: whichever."""
        image = self.image(image_id)
        need(image and image['status'] == 'active', 'the image is', image and image['status'])
        md5, digest = glint.digests(data)
        need((image['size'], image['checksum'], image['os_hash_value']) == (len(data), md5, digest), 'facts of the data:', image)
        urls = [url for url, in self.sql('SELECT value FROM image_locations WHERE image_id = ? AND NOT deleted', image_id)]
        paths = sorted(re.sub('^file://', '', url) for url in urls)
        need(paths == sorted(self.path_in(store, image_id) for store in stores), 'its copies are', paths, 'and not in', stores)
        for path in paths:
            need(sha512(path) == digest, 'other bytes in', path)
        need(image.get('os_glance_importing_to_stores', '') == '', 'it says that it is being imported:', image)
        need(failed is None or image.get('os_glance_failed_import', '') == failed, 'it says of its failures:', image)
        answer = self.insist(lambda c: c.download(image_id), 'admin')
        need(hashlib.sha512(answer.body).hexdigest() == digest, 'the download is', answer)

    def task_of(self, image_id):
        """(status, message) of its last task, or None."""
        rows = self.sql('SELECT t.status, i.message FROM tasks t LEFT JOIN task_info i ON i.task_id = t.id WHERE t.image_id = ? '
                        'ORDER BY t.rowid DESC LIMIT 1', image_id)
        return rows[0] if rows else None

    def need_task(self, image_id, status):
        found = self.task_of(image_id)
        need(found and found[0] == status, 'its last task is', found, 'and not', status)
