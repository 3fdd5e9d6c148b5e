# SPDX-License-Identifier: Apache-2.0
"""The Images API as a WSGI application, for mod_wsgi, uWSGI, gunicorn and others: glint.wsgi:application.

It is configured as Glance's own application is: /etc/glance, or OS_GLANCE_CONFIG_DIR, and OS_<GROUP>__<OPTION>. GLINT_CONFIG
and GLINT_CONFIG_DIR name other files and directories, several with a colon between them. Under uWSGI --config-file and --config-dir
of its option pyargv do the same, as they do for Glance: pyargv = --config-file /etc/glance/glance-api.conf. For more than one service in a
process, make them by glint.Application(config_files=[...], config_dirs=[...], options=['GROUP.OPTION=VALUE'])."""
import os
import sys

from glint import Application


def _paths(name):
    return [path for path in os.environ.get(name, '').split(os.pathsep) if path]


def _arguments(name):
    """Of pyargv. Other servers' command lines are their own."""
    words = sys.argv[1:] if 'uwsgi' in sys.builtin_module_names or 'uwsgi' in sys.modules else []
    found = [word[len(name) + 1:] for word in words if word.startswith(name + '=')]
    return found + [value for word, value in zip(words, words[1:]) if word == name]


application = Application(config_files=_paths('GLINT_CONFIG') or _arguments('--config-file'),
                          config_dirs=_paths('GLINT_CONFIG_DIR') or _arguments('--config-dir'))
