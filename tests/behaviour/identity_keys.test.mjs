/* SPDX-License-Identifier: Apache-2.0
 * The signing keys of the core's apps: what the JWKS shows and for how long, tokens for any payload,
 * rotation by the clock and by hand, and that no private part is ever shown or kept in the clear.
 */
import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { chmodSync, copyFileSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { POSTGRES, startCore } from '../lib/core.mjs';
import { eventually, ropeline, sleep, test } from '../lib/daemon.mjs';
import { Postgres } from '../lib/postgres.mjs';

const JWKS = '/.well-known/jwks.json';

async function keysOf(core, app) {
    const rs = await core.call('GET', JWKS, undefined, { app });
    assert.equal(rs.status, 200, rs.body);
    const [, age] = /^max-age=(\d+), must-revalidate$/.exec(rs.headers['cache-control']);
    return { keys: rs.json.keys, age: Number(age) };
}

function read(token) {
    const [header, payload, signature] = token.split('.');
    const json = (part) => JSON.parse(Buffer.from(part, 'base64url'));
    return {
        header: json(header),
        payload: json(payload),
        isBy: (key) =>
            verify('sha256', Buffer.from(`${header}.${payload}`),
                createPublicKey({ key, format: 'jwk' }), Buffer.from(signature, 'base64url')),
    };
}

const makeJwt = (core, input, app) =>
    core.ok('POST', '/recipe/jwt',
        { algorithm: 'RS256', jwksDomain: 'https://me', payload: {}, validity: 60, ...input },
        { app });

const verb = (core, ...args) => ropeline(['keys', ...args, '--state', core.daemon.state]);
async function listed(core, what, app) {
    const { code, stdout, stderr } = await verb(core, what, '--json', '--app', app);
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout).keys;
}

