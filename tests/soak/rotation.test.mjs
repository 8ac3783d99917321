/* SPDX-License-Identifier: Apache-2.0
 * Signing keys that rotate every few seconds under load: no valid token is refused, none is accepted
 * after its key's retirement. Once with `ropeline keys rotate` and a native JWT authorizer, once as
 * the guide has it: a function with a folder of active keys and one of retired ones.
 * ROPELINE_ROTATIONS (8) says how often.
 */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ropeline, sleep, start, test } from '../lib/daemon.mjs';
import { jwt, rsa } from '../lib/tokens.mjs';

const ROTATIONS = Number(process.env.ROPELINE_ROTATIONS ?? 8);
const GUIDE = fileURLToPath(new URL('../../examples/guide/authorizer', import.meta.url));
const now = () => Math.floor(Date.now() / 1000);
const MARGIN_MS = 100; // a request is judged some time between its start and its end

const mock = {
    type: 'mock',
    requestTemplates: { 'application/json': '{"statusCode": 200}' },
    responses: { default: { statusCode: '200' } },
};
const definition = (scheme) => ({
    openapi: '3.0.1',
    info: { title: 'a', version: '1' },
    paths: {
        '/x': { get: { security: [{ z: [] }], 'x-amazon-apigateway-integration': mock } },
    },
    components: { securitySchemes: { z: scheme } },
});

/** Eight clients that ask without a pause; each says what was wrong, if anything. */
function load(ask) {
    const state = { going: true, asked: 0, wrong: [] };
    const client = async () => {
        while (state.going) {
            const wrong = await ask();
            state.asked++;
            if (wrong) {
                state.wrong.push(wrong);
            }
        }
    };
    const all = Promise.all(Array.from({ length: 8 }, client));
    state.end = async () => {
        state.going = false;
        await all;
    };
    return state;
}

test('keys of a file, rotated by ropeline keys', { timeout: 300_000 }, async (t) => {
    const scheme = {
        type: 'http',
        scheme: 'bearer',
        'x-amazon-apigateway-authorizer': {
            type: 'token',
            'x-ropeline-issuers': [{ issuer: 'https://mine', audience: 'api', keys: 'keys.json' }],
        },
    };
    const text = JSON.stringify(definition(scheme));
    const first = rsa();
    const jwk = { ...first.privateKey.export({ format: 'jwk' }), kid: 'first', alg: 'RS256' };
    const daemon = await start(t, {
        name: 'api.json',
        text,
        stage: 'dev',
        args: ['--quiet'],
        files: { 'keys.json': JSON.stringify({ keys: [jwk] }) },
    });
    const file = path.join(daemon.dir, 'keys.json');
    const read = () => JSON.parse(readFileSync(file, 'utf8')).keys;
    const isActive = (key) => (key['x-ropeline-status'] ?? 'active') === 'active';
    const tokens = new Map(); // kid -> {token, retires: ms or undefined}
    const remember = (keys) => {
        for (const key of keys) {
            const known = tokens.get(key.kid) ?? {
                token: jwt(
                    { iss: 'https://mine', aud: 'api', sub: 'ana', exp: now() + 3600 },
                    { kid: key.kid, key: createPrivateKey({ key, format: 'jwk' }) },
                ),
            };
            if (key['x-ropeline-retires']) {
                known.retires = key['x-ropeline-retires'] * 1000;
            }
            tokens.set(key.kid, known);
        }
    };
    let counts = { good: 0, retired: 0 };
    const ask = async () => {
        const keys = read();
        remember(keys); // the newest key's token is used the moment that the file has it
        const kids = [...tokens.keys()];
        const kid =
            Math.random() < 0.5 ? keys.find(isActive).kid : kids[Math.floor(Math.random() * kids.length)];
        const { token } = tokens.get(kid);
        const began = Date.now();
        const { status } = await daemon.get('/x', { token: `Bearer ${token}` });
        const ended = Date.now();
        remember(read());
        const { retires = Infinity } = tokens.get(kid);
        if (ended + MARGIN_MS < retires) {
            counts.good++;
            return status === 200 ? null : `${kid}: ${status} while it is good`;
        }
        if (began > retires) {
            counts.retired++;
            return status === 401 ? null : `${kid}: ${status} after its retirement`;
        }
        return null;
    };
    const clients = load(ask);
    for (let i = 0; i < ROTATIONS; i++) {
        const { code, all } = await ropeline(['keys', 'rotate', file, '--overlap', '2s']);
        assert.equal(code, 0, all);
        await sleep(2500);
    }
    await clients.end();
    t.diagnostic(`${counts.good} good, ${counts.retired} retired tokens, ${tokens.size} keys`);
    assert.deepEqual(clients.wrong, []);
    assert.ok(tokens.size > ROTATIONS && counts.good > 1000 && counts.retired > 100);
});

