# SPDX-License-Identifier: Apache-2.0
"""What every group of the benchmark measures with: servers as targets, load and transfers, the rows of the table."""
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TOP, 'tests', 'e2e'))
from glint import Client, Process, Server, free_port  # noqa: E402

CLIENT = os.path.join(tempfile.gettempdir(), 'glint-bench-client-%d' % os.getpid())    # built by built_client()
QUICK = bool(os.environ.get('QUICK'))


def setting(name, usual, quick):
    return int(os.environ.get(name, quick if QUICK else usual))


SIZE = setting('SIZE_MB', 1024, 128) << 20
ROUNDS = setting('ROUNDS', 3, 1)
EACH = setting('SECONDS_EACH', 3, 1)
MANY = setting('MANY', 100000, 20000)
CROWD = setting('CROWD', 5000, 500)
GIB = 1 << 30
HEADERS = {'X-Identity-Status': 'Confirmed', 'X-User-Id': 'bench', 'X-Project-Id': 'bench', 'X-Roles': 'member,reader'}
TICK = os.sysconf('SC_CLK_TCK')


# ---------------------------------------------------------------- servers

class Target:
    """A server that is measured: where it listens, what its processes used so far."""

    def __init__(self, name, host, port, pids, headers=None):
        self.name, self.host, self.port, self.headers = name, host, port, headers or {}
        self.roots = pids

    def pids(self):
        return sorted({pid for root in self.roots for pid in Process(root).tree()})

    def cpu(self):
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                with open('/proc/%d/stat' % pid) as f:
                    fields = f.read().rsplit(')', 1)[1].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def memory(self):
        """(resident, proportional) MiB of all its processes."""
        rss = pss = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                with open('/proc/%d/smaps_rollup' % pid) as f:
                    for line in f:
                        rss += int(line.split()[1]) if line.startswith('Rss:') else 0
                        pss += int(line.split()[1]) if line.startswith('Pss:') else 0
        return rss / 1024, pss / 1024

    def client(self, timeout=120):
        client = Client(self.host, self.port, timeout=timeout)
        client.identity = self.headers
        return client


def listeners(port):
    """The processes that hold a listening socket of this port."""
    inodes = set()
    for table in ('/proc/net/tcp', '/proc/net/tcp6'):
        with contextlib.suppress(OSError):
            with open(table) as f:
                for line in f.readlines()[1:]:
                    words = line.split()
                    if words[3] == '0A' and int(words[1].rsplit(':', 1)[1], 16) == port:
                        inodes.add('socket:[%s]' % words[9])
    found = []
    for name in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            if any(os.readlink(os.path.join('/proc', name, 'fd', fd)) in inodes for fd in os.listdir('/proc/%s/fd' % name)):
                found.append(int(name))
    return found


def start_glint(work, name='glint', **kw):
    server = Server(os.path.join(work, name), trusted=True, **kw)
    return server, Target('Glint', server.host, server.port, [server.process.pid], HEADERS)


NGINX = '''worker_processes auto; daemon off; pid {work}/nginx.pid; error_log {work}/nginx.log crit;
events {{ worker_connections 8192; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type application/octet-stream;
 client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
 server {{ listen 127.0.0.1:{port} backlog=4096; root {work}/www; }} }}
'''


