/* SPDX-License-Identifier: Apache-2.0
 * Thousands of forked environments, several at a time, each of which collects garbage, uses the
 * pool of threads and answers once. ROPELINE_FORKS (10000) says how many; half of them are Node's,
 * half Python's. Nothing of them may be left, and the templates must not grow.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { PATIENCE, eventually, ropeline, start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const FORKS = Number(process.env.ROPELINE_FORKS ?? 10_000);
const AT_ONCE = 4;

const NODE = `
const { createHash } = require('node:crypto');
const { promises, writeFileSync } = require('node:fs');
const ballast = Array.from({ length: 20000 }, (_, i) => ({ i, text: 'ballast ' + i }));
exports.handler = async (event) => {
    let kept = [];
    for (let i = 0; i < 60000; i++) {
        kept.push({ i, text: String(i) });
        if (kept.length > 5000) kept = [];
    }
    const file = process.env.TMPDIR + '/number';
    writeFileSync(file, event.queryStringParameters.n);
    const n = await promises.readFile(file, 'utf8');
    const sum = ballast.reduce((total, { i }) => total + i, 0);
    return { body: JSON.stringify({ n, sum, pid: process.pid, chance: Math.random(),
        hash: createHash('sha256').update(n).digest('hex').slice(0, 8) }) };
};`;

const PYTHON = `
import gc, hashlib, json, os, random
ballast = [{'i': i, 'text': f'ballast {i}'} for i in range(20000)]
def handler(event, context):
    kept = [[i, str(i)] for i in range(20000)]
    for entry in kept:
        entry.append(entry)
    del kept
    gc.collect()
    name = os.environ['TMPDIR'] + '/number'
    with open(name, 'w') as out:
        out.write(event['queryStringParameters']['n'])
    with open(name) as again:
        n = again.read()
    return {'body': json.dumps({'n': n, 'sum': sum(entry['i'] for entry in ballast),
        'pid': os.getpid(), 'chance': random.random(),
        'hash': hashlib.sha256(n.encode()).hexdigest()[:8]})}
`;

const pss = (pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024;
const describe = async (gw) =>
    JSON.parse((await ropeline(['logs', '--json', '--state', gw.state])).stdout);

test('forked environments answer right', { timeout: 60_000 + FORKS * 100 * PATIENCE }, async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /node': lambda(NODE),
                'GET /python': lambda(undefined, {
                    runtime: 'python3.11', files: { 'index.py': PYTHON },
                }),
            },
        }),
        // an environment that the arrivals foretell would be left, idle
        { args: ['--quiet', '--force-cold-starts', '1', '--predictive-start', '0'] },
    );
    for (const path of ['/node?n=0', '/python?n=0']) {
        assert.equal((await gw.get(path)).status, 200);
    }
    await eventually('both templates serve', async () =>
        (await describe(gw)).every(({ template }) => template === 'serving'));
    const chances = new Set();
    const template = gw.templates().map(({ pid }) => [pid, pss(pid)]);
    let next = 1;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        while (next <= FORKS) {
            const n = String(next++);
            const { status, json, body } = await gw.get(`${Number(n) % 2 ? '/node' : '/python'}?n=${n}`);
            assert.equal(status, 200, body);
            assert.equal(json.n, n);
            assert.equal(json.sum, 199990000);
            chances.add(json.chance);
        }
    }));
    assert.equal(chances.size, FORKS);
    const forked = (await describe(gw)).reduce((sum, f) => sum + f.forked, 0);
    assert.ok(forked >= FORKS * 0.99, `${forked} of ${FORKS} were forked`);
    await eventually('only templates are left', () => gw.functions().length === 0);
    const grown = template.map(([pid, before]) => pss(pid) - before);
    t.diagnostic(`${FORKS} answers, ${forked} forks; templates grew by ${grown.map((mb) => mb.toFixed(1))} MiB`);
    assert.ok(grown.every((mb) => mb < 8));
});
