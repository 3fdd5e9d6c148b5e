# SPDX-License-Identifier: Apache-2.0
"""Hosting the service inside another program: its configuration, the worker beside it, and that program's process."""
import contextlib
import os
import re
import shutil
import signal
import subprocess

import fronts
import glint

BUILT = os.path.join(fronts.BUILD, 'src', 'embed')
PLUGIN = os.path.join(BUILT, 'uwsgi', 'glint_plugin.so')


def find(program):
    return shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def sanitizers(env):
    """What a program that was built without them needs in order to load ours that was built with them."""
    if not glint.SANITIZED or not os.path.exists(PLUGIN):
        return {}
    linked = subprocess.run(['ldd', PLUGIN], capture_output=True, text=True).stdout
    libraries = [line.split()[2] for line in linked.splitlines() if re.search(r'lib[at]san|libubsan', line)]
    if not libraries:   # clang leaves them to the program
        found = subprocess.run(['clang', '-print-file-name=libclang_rt.asan-x86_64.so'], capture_output=True, text=True).stdout.strip()
        libraries = [found] if os.path.exists(found) else []
    leaks = env.get('ASAN_OPTIONS', '').replace('detect_leaks=1', 'detect_leaks=0')   # those of the program are not ours to judge
    return {'LD_PRELOAD': ' '.join(libraries), 'ASAN_OPTIONS': leaks + ':quarantine_size_mb=16'}


class Background(glint.Server):
    """Configuration, database and store of a user, with `glint worker` and nothing that serves."""

    def __init__(self, directory, user=None, **kw):
        self.user = user
        super().__init__(directory, **kw)

    def start(self, wait=True):
        if self.user:
            subprocess.run(['chown', '-R', self.user, self.directory], check=True)
        with open(self.errors, 'ab') as log:
            self.process = subprocess.Popen([self.program, 'worker', '--config-file', self.conf], env=self.environment(),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, user=self.user)


class Hosted(fronts.Front):
    """A program in the foreground that hosts the service. A subclass names its command and what it needs."""
    needs = ()
    config = {}
    user = None             # whom the program runs as, when it is not ours

    @classmethod
    def missing(cls):
        for need in cls.needs:
            if '/' in need and not os.path.exists(need):
                return need + ' is not there'
            if '/' not in need and not find(need):
                return need + ' is not installed'
        return None

    def command(self):
        """The program and its arguments; writes its configuration."""
        raise NotImplementedError

    def environment(self):
        return {**self.background.environment(), **sanitizers(self.background.environment())}

    def start(self):
        os.makedirs(self.directory, exist_ok=True)
        self.log = os.path.join(self.directory, 'server.log')
        config = fronts.with_imports(self.config, self.directory)
        if glint.SANITIZED:     # a worker that the web server starts would meet the runtime that the web server was given
            config['glint']['supervise_worker'] = 'false'
        self.background = Background(self.directory, self.user, trusted=True, config=config)
        self.launch()

    def launch(self):
        with open(self.log, 'ab') as log:
            self.process = subprocess.Popen(self.command(), env=self.environment(), cwd=self.directory, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)

    def end(self, sig=signal.SIGTERM):
        """Stops the program; what it leaves behind is killed."""
        pids = glint.Process(self.process.pid).tree()
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(sig)
        try:
            self.process.wait(30 * self.slow)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self):
        if hasattr(self, 'process'):
            self.end()
        if hasattr(self, 'background'):
            self.background.stop()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """Every process that serves, at once; the worker beside them lives."""
        pids = glint.Process(self.process.pid).tree()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for pid in pids[1:]:
            glint.eventually(lambda: not os.path.exists('/proc/%d' % pid), 5, 0.01)

    def kill_worker(self):
        """What keeps it alive is somebody else: systemd, uWSGI; here it is us."""
        self.background.process.kill()
        self.background.process.wait()
        self.background.start()

    def revive(self):
        self.launch()
        self.wait_ready()

    def pids(self):
        return [self.process.pid]

    def logs(self):
        text = self.background.log() if hasattr(self, 'background') else ''
        with contextlib.suppress(OSError, AttributeError):
            with open(self.log, errors='replace') as f:
                text += f.read()
        return text
