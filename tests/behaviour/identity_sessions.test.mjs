/* SPDX-License-Identifier: Apache-2.0
 * The calls of the session recipe one by one, and `sessions`, the verb that looks at them; what a
 * start of the daemon leaves of them.
 */
import assert from 'node:assert/strict';
import { startCore } from '../lib/core.mjs';
import { ropeline, sleep, test } from '../lib/daemon.mjs';

const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
/** A route for who has a session of the base app. */
const API = {
    openapi: '3.0.1',
    info: { title: 'sessions', version: '1' },
    paths: {
        '/me': {
            get: {
                responses: {},
                security: [{ user: [] }],
                'x-amazon-apigateway-integration': {
                    type: 'mock',
                    requestTemplates: { 'application/json': '{"statusCode": 200}' },
                    responses: { default: { statusCode: '200' } },
                },
            },
        },
    },
    components: { securitySchemes: { user: { type: 'http', scheme: 'bearer', 'x-ropeline-session': {} } } },
};

test('sessions by their calls', async (t) => {
    const core = await startCore(t, {
        project: { name: 'api.json', text: JSON.stringify(API), stage: 'dev' },
    });
    const app = await core.app();
    const post = (path, input, more) => core.ok('POST', path, input, { app, ...more });
    const create = (more = {}, options) =>
        post(
            '/recipe/session',
            {
                userId: 'ana',
                enableAntiCsrf: false,
                userDataInJWT: { role: 'viewer' },
                userDataInDatabase: { n: 1 },
                ...more,
            },
            options,
        );
    const verify = (accessToken, checkDatabase = false) =>
        post('/recipe/session/verify', {
            accessToken,
            doAntiCsrfCheck: false,
            enableAntiCsrf: false,
            checkDatabase,
        });
    const get = (sessionHandle) => core.ok('GET', '/recipe/session', { sessionHandle }, { app });

    await t.test('what a session is made of', async () => {
        const s = await create();
        assert.deepEqual(Object.keys(s).sort(), ['accessToken', 'refreshToken', 'session', 'status']);
        assert.deepEqual(s.session, {
            handle: s.session.handle,
            userId: 'ana',
            recipeUserId: 'ana',
            userDataInJWT: { role: 'viewer' },
            tenantId: 'public',
        });
        const { token, expiry, createdTime } = s.accessToken;
        assert.equal(expiry - createdTime, 3_600_000);
        assert.equal(s.refreshToken.expiry - s.refreshToken.createdTime, 144_000 * 60_000);
        assert.deepEqual(Object.keys(header(token)).sort(), ['alg', 'kid', 'typ', 'version']);
        assert.match(header(token).kid, /^d-\d+$/);
        assert.equal(header(token).version, '5');
        const { iat, exp, refreshTokenHash1, ...rest } = claims(token);
        assert.deepEqual(rest, {
            sub: 'ana',
            rsub: 'ana',
            tId: 'public',
            sessionHandle: s.session.handle,
            parentRefreshTokenHash1: null,
            antiCsrfToken: null,
            role: 'viewer',
        });
        assert.deepEqual([iat * 1000, exp * 1000], [createdTime, expiry]);
        assert.match(refreshTokenHash1, /^[0-9a-f]{64}$/);
        assert.match(s.refreshToken.token, /^[A-Za-z0-9+/=]+\.[0-9a-f]{64}\.V2$/);
    });

    await t.test('a static key, a tenant, an anti-CSRF token', async () => {
        await core.ok('PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 't1' }, { app });
        const s = await create({ useDynamicSigningKey: false, enableAntiCsrf: true }, { tenant: 't1' });
        assert.match(header(s.accessToken.token).kid, /^s-/);
        assert.match(s.session.handle, /_t1$/);
        assert.equal(s.session.tenantId, 't1');
        assert.equal(claims(s.accessToken.token).antiCsrfToken, s.antiCsrfToken);
    });

    await t.test('one session, and all of a user', async () => {
        const s = await create({ userId: 'bea' });
        const { status, sessionHandle, userDataInDatabase, userDataInJWT } = await get(s.session.handle);
        assert.deepEqual(
            { status, sessionHandle, userDataInDatabase, userDataInJWT },
            {
                status: 'OK',
                sessionHandle: s.session.handle,
                userDataInDatabase: { n: 1 },
                userDataInJWT: { role: 'viewer' },
            },
        );
        assert.deepEqual(await get('none'), {
            status: 'UNAUTHORISED',
            message: 'Session does not exist.',
        });
        const second = await create({ userId: 'bea' });
        const handles = async () =>
            (await core.ok('GET', '/recipe/session/user', { userId: 'bea' }, { app })).sessionHandles;
        assert.deepEqual((await handles()).sort(), [s.session.handle, second.session.handle].sort());
        const gone = await post('/recipe/session/remove', {
            sessionHandles: [s.session.handle, 'none', s.session.handle],
        });
        assert.deepEqual(gone.sessionHandlesRevoked, [s.session.handle]);
        assert.deepEqual(await handles(), [second.session.handle]);
        const rest = await post('/recipe/session/remove', { userId: 'bea' });
        assert.deepEqual(rest.sessionHandlesRevoked, [second.session.handle]);
        const both = await core.call('POST', '/recipe/session/remove', { userId: 'bea', sessionHandles: [] }, { app });
        assert.deepEqual(
            [both.status, both.body],
            [400, 'Invalid JSON input - use one of userId or sessionHandles array\n'],
        );
    });

    await t.test('data changes in the store; the next token has it', async () => {
        const s = await create();
        const { handle } = s.session;
        const put = (path, input) => core.ok('PUT', path, { sessionHandle: handle, ...input }, { app });
        assert.deepEqual(await put('/recipe/session/data', { userDataInDatabase: { n: 2 } }), { status: 'OK' });
        assert.deepEqual(await put('/recipe/jwt/data', { userDataInJWT: { role: 'admin' } }), { status: 'OK' });
        assert.equal((await verify(s.accessToken.token)).accessToken, undefined);
        const renewed = await verify(s.accessToken.token, true);
        assert.equal(claims(renewed.accessToken.token).role, 'admin');
        const own = await core.call('PUT', '/recipe/jwt/data', { sessionHandle: handle, userDataInJWT: { exp: 1 } }, { app });
        assert.deepEqual([own.status, own.body], [400, 'The user payload contains protected field\n']);
        assert.equal((await get(handle)).userDataInDatabase.n, 2);
    });

    await t.test('regenerate: the same life, another payload', async () => {
        const s = await create();
        const answer = await post('/recipe/session/regenerate', {
            accessToken: s.accessToken.token,
            userDataInJWT: { role: 'editor' },
        });
        const now = claims(answer.accessToken.token);
        const then = claims(s.accessToken.token);
        assert.equal(now.role, 'editor');
        assert.deepEqual([now.exp, now.refreshTokenHash1], [then.exp, then.refreshTokenHash1]);
        await post('/recipe/session/remove', { sessionHandles: [s.session.handle] });
        const gone = await post('/recipe/session/regenerate', { accessToken: s.accessToken.token });
        assert.equal(gone.status, 'UNAUTHORISED');
    });

    await t.test('what is no token, and what is over', async () => {
        for (const token of ['', 'x', 'a.b.c', `${(await create()).accessToken.token.slice(0, -6)}AAAAAA`]) {
            assert.equal((await verify(token)).status, 'TRY_REFRESH_TOKEN', token);
            const refreshed = await post('/recipe/session/refresh', {
                refreshToken: token,
                enableAntiCsrf: false,
                useDynamicSigningKey: true,
            });
            assert.equal(refreshed.status, 'UNAUTHORISED', token);
        }
        const short = await core.app({ access_token_validity: 1 });
        const s = await core.ok(
            'POST',
            '/recipe/session',
            { userId: 'x', enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} },
            { app: short },
        );
        await sleep(2100);
        const late = await core.ok(
            'POST',
            '/recipe/session/verify',
            {
                accessToken: s.accessToken.token,
                doAntiCsrfCheck: false,
                enableAntiCsrf: false,
                checkDatabase: false,
            },
            { app: short },
        );
        assert.deepEqual(late, { status: 'TRY_REFRESH_TOKEN', message: 'Access token expired' });
    });

    await t.test('sessions list, show and revoke', async () => {
        const verb = (...args) => ropeline(['sessions', ...args, '--app', app, '--state', core.daemon.state]);
        const s = await create({ userId: 'eve' });
        const { handle } = s.session;
        await create({ userId: 'eve' });
        const list = await verb('list', 'eve');
        assert.equal(list.stdout.split('\n').filter((line) => line.includes('public')).length, 2);
        assert.ok(list.stdout.includes(handle));
        const shown = await verb('show', handle);
        assert.match(shown.stdout, /^user +eve$/m);
        assert.match(shown.stdout, /^payload +\{"role":"viewer"\}$/m);
        assert.equal((await verb('revoke', handle)).stdout, 'revoked 1\n');
        assert.equal((await verb('revoke', '--user', 'eve')).stdout, 'revoked 1\n');
        assert.equal((await verify(s.accessToken.token, true)).status, 'UNAUTHORISED');
        const none = await verb('show', handle);
        assert.deepEqual([none.code, none.stdout], [1, '']);
        assert.match(none.stderr, /no session has the handle/);
        for (const args of [[], ['list'], ['revoke'], ['revoke', 'x', '--user', 'y']]) {
            assert.equal((await verb(...args)).code, 2, args.join(' '));
        }
    });

    await t.test('what was revoked stays so when the daemon dies and comes back', async () => {
        const { daemon } = core;
        const input = { userId: 'fay', enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} };
        const [gone, kept] = [
            await core.ok('POST', '/recipe/session', input),
            await core.ok('POST', '/recipe/session', input),
        ];
        const me = async ({ accessToken }) =>
            (await daemon.get('/me', { token: `Bearer ${accessToken.token}` })).status;
        assert.deepEqual([await me(gone), await me(kept)], [200, 200]);
        await core.ok('POST', '/recipe/session/remove', { sessionHandles: [gone.session.handle] });
        for (const { pid } of daemon.family()) {
            process.kill(pid, 'SIGKILL');
        }
        await daemon.exited;
        await daemon.launch();
        await daemon.ready();
        assert.deepEqual([await me(gone), await me(kept)], [401, 200]);
    });
});
