/* SPDX-License-Identifier: Apache-2.0
 * Codes that were sent, and those of authenticator apps, under many hands: what is good once, how often
 * one may try, also with many tries at once.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { startCore } from '../lib/core.mjs';
import { sleep, test } from '../lib/daemon.mjs';

const tally = (answers) =>
    answers.reduce((sum, { status }) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {});
const atOnce = (n, call) => Promise.all(Array.from({ length: n }, (_, i) => call(i)));

test('codes by e-mail and telephone', async (t) => {
    const core = await startCore(t);
    const app = await core.app({ passwordless_code_lifetime: 60_000 });
    const post = (path, input, more) => core.ok('POST', `/recipe/signinup/code${path}`, input, { app, ...more });
    const codes = (query) => core.ok('GET', '/recipe/signinup/codes', query, { app });
    const send = (input) => post('', input);
    const byInput = ({ preAuthSessionId, deviceId }, userInputCode) =>
        post('/consume', { preAuthSessionId, deviceId, userInputCode });
    const byLink = ({ preAuthSessionId, linkCode }) => post('/consume', { preAuthSessionId, linkCode });

    await t.test('what is sent, and what is kept', async () => {
        const sent = await send({ email: 'Ada@Example.com' });
        assert.deepEqual(Object.keys(sent).sort(), [
            'codeId', 'codeLifetime', 'deviceId', 'linkCode', 'preAuthSessionId', 'status',
            'timeCreated', 'userInputCode',
        ]);
        assert.match(sent.userInputCode, /^\d{6}$/);
        const { devices } = await codes({ email: 'ada@example.com' });
        assert.deepEqual(devices, [
            {
                preAuthSessionId: sent.preAuthSessionId,
                failedCodeInputAttemptCount: 0,
                email: 'ada@example.com',
                codes: [{ codeId: sent.codeId, timeCreated: sent.timeCreated, codeLifetime: 60_000 }],
            },
        ]);
    });

    await t.test('a link and a code sign up, then in; each is good once', async () => {
        const first = await send({ email: 'bob@example.com' });
        const made = await byLink(first);
        assert.deepEqual([made.status, made.createdNewUser], ['OK', true]);
        assert.equal(made.user.loginMethods[0].verified, true);
        assert.equal((await byLink(first)).status, 'RESTART_FLOW_ERROR');
        const second = await send({ phoneNumber: '+49 30 1234567' });
        const [a, b] = [await byInput(second, second.userInputCode), await byInput(second, second.userInputCode)];
        assert.deepEqual([a.status, b.status], ['OK', 'RESTART_FLOW_ERROR']);
        assert.deepEqual(a.user.phoneNumbers, ['+49301234567']);
        const third = await send({ email: 'bob@example.com' });
        const again = await byInput(third, third.userInputCode);
        assert.deepEqual([again.createdNewUser, again.user.id], [false, made.user.id]);
    });

    await t.test('of fifty who use a code at once, one gets in', async () => {
        const sent = await send({ email: 'race@example.com' });
        assert.deepEqual(tally(await atOnce(50, () => byLink(sent))), { OK: 1, RESTART_FLOW_ERROR: 49 });
    });

    await t.test('five wrong codes end the device, also when they come at once', async () => {
        const sent = await send({ email: 'guess@example.com' });
        const wrong = String((Number(sent.userInputCode) + 1) % 1_000_000).padStart(6, '0');
        const answers = tally(await atOnce(40, () => byInput(sent, wrong)));
        assert.equal(answers.INCORRECT_USER_INPUT_CODE_ERROR, 4, JSON.stringify(answers));
        assert.equal(answers.RESTART_FLOW_ERROR, 36);
        assert.equal((await byInput(sent, sent.userInputCode)).status, 'RESTART_FLOW_ERROR');
        const counted = await send({ email: 'count@example.com' });
        const one = await byInput(counted, wrong);
        assert.deepEqual(
            [one.failedCodeInputAttemptCount, one.maximumCodeInputAttempts],
            [1, 5],
        );
    });

    await t.test('checking uses nothing up; expired, removed, or of another device', async () => {
        const sent = await send({ email: 'check@example.com', userInputCode: 'my-own-code' });
        const { preAuthSessionId, deviceId } = sent;
        const check = (userInputCode) => post('/check', { preAuthSessionId, deviceId, userInputCode });
        assert.equal((await check('my-own-code')).status, 'OK');
        assert.equal((await check('my-own-code')).status, 'OK');
        const other = await send({ email: 'other@example.com', userInputCode: 'my-own-code' });
        const mixed = await core.call(
            'POST',
            '/recipe/signinup/code/consume',
            { preAuthSessionId, deviceId: other.deviceId, userInputCode: 'my-own-code' },
            { app },
        );
        assert.equal(mixed.status, 400, mixed.body);
        await post('/remove', { codeId: sent.codeId });
        assert.equal((await check('my-own-code')).status, 'RESTART_FLOW_ERROR');
        const short = await core.app({ passwordless_code_lifetime: 200 });
        const brief = await core.ok('POST', '/recipe/signinup/code', { email: 'x@example.com' }, { app: short });
        await sleep(300);
        const late = await core.ok(
            'POST',
            '/recipe/signinup/code/consume',
            { preAuthSessionId: brief.preAuthSessionId, deviceId: brief.deviceId, userInputCode: brief.userInputCode },
            { app: short },
        );
        assert.equal(late.status, 'EXPIRED_USER_INPUT_CODE_ERROR');
    });
});

/** RFC 6238 with the defaults of every app. */
function totp(secret, period, at = Date.now()) {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
    const bits = [...secret.replace(/=+$/, '')]
        .map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0'))
        .join('');
    const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(at / 1000 / period)));
    const mac = createHmac('sha1', key).update(counter).digest();
    const offset = mac.at(-1) & 15;
    return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

