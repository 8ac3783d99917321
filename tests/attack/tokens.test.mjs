/* SPDX-License-Identifier: Apache-2.0
 * Two million hostile tokens, and the time that a wrong HMAC takes.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import test from 'node:test';

const build = path.dirname(process.env.ROPELINE_BIN ?? path.resolve('build/ropeline'));
const program = 'tests/attack/hostile_tokens';

function run(...args) {
    const made = spawnSync('ninja', ['--quiet', '-C', build, program], { encoding: 'utf8' });
    assert.equal(made.status, 0, made.stdout + made.stderr);
    return spawnSync(path.join(build, program), args, { encoding: 'utf8' });
}

test('none of 2,000,000 hostile tokens is accepted, and none ends the program', () => {
    const done = run(String(Number(process.env.ATTACK_SEED ?? 1)), '2000000');
    assert.equal(done.status, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /2000000 hostile tokens, 0 accepted/);
});

test('an HMAC is compared in constant time: |t| < 4.5 over a million samples', () => {
    // A busy machine can disturb one measurement, not three in a row.
    const tries = [1, 2, 3].map(() => run('timing', '1000000'));
    assert.ok(tries.some((done) => done.status === 0), tries.map((done) => done.stdout).join(''));
});
