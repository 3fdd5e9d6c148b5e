# SPDX-License-Identifier: Apache-2.0
"""Glint, an OpenStack image service, inside Python's web servers. See glint.wsgi."""
from glint._glint import Application, Error, version as __version__

__all__ = ['Application', 'Error', '__version__']
