# SPDX-License-Identifier: Apache-2.0
"""The group gateways: every front of tests/matrix, beside static files of nginx and httpd and beside real Glances.

All of them run at once and take turns; what they serve as an image is one and the same file in the page cache."""
import contextlib
import json
import os
import re
import sys

from measure import ROUNDS, TOP, Load, Target, Transfer, given_glance, middle, number, row, setting, start_nginx, tabular

sys.path.insert(0, os.path.join(TOP, 'tests', 'matrix'))
import empty  # noqa: E402
import fronts  # noqa: E402
import fronts_httpd  # noqa: E402,F401
import fronts_proxy  # noqa: E402,F401
import fronts_uwsgi  # noqa: E402,F401
import fronts_wsgi  # noqa: E402,F401
import httpd  # noqa: E402

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


@contextlib.contextmanager
def started(work, change=lambda cls: cls):
    """Every front that can run here, as Gateways, or what it is changed into; GATEWAYS may name some."""
    wanted = os.environ.get('GATEWAYS', '').replace(',', ' ').split()
    with contextlib.ExitStack() as stack:
        found = []
        for name, cls in fronts.FRONTS.items():
            if wanted and name not in wanted:
                continue
            missing = cls.missing()
            cls = change(cls)
            if missing:
                print('   %s left out: %s' % (name, missing), flush=True)
            elif cls:
                found.append(Gateway(stack.enter_context(fronts.running(cls, os.path.join(work, name)))))
        yield found


def alone(work):
    """{name: way without the service}, measured; the servers are stopped again."""
    work = os.path.join(work, 'empty')
    os.mkdir(work)
    os.chmod(work, 0o755)
    with started(work, empty.emptied) as ways:
        for way in ways:
            way.name, way.small = way.name + ', empty', way.prefix + empty.SMALL
        for _ in range(ROUNDS):
            for way in ways:
                way.measure_show()
    return {way.front.name: way for way in ways}


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
    if {'nginx-uwsgi-unix', 'nginx-http'} <= by_name.keys():
        pair = by_name['nginx-uwsgi-unix'], by_name['nginx-http']
        take_turns(pair, Way.measure_show)
        cost_and_rate('nginx by uwsgi over a Unix socket, show', *pair, 'show', (1, 1))


# ---------------------------------------------------------------- the table

HEAD = ['gateway', 'show req/s', 'us CPU', 'empty', 'x Glance', 'down MB/s', 'CPU s/GiB', 'up MB/s', 'CPU s/GiB', 'worker MiB', 'all MiB']


def line(way, empties, glance):
    memory = way.workers()
    bare = empties.get(way.name)
    return [way.name, number(middle([m.rate for m in way.show])), number(1e6 / way.per_cpu()), number(1e6 / bare.per_cpu()) if bare else '-',
            number(way.per_cpu() / glance.per_cpu()) if glance else '-',
            number(middle([m.rate for m in way.down])), number(middle([m.cpu_per_gib for m in way.down])),
            number(middle([m.rate for m in way.up])) if way.up else '-', number(middle([m.cpu_per_gib for m in way.up])) if way.up else '-',
            number(max(memory)) if memory else '-', number(sum(memory)) if memory else '-']


def slowest(gateways, empties, glance):
    """The target that every way has, shown by the worst of them; and whether those that miss it could reach it."""
    last = min(gateways, key=Way.per_cpu)
    row('show by the slowest way (%s), per server CPU second' % last.name, 'req', [m.per_cpu for m in last.show], glance.name,
        [m.per_cpu for m in glance.show], 50, 'high')
    for way in gateways:
        bare = empties.get(way.name)
        if way.per_cpu() < 50 * glance.per_cpu() and bare:
            row('show by %s, the server alone, per server CPU second' % way.name, 'req', [m.per_cpu for m in bare.show], glance.name,
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
            empties = alone(work)
            lines = [line(way, empties, glance) for way in ways]
            if glance:
                slowest(gateways, empties, glance)
            compare(ways, work)
        for way in others:
            way.call('DELETE', '/v2/images/' + way.image_id)
    return tabular(HEAD, lines)