def start_nginx(work):
    port = free_port()
    os.makedirs(work + '/www')
    os.chmod(work, 0o755)
    with open(work + '/www/small', 'w') as f:
        f.write(json.dumps({'x': 'y' * 2030}))
    with open(work + '/nginx.conf', 'w') as f:
        f.write(NGINX.format(work=work, port=port))
    program = shutil.which('nginx', path=os.environ['PATH'] + ':/usr/sbin')
    process = subprocess.Popen([program, '-c', work + '/nginx.conf'], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    target = Target('nginx', '127.0.0.1', port, [process.pid])
    for _ in range(100):
        with contextlib.suppress(OSError):
            if target.client().get('/small').status == 200:
                return process, target
        time.sleep(0.05)
    raise SystemExit('nginx does not start')


def given_glance(variable='GLANCE_URL'):
    url = os.environ.get(variable)
    if not url:
        return None
    host, _, port = url.split('//', 1)[1].rstrip('/').partition(':')
    headers = dict(part.strip().split(': ', 1) for part in re.split(r'[;\n]', os.environ.get('GLANCE_HDRS', '')) if ':' in part)
    pids = [int(p) for p in os.environ.get(variable.replace('_URL', '_PIDS'), '').split()] or listeners(int(port or 80))
    return Target('Glance', host, int(port or 80), pids, headers or HEADERS)


# ---------------------------------------------------------------- measuring

@contextlib.contextmanager
def built_client():
    subprocess.run(['cc', '-O2', '-D_GNU_SOURCE', '-pthread', '-o', CLIENT, os.path.join(HERE, 'client.c')], check=True)
    try:
        yield
    finally:
        os.unlink(CLIENT)


class Load:
    """What one run of wrk said, and the server's CPU seconds during it."""

    def __init__(self, target, path, connections=16, seconds=None):
        command = ['wrk', '-t1', '-c%d' % connections, '-d%ds' % (seconds or EACH), '--timeout', '60s', '--latency']
        for item in target.headers.items():
            command += ['-H', '%s: %s' % item]
        before = target.cpu()
        done = subprocess.run(command + ['http://%s:%d%s' % (target.host, target.port, path)], capture_output=True, text=True)
        self.cpu = target.cpu() - before
        found = re.search(r'(\d+) requests in', done.stdout)
        self.requests = int(found.group(1)) if found else 0
        found = re.search(r'Requests/sec:\s+([\d.]+)', done.stdout)
        self.rate = float(found.group(1)) if found else 0
        bad = re.search(r'Non-2xx or 3xx responses: (\d+)', done.stdout)
        self.bad = int(bad.group(1)) if bad else 0
        self.p99 = self.percentile(done.stdout, '99%')
        self.p50 = self.percentile(done.stdout, '50%')
        self.per_cpu = (self.requests - self.bad) / self.cpu if self.cpu > 0 else 0

    @staticmethod
    def percentile(text, which):
        found = re.search(re.escape(which) + r'\s+([\d.]+)(us|ms|s|m)', text)
        return float(found.group(1)) * {'us': 1e-3, 'ms': 1, 's': 1e3, 'm': 6e4}[found.group(2)] if found else float('nan')


class Transfer:
    """Bodies moved by bench/client, and the server's CPU seconds for them."""

    def __init__(self, what, target, size, headers_file, paths, times=1):
        before, self.bad, seconds = target.cpu(), 0, 0
        for _ in range(times):
            done = subprocess.run([CLIENT, what, str(target.port), str(size), headers_file, *paths], capture_output=True, text=True)
            words = done.stdout.split()
            bad = int(words[5]) if len(words) > 5 else len(paths)
            seconds += float(words[1]) if len(words) > 1 else float('nan')
            self.bad += bad
            if bad:
                print('   %d of %d transfers with %s failed %s' % (bad, len(paths), target.name, done.stderr.strip()), flush=True)
        self.cpu_per_gib = (target.cpu() - before) / (size * len(paths) * times / GIB)
        self.rate = size * len(paths) * times / seconds / 1e6


def rounds(targets, measure):
    """{name: [measurement, …]}: the servers take turns."""
    found = {t.name: [] for t in targets}
    for _ in range(ROUNDS):
        for t in targets:
            found[t.name].append(measure(t))
    return found


def per_cpu(target, n, ask):
    """n requests one after the other, for what wrk cannot ask or would not wait for: good ones per server CPU second. n has
    to be so many that ticks of its CPU time are small."""
    client, before = target.client(600), target.cpu()
    good = sum(ask(client, turn) for turn in range(n))
    taken = target.cpu() - before
    return good / taken if taken > 0 else float('nan')


def openssl_speed(name):
    """Bytes per CPU second of one hash."""
    done = subprocess.run(['openssl', 'speed', '-seconds', '1', '-bytes', '65536', '-evp', name], capture_output=True, text=True)
    return float(done.stdout.split()[-1].rstrip('k')) * 1000


def hashing():
    """CPU seconds per GiB of an image's two hashes, and nothing else."""
    return sum(GIB / openssl_speed(name) for name in ('md5', 'sha512'))


def middle(values):
    return statistics.median(values)


# ---------------------------------------------------------------- the table

ROWS = []


def number(value):
    if value != value:
        return '-'
    return '%.0f' % value if abs(value) >= 100 else '%.3g' % value


def row(what, unit, ours, other_name, other, target, better='low', ours_all=None):
    """ours and other are lists of figures. target: the ratio Glint / other (or the plain figure when other is None)."""
    mine = middle(ours)
    if other is None:
        ratio, judged = None, mine
    else:
        ratio = mine / middle(other) if middle(other) else float('nan')
        judged = ratio
    met = '' if target is None else 'yes' if (judged <= target if better == 'low' else judged >= target) else 'NO'
    span = '%s..%s' % (number(min(ours)), number(max(ours))) if len(ours) > 1 else ''
    sign = '<=' if better == 'low' else '>='
    ROWS.append([what, unit, number(mine), span, '' if other is None else '%s %s' % (other_name, number(middle(other))),
                 '' if ratio is None else number(ratio) + 'x',
                 '' if target is None else '%s %s%s' % (sign, number(target), '' if other is None else 'x'), met])
    print('   ' + '  '.join(c for c in ROWS[-1] if c), flush=True)


def table():
    return tabular(['figure', 'unit', 'Glint', 'min..max', 'beside', 'ratio', 'target', 'met'], ROWS)


def tabular(head, rows):
    widths = [max(len(r[i]) for r in rows + [head]) for i in range(len(head))]
    lines = ['  '.join(c.ljust(w) for c, w in zip(r, widths)).rstrip() for r in [head] + rows]
    return '\n'.join(lines[:1] + ['-' * max(map(len, lines))] + lines[1:])


def machine(glance):
    model = ''
    with contextlib.suppress(OSError):
        with open('/proc/cpuinfo') as f:
            model = next((line.split(':', 1)[1].strip() for line in f if line.startswith('model name')), '')
    return '%s, %d cores (%s), Linux %s, load %.1f; %d MiB bodies, %d rounds of %d s%s' % (
        time.strftime('%Y-%m-%d %H:%M'), os.cpu_count(), model, platform.release(), os.getloadavg()[0], SIZE >> 20, ROUNDS, EACH,
        '' if glance else '; no GLANCE_URL given')
