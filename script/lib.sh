# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the scripts of this folder share; sourced, never run. Works from any folder.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
script=$(cd "$(dirname "$0")" && pwd)/${0##*/} # before the folder changes
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
    sed -n '/^#!/d; /^# SPDX/d; /^#/!q; s/^# \{0,1\}//p' "$script"
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

# configure KIND: makes a build directory where there is none yet, and puts its name in $dir.
configure() {
    local kind=$1 compiler=gcc options=()
    dir=build-$kind
    case $kind in
    release) dir=build ;;
    asan) options=('-Db_sanitize=address,undefined' -Doptimization=1) ;;
    tsan) options=(-Db_sanitize=thread -Doptimization=1) ;;
    fuzz) compiler=clang options=(-Dfuzz=true '-Db_sanitize=address,undefined' -Db_lundef=false) ;;
    coverage) options=(-Db_coverage=true -Doptimization=0) ;;
    esac
    if [[ ! -e $dir/build.ninja ]]; then
        say "configuring $dir/"
        mkdir -p "$dir"
        CC=${CC:-$compiler} meson setup "$dir" "${options[@]}" >"$dir/setup.log" 2>&1 || {
            tail -n 20 "$dir/setup.log" >&2
            die "meson could not configure $dir/"
        }
    fi
}

# compile KIND [TARGET...]: brings a build directory up to date, all of it by default.
compile() {
    local dir
    configure "$1"
    shift
    say "compiling $dir/${1-}"
    ninja --quiet -C "$dir" "$@"
}
