#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""count.py BASE NEW   compares two builds of the program by what a request costs: user instructions (valgrind's
callgrind) and system calls (strace -c). Both are counts, so a busy machine does not change them. A row whose
instructions grew by more than 3 % says MORE."""
import argparse
import glob
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

CONFIGURATION = '''[DEFAULT]
bind_host = 127.0.0.1
bind_port = {port}
node_staging_uri = file://{directory}/staging
[database]
connection = sqlite:///{directory}/db
[glance_store]
filesystem_store_datadir = {directory}/images
[glint]
metrics_port = 0
supervise_worker = false
access_log = true
[oslo_policy]
enforce_new_defaults = false
enforce_scope = false
'''
BODY = b'x' * (8 << 20)
JSON = {'Content-Type': 'application/json'}
PATCH = {'Content-Type': 'application/openstack-images-v2.1-json-patch'}
BYTES = {'Content-Type': 'application/octet-stream'}


class Server:
    """A started service of one program, under a tool that counts, with 25 images."""

    def __init__(self, program, tool):
        self.directory = tempfile.mkdtemp(prefix='glint-count-')
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        path = self.directory + '/glint.conf'
        with open(path, 'w') as f:
            f.write(CONFIGURATION.format(port=self.port, directory=self.directory))
        os.mkdir(self.directory + '/images')
        subprocess.run([program, 'db', 'sync', '--config-file', path], check=True, stdout=subprocess.DEVNULL)
        self.log = open(self.directory + '/log', 'w')
        self.process = subprocess.Popen([part.format(directory=self.directory) for part in tool] +
                                        [program, 'serve', '--config-file', path], stderr=self.log, stdout=self.log)
        self.connection = None
        for _ in range(600):
            try:
                self.request('GET', '/versions')
                break
            except (OSError, http.client.HTTPException):
                self.connection = None
                time.sleep(.05)
        self.images = [self.create() for _ in range(25)]
        self.full = self.create()
        self.request('PUT', '/v2/images/%s/file' % self.full, BODY, BYTES)

    def request(self, method, path, body=None, headers={}):
        self.connection = self.connection or http.client.HTTPConnection('127.0.0.1', self.port)
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status >= 400:
            raise RuntimeError('%s %s: %d %s' % (method, path, answer.status, data[:200]))
        return data

    def create(self):
        image = {'name': 'image', 'disk_format': 'raw', 'container_format': 'bare', 'a': 'b', 'tags': ['x', 'y']}
        return json.loads(self.request('POST', '/v2/images', json.dumps(image), JSON))['id']

    def stop(self):
        """strace does not pass a signal on, so its child gets it."""
        with open('/proc/%d/task/%d/children' % (self.process.pid, self.process.pid)) as f:
            os.kill(int((f.read().split() or [self.process.pid])[0]), 15)
        self.process.wait()
        self.log.close()

    def forget(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def upload(s):
    image = s.create()
    s.request('PUT', '/v2/images/%s/file' % image, BODY, BYTES)
    s.request('DELETE', '/v2/images/' + image)


def patch(s):
    change = [{'op': 'replace', 'path': '/name', 'value': 'name %d' % time.time_ns()}]
    s.request('PATCH', '/v2/images/' + s.images[5], json.dumps(change), PATCH)


KINDS = [  # name, the request, how often
    ('show', lambda s: s.request('GET', '/v2/images/' + s.images[3]), 100),
    ('list of 25', lambda s: s.request('GET', '/v2/images?limit=25'), 60),
    ('patch', patch, 60),
    ('create and delete', lambda s: s.request('DELETE', '/v2/images/' + s.create()), 40),
    ('create, upload 8 MiB, delete', upload, 3),
    ('download 8 MiB', lambda s: s.request('GET', '/v2/images/%s/file' % s.full), 5),
]


def instructions(program):
    """{kind: instructions a request}"""
    server = Server(program, ['valgrind', '--tool=callgrind', '--callgrind-out-file={directory}/count', '-q'])
    pid, counts = str(server.process.pid), {}
    control = dict(check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for name, request, times in KINDS:
        for _ in range(5):
            request(server)
        subprocess.run(['callgrind_control', '-z', pid], **control)
        before = set(glob.glob(server.directory + '/count*'))
        for _ in range(times):
            request(server)
        subprocess.run(['callgrind_control', '-d', pid], **control)
        total = 0
        for path in set(glob.glob(server.directory + '/count*')) - before:
            with open(path) as f:
                total += sum(int(n) for n in re.findall(r'^(?:totals|summary): (\d+)', f.read(), re.M)[:1])
        counts[name] = total / times
    server.stop()
    server.forget()
    return counts


def calls_of(program, request, times):
    server = Server(program, ['strace', '-f', '-c', '-o', '{directory}/calls'])
    for _ in range(times):
        request(server)
    server.stop()
    with open(server.directory + '/calls') as f:
        rows = [line.split() for line in f if re.match(r'\s*[\d.]+\s', line)]
    server.forget()
    return {row[-1]: int(row[3]) for row in rows if row[-1] != 'total'}


def system_calls(program):
    """{kind: {system call: times a request}}: a server that got the requests, less one that got none."""
    idle, counts = calls_of(program, None, 0), {}
    for name, request, times in KINDS:
        busy = calls_of(program, request, times)
        counts[name] = {call: (busy.get(call, 0) - idle.get(call, 0)) / times for call in set(busy) | set(idle)}
    return counts


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument('base')
    ap.add_argument('new')
    a = ap.parse_args()
    programs = (a.base, a.new)
    steps = [instructions(program) for program in programs]
    calls = [system_calls(program) for program in programs]
    print('%-29s %12s %12s %6s  %s' % ('a request', 'instructions', 'new', 'ratio', 'system calls, and those that changed by half a call or more'))
    for name, _, _ in KINDS:
        base, new = calls[0][name], calls[1][name]
        changed = ['%s %.1f to %.1f' % (call, base.get(call, 0), new.get(call, 0)) for call in sorted(set(base) | set(new))
                   if abs(base.get(call, 0) - new.get(call, 0)) >= .5]
        ratio = steps[1][name] / steps[0][name]
        print('%-29s %12d %12d %6.3f  %.0f to %.0f%s%s' % (name, steps[0][name], steps[1][name], ratio, sum(base.values()), sum(new.values()),
                                                           ': ' + ', '.join(changed) if changed else '', '   MORE' if ratio > 1.03 else ''))


if __name__ == '__main__':
    sys.exit(main())
