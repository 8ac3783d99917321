#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges seeded random policies twice, by `ropeline policy eval --jsonl` and by oracle.py, and
prints every difference. Prints TAP and the seed: --seed N repeats a run. The cases are cut into
blocks of --block, each with a seed of its own, which several processes (--jobs) share."""
import argparse
import collections
import concurrent.futures
import json
import random
import subprocess
import sys
import time

import cases
import oracle

SHOWN = 5


def operators_of(case):
    """Names of the operators that the case has, without prefix and suffix."""
    for name in ('policy', 'resourcePolicy'):
        statements = case[name].get('Statement') if isinstance(case.get(name), dict) else None
        for one in statements if isinstance(statements, list) else [statements]:
            condition = one.get('Condition') if isinstance(one, dict) else None
            for operator in condition if isinstance(condition, dict) else ():
                yield operator.removesuffix('IfExists').rpartition(':')[2]


def run_block(ropeline, seed, count):
    """(verdicts, operators, differences) of one block."""
    source = random.Random(seed)
    drawn = [cases.draw(source) for _ in range(count)]
    text = ''.join(json.dumps({'id': i, **case}, ensure_ascii=bool(i % 2)) + '\n'
                   for i, case in enumerate(drawn))
    run = subprocess.run([ropeline, 'policy', 'eval', '--jsonl'], input=text.encode(),
                         stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    verdicts, operators, differences = collections.Counter(), collections.Counter(), []
    if [answer['id'] for answer in answers] != list(range(count)):
        return verdicts, operators, [(seed, -1, 'as many lines', f'{len(answers)} lines', {})]
    for i, (case, answer) in enumerate(zip(drawn, answers)):
        wanted = oracle.judge(case)
        verdicts[wanted] += 1
        if wanted != oracle.INVALID:
            operators.update(operators_of(case))
        if answer['verdict'] != wanted:
            differences.append((seed, i, wanted, answer['verdict'], case))
    return verdicts, operators, differences


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('ropeline')
    parser.add_argument('--cases', type=int, default=20_000)
    parser.add_argument('--seed', type=int, default=None)
    parser.add_argument('--block', type=int, default=5_000)
    parser.add_argument('--jobs', type=int, default=2)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(2 ** 32)
    blocks = [(seed + at, min(options.block, options.cases - at))
              for at in range(0, options.cases, options.block)]
    print(f'1..2\n# seed {seed}, {options.cases} cases', flush=True)

    verdicts, operators, differences = collections.Counter(), collections.Counter(), []
    began = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        jobs = [pool.submit(run_block, options.ropeline, *block) for block in blocks]
        for job in concurrent.futures.as_completed(jobs):
            some_verdicts, some_operators, some_differences = job.result()
            verdicts += some_verdicts
            operators += some_operators
            differences += some_differences
    permissive = [one for one in differences if one[3] == oracle.ALLOW]
    for block, i, wanted, got, case in differences[:SHOWN]:
        print(f'# seed {block}, case {i}: {got} instead of {wanted}: '
              f'{json.dumps(case, ensure_ascii=False)}')
    print(f'# {time.monotonic() - began:.0f} s; {dict(verdicts)}')
    print(f'# judged with each operator: {dict(sorted(operators.items()))}')
    unseen = set(oracle.OPERATORS) - set(operators)
    alike = not differences and not unseen and sum(verdicts.values()) == options.cases
    print(f'{"" if alike else "not "}ok 1 - {options.cases} cases judged alike: '
          f'{len(differences)} differences, {len(unseen)} operators not met')
    print(f'{"not " if permissive else ""}ok 2 - {len(permissive)} more permissive')
    sys.exit(not alike)


if __name__ == '__main__':
    main()
