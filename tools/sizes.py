#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keeps things small enough to read: a file has at most 600 lines, a header 200, a C function 100.

*.def files and the rows of constant tables (lines between `... = {` and `};` at the margin) do
not count; a header made for tests is as long as a file. A function that is longer and better whole
says so in a line: /* whole: reason */. Those are counted and printed."""
import argparse
import re

import tree

FILE, HEADER, FUNCTION = 600, 200, 100
WHOLE = re.compile(r'/\* whole: (.+?) *\*/')


def blocks(lines):
    """(what, first, last) of each margin block, lines counted from 0: a function's brace stands
    alone at the margin, a table's ends the line of its name."""
    what, first = None, 0
    for at, line in enumerate(lines):
        if what is None and line == '{':
            what, first = 'function', at
        elif what is None and re.match(r'(static |const )*const .*= \{$', line):
            what, first = 'table', at
        elif what and line.startswith('}'):
            yield what, first, at
            what = None


def head_of(lines, brace):
    """The first line of the signature (and of the comment that touches it) above a brace."""
    at = brace
    while at > 0 and lines[at - 1].strip() and not lines[at - 1].startswith(('}', '#')):
        at -= 1
    return at


def judge_c(name, text):
    """(findings, whole) of one C file."""
    findings, whole = [], []
    lines = tree.code_only(text).split('\n')
    original = text.split('\n')
    counted = text.count('\n')
    for what, first, last in blocks(lines):
        length = last - first + 1
        if what == 'table':
            counted -= length - 2
        elif length > FUNCTION:
            head = head_of(original, first)
            reason = WHOLE.search('\n'.join(original[head:last]))
            if reason:
                whole.append(f'  whole {name}:{first + 1}: {length} lines: {reason[1]}')
            else:
                findings.append(f'{name}:{first + 1}: function of {length} lines, at most {FUNCTION}')
    limit = HEADER if name.endswith('.h') and not tree.is_test(name) else FILE
    if counted > limit:
        findings.append(f'{name}:{limit + 1}: {counted} lines, at most {limit}')
    return findings, whole


def main():
    findings, whole = [], []
    for name in tree.paths('.c', '.h', '.js', '.mjs', '.py'):
        text = tree.read(name)
        if name.endswith(('.c', '.h')):
            wrong, exempt = judge_c(name, text)
            findings += wrong
            whole += exempt
        elif text.count('\n') > FILE:
            findings.append(f'{name}:{FILE + 1}: {text.count(chr(10))} lines, at most {FILE}')
    tree.finish('sizes', findings, *whole, f'  {len(whole)} whole')


if __name__ == '__main__':
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
