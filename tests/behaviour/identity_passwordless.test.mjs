/* SPDX-License-Identifier: Apache-2.0
 * Log-in by a code that is sent by e-mail or to a telephone: five tries for each device, each code
 * once, and nothing of what was sent can be had from what is shown afterwards.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

const CODE = '/recipe/signinup/code';
const EMAIL = 'ana@code.example';
const RESTART = { status: 'RESTART_FLOW_ERROR' };
const wrong = (failedCodeInputAttemptCount, maximumCodeInputAttempts = 5) => ({
    status: 'INCORRECT_USER_INPUT_CODE_ERROR', failedCodeInputAttemptCount, maximumCodeInputAttempts,
});
/** Another code than the one that was sent. */
const other = ({ userInputCode }) => String((Number(userInputCode) + 1) % 1_000_000).padStart(6, '0');
const link = ({ preAuthSessionId, linkCode }) => ({ preAuthSessionId, linkCode });
const typed = ({ preAuthSessionId, deviceId, userInputCode }) =>
    ({ preAuthSessionId, deviceId, userInputCode });

test('log-in by codes', async (t) => {
    const core = await startCore(t);

    async function world(settings = {}) {
        const app = await core.app(settings);
        const call = (method) => (path, input, tenant) => core.ok(method, path, input, { app, tenant });
        const [get, put, post] = ['GET', 'PUT', 'POST'].map(call);
        await put('/recipe/multitenancy/tenant/v2', { tenantId: 'other' });
        const w = {
            app, get, put, post,
            make: (input, tenant) => post(CODE, input, tenant),
            consume: (input, tenant) => post(`${CODE}/consume`, input, tenant),
            check: (input, tenant) => post(`${CODE}/check`, input, tenant),
            devices: async (query, tenant) => (await get(`${CODE}s`, query, tenant)).devices,
            /** A user who has logged in once. */
            user: async (contact) => (await w.consume(link(await w.make(contact)))).user,
            update: (input) => core.ok('PUT', '/recipe/user', input, { app, rid: 'passwordless' }),
            async refuses(method, path, input, why) {
                const rs = await core.call(method, path, input, { app });
                assert.deepEqual([rs.status, rs.body.trimEnd()], [400, why], JSON.stringify(input));
            },
        };
        return w;
    }

    await t.test('a code as the interface shows it', async () => {
        const w = await world();
        const before = Date.now();
        const code = await w.make({ email: ' Ana@Code.Example' });
        assert.equal(code.status, 'OK');
        assert.match(code.userInputCode, /^\d{6}$/);
        assert.match(code.codeId, /^[0-9a-f-]{36}$/);
        assert.equal(Buffer.from(code.deviceId, 'base64').length, 32);
        assert.equal(Buffer.from(code.linkCode, 'base64url').length, 32);
        assert.equal(
            code.preAuthSessionId,
            createHash('sha256').update(Buffer.from(code.deviceId, 'base64')).digest('base64url'),
        );
        assert.equal(code.codeLifetime, 900_000);
        assert.ok(code.timeCreated >= before && code.timeCreated <= Date.now());
        const [device] = await w.devices({ email: EMAIL });
        assert.deepEqual(device, {
            preAuthSessionId: code.preAuthSessionId,
            failedCodeInputAttemptCount: 0,
            email: EMAIL,
            codes: [{ codeId: code.codeId, timeCreated: code.timeCreated, codeLifetime: 900_000 }],
        });
    });

    await t.test('by link and by hand; once', async () => {
        const w = await world();
        for (const [how, created] of [[link, true], [typed, false]]) {
            const code = await w.make({ email: EMAIL });
            assert.equal((await w.check(how(code))).status, 'OK');
            const rs = await w.consume(how(code));
            assert.deepEqual([rs.status, rs.createdNewUser], ['OK', created]);
            assert.deepEqual(rs.consumedDevice, {
                preAuthSessionId: code.preAuthSessionId, failedCodeInputAttemptCount: 0, email: EMAIL,
            });
            const [method] = rs.user.loginMethods;
            assert.deepEqual(
                [method.recipeId, method.email, method.verified],
                ['passwordless', EMAIL, true],
            );
            for (const again of [link, typed]) {
                assert.deepEqual(await w.consume(again(code)), RESTART);
                assert.deepEqual(await w.check(again(code)), RESTART);
            }
        }
        const rs = await w.consume(link(await w.make({ phoneNumber: '+49 (30) 12-34' })));
        assert.deepEqual(rs.user.phoneNumbers, ['+49301234']);
        assert.deepEqual([rs.user.emails, rs.consumedDevice.phoneNumber], [[], '+49301234']);
        assert.equal((await w.get('/users/count')).count, 2);
    });

    await t.test('logging in ends every other attempt of the same person', async () => {
        const w = await world();
        const [one, two] = [await w.make({ email: EMAIL }), await w.make({ email: EMAIL })];
        const elsewhere = await w.make({ email: EMAIL }, 'other');
        const others = await w.make({ email: 'bob@code.example' });
        assert.equal((await w.consume(link(one))).status, 'OK');
        assert.deepEqual(await w.consume(link(two)), RESTART);
        assert.equal((await w.check(link(elsewhere), 'other')).status, 'OK');
        assert.equal((await w.check(link(others))).status, 'OK');
    });

    await t.test('five wrong ones, and the flow begins anew', async () => {
        const w = await world();
        const code = await w.make({ email: EMAIL });
        for (let n = 1; n < 5; n++) {
            const how = n % 2 ? w.consume : w.check; // both count
            assert.deepEqual(await how({ ...typed(code), userInputCode: other(code) }), wrong(n));
        }
        assert.equal((await w.devices({ email: EMAIL }))[0].failedCodeInputAttemptCount, 4);
        assert.deepEqual(await w.consume({ ...typed(code), userInputCode: other(code) }), RESTART);
        assert.deepEqual(await w.consume(typed(code)), RESTART, 'the right one is too late');
        assert.deepEqual(await w.consume(link(code)), RESTART);
        assert.deepEqual(await w.devices({ email: EMAIL }), []);
    });

    await t.test('another code for the same device has no more tries', async () => {
        const w = await world({ passwordless_max_code_input_attempts: 3 });
        const first = await w.make({ email: EMAIL });
        assert.deepEqual(
            await w.consume({ ...typed(first), userInputCode: other(first) }), wrong(1, 3));
        const second = await w.make({ deviceId: first.deviceId });
        assert.equal(second.preAuthSessionId, first.preAuthSessionId);
        assert.notEqual(second.codeId, first.codeId);
        const neither = ['000000', '000001', '000002']
            .find((c) => c !== first.userInputCode && c !== second.userInputCode);
        assert.deepEqual(await w.consume({ ...typed(first), userInputCode: neither }), wrong(2, 3));
        assert.equal((await w.check(typed(first))).status, 'OK', 'either is good');
        assert.equal((await w.check(typed(second))).status, 'OK');
        assert.deepEqual(await w.consume({ ...typed(first), userInputCode: neither }), RESTART);
        assert.deepEqual(await w.make({ deviceId: first.deviceId }), RESTART);
    });

    await t.test('of a hundred tries at once five count', async () => {
        const w = await world();
        const code = await w.make({ email: EMAIL });
        const wrongs = Array.from({ length: 100 }, (_, i) => String(i).padStart(6, '0'))
            .filter((c) => c !== code.userInputCode);
        const all = await Promise.all(
            wrongs.map((userInputCode) => w.consume({ ...typed(code), userInputCode })));
        const told = all.filter((rs) => rs.status !== 'RESTART_FLOW_ERROR');
        assert.deepEqual(
            told.map((rs) => rs.failedCodeInputAttemptCount).sort(), [1, 2, 3, 4], JSON.stringify(told));
        assert.deepEqual(await w.consume(typed(code)), RESTART);
    });

    await t.test('of a hundred log-ins with one code one succeeds', async () => {
        const w = await world();
        for (const how of [link, typed]) {
            const code = await w.make({ phoneNumber: '+4930123456' });
            const all = await Promise.all(Array.from({ length: 100 }, () => w.consume(how(code))));
            assert.equal(all.filter((rs) => rs.status === 'OK').length, 1);
            assert.equal(all.filter((rs) => rs.status === 'RESTART_FLOW_ERROR').length, 99);
        }
        assert.equal((await w.get('/users/count')).count, 1);
    });

    await t.test('a code that came too late', async () => {
        const w = await world({ passwordless_code_lifetime: 300 });
        const code = await w.make({ email: EMAIL });
        assert.equal(code.codeLifetime, 300);
        await sleep(350);
        assert.deepEqual(await w.consume(typed(code)),
            { ...wrong(1), status: 'EXPIRED_USER_INPUT_CODE_ERROR' });
        assert.deepEqual(await w.consume(link(code)), RESTART);
        const second = await w.make({ deviceId: code.deviceId });
        assert.equal((await w.consume(typed(second))).status, 'OK');
    });

    await t.test('a code of the app\'s own', async () => {
        const w = await world();
        const code = await w.make({ email: EMAIL, userInputCode: 'äpfel' });
        assert.equal(code.userInputCode, 'äpfel');
        assert.deepEqual(await w.make({ deviceId: code.deviceId, userInputCode: 'äpfel' }),
            { status: 'USER_INPUT_CODE_ALREADY_USED_ERROR' });
        assert.equal((await w.devices({ email: EMAIL }))[0].codes.length, 1);
        assert.deepEqual(await w.consume({ ...typed(code), userInputCode: 'Äpfel' }), wrong(1));
        assert.equal((await w.consume(typed(code))).status, 'OK');
    });

    await t.test('codes of others, and of nobody', async () => {
        const [w, stranger] = [await world(), await world()];
        const [code, bobs] = [await w.make({ email: EMAIL }), await w.make({ email: 'bob@code.example' })];
        assert.deepEqual(await w.consume(link(code), 'other'), RESTART);
        assert.deepEqual(await w.consume(typed(code), 'other'), RESTART);
        assert.deepEqual(await stranger.consume(link(code)), RESTART);
        const mismatch = "preAuthSessionId and deviceId doesn't match";
        await w.refuses('POST', `${CODE}/consume`,
            { ...link(code), preAuthSessionId: bobs.preAuthSessionId }, mismatch);
        await w.refuses('POST', `${CODE}/consume`,
            { ...typed(code), preAuthSessionId: bobs.preAuthSessionId }, mismatch);
        assert.deepEqual(
            await w.consume({ ...typed(code), userInputCode: bobs.userInputCode }), wrong(1));
        assert.equal((await w.consume(link(bobs))).user.emails[0], 'bob@code.example');
        assert.equal((await w.consume(typed(code))).user.emails[0], EMAIL);
        const nobody = Buffer.alloc(32, 7);
        assert.deepEqual(await w.consume({ preAuthSessionId: 'x', linkCode: nobody.toString('base64url') }), RESTART);
        assert.deepEqual(await w.make({ deviceId: nobody.toString('base64') }), RESTART);
    });

    await t.test('listed, and taken back', async () => {
        const w = await world();
        const one = await w.make({ email: EMAIL });
        const two = await w.make({ deviceId: one.deviceId });
        const phone = await w.make({ phoneNumber: '+4930123456' });
        const ids = (devices) => devices.map((d) => d.codes.map((c) => c.codeId).sort());
        const both = [[one.codeId, two.codeId].sort()];
        for (const by of [{ email: EMAIL }, { deviceId: one.deviceId },
            { preAuthSessionId: one.preAuthSessionId }]) {
            assert.deepEqual(ids(await w.devices(by)), both);
            assert.deepEqual(await w.devices(by, 'other'), []);
        }
        assert.deepEqual(ids(await w.devices({ phoneNumber: '+49 30 123456' })), [[phone.codeId]]);
        assert.deepEqual(await w.devices({ preAuthSessionId: '' }), [], 'nobody\'s, not all');
        const OK = { status: 'OK' };
        assert.deepEqual(await w.post(`${CODE}/remove`, { codeId: one.codeId }), OK);
        assert.deepEqual(await w.consume(link(one)), RESTART);
        assert.equal((await w.check(link(two))).status, 'OK');
        assert.deepEqual(await w.post(`${CODE}/remove`, { codeId: two.codeId }), OK);
        assert.deepEqual(await w.devices({ email: EMAIL }), [], 'the last takes the device along');
        assert.deepEqual(await w.post(`${CODE}/remove`, { codeId: two.codeId }), OK);
        assert.deepEqual(
            await w.post(`${CODE}/remove`, { preAuthSessionId: phone.preAuthSessionId }), OK);
        assert.deepEqual(await w.consume(link(phone)), RESTART);
        const last = await w.make({ email: EMAIL });
        assert.deepEqual(await w.post(`${CODE}s/remove`, { phoneNumber: '+4930123456' }), OK);
        assert.equal((await w.check(link(last))).status, 'OK');
        assert.deepEqual(await w.post(`${CODE}s/remove`, { email: EMAIL }), OK);
        assert.deepEqual(await w.consume(link(last)), RESTART);
    });

    await t.test('another address for a user', async () => {
        const w = await world();
        const { id } = await w.user({ email: EMAIL });
        await w.user({ email: 'bob@code.example' });
        const pending = await w.make({ email: EMAIL });
        assert.deepEqual(await w.update({ recipeUserId: id, email: 'bob@code.example' }),
            { status: 'EMAIL_ALREADY_EXISTS_ERROR' });
        assert.equal((await w.check(link(pending))).status, 'OK', 'nothing was changed');
        assert.deepEqual(
            await w.update({ recipeUserId: id, email: 'new@code.example', phoneNumber: '+4930123456' }),
            { status: 'OK' });
        assert.deepEqual(await w.consume(link(pending)), RESTART, 'sent to an address of the past');
        const { user } = await w.get('/user/id', { userId: id });
        assert.deepEqual([user.emails, user.phoneNumbers], [['new@code.example'], ['+4930123456']]);
        assert.equal((await w.user({ phoneNumber: '+4930123456' })).id, id);
        assert.notEqual((await w.user({ email: EMAIL })).id, id);
        assert.deepEqual(await w.update({ recipeUserId: id, email: null }), { status: 'OK' });
        assert.deepEqual((await w.get('/user/id', { userId: id })).user.emails, []);
        const rs = await core.call('PUT', '/recipe/user', { recipeUserId: id, phoneNumber: null },
            { app: w.app, rid: 'passwordless' });
        assert.deepEqual([rs.status, rs.body.trimEnd()],
            [400, 'You cannot clear both email and phone number of a user']);
        assert.deepEqual(await w.update({ recipeUserId: 'none', email: 'x@code.example' }),
            { status: 'UNKNOWN_USER_ID_ERROR' });
    });

    await t.test('what is no call is refused', async () => {
        const w = await world();
        const code = await w.make({ email: EMAIL });
        const one = 'Please provide exactly one of email, phoneNumber or deviceId';
        await w.refuses('POST', CODE, {}, one);
        await w.refuses('POST', CODE, { email: EMAIL, phoneNumber: '+49301234' }, one);
        await w.refuses('POST', CODE, { email: ' ' }, "Field name 'email' is invalid in JSON input");
        await w.refuses('POST', CODE, { email: EMAIL, userInputCode: '' },
            'userInputCode cannot be an empty string.');
        await w.refuses('POST', CODE, { deviceId: 'not base64!' }, 'Input encoding error in deviceId');
        const proof = 'Please provide exactly one of linkCode or deviceId+userInputCode';
        for (const path of ['consume', 'check']) {
            const { preAuthSessionId, linkCode, deviceId } = code;
            await w.refuses('POST', `${CODE}/${path}`, { preAuthSessionId }, proof);
            await w.refuses('POST', `${CODE}/${path}`, { preAuthSessionId, deviceId }, proof);
            await w.refuses('POST', `${CODE}/${path}`, { preAuthSessionId, deviceId, linkCode }, proof);
            await w.refuses('POST', `${CODE}/${path}`, { linkCode },
                "Field name 'preAuthSessionId' is invalid in JSON input");
            await w.refuses('POST', `${CODE}/${path}`, { preAuthSessionId, linkCode: '!' },
                'Input encoding error in linkCode');
        }
        await w.refuses('POST', `${CODE}/remove`, {},
            "Please provide either 'codeId' or 'preAuthSessionId'");
        await w.refuses('POST', `${CODE}/remove`, { codeId: 'a', preAuthSessionId: 'b' },
            "Please provide only one of 'codeId' or 'preAuthSessionId'");
        await w.refuses('POST', `${CODE}s/remove`, {},
            'Please provide exactly one of email or phoneNumber');
        await w.refuses('GET', `${CODE}s`, { email: EMAIL, deviceId: code.deviceId },
            'Please provide exactly one of email, phoneNumber, deviceId or preAuthSessionId');
    });
});
