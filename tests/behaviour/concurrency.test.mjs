/* SPDX-License-Identifier: Apache-2.0
 * How many environments a function may have, and what callers get when there are none: reserved and
 * provisioned concurrency of templates, limits by flag, and functions that come back whatever
 * happened to them.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { PATIENCE, eventually, ropeline, sleep, start, test } from '../lib/daemon.mjs';
import { sam } from '../lib/template.mjs';

const HANDLER = `const began = Date.now();
let n = 0;
exports.handler = async (event) => {
    const q = event.queryStringParameters || {};
    if (q.exit) process.exit(Number(q.exit));
    if (q.ms) await new Promise((ok) => setTimeout(ok, Number(q.ms)));
    return { body: JSON.stringify({
        n: ++n, pid: process.pid, began,
        type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE,
        version: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    }) };
};
`;

const template = (properties, resources) =>
    sam({ Fn: { path: '/x', ...properties } }, resources, { 'fn/index.js': HANDLER });

async function all(gw) {
    const { stdout } = await ropeline(['logs', '--state', gw.state]);
    return JSON.parse(stdout);
}
const described = async (gw, version) => (await all(gw)).find((one) => one.version === version);
/** Without the templates that they are forked from. */
const environments = async (gw) =>
    (await all(gw)).reduce((sum, one) => sum + one.environments, 0);
const invoke = async (gw, ...more) => {
    const { stdout } = await ropeline(['invoke', 'Fn', '--state', gw.state, '--json', ...more]);
    return JSON.parse(stdout);
};
const RESERVED =
    '{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}';

test('reserved concurrency: 0 is off, 1 is one at a time; a reload changes it', async (t) => {
    const gw = await start(t, template({ ReservedConcurrentExecutions: 0 }));
    const off = await invoke(gw);
    assert.deepEqual([off.outcome, off.answer], ['THROTTLED', RESERVED]);
    assert.equal((await gw.get('/x')).status, 500);
    assert.equal(gw.functions().length, 0);

    gw.write('template.yaml', template({ ReservedConcurrentExecutions: 1 }).text);
    await eventually('it is on', async () => (await gw.get('/x')).status === 200);
    const long = gw.get(`/x?ms=${800 * PATIENCE}`);
    await sleep(200);
    const during = await invoke(gw);
    assert.deepEqual([during.outcome, during.answer], ['THROTTLED', RESERVED]);
    assert.equal((await long).status, 200);
    for (let i = 0; i < 20; i++) {
        assert.equal((await gw.get('/x')).status, 200); // as quick as can be
    }
    assert.equal(await environments(gw), 1);
    // one that ends makes room for the next
    assert.equal((await gw.get('/x?exit=1')).status, 502);
    assert.equal((await gw.get('/x')).json.n, 1);
    // what is no code is no other version: the environment goes on
    const { pid } = (await gw.get('/x')).json;
    gw.write('template.yaml', template({ ReservedConcurrentExecutions: 2 }).text);
    await eventually('the limit is two', async () => (await described(gw, '$LATEST')).reserved === 2);
    assert.equal((await gw.get('/x')).json.pid, pid);
});

test('provisioned concurrency: ready before the first call, replaced, and spilled over', async (t) => {
    const gw = await start(
        t,
        template({
            AutoPublishAlias: 'live',
            ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 },
        }),
    );
    const ready = async () => (await described(gw, '1')).provisionedStatus === 'READY';
    await eventually('both are ready', ready);
    assert.equal((await described(gw, '1')).provisionedReady, 2);
    const began = Date.now();
    const first = (await gw.get('/x')).json;
    assert.deepEqual([first.type, first.version, first.n], ['provisioned-concurrency', '1', 1]);
    assert.ok(first.began < began);
    const three = await Promise.all([1, 2, 3].map(() => gw.get(`/x?ms=${300 * PATIENCE}`)));
    const types = three.map(({ json }) => json.type).sort();
    assert.deepEqual(types, [
        'on-demand',
        'provisioned-concurrency',
        'provisioned-concurrency',
    ]);
    assert.equal((await described(gw, '1')).spilloverInvocations, 1);
    // unqualified calls run on demand
    const latest = JSON.parse(JSON.parse((await invoke(gw)).answer).body);
    assert.deepEqual([latest.type, latest.version], ['on-demand', '$LATEST']);
    // one that ends is replaced
    process.kill(first.pid, 'SIGKILL');
    await eventually('it is gone', () => !gw.family().some(({ pid }) => pid === first.pid));
    await eventually('both are ready again', ready);
    // new code: the new version gets them, the old one keeps none
    gw.write('fn/index.js', HANDLER.replace('n: ++n', 'n: ++n, fresh: true'));
    await eventually('it is reloaded', () => gw.transcript.includes('reloaded'));
    await eventually('the new ones are ready', async () => {
        const { json } = await gw.get('/x');
        return json.fresh && json.type === 'provisioned-concurrency';
    });
    await eventually('both are, and no others', async () => (await ready()) && (await environments(gw)) <= 3);
});

