// SPDX-License-Identifier: Apache-2.0
// Tokens that REST APIs judge themselves: by key files, of user pools, by introspection; AWS_IAM; and
// issuers that answer with hostility.
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, refusal, sleep, start, test } from '../lib/daemon.mjs';
import { Issuer, privateJwk, signingKey } from '../lib/issuer.mjs';

const ECHO = `exports.handler = async (event) =>
    ({ statusCode: 200, body: JSON.stringify(event.requestContext.authorizer ?? null) });`;
const POOL = 'arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc';

/** A REST API with one route for each scheme: GET /NAME, and /NAME/scoped which wants `read`. */
function project(schemes, files = {}) {
    const integration = {
        type: 'aws_proxy',
        httpMethod: 'POST',
        uri: {
            'Fn::Sub':
                'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Echo.Arn}/invocations',
        },
    };
    const paths = {};
    for (const name of Object.keys(schemes)) {
        const get = (scopes) => ({
            get: { security: [{ [name]: scopes }], 'x-amazon-apigateway-integration': integration },
        });
        paths[`/${name}`] = get([]);
        paths[`/${name}/scoped`] = get(['read']);
    }
    const text = JSON.stringify({
        Transform: 'AWS::Serverless-2016-10-31',
        Resources: {
            Echo: {
                Type: 'AWS::Serverless::Function',
                Properties: { CodeUri: './Echo', Handler: 'index.handler', Runtime: 'nodejs20.x' },
            },
            Api: {
                Type: 'AWS::Serverless::Api',
                Properties: {
                    StageName: 'dev',
                    DefinitionBody: {
                        openapi: '3.0.1',
                        info: { title: 'a', version: '1' },
                        paths,
                        components: { securitySchemes: schemes },
                    },
                },
            },
        },
    });
    return { name: 'template.json', text, stage: 'dev', files: { 'Echo/index.js': ECHO, ...files } };
}

const bearer = (authorizer) => ({
    type: 'http',
    scheme: 'bearer',
    'x-amazon-apigateway-authorizer': { type: 'token', ...authorizer },
});
const byFile = (keys, more) =>
    bearer({ 'x-ropeline-issuers': [{ issuer: 'https://mine', audience: 'api', keys }], ...more });
const iam = {
    type: 'apiKey',
    name: 'Authorization',
    in: 'header',
    'x-amazon-apigateway-authtype': 'awsSigv4',
};

/** Signs as an issuer that has no server. */
const signer = (url) => Object.assign(new Issuer(), { url });
const pem = (key) => key.publicKey.export({ type: 'spki', format: 'pem' });

