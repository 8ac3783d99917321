/* SPDX-License-Identifier: Apache-2.0
 * Log-in by a third party, as the SDK reports it after it has talked to the provider: who that is
 * the provider's id alone says, in each tenant for itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

const PATH = '/recipe/signinup';

test('third-party log-in', async (t) => {
    const core = await startCore(t);

    async function world() {
        const app = await core.app({ bcrypt_log_rounds: 4 });
        const post = (path, input, tenant) => core.ok('POST', path, input, { app, tenant });
        await core.ok('PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 'other' }, { app });
        const claim = (id, email, isVerified = true, thirdPartyId = 'acme') => ({
            thirdPartyId, thirdPartyUserId: id, email: { id: email, isVerified },
        });
        return {
            app, post, claim,
            login: (id, email, isVerified, provider, tenant) =>
                post(PATH, claim(id, email, isVerified, provider), tenant),
            user: async (userId) => (await core.ok('GET', '/user/id', { userId }, { app })).user,
            count: async () => (await core.ok('GET', '/users/count', undefined, { app })).count,
        };
    }

    await t.test('the first time makes a user, the second finds it', async () => {
        const w = await world();
        const first = await w.login('ana', ' Ana@Acme.Example ');
        assert.deepEqual([first.status, first.createdNewUser], ['OK', true]);
        assert.equal(first.recipeUserId, first.user.id);
        const { loginMethods: [method], ...user } = first.user;
        assert.deepEqual(
            [user.emails, user.thirdParty, user.phoneNumbers, user.isPrimaryUser, user.tenantIds],
            [['ana@acme.example'], [{ id: 'acme', userId: 'ana' }], [], false, ['public']],
        );
        assert.deepEqual(
            [method.recipeId, method.email, method.thirdParty, method.verified],
            ['thirdparty', 'ana@acme.example', { id: 'acme', userId: 'ana' }, true],
        );
        const second = await w.login('ana', 'ana@acme.example');
        assert.deepEqual(second, { ...first, createdNewUser: false });
        assert.equal(await w.count(), 1);
    });

    await t.test('an address says nothing of who it is', async () => {
        const w = await world();
        const mail = 'same@acme.example';
        const { user: password } = await w.post('/recipe/signup', { email: mail, password: 'pass word 1' });
        const ids = [password.id];
        for (const [id, provider] of [['1', 'acme'], ['2', 'acme'], ['1', 'other-idp']]) {
            ids.push((await w.login(id, mail, true, provider)).user.id);
        }
        assert.equal(new Set(ids).size, 4);
        // Pairs that read the same when they are written one after the other are different, too.
        const pairs = [['a', 'b.c'], ['a.b', 'c'], ['a|b', 'c'], ['a', 'b|c'], ['a:b', 'c'], ['a', 'b:c'],
            ['A', 'b.c'], ['a', 'B.c']];
        const made = new Set();
        for (const [provider, id] of pairs) {
            made.add((await w.login(id, mail, true, provider)).user.id);
        }
        assert.equal(made.size, pairs.length);
    });

    await t.test('the address follows the provider\'s; verified is never taken back', async () => {
        const w = await world();
        const first = await w.login('ana', 'old@acme.example', false);
        assert.equal(first.user.loginMethods[0].verified, false);
        const verified = async (email, is) =>
            (await w.login('ana', email, is)).user.loginMethods[0];
        assert.equal((await verified('old@acme.example', true)).verified, true);
        assert.equal((await verified('old@acme.example', false)).verified, true);
        const moved = await verified('new@acme.example', false);
        assert.deepEqual([moved.email, moved.verified], ['new@acme.example', false]);
        assert.equal((await verified('old@acme.example', false)).verified, true);
        assert.equal(await w.count(), 1);
    });

    await t.test('another primary user\'s address is not taken over by a change', async () => {
        const w = await world();
        const primary = (recipeUserId) =>
            w.post('/recipe/accountlinking/user/primary', { recipeUserId });
        const ana = await w.login('ana', 'ana@acme.example');
        const bob = await w.login('bob', 'bob@acme.example');
        await primary(ana.user.id);
        await primary(bob.user.id);
        const rs = await w.login('bob', 'ana@acme.example');
        assert.deepEqual(rs, {
            status: 'EMAIL_CHANGE_NOT_ALLOWED_ERROR',
            reason: 'Email already associated with another primary user.',
        });
        assert.deepEqual((await w.user(bob.user.id)).emails, ['bob@acme.example']);
    });

    await t.test('each tenant and each app has its own', async () => {
        const [w, stranger] = [await world(), await world()];
        const ids = [
            await w.login('ana', 'ana@acme.example'),
            await w.login('ana', 'ana@acme.example', true, 'acme', 'other'),
            await stranger.login('ana', 'ana@acme.example'),
        ].map((rs) => (assert.equal(rs.createdNewUser, true), rs.user.id));
        assert.equal(new Set(ids).size, 3);
        assert.deepEqual((await w.user(ids[1])).tenantIds, ['other']);
    });

    await t.test('many first times at once make one user', async () => {
        const w = await world();
        const all = await Promise.all(
            Array.from({ length: 32 }, () => w.login('ana', 'ana@acme.example')),
        );
        assert.deepEqual([...new Set(all.map((rs) => rs.status))], ['OK']);
        assert.equal(new Set(all.map((rs) => rs.user.id)).size, 1);
        assert.equal(all.filter((rs) => rs.createdNewUser).length, 1);
    });

    await t.test('what is no claim is refused', async () => {
        const w = await world();
        const good = w.claim('ana', 'ana@acme.example');
        const rows = [
            ['thirdPartyId', { thirdPartyId: undefined }],
            ['thirdPartyId', { thirdPartyId: '' }],
            ['thirdPartyId', { thirdPartyId: 7 }],
            ['thirdPartyUserId', { thirdPartyUserId: undefined }],
            ['thirdPartyUserId', { thirdPartyUserId: '' }],
            ['thirdPartyUserId', { thirdPartyUserId: 'x'.repeat(257) }],
            ['email', { email: undefined }],
            ['email', { email: 'ana@acme.example' }],
            ['email', { email: null }],
            ['id', { email: { isVerified: true } }],
            ['id', { email: { id: 7, isVerified: true } }],
            ['id', { email: { id: ' ', isVerified: true } }],
            ['isVerified', { email: { id: 'ana@acme.example' } }],
            ['isVerified', { email: { id: 'ana@acme.example', isVerified: 'true' } }],
        ];
        for (const [name, part] of rows) {
            const rs = await core.call('POST', PATH, { ...good, ...part }, { app: w.app });
            assert.deepEqual(
                [rs.status, rs.body.trimEnd()],
                [400, `Field name '${name}' is invalid in JSON input`],
                JSON.stringify(part),
            );
        }
        const evil = "x' OR '1'='1"; // a text like any other
        await w.login('ana', 'ana@acme.example');
        assert.equal((await w.login(evil, 'e@acme.example', true, evil)).createdNewUser, true);
        assert.equal(await w.count(), 2);
    });
});
