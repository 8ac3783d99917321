# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share; sourced, never run. Works from any folder.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
export LC_ALL=C.UTF-8

say() { printf '==> %s\n' "$*"; }

# die [CODE] MESSAGE: 1 = it failed, 2 = it was called wrongly.
die() {
    local code=1
    [[ ${1-} =~ ^[0-9]$ ]] && code=$1 && shift
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit "$code"
}

# The comment at the head of a script is its help: asked for, or told to who called it wrongly.
help() {
    sed -n '/^#!/d; /^# SPDX/d; /^#/!q; s/^# \{0,1\}//p' "$0"
}
usage() {
    help >&2
    exit 2
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: $*"
    fi
}

# Node 18 or newer that brings an npm.
has_node() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    version=${version#v}
    ((${version%%.*} >= 18)) && command -v npm >/dev/null
}

jobs_n() { nproc 2>/dev/null || echo 2; }

# configure KIND: the build directory of this kind, made with Meson when it is not there yet.
# `script/build` writes only what a user needs; tests compile all of a directory.
configure() {
    local kind=$1 dir setup=()
    case $kind in
    release) dir=build ;;
    asan) dir=build-asan setup=(-Db_sanitize=address,undefined -Doptimization=1) ;;
    tsan) dir=build-tsan setup=(-Db_sanitize=thread -Doptimization=1) ;;
    fuzz) dir=build-fuzz setup=(-Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false) ;;
    coverage) dir=build-coverage setup=(-Db_coverage=true -Doptimization=0) ;;
    *) usage ;;
    esac
    if [[ ! -e $dir/build.ninja ]]; then
        local compiler=gcc
        [[ $kind != fuzz ]] || compiler=clang
        CC=${CC:-$compiler} meson setup "$dir" "${setup[@]}" >"$dir.log" 2>&1 ||
            { cat "$dir.log" >&2 && die "meson setup $dir failed"; }
    fi
    echo "$dir"
}
