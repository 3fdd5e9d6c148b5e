# SPDX-License-Identifier: Apache-2.0
"""Stands in for Glance where a web server's configuration names glance.wsgi.api:application, or runs glance-wsgi-api. There
is nothing in it but those names. It belongs in a directory of its own, put on the server's python-path on purpose."""
import glob
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _real_glance(directory):
    """Whether Glance itself is installed in this directory of sys.path."""
    return os.path.exists(os.path.join(directory, 'glance', 'api', '__init__.py')) or \
        bool(glob.glob(os.path.join(glob.escape(directory), 'glance-[0-9]*-info')))


def _look_around():
    ours = os.path.dirname(_HERE)
    if _real_glance(ours):
        raise ImportError('Glance itself is installed in %s, and so is what stands in for it: remove one of them, or let the web '
                          'server load glint.wsgi:application instead of glance.wsgi.api:application' % ours)
    for directory in sys.path:
        if directory and os.path.abspath(directory) != ours and _real_glance(directory):
            sys.stderr.write('glint: Glint serves in place of the Glance in %s\n' % directory)


_look_around()
