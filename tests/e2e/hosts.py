# SPDX-License-Identifier: Apache-2.0
"""Hosts of one service on one machine: each has a network namespace and a name of its own, and a leg to a switch. What they share
(database, stores) is a directory; what is a host's own (staging, log) is another."""
import contextlib
import ctypes
import os
import shutil
import subprocess
import threading

from glint import GLINT, PASTE_TRUSTED, SANITIZED, WHO, Client, Server

CLONE_NEWNET = 0x40000000
FAKETIME = '/usr/lib/%s-linux-gnu/faketime/libfaketimeMT.so.1' % os.uname().machine
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words):
    subprocess.run(['ip', *words], check=True, capture_output=True, text=True)


def possible():
    """Whether namespaces can be made here."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ('ip', 'nsenter', 'unshare')):
        return False
    name = 'glint-try-%d' % os.getpid()
    try:
        ip('netns', 'add', name)
        ip('-n', name, 'link', 'add', 'try0', 'type', 'bridge')
    except subprocess.CalledProcessError:
        return False
    finally:
        subprocess.run(['ip', 'netns', 'del', name], capture_output=True)
    return True


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), 'setns')


@contextlib.contextmanager
def inside(namespace):
    """What this thread opens in between belongs to that namespace."""
    back = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
    there = os.open('/run/netns/' + namespace, os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(back)
        os.close(there)
        os.close(back)


class Network:
    """A switch in a namespace of its own, at .1 of 198.18.0.0/24 (RFC 2544: nobody's addresses)."""

    def __init__(self):
        self.name = 'glint-%d-switch' % os.getpid()
        self.legs = []
        ip('netns', 'add', self.name)
        ip('-n', self.name, 'link', 'set', 'lo', 'up')
        ip('-n', self.name, 'link', 'add', 'switch', 'type', 'bridge')
        ip('-n', self.name, 'link', 'set', 'switch', 'up')
        ip('-n', self.name, 'addr', 'add', '198.18.0.1/24', 'dev', 'switch')

    def leg(self, name, number):
        """A namespace with an address at the switch; its name and address."""
        namespace, address = 'glint-%d-%s' % (os.getpid(), name), '198.18.0.%d' % number
        ip('netns', 'add', namespace)
        self.legs.append(namespace)
        ip('-n', namespace, 'link', 'set', 'lo', 'up')
        ip('-n', self.name, 'link', 'add', 'name', name, 'type', 'veth', 'peer', 'name', 'leg', 'netns', namespace)
        ip('-n', self.name, 'link', 'set', 'dev', name, 'master', 'switch', 'up')
        ip('-n', namespace, 'addr', 'add', address + '/24', 'dev', 'leg')
        ip('-n', namespace, 'link', 'set', 'leg', 'up')
        return namespace, address

    def pull(self, name):
        """What is sent from and to this host gets lost."""
        ip('-n', self.name, 'link', 'set', 'dev', name, 'down')

    def plug(self, name):
        ip('-n', self.name, 'link', 'set', 'dev', name, 'up')

    def close(self):
        for namespace in self.legs + [self.name]:
            ip('netns', 'del', namespace)


class HostClient(Client):
    def __init__(self, host, *args, **kw):
        super().__init__(host.host, host.port, *args, **kw)
        self.namespace = host.namespace

    def request(self, *args, **kw):
        with inside(self.namespace):
            return super().request(*args, **kw)

    def connect(self):
        with inside(self.namespace):
            return super().connect()


class Host(Server):
    """A server with a worker of its own. clock: a file that says how its clock of the time of day differs, as libfaketime reads it."""

    def __init__(self, network, name, number, shared, directory, config=None, **kw):
        self.name, self.network, self.shared = name, network, str(shared)
        self.namespace, self.address = network.leg(name, number)
        self.added = config or {}
        self.clock = None
        super().__init__(directory, trusted=True, **kw)

    def configure(self, config=None):
        self.host, self.port, self.metrics_port = self.address, 9292, 9293
        self.database = os.path.join(self.shared, 'glance.sqlite')
        self.images = os.path.join(self.shared, 'images')
        os.makedirs(self.staging, exist_ok=True)
        sections = {
            'DEFAULT': {'bind_host': self.host, 'bind_port': self.port, 'worker_self_reference_url': self.url, 'node_staging_uri': 'file://' + self.staging},
            'glint': {'metrics_host': self.host, 'metrics_port': self.metrics_port, 'reap_interval': 1},
            'database': {'connection': 'sqlite:///' + self.database},
            'glance_store': {'filesystem_store_datadir': self.images},
            'paste_deploy': {'flavor': 'trusted', 'config_file': PASTE_TRUSTED},
            'import_filtering_opts': {'allowed_hosts': '[198.18.0.1]', 'allowed_ports': '[]'},
        }
        for section, options in self.added.items():
            sections.setdefault(section, {}).update(options)
        super().configure(sections)
        self.listening = [self.port]

    def start(self, wait=True):
        self.args, self.program = [], GLINT
        env = self.environment()
        if self.clock:
            env.update({'LD_PRELOAD': FAKETIME, 'FAKETIME_TIMESTAMP_FILE': self.clock, 'FAKETIME_DONT_FAKE_MONOTONIC': '1', 'FAKETIME_NO_CACHE': '1'})
        with open(self.errors, 'ab') as log:
            self.process = subprocess.Popen(
                ['nsenter', '--net=/run/netns/' + self.namespace, 'unshare', '--uts', 'sh', '-c', 'hostname "$0" && exec "$@"', 'host-' + self.name,
                 self.program, 'serve', '--config-file', self.conf], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=20):
        with inside(self.namespace):
            super().wait_ready(seconds)

    def client(self, who='member', **kw):
        return HostClient(self, who, **kw)

    def metrics(self):
        with inside(self.namespace):
            return super().metrics()

    def has(self):
        """What lies in its staging directory, but for what is the store's own."""
        return sorted(name for name in os.listdir(self.staging) if not name.startswith('.'))


def in_thread(work):
    """Runs it beside; .join() gives what it returned."""
    done = []
    thread = threading.Thread(target=lambda: done.append(work()))
    thread.start()

    def join(seconds=60):
        threading.Thread.join(thread, seconds)
        assert done, 'it does not end, or it failed'
        return done[0]
    thread.join = join
    return thread


__all__ = ['FAKETIME', 'SANITIZED', 'WHO', 'Host', 'Network', 'in_thread', 'inside', 'possible']
