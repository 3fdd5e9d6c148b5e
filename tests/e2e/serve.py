#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""serve.py trusted|noauth COMMAND...   runs the command beside a fresh server; {url} in it is the server's address.
The exit status is the command's, or 3 when the server did not end well."""
import subprocess
import sys
import tempfile

from glint import Server


def main():
    profile, command = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix='glint-serve-') as directory:
        server = Server(directory, trusted=profile == 'trusted')
        status = subprocess.run([word.replace('{url}', server.url) for word in command]).returncode
        problem = server.finish()
        if problem:
            print(problem, file=sys.stderr)
            return 3
        return status


if __name__ == '__main__':
    sys.exit(main())
