#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tests/lib/postgres.sh start DIR [name=value ...] | stop DIR [mode] | url DIR [database]
#
# A private PostgreSQL 15 for tests: everything it has lies in DIR, it listens on a socket there and
# on no port. `start` makes it when DIR does not exist (name=value are settings of the server) and
# prints its URL, whose password must never be seen again. Exits with 77 where none is installed.
set -euo pipefail

bin=/usr/lib/postgresql/15/bin
command=${1:?} dir=${2:?}
shift 2

# PostgreSQL refuses to run as root.
as_owner() {
    if [[ $(id -u) == 0 ]]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups env HOME=/ "$@"
    else
        "$@"
    fi
}

make() {
    local setting
    install -d -m 0711 ${owner:+-o "$owner"} "$dir"
    printf 's3cret/@:words' >"$dir/password"
    chmod 644 "$dir/password"
    as_owner "$bin/initdb" --no-sync --no-locale --encoding=UTF8 --username=ropeline \
        --auth=scram-sha-256 --pwfile="$dir/password" --pgdata="$dir/data" >/dev/null
    for setting in fsync=off full_page_writes=off shared_buffers=16MB max_connections=60 \
        deadlock_timeout=100ms "$@"; do
        printf "%s = '%s'\n" "${setting%%=*}" "${setting#*=}"
    done | as_owner tee -a "$dir/data/postgresql.conf" >/dev/null
}

# Whatever becomes of the test, nothing of it stays.
outlive() { # PID
    while kill -0 "$1" 2>/dev/null && [[ -e $dir ]]; do sleep 0.5; done
    "$0" stop "$dir"
    rm -rf "$dir"
}

owner=
[[ $(id -u) != 0 ]] || owner=postgres
case $command in
start)
    [[ -x $bin/postgres ]] || exit 77
    [[ -z $owner ]] || id "$owner" >/dev/null 2>&1 || exit 77
    if [[ ! -e $dir/data ]]; then
        make "$@"
        (cd / && outlive "$PPID" &) >/dev/null 2>&1 </dev/null
    fi
    # it must not keep the caller's output open
    (cd / && as_owner "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/data/log" --wait --silent \
        --options="-c listen_addresses='' -c unix_socket_directories='$dir'" start >/dev/null 2>&1 </dev/null)
    "$0" url "$dir"
    ;;
stop)
    (cd / && as_owner "$bin/pg_ctl" --pgdata="$dir/data" --mode="${1:-immediate}" --wait --silent stop) \
        >/dev/null 2>&1 || true
    ;;
url)
    printf 'postgres://ropeline:s3cret%%2F%%40%%3Awords@/%s?host=%s\n' "${1:-postgres}" "$dir"
    ;;
*) exit 2 ;;
esac
