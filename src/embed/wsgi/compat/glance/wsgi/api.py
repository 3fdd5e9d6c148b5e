# SPDX-License-Identifier: Apache-2.0
"""glance.wsgi.api:application, as Glance 2024.2 and later name it."""
from glint.wsgi import application

__all__ = ['application']
