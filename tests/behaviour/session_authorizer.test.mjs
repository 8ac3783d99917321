/* SPDX-License-Identifier: Apache-2.0
 * Sessions of the identity core at the gateway: x-ropeline-session and x-ropeline-roles, on REST
 * APIs, HTTP APIs and the forward-auth listener. One daemon with two workers for all.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { startCore } from '../lib/core.mjs';
import { eventually, request, test } from '../lib/daemon.mjs';
import { Postgres } from '../lib/postgres.mjs';
import { Backend, bearer, cookie, decode, having } from '../lib/sessions.mjs';
import { jwt, rsa } from '../lib/tokens.mjs';

const ECHO = `exports.handler = async ({ requestContext, headers }) => ({
    statusCode: 200, body: JSON.stringify({ authorizer: requestContext.authorizer ?? null, headers }) });`;
/** The token is the name of the user; each call leaves a line. */
const GUARD = `exports.handler = async ({ authorizationToken, methodArn }) => {
    require('node:fs').appendFileSync(process.env.CALLS, JSON.stringify(authorizationToken) + '\\n');
    const Statement = [{ Action: 'execute-api:Invoke', Effect: 'Allow', Resource: methodArn }];
    return { principalId: authorizationToken, policyDocument: { Version: '2012-10-17', Statement } };
};`;
const invocation = (name) => ({
    'Fn::Sub':
        'arn:aws:apigateway:${AWS::Region}:lambda:path/' +
        `2015-03-31/functions/\${${name}.Arn}/invocations`,
});
const echo = {
    'x-amazon-apigateway-integration': {
        type: 'aws_proxy',
        httpMethod: 'POST',
        uri: invocation('Echo'),
        payloadFormatVersion: '2.0',
    },
};
const rest = { 'x-amazon-apigateway-integration': { ...echo['x-amazon-apigateway-integration'] } };
delete rest['x-amazon-apigateway-integration'].payloadFormatVersion;
const mock = {
    'x-amazon-apigateway-integration': {
        type: 'mock',
        requestTemplates: { 'application/json': '{"statusCode": 200}' },
        responses: { default: { statusCode: '200' } },
    },
};
const behind = (name, integration, more) => ({
    responses: {},
    security: [{ [name]: [] }],
    ...integration,
    ...more,
});
const each = (methods, operation) => Object.fromEntries(methods.map((m) => [m, operation]));
const ALL = ['get', 'post', 'put', 'patch', 'delete'];
const ROUTES = { '/orders': ALL, '/orders/{id}': ALL, '/admin/users': ALL, '/health': ['get'] };

/** Viewers read, editors update, only admins delete; a permission is as good as a role. */
const ROLES = {
    roles: {
        viewer: ['GET /orders', 'GET /orders/{id}'],
        editor: ['GET /orders*', 'PUT /orders/*', 'PATCH /orders/*', 'POST /orders'],
        admin: 'ANY /*',
    },
    permissions: { 'orders:purge': ['DELETE /orders'] },
};
const SHORT = `t-${randomUUID()}`; // an app whose tokens live for a second
const KINDS = {
    short: { app: SHORT },
    usual: {},
    checked: { checkDatabase: true },
    token: { antiCsrf: 'VIA_TOKEN' },
    header: { antiCsrf: 'VIA_CUSTOM_HEADER' },
    maybe: { required: false },
    cookie: { cookie: { domain: 'example.com', sameSite: 'none' } },
    kept: {},
};
const schemes = (kinds) =>
    Object.fromEntries(
        Object.entries(kinds).map(([name, conf]) => [
            name,
            {
                type: 'http',
                scheme: 'bearer',
                'x-ropeline-session': conf,
                ...(name === 'kept' && { authorizerResultTtlInSeconds: 300 }),
            },
        ]),
    );
const definition = (paths, kinds, more) => ({
    openapi: '3.0.1',
    info: { title: 'sessions', version: '1' },
    paths,
    components: { securitySchemes: schemes(kinds) },
    ...more,
});
const guarded = (kind, conf) =>
    definition(
        Object.fromEntries(
            Object.entries(ROUTES).map(([route, methods]) => [route, each(methods, behind(kind, mock))]),
        ),
        { [kind]: conf },
        { 'x-ropeline-roles': ROLES },
    );
