# SPDX-License-Identifier: Apache-2.0
"""What operators copy from deploy/ is well-formed, complete and as strict as it says."""
import os
import re
import shutil
import subprocess

import pytest
import yaml

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEPLOY = os.path.join(TOP, 'deploy')
UNITS = ('glint.service', 'glint-worker.service')


def read(*path):
    with open(os.path.join(*path)) as f:
        return f.read()


@pytest.fixture
def units(tmp_path):
    """The units as they would be installed, beside a program that they can name."""
    program = tmp_path / 'glint'
    program.write_text('#!/bin/sh\n')
    program.chmod(0o755)
    for name in UNITS:
        text = read(DEPLOY, 'systemd', name + '.in')
        text = text.replace('@BINDIR@', str(tmp_path)).replace('@HARDENING@', read(DEPLOY, 'systemd', 'hardening.conf'))
        # verify also asks whether user and group are there
        (tmp_path / name).write_text(text.replace('User=glance', 'User=root').replace('Group=glance', 'Group=root'))
    shutil.copy(os.path.join(DEPLOY, 'systemd', 'glint.socket'), tmp_path)
    return tmp_path


def analyze(*arguments):
    return subprocess.run(['systemd-analyze', *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_units_are_well_formed(units):
    for name in (*UNITS, 'glint.socket'):
        done = analyze('verify', '--man=no', '--recursive-errors=no', units / name)
        assert done.returncode == 0 and not done.stderr.strip(), done


def test_a_unit_that_is_not_is_seen(units):
    (units / 'glint.service').write_text('[Service]\nExecStart=/nonexistent\nProtectSystme=strict\n')
    done = analyze('verify', '--man=no', '--recursive-errors=no', units / 'glint.service')
    assert done.returncode != 0 or 'ProtectSystme' in done.stderr


def test_user_and_directories(tmp_path):
    if os.geteuid() != 0:
        pytest.skip('directories are given away by root alone')
    kept = tmp_path / 'var/lib/glance'
    kept.mkdir(parents=True)
    (tmp_path / 'etc').mkdir()
    kept.chmod(0o711)
    for program, *options in (['systemd-sysusers'], ['systemd-tmpfiles', '--create']):
        name = program.split('-')[1]
        done = subprocess.run([program, '--root=%s' % tmp_path, *options,
                               os.path.join(DEPLOY, 'systemd', 'glint.%s.conf' % name)], capture_output=True, text=True)
        assert done.returncode == 0, done
    uid = int(re.search(r'^glance:[^:]*:([0-9]+):', read(tmp_path, 'etc/passwd'), re.M).group(1))
    images, run = (tmp_path / 'var/lib/glance/images').stat(), (tmp_path / 'run/glint').stat()
    assert (images.st_uid, images.st_mode & 0o777, run.st_uid, run.st_mode & 0o777) == (uid, 0o750, uid, 0o755)
    assert (kept.stat().st_uid, kept.stat().st_mode & 0o777) == (0, 0o711), 'what is there is left as it is'


def test_modules_are_loaded_after_what_they_need():
    """Debian's httpd loads mods-enabled in the order of the names; mod_proxy's symbols are needed while a module is loaded."""
    directory = os.path.join(DEPLOY, 'httpd')
    dependent = [name for name in os.listdir(directory) if name.endswith('.load') and '# Depends: proxy' in read(directory, name)]
    assert dependent and all('proxy.load' < name for name in dependent)


def test_units_are_hardened(units):
    for name in UNITS:
        text = (units / name).read_text()
        for setting in ('ProtectSystem=strict', 'NoNewPrivileges=yes', 'SystemCallFilter=', 'CapabilityBoundingSet=\n'):
            assert setting in text, setting
        # without User= the rest has to carry it: 10 is a unit without any protection
        done = analyze('security', '--offline=true', '--threshold=30', units / name)
        assert done.returncode == 0, done.stdout[-500:]


INSTRUCTIONS = {'FROM', 'RUN', 'COPY', 'USER', 'ENV', 'VOLUME', 'EXPOSE', 'HEALTHCHECK', 'STOPSIGNAL', 'CMD'}


def dockerfile():
    text = re.sub(r'^#.*\n', '', read(DEPLOY, 'docker', 'Dockerfile'), flags=re.M).replace('\\\n', ' ')
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def test_dockerfile():
    lines = dockerfile()
    assert {word for word, _ in lines} <= INSTRUCTIONS
    assert lines[0][0] == 'FROM' and lines[-1][0] == 'CMD'
    assert all(':' in rest and 'latest' not in rest for word, rest in lines if word == 'FROM')
    last = [word for word, _ in lines][len(lines) - 1 - [word for word, _ in lines][::-1].index('FROM'):]
    assert 'USER' in last and 'HEALTHCHECK' in last, 'the image that runs has a user of its own and can be watched'


def test_dockerfile_installs_what_the_build_needs():
    wanted = set(re.findall(r'^build +(\S+)', read(TOP, 'tools', 'packages.txt'), re.M)) - {'libcmocka-dev'}
    first_run = next(rest for word, rest in dockerfile() if word == 'RUN')
    assert wanted <= set(first_run.split()), wanted - set(first_run.split())


def test_compose():
    document = yaml.safe_load(read(DEPLOY, 'docker', 'compose.yaml'))
    services, volumes = document['services'], document['volumes']
    for service in services.values():
        assert 'image' in service and not service['image'].endswith(':latest')
        for name in service.get('depends_on', {}):
            assert name in services
        for port in service.get('ports', []):
            assert port.startswith('127.0.0.1:'), 'nothing without authentication is published to the world'
        for volume in service['volumes']:
            source = volume.split(':')[0]
            assert source in volumes or os.path.exists(os.path.join(DEPLOY, 'docker', source)), source
        build = service.get('build')
        if build:
            assert os.path.exists(os.path.join(DEPLOY, 'docker', build['context'], build['dockerfile']))


def test_the_proxy_of_compose(tmp_path):
    conf = tmp_path / 'nginx.conf'
    text = read(DEPLOY, 'docker', 'nginx.conf')
    conf.write_text('pid %s/nginx.pid;\n' % tmp_path + text)
    done = subprocess.run(['nginx', '-t', '-e', str(tmp_path / 'error.log'), '-c', str(conf), '-p', str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
