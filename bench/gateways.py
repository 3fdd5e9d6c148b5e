# SPDX-License-Identifier: Apache-2.0
"""The group gateways: every front of tests/matrix, beside static files of nginx and httpd and beside real Glances.

All of them run at once and take turns; what they serve as an image is one and the same file in the page cache."""
import contextlib
import json
import os
import re
import subprocess
import sys

from measure import CLIENT, ROUNDS, TOP, Load, Target, Transfer, given_glance, middle, number, row, setting, start_nginx, tabular

sys.path.insert(0, os.path.join(TOP, 'tests', 'matrix'))
import fronts  # noqa: E402
import fronts_httpd  # noqa: E402,F401
import fronts_proxy  # noqa: E402,F401
import fronts_uwsgi  # noqa: E402,F401
import fronts_wsgi  # noqa: E402,F401
import httpd  # noqa: E402
import webservers  # noqa: E402
from glint import eventually  # noqa: E402

SIZE = setting('GATEWAY_MB', 256, 64) << 20
PAIRED = 3              # times as many rounds for the pairs that have a target of their own
TIMES = 4               # downloads for one figure: the CPU time of one is few ticks
STATIC = '''
DocumentRoot {dir}/www
<Directory {dir}/www>
    Require all granted
    EnableSendfile On
</Directory>
'''
PROPERTIES = {'name': 'bench', 'tags': ['a', 'b'], 'os_distro': 'debian', 'hw_disk_bus': 'virtio', 'architecture': 'x86_64'}


class Way(Target):
    """A target with the figures of its rounds. small: what show asks for; big: the path of the large body."""
    uploads = True

    def __init__(self, name, host, port, pids, headers=None):
        super().__init__(name, host, port, pids, headers)
        self.show, self.down, self.up = [], [], []
        self.prefix, self.small, self.big = '', '/small', '/big'

    def call(self, method, path, **kw):
        return self.client().request(method, self.prefix + path, **kw)

    def created(self):
        answer = self.call('POST', '/v2/images', json={'disk_format': 'raw', 'container_format': 'bare', **PROPERTIES})
        assert answer.status == 201, '%s: %r' % (self.name, answer)
        return answer.json['id']

    def headers_file(self, work):
        path = os.path.join(work, 'headers-' + self.name)
        with open(path, 'w') as f:
            f.writelines('%s: %s\n' % item for item in self.headers.items())
        return path

    def put(self, work, image_id):
        return Transfer('put', self, SIZE, self.headers_file(work), ['%s/v2/images/%s/file' % (self.prefix, image_id)])

    def seed(self, work):
        """The image that is shown and downloaded."""
        self.image_id = self.created()
        assert not self.put(work, self.image_id).bad, self.name
        self.small = '%s/v2/images/%s' % (self.prefix, self.image_id)
        self.big = self.small + '/file'

    # ---- one figure each

    def measure_show(self):
        load = Load(self, self.small)
        if load.bad or not load.requests:
            print('   %s: %d of %d requests failed' % (self.name, load.bad, load.requests), flush=True)
        self.show.append(load)

    def measure_down(self, work):
        self.down.append(Transfer('get', self, SIZE, self.headers_file(work), [self.big], TIMES))

    def measure_up(self, work):
        image_id = self.created()
        self.up.append(self.put(work, image_id))
        self.call('DELETE', '/v2/images/' + image_id)

    # ---- figures

    def per_cpu(self):
        return middle([m.per_cpu for m in self.show])

    def workers(self):
        """Anonymous memory in MiB of each process, without the one for background work."""
        found = []
        for pid in self.pids():
            with contextlib.suppress(OSError):
                with open('/proc/%d/status' % pid) as f:
                    text = f.read()
                size = re.search(r'^RssAnon:\s+(\d+)', text, re.M)
                if size and not re.search(r'^Name:\s+glint-worker', text, re.M):
                    found.append(int(size.group(1)) / 1024)
        return found


