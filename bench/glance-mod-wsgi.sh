#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# glance-mod-wsgi.sh build|up|down PORT     a real Glance under mod_wsgi's daemon, for GLANCE_MOD_WSGI_URL
#
# build  makes mod_wsgi in the chroot of tests/oracle/peer.sh, from Debian's source and for the Python that runs Glance
#        there: Debian's package is bound to the Python that was its default when it was built
# up     builds it once, then starts httpd with the configuration peer.sh writes for "trusted" on PORT; prints the address
# down   stops that httpd, keeps its data
#
# PORT is its own: no uWSGI of peer.sh may have it. It has to be root, as for peer.sh.
# ORACLE_PROCESSES, ORACLE_THREADS: of the daemon, 1 unless given. ORACLE_OPTS, PEER_DIR, PEER_ROOT: as for peer.sh.
# APT_LOCK: a file, held while apt-get works in the chroot.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peer=$here/../tests/oracle/peer.sh
: "${PEER_DIR:=$here/../../shared/peer}"
: "${PEER_ROOT:=/var/tmp/peer-root}"; export PEER_DIR PEER_ROOT
# shellcheck source=/dev/null
. "$PEER_DIR/lib.sh"
: "${APT_LOCK:=/var/tmp/apt.lock}"
do=${1:?build, up or down}; port=${2:-}
built=/srv/mod_wsgi; module=$built/mod_wsgi.so              # as the chroot sees them
configuration=/srv/oracle/oracle-trusted-$port
top=$PEER_ROOT$configuration
pidfile=$top/httpd.pid

apt_in() { flock "$APT_LOCK" chroot "$PEER_ROOT" /usr/bin/env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

# The tarball alone: Debian's patches are not needed, and not every mirror has them. apt-get knows its digest.
# Lists of sources in a directory of their own: whatever else installs in the chroot does not see them.
fetch_source() {
    local lists=$PEER_ROOT$built/apt
    local options=(-q -o "Dir::Etc::SourceList=$built/apt/sources.list" -o "Dir::Etc::SourceParts=$built/apt/parts"
        -o "Dir::State::Lists=$built/apt/lists" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache=)
    mkdir -p "$lists/lists/partial" "$lists/parts"
    sed -n 's/^deb /deb-src /p' "$PEER_ROOT/etc/apt/sources.list" > "$lists/sources.list"
    [ -s "$lists/sources.list" ] || { echo "no line of deb in $PEER_ROOT/etc/apt/sources.list" >&2; exit 1; }
    apt_in apt-get "${options[@]}" update
    apt_in env -C "$built/source" apt-get "${options[@]}" --tar-only source mod-wsgi
}

build() {
    [ -e "$PEER_ROOT/etc/debian_version" ] || { echo "no chroot in $PEER_ROOT: $PEER_DIR/install.sh makes it" >&2; exit 1; }
    apt_in apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends \
        apache2 apache2-dev python3-dev gcc libc6-dev make
    rm -rf "${PEER_ROOT:?}$built"/{source,apt}
    mkdir -p "$PEER_ROOT$built/source"
    fetch_source
    in_root sh -ec "cd $built/source
        tar -xf mod-wsgi_*.orig.tar.* --strip-components=1
        ./configure --with-apxs=/usr/bin/apxs2 --with-python=/usr/bin/python3
        make
        cp src/server/.libs/mod_wsgi.so $module.new"
    rm -rf "${PEER_ROOT:?}$built"/{source,apt}
    mv "$PEER_ROOT$module.new" "$PEER_ROOT$module"
}

# The module is of no use to a Python that is newer than it.
is_built() {
    local version
    [ -e "$PEER_ROOT$module" ] || return 1
    version=$(in_root python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    [[ $(in_root ldd "$module") = *"libpython$version."* ]]
}

httpd_conf() {
    cat <<K
ServerRoot $configuration
PidFile $configuration/httpd.own.pid
DefaultRuntimeDir $configuration
Mutex file:$configuration default
ErrorLog $configuration/httpd.log
ServerName localhost
Listen 127.0.0.1:$port
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule wsgi_module $module
StartServers 1
ServerLimit 8
ThreadsPerChild 25
MaxRequestWorkers 50
LimitRequestBody 0
LimitRequestFieldSize 32768
Timeout 300
AllowEncodedSlashes NoDecode
WSGISocketPrefix $configuration/wsgi
WSGIChunkedRequest On
WSGIPassAuthorization On
WSGIDaemonProcess glance user=glance group=glance processes=${ORACLE_PROCESSES:-1} threads=${ORACLE_THREADS:-1} \
python-path=$configuration lang=C.UTF-8 locale=C.UTF-8 request-timeout=86400 socket-timeout=300
WSGIScriptAlias / $configuration/oracle_peer.py process-group=glance application-group=%{GLOBAL}
<Directory $configuration>
  Require all granted
</Directory>
K
}

alive() { [ -s "$pidfile" ] && [ "$(cat "/proc/$(cat "$pidfile")/comm" 2>/dev/null)" = apache2 ]; }

up() {
    alive && return
    ! curl -s -o /dev/null "http://127.0.0.1:$port/" || { echo "something else answers on port $port" >&2; exit 1; }
    is_built || build >&2
    "$peer" configure trusted "$port" > /dev/null
    httpd_conf > "$top/httpd.conf"
    setsid chroot "$PEER_ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
        OS_GLANCE_CONFIG_DIR="$configuration" nice apache2 -f "$configuration/httpd.conf" -DFOREGROUND \
        >> "$top/httpd.out" 2>&1 < /dev/null &
    echo $! > "$pidfile"
    wait_http "http://127.0.0.1:$port/versions" 60 || { down; tail -5 "$top/httpd.out" "$top/httpd.log" >&2; exit 1; }
}

down() {
    alive || return 0
    kill -TERM "$(cat "$pidfile")"
    for _ in $(seq 150); do alive || break; sleep 0.1; done
    alive && { echo "httpd on port $port does not stop" >&2; exit 1; }
    rm -f "$pidfile"
}

[ "$do" = build ] || [ -n "$port" ] || { echo "$do needs a port" >&2; exit 2; }
case $do in
build) build ;;
up) up; echo "http://127.0.0.1:$port" ;;
down) down ;;
*) echo "build, up or down?" >&2; exit 2 ;;
esac
