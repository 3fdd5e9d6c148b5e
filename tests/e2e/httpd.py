# SPDX-License-Identifier: Apache-2.0
"""Apache httpd with our modules, in the foreground, with a configuration of its own."""
import atexit
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

import glint

BUILD = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(glint.GLINT))))
MODULE = os.path.join(BUILD, 'src', 'embed', 'httpd', 'mod_glint.so')
BODY_MODULE = os.path.join(BUILD, 'src', 'embed', 'httpd', 'mod_glint_body.so')
PROGRAM = shutil.which('apache2', path=os.environ.get('PATH', '') + ':/usr/sbin') or shutil.which('httpd')
MODULES = '/usr/lib/apache2/modules'
USER = 'www-data'
# What Debian's apache2 has enabled after its installation, besides authz_core and the MPM, with its configuration of them.
DEBIAN_MODULES = ('access_compat', 'alias', 'auth_basic', 'authn_core', 'authn_file', 'authz_host', 'authz_user', 'autoindex', 'deflate', 'dir',
                  'env', 'filter', 'mime', 'negotiation', 'reqtimeout', 'setenvif', 'status')
DEBIAN_FILES = '/etc/apache2/mods-available'


def missing(*modules):
    """What is not there; None when all is."""
    if not PROGRAM:
        return 'apache2 is not installed'
    for module in modules or (MODULE,):
        if not os.path.exists(module):
            return module + ' is not built'
    return None


def sanitizer(module):
    """The runtime that a module built with AddressSanitizer or ThreadSanitizer needs before everything else; None without."""
    with open(module, 'rb') as f:
        text = f.read()
    for name, gcc, clang in (('asan', 'libasan.so', 'libclang_rt.asan-x86_64.so'), ('tsan', 'libtsan.so', 'libclang_rt.tsan-x86_64.so')):
        if b'__%s_init' % name.encode() in text:
            compiler, library = ('gcc', gcc) if gcc.encode() in text else ('clang', clang)
            found = subprocess.run([compiler, '-print-file-name=' + library], capture_output=True, text=True).stdout.strip()
            return os.path.realpath(found)
    return None


def program():
    """GlintProgram: a program that brings its runtime along (clang's do) must not meet the one that httpd was given."""
    if 'clang' not in (sanitizer(MODULE) or ''):
        return glint.GLINT
    directory = tempfile.mkdtemp(prefix='glint-httpd-')
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    os.chmod(directory, 0o755)
    path = os.path.join(directory, 'glint')
    with open(path, 'w') as f:
        f.write('#!/bin/sh\nunset LD_PRELOAD\nexec %s "$@"\n' % os.path.realpath(glint.GLINT))
    os.chmod(path, 0o755)
    return path


def load_lines(names):
    return ['LoadModule %s_module %s/mod_%s.so' % (name, MODULES, name) for name in names if os.path.exists('%s/mod_%s.so' % (MODULES, name))]


def debian_lines(loaded=()):
    """Loads Debian's default modules less those that are loaded, and includes its files about them."""
    names = [name for name in DEBIAN_MODULES if name not in loaded]
    files = ['%s/%s.conf' % (DEBIAN_FILES, name) for name in DEBIAN_MODULES]
    return load_lines(names) + ['Include ' + path for path in files if os.path.exists(path)]


def tls_lines(tls, http2=False):
    """tls: files of certificate and key"""
    lines = ['SSLRandomSeed startup builtin', 'SSLEngine On', 'SSLCertificateFile ' + tls[0], 'SSLCertificateKeyFile ' + tls[1]]
    return load_lines(['ssl'] + ['http2'] * http2) + lines + ['Protocols h2 http/1.1'] * http2


def give(path):
    """httpd's children run as another user where the tests run as root."""
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam(USER)
    for folder, _, names in os.walk(path):
        for name in [''] + names:
            os.chown(os.path.join(folder, name), user.pw_uid, user.pw_gid)


class Data(glint.Server):
    """Configuration, database and store of one service that somebody else runs."""

    def __init__(self, directory, **kw):
        os.makedirs(str(directory), exist_ok=True)
        super().__init__(directory, **kw)
        os.chmod(self.directory, 0o755)
        give(self.directory)

    def start(self, wait=True):
        pass


