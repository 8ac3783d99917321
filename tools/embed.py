#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns files into C arrays: embed.py NAME OUTPUT FILE... writes NAME_names[], NAME_data[],
NAME_sizes[] and NAME_count, declared by whoever uses them."""
import os
import sys


def array(data):
    rows = [', '.join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    return ',\n    '.join(rows) or '0'


def main(name, target, sources):
    out = ['#include <stddef.h>\n',
           f'extern const char *const {name}_names[];',
           f'extern const unsigned char *const {name}_data[];',
           f'extern const size_t {name}_sizes[], {name}_count;\n']
    sizes = []
    for i, source in enumerate(sources):
        with open(source, 'rb') as f:
            data = f.read()
        sizes.append(str(len(data)))
        out.append(f'static const unsigned char file_{i}[] = {{\n    {array(data)}}};')
    names = ', '.join(f'"{os.path.basename(source)}"' for source in sources)
    parts = ', '.join(f'file_{i}' for i in range(len(sources)))
    out += [f'const char *const {name}_names[] = {{{names}}};',
            f'const unsigned char *const {name}_data[] = {{{parts}}};',
            f'const size_t {name}_sizes[] = {{{", ".join(sizes)}}};',
            f'const size_t {name}_count = {len(sources)};']
    with open(target, 'w', encoding='ascii') as f:
        f.write('\n'.join(out) + '\n')


if __name__ == '__main__':
    if len(sys.argv) < 4:
        sys.exit(f'usage: {sys.argv[0]} NAME OUTPUT FILE...')
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
