/* SPDX-License-Identifier: Apache-2.0
 * With --freeze 1 an environment stands still between its invocations, as on AWS; without it goes
 * on, and where no cgroup can be frozen nothing starts.
 */
import assert from 'node:assert/strict';
import { PATIENCE, eventually, refusal, ropeline, sleep, start, test } from '../lib/daemon.mjs';
import { RAW_RUNTIME, told } from '../lib/raw_runtime.mjs';
import { sam } from '../lib/template.mjs';

const NODE = `
let ticks = 0, asked = 0;
setInterval(() => ticks++, 20);
exports.handler = async (event) => {
    const q = event.queryStringParameters || {};
    const since = ticks - asked;
    if (q.ms) await new Promise((ok) => setTimeout(ok, Number(q.ms)));
    asked = ticks;
    return { body: JSON.stringify({ since, pid: process.pid }) };
};
`;
const PYTHON = `
import json, os, threading, time
ticks, asked = 0, 0
def tick():
    global ticks
    while True:
        time.sleep(0.02)
        ticks += 1
threading.Thread(target=tick, daemon=True).start()
def handler(event, context):
    global asked
    since, asked = ticks - asked, ticks
    return {'body': json.dumps({'since': since, 'pid': os.getpid()})}
`;
const project = () => sam(
    {
        Node: { path: '/node', CodeUri: './node', Timeout: 2 },
        Python: { path: '/python', CodeUri: './python', Runtime: 'python3.12' },
        Raw: { CodeUri: './raw', Runtime: 'provided.al2023', Handler: 'any',
            Environment: { Variables: { CALLS: '@CALLS@/calls' } },
            Events: { Post: { Type: 'Api', Properties: { Path: '/raw', Method: 'post' } } } },
    },
    {},
    { 'node/index.js': NODE, 'python/index.py': PYTHON, 'raw/bootstrap': RAW_RUNTIME },
);
const found = JSON.parse((await ropeline(['doctor', '--json'])).stdout);
const freezes = found.find(({ name }) => name === 'freezer').ok;
const begin = (t, ...args) => start(t, project(), { args: ['--fork-templates', '0', ...args] });
const call = async (gw, target) => {
    const got = await gw.get(target);
    assert.equal(got.status, 200, got.body);
    return got.json;
};

test('what stands still does nothing until it is called again', async (t) => {
    for (const freeze of freezes ? ['0', '1'] : ['0']) {
        const gw = await begin(t, '--freeze', freeze);
        for (const target of ['/node', '/python']) {
            const { pid } = await call(gw, target);
            await sleep(600);
            const next = await call(gw, target);
            assert.equal(next.pid, pid);
            // one that is due goes off at once; without a freeze thirty do
            assert.ok(freeze === '1' ? next.since <= 4 : next.since >= 8, `${target}: ${next.since}`);
        }
        for (let i = 0; i < 200; i++) await call(gw, '/node');
        await Promise.all([1, 2, 3, 4].map(() => call(gw, '/node?ms=100')));
    }
});

test('it lives and dies as any environment does', async (t) => {
    const gw = await begin(t, '--freeze', freezes ? '1' : '0', '--function-idle', '1');
    const { pid } = await call(gw, '/node');
    assert.equal((await gw.get('/node?ms=5000')).status, 502); // its timeout
    const next = await call(gw, '/node');
    assert.notEqual(next.pid, pid);
    await eventually('idle ones end, though they stand still', () => gw.functions().length === 0);
    await call(gw, '/node');
    const killed = gw.functions()[0];
    process.kill(killed.pid, 'SIGKILL');
    await eventually('it is gone', () => !gw.functions().some(({ pid: one }) => one === killed.pid));
    await call(gw, '/node');
    for (let i = 0; i < 3; i++) { // at an address of the Runtime API
        assert.equal((await told(gw, '/raw', { steps: [] })).status, 200);
        await sleep(50 * PATIENCE);
    }
});

test('where it cannot be had nothing starts', async (t) => {
    const how = await refusal(t, project(), { args: ['--freeze', '1', '--isolation', 'none'] });
    assert.notEqual(how.code, 0);
    assert.match(how.transcript, /--freeze 1 cannot be had here: isolation none has no cgroups/);
    if (!freezes) {
        const none = await refusal(t, project(), { args: ['--freeze', '1'] });
        assert.match(none.transcript, /--freeze 1 cannot be had here: no cgroup of version 2/);
    }
});
