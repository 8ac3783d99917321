/* SPDX-License-Identifier: Apache-2.0
 * Quotas: how many requests a key has in a period, and that neither a restart nor a crash gives it
 * more. Two workers. Runs under ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { eventually, refusal, start, test } from '../lib/daemon.mjs';
import { keyed, planned, value } from '../lib/plans.mjs';
import { api, mock } from '../lib/template.mjs';

const two = { args: ['--workers', '2', '--quiet'] };
const withKey = (name) => ({ headers: { 'x-api-key': value(name) } });

const gold = (quota, more = {}) =>
    planned(api({ routes: { 'GET /x': keyed(mock()) } }), {
        keys: { A: {}, B: {} },
        plans: { Gold: { keys: ['A', 'B'], quota, ...more } },
    });

async function count(gw, n, key = 'A') {
    const answers = await Promise.all(
        Array.from({ length: n }, () => gw.get('/x', withKey(key))),
    );
    return {
        ok: answers.filter((a) => a.status === 200).length,
        refused: answers.find((a) => a.status !== 200),
    };
}

/* Some seconds before midnight UTC a period could end in the middle of a test. */
const awayFromMidnight = () =>
    eventually('midnight is over', () => Date.now() % 86400_000 < 86400_000 - 30_000, 60_000);

test('what is used up is 429 until the period ends; another key has its own', async (t) => {
    await awayFromMidnight();
    const gw = await start(t, gold({ limit: 12, period: 'DAY' }), two);
    const { ok, refused } = await count(gw, 30);
    assert.equal(ok, 12);
    assert.deepEqual([refused.status, refused.body], [429, '{"message":"Limit Exceeded"}']);
    assert.equal(refused.headers['x-amzn-errortype'], 'LimitExceededException');
    const left = 86400 - (Date.now() / 1000) % 86400;
    assert.ok(Math.abs(Number(refused.headers['retry-after']) - left) < 5);
    assert.equal((await count(gw, 3, 'B')).ok, 3);
    assert.match(await gw.metrics(), /ropeline_quota_exceeded_total 18\b/);
    const { stdout } = await gw.ropeline('explain', '--json');
    assert.match(stdout, /quotaUsed|used up/);
    assert.equal(statSync(`${gw.state}/plane.db`).mode & 0o777, 0o600);
});

test('throttled requests do not count', async (t) => {
    await awayFromMidnight();
    const gw = await start(t, gold({ limit: 5, period: 'WEEK' }, { throttle: [4, 1] }), two);
    const first = await count(gw, 10);
    assert.match(first.refused.body, /Too Many/);
    let { ok } = first;
    await eventually('the quota ends', async () => {
        const answer = await gw.get('/x', withKey('A'));
        ok += answer.status === 200;
        return answer.body.includes('Limit');
    });
    assert.equal(ok, 5);
});

test('a restart goes on where it was', async (t) => {
    await awayFromMidnight();
    const gw = await start(t, gold({ limit: 300, period: 'MONTH' }), two);
    assert.equal((await count(gw, 200)).ok, 200);
    await gw.end();
    await gw.launch();
    await gw.ready();
    assert.equal((await count(gw, 150)).ok, 100);
});

test('a killed gateway gives nothing twice, and loses less than a block and a half', async (t) => {
    await awayFromMidnight();
    const limit = 640;
    const gw = await start(t, gold({ limit, period: 'DAY' }), two);
    assert.equal((await count(gw, 100)).ok, 100);
    const { pid } = gw.gateway();
    process.kill(pid, 'SIGKILL');
    await eventually('another gateway serves', async () => {
        const now = gw.gateway();
        return now && now.pid !== pid && (await gw.get('/x').catch(() => null))?.status === 403;
    });
    let ok = 0;
    for (let left = 600; left > 0; left -= 100) {
        ok += (await count(gw, 100)).ok;
    }
    assert.ok(ok <= limit - 100, `${ok} more`);
    /* A block is 10; those who waited for one are counted with it. */
    assert.ok(ok >= limit - 100 - 15 - 100, `only ${ok} more`);
});

test('the offset is taken off the first period', async (t) => {
    await awayFromMidnight();
    const gw = await start(t, gold({ limit: 10, offset: 7, period: 'DAY' }), two);
    assert.equal((await count(gw, 20)).ok, 3);
});

test('a file that is no database is not started on', async (t) => {
    const project = gold({ limit: 10, period: 'DAY' });
    const state = `${tmpdir()}/ropeline-broken-${process.pid}`;
    t.after(() => rmSync(state, { recursive: true, force: true }));
    mkdirSync(state, { mode: 0o700 });
    writeFileSync(`${state}/plane.db`, 'this is text and no database, whoever reads it');
    const broken = await refusal(t, project, { args: ['--state', state] });
    assert.equal(broken.code, 1);
    assert.match(broken.transcript, /plane\.db: .*not a database/);
});