const plain = definition(
    {
        ...Object.fromEntries(
            Object.keys(KINDS).map((kind) => [`/${kind}`, each(['get', 'post'], behind(kind, rest))]),
        ),
        '/quick': { get: behind('usual', mock) },
        '/named': { get: behind('usual', mock, { 'x-ropeline-roles': 'viewer' }) },
    },
    KINDS,
);
const TEMPLATE = {
    Transform: 'AWS::Serverless-2016-10-31',
    Resources: {
        Echo: {
            Type: 'AWS::Serverless::Function',
            Properties: { CodeUri: './Echo', Handler: 'index.handler', Runtime: 'nodejs20.x' },
        },
        Guard: {
            Type: 'AWS::Serverless::Function',
            Properties: {
                CodeUri: './Guard',
                Handler: 'index.handler',
                Runtime: 'nodejs20.x',
                Environment: { Variables: { CALLS: '@CALLS@/Guard' } },
            },
        },
        lambda: {
            Type: 'AWS::Serverless::Api',
            Properties: {
                StageName: 'lambda',
                Auth: {
                    Authorizers: { z: { FunctionArn: { 'Fn::GetAtt': ['Guard', 'Arn'] } } },
                    DefaultAuthorizer: 'z',
                },
                DefinitionBody: {
                    openapi: '3.0.1',
                    info: { title: 'lambda', version: '1' },
                    paths: { '/me': { get: { responses: {}, ...mock } } },
                },
            },
        },
        ...Object.fromEntries(
            Object.entries({
                plain,
                table: guarded('session', {}),
                fresh: guarded('fresh', { fresh: true }),
            }).map(([stage, DefinitionBody]) => [
                stage,
                { Type: 'AWS::Serverless::Api', Properties: { StageName: stage, DefinitionBody } },
            ]),
        ),
        Http: {
            Type: 'AWS::Serverless::HttpApi',
            Properties: {
                StageName: 'http',
                DefinitionBody: definition(
                    {
                        '/me': { get: behind('usual', echo) },
                        '/admin': {
                            get: behind('usual', echo, {
                                'x-ropeline-roles': { roles: ['admin'], permissions: ['all:read'] },
                            }),
                        },
                    },
                    { usual: {} },
                ),
            },
        },
    },
};
const PROJECT = {
    name: 'template.json',
    text: JSON.stringify(TEMPLATE),
    files: { 'Echo/index.js': ECHO, 'Guard/index.js': GUARD },
};

