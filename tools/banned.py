#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds C words that are not used in this house, and says what is used instead.

A line that must have one says why: /* allowed: reason */. Those are counted and printed.
tests/lib, tests/fuzz and tests/vectors are plain C: no rule holds there."""
import argparse
import re
from typing import NamedTuple

import tree

EVERYWHERE = ''
PRODUCT = 'product'  # tests and their fixtures may


class Rule(NamedTuple):
    words: str
    where: str           # EVERYWHERE or PRODUCT
    rooms: str           # folders of src/ that may all the same
    instead: str
    is_call: bool = True


RULES = (
    Rule('strcpy strcat stpcpy strncpy sprintf vsprintf gets', EVERYWHERE, '',
         'base/buf.h: it knows its size'),
    Rule('strtok strtok_r', EVERYWHERE, '', 'base/str.h: it changes nothing'),
    Rule('atoi atol atoll atof', EVERYWHERE, '', 'base/str.h: it can say no'),
    Rule('gmtime localtime ctime asctime', EVERYWHERE, '', 'base/time.h'),
    Rule('rand random srand drand48', EVERYWHERE, '', 'base/crypt.h'),
    Rule('alloca', EVERYWHERE, '', 'an arena'),
    Rule('malloc calloc realloc free strdup strndup asprintf vasprintf', PRODUCT, 'base',
         'base/mem.h or an arena'),
    Rule('system popen', PRODUCT, '', 'run/child.h: no shell'),
    Rule('fork vfork uv_spawn', PRODUCT, 'main', 'run/child.h: the keeper makes processes'),
    Rule('volatile', EVERYWHERE, '', 'atomics, or run/shard.h', False),
    Rule('_Thread_local __thread', EVERYWHERE, 'base run', 'a struct per worker', False),
)
BY_WORD = {word: rule for rule in RULES for word in rule.words.split()}
WORD = re.compile(r'(?<![\w.])(?<!->)(' + '|'.join(BY_WORD) + r')\b(?=(\s*\()?)')
# What a database is asked is written in the program, never put together while it runs.
STATEMENT = re.compile(r'(?<!static const )\bstruct stmt \w+\s*[=;]|[.>]sql\s*=(?!=)')
CONSTANT = Rule('', PRODUCT, 'store', 'static const struct stmt STMT_x = SQL("... $1")')
ALLOWED = re.compile(r'/\* allowed: (.+?) *\*/')
PLAIN_C = ('tests/lib/', 'tests/fuzz/', 'tests/vectors/')


def broken_rules(name, text):
    """(line number, word, rule) of each banned word in the code of one file."""
    code = tree.code_only(text)
    room = name.split('/')[1]
    for found in WORD.finditer(code):
        rule = BY_WORD[found[1]]
        if rule.is_call and found[2] is None:
            continue
        if room in rule.rooms.split() or (rule.where == PRODUCT and tree.is_test(name)):
            continue
        yield code.count('\n', 0, found.start()) + 1, found[1], rule
    if room not in CONSTANT.rooms.split():
        for found in STATEMENT.finditer(code):
            yield code.count('\n', 0, found.start()) + 1, 'a statement that is no constant', CONSTANT


def main():
    findings, allowed = [], []
    for name in tree.paths('.c', '.h', '.def'):
        if not name.startswith(('src/', 'tests/')) or name.startswith(PLAIN_C):
            continue
        text = tree.read(name)
        lines = text.split('\n')
        for line, word, rule in broken_rules(name, text):
            reason = ALLOWED.search(lines[line - 1])
            if reason:
                allowed.append(f'  allowed {name}:{line}: {word}: {reason[1]}')
            else:
                findings.append(f'{name}:{line}: {word} is not used here; instead: {rule.instead}')
    tree.finish('banned', findings, *allowed, f'  {len(allowed)} allowed')


if __name__ == '__main__':
    argparse.ArgumentParser(description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    main()
