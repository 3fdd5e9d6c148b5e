# The Images API in gunicorn (Debian: gunicorn): gunicorn --config gunicorn.conf.py
# Configuration is found as Glance finds it: /etc/glance, or OS_GLANCE_CONFIG_DIR; GLINT_CONFIG names files, with a colon between
# several.
wsgi_app = 'glint.wsgi:application'
bind = ['0.0.0.0:9292']
# Threads: the default class serves one request at a time and is killed in the middle of a long one. No gevent, no eventlet: the
# service blocks in C, and all that they run with it.
worker_class = 'gthread'
workers = 4
# Each upload or download takes a thread while it lasts.
threads = 16
# Of the whole worker, which gthread's loop answers for: not of a request.
timeout = 120
# Uploads may end over a reload (HUP) for so long.
graceful_timeout = 3600
keepalive = 60
# Tokens: 0 is no limit of gunicorn's; the service has its own.
limit_request_field_size = 32768
limit_request_line = 8190
# Behind a proxy on another host: whose X-Forwarded-Proto is believed.
#forwarded_allow_ips = '192.0.2.1'
# Identity headers are what a Keystone filter tells the service; a client must not set them, by whatever spelling. Where a
# server before this one sets them (paste flavor "trusted"), leave the hook out.
IDENTITY = set('''
X_IDENTITY_STATUS X_ROLES X_ROLE X_USER X_USER_ID X_USER_NAME X_USER_DOMAIN_ID X_USER_DOMAIN_NAME X_PROJECT_ID
X_PROJECT_NAME X_PROJECT_DOMAIN_ID X_PROJECT_DOMAIN_NAME X_IS_ADMIN_PROJECT X_DOMAIN_ID X_DOMAIN_NAME X_TENANT
X_TENANT_ID X_TENANT_NAME OPENSTACK_SYSTEM_SCOPE X_SERVICE_CATALOG X_SERVICE_IDENTITY_STATUS X_SERVICE_ROLES
X_SERVICE_USER_ID X_SERVICE_USER_NAME X_SERVICE_USER_DOMAIN_ID X_SERVICE_USER_DOMAIN_NAME X_SERVICE_PROJECT_ID
X_SERVICE_PROJECT_NAME X_SERVICE_PROJECT_DOMAIN_ID X_SERVICE_PROJECT_DOMAIN_NAME X_SERVICE_DOMAIN_ID
X_SERVICE_DOMAIN_NAME
'''.split())


def pre_request(worker, request):
    request.headers = [(name, value) for name, value in request.headers if name.upper().replace('-', '_') not in IDENTITY]


# Background work is not gunicorn's: enable glint-worker.service.
