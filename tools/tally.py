#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what test runners reported: tells what failed and why, what was skipped and why, and ends
with one line `N passed, N failed, N skipped`.

FILE is TAP (*.tap) or Meson's test log (*.json, one TAP document per program). Only leaves count: a
test that has subtests counts when it fails although they did not. Exit 1 on a failure or on no
test. With --strict a skipped test is a failure, unless ../shared or the network is what is missing."""
import argparse
import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import tree

POINT = re.compile(r'^( *)(not )?ok\b *\d* *-? *(.*?)(?:(?<!\\) # *(SKIP|TODO)\b *(.*))?$', re.I)
PLAN = re.compile(r'^( *)1\.\.(\d+)(?: *# *SKIP\w* *(.*))?$', re.I)
SUBTEST = re.compile(r'^ *# Subtest: ')
DULL = re.compile(r'^\s*(---|\.\.\.|duration_ms: .*|type: .*|)$')
EXCUSES = {
    '../shared not found': lambda: not (tree.ROOT.parent / 'shared').exists(),
    'no network': lambda: True,
}
TOLD = 60  # lines of a failure's own words


class Outcome(NamedTuple):
    verdict: str     # passed, failed, skipped
    name: str
    reason: str
    told: list[str]  # what the test said for itself, after its result


def read_tap(text):
    """The outcomes of one TAP document; one that ends before its plan is a failure."""
    outcomes, verdicts, planned, told = [], {}, None, []  # verdicts: by depth
    for line in text.split('\n'):
        if point := POINT.match(line):
            indent, failed, name, directive, reason = point.groups()
            verdict = 'skipped' if directive else 'failed' if failed else 'passed'
            depth, told = len(indent) // 4, []
            below = verdicts.pop(depth + 1, None)
            verdicts.setdefault(depth, Counter())[verdict] += 1
            if not below or (verdict == 'failed' and not below['failed']):
                outcomes.append(Outcome(verdict, name, reason or '', told))
        elif plan := PLAN.match(line):
            told = []
            if not plan[1]:
                planned = (planned or 0) + int(plan[2])
            if plan[2] == '0' and plan[3]:
                outcomes.append(Outcome('skipped', 'all of it', plan[3], told))
        elif SUBTEST.match(line):
            told = []
        elif not DULL.match(line):
            told.append(line)
    ran = verdicts.get(0, Counter()).total()
    if planned != ran:
        outcomes.append(Outcome('failed', 'the plan', f'{ran} of {planned or "?"} tests ran', []))
    return outcomes


def read_runner(text):
    """TAP of Node's runner or of script/test. Node reports a file without tests as one that passed."""
    for outcome in read_tap(text):
        if outcome.verdict == 'passed' and outcome.name.endswith('.test.mjs'):
            outcome = Outcome('failed', outcome.name, 'there is no test in it', [])
        yield outcome


def read_meson(text):
    """One line of JSON per program; a program can also fail by how it ends."""
    for line in filter(None, text.split('\n')):
        run = json.loads(line)
        outcomes = read_tap(run.get('stdout', ''))
        is_told = any(outcome.verdict == 'failed' for outcome in outcomes)
        if run['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL') and not is_told:
            reason = f'{run["result"]}, exit {run.get("returncode")}'
            outcomes.append(Outcome('failed', 'its end', reason, []))
        for outcome in outcomes:
            if outcome.verdict == 'failed':
                outcome.told.extend(run.pop('stderr', '').rstrip().split('\n'))
            program = run['name'].rpartition(' / ')[2]
            yield outcome._replace(name=f'{program}: {outcome.name}')


def shortened(lines):
    """The beginning and the end of what a test said."""
    if len(lines) <= TOLD:
        return lines
    half = TOLD // 2
    return [*lines[:half], f'... {len(lines) - TOLD} lines more ...', *lines[-half:]]


def is_excused(reason):
    return any(words in reason and is_so() for words, is_so in EXCUSES.items())


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--strict', action='store_true')
    parser.add_argument('file', nargs='+', type=Path)
    options = parser.parse_args()
    count, skipped = Counter(), Counter()
    for path in options.file:
        text = path.read_text(encoding='utf-8', errors='replace')
        for verdict, name, reason, told in (read_meson if path.suffix == '.json' else read_runner)(text):
            if verdict == 'skipped' and options.strict and not is_excused(reason):
                verdict, reason = 'failed', f'skipped: {reason}'
            if verdict == 'failed':
                print(f'FAILED {path.stem}: {name}')
                print(''.join(f'    {line}\n' for line in [reason, *shortened(told)] if line))
            elif verdict == 'skipped':
                skipped[f'{path.stem}: {reason}'] += 1
            count[verdict] += 1
    for reason, n in sorted(skipped.items()):
        print(f'{n} skipped in {reason}')
    print(f'{count["passed"]} passed, {count["failed"]} failed, {count["skipped"]} skipped')
    sys.exit(1 if count['failed'] or not count['passed'] else 0)


if __name__ == '__main__':
    main()
