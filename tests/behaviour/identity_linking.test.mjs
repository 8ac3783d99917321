/* SPDX-License-Identifier: Apache-2.0
 * Account linking: who may become a primary user, what may come under it, and what is left when it
 * goes again. Within a tenant nothing that a primary user is known by belongs to another one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

const LINKING = '/recipe/accountlinking/user';
const TAKEN = 'ACCOUNT_INFO_ALREADY_ASSOCIATED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR';
const LINKED = 'RECIPE_USER_ID_ALREADY_LINKED_WITH_PRIMARY_USER_ID_ERROR';
const ELSEWHERE = 'RECIPE_USER_ID_ALREADY_LINKED_WITH_ANOTHER_PRIMARY_USER_ID_ERROR';

test('account linking', async (t) => {
    const core = await startCore(t);

    /** An app of its own, with the calls of the interface in it. */
    async function world() {
        const app = await core.app({ bcrypt_log_rounds: 4 });
        const call = (method) => (path, input, tenant) => core.ok(method, path, input, { app, tenant });
        const [get, put, post] = ['GET', 'PUT', 'POST'].map(call);
        await put('/recipe/multitenancy/tenant/v2', { tenantId: 'other' });
        let n = 0;
        const w = {
            app, get, put, post,
            /** Known by an e-mail, and by a third party's id of its own. */
            party: async (email, tenant) =>
                (await post('/recipe/signinup', {
                    thirdPartyId: 'google',
                    thirdPartyUserId: `user ${n++}`,
                    email: { id: email, isVerified: true },
                }, tenant)).user.id,
            password: async (email, tenant) =>
                (await post('/recipe/signup', { email, password: 'pass word 1' }, tenant)).user.id,
            session: (userId) =>
                post('/recipe/session', {
                    userId, enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {},
                }),
            sessions: async (userId) =>
                (await get('/recipe/session/user', { userId, fetchSessionsForAllLinkedAccounts: false }))
                    .sessionHandles.length,
            user: async (userId) => (await get('/user/id', { userId })).user,
            methods: async (userId) =>
                (await w.user(userId)).loginMethods.map((m) => m.recipeUserId),
            primary: (recipeUserId) => post(`${LINKING}/primary`, { recipeUserId }),
            canBePrimary: (recipeUserId) => get(`${LINKING}/primary/check`, { recipeUserId }),
            link: (recipeUserId, primaryUserId) => post(`${LINKING}/link`, { recipeUserId, primaryUserId }),
            canLink: (recipeUserId, primaryUserId) =>
                get(`${LINKING}/link/check`, { recipeUserId, primaryUserId }),
            unlink: (recipeUserId) => post(`${LINKING}/unlink`, { recipeUserId }),
        };
        return w;
    }

    await t.test('a user becomes a primary one, once', async () => {
        const w = await world();
        const id = await w.password('one@link.example');
        assert.deepEqual(await w.canBePrimary(id), { status: 'OK', wasAlreadyAPrimaryUser: false });
        assert.equal((await w.user(id)).isPrimaryUser, false);
        const made = await w.primary(id);
        assert.deepEqual([made.status, made.wasAlreadyAPrimaryUser], ['OK', false]);
        assert.deepEqual(made.user, await w.user(id));
        assert.equal(made.user.isPrimaryUser, true);
        assert.equal((await w.primary(id)).wasAlreadyAPrimaryUser, true);
        assert.deepEqual(await w.canBePrimary(id), { status: 'OK', wasAlreadyAPrimaryUser: true });
    });

    await t.test('a method comes under a primary user, and its sessions end', async () => {
        const w = await world();
        const [a, b] = [await w.password('a@link.example'), await w.party('b@link.example')];
        assert.deepEqual(await w.canLink(b, a), { status: 'INPUT_USER_IS_NOT_A_PRIMARY_USER' });
        assert.deepEqual(await w.link(b, a), { status: 'INPUT_USER_IS_NOT_A_PRIMARY_USER' });
        await w.primary(a);
        await w.session(a);
        const { session } = await w.session(b);
        assert.deepEqual(await w.canLink(b, a), { status: 'OK', accountsAlreadyLinked: false });
        const linked = await w.link(b, a);
        assert.deepEqual([linked.status, linked.accountsAlreadyLinked], ['OK', false]);
        assert.deepEqual(linked.user, await w.user(a));
        assert.deepEqual(await w.user(b), linked.user);
        assert.equal(linked.user.id, a);
        assert.deepEqual(linked.user.emails.sort(), ['a@link.example', 'b@link.example']);
        assert.deepEqual(linked.user.loginMethods.map((m) => m.recipeUserId), [a, b]);
        assert.deepEqual([await w.sessions(a), await w.sessions(b)], [1, 0]);
        assert.equal(
            (await w.get('/recipe/session', { sessionHandle: session.handle })).status, 'UNAUTHORISED');
        assert.equal((await w.link(b, a)).accountsAlreadyLinked, true);
        assert.deepEqual(await w.canLink(b, a), { status: 'OK', accountsAlreadyLinked: true });
        // One user in lists and counts.
        assert.deepEqual((await w.get('/users')).users.map((u) => u.id), [a]);
        assert.equal((await w.get('/users/count')).count, 1);
        // A new session names both: whose it is, and what opened it.
        const again = (await w.session(b)).session;
        assert.deepEqual([again.userId, again.recipeUserId], [a, b]);
    });

    await t.test('a method of another user is not taken over', async () => {
        const w = await world();
        const [a, b, c] = [
            await w.password('a@own.example'), await w.party('b@own.example'), await w.party('c@own.example'),
        ];
        await w.primary(a);
        await w.link(b, a);
        await w.primary(c);
        const elsewhere = {
            status: ELSEWHERE,
            primaryUserId: a,
            description: 'The input recipe user ID is already linked to another user ID',
        };
        assert.deepEqual(await w.canLink(b, c), elsewhere);
        assert.deepEqual(await w.link(b, c), { ...elsewhere, user: await w.user(a) });
        assert.deepEqual(await w.primary(b), {
            status: LINKED,
            primaryUserId: a,
            description: 'This user ID is already linked to another user ID',
        });
        assert.deepEqual(await w.canBePrimary(b), await w.primary(b));
    });

    await t.test('what a primary user is known by is no other one\'s in its tenants', async () => {
        const w = await world();
        const [a, b] = [await w.password('same@known.example'), await w.party('same@known.example')];
        const third = await w.party('third@known.example');
        const elsewhere = await w.party('same@known.example', 'other');
        await w.primary(a);
        const taken = {
            status: TAKEN,
            primaryUserId: a,
            description: "This user's email is already associated with another user ID",
        };
        assert.deepEqual(await w.primary(b), taken);
        assert.deepEqual(await w.canBePrimary(b), taken);
        await w.primary(third);
        assert.deepEqual(await w.link(b, third), taken);
        assert.deepEqual(await w.canLink(b, third), taken);
        assert.equal((await w.link(b, a)).status, 'OK');
        // In another tenant it is somebody else's, until one would be in both.
        assert.equal((await w.primary(elsewhere)).status, 'OK');
        const x = await w.password('x@known.example', 'other');
        assert.equal((await w.link(x, a)).status, TAKEN);
        const join = await w.post('/recipe/multitenancy/tenant/user', { recipeUserId: third }, 'other');
        assert.equal(join.status, 'OK');
        const refused = await w.post('/recipe/multitenancy/tenant/user', { recipeUserId: a }, 'other');
        assert.equal(refused.status, 'ASSOCIATION_NOT_ALLOWED_ERROR');
    });

    await t.test('two that become primary at once are not both', async () => {
        const w = await world();
        for (let i = 0; i < 5; i++) {
            const email = `race${i}@known.example`;
            const ids = [await w.password(email), await w.party(email), await w.party(email)];
            const all = await Promise.all(ids.map((id) => w.primary(id)));
            assert.deepEqual(all.map((r) => r.status).sort(), [TAKEN, TAKEN, 'OK']);
        }
    });

    await t.test('unlinked, each is a user again', async () => {
        const w = await world();
        const [a, b] = [await w.password('a@part.example'), await w.party('b@part.example')];
        assert.deepEqual(await w.unlink(b), { status: 'OK', wasRecipeUserDeleted: false, wasLinked: false });
        await w.primary(a);
        await w.link(b, a);
        await w.session(b);
        assert.deepEqual(await w.unlink(b), { status: 'OK', wasRecipeUserDeleted: false, wasLinked: true });
        assert.deepEqual([await w.methods(a), await w.methods(b)], [[a], [b]]);
        assert.equal((await w.user(b)).isPrimaryUser, false);
        assert.equal(await w.sessions(b), 0);
        assert.deepEqual(await w.unlink(a), { status: 'OK', wasRecipeUserDeleted: false, wasLinked: true });
        assert.equal((await w.user(a)).isPrimaryUser, false);
        assert.equal((await w.get('/users/count')).count, 2);
    });

    await t.test('the method whose id the others go by is deleted, and they keep what is theirs', async () => {
        for (const how of ['unlink', 'remove']) {
            const w = await world();
            const [a, b] = [await w.password('a@keep.example'), await w.party('b@keep.example')];
            await w.primary(a);
            await w.link(b, a);
            await w.put('/recipe/user/metadata', { userId: a, metadataUpdate: { plan: 'gold' } });
            await w.session(a);
            await w.session(b);
            if (how === 'unlink') {
                assert.deepEqual(await w.unlink(a), {
                    status: 'OK', wasRecipeUserDeleted: true, wasLinked: true,
                });
            } else {
                await w.post('/user/remove', { userId: a, removeAllLinkedAccounts: false });
            }
            assert.equal((await w.user(a)).id, a, how);
            assert.deepEqual(await w.methods(a), [b], how);
            assert.deepEqual((await w.get('/recipe/user/metadata', { userId: a })).metadata, { plan: 'gold' });
            assert.equal(await w.sessions(b), 1);
            const signIn = await w.post('/recipe/signin', { email: 'a@keep.example', password: 'pass word 1' });
            assert.equal(signIn.status, 'WRONG_CREDENTIALS_ERROR');
            // The last one takes the user with it.
            await w.post('/user/remove', { userId: b, removeAllLinkedAccounts: false });
            assert.equal(await w.user(a), undefined);
            assert.deepEqual((await w.get('/recipe/user/metadata', { userId: a })).metadata, {});
        }
    });

    await t.test('removed with all that is linked', async () => {
        const w = await world();
        const [a, b] = [await w.password('a@all.example'), await w.party('b@all.example')];
        await w.primary(a);
        await w.link(b, a);
        await w.post('/user/remove', { userId: b });
        assert.deepEqual([await w.user(a), await w.user(b)], [undefined, undefined]);
        assert.equal((await w.get('/users/count', { includeAllTenants: 'true' })).count, 0);
    });

    await t.test('ids of the app\'s own are taken and shown', async () => {
        const w = await world();
        const [a, b] = [await w.password('a@ext.example'), await w.party('a@ext.example')];
        await w.post('/recipe/userid/map', { superTokensUserId: a, externalUserId: 'ext-a' });
        await w.post('/recipe/userid/map', { superTokensUserId: b, externalUserId: 'ext-b' });
        assert.equal((await w.primary('ext-a')).user.id, 'ext-a');
        assert.equal((await w.primary('ext-b')).primaryUserId, 'ext-a');
        const { user } = await w.link('ext-b', 'ext-a');
        assert.equal(user.id, 'ext-a');
        assert.deepEqual(user.loginMethods.map((m) => m.recipeUserId), ['ext-a', 'ext-b']);
        assert.deepEqual(await w.unlink('ext-b'), {
            status: 'OK', wasRecipeUserDeleted: false, wasLinked: true,
        });
    });

    await t.test('users that are not there', async () => {
        const w = await world();
        const a = await w.password('a@none.example');
        await w.primary(a);
        const refuses = async (method, path, input) => {
            const rs = await core.call(method, LINKING + path, input, { app: w.app });
            assert.deepEqual([rs.status, rs.body], [400, 'Unknown user ID provided\n'], path);
        };
        await refuses('GET', '/primary/check', { recipeUserId: 'none' });
        await refuses('POST', '/primary', { recipeUserId: 'none' });
        await refuses('POST', '/link', { recipeUserId: 'none', primaryUserId: a });
        await refuses('POST', '/link', { recipeUserId: a, primaryUserId: 'none' });
        await refuses('GET', '/link/check', { recipeUserId: 'none', primaryUserId: a });
        await refuses('POST', '/unlink', { recipeUserId: 'none' });
    });
});