class Httpd:
    """text: what stands below the basic configuration; {port}, {dir} and {tests} are filled in."""

    def __init__(self, directory, text, mpm='event', modules=(), processes=2, log_level='info', env=None, debian=False):
        self.directory, self.mpm, self.processes, self.log_level = str(directory), mpm, processes, log_level
        self.host, self.port = '127.0.0.1', glint.free_port()
        self.modules, self.text, self.env, self.debian = modules, text, dict(env or {}), debian
        self.conf = os.path.join(self.directory, 'httpd.conf')
        self.errors = os.path.join(self.directory, 'error.log')
        self.access = os.path.join(self.directory, 'access.log')
        self.process, self.terminated = None, False
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        self.configure(text)

    def configure(self, text):
        self.text = text
        with open(self.conf, 'w') as f:
            f.write('\n'.join(self.basics()) + '\n' + text.replace('{port}', str(self.port)).replace('{dir}', self.directory))

    def basics(self):
        load = ['mpm_' + self.mpm, 'authz_core', 'unixd' if os.path.exists(MODULES + '/mod_unixd.so') else None, *self.modules]
        threads = ['StartServers %d' % self.processes, 'MaxConnectionsPerChild 0']
        if self.mpm == 'prefork':
            threads += ['MinSpareServers 4', 'MaxSpareServers 16', 'MaxRequestWorkers 64']
        else:
            threads += ['ServerLimit 8', 'ThreadsPerChild 25', 'MinSpareThreads 25', 'MaxSpareThreads 75', 'MaxRequestWorkers 100']
        return ['ServerRoot ' + self.directory, 'PidFile %s/httpd.pid' % self.directory, 'DefaultRuntimeDir ' + self.directory,
                'Mutex file:%s default' % self.directory, 'ServerName localhost', 'Listen %s:%d' % (self.host, self.port),
                'ErrorLog ' + self.errors, 'LogLevel ' + self.log_level, 'User ' + USER, 'Group ' + USER, 'Timeout 60',
                'MaxKeepAliveRequests 0', 'GracefulShutdownTimeout 10',
                *('LoadModule %s_module %s/mod_%s.so' % (name, MODULES, name) for name in load if name), *threads,
                *(debian_lines(load) if self.debian else ())]

    def check(self):
        """httpd -t: (exit status, what it says)"""
        done = subprocess.run([PROGRAM, '-f', self.conf, '-t'], env=self.environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60 * glint.SLOW)
        return done.returncode, done.stdout + done.stderr

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith('OS_')}
        env.update({'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', **self.env})
        module = MODULE if MODULE in self.text else BODY_MODULE if BODY_MODULE in self.text else None
        runtime = module and sanitizer(module)
        if runtime:
            # What httpd leaves to its end is no leak of ours, and its children do not report to anybody else's log.
            env.update({'LD_PRELOAD': runtime, 'ASAN_OPTIONS': 'detect_leaks=0:abort_on_error=0:' + env.get('GLINT_ASAN_OPTIONS', '')})
        return env

    def start(self):
        with open(self.errors, 'ab') as log:
            self.process = subprocess.Popen([PROGRAM, '-f', self.conf, '-DFOREGROUND'], env=self.environment(), cwd=self.directory,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def wait_ready(self, path='/', seconds=20):
        def ready():
            assert self.process.poll() is None, 'httpd ended by itself:\n' + self.log()
            with contextlib.suppress(OSError):
                return glint.Client(self.host, self.port, timeout=5).get(path).status != 503
            return False
        assert glint.eventually(ready, seconds, 0.02), 'httpd does not answer:\n' + self.log()
        return self

    def graceful(self):
        self.process.send_signal(signal.SIGUSR1)

    def stop(self, sig=signal.SIGWINCH):
        """Returns the exit status; what it leaves behind is killed and makes that an error. Gracefully, because the event
        MPM may crash by itself when SIGTERM comes while it lets go of a connection (close_worker_sockets in its core)."""
        if self.process is None:
            return 0
        self.terminated |= sig == signal.SIGTERM
        pids = glint.Process(self.process.pid).tree()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            status = self.process.wait(30 * glint.SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait() or 'did not stop'
        left = [pid for pid in pids[1:] if not glint.eventually(lambda: gone(pid), 5, 0.01)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process = None
        return 'left behind: %s' % left if left and status == 0 else status

    def kill_children(self):
        """kill -9 of what serves: httpd's parent starts others."""
        for pid in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            glint.eventually(lambda: gone(pid), 5, 0.01)

    def children(self, command='apache2'):
        found = []
        for pid in glint.Process(self.process.pid).tree()[1:]:
            with contextlib.suppress(OSError):
                with open('/proc/%d/comm' % pid) as f:
                    if f.read().startswith(command):
                        found.append(pid)
        return found

    def workers(self):
        return self.children('glint-worker')

    def log(self):
        return read(self.errors)

    def client(self, who='member', **kw):
        return glint.Client(self.host, self.port, who, **kw)


def gone(pid):
    try:
        with open('/proc/%d/stat' % pid) as f:
            return f.read().rsplit(')', 1)[1].split()[0] == 'Z'
    except OSError:
        return True


def read(path):
    with contextlib.suppress(OSError):
        with open(path, errors='replace') as f:
            return f.read()
    return ''


def wait_for_log(server, text, seconds=10):
    """The first line of ErrorLog with this text."""
    def line():
        return next((line for line in server.log().splitlines() if text in line), None)
    found = glint.eventually(line, seconds)
    assert found, 'ErrorLog does not say %r:\n%s' % (text, server.log()[-4000:])
    return found