test('the signing keys of the core', async (t) => {
    const core = await startCore(t);

    await t.test('the JWKS has the dynamic key and then the static one', async () => {
        const app = await core.app();
        const { keys, age } = await keysOf(core, app);
        assert.equal(keys.length, 2);
        assert.match(keys[0].kid, /^d-\d{13}$/);
        assert.match(keys[1].kid, /^s-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
        for (const key of keys) {
            assert.deepEqual(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
            assert.deepEqual([key.kty, key.alg, key.use], ['RSA', 'RS256', 'sig']);
            assert.equal(Buffer.from(key.n, 'base64url').length, 256);
        }
        // a minute before the key has had its 168 hours
        assert.ok(age <= 168 * 3600 - 60 && age > 168 * 3600 - 120, `${age}`);
        const other = await core.ok('GET', '/recipe/jwt/jwks', undefined, { app });
        assert.deepEqual(other, { status: 'OK', keys });
    });

    await t.test('asks for no api-key and no version', async () => {
        const key = 'an-api-key-of-twenty-or-more';
        const app = await core.app({ api_keys: key });
        assert.equal((await core.call('GET', JWKS, undefined, { app, version: '99.1' })).status, 200);
        assert.equal((await core.call('GET', '/recipe/jwt/jwks', undefined, { app })).status, 401);
        assert.equal(
            (await core.call('GET', '/recipe/jwt/jwks', undefined, { app, key })).status, 200);
    });

    await t.test('each app has keys of its own', async () => {
        const [a, b] = [await core.app(), await core.app()];
        const kids = async (app) => (await keysOf(core, app)).keys.map((k) => k.n);
        assert.equal(new Set([...(await kids(a)), ...(await kids(b))]).size, 4);
    });

    await t.test('tokens: RS256 in any case, iss unless given, iat and exp are ours', async () => {
        const { keys } = await keysOf(core);
        const before = Math.floor(Date.now() / 1000);
        const made = await makeJwt(core,
            { algorithm: 'rs256', payload: { a: { b: [1] }, iat: 1, exp: 2 } });
        const { header, payload, isBy } = read(made.jwt);
        assert.deepEqual(header, { alg: 'RS256', typ: 'JWT', kid: keys[1].kid });
        assert.ok(isBy(keys[1]));
        assert.deepEqual({ ...payload, iat: 0, exp: payload.exp - payload.iat },
            { a: { b: [1] }, iss: 'https://me', iat: 0, exp: 60 });
        assert.ok(payload.iat >= before && payload.iat <= before + 5);
        const own = read((await makeJwt(core, { payload: { iss: 'x' } })).jwt);
        assert.equal(own.payload.iss, 'x');
        const dynamic = read((await makeJwt(core, { useStaticSigningKey: false })).jwt);
        assert.equal(dynamic.header.kid, keys[0].kid);
        assert.ok(dynamic.isBy(keys[0]));
        assert.deepEqual(await makeJwt(core, { algorithm: 'ES256' }),
            { status: 'UNSUPPORTED_ALGORITHM_ERROR' });
        for (const validity of [0, -1, '60', 1.5]) {
            const rs = await core.call('POST', '/recipe/jwt',
                { algorithm: 'RS256', jwksDomain: 'x', payload: {}, validity });
            assert.equal(rs.status, 400, `${validity}`);
        }
    });

    await t.test('fast keys follow one another, published before they sign', async () => {
        // the SDK's tests ask for 3.6 s, as a string
        const app = await core.app({
            access_token_dynamic_signing_key_update_interval: '0.001',
            access_token_validity: 10,
        });
        const seen = new Map();
        const end = Date.now() + 9000;
        while (Date.now() < end) {
            const { keys, age } = await keysOf(core, app);
            assert.ok(age >= 1 && age <= 3);
            for (const key of keys) {
                seen.set(key.kid, key);
            }
            const { jwt } = await makeJwt(core, { useStaticSigningKey: false }, app);
            const { header, isBy } = read(jwt);
            assert.ok(seen.has(header.kid), 'who has just fetched the keys knows the signer');
            assert.ok(isBy(seen.get(header.kid)));
            await sleep(150);
        }
        assert.ok(seen.size >= 4, `${seen.size} keys`);
    });

    await t.test('a key comes in time though nobody asks, and goes when its tokens have ended', async () => {
        const app = await core.app({
            access_token_dynamic_signing_key_update_interval: '0.0005',
            access_token_validity: 1,
        });
        const first = (await keysOf(core, app)).keys[0].kid;
        const rows = await eventually('a key is retired', async () => {
            const keys = await listed(core, 'list', app);
            return keys.filter((k) => k.status === 'retired').length > 0 && keys;
        }, 40_000);
        assert.equal(rows.find((k) => k.kid === first).status, 'retired');
        assert.equal(rows[0].status, 'active');
        assert.equal((await keysOf(core, app)).keys.some((k) => k.kid === first), false);
    });

    await t.test('keys list and keys rotate', async () => {
        const app = await core.app();
        assert.deepEqual(await listed(core, 'list', app), []);
        const old = (await keysOf(core, app)).keys[0].kid;
        const after = await listed(core, 'rotate', app);
        assert.deepEqual(after.map((k) => [k.kid.slice(0, 2), k.status, k.signs]),
            [['d-', 'active', false], ['d-', 'retiring', true], ['s-', 'active', true]]);
        assert.equal(after[1].kid, old);
        assert.equal(after[1].retires, after[1].created + 168 * 3600 + 2 * 3600);
        assert.deepEqual(await listed(core, 'list', app), after);
        assert.deepEqual((await keysOf(core, app)).keys.map((k) => k.kid),
            after.map((k) => k.kid));
        // it is in the JWKS, but others may not have fetched that yet
        const { jwt } = await makeJwt(core, { useStaticSigningKey: false }, app);
        assert.equal(read(jwt).header.kid, old);
        const text = (await verb(core, 'list', '--app', app)).stdout;
        assert.match(text, /^KID +ALG +STATUS +SIGNS +CREATED +RETIRES\n/);
        assert.match(text, new RegExp(`\n${old} +RS256 +retiring yes `));
        const wrong = async (name) => {
            const { code, stderr } = await verb(core, 'list', '--app', name);
            return `${code} ${stderr}`;
        };
        assert.match(await wrong('nobody'), /^1 .*AppId or tenantId not found/);
        assert.match(await wrong('../x'), /^2 .*lower case letters/);
        // not for whoever reaches the listener
        for (const [method, target] of [['GET', '/ropeline/keys'], ['POST', '/ropeline/keys/rotate']]) {
            const rs = await core.call(method, target, method === 'POST' ? {} : undefined, { app });
            assert.equal(rs.status, 404, target);
        }
    });

    await t.test('a hundred callers of a new app get one set of keys', async () => {
        const app = await core.app();
        const all = await Promise.all(Array.from({ length: 100 }, () => keysOf(core, app)));
        assert.equal(new Set(all.map(({ keys }) => keys.map((k) => k.kid).join())).size, 1);
    });

    await t.test('nothing private is in a file or in the log', async () => {
        const { state } = core.daemon;
        if (!POSTGRES) {
            assert.equal(statSync(path.join(state, 'identity.key')).mode & 0o777, 0o600);
        }
        for (const file of readdirSync(state).filter((name) => name.startsWith('identity.db'))) {
            const bytes = readFileSync(path.join(state, file), 'latin1');
            assert.equal(/PRIVATE KEY|MIIE[vw]/.test(bytes), false, file);
        }
        assert.doesNotMatch(core.daemon.transcript, /PRIVATE KEY|MIIE/);
    });
});

async function again(core) {
    await core.daemon.end();
    await core.daemon.launch();
    await core.daemon.ready();
    return new core.constructor(core.daemon);
}

test('keys outlive the daemon', async (t) => {
    const core = await startCore(t);
    const { keys } = await keysOf(core);
    assert.deepEqual((await keysOf(await again(core))).keys, keys);
});

test('a store opens with its own key file only', async (t) => {
    const core = await startCore(t, { sqlite: true });
    const { keys } = await keysOf(core);
    const file = path.join(core.daemon.state, 'identity.key');
    await core.daemon.end();
    const aside = `${file}.aside`;
    copyFileSync(file, aside);
    const refused = async (words) => {
        core.daemon.transcript = '';
        await core.daemon.launch();
        await assert.rejects(core.daemon.ready(), words);
        await core.daemon.end();
    };
    chmodSync(file, 0o640);
    await refused(/others may read this key/);
    rmSync(file);
    await refused(/bring it back from your backup/);
    copyFileSync(aside, file);
    chmodSync(file, 0o600);
    core.daemon.transcript = '';
    assert.deepEqual((await keysOf(await again(core))).keys, keys);
});

test('two nodes make one set of keys, and each takes the other’s', async (t) => {
    const server = new Postgres().start();
    t.after(() => server.end());
    const [a, b] = [await startCore(t, server.options), await startCore(t, server.options)];
    const app = await a.app();
    const all = await Promise.all(
        Array.from({ length: 60 }, (_, i) => keysOf(i % 2 ? a : b, app)));
    assert.equal(new Set(all.map(({ keys }) => keys.map((k) => k.kid).join())).size, 1);

    // One rotates by hand: the other shows it within a second or so, long before it signs.
    const [{ kid }] = await listed(a, 'rotate', app);
    await eventually('both show the new key', async () =>
        (await keysOf(b, app)).keys[0].kid === kid, 2500);

    // Both make tokens while keys follow one another: one writer, and each knows the other's keys.
    const fast = await a.app({
        access_token_dynamic_signing_key_update_interval: '0.002',
        access_token_validity: 20,
    });
    const end = Date.now() + 15_000;
    const made = async (core, other) => {
        while (Date.now() < end) {
            const { accessToken } = await core.ok('POST', '/recipe/session', {
                userId: 'u', userDataInJWT: {}, userDataInDatabase: {}, enableAntiCsrf: false,
            }, { app: fast });
            const { status } = await other.ok('POST', '/recipe/session/verify', {
                accessToken: accessToken.token, doAntiCsrfCheck: false, enableAntiCsrf: false,
                checkDatabase: false,
            }, { app: fast });
            assert.equal(status, 'OK');
            await sleep(20);
        }
    };
    await Promise.all([made(a, b), made(b, a), made(a, b), made(b, a)]);
    const times = (await keysOf(a, fast)).keys.filter((k) => k.kid.startsWith('d-'))
        .map((k) => Number(k.kid.slice(2))).reverse();
    assert.ok(times.length >= 3, `${times}`);
    for (let i = 1; i < times.length; i++) {
        assert.ok(times[i] - times[i - 1] > 3400, `${times}`); // half of 7.2 s
    }
});
