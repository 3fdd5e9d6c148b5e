#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# peer.sh up|down|url|reset|configure [trusted|noauth|both|NAME] [PORT]     a real Glance, one store, SQLite, for recording
#
#   trusted  identity comes from X-* request headers (flavor "trusted"), oslo.policy's defaults
#   noauth   flavor unset, enforce_new_defaults=false, enforce_scope=false: everybody is an administrator
#   NAME     trusted with what profiles/NAME adds: glance.conf and paste.ini are appended (@DIR@, @PORT@: the server's
#            directory and port), the other files lie beside; it has no port of its own
#
# up     starts what is not running yet; ports 19121 (trusted) and 19122 (noauth) unless PORT is given
# down   stops it, keeps its data;  reset = down, forget all images, up;  url prints the address
# configure  writes what up would, for another web server to start; prints the directory as the chroot sees it
# PORT belongs to one profile; another PORT is another server with data of its own.
#
# ORACLE_PROCESSES, ORACLE_THREADS: of uWSGI, 1 unless given. ORACLE_OPTS: more lines of [DEFAULT].
# PEER_DIR   where the chroot scripts are (install.sh, lib.sh); PEER_ROOT: the chroot install.sh made.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${PEER_DIR:=$here/../../../shared/peer}"
: "${PEER_ROOT:=/var/tmp/peer-root}"; export PEER_ROOT
peer_scripts=$PEER_DIR
. "$peer_scripts/lib.sh"
do=${1:?up, down, reset, url or configure}; what=${2:-both}; port=${3:-}
[ "$what" = both ] && { for w in trusted noauth; do "$0" "$do" $w; done; exit; }
case $what in trusted) : "${port:=19121}" ;; noauth) : "${port:=19122}" ;; esac
added=$here/profiles/$what; [ -d "$added" ] || added=
[ "$what" = trusted ] || [ "$what" = noauth ] || [ -n "$added" ] || { echo "trusted, noauth or one of profiles/?" >&2; exit 2; }
[ -n "$port" ] || { echo "$what needs a port" >&2; exit 2; }
me=oracle-$what-$port
top=$PEER_ROOT/srv/oracle/$me; in=/srv/oracle/$me          # outside, and as seen inside the chroot
pidfile=$top/uwsgi.pid
alive() { [ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }

add_profile() {
    local file name
    for file in "$added"/*; do
        name=${file##*/}
        case $name in
        glance.conf) sed "s#@DIR@#$in#g; s#@PORT@#$port#g" "$file" >> "$top/glance-api.conf" ;;
        paste.ini) sed "s#@DIR@#$in#g; s#@PORT@#$port#g" "$file" >> "$top/paste.ini" ;;
        *) cp "$file" "$top/$name" ;;
        esac
    done
}

configure() {
    mountpoint -q "$PEER_ROOT/proc" || mount -t proc proc "$PEER_ROOT/proc"
    mountpoint -q "$PEER_ROOT/dev" || mount --bind /dev "$PEER_ROOT/dev"
    mkdir -p "$top"/{images,staging,tasks,lock}
    if [ "$what" = noauth ]; then flavor=; policy=$'enforce_new_defaults = false\nenforce_scope = false'
    else flavor="flavor = trusted"; policy=; fi
    cat > "$top/glance-api.conf" <<K
[DEFAULT]
log_dir = $in
log_file = api.log
node_staging_uri = file://$in/staging
${ORACLE_OPTS:-}
[database]
connection = sqlite:///$in/glance.sqlite
sqlite_synchronous = false
[glance_store]
stores = file,http
default_store = file
filesystem_store_datadir = $in/images
[oslo_concurrency]
lock_path = $in/lock
[oslo_policy]
$policy
[paste_deploy]
$flavor
config_file = $in/paste.ini
K
    { cat "$PEER_ROOT/etc/glance/glance-api-paste.ini"; cat <<K

[composite:glance-api-trusted]
paste.composite_factory = glance.api:root_app_factory
/: api
/healthcheck: healthcheck
K
    # The cors filter reads a configuration of its own: /etc/glance's, unless it is told another.
    } | sed -e '/^caching = /i trusted = cors http_proxy_to_wsgi versionnegotiation osprofiler context rootapp' \
        -e "/^oslo_config_program = /a oslo_config_file = $in/glance-api.conf" > "$top/paste.ini"
    [ -z "$added" ] || add_profile
    # Glance looks this option up when it passes a request on to another worker. The filter auth_token defines it, which our
    # pipelines have not.
    cat > "$top/oracle_peer.py" <<K
from oslo_config import cfg
cfg.CONF.register_opt(cfg.StrOpt('auth_url', default='http://127.0.0.1:1'), group='keystone_authtoken')
from glance.wsgi.api import application
K
    cat > "$top/uwsgi.ini" <<K
[uwsgi]
plugins = python3
pythonpath = $in
module = oracle_peer:application
http-socket = 127.0.0.1:$port
master = true
processes = ${ORACLE_PROCESSES:-1}
threads = ${ORACLE_THREADS:-1}
enable-threads = true
py-sys-executable = /usr/bin/python3
lazy-apps = true
die-on-term = true
no-orphans = true
close-on-exec = true
exit-on-reload = true
add-header = Connection: close
buffer-size = 65535
socket-timeout = 30
disable-logging = true
K
    chmod 755 "$PEER_ROOT/srv" "$PEER_ROOT/srv/oracle" "$PEER_ROOT/etc/glance"
    chmod 644 "$PEER_ROOT"/etc/glance/*.ini "$PEER_ROOT"/etc/glance/*.json
    [ -e "$top/glance.sqlite" ] || in_root glance-manage --config-file "$in/glance-api.conf" db_sync > "$top/db_sync.log" 2>&1
    # Readers do not get in the way of a task that writes.
    in_root python3 -c "import sqlite3; sqlite3.connect('$in/glance.sqlite').execute('PRAGMA journal_mode = WAL')"
    chroot "$PEER_ROOT" chown -R glance "$in"
}

up() {
    alive && { echo "$me is up"; return; }
    configure
    setsid chroot --userspec=glance "$PEER_ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
        OS_GLANCE_CONFIG_DIR="$in" nice uwsgi_python3 --ini "$in/uwsgi.ini" >> "$top/uwsgi.out" 2>&1 < /dev/null &
    echo $! > "$pidfile"
    wait_http "http://127.0.0.1:$port/versions" 60
}

down() {
    alive || return 0
    kill -TERM "$(cat "$pidfile")"
    for _ in $(seq 150); do alive || break; sleep 0.1; done
    alive && echo "$me does not stop" >&2
    rm -f "$pidfile"
}

case $do in
up) up; echo "http://127.0.0.1:$port" ;;
down) down ;;
reset) down; rm -rf "$top"; up; echo "http://127.0.0.1:$port" ;;
url) echo "http://127.0.0.1:$port" ;;
configure) configure; echo "$in" ;;
*) echo "up, down, reset, url or configure?" >&2; exit 2 ;;
esac
