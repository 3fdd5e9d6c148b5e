# SPDX-License-Identifier: Apache-2.0
"""Fronts: each a way to host the service, started on its own ports and directory."""
import contextlib
import os
import re
import signal
import sys
import time

import wire
import wire_h2

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, 'tests', 'e2e'))
import glint  # noqa: E402

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(glint.GLINT))))  # modules and plugins are below it
MEMBER = {'X-Identity-Status': 'Confirmed', 'X-User-Id': 'user-1', 'X-Project-Id': 'project-1', 'X-Roles': 'member,reader'}
FRONTS = {}


def front(cls):
    FRONTS[cls.name] = cls
    return cls


def with_imports(config, directory):
    """The configuration of a front, by which images can be staged and be fetched from this machine."""
    sections = {name: dict(options) for name, options in config.items()}
    sections.setdefault('DEFAULT', {})['node_staging_uri'] = 'file://%s/staging' % directory
    sections.setdefault('glint', {}).setdefault('worker_program', glint.GLINT)
    sections['import_filtering_opts'] = {'allowed_hosts': '[127.0.0.1]', 'allowed_ports': '[]'}
    return sections


def command_of(pid):
    with contextlib.suppress(OSError):
        with open('/proc/%d/comm' % pid) as f:
            return f.read().strip()
    return None


class Front:
    """One way to host the service. A subclass starts its processes in start() and says what it cannot do."""
    name = None
    prefix = ''             # where the service is mounted
    tls = None              # (certificate, key) where clients come by TLS
    http2 = False           # and speak HTTP/2
    debian_modules = False  # Apache httpd has the modules that Debian enables
    keeps_uploads = True    # an upload survives a reload
    growth = 16 << 20       # of a process's memory over a hundred requests, that is no leak
    needs_length = False    # it hides bodies without a length: 411
    drops_large_headers = False
    at_root = True          # it can be mounted there
    bare_204 = False        # the web server takes Content-Type and Content-Length off a 204
    refuses = ()            # odd paths that the server refuses by itself
    own = {}                # glob of recorded cases -> what the server makes of them before the service sees them
    cannot = {}             # check's title -> why this pattern cannot do it; docs/httpd.md has the same list
    big = int(os.environ.get('MATRIX_BIG_MIB', '1024')) << 20
    slow = glint.SLOW

    def __init__(self, directory):
        self.directory = directory
        self.host, self.port = '127.0.0.1', glint.free_port()
        self.identity = dict(MEMBER)
        self.client = self.new_client()

    @property
    def scheme(self):
        return 'https' if self.tls else 'http'

    def new_client(self, **kw):
        return (wire_h2 if self.http2 else wire).Client(self, **kw)

    # ---- what a subclass gives

    @classmethod
    def missing(cls):
        """What has to be installed or built first; None when all is there."""
        return None

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError

    def reload(self):
        """As an operator reloads it, with requests running."""
        raise NotImplementedError

    def kill(self):
        """kill -9 of what serves."""
        raise NotImplementedError

    def revive(self):
        """After kill(): whatever brings it back, then wait_ready()."""
        self.wait_ready()

    def pids(self):
        """Of every process that takes part, children not counted."""
        raise NotImplementedError

    def kill_worker(self):
        """kill -9 of `glint worker`; whoever keeps it alive starts it again."""
        found = [pid for top in self.pids() for pid in glint.Process(top).tree() if command_of(pid) == 'glint-worker']
        if not found:
            raise AssertionError('there is no worker to kill')
        for pid in found:
            os.kill(pid, signal.SIGKILL)

    def logs(self):
        """What the processes have said."""
        raise NotImplementedError

    # ---- what checks ask

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds * self.slow
        while True:
            with contextlib.suppress(OSError, wire.Broken):
                if self.new_client(timeout=5).call('GET', '/versions').status == 200:
                    return
            if time.monotonic() > end:
                raise AssertionError('%s does not answer:\n%s' % (self.name, self.logs()[-3000:]))
            time.sleep(0.1)

    def need_alive(self):
        answer = self.client.call('GET', '/v2/images?limit=1')
        if answer.status != 200:
            raise AssertionError('afterwards: %r' % answer)

    def memory(self):
        """Anonymous memory in bytes of each process."""
        sizes = {}
        for top in self.pids():
            for pid in glint.Process(top).tree():
                with contextlib.suppress(OSError):
                    with open('/proc/%d/status' % pid) as f:
                        found = re.search(r'^RssAnon:\s+(\d+)', f.read(), re.M)
                    if found:
                        sizes[pid] = int(found.group(1)) * 1024
        return sizes


class Served(Front):
    """The service as `glint serve`, whoever stands before it. config: more of its configuration."""
    config = {}
    own_tls = False         # it speaks TLS itself

    def start_service(self):
        os.makedirs(self.directory, exist_ok=True)
        self.service = glint.Server(self.directory, trusted=True, config=with_imports(self.config, self.directory), wait=not self.own_tls)

    def stop_service(self):
        if self.service.process:
            self.service.stop()

    def kill(self):
        self.service.kill()

    def revive(self):
        self.service.start(wait=not self.own_tls)
        self.wait_ready()

    def pids(self):
        return [self.service.process.pid]

    def logs(self):
        return self.service.log()


@front
class Direct(Served):
    """Nobody before it."""
    name = 'direct'

    def start(self):
        if self.tls:
            self.own_tls, self.config = True, {'DEFAULT': {'cert_file': self.tls[0], 'key_file': self.tls[1]}}
        self.start_service()
        self.port = self.service.port

    def stop(self):
        self.stop_service()

    def reload(self):
        self.service.process.send_signal(signal.SIGHUP)


@contextlib.contextmanager
def running(cls, directory):
    here = cls(directory)
    try:
        here.start()
        here.wait_ready()
        yield here
    finally:
        here.stop()
