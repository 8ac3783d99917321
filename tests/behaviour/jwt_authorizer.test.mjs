// SPDX-License-Identifier: Apache-2.0
// JWT authorizers of HTTP APIs (specs 3.6) against an issuer on loopback.
import assert from 'node:assert/strict';
import { eventually, start, test } from '../lib/daemon.mjs';
import { Issuer, signingKey } from '../lib/issuer.mjs';
import { jwt } from '../lib/tokens.mjs';

const ECHO = `exports.handler = async (event) =>
    ({ statusCode: 200, body: JSON.stringify(event.requestContext.authorizer ?? null) });`;

/** An HTTP API: GET /me, and /read which wants one of two scopes. */
function project(authorizer, { files = {} } = {}) {
    const uri = {
        'Fn::Sub':
            'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Echo.Arn}/invocations',
    };
    const route = (scopes) => ({
        get: {
            security: [{ z: scopes }],
            'x-amazon-apigateway-integration': {
                type: 'aws_proxy',
                httpMethod: 'POST',
                uri,
                payloadFormatVersion: '2.0',
            },
        },
    });
    const text = JSON.stringify({
        Transform: 'AWS::Serverless-2016-10-31',
        Resources: {
            Echo: {
                Type: 'AWS::Serverless::Function',
                Properties: { CodeUri: './Echo', Handler: 'index.handler', Runtime: 'nodejs20.x' },
            },
            Api: {
                Type: 'AWS::Serverless::HttpApi',
                Properties: {
                    DefinitionBody: {
                        openapi: '3.0.1',
                        info: { title: 'a', version: '1' },
                        paths: { '/me': route([]), '/read': route(['read', 'write']) },
                        components: {
                            securitySchemes: {
                                z: {
                                    type: 'oauth2',
                                    'x-amazon-apigateway-authorizer': { type: 'jwt', ...authorizer },
                                },
                            },
                        },
                    },
                },
            },
        },
    });
    return { name: 'template.json', text, files: { 'Echo/index.js': ECHO, ...files } };
}

const usual = (issuer, more) => ({
    identitySource: '$request.header.Authorization',
    jwtConfiguration: { issuer: issuer.url, audience: ['other', 'api'] },
    ...more,
});

const challenge = (text) =>
    `Bearer scope="" error="invalid_token" error_description="${text}"`;

