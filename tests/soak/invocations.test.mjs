/* SPDX-License-Identifier: Apache-2.0
 * Many invocations and many environments: neither the daemon nor a function's processes grow, no
 * descriptor and no directory is left. ROPELINE_INVOCATIONS (100,000) says how many calls; a
 * thousandth of them end their environment.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { eventually, ropeline, start, test } from '../lib/daemon.mjs';
import { sam } from '../lib/template.mjs';

const CALLS = Number(process.env.ROPELINE_INVOCATIONS ?? 100_000);
const CLIENTS = 16;
const ENDING = 1000; // every so manieth call
const PARTS = 10;

const project = sam(
    {
        Fn: {
            path: '/x',
            AutoPublishAlias: 'live',
            ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 1 },
        },
    },
    {},
    {
        'fn/index.js': `exports.handler = async (event) => {
            if (event.queryStringParameters) process.exit(1);
            return { body: 'ok' };
        };\n`,
    },
);

const field = (pid, file, name) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/${file}`))[1]);

/** In MB and counts, of the daemon and of its functions' processes. */
function measure(gw) {
    const { pid } = gw.gateway();
    const most = (all) =>
        Math.max(...all.map((one) => field(one.pid, 'smaps_rollup', 'Pss') / 1024));
    return {
        daemon: field(pid, 'status', 'VmRSS') / 1024,
        function: most(gw.functions()),
        template: most(gw.templates()),
        descriptors: readdirSync(`/proc/${pid}/fd`).length,
        directories: readdirSync(path.join(gw.state, 'tmp')).length,
    };
}

function call(agent, port, target) {
    return new Promise((resolve, reject) => {
        http.get({ host: '127.0.0.1', port, path: target, agent }, (rs) => {
            rs.resume();
            rs.on('end', () => resolve(rs.statusCode));
        }).on('error', reject);
    });
}

test(`${CALLS} invocations`, { timeout: 7_200_000 }, async (t) => {
    const gw = await start(t, project, { args: ['--quiet', '--concurrency', '4'] });
    const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
    const answers = new Map();
    let asked = 0;
    const client = async (until) => {
        while (asked < until) {
            const ends = ++asked % ENDING === 0;
            const status = await call(agent, gw.port, ends ? '/Prod/x?end=1' : '/Prod/x');
            const key = `${ends ? 'ending ' : ''}${status}`;
            answers.set(key, (answers.get(key) ?? 0) + 1);
        }
    };
    const seen = [];
    for (let part = 1; part <= PARTS; part++) {
        const until = Math.floor((CALLS * part) / PARTS);
        await Promise.all(Array.from({ length: CLIENTS }, () => client(until)));
        seen.push(measure(gw));
        t.diagnostic(`${asked}: ${JSON.stringify(seen.at(-1))}`);
    }
    agent.destroy();
    t.diagnostic(JSON.stringify(Object.fromEntries(answers)));
    assert.equal(answers.get('200') + answers.get('ending 502'), asked);
    assert.equal(answers.get('ending 502'), Math.floor(asked / ENDING));
    const [, settled] = seen;
    const last = seen.at(-1);
    assert.ok(last.daemon < settled.daemon + 8, `the daemon grew to ${last.daemon} MB`);
    assert.ok(last.function < settled.function * 1.5 + 16, `functions grew to ${last.function} MB`);
    assert.ok(last.template < settled.template * 1.5 + 16, `templates grew to ${last.template} MB`);
    assert.ok(last.descriptors < settled.descriptors + 16);
    assert.ok(last.directories <= settled.directories + 8);
    await eventually('the provisioned one is ready', async () => {
        const { stdout } = await ropeline(['logs', '--state', gw.state]);
        return JSON.parse(stdout).find((one) => one.version === '1').provisionedStatus === 'READY';
    });
});