test('tokens by key files, of several issuers, and of AWS_IAM', async (t) => {
    const [one, two, ec] = [signingKey('one'), signingKey('two'), signingKey('ec', 'ES256')];
    const net = await Issuer.start(t, { keys: [ec] });
    const mine = signer('https://mine');
    const set = (...keys) => JSON.stringify({ keys });
    const life = (key, status, retires) => ({
        ...key.jwk,
        'x-ropeline-status': status,
        ...(retires && { 'x-ropeline-retires': retires }),
    });
    const daemon = await start(
        t,
        project(
            {
                jwks: byFile('keys/set.json'),
                pem: byFile([
                    { file: 'keys/one.pem', kid: 'one' },
                    { file: 'keys/two.pem', kid: 'two', status: 'retired', until: 1700000000 },
                ]),
                many: bearer({
                    'x-ropeline-issuers': [
                        { issuer: 'https://mine', audience: 'api', keys: 'keys/one.pem' },
                        { issuer: net.url, audience: 'api' },
                    ],
                    'x-ropeline-algorithms': ['RS256', 'ES256'],
                }),
                iam,
            },
            { 'keys/set.json': set(one.jwk), 'keys/one.pem': pem(one), 'keys/two.pem': pem(two) },
        ),
    );
    const get = (path, token) => daemon.get(path, { token });
    const status = async (path, key, claims) =>
        (await get(path, mine.token(claims, { key }))).status;
    const put = (keys) => {
        const file = path.join(daemon.dir, 'keys/set.json');
        writeFileSync(`${file}.new`, set(...keys));
        renameSync(`${file}.new`, file);
    };

    const rs = await get('/jwks', `Bearer ${mine.token({ groups: ['a', 'b'] }, { key: one })}`);
    assert.equal(rs.status, 200, rs.body);
    assert.equal(rs.json.claims.groups, 'a,b');
    assert.equal(rs.headers['www-authenticate'], undefined);
    assert.equal(await status('/jwks', two), 401);
    assert.equal(await status('/jwks/scoped', one), 401);
    assert.equal(await status('/jwks/scoped', one, { scope: 'a read' }), 200);
    assert.equal((await daemon.get('/jwks')).status, 401);

    await t.test('a rotated key is taken with its first token, a retired one no more', async () => {
        put([life(one, 'retiring', Math.floor(Date.now() / 1000) + 3), life(two, 'active')]);
        assert.equal(await status('/jwks', two), 200, 'the first token of the new key');
        assert.equal(await status('/jwks', one), 200, 'inside the overlap');
        await sleep(3100);
        assert.equal(await status('/jwks', one), 401, 'after its end');
        assert.match((await daemon.ropeline('explain')).all, /retired/);
        assert.equal(await status('/jwks', two), 200);
    });

    await t.test('a broken file changes nothing', async () => {
        daemon.write('keys/set.json', '{');
        await sleep(700);
        assert.equal(await status('/jwks', two), 200);
        const { body } = await fetch(`http://127.0.0.1:${daemon.metricsPort}/readyz`).then(
            async (rs) => ({ body: await rs.json() }),
        );
        assert.match(body.issuers.find(({ ok }) => !ok).issuer, /set\.json$/);
        put([two.jwk]);
        await eventually('the file is good again', async () => (await status('/jwks', two)) === 200);
    });

    await t.test('active and retired PEM files', async () => {
        assert.equal(await status('/pem', one), 200);
        assert.equal(await status('/pem', two), 401);
        assert.match((await daemon.ropeline('explain')).all, /retired/);
        daemon.write('keys/one.pem', pem(two));
        assert.equal((await get('/many', mine.token({}, { key: two, kid: undefined }))).status, 200);
        daemon.write('keys/one.pem', pem(one));
    });

    await t.test('each issuer has its own keys', async () => {
        assert.equal((await get('/many', net.token({}))).status, 200);
        assert.equal((await get('/many', mine.token({}, { key: ec, alg: 'ES256' }))).status, 401);
        assert.equal((await get('/many', net.token({}, { key: one, kid: 'ec', alg: 'RS256' }))).status, 401);
        assert.equal((await get('/jwks', net.token({}))).status, 401);
    });

    await t.test('AWS_IAM refuses everybody', async () => {
        const plain = await daemon.get('/iam');
        assert.equal(plain.status, 403);
        assert.equal(plain.body, '{"message":"Missing Authentication Token"}');
        const wrong = await get('/iam', 'Bearer x');
        assert.equal(wrong.status, 403);
        assert.match(wrong.body, /missing equal-sign/);
        assert.equal(wrong.headers['x-amzn-errortype'], 'IncompleteSignatureException');
    });
});

test('user pools: identity tokens, and access tokens where scopes are wanted', async (t) => {
    const issuer = await Issuer.start(t);
    const scheme = (more) => ({
        type: 'apiKey',
        name: 'Authorization',
        in: 'header',
        'x-amazon-apigateway-authtype': 'cognito_user_pools',
        'x-amazon-apigateway-authorizer': {
            type: 'cognito_user_pools',
            providerARNs: [POOL],
            ...more,
        },
    });
    const daemon = await start(
        t,
        project({ pool: scheme(), strict: scheme({ identityValidationExpression: 'ap[i]' }) }),
        { args: ['--user-pool', `${POOL}=${issuer.url}`] },
    );
    const ask = async (path, claims) => daemon.get(path, { token: issuer.token(claims) });
    const rs = await ask('/pool', { token_use: 'id', 'cognito:groups': ['a', 'b'] });
    assert.equal(rs.status, 200, rs.body);
    assert.equal(rs.json.claims['cognito:groups'], 'a,b');
    assert.equal(rs.json.claims.sub, 'ana');
    const rows = [
        ['/pool', { token_use: 'access' }, 401],
        ['/pool', {}, 401],
        ['/pool/scoped', { token_use: 'id', scope: 'read' }, 401],
        ['/pool/scoped', { token_use: 'access', scope: 'write' }, 401],
        ['/pool/scoped', { token_use: 'access', scope: 'write read' }, 200],
        ['/strict', { token_use: 'id' }, 200],
        ['/strict', { token_use: 'id', aud: 'apix' }, 401],
        ['/strict/scoped', { token_use: 'access', scope: 'read', aud: undefined, client_id: 'api' }, 200],
        ['/strict/scoped', { token_use: 'access', scope: 'read', aud: undefined, client_id: 'x' }, 401],
    ];
    for (const [path, claims, status] of rows) {
        const rs = await ask(path, claims);
        assert.equal(rs.status, status, `${path} ${JSON.stringify(claims)}`);
        if (status === 401) {
            assert.equal(rs.body, '{"message":"Unauthorized"}');
            assert.equal(rs.headers['x-amzn-errortype'], 'UnauthorizedException');
        }
    }

    await t.test('a pool that nobody knows is refused by name', async (t) => {
        const unknown = { ...scheme({ providerARNs: ['arn:aws:cognito-idp:eu-west-1:1:userpool/Mine'] }) };
        const { code, transcript } = await refusal(t, project({ pool: unknown }));
        assert.equal(code, 1);
        assert.match(transcript, /userpool\/Mine has no issuer here/);
    });
});