test('a token of the issuer is verified, and its claims arrive as strings (traps 42, 44)', async (t) => {
    const issuer = await Issuer.start(t, { path: '/realm' });
    const daemon = await start(t, project(usual(issuer)));
    const token = issuer.token({ scope: 'read x', groups: ['a', 'b'], n: 3, yes: true });
    const rs = await daemon.get('/me', { token: `Bearer ${token}` });
    assert.equal(rs.status, 200, rs.body + daemon.transcript);
    const { claims, scopes } = rs.json.jwt;
    assert.equal(claims.sub, 'ana');
    assert.equal(claims.n, '3');
    assert.equal(claims.yes, 'true');
    assert.equal(claims.groups, '[a b]');
    assert.equal(scopes, null);
    assert.deepEqual(issuer.asked, { discovery: 1, jwks: 1, introspect: 0 });
    for (const value of [token, `bearer ${token}`, `BEARER ${token}`]) {
        assert.equal((await daemon.get('/me', { token: value })).status, 200);
    }

    await t.test('scopes are whole words; one is enough', async () => {
        const read = (claims) => daemon.get('/read', { token: issuer.token(claims) });
        const granted = await read({ scope: 'x read' });
        assert.equal(granted.status, 200);
        assert.deepEqual(granted.json.jwt.scopes, ['x', 'read']);
        assert.equal((await read({ scp: ['write'] })).status, 200);
        assert.equal((await read({ scp: 'a write' })).status, 200);
        for (const claims of [{}, { scope: 'rea' }, { scope: 'readwrite' }, { scp: ['read write'] }]) {
            const rs = await read(claims);
            assert.equal(rs.status, 403);
            assert.equal(rs.body, '{"message":"Forbidden"}');
            assert.match(rs.headers['www-authenticate'], /error="insufficient_scope"/);
        }
    });

    await t.test('what is refused says why, and nothing else (trap 41)', async () => {
        const now = Math.floor(Date.now() / 1000);
        const other = signingKey('k1');
        const rows = [
            [issuer.token({ exp: now }), 'the token has expired'],
            [issuer.token({ exp: undefined }), 'the token does not expire'],
            [issuer.token({ nbf: now + 60 }), 'the token is not valid yet'],
            [issuer.token({ iat: now + 60 }), 'the token was issued in the future'],
            [issuer.token({ aud: 'someone' }), 'the token does not have a valid audience'],
            [issuer.token({ aud: ['ap', 'api2'] }), 'the token does not have a valid audience'],
            [
                issuer.token({ aud: 'someone', client_id: 'api' }),
                'the token does not have a valid audience',
            ],
            [issuer.token({ iss: `${issuer.url}/` }), 'issuer does not match'],
            [issuer.token({ iss: undefined }), 'issuer does not match'],
            [issuer.token({}, { key: other }), 'the signature is not valid'],
            [jwt({ iss: issuer.url }, { alg: 'HS256', secret: 'x' }), 'signing method is not allowed'],
            ['abc', 'the token is malformed'],
            [`${issuer.token()},${issuer.token()}`, 'the token is malformed'],
            [` ${issuer.token()}`.replace(' ', 'Bearer  '), 'the token is malformed'],
        ];
        for (const [token, text] of rows) {
            const rs = await daemon.get('/me', { token });
            assert.equal(rs.status, 401, token);
            assert.equal(rs.body, '{"message":"Unauthorized"}');
            assert.equal(rs.headers['www-authenticate'], challenge(text), token);
        }
        assert.equal((await daemon.get('/me', { token: issuer.token({ aud: undefined, client_id: 'api' }) })).status, 200);
        for (const headers of [{}, { Authorization: '' }, { Authorization: 'Bearer' }]) {
            const rs = await daemon.get('/me', { headers });
            assert.equal(rs.status, 401);
            assert.equal(rs.headers['www-authenticate'], 'Bearer');
        }
        const twice = await daemon.raw(
            `GET /me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${issuer.token()}\r\n` +
                `Authorization: ${issuer.token()}\r\n\r\n`,
        );
        assert.match(String(twice.text ?? twice), /401/);
    });

    await t.test('explain names the step that failed', async () => {
        const now = Math.floor(Date.now() / 1000);
        await daemon.get('/me', { token: issuer.token({ exp: now - 61 }) });
        assert.match((await daemon.ropeline('explain')).all, /expired 6[12](\.\d+)? s ago/);
        await daemon.get('/me', { token: issuer.token({ aud: 'someone' }) });
        assert.match((await daemon.ropeline('explain')).all, /other|someone/);
    });

    await t.test('an unknown key costs the issuer one question, and is found once it is there', async () => {
        const before = issuer.asked.jwks;
        const fresh = signingKey('k2');
        issuer.keys = [...issuer.keys, fresh];
        const tokens = Array.from({ length: 20 }, () =>
            daemon.get('/me', { token: issuer.token({}, { key: fresh }) }),
        );
        for (const rs of await Promise.all(tokens)) {
            assert.equal(rs.status, 200);
        }
        assert.equal(issuer.asked.jwks, before + 1);
        for (let i = 0; i < 50; i++) {
            const rs = await daemon.get('/me', { token: issuer.token({}, { kid: `x${i}` }) });
            assert.equal(rs.status, 401);
            assert.equal(rs.headers['www-authenticate'], challenge('the token is signed with an unknown key'));
        }
        assert.equal(issuer.asked.jwks, before + 1, 'the cool-down holds');
        const said = (await daemon.ropeline('explain')).all;
        assert.match(said, /x49/);
        assert.match(said, /k1 k2/);
        assert.match(await daemon.metrics(), /ropeline_jwks_unknown_kids_total\{issuer="http[^"]*"\} 50/);
    });

    await t.test('an outage of the issuer refuses nobody', async () => {
        await issuer.stop();
        assert.equal((await daemon.get('/me', { token: issuer.token() })).status, 200);
        assert.equal((await daemon.get('/me', { token: issuer.token({}, { kid: 'y' }) })).status, 401);
        await issuer.resume();
    });
});

test('an issuer that is not there yet: 401 meanwhile, then its tokens are taken (trap 43)', async (t) => {
    const issuer = await Issuer.start(t);
    await issuer.stop();
    const daemon = await start(t, project(usual(issuer)));
    const refused = await daemon.get('/me', { token: issuer.token() });
    assert.equal(refused.status, 401);
    assert.equal(
        refused.headers['www-authenticate'],
        challenge('OIDC discovery endpoint communication error'),
    );
    assert.match((await daemon.ropeline('explain')).all, /has given no keys[^]*refused/);
    await issuer.resume();
    await eventually(
        'tokens are taken',
        async () => (await daemon.get('/me', { token: issuer.token() })).status === 200,
    );
});
