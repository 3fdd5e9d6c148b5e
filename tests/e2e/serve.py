#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""serve.py PROFILE COMMAND...   runs the command beside a fresh server; in it {url} is the server's
address, {database} its database and {origin} a web server for locations (tests/origin.py).
PROFILE: trusted, noauth, or a folder of tests/oracle/profiles, which adds to trusted as it does in peer.sh.
The exit status is the command's, or 3 when the server did not end well."""
import functools
import os
import shutil
import subprocess
import sys
import tempfile

from glint import PASTE_TRUSTED, TOP, Server

sys.path.insert(0, os.path.join(TOP, 'tests'))
import origin  # noqa: E402

PROFILES = os.path.join(TOP, 'tests', 'oracle', 'profiles')


class ProfileServer(Server):
    def __init__(self, directory, profile, **kw):
        self.added = os.path.join(PROFILES, profile)
        super().__init__(directory, trusted=True, **kw)

    def configure(self, config=None):
        paste = os.path.join(self.directory, 'paste.ini')
        shutil.copyfile(PASTE_TRUSTED, paste)
        super().configure({'paste_deploy': {'config_file': paste}, **(config or {})})
        for name in sorted(os.listdir(self.added)):
            with open(os.path.join(self.added, name)) as f:
                text = f.read().replace('@DIR@', self.directory).replace('@PORT@', str(self.port))
            target = {'glance.conf': self.conf, 'paste.ini': paste}.get(name)
            with open(target or os.path.join(self.directory, name), 'a' if target else 'w') as f:
                f.write(text)


def main():
    profile, command = sys.argv[1], sys.argv[2:]
    web = origin.start()
    with tempfile.TemporaryDirectory(prefix='glint-serve-') as directory:
        if profile in ('trusted', 'noauth'):
            server = Server(directory, trusted=profile == 'trusted')
        else:
            server = ProfileServer(directory, profile)
        told = {'{url}': server.url, '{origin}': web.url, '{database}': server.db.url}
        status = subprocess.run([functools.reduce(lambda text, item: text.replace(*item), told.items(), word) for word in command]).returncode
        problem = server.finish()
        if problem:
            print(problem, file=sys.stderr)
            return 3
        return status


if __name__ == '__main__':
    sys.exit(main())
