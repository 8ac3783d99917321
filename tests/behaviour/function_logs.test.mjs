/* SPDX-License-Identifier: Apache-2.0
 * The logs of functions as Lambda has them: kept over restarts, followed, limited in rate, as text or
 * JSON; and whatever a function writes, one event stays one event.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { ROPELINE, eventually, start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const says = `async (event) => {
    const { say, raw } = JSON.parse(event.queryStringParameters.q);
    if (say !== undefined) console.log(say);
    if (raw !== undefined) process.stdout.write(raw);
    return { body: 'ok' };
}`;
const query = (what) => `/x?q=${encodeURIComponent(JSON.stringify(what))}`;

async function events(gw, ...args) {
    const { stdout, stderr, code } = await gw.ropeline('logs', 'Function0', '--json', ...args);
    assert.equal(code, 0, stderr);
    return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
}
const messages = async (...args) => (await events(...args)).map(({ message }) => message);

test('the log of a function outlives the daemon, and is followed over a restart', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': lambda(says) } }));
    await gw.get(query({ say: 'in the first run' }));
    await eventually('it is reported', async () =>
        (await messages(gw)).some((text) => text.startsWith('REPORT ')),
    );
    const follow = spawn(ROPELINE, ['logs', 'Function0', '--follow', '--state', gw.state]);
    let text = '';
    follow.stdout.on('data', (data) => {
        text += data;
    });
    try {
        await eventually('the first run', () => text.includes('in the first run'));
        await gw.end();
        await gw.launch();
        await gw.ready();
        await gw.get(query({ say: 'in the second run' }));
        await eventually('the second run', () => text.includes('in the second run'));
        assert.equal(text.split('in the first run').length, 2, 'no event comes twice');
        follow.kill('SIGINT');
        assert.equal(await new Promise((resolve) => follow.on('close', (code, signal) => resolve(signal ?? code))), 'SIGINT');
    } finally {
        follow.kill('SIGKILL');
    }
    const all = await messages(gw);
    const order = ['in the first run', 'in the second run'].map((what) =>
        all.findIndex((one) => one.includes(what)),
    );
    assert.ok(order[0] >= 0 && order[0] < order[1], all.join('\n'));
    assert.equal(new Set((await events(gw)).map(({ stream }) => stream)).size, 2);
    assert.deepEqual(await messages(gw, '--filter', 'second run'), all.filter((one) => one.includes('second run')));
    assert.deepEqual(await messages(gw, '--since', '1h'), all);
    assert.equal((await gw.ropeline('logs', 'Function0', '--since', 'x')).code, 2);
});