test('opaque tokens are introspected', async (t) => {
    const issuer = await Issuer.start(t);
    const introspection = (more) => ({
        endpoint: `${issuer.origin}/introspect`,
        clientId: 'gate way',
        clientSecretEnv: 'INTROSPECTION_SECRET',
        ...more,
    });
    const daemon = await start(
        t,
        project({
            fresh: bearer({ 'x-ropeline-introspection': introspection() }),
            cached: bearer({
                'x-ropeline-introspection': introspection({ issuer: 'https://me', audience: 'api' }),
                authorizerResultTtlInSeconds: 60,
            }),
        }),
        { env: { INTROSPECTION_SECRET: 's3cr:t' } },
    );
    const now = () => Math.floor(Date.now() / 1000);
    const get = (path, token) => daemon.get(path, { token: `Bearer ${token}` });
    const good = issuer.opaque({ active: true, sub: 'ana', scope: 'read', exp: now() + 60 });
    const rs = await get('/fresh/scoped', good);
    assert.equal(rs.status, 200, rs.body);
    assert.equal(rs.json.claims.sub, 'ana');
    const { form, authorization } = issuer.introspected.at(-1);
    assert.equal(form.get('token'), good);
    assert.equal(
        Buffer.from(authorization.slice(6), 'base64').toString(),
        'gate%20way:s3cr%3At',
    );
    issuer.tokens.set(good, { active: false });
    assert.equal((await get('/fresh', good)).status, 401, 'revoked');
    assert.doesNotMatch(daemon.transcript, /s3cr/);

    await t.test('a result lives no longer than its token', async () => {
        const token = issuer.opaque({
            active: true,
            iss: 'https://me',
            aud: ['x', 'api'],
            exp: now() + 2,
        });
        const before = issuer.asked.introspect;
        const all = await Promise.all(Array.from({ length: 10 }, () => get('/cached', token)));
        assert.deepEqual(new Set(all.map((rs) => rs.status)), new Set([200]));
        assert.equal(issuer.asked.introspect, before + 1, 'one question for identical ones');
        await sleep(2200);
        assert.equal((await get('/cached', token)).status, 401);
        assert.equal(issuer.asked.introspect, before + 2);
    });

    await t.test('every other answer refuses', async () => {
        const answers = [
            { active: 'true' },
            { active: 1 },
            {},
            [],
            'true',
            '{"active":true,"active":true}',
            '<html>',
            '',
            { active: true, exp: now() - 1 },
            { active: true, exp: 'tomorrow' },
            { active: true, nbf: now() + 100 },
            { active: true, token_type: 'DPoP' },
            { active: true, cnf: { jkt: 'x' } },
        ];
        for (const answer of answers) {
            const rs = await get('/fresh', issuer.opaque(answer));
            assert.equal(rs.status, 401, JSON.stringify(answer));
        }
        for (const answer of [
            { active: true },
            { active: true, iss: 'https://me/', aud: 'api' },
            { active: true, iss: 'https://me', aud: 'apis' },
        ]) {
            assert.equal((await get('/cached', issuer.opaque(answer))).status, 401);
        }
        for (const hostile of [
            (rq, rs) => rs.end('x'.repeat(1e6)),
            (rq, rs) => rs.writeHead(500).end('{"active":true}'),
            (rq, rs) => rs.writeHead(302, { Location: `${issuer.origin}/introspect` }).end(),
            (rq, rs) => rs.destroy(),
            () => {},
        ]) {
            issuer.hostility.introspect = hostile;
            assert.equal((await get('/fresh', 'abc')).status, 401, String(hostile));
        }
    });
});

