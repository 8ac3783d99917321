/* SPDX-License-Identifier: Apache-2.0
 * The core's signing keys follow one another every few seconds while backends with supertokens-node
 * log users in, verify each other's tokens and refresh them, and the gateway and the core verify
 * them, too: no valid token is refused. Each backend has its own copy of the JWKS, as the SDK keeps
 * it (4 hours; 500 ms between two fetches).
 * ROPELINE_SOAK_SECONDS (20) says for how long.
 */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startCore } from '../lib/core.mjs';
import { ropeline, sleep, test } from '../lib/daemon.mjs';
import { guardedApi } from '../lib/sessions.mjs';

const SECONDS = Number(process.env.ROPELINE_SOAK_SECONDS ?? 20);
const BACKENDS = 3;
const CLIENTS = 4; // of each backend
const VALIDITY_S = 20; // of an access token
const MARGIN_MS = 1500; // a token that ends that soon is not shown any more
const KEPT = 2000; // tokens to choose from
const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const SDK = file('../clients/node_modules/supertokens-node');
const skip = existsSync(SDK) ? false : 'supertokens-node is not installed (script/bootstrap --test)';

/** A backend: ask(op, more) resolves with its answer. */
async function backend(t, uri) {
    const child = fork(file('session_client.mjs'), [SDK, uri]);
    t.after(() => child.kill());
    const waiting = new Map();
    let id = 0;
    await new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', (code) => reject(new Error(`a backend ended with ${code}`)));
        child.on('message', (message) => {
            if (message.ready) {
                resolve();
                return;
            }
            waiting.get(message.id)(message);
            waiting.delete(message.id);
        });
    });
    return (op, more) =>
        new Promise((resolve) => {
            waiting.set(++id, resolve);
            child.send({ id, op, ...more });
        });
}

const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const kidOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).kid;
const pick = (list) => list[Math.floor(Math.random() * list.length)];

test('keys rotate under real SDKs', { skip, timeout: (SECONDS + 60) * 1000 }, async (t) => {
    const app = `soak-${randomUUID()}`;
    const core = await startCore(t, {
        project: { name: 'api.json', text: guardedApi(app, '/x'), stage: 'dev' },
        args: ['--quiet'],
    });
    await core.ok('PUT', '/recipe/multitenancy/app/v2', {
        appId: app,
        coreConfig: {
            access_token_dynamic_signing_key_update_interval: '0.001',
            access_token_validity: VALIDITY_S,
        },
    });
    const backends = await Promise.all(
        Array.from({ length: BACKENDS }, () => backend(t, `${core.url}/appid-${app}`)),
    );
    const counts = { create: 0, verify: 0, refresh: 0, core: 0, gateway: 0 };
    const tokens = []; // {access, until}
    const kids = new Set();
    const refused = [];
    let late = 0; // ended on the way: nobody can say whether they were good
    const end = Date.now() + SECONDS * 1000;

    const keep = (access) => {
        kids.add(kidOf(access));
        const one = { access, until: claims(access).exp * 1000 - MARGIN_MS };
        tokens[tokens.length < KEPT ? tokens.length : Math.floor(Math.random() * KEPT)] = one;
        return access;
    };
    const refuse = (by, access, why, began) => {
        if (access && claims(access).exp * 1000 <= Date.now()) {
            late++;
            return;
        }
        const kid = access && kidOf(access);
        const age = kid && began - Number(kid.slice(2));
        refused.push(`${by}: ${why}; key ${kid}, ${age} ms old, took ${Date.now() - began} ms`);
    };
    const ask = async (op, more) => {
        const began = Date.now();
        const answer = await pick(backends)(op, more);
        counts[op]++;
        if (answer.error) {
            refuse(op, op === 'verify' && more.token, answer.error, began);
        }
        return answer;
    };
    // Every other client is asked for a token that somebody else got a moment, or some seconds, ago.
    const verifyAny = async () => {
        const one = pick(tokens);
        if (one && one.until > Date.now()) {
            await ask('verify', { token: one.access });
        }
    };
    const verifyAtCore = async () => {
        const one = pick(tokens);
        if (!one || one.until <= Date.now()) {
            return;
        }
        const began = Date.now();
        const answer = await core.ok('POST', '/recipe/session/verify',
            { accessToken: one.access, doAntiCsrfCheck: false, enableAntiCsrf: false,
                checkDatabase: Math.random() < 0.5 }, { app });
        counts.core++;
        if (answer.status !== 'OK') {
            refuse('core', one.access, JSON.stringify(answer), began);
        }
    };
    const verifyAtGateway = async () => {
        const one = pick(tokens);
        if (!one || one.until <= Date.now()) {
            return;
        }
        const began = Date.now();
        const { status, body } = await core.daemon.get('/x', { token: `Bearer ${one.access}` });
        counts.gateway++;
        if (status !== 200) {
            refuse('gateway', one.access, `${status} ${body}`, began);
        }
    };
    const client = async () => {
        while (Date.now() < end) {
            let { accessToken, refreshToken } = await ask('create');
            for (let i = 0; accessToken && i < 3; i++) {
                keep(accessToken);
                await ask('verify', { token: accessToken }); // by whom, is chance
                await verifyAny();
                await verifyAny();
                await verifyAtCore();
                await verifyAtGateway();
                await verifyAtGateway();
                // after a second's rest a key may have come and another gone
                await sleep(Math.random() * 200);
                ({ accessToken, refreshToken } = await ask('refresh', { token: refreshToken }));
            }
        }
    };
    // And one by hand now and then, on top of those that come by themselves.
    const rotate = async () => {
        while (Date.now() < end - 5000) {
            await sleep(5000);
            const { code, all } = await ropeline(
                ['keys', 'rotate', '--app', app, '--state', core.daemon.state],
                { timeout: 120_000 }, // it makes a key, and everybody else is busy
            );
            assert.equal(code, 0, all);
        }
    };
    await Promise.all([rotate(), ...Array.from({ length: BACKENDS * CLIENTS }, client)]);

    t.diagnostic(
        `${SECONDS} s: ${counts.create} sessions, ${counts.refresh} refreshes, ${counts.verify} ` +
            `verifications by SDKs, ${counts.core} by the core, ${counts.gateway} by the gateway; ` +
            `${kids.size} keys signed; ` +
            `${refused.length} valid tokens refused, ${late} ended on the way`,
    );
    assert.deepEqual(refused.slice(0, 20), []);
    assert.ok(kids.size >= SECONDS / 4, `${kids.size} keys`);
    assert.ok(counts.verify > 10 * SECONDS && counts.core > SECONDS && counts.gateway > SECONDS,
        JSON.stringify(counts));
});
