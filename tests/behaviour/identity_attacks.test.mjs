/* SPDX-License-Identifier: Apache-2.0
 * Attacks on sessions, credentials and users, each under its number in the catalogue. Three stand
 * elsewhere: a power cut (3) in identity_kill.test.mjs, a clock that is stepped (6) in tests/soak,
 * keys that rotate under load (7) in tests/soak and identity_keys.test.mjs; the gateway's share of 5
 * and 8 in session_authorizer.test.mjs. Of 9 only the core's share is here: it counts no failures
 * (docs/threat-model.md), that is for the throttles of routes.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';
import { PATIENCE } from '../lib/daemon.mjs';

const CHEAP = { bcrypt_log_rounds: 4, password_hashing_alg: 'BCRYPT' };
const SECRET = 'a-password-that-is-in-no-log';
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** How far apart two samples are, in standard deviations (Mann-Whitney U, normal for so many). */
function mannWhitney(a, b) {
    const all = [...a.map((v) => [v, 0]), ...b.map((v) => [v, 1])].sort((x, y) => x[0] - y[0]);
    const ranks = all.reduce((sum, [, which], i) => sum + (which === 0 ? i + 1 : 0), 0);
    const u = ranks - (a.length * (a.length + 1)) / 2;
    const n = a.length * b.length;
    return (u - n / 2) / Math.sqrt((n * (a.length + b.length + 1)) / 12);
}

