#!/usr/bin/python3 -B
# SPDX-License-Identifier: Apache-2.0
"""pages.py [STEP...]   follows README.md ("Deploy") and docs/httpd.md ("Step by step") word by word on a clean Debian 12 (by
debootstrap), as root: each block of commands as it stands, and `glint check-deploy` at the end of each has to find nothing.
Takes some minutes; needs a Debian mirror. Clean and installed systems lie below GLINT_PAGES (/var/tmp/glint-pages); the second one is
made anew for each commit. What systemd would do is done by a small systemctl, since a directory has no init."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PLACE = os.environ.get('GLINT_PAGES', '/var/tmp/glint-pages')
SYSTEMCTL = r'''#!/bin/sh
# enable [--now], disable [--now], restart UNIT...: of what the pages name
start() {
    case $1 in
    nginx) nginx ;;
    apache2) apachectl start ;;
    *) unit=$(ls /lib/systemd/system/$1.service /usr/lib/systemd/system/$1.service 2>/dev/null | head -1)
       [ -n "$unit" ] || { echo "no unit $1"; exit 5; }
       INVOCATION_ID=1 setsid runuser -u "$(sed -n 's/^User=//p' "$unit")" -- $(sed -n 's/^ExecStart=//p' "$unit") >>/var/log/$1.log 2>&1 </dev/null &
       echo $! >/run/$1.pid; sleep 1; kill -0 $! || { cat /var/log/$1.log; exit 1; } ;;
    esac
}
stop() {
    case $1 in
    nginx) nginx -s quit 2>/dev/null ;;
    apache2) apachectl stop >/dev/null 2>&1 ;;
    *) [ -f /run/$1.pid ] && { kill -- -"$(cat /run/$1.pid)"; rm /run/$1.pid; } ;;
    esac
    sleep 1
}
verb=$1; shift
[ "$1" = --now ] && { now=1; shift; }
for unit; do
    case $verb in
    enable) [ -z "$now" ] || start $unit ;;
    disable) [ -z "$now" ] || stop $unit ;;
    restart) stop $unit; start $unit ;;
    *) echo "systemctl $verb?"; exit 2 ;;
    esac
done
exit 0
'''


class Failed(Exception):
    pass


def run(*command, **kw):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)
    if done.returncode:
        raise Failed('%s\n%s' % (' '.join(command), done.stdout[-3000:]))
    return done.stdout


def write(root, path, text, mode=0o644):
    path = root + path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as f:
        f.write(text)
    os.chmod(path, mode)


class Machine:
    """A directory as a machine: mounts, processes and (but for apt-get) network of its own. All of it ends with it."""

    def __init__(self, root):
        self.root = root
        self.first = subprocess.Popen(['unshare', '-n', '-m', '-p', '--fork', '--kill-child', 'sh', '-c', 'ip link set lo up; mount -t proc proc "$0/proc"; '
                                       'mount -t devtmpfs dev "$0/dev"; exec sleep infinity', root], stdin=subprocess.DEVNULL, start_new_session=True)
        self.pid = None
        while not self.pid:
            with open('/proc/%d/task/%d/children' % (self.first.pid, self.first.pid)) as f:
                self.pid = f.read().strip()
        while 'sleep' not in open('/proc/%s/comm' % self.pid).read():
            if self.first.poll() is not None:
                raise Failed('the machine does not start')

    def do(self, command):
        network = [] if re.search(r'apt-get|make install', command) else ['-n']
        return run('nsenter', '-t', self.pid, '-m', '-p', *network, 'chroot', self.root, 'env', '-i', 'HOME=/root', 'DEBIAN_FRONTEND=noninteractive',
                   'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', *['%s=%s' % item for item in os.environ.items() if item[0].endswith('_proxy')],
                   'sh', '-ec', 'cd /root/glint 2>/dev/null || cd /root; ' + command, timeout=3000)

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.first.pid, signal.SIGKILL)
        self.first.wait()


@contextlib.contextmanager
def machine(root):
    here = Machine(root)
    try:
        yield here
    finally:
        here.end()


def commands(text):
    """Those of a code block, one a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def page(name):
    with open(os.path.join(TOP, name)) as f:
        return f.read()