test('codes of authenticator apps', async (t) => {
    const core = await startCore(t);
    const app = await core.app({ totp_rate_limit_cooldown_sec: 2 });
    const call = (method, path, input) => core.ok(method, `/recipe/totp${path}`, input, { app });
    const PERIOD = 30;
    const device = (userId, deviceName) =>
        call('POST', '/device', { userId, deviceName, skew: 1, period: PERIOD });
    const verify = (userId, code) => call('POST', '/verify', { userId, totp: code });

    await t.test('a device is made, proven, renamed, listed and removed', async () => {
        const { secret, deviceName } = await device('ada', 'phone');
        assert.equal(deviceName, 'phone');
        assert.match(secret, /^[A-Z2-7]{32,}$/);
        assert.equal((await verify('ada', totp(secret, PERIOD))).status, 'INVALID_TOTP_ERROR', 'not proven yet');
        const proven = await call('POST', '/device/verify', { userId: 'ada', deviceName, totp: totp(secret, PERIOD, Date.now() - PERIOD * 1000) });
        assert.deepEqual(proven, { status: 'OK', wasAlreadyVerified: false });
        assert.equal((await device('ada', 'phone')).status, 'DEVICE_ALREADY_EXISTS_ERROR');
        const renamed = { userId: 'ada', existingDeviceName: 'phone', newDeviceName: 'tablet' };
        assert.equal((await call('PUT', '/device', renamed)).status, 'OK');
        assert.deepEqual((await call('GET', '/device/list', { userId: 'ada' })).devices, [
            { name: 'tablet', period: PERIOD, skew: 1, verified: true },
        ]);
        assert.equal((await call('POST', '/device/remove', { userId: 'ada', deviceName: 'tablet' })).didDeviceExist, true);
        assert.equal((await verify('ada', '123456')).status, 'UNKNOWN_USER_ID_ERROR');
    });

    const ready = async (userId) => {
        const { secret, deviceName } = await device(userId);
        const first = totp(secret, PERIOD, Date.now() - PERIOD * 1000);
        assert.equal((await call('POST', '/device/verify', { userId, deviceName, totp: first })).status, 'OK');
        return secret;
    };

    await t.test('a code is good once, also for twenty at once', async () => {
        const secret = await ready('bob');
        const code = totp(secret, PERIOD);
        const answers = tally(await atOnce(20, () => verify('bob', code)));
        assert.equal(answers.OK, 1, JSON.stringify(answers));
    });

    await t.test('five failures shut the door for a while, however they come', async () => {
        const secret = await ready('eve');
        const good = totp(secret, PERIOD, Date.now() + PERIOD * 1000);
        const wrong = good === '000000' ? '000001' : '000000';
        const answers = tally(await atOnce(40, () => verify('eve', wrong)));
        assert.deepEqual(answers, { INVALID_TOTP_ERROR: 5, LIMIT_REACHED_ERROR: 35 });
        const shut = await verify('eve', good);
        assert.equal(shut.status, 'LIMIT_REACHED_ERROR');
        assert.ok(shut.retryAfterMs > 0 && shut.retryAfterMs <= 2000);
        await sleep(2100);
        assert.equal((await verify('eve', totp(secret, PERIOD))).status, 'OK');
    });
});