class Gateway(Way):
    """A front of the matrix."""

    def __init__(self, front):
        super().__init__(front.name, front.host, front.port, None, front.identity)
        self.front, self.prefix = front, front.prefix

    def pids(self):
        self.roots = self.front.pids()
        return super().pids()

    def seed(self, work):
        """All share the first one's file, so that none has it nearer than another."""
        super().seed(work)
        data = getattr(self.front, 'service', None) or self.front.background
        mine, shared = data.object_of(self.image_id), os.path.join(work, 'object')
        if not os.path.exists(shared):
            os.link(mine, shared)
            os.chmod(shared, 0o644)
        os.unlink(mine)
        os.link(shared, mine)


class Empty(Way):
    """nginx with the site for the uwsgi protocol, before a server that answers at once: what the protocol costs by itself."""
    uploads = False

    def __init__(self, name, work, unix):
        directory = os.path.join(work, name.replace(' ', '-'))
        address = webservers.uwsgi_backend(work, unix)[1]
        self.server = subprocess.Popen([CLIENT, 'empty', address.split(':', 1)[1], '1000'])
        self.nginx = webservers.Nginx(directory, 'glint-uwsgi.conf', {'127.0.0.1:9294': address}).start()
        super().__init__(name, '127.0.0.1', self.nginx.port, [self.server.pid, self.nginx.process.pid])
        self.small = '/image/v2/images/' + '0' * 32

    def answers(self):
        try:
            return self.client().get(self.small).status == 200
        except OSError:
            return False

    def stop(self):
        self.nginx.stop()
        self.server.kill()
        self.server.wait()


@contextlib.contextmanager
def empty(work):
    ways = [Empty('empty uwsgi', work, False), Empty('empty uwsgi-unix', work, True)]
    try:
        if not eventually(lambda: all(way.answers() for way in ways)):
            raise SystemExit('nginx does not reach the empty server')
        yield ways
    finally:
        for way in ways:
            way.stop()


@contextlib.contextmanager
def started(work):
    """Every front that can run here, as Gateways; GATEWAYS may name some."""
    wanted = os.environ.get('GATEWAYS', '').replace(',', ' ').split()
    with contextlib.ExitStack() as stack:
        found = []
        for name, cls in fronts.FRONTS.items():
            if wanted and name not in wanted:
                continue
            missing = cls.missing()
            if missing:
                print('   %s left out: %s' % (name, missing), flush=True)
                continue
            found.append(Gateway(stack.enter_context(fronts.running(cls, os.path.join(work, name)))))
        yield found


@contextlib.contextmanager
def static(work):
    """nginx and httpd with the same two files."""
    process, target = start_nginx(os.path.join(work, 'nginx'))
    ways = [Way('nginx static', target.host, target.port, target.roots)]
    roots = [os.path.join(work, 'nginx', 'www')]
    server = None
    if httpd.PROGRAM:
        server = httpd.Httpd(os.path.join(work, 'httpd'), STATIC)
        roots.append(os.path.join(work, 'httpd', 'www'))
        os.mkdir(roots[-1])
        server.start()
        ways.append(Way('httpd static', server.host, server.port, [server.process.pid]))
    for root in roots:
        os.link(os.path.join(work, 'object'), root + '/big')
        with open(root + '/small', 'w') as f:
            f.write(json.dumps({'x': 'y' * 2030}))
    if server:
        server.wait_ready('/small')
    for way in ways:
        way.uploads = False
    try:
        yield ways
    finally:
        process.terminate()
        process.wait()
        if server:
            server.stop()


def glances(work):
    """The real ones whose URLs are given."""
    found = []
    for variable, name in (('GLANCE_URL', 'Glance'), ('GLANCE_MOD_WSGI_URL', 'Glance, mod_wsgi')):
        target = given_glance(variable)
        if target:
            found.append(Way(name, target.host, target.port, target.roots, target.headers))
            found[-1].seed(work)
    return found


# ---------------------------------------------------------------- the targets

def take_turns(pair, measure):
    """Anew, each of the two first as often as last."""
    for way in pair:
        way.show, way.down, way.up = [], [], []
    for n in range(ROUNDS * PAIRED):
        for way in pair if n % 2 else pair[::-1]:
            measure(way)