const hasLibrary = existsSync(path.join(GUIDE, 'node_modules/jsonwebtoken'));
const skip = hasLibrary ? false : 'jsonwebtoken is not installed (script/bootstrap --test)';
test('the guide’s two folders of keys', { skip, timeout: 300_000 }, async (t) => {
    const uri =
        'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Guard.Arn}/invocations';
    const scheme = {
        type: 'apiKey',
        in: 'header',
        name: 'Authorization',
        'x-amazon-apigateway-authorizer': {
            type: 'token',
            authorizerUri: { 'Fn::Sub': uri },
            authorizerResultTtlInSeconds: 300,
        },
    };
    const text = JSON.stringify({
        Transform: 'AWS::Serverless-2016-10-31',
        Resources: {
            Guard: {
                Type: 'AWS::Serverless::Function',
                Properties: {
                    CodeUri: './guard',
                    Handler: 'index.handler',
                    Runtime: 'nodejs20.x',
                    Timeout: 10,
                    Environment: { Variables: { ISSUER: 'guide', AUDIENCE: 'orders' } },
                },
            },
            Api: {
                Type: 'AWS::Serverless::Api',
                Properties: { StageName: 'dev', DefinitionBody: definition(scheme) },
            },
        },
    });
    const first = rsa();
    const daemon = await start(
        t,
        { name: 'template.json', text, stage: 'dev', files: { 'guard/keys/k0.pub.pem': first.publicPem } },
        { prepare: (one) => copyGuide(one.dir) },
    );
    const keys = path.join(daemon.dir, 'guard/keys');
    const token = (kid, key) =>
        jwt(
            { iss: 'guide', aud: 'orders', sub: 'ana', role: 'viewer', exp: now() + 3600 },
            { kid, key },
        );
    const get = async (value) => (await daemon.get('/x', { token: `Bearer ${value}` })).status;
    /** A change of the folder is in force when the daemon says that it has reloaded. */
    const applied = async (change) => {
        const before = daemon.transcript.split('reloaded').length;
        change();
        for (let i = 0; daemon.transcript.split('reloaded').length === before; i++) {
            assert.ok(i < 1000, daemon.transcript);
            await sleep(10);
        }
        await sleep(20); // until every worker has the new snapshot
    };
    let current = token('k0', first.privateKey);
    const retired = [];
    const clients = load(async () => {
        if (retired.length > 0 && Math.random() < 0.3) {
            const old = retired[Math.floor(Math.random() * retired.length)];
            const status = await get(old);
            return status === 401 ? null : `a retired key: ${status}`;
        }
        const status = await get(current);
        return status === 200 ? null : `a good key: ${status}`;
    });
    for (let i = 1; i <= ROTATIONS; i++) {
        const next = rsa();
        await applied(() => writeFileSync(path.join(keys, `k${i}.pub.pem`), next.publicPem));
        const old = current;
        current = token(`k${i}`, next.privateKey); // signed with the new key from now on
        await sleep(500); // requests with the old one end
        mkdirSync(path.join(keys, 'retired'), { recursive: true });
        await applied(() =>
            renameSync(
                path.join(keys, `k${i - 1}.pub.pem`),
                path.join(keys, 'retired', `k${i - 1}.pub.pem`),
            ),
        );
        retired.push(old);
        await sleep(1500);
    }
    await clients.end();
    t.diagnostic(`${clients.asked} requests, ${ROTATIONS} rotations`);
    assert.deepEqual([...new Set(clients.wrong)], []);
});

function copyGuide(dir) {
    cpSync(GUIDE, path.join(dir, 'guard'), {
        recursive: true,
        filter: (file) => path.basename(file) !== 'keys',
    });
}
