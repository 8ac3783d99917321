#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stairs go down only: checks every #include of src/ against the map of the house (docs/house.md).

ROOMS is that map. A room includes itself and what stands in its row; another room's *_int.h
never. meson.build's `rooms` must say the same. Budgets are printed as a hint, never a failure."""
import argparse
import re
from collections import Counter
from typing import NamedTuple

import tree


class Room(NamedTuple):
    may: str       # rooms that it may include
    libraries: str # libraries that it may include, by the names of LIBRARIES
    budget: int    # lines, tests not counted


ROOMS = {
    'base': Room('', 'openssl jansson yaml argon2 pcre2', 2800),
    'run': Room('base', 'uv', 900),
    'jose': Room('base', 'openssl', 2200),
    'policy': Room('base', '', 1300),
    'http': Room('base run', 'uv llhttp nghttp2 openssl curl', 3400),
    'store': Room('base run', 'sqlite3 libpq hiredis', 1500),
    'observe': Room('base run http store', '', 1300),
    'shield': Room('base run store observe', 'maxminddb', 800),
    'lambda': Room('base run http store policy observe', 'uv zip', 2400),
    'authorizer': Room('base run http jose policy lambda observe', '', 1600),
    'identity': Room('base run http jose store observe', '', 3800),
    'gateway': Room('base run http policy authorizer lambda shield observe store', '', 3000),
    'import': Room('base policy authorizer lambda gateway', '', 2500),
    'aws': Room('base run http store policy authorizer lambda gateway observe import', '', 3200),
    'console': Room('base http observe', '', 200),
}
ROOMS['main'] = Room(' '.join(ROOMS), 'uv', 700)

# How the headers of each library begin; whatever stands in no row is libc or the kernel's.
LIBRARIES = {
    'uv': ('uv.h', 'uv/'), 'openssl': ('openssl/',), 'jansson': ('jansson',), 'yaml': ('yaml.h',),
    'argon2': ('argon2.h',), 'llhttp': ('llhttp',), 'nghttp2': ('nghttp2/',), 'curl': ('curl/',),
    'sqlite3': ('sqlite3',), 'libpq': ('libpq', 'postgresql/'), 'hiredis': ('hiredis',),
    'maxminddb': ('maxminddb',), 'zip': ('zip.h',), 'pcre2': ('pcre2',),
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)
MESON_ROOM = re.compile(r"^ +'(\w+)': \{'deps': \[.*?\], *'rooms': \[(.*?)\]", re.MULTILINE | re.DOTALL)


def why_not(room, is_test, quote, header):
    """What is wrong with this include in this room, or None."""
    rules = ROOMS[room]
    if quote == '<':
        library = next((name for name, heads in LIBRARIES.items() if header.startswith(heads)), None)
        if library and library not in rules.libraries.split() and not is_test:
            owners = [name for name, other in ROOMS.items() if library in other.libraries.split()]
            return f'{library} belongs to {", ".join(owners)}'
        return None
    if '..' in header.split('/'):
        return 'name a header by its room: "room/noun.h"'
    owner, slash, noun = header.rpartition('/')
    owner = owner.split('/')[0]
    if not slash or owner == room or (is_test and owner == 'lib'):
        return None
    if owner not in ROOMS:
        return f'there is no room {owner}/'
    if owner not in rules.may.split():
        return f'{room} may include {rules.may or "nothing"}, not {owner}'
    if noun.endswith('_int.h'):
        return f'{header} is private to {owner}'
    return None


def wrong_includes():
    for name in tree.paths('.c', '.h', '.def', under='src/'):
        room = name.split('/')[1]
        if room not in ROOMS:
            yield f'{name}:1: there is no room {room}/ on the map'
            continue
        text = tree.read(name)
        for found in INCLUDE.finditer(text):
            if wrong := why_not(room, tree.is_test(name), *found.groups()):
                line = text.count('\n', 0, found.start()) + 1
                yield f'{name}:{line}: {found.group().strip()}: {wrong}'


def meson_differs():
    """Rows of meson.build's `rooms` that do not say what the map says of the rooms it builds."""
    text = tree.read('meson.build')
    rows = {found[1]: (text.count('\n', 0, found.start()) + 1, set(re.findall(r'\w+', found[2])))
            for found in MESON_ROOM.finditer(text)}
    if not rows:
        yield 'meson.build:1: no `rooms` found'
    for room, (line, linked) in rows.items():
        wanted = set(ROOMS[room].may.split()) & set(rows) if room in ROOMS else set()
        for word, names in (('lacks', wanted - linked), ('must not have', linked - wanted)):
            if names:
                yield f"meson.build:{line}: '{room}' {word} {' '.join(sorted(names))}"


def budgets():
    lines = Counter()
    for name in tree.paths('.c', '.h', '.def', under='src/'):
        if not tree.is_test(name):
            lines[name.split('/')[1]] += tree.read(name).count('\n')
    for room, rules in ROOMS.items():
        if lines[room]:
            over = f'  {lines[room] - rules.budget:+}' if lines[room] > rules.budget else ''
            yield f'  {room:<11}{lines[room]:>6} of {rules.budget:>5} lines{over}'


if __name__ == '__main__':
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    tree.finish('rooms', [*wrong_includes(), *meson_differs()], *budgets())