def cost_and_rate(what, ours, other, figure, targets):
    """figure: show, down or up; targets: at most so much of the other's CPU time, at least so much of its rate."""
    mine, theirs = getattr(ours, figure), getattr(other, figure)
    cost, units = (lambda m: 1e6 / m.per_cpu, ('us/req', 'req/s')) if figure == 'show' else (lambda m: m.cpu_per_gib, ('s/GiB', 'MB/s'))
    row(what + ', CPU', units[0], [cost(m) for m in mine], other.name, [cost(m) for m in theirs], targets[0])
    row(what + ', rate', units[1], [m.rate for m in mine], other.name, [m.rate for m in theirs], targets[1], 'high')


def compare(ways, work):
    """The two pairs that have a target."""
    by_name = {way.name: way for way in ways}
    if {'mod-glint-event', 'httpd static'} <= by_name.keys():
        pair = by_name['mod-glint-event'], by_name['httpd static']
        take_turns(pair, lambda way: way.measure_down(work))
        cost_and_rate('mod_glint, download', *pair, 'down', (1.1, 0.9))
    if {'nginx-uwsgi', 'nginx-http'} <= by_name.keys():
        pair = by_name['nginx-uwsgi'], by_name['nginx-http']

        def all_three(way):
            way.measure_show()
            way.measure_down(work)
            way.measure_up(work)
        take_turns(pair, all_three)
        for figure, what in (('show', 'show'), ('down', 'download'), ('up', 'upload')):
            cost_and_rate('nginx by uwsgi, ' + what, *pair, figure, (1, 1))
    compare_protocol(by_name, work)


def compare_protocol(by_name, work):
    """What a connection for each request costs, without and with a service behind it."""
    names = 'nginx-http', 'nginx-uwsgi', 'nginx-uwsgi-unix'
    if not set(names) <= by_name.keys():
        return
    with empty(work) as (tcp, unix):
        by_http, by_uwsgi, by_unix = (by_name[name] for name in names)
        take_turns([by_http, by_unix, tcp, by_uwsgi, unix], Way.measure_show)
        cost_and_rate('nginx by uwsgi over a Unix socket, show', by_unix, by_http, 'show', (1, 1))
        cost_and_rate('nginx by uwsgi, show', by_uwsgi, tcp, 'show', (None, None))
        cost_and_rate('nginx by uwsgi over a Unix socket, show', by_unix, unix, 'show', (None, None))


# ---------------------------------------------------------------- the table

HEAD = ['gateway', 'show req/s', 'us CPU', 'x Glance', 'down MB/s', 'CPU s/GiB', 'up MB/s', 'CPU s/GiB', 'worker MiB', 'all MiB']


def line(way, glance):
    memory = way.workers()
    return [way.name, number(middle([m.rate for m in way.show])), number(1e6 / way.per_cpu()),
            number(way.per_cpu() / glance.per_cpu()) if glance else '-',
            number(middle([m.rate for m in way.down])), number(middle([m.cpu_per_gib for m in way.down])),
            number(middle([m.rate for m in way.up])) if way.up else '-', number(middle([m.cpu_per_gib for m in way.up])) if way.up else '-',
            number(max(memory)) if memory else '-', number(sum(memory)) if memory else '-']


def slowest(gateways, glance):
    """The target that every way has, shown by the worst of them."""
    last = min(gateways, key=Way.per_cpu)
    row('show by the slowest way (%s), per server CPU second' % last.name, 'req', [m.per_cpu for m in last.show], glance.name,
        [m.per_cpu for m in glance.show], 50, 'high')


def run(work):
    """The table of all ways as text; the targets become rows of the one table."""
    work = os.path.join(work, 'gateways')
    os.mkdir(work)
    os.chmod(work, 0o755)
    with started(work) as gateways:
        if not gateways:
            return ''
        for way in gateways:
            way.seed(work)
        others = glances(work)
        with static(work) as files:
            ways = gateways + files + others
            for n in range(ROUNDS):
                for way in ways:
                    way.measure_show()
                    way.measure_down(work)
                    if way.uploads:
                        way.measure_up(work)
                print('   round %d of %d' % (n + 1, ROUNDS), flush=True)
            glance = others[0] if others else None
            lines = [line(way, glance) for way in ways]
            if glance:
                slowest(gateways, glance)
            compare(ways, work)
        for way in others:
            way.call('DELETE', '/v2/images/' + way.image_id)
    return tabular(HEAD, lines)