test('attacks on sessions and credentials', async (t) => {
    const core = await startCore(t);
    const app = await core.app(CHEAP);
    const ok = (path, input, more) => core.ok('POST', path, input, { app, ...more });
    const create = (userId, more = {}) =>
        ok('/recipe/session', {
            userId,
            enableAntiCsrf: false,
            userDataInJWT: {},
            userDataInDatabase: {},
            ...more,
        });
    const refresh = (refreshToken, more = {}) =>
        ok('/recipe/session/refresh', {
            refreshToken,
            enableAntiCsrf: false,
            useDynamicSigningKey: true,
            ...more,
        });
    const verify = (accessToken, more = {}) =>
        ok('/recipe/session/verify', {
            accessToken,
            doAntiCsrfCheck: true,
            enableAntiCsrf: false,
            checkDatabase: false,
            ...more,
        });
    const signUp = (email, password = SECRET, more = {}) =>
        ok('/recipe/signup', { email, password }, more);
    const signIn = (email, password = SECRET, more = {}) =>
        ok('/recipe/signin', { email, password }, more);

    await t.test('1: a refresh token shown again once its child was used is a theft', async () => {
        const first = (await create('u1')).refreshToken.token;
        const child = (await refresh(first)).refreshToken.token;
        assert.equal((await refresh(first)).status, 'OK', 'the answer may have been lost');
        assert.equal((await refresh(child)).status, 'OK');
        const theft = await refresh(first);
        assert.equal(theft.status, 'TOKEN_THEFT_DETECTED');
        assert.equal(theft.session.userId, 'u1');
        await ok('/recipe/session/remove', { sessionHandles: [theft.session.handle] });
        assert.equal((await refresh(child)).status, 'UNAUTHORISED', 'the SDK ended the session');
    });

    await t.test('2: a hundred refreshes at once are no theft, and one chain goes on', async () => {
        const { token } = (await create('u2')).refreshToken;
        const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(token)));
        assert.ok(answers.every(({ status }) => status === 'OK'));
        assert.equal(new Set(answers.map(({ session }) => session.handle)).size, 1);
        const next = await Promise.all(answers.map((a) => refresh(a.refreshToken.token)));
        assert.equal(next.filter(({ status }) => status === 'OK').length, 1);
    });

    await t.test('4: a new sign-in is a new session; nothing of the old one is in it', async () => {
        const a = await create('u4', { enableAntiCsrf: true });
        const b = await create('u4', { enableAntiCsrf: true });
        assert.notEqual(a.session.handle, b.session.handle);
        assert.notEqual(a.antiCsrfToken, b.antiCsrfToken);
        assert.notEqual(a.refreshToken.token, b.refreshToken.token);
        const wrong = { enableAntiCsrf: true, antiCsrfToken: a.antiCsrfToken };
        assert.equal((await verify(b.accessToken.token, wrong)).status, 'TRY_REFRESH_TOKEN');
    });

    await t.test('5: anti-CSRF: none, or that of another session, is refused', async () => {
        const s = await create('u5', { enableAntiCsrf: true });
        const csrf = { enableAntiCsrf: true };
        assert.equal((await verify(s.accessToken.token, csrf)).status, 'TRY_REFRESH_TOKEN');
        assert.equal(
            (await verify(s.accessToken.token, { ...csrf, antiCsrfToken: s.antiCsrfToken })).status,
            'OK',
        );
        const { token } = s.refreshToken;
        assert.equal((await refresh(token, csrf)).status, 'UNAUTHORISED');
        assert.equal((await refresh(token, { ...csrf, antiCsrfToken: 'x' })).status, 'UNAUTHORISED');
        assert.equal(
            (await refresh(token, { ...csrf, antiCsrfToken: s.antiCsrfToken })).status,
            'OK',
        );
    });

    await t.test('8: revoked: at once with checkDatabase, without it until the token ends', async () => {
        const s = await create('u8');
        await ok('/recipe/session/remove', { userId: 'u8' });
        const { token } = s.accessToken;
        assert.equal((await verify(token)).status, 'OK');
        assert.equal((await verify(token, { checkDatabase: true })).status, 'UNAUTHORISED');
        assert.equal((await refresh(s.refreshToken.token)).status, 'UNAUTHORISED');
        const strict = await core.app({ ...CHEAP, access_token_blacklisting: true });
        const other = await create('u8', {});
        assert.equal(other.status, 'OK');
        const made = await core.ok(
            'POST',
            '/recipe/session',
            { userId: 'u', enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} },
            { app: strict },
        );
        await core.ok('POST', '/recipe/session/remove', { userId: 'u' }, { app: strict });
        const judged = await core.ok(
            'POST',
            '/recipe/session/verify',
            {
                accessToken: made.accessToken.token,
                doAntiCsrfCheck: false,
                enableAntiCsrf: false,
                checkDatabase: false,
            },
            { app: strict },
        );
        assert.equal(judged.status, 'UNAUTHORISED', 'access_token_blacklisting always asks');
    });

    await t.test('9: no header makes a stranger of who may not call', async () => {
        // what a client says of its own address counts for nothing: only the connection's does
        const shut = await core.app({ ...CHEAP, ip_deny_regex: '127\\..*' });
        const open = await core.app({ ...CHEAP, ip_allow_regex: '127\\.0\\.0\\.1' });
        const from = async (to, headers) =>
            (
                await core.call(
                    'POST',
                    '/recipe/signin',
                    { email: 'a@example.com', password: 'x' },
                    { app: to, headers },
                )
            ).status;
        for (const name of ['X-Forwarded-For', 'X-Real-IP', 'Forwarded', 'X-Client-IP', 'True-Client-IP']) {
            for (const value of ['8.8.8.8', '127.0.0.1, 8.8.8.8', 'for=8.8.8.8', '::ffff:8.8.8.8']) {
                assert.equal(await from(shut, { [name]: value }), 403, `${name}: ${value}`);
                assert.equal(await from(open, { [name]: value }), 200, `${name}: ${value}`);
            }
        }
    });

    await t.test('10: a thousand wrong passwords lock nobody out', async () => {
        await signUp('victim@example.com');
        for (let sent = 0; sent < 1000; sent += 50) {
            const answers = await Promise.all(
                Array.from({ length: 50 }, (_, i) => signIn('victim@example.com', `guess-${sent + i}`)),
            );
            assert.ok(answers.every(({ status }) => status === 'WRONG_CREDENTIALS_ERROR'));
        }
        assert.equal((await signIn('victim@example.com')).status, 'OK');
    });

    await t.test('11: an unknown e-mail and a wrong password cannot be told apart', async () => {
        await signUp('known@example.com');
        const sample = async (email) => {
            const began = performance.now();
            const rs = await core.call(
                'POST',
                '/recipe/signin',
                { email, password: 'wrong-password' },
                { app },
            );
            const took = performance.now() - began;
            assert.deepEqual([rs.status, rs.json], [200, { status: 'WRONG_CREDENTIALS_ERROR' }]);
            return took;
        };
        const known = [];
        const unknown = [];
        for (let i = 0; i < 600; i++) {
            // in no order that what else the machine does could follow
            if (Math.random() < 0.5) {
                known.push(await sample('known@example.com'));
            } else {
                unknown.push(await sample(`unknown-${i}@example.com`));
            }
        }
        const apart = mannWhitney(known, unknown);
        const ratio = median(known) / median(unknown);
        t.diagnostic(`11: medians ${median(known).toFixed(2)} and ${median(unknown).toFixed(2)} ms`);
        assert.ok(Math.abs(apart) < 4 || (ratio > 0.9 && ratio < 1.1), `${apart} deviations`);
    });

    await t.test('12: long passwords, a flood of them, and imported hashes that cost too much', async () => {
        const post = (path, input, to = app) => core.call('POST', path, input, { app: to });
        const long = await post('/recipe/signup', {
            email: 'long@example.com',
            password: 'x'.repeat(100_000),
        });
        assert.equal(long.status, 400);
        const huge = await post('/recipe/signup', {
            email: 'long@example.com',
            password: 'x'.repeat(2_000_000),
        });
        assert.equal(huge.status, 413);
        const slow = await core.app({ bcrypt_log_rounds: 8 });
        const began = performance.now();
        const flood = Array.from({ length: 300 }, (_, i) =>
            post('/recipe/signin', { email: `${i}@example.com`, password: 'x' }, slow),
        );
        let worst = 0;
        for (let i = 0; i < 20; i++) {
            const start = performance.now();
            assert.equal((await core.call('GET', '/hello')).status, 200);
            worst = Math.max(worst, performance.now() - start);
        }
        const statuses = (await Promise.all(flood)).map(({ status }) => status);
        assert.ok(statuses.includes(429), 'the queue has an end');
        assert.ok(statuses.every((status) => status === 200 || status === 429));
        assert.ok(worst < 2000 * PATIENCE, `hello took ${worst} ms beside the flood`);
        t.diagnostic(`12: 300 sign-ins in ${(performance.now() - began).toFixed(0)} ms, hello at most ${worst.toFixed(1)} ms`);
        for (const passwordHash of [
            '$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$' + 'A'.repeat(43),
            '$2a$31$' + 'a'.repeat(53),
            '$f_scrypt$' + 'a'.repeat(86) + '==$aaaaaaaaaaaa==$m=30$r=8$s=Bw==',
        ]) {
            const rs = await post('/recipe/user/passwordhash/import', {
                email: 'import@example.com',
                passwordHash,
            });
            assert.equal(rs.status, 400, `${passwordHash}: ${rs.body}`);
        }
    });

    await t.test('13: a reset token works once, in a race of a hundred, and its siblings die', async () => {
        const { user } = await signUp('reset@example.com');
        const make = async () =>
            (await ok('/recipe/user/password/reset/token', { userId: user.id, email: 'reset@example.com' })).token;
        const [old, token] = [await make(), await make()];
        assert.match(token, /^[\w-]{43,}$/);
        const take = (given) => ok('/recipe/user/password/reset/token/consume', { token: given });
        const race = await Promise.all(Array.from({ length: 100 }, () => take(token)));
        assert.equal(race.filter(({ status }) => status === 'OK').length, 1);
        assert.equal((await take(old)).status, 'RESET_PASSWORD_INVALID_TOKEN_ERROR');
        const another = await make();
        await core.ok(
            'PUT',
            '/recipe/user',
            { recipeUserId: user.id, password: 'another-password' },
            { app, rid: 'emailpassword' },
        );
        assert.equal((await take(another)).status, 'RESET_PASSWORD_INVALID_TOKEN_ERROR');
        const reset = { method: 'token', token: await make(), newPassword: 'a-third-password' };
        const resets = await Promise.all(
            Array.from({ length: 20 }, () => ok('/recipe/user/password/reset', reset)),
        );
        assert.equal(resets.filter(({ status }) => status === 'OK').length, 1);
        assert.equal((await signIn('reset@example.com', 'a-third-password')).status, 'OK');
        assert.equal((await signIn('reset@example.com', 'another-password')).status, 'WRONG_CREDENTIALS_ERROR');
        const mail = { userId: user.id, email: 'reset@example.com' };
        const verifyToken = (await ok('/recipe/user/email/verify/token', mail)).token;
        const takes = await Promise.all(
            Array.from({ length: 100 }, () =>
                ok('/recipe/user/email/verify', { method: 'token', token: verifyToken }),
            ),
        );
        assert.equal(takes.filter(({ status }) => status === 'OK').length, 1);
    });

    await t.test('14: an e-mail that the provider has not verified links nothing', async () => {
        const mine = await signUp('target@example.com');
        const theirs = await ok('/recipe/signinup', {
            thirdPartyId: 'evil',
            thirdPartyUserId: '1',
            email: { id: 'target@example.com', isVerified: false },
        });
        assert.equal(theirs.createdNewUser, true);
        assert.notEqual(theirs.user.id, mine.user.id);
        assert.equal(theirs.user.loginMethods[0].verified, false);
    });

    await t.test('15: one normal form of an e-mail; a password is bytes', async () => {
        await signUp('Case@Example.COM');
        for (const email of ['case@example.com', ' CASE@EXAMPLE.COM\t']) {
            assert.equal((await signIn(email)).status, 'OK', email);
            assert.equal((await signUp(email)).status, 'EMAIL_ALREADY_EXISTS_ERROR', email);
        }
        assert.equal((await signIn('case@example.com', SECRET.toUpperCase())).status, 'WRONG_CREDENTIALS_ERROR');
        assert.equal((await signIn('case@example.com', ` ${SECRET}`)).status, 'WRONG_CREDENTIALS_ERROR');
        const composed = 'p\u00e4sswort-1';
        await signUp('umlaut@example.com', composed);
        assert.equal((await signIn('umlaut@example.com', composed.normalize('NFD'))).status, 'WRONG_CREDENTIALS_ERROR');
        for (const email of ['a\u0001b@example.com', `${'x'.repeat(10_000)}@example.com`, 'a\u0000@example.com']) {
            const rs = await core.call('POST', '/recipe/signup', { email, password: SECRET }, { app });
            assert.equal(rs.status, 400, JSON.stringify(email.slice(0, 20)));
        }
        // letters that only look alike are another address
        assert.equal((await signIn('c\u0430se@example.com')).status, 'WRONG_CREDENTIALS_ERROR');
        assert.equal((await signIn('ca\u017fe@example.com')).status, 'WRONG_CREDENTIALS_ERROR');
    });

    await t.test('16: what belongs to one app or tenant is nobody\'s in another', async () => {
        const other = await core.app(CHEAP);
        const elsewhere = { app: other };
        const { user } = await signUp('cross@example.com');
        const s = await create(user.id);
        assert.equal((await signIn('cross@example.com', SECRET, elsewhere)).status, 'WRONG_CREDENTIALS_ERROR');
        assert.equal((await core.ok('GET', '/user/id', { userId: user.id }, elsewhere)).status, 'UNKNOWN_USER_ID_ERROR');
        assert.equal(
            (await core.ok('GET', '/recipe/session', { sessionHandle: s.session.handle }, elsewhere)).status,
            'UNAUTHORISED',
        );
        const foreign = await core.ok(
            'POST',
            '/recipe/session/refresh',
            { refreshToken: s.refreshToken.token, enableAntiCsrf: false, useDynamicSigningKey: true },
            elsewhere,
        );
        assert.equal(foreign.status, 'UNAUTHORISED');
        const removed = await core.ok('POST', '/recipe/session/remove', { sessionHandles: [s.session.handle] }, elsewhere);
        assert.deepEqual(removed.sessionHandlesRevoked, []);
        await core.ok('PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 't1' }, { app });
        assert.equal((await signIn('cross@example.com', SECRET, { tenant: 't1' })).status, 'WRONG_CREDENTIALS_ERROR');
        for (const role of ['*', 'a*', '__proto__']) {
            await core.ok('PUT', '/recipe/role', { role, permissions: ['x'] }, { app });
        }
        const asked = await core.ok('GET', '/recipe/role/permissions', { role: 'admin' }, { app });
        assert.equal(asked.status, 'UNKNOWN_ROLE_ERROR', 'a star is a name and nothing more');
        const metadata = await core.ok(
            'PUT',
            '/recipe/user/metadata',
            '{"userId":"m","metadataUpdate":{"__proto__":{"admin":true},"a":{"b":1}}}',
            { app },
        );
        assert.deepEqual(Object.keys(metadata.metadata).sort(), ['__proto__', 'a']);
        const again = await core.ok('PUT', '/recipe/user/metadata', '{"userId":"m","metadataUpdate":{"a":{"c":2},"__proto__":null}}', { app });
        assert.deepEqual(again.metadata, { a: { c: 2 } });
        const protectedPayload = await core.call(
            'POST',
            '/recipe/session',
            { userId: 'u', enableAntiCsrf: false, userDataInJWT: { sub: 'admin' }, userDataInDatabase: {} },
            { app },
        );
        assert.deepEqual([protectedPayload.status, protectedPayload.body], [400, 'The user payload contains protected field\n']);
    });

    await t.test('17: handles are random, and no secret is in a log or a record', async () => {
        const handles = await Promise.all(Array.from({ length: 50 }, () => create('u17')));
        const seen = new Set(handles.map(({ session }) => session.handle));
        assert.equal(seen.size, 50);
        for (const handle of seen) {
            assert.match(handle, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        }
        const secrets = [SECRET, handles[0].accessToken.token, handles[0].refreshToken.token];
        const said = core.daemon.transcript;
        const kept = readdirSync(core.daemon.state)
            .filter((name) => name.startsWith('identity.db'))
            .map((name) => readFileSync(path.join(core.daemon.state, name), 'latin1'));
        for (const secret of secrets) {
            assert.equal(said.includes(secret), false);
            assert.ok(kept.every((text) => !text.includes(secret)), 'stored in the clear');
        }
    });

    await t.test('SQL is text, NUL and wrong types are refused, deep and large JSON too', async () => {
        const evil = `x' OR '1'='1'; DROP TABLE session_info; --`;
        const s = await create(evil);
        assert.equal(s.session.userId, evil);
        assert.deepEqual((await core.ok('GET', '/recipe/session/user', { userId: evil }, { app })).sessionHandles, [s.session.handle]);
        assert.deepEqual((await core.ok('GET', '/recipe/session/user', { userId: `x' OR '1'='1` }, { app })).sessionHandles, []);
        const post = async (text) => {
            const rs = await core.call('POST', '/recipe/session/remove', text, { app });
            return [rs.status, rs.body];
        };
        const bad = [400, 'Invalid Json Input\n'];
        assert.deepEqual(await post('{"userId":"a\\u0000b"}'), bad);
        assert.deepEqual(await post('{"userId":'), bad);
        assert.deepEqual(await post('[]'), bad);
        assert.deepEqual(await post(`{"userId":${'['.repeat(5000)}${']'.repeat(5000)}}`), bad);
        assert.deepEqual(await post('{"userId":7}'), [400, "Field name 'userId' is invalid in JSON input\n"]);
        assert.equal((await post(`{"userId":"${'x'.repeat(1_100_000)}"}`))[0], 413);
    });
});