test('sessions at the gateway', async (t) => {
    const core = await startCore(t, {
        project: PROJECT,
        args: ['--workers', '2', '--authorize', '127.0.0.1:0'],
    });
    const gw = core.daemon;
    const backend = new Backend(core);
    const ask = (method, target, headers) => request(gw.port, method, target, { headers });
    const status = async (...args) => (await ask(...args)).status;
    /** On new connections, until both workers must have had their turn. */
    const statuses = async (n, ...args) =>
        [...new Set(await Promise.all(Array.from({ length: n }, () => status(...args))))].sort();
    const why = async () => (await gw.ropeline('explain')).stdout;

    await t.test('a session by bearer and by cookie is who its token says', async () => {
        const s = await backend.session({ plan: 'gold', ...having(['viewer']) }, { user: 'ana' });
        const token = s.accessToken.token;
        for (const headers of [bearer(token), cookie(token)]) {
            const rs = await ask('GET', '/plain/usual', headers);
            assert.equal(rs.status, 200, rs.body);
            const { claims } = rs.json.authorizer;
            assert.equal(claims.sub, 'ana');
            assert.equal(claims.plan, 'gold');
            assert.equal(claims.sessionHandle, s.session.handle);
            assert.equal(claims.refreshTokenHash1, undefined);
            assert.equal(claims.antiCsrfToken, undefined);
        }
        const http = await ask('GET', '/http/me', bearer(token));
        assert.equal(http.status, 200, http.body);
        assert.equal(http.json.authorizer.jwt.claims.sub, 'ana');
    });

    await t.test('the same for other gateways, by forward-auth', async () => {
        const port = Number(gw.listening.authorize.split(':').at(-1));
        const may = (method, uri, headers) =>
            request(port, 'GET', '/_authorize', {
                headers: { 'X-Forwarded-Method': method, 'X-Forwarded-Uri': uri, ...headers },
            });
        const s = await backend.session(having(['viewer']), { csrf: true });
        const token = s.accessToken.token;
        const passed = await may('GET', '/plain/usual', cookie(token));
        assert.equal(passed.status, 200);
        assert.equal(passed.headers['ropeline-principal-id'], s.session.userId);
        assert.equal(passed.headers['ropeline-claim-sessionhandle'], s.session.handle);
        assert.equal(passed.headers['ropeline-claim-refreshtokenhash1'], undefined);
        assert.equal((await may('GET', '/plain/usual', {})).status, 401);
        assert.equal((await may('GET', '/table/orders', bearer(token))).status, 200);
        assert.equal((await may('DELETE', '/table/orders', bearer(token))).status, 403);
        // anti-CSRF asks for the method of the request, not for that of the question
        assert.equal((await may('GET', '/plain/token', cookie(token))).status, 200);
        assert.equal((await may('POST', '/plain/token', cookie(token))).status, 401);
        const shown = cookie(token, { 'anti-csrf': s.antiCsrfToken });
        assert.equal((await may('POST', '/plain/token', shown)).status, 200);
        const child = await backend.refresh(await backend.session());
        const first = await may('GET', '/plain/usual', bearer(child.accessToken.token));
        assert.equal(first.status, 200);
        assert.equal(decode(first.headers['st-access-token']).parentRefreshTokenHash1, null);
    });

    await t.test('what is no session of this core is 401, which lets the SDK refresh', async () => {
        const s = await backend.session();
        const token = s.accessToken.token;
        const [header, payload, signature] = token.split('.');
        const claims = decode(token);
        const { kid } = JSON.parse(Buffer.from(header, 'base64url'));
        const { privateKey } = rsa();
        const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
        const changed = (more) => `${header}.${part({ ...claims, ...more })}.${signature}`;
        const rows = {
            'without any': {},
            'another signature': bearer(jwt(claims, { kid, key: privateKey })),
            'changed user': bearer(changed({ sub: 'root' })),
            'changed end': bearer(changed({ exp: claims.exp + 1 })),
            'alg none': bearer(`${part({ alg: 'none', kid, typ: 'JWT', version: '5' })}.${payload}.`),
            'a refresh token': bearer(s.refreshToken.token),
            'two Authorization': { Authorization: [`Bearer ${token}`, `Bearer ${token}`] },
            'two cookies': { Cookie: `sAccessToken=${token}; sAccessToken=${token}` },
            'a session of old': cookie(token, { Cookie: `sAccessToken=${token}; sIdRefreshToken=x` }),
            basic: { Authorization: `Basic ${token}` },
            cut: bearer(token.slice(0, -8)),
        };
        for (const [name, headers] of Object.entries(rows)) {
            const rs = await ask('GET', '/plain/quick', headers);
            assert.equal(rs.status, 401, name);
            assert.equal(rs.body, '{"message":"Unauthorized"}', name);
            assert.equal(await status('GET', '/http/me', headers), 401, name);
        }
        assert.ok(!(await why()).includes(signature));
        const other = await core.app();
        const theirs = await core.ok(
            'POST',
            '/recipe/session',
            { userId: 'x', enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} },
            { app: other },
        );
        assert.equal(await status('GET', '/plain/quick', bearer(theirs.accessToken.token)), 401);
    });

    await t.test('another app, which is made while the gateway runs, and the end of a token', async () => {
        const { accessToken } = await backend.session();
        assert.equal(await status('GET', '/plain/short', bearer(accessToken.token)), 401);
        const coreConfig = { access_token_validity: 1 };
        await core.ok('PUT', '/recipe/multitenancy/app/v2', { appId: SHORT, coreConfig });
        const fresh = () =>
            core.ok(
                'POST',
                '/recipe/session',
                { userId: 'x', enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} },
                { app: SHORT },
            );
        const { token, expiry } = (await fresh()).accessToken;
        // unknown keys are asked for once a second
        const good = async () => status('GET', '/plain/short', bearer((await fresh()).accessToken.token));
        await eventually('its keys are known', async () => (await good()) === 200, 3000);
        await new Promise((resolve) => setTimeout(resolve, expiry - Date.now() + 20));
        assert.equal(await status('GET', '/plain/short', bearer(token)), 401);
        assert.match(await why(), /expired [\d.]+ s ago[^]*hint: refresh the session/);
        assert.equal(await status('GET', '/plain/quick', bearer((await fresh()).accessToken.token)), 401);
    });

    await t.test('where no session is required, one that is there must still be good', async () => {
        const nobody = await ask('GET', '/plain/maybe', {});
        assert.equal(nobody.status, 200);
        assert.ok(!nobody.json.authorizer?.claims);
        const s = await backend.session();
        assert.equal((await ask('GET', '/plain/maybe', bearer(s.accessToken.token))).status, 200);
        await backend.revoke(s);
        assert.equal(await status('GET', '/plain/maybe', bearer(s.accessToken.token)), 401);
    });

    await t.test('the first use after a refresh confirms it, and hands the new token on', async () => {
        const first = await backend.session({ a: 1 });
        const second = await backend.refresh(first);
        assert.ok(decode(second.accessToken.token).parentRefreshTokenHash1);
        // until then the parent lives
        const rs = await ask('GET', '/plain/usual', bearer(second.accessToken.token));
        assert.equal(rs.status, 200);
        const handed = rs.headers['st-access-token'];
        assert.equal(decode(handed).parentRefreshTokenHash1, null);
        assert.equal(rs.json.authorizer.claims.a, '1');
        const front = JSON.parse(Buffer.from(rs.headers['front-token'], 'base64'));
        assert.equal(front.uid, first.session.userId);
        assert.equal(front.ate, decode(handed).exp * 1000);
        assert.equal(front.up.a, 1);
        assert.match(rs.headers['access-control-expose-headers'], /st-access-token/);
        // the same request again, by whoever still has the old one
        const again = await ask('GET', '/plain/usual', bearer(second.accessToken.token));
        assert.equal(again.status, 200);
        assert.ok(again.headers['st-access-token']);
        // and now the parent is stolen goods
        const theft = await core.ok('POST', '/recipe/session/refresh', {
            refreshToken: first.refreshToken.token,
            enableAntiCsrf: false,
            useDynamicSigningKey: true,
        });
        assert.equal(theft.status, 'TOKEN_THEFT_DETECTED');
        const used = await ask('GET', '/plain/usual', bearer(handed));
        assert.equal(used.status, 200);
        assert.equal(used.headers['st-access-token'], undefined);
    });

    await t.test('by cookie it goes back as a cookie, as the app would have set it', async () => {
        const child = await backend.refresh(await backend.session());
        const rs = await ask('GET', '/plain/cookie', cookie(child.accessToken.token));
        assert.equal(rs.status, 200);
        const [set] = rs.headers['set-cookie'];
        assert.match(
            set,
            /^sAccessToken=[\w.-]+; Domain=example\.com; Path=\/; Expires=.*GMT; HttpOnly; Secure; SameSite=None$/,
        );
        assert.ok(rs.headers['front-token']);
        assert.equal(rs.headers['st-access-token'], undefined);
    });

    await t.test('anti-CSRF, as the SDK asks for it', async () => {
        const s = await backend.session({}, { csrf: true });
        const token = s.accessToken.token;
        const code = s.antiCsrfToken;
        const rows = [
            ['POST', '/plain/token', cookie(token), 401],
            ['POST', '/plain/token', cookie(token, { 'anti-csrf': 'x' }), 401],
            ['POST', '/plain/token', cookie(token, { 'anti-csrf': [code, code] }), 401],
            ['POST', '/plain/token', cookie(token, { 'anti-csrf': code }), 200],
            ['GET', '/plain/token', cookie(token), 200],
            ['POST', '/plain/token', bearer(token), 200],
            ['POST', '/plain/header', cookie(token), 401],
            ['POST', '/plain/header', cookie(token, { rid: 'anti-csrf' }), 200],
            ['GET', '/plain/header', cookie(token), 200],
            ['POST', '/plain/usual', cookie(token), 200],
        ];
        for (const [method, target, headers, expected] of rows) {
            assert.equal(
                await status(method, target, headers),
                expected,
                `${method} ${target} ${Object.keys(headers)}`,
            );
        }
    });

    await t.test('a revoked session is over at once on every worker, kept or not', async () => {
        for (const where of ['/plain/quick', '/plain/kept', '/plain/checked', '/fresh/health']) {
            const user = randomUUID();
            await backend.role('admin');
            await backend.give(user, 'admin');
            const s = await backend.session({}, { user });
            const headers = bearer(s.accessToken.token);
            assert.deepEqual(await statuses(16, 'GET', where, headers), [200], where);
            await backend.revoke(s);
            assert.deepEqual(await statuses(16, 'GET', where, headers), [401], where);
        }
    });

    await t.test('what checkDatabase asks, the store answers', async () => {
        const s = await backend.session({ n: 1 });
        const headers = bearer(s.accessToken.token);
        assert.equal(await status('GET', '/plain/checked', headers), 200);
        await core.ok('PUT', '/recipe/jwt/data', {
            sessionHandle: s.session.handle,
            userDataInJWT: { n: 2 },
        });
        const rs = await ask('GET', '/plain/checked', headers);
        assert.equal(rs.json.authorizer.claims.n, '2');
        assert.ok(rs.headers['st-access-token']);
    });

    /* role x method x route, from the table above by hand: who may do what */
    const MAY = {
        nobody: {},
        viewer: { '/orders': 'get', '/orders/7': 'get' },
        editor: { '/orders': 'get post', '/orders/7': 'get put patch' },
        admin: {
            '/orders': 'get post put patch delete',
            '/orders/7': 'get post put patch delete',
            '/admin/users': 'get post put patch delete',
            '/health': 'get',
        },
        purger: { '/orders': 'delete' },
        'viewer and purger': { '/orders': 'get delete', '/orders/7': 'get' },
        stranger: {},
    };
    const WHO = {
        nobody: [],
        viewer: [['viewer']],
        editor: [['editor']],
        admin: [['admin']],
        purger: [[], ['orders:purge']],
        'viewer and purger': [['viewer'], ['orders:purge']],
        stranger: [['Viewer', 'orders:purge', 'adm*', '']],
    };
    await t.test('role x method x route', async (table) => {
        for (const [who, may] of Object.entries(MAY)) {
            const s = await backend.session(having(...WHO[who]));
            for (const route of ['/orders', '/orders/7', '/admin/users', '/health']) {
                for (const method of ROUTES[route.replace('7', '{id}')]) {
                    const expected = (may[route] ?? '').split(' ').includes(method) ? 200 : 403;
                    await table.test(`${who}: ${method} ${route} is ${expected}`, async () => {
                        const rs = await ask(
                            method.toUpperCase(),
                            `/table${route}`,
                            bearer(s.accessToken.token),
                        );
                        assert.equal(rs.status, expected, rs.body);
                    });
                }
            }
        }
    });

    await t.test('a path in other clothes is no way round a role', async () => {
        const s = await backend.session(having(['viewer']));
        for (const path of ['/orders/%2e%2e/admin/users', '/orders%2f..%2fadmin%2fusers', '/Admin/users', '//admin/users', '/orders/7/']) {
            const rs = await ask('DELETE', `/table${path}`, bearer(s.accessToken.token));
            assert.ok([400, 403, 404].includes(rs.status), `${path}: ${rs.status}`);
        }
        const override = { ...bearer(s.accessToken.token), 'X-HTTP-Method-Override': 'GET' };
        assert.equal(await status('DELETE', '/table/orders/7', override), 403);
    });

    await t.test('explain says which roles there are and which one is wanted', async () => {
        const s = await backend.session(having(['viewer']));
        assert.equal(await status('DELETE', '/table/orders', bearer(s.accessToken.token)), 403);
        const text = await why();
        assert.match(text, /roles\s+viewer/);
        assert.match(text, /give the user the role admin or the permission orders:purge/);
        assert.equal(await status('GET', '/table/orders/7', bearer(s.accessToken.token)), 200);
        assert.match((await gw.ropeline('explain', '--last')).stdout, /roles allow by/);
    });

    await t.test('a role of one method, on both kinds of API', async () => {
        const viewer = bearer((await backend.session(having(['viewer']))).accessToken.token);
        const admin = bearer((await backend.session(having(['admin']))).accessToken.token);
        const reader = bearer((await backend.session(having([], ['all:read']))).accessToken.token);
        assert.equal(await status('GET', '/plain/named', viewer), 200);
        assert.equal(await status('GET', '/plain/named', admin), 403);
        assert.equal(await status('GET', '/plain/quick', admin), 200);
        assert.equal(await status('GET', '/http/admin', viewer), 403);
        assert.equal(await status('GET', '/http/admin', admin), 200);
        assert.equal(await status('GET', '/http/admin', reader), 200);
        assert.equal(await status('GET', '/http/me', viewer), 200);
    });

    await t.test('fresh: a demoted admin is refused within a second, on every worker', async () => {
        const user = randomUUID();
        await backend.role('admin');
        await backend.give(user, 'admin');
        const s = await backend.session(having(['admin']), { user });
        const headers = bearer(s.accessToken.token);
        assert.deepEqual(await statuses(16, 'DELETE', '/fresh/orders/7', headers), [200]);
        const since = Date.now();
        await backend.take(user, 'admin');
        await eventually(
            'refused',
            async () => (await statuses(8, 'DELETE', '/fresh/orders/7', headers)).join() === '403',
            1000,
        );
        assert.ok(Date.now() - since < 1000);
        assert.deepEqual(await statuses(16, 'DELETE', '/fresh/orders/7', headers), [403]);
        // by its claims it goes on, until the app has changed them and the token was refreshed
        assert.equal(await status('DELETE', '/table/orders/7', headers), 200);
        await core.ok('PUT', '/recipe/jwt/data', {
            sessionHandle: s.session.handle,
            userDataInJWT: having([]),
        });
        assert.equal(await status('DELETE', '/table/orders/7', headers), 200);
        const next = bearer((await backend.refresh(s)).accessToken.token);
        assert.equal(await status('DELETE', '/table/orders/7', next), 403);
    });

    await t.test('fresh: what a role may do, and a role that is removed, count as soon', async () => {
        const user = randomUUID();
        const role = `r-${randomUUID()}`;
        await backend.role(role, ['orders:purge']);
        await backend.give(user, role);
        const headers = bearer((await backend.session({}, { user })).accessToken.token);
        const becomes = (expected) =>
            eventually(
                `DELETE is ${expected}`,
                async () => (await statuses(8, 'DELETE', '/fresh/orders', headers)).join() === expected,
                1000,
            );
        await becomes('200');
        await core.ok('POST', '/recipe/role/permissions/remove', {
            role,
            permissions: ['orders:purge'],
        });
        await becomes('403');
        await backend.role(role, ['orders:purge']);
        await becomes('200');
        await core.ok('POST', '/recipe/role/remove', { role });
        await becomes('403');
    });

    await t.test('what a function said of that user is forgotten too', async () => {
        const role = `r-${randomUUID()}`;
        const user = randomUUID();
        const calls = () => gw.calls().filter((one) => one === user).length;
        const me = () => status('GET', '/lambda/me', { Authorization: user });
        await backend.role(role);
        await backend.give(user, role);
        await eventually('the news of the role are over', async () => {
            await me();
            const n = calls();
            await me();
            return calls() === n;
        });
        const changes = [
            () => backend.take(user, role),
            async () => backend.revoke(await backend.session({}, { user })),
        ];
        for (const change of changes) {
            const before = calls();
            assert.equal(await me(), 200);
            assert.equal(calls(), before);
            await change();
            await eventually('asked again', async () => (await me()) === 200 && calls() > before, 1000);
        }
        const signUp = async () => {
            const form = { email: `${randomUUID()}@example.com`, password: 'correct-horse1' };
            return (await core.ok('POST', '/recipe/signup', form)).user.id;
        };
        const [primary, linked] = [await signUp(), await signUp()];
        const link = { recipeUserId: linked, primaryUserId: primary };
        await core.ok('POST', '/recipe/accountlinking/user/primary', { recipeUserId: primary });
        await core.ok('POST', '/recipe/accountlinking/user/link', link);
        const s = await backend.session({}, { user: linked });
        assert.equal(decode(s.accessToken.token).sub, primary);
        const behindIt = () => gw.calls().filter((one) => one === primary).length;
        await status('GET', '/lambda/me', { Authorization: primary });
        assert.equal(behindIt(), 1);
        await backend.revoke(s);
        await eventually(
            'asked again for the user behind it',
            async () => (await status('GET', '/lambda/me', { Authorization: primary })) === 200 && behindIt() > 1,
            1000,
        );
        const before = calls();
        await backend.revoke(await backend.session({}, { user: 'somebody else' }));
        await new Promise((resolve) => setTimeout(resolve, 200));
        assert.equal(await me(), 200);
        assert.equal(calls(), before);
    });
});

test('what another node revokes or takes away counts here', async (t) => {
    const server = new Postgres().start();
    t.after(() => server.end());
    const core = await startCore(t, { project: PROJECT, ...server.options });
    const other = new Backend(await startCore(t, server.options));
    await other.role('admin');
    await other.give('ana', 'admin');
    const s = await other.session({}, { user: 'ana' });
    const headers = bearer(s.accessToken.token);
    const ask = (target) => request(core.daemon.port, 'GET', target, { headers });
    const becomes = (target, expected) =>
        eventually(`${target} is ${expected}`, async () => {
            const answers = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() => ask(target)));
            return answers.every(({ status }) => status === expected);
        }, 1500);
    await becomes('/fresh/orders', 200);
    await becomes('/plain/kept', 200);
    await other.take('ana', 'admin');
    await becomes('/fresh/orders', 403);
    await other.revoke(s);
    await becomes('/plain/kept', 401);
});
