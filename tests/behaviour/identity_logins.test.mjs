/* SPDX-License-Identifier: Apache-2.0
 * E-mail and password, and which addresses are verified: every call, with the words of the core.
 */
import assert from 'node:assert/strict';
import { startCore } from '../lib/core.mjs';
import { test } from '../lib/daemon.mjs';

const PASSWORD = 'correct-horse1';

test('e-mail and password', async (t) => {
    const core = await startCore(t);
    const app = await core.app({ bcrypt_log_rounds: 4 });
    const post = (path, input, more) => core.ok('POST', path, input, { app, ...more });
    const signUp = (email, password = PASSWORD) => post('/recipe/signup', { email, password });
    const signIn = (email, password = PASSWORD, more = {}) => post('/recipe/signin', { email, password }, more);
    const change = (input) => core.ok('PUT', '/recipe/user', input, { app, rid: 'emailpassword' });
    const refusal = async (method, path, input, more) => {
        const rs = await core.call(method, path, input, { app, ...more });
        return [rs.status, rs.body.trim()];
    };

    await t.test('sign up and in', async () => {
        const { user, recipeUserId } = await signUp('ada@example.com');
        assert.equal(user.id, recipeUserId);
        assert.deepEqual(user.emails, ['ada@example.com']);
        assert.deepEqual(user.loginMethods.map(({ recipeId, verified }) => [recipeId, verified]), [['emailpassword', false]]);
        assert.equal((await signUp('ADA@example.com ')).status, 'EMAIL_ALREADY_EXISTS_ERROR');
        assert.equal((await signIn('ada@example.com')).user.id, user.id);
        assert.deepEqual(await signIn('ada@example.com', 'x'), { status: 'WRONG_CREDENTIALS_ERROR' });
        assert.deepEqual(await signIn('nobody@example.com'), { status: 'WRONG_CREDENTIALS_ERROR' });
        assert.deepEqual(await refusal('POST', '/recipe/signup', { email: 'a@b.c', password: '' }), [400, 'Password cannot be an empty string']);
        assert.deepEqual(await refusal('POST', '/recipe/signup', { email: 'a@b.c' }), [400, "Field name 'password' is invalid in JSON input"]);
    });

    await t.test('of twenty who sign up with one address at once, one does', async () => {
        const answers = await Promise.all(Array.from({ length: 20 }, () => signUp('race@example.com')));
        assert.equal(answers.filter(({ status }) => status === 'OK').length, 1);
    });

    await t.test('address and password change', async () => {
        const { user } = await signUp('old@example.com');
        assert.deepEqual(await change({ recipeUserId: user.id, email: 'new@example.com' }), { status: 'OK' });
        assert.equal((await signIn('old@example.com')).status, 'WRONG_CREDENTIALS_ERROR');
        assert.deepEqual(await change({ recipeUserId: user.id, password: 'other-horse2' }), { status: 'OK' });
        assert.equal((await signIn('new@example.com')).status, 'WRONG_CREDENTIALS_ERROR');
        assert.equal((await signIn('new@example.com', 'other-horse2')).status, 'OK');
        assert.equal((await change({ recipeUserId: user.id, email: 'ada@example.com' })).status, 'EMAIL_ALREADY_EXISTS_ERROR');
        assert.equal((await change({ recipeUserId: 'none', email: 'x@example.com' })).status, 'UNKNOWN_USER_ID_ERROR');
        assert.equal((await refusal('PUT', '/recipe/user', { recipeUserId: user.id }, { rid: 'emailpassword' }))[0], 400);
    });

    await t.test('hashes of other systems, hashed anew when they are used', async () => {
        const import_ = (email, passwordHash, hashingAlgorithm) =>
            post('/recipe/user/passwordhash/import', { email, passwordHash, ...(hashingAlgorithm && { hashingAlgorithm }) });
        assert.deepEqual(
            await refusal('POST', '/recipe/user/passwordhash/import', { email: 'x@example.com', passwordHash: 'nonsense' }),
            [400, 'Password hash is in invalid format'],
        );
        assert.deepEqual(
            await refusal('POST', '/recipe/user/passwordhash/import', { email: 'x@example.com', passwordHash: '$2a$04$abc', hashingAlgorithm: 'md5' }),
            [400, 'Unsupported password hashing algorithm'],
        );
        // bcrypt of "testPass123", with more rounds than the app has now
        const known = '$2b$05$abcdefghijklmnopqrstuuYcEHwnAZFo/mN/WR2wXzDhtSTeGXCTa';
        const first = await import_('in@example.com', known);
        assert.deepEqual([first.status, first.didUserAlreadyExist], ['OK', false]);
        assert.equal((await import_('in@example.com', known, 'bcrypt')).didUserAlreadyExist, true);
        assert.equal((await signIn('in@example.com', 'not it')).status, 'WRONG_CREDENTIALS_ERROR');
        assert.equal((await signIn('in@example.com', 'testPass123')).status, 'OK');
        assert.equal((await signIn('in@example.com', 'testPass123')).status, 'OK', 'with its new hash');
    });

    await t.test('a tenant has users of its own', async () => {
        await core.ok('PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 'other' }, { app });
        const { user } = await post('/recipe/signup', { email: 'ada@example.com', password: 'another-one3' }, { tenant: 'other' });
        assert.deepEqual(user.tenantIds, ['other']);
        assert.equal((await signIn('ada@example.com', 'another-one3')).status, 'WRONG_CREDENTIALS_ERROR');
        assert.equal((await signIn('ada@example.com', 'another-one3', { tenant: 'other' })).user.id, user.id);
    });
});

test('verified addresses', async (t) => {
    const core = await startCore(t);
    const app = await core.app({ bcrypt_log_rounds: 4 });
    const VERIFY = '/recipe/user/email/verify';
    const post = (path, input) => core.ok('POST', path, input, { app });
    const is = async (userId, email) => (await core.ok('GET', VERIFY, { userId, email }, { app })).isVerified;
    const { user } = await post('/recipe/signup', { email: 'v@example.com', password: PASSWORD });
    const mine = { userId: user.id, email: 'v@example.com' };

    await t.test('a token verifies one address of one user', async () => {
        const { token } = await post(`${VERIFY}/token`, mine);
        assert.equal(await is(user.id, 'v@example.com'), false);
        assert.deepEqual(await post(VERIFY, { method: 'token', token }), { status: 'OK', ...mine });
        assert.equal(await is(user.id, 'v@example.com'), true);
        assert.equal(await is(user.id, 'w@example.com'), false);
        assert.equal((await post(`${VERIFY}/token`, mine)).status, 'EMAIL_ALREADY_VERIFIED_ERROR');
        assert.equal((await post(VERIFY, { method: 'token', token })).status, 'EMAIL_VERIFICATION_INVALID_TOKEN_ERROR');
        const { user: shown } = await core.ok('GET', '/user/id', { userId: user.id }, { app });
        assert.equal(shown.loginMethods[0].verified, true);
    });

    await t.test('taken away, and tokens that are', async () => {
        assert.deepEqual(await post(`${VERIFY}/remove`, mine), { status: 'OK' });
        assert.equal(await is(user.id, 'v@example.com'), false);
        const { token } = await post(`${VERIFY}/token`, mine);
        assert.deepEqual(await post(`${VERIFY}/token/remove`, mine), { status: 'OK' });
        assert.equal((await post(VERIFY, { method: 'token', token })).status, 'EMAIL_VERIFICATION_INVALID_TOKEN_ERROR');
    });
});
