# SPDX-License-Identifier: Apache-2.0
"""What the lints share: finding C files below a root, and reading them without comments and strings."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def root():
    """The tree to look at: the first argument, else this one."""
    return os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 and not sys.argv[1].startswith('-') else TOP


def files(top, *folders, ends=('.c', '.h')):
    """Paths relative to top, sorted."""
    found = []
    for folder in folders:
        for where, _, names in os.walk(os.path.join(top, folder)):
            found += [os.path.relpath(os.path.join(where, name), top) for name in names if name.endswith(ends)]
    return sorted(found)


def read(top, path):
    with open(os.path.join(top, path), encoding='utf-8') as f:
        return f.read()


def bare(text, keep_strings=False):
    """The text with comments (and strings) blanked out; lines stay where they are."""
    def blank(match):
        token = match.group(0)
        if token[0] in '"\'':
            return token if keep_strings else token[0] + ' ' * (len(token) - 2) + token[0]
        return re.sub(r'[^\n]', ' ', token)
    return TOKEN.sub(blank, text)


def finish(name, problems, looked_at, noun='files'):
    for problem in problems:
        print(problem)
    if not looked_at:
        problems = ['nothing to look at']
        print(problems[0])
    print('%s: %d %s, %d problems' % (name, looked_at, noun, len(problems)))
    return 1 if problems else 0
