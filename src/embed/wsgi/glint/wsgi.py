# SPDX-License-Identifier: Apache-2.0
"""The Images API as a WSGI application, for mod_wsgi, uWSGI, gunicorn and others: glint.wsgi:application.

It is configured as Glance's own application is: /etc/glance, or OS_GLANCE_CONFIG_DIR, and OS_<GROUP>__<OPTION>. GLINT_CONFIG
and GLINT_CONFIG_DIR name other files and directories, several with a colon between them. For more than one service in a
process, make them by glint.Application(config_files=[...], config_dirs=[...], options=['GROUP.OPTION=VALUE'])."""
import os

from glint import Application


def _paths(name):
    return [path for path in os.environ.get(name, '').split(os.pathsep) if path]


application = Application(config_files=_paths('GLINT_CONFIG'), config_dirs=_paths('GLINT_CONFIG_DIR'))