def deploy():
    return commands(re.search(r'^## Deploy\n\n((?: {4}.*\n)+)', page('README.md'), re.M).group(1))


def steps():
    return {name: commands(block) for name, block in re.findall(r'<!-- step: (\S+) -->\n\n((?: {4}.*\n)+)', page('docs/httpd.md'))}


def clean():
    root = PLACE + '/clean'
    if os.path.exists(root + '/etc/made'):
        return root
    shutil.rmtree(root, ignore_errors=True)
    run('debootstrap', '--variant=minbase', '--include=systemd,ca-certificates', 'bookworm', root)
    write(root, '/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', 0o755)
    write(root, '/etc/apt/apt.conf.d/yes', 'APT::Get::Assume-Yes "true";\n')
    write(root, '/etc/hosts', '127.0.0.1 localhost\n')
    shutil.copy('/etc/resolv.conf', root + '/etc/resolv.conf')
    with machine(root) as m:
        m.do('apt-get update')
    write(root, '/etc/made', '')
    return root


def installed():
    """What the commands of README.md make of a clean one."""
    commit = run('git', '-C', TOP, 'rev-parse', 'HEAD').strip()
    root = PLACE + '/installed'
    if os.path.exists(root + '/etc/made-of') and page(root + '/etc/made-of') == commit:
        return root
    before = clean()
    shutil.rmtree(root, ignore_errors=True)
    run('cp', '-a', before, root)
    write(root, '/usr/local/sbin/systemctl', SYSTEMCTL, 0o755)
    os.makedirs(root + '/root/glint')
    run('sh', '-c', 'git -C "$0" archive HEAD | tar -x -C "$1"', TOP, root + '/root/glint')
    with machine(root) as m:
        m.do('apt-get install git make')
        for command in deploy():
            m.do(command)
        m.do('glint check-deploy --pause 1 http://127.0.0.1:9292 | grep "^ok *the service answers"')
    write(root, '/etc/made-of', commit)
    return root


def follow(name, block, lower):
    with tempfile.TemporaryDirectory(dir=PLACE) as place:
        root = place + '/root'
        for folder in ('upper', 'work', 'root'):
            os.mkdir('%s/%s' % (place, folder))
        run('mount', '-t', 'overlay', 'overlay', '-o', 'lowerdir=%s,upperdir=%s/upper,workdir=%s/work' % (lower, place, place), root)
        try:
            with machine(root) as m:
                m.do('rm -f /run/*.pid; systemctl enable --now glint')
                for command in steps()['trial']:
                    m.do(command)
                said = [m.do(command) for command in block][-1]
                if '0 wrong, 0 could be better' not in said:
                    raise Failed(said)
        finally:
            run('umount', root)


def main():
    if os.geteuid() != 0 or not shutil.which('debootstrap', path='/usr/sbin:/usr/bin'):
        sys.exit('pages.py needs root and debootstrap')
    os.makedirs(PLACE, exist_ok=True)
    passed = failed = 0
    names = sys.argv[1:] or [name for name in steps() if name != 'trial']
    try:
        lower = installed()
    except Failed as problem:
        print('README.md: FAILED: %s\n0 passed, 1 failed' % problem)
        return 1
    print('README.md: ok', flush=True)
    for name in names:
        try:
            follow(name, steps()[name], lower)
            print('%s: ok' % name, flush=True)
            passed += 1
        except (Failed, subprocess.TimeoutExpired) as problem:
            print('%s: FAILED: %s' % (name, problem), flush=True)
            failed += 1
    print('%d passed, %d failed' % (passed + 1, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