test('what Lambda would not take is refused at load', async (t) => {
    const gw = await start(t, template({}));
    const refusals = [
        [
            { ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 1 } },
            /AutoPublishALias must be defined on the function/,
        ],
        [
            {
                AutoPublishAlias: 'live',
                ReservedConcurrentExecutions: 1,
                ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 },
            },
            /Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function/,
        ],
        [{ AutoPublishAlias: '1' }, /"1" is no name for an alias/],
        [{ ReservedConcurrentExecutions: -1 }, /ReservedConcurrentExecutions/],
    ];
    for (const [properties, words] of refusals) {
        const before = gw.transcript.length;
        gw.write('template.yaml', template(properties).text);
        const said = () => gw.transcript.slice(before);
        await eventually('it is refused', () => said().includes('not reloaded'));
        assert.match(said(), words);
    }
    assert.equal((await gw.get('/x')).status, 200);
});

test('20 parallel cold calls all succeed, and so do 60 with fewer environments', async (t) => {
    const gw = await start(t, template({ Timeout: 20 }), { args: ['--concurrency', '20'] });
    // each lasts until all have been started: one that is free sooner would serve another
    const cold = await Promise.all(Array.from({ length: 20 }, () => gw.get(`/x?ms=${800 * PATIENCE}`)));
    assert.ok(cold.every(({ status }) => status === 200));
    assert.equal(new Set(cold.map(({ json }) => json.pid)).size, 20);
    const more = await Promise.all(Array.from({ length: 60 }, () => gw.get('/x?ms=5')));
    assert.ok(more.every(({ status }) => status === 200));
    assert.equal(await environments(gw), 20);
});

test('without a queue the call beyond the last environment is throttled', async (t) => {
    const gw = await start(t, template({}), {
        args: ['--concurrency', '1', '--function-queue', '0'],
    });
    const long = gw.get(`/x?ms=${1000 * PATIENCE}`);
    await sleep(300 * PATIENCE);
    const { outcome, answer } = await invoke(gw);
    assert.equal(outcome, 'THROTTLED');
    assert.match(answer, /"Reason":"ConcurrentInvocationLimitExceeded"/);
    assert.equal((await long).status, 200);
});

test('after a timeout, a crash, or long without work the next call succeeds at once', async (t) => {
    const gw = await start(t, template({ Timeout: 1 }), { args: ['--function-idle', '1'] });
    assert.equal((await gw.get('/x')).status, 200);
    assert.equal((await gw.get('/x?ms=5000')).status, 502);
    assert.equal((await gw.get('/x')).json.n, 1);
    assert.equal((await gw.get('/x?exit=3')).status, 502);
    assert.equal((await gw.get('/x')).json.n, 1);
    await eventually('it was idle for too long', async () => (await environments(gw)) === 0);
    assert.equal((await gw.get('/x')).json.n, 1);
});

test('an answer that nobody waits for any more is nobody else\'s', async (t) => {
    const gw = await start(t, template({}), { args: ['--concurrency', '1'] });
    const { pid } = (await gw.get('/x')).json;
    const late = http.get({ port: gw.port, path: `${gw.stagePath}/x?ms=${400 * PATIENCE}` });
    late.on('error', () => {});
    await sleep(100 * PATIENCE);
    late.destroy();
    const next = (await gw.get('/x')).json;
    assert.deepEqual([next.pid, next.n], [pid, 3], 'the same environment, and its third answer');
});

test('an init that is too slow or fails is done once more inside the call', async (t) => {
    const gw = await start(t, {
        ...template({ Timeout: 5 }),
        files: {
            'fn/index.js': `const fs = require('node:fs');
const mark = '@CALLS@/mark';
if (!fs.existsSync(mark)) { fs.writeFileSync(mark, ''); throw new Error('the first fails'); }
${HANDLER}`,
        },
    });
    assert.equal((await gw.get('/x')).status, 200);
    assert.match(gw.transcript, /INIT_REPORT Init Duration: \S+ ms\tPhase: init\tStatus: error/);
});
