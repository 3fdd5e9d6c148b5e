# SPDX-License-Identifier: Apache-2.0
"""What the script glance-wsgi-api of earlier releases calls."""


def init_app():
    from glint.wsgi import application
    return application