test('no answer of an issuer opens a route, and none drops the last good keys', async (t) => {
    const issuer = await Issuer.start(t);
    const oct = { kty: 'oct', kid: 's', k: Buffer.alloc(32, 7).toString('base64url') };
    const leaked = privateJwk(issuer.keys[0]);
    const daemon = await start(
        t,
        project({
            net: bearer({ 'x-ropeline-issuers': [{ issuer: issuer.url, audience: 'api' }] }),
        }),
    );
    assert.equal((await daemon.get('/net', { token: issuer.token() })).status, 200);
    const jwks = [
        (rq, rs) => rs.end('x'.repeat(5e6)),
        (rq, rs) => rs.writeHead(200, { 'Content-Encoding': 'gzip' }).end('{}'),
        (rq, rs) => rs.writeHead(302, { Location: 'file:///etc/passwd' }).end(),
        (rq, rs, json) => json('<html>'),
        (rq, rs, json) => json({ keys: [] }),
        (rq, rs, json) => json({ keys: [oct] }),
        (rq, rs, json) => json({ keys: [leaked] }),
        (rq, rs, json) => json({ keys: [issuer.keys[0].jwk, issuer.keys[0].jwk] }),
        (rq, rs) => rs.writeHead(503).end(JSON.stringify({ keys: [] })),
    ];
    const discovery = [
        (rq, rs, json) => json({ issuer: `${issuer.url}/`, jwks_uri: `${issuer.origin}/jwks` }),
        (rq, rs, json) => json({ issuer: issuer.url }),
        (rq, rs, json) => json({ issuer: issuer.url, jwks_uri: 'file:///etc/passwd' }),
        (rq, rs, json) => json({ issuer: issuer.url, jwks_uri: 'http://10.255.255.1/jwks' }),
        (rq, rs, json) => json([]),
    ];
    // Each is met at a start of its own, when there are no keys yet: one daemon, one issuer for each.
    const rows = [...jwks.map((answer) => ({ jwks: answer })), ...discovery.map((answer) => ({ discovery: answer }))];
    const issuers = await Promise.all(
        rows.map(async (hostility) => {
            const one = await Issuer.start(t, { keys: issuer.keys });
            one.hostility = hostility;
            return one;
        }),
    );
    const many = Object.fromEntries(
        issuers.map((one, i) => [
            `h${i}`,
            bearer({ 'x-ropeline-issuers': [{ issuer: one.url, audience: 'api' }] }),
        ]),
    );
    const hostile = await start(t, project(many));
    for (const [i, one] of issuers.entries()) {
        const rs = await hostile.get(`/h${i}`, { token: one.token() });
        assert.equal(rs.status, 401, `${i} ${JSON.stringify(rows[i])}`);
    }
    // And by one that was good before.
    issuer.hostility = { jwks: jwks[4] };
    assert.equal((await daemon.get('/net', { token: issuer.token({}, { kid: 'new' }) })).status, 401);
    assert.equal((await daemon.get('/net', { token: issuer.token() })).status, 200);
    assert.match((await daemon.metrics()), /ropeline_jwks_fetch_failures_total\{[^}]*\} 1/);
});

test('definitions that could not be meant are refused by name', async (t) => {
    const rows = [
        [bearer({ 'x-ropeline-issuers': [] }), /x-ropeline-issuers is a list/],
        [bearer({ 'x-ropeline-issuers': [{ issuer: 'https://x' }] }), /has no audience/],
        [bearer({ 'x-ropeline-issuers': [{ issuer: 'ftp://x', audience: 'a' }] }), /must be a URL/],
        [
            bearer({
                'x-ropeline-issuers': [{ issuer: 'https://x', audience: 'a' }],
                'x-ropeline-algorithms': ['HS256'],
            }),
            /a secret is never fetched/,
        ],
        [byFile('none.json'), /none\.json/],
        [byFile('keys.json', { 'x-ropeline-algorithms': ['RS256', 'HS256'] }), /x-ropeline-algorithms/],
        [byFile('keys.json', { 'x-ropeline-algorithms': ['none'] }), /x-ropeline-algorithms/],
        [
            bearer({ 'x-ropeline-introspection': { endpoint: 'https://x', clientId: 'a', clientSecret: 'b' } }),
            /stands in no document/,
        ],
        [
            bearer({
                'x-ropeline-introspection': { endpoint: 'https://x', clientId: 'a', clientSecretEnv: 'NOT_THERE' },
            }),
            /NOT_THERE/,
        ],
    ];
    for (const [scheme, text] of rows) {
        const { code, transcript } = await refusal(
            t,
            project({ z: scheme }, { 'keys.json': JSON.stringify({ keys: [signingKey('a').jwk] }) }),
        );
        assert.equal(code, 1, transcript);
        assert.match(transcript, text);
        assert.match(transcript, /template\.json:\d+:\d+: error/);
    }
});
