# What WSGIScriptAlias loads. Configuration is found as Glance finds it: /etc/glance, or
# import os; os.environ['OS_GLANCE_CONFIG_DIR'] = '/srv/glance'
# Files of one's own, with a colon between several:
# import os; os.environ['GLINT_CONFIG'] = '/etc/glance/glance-api.conf'
from glint.wsgi import application  # noqa: F401
