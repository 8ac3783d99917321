/* SPDX-License-Identifier: Apache-2.0
 * One-time passwords of an authenticator app: devices and their names, codes that are good once,
 * and five wrong ones after which there is nothing to try for a while.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

const TOTP = '/recipe/totp';

function base32(text) {
    const names = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
    const bits = [...text].map((c) => names.indexOf(c).toString(2).padStart(5, '0')).join('');
    return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

/** RFC 6238, `shift` periods from now. */
function codeOf(secret, { period = 30, shift = 0 } = {}) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / period) + shift));
    const mac = createHmac('sha1', base32(secret)).update(counter).digest();
    const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
    return String(number % 1_000_000).padStart(6, '0');
}

/** No code of the secret for now or what is near. */
function wrongOf(secret, n = 0) {
    const near = [-2, -1, 0, 1, 2].map((shift) => codeOf(secret, { shift }));
    return Array.from({ length: 64 }, (_, i) => String(i).padStart(6, '0'))
        .filter((code) => !near.includes(code))[n];
}

/** Far enough from the end of a period of 30 s that a code lasts for the test. */
async function early() {
    const left = 30_000 - (Date.now() % 30_000);
    if (left < 6_000) {
        await sleep(left + 50);
    }
}

const failed = (status, n, max = 5) => ({
    status, currentNumberOfFailedAttempts: n, maxNumberOfFailedAttempts: max,
});
const invalid = (n, max) => failed('INVALID_TOTP_ERROR', n, max);

test('one-time passwords', async (t) => {
    const core = await startCore(t);

    async function world(settings = {}) {
        const app = await core.app(settings);
        const call = (method) => (path, input, tenant) =>
            core.ok(method, TOTP + path, input, { app, tenant });
        const [get, put, post] = ['GET', 'PUT', 'POST'].map(call);
        await core.ok('PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 'other' }, { app });
        const w = {
            app, get, put, post,
            add: (deviceName, more) =>
                post('/device', { userId: 'u', deviceName, skew: 1, period: 30, ...more }),
            verifyDevice: (deviceName, totp, userId = 'u') =>
                post('/device/verify', { userId, deviceName, totp }),
            verify: (totp, tenant) => post('/verify', { userId: 'u', totp }, tenant),
            devices: async (userId = 'u') => (await get('/device/list', { userId })).devices,
            /** The secret of a device that is verified, with the code of the period before. */
            async device(deviceName, more) {
                const { secret } = await w.add(deviceName, more);
                const rs = await w.verifyDevice(deviceName, codeOf(secret, { shift: -1, ...more }));
                assert.deepEqual(rs, { status: 'OK', wasAlreadyVerified: false });
                return secret;
            },
            async refuses(method, path, input, why) {
                const rs = await core.call(method, TOTP + path, input, { app });
                assert.deepEqual([rs.status, rs.body.trimEnd()], [400, why], JSON.stringify(input));
            },
        };
        return w;
    }

    await t.test('a device is made, verified, and good for log-ins', async () => {
        const w = await world();
        assert.deepEqual(await w.verify('123456'), { status: 'UNKNOWN_USER_ID_ERROR' });
        const made = await w.add('phone');
        assert.deepEqual([made.status, made.deviceName], ['OK', 'phone']);
        assert.match(made.secret, /^[A-Z2-7]{32}$/);
        const shown = { name: 'phone', period: 30, skew: 1, verified: false };
        assert.deepEqual(await w.devices(), [shown]);
        await early();
        assert.deepEqual(await w.verify(codeOf(made.secret)), invalid(1), 'not before it is verified');
        assert.deepEqual(await w.verifyDevice('none', '1'), { status: 'UNKNOWN_DEVICE_ERROR' });
        assert.deepEqual(await w.verifyDevice('phone', wrongOf(made.secret)), invalid(2));
        const first = codeOf(made.secret, { shift: -1 });
        assert.deepEqual(await w.verifyDevice('phone', first), { status: 'OK', wasAlreadyVerified: false });
        assert.deepEqual(await w.verifyDevice('phone', 'x'), { status: 'OK', wasAlreadyVerified: true });
        assert.deepEqual(await w.devices(), [{ ...shown, verified: true }]);
        assert.deepEqual(await w.verify(first), invalid(1), 'that one is used up');
        const now = codeOf(made.secret);
        assert.deepEqual(await w.verify(now), { status: 'OK' });
        assert.deepEqual(await w.verify(now), invalid(1), 'so is that');
        assert.deepEqual(await w.verify(codeOf(made.secret, { shift: 1 })), { status: 'OK' });
    });

    await t.test('names', async () => {
        const w = await world();
        for (const name of ['TOTP Device 0', 'TOTP Device 1']) {
            const { deviceName, secret } = await w.add(undefined);
            assert.equal(deviceName, name);
            await w.verifyDevice(name, codeOf(secret));
        }
        assert.deepEqual(await w.add('TOTP Device 1'), { status: 'DEVICE_ALREADY_EXISTS_ERROR' });
        const rename = (existingDeviceName, newDeviceName) =>
            w.put('/device', { userId: 'u', existingDeviceName, newDeviceName });
        assert.deepEqual(await rename('TOTP Device 0', 'TOTP Device 1'),
            { status: 'DEVICE_ALREADY_EXISTS_ERROR' });
        assert.deepEqual(await rename('none', 'x'), { status: 'UNKNOWN_DEVICE_ERROR' });
        assert.deepEqual(await rename('TOTP Device 0', 'phone'), { status: 'OK' });
        assert.deepEqual((await w.devices()).map((d) => d.name).sort(), ['TOTP Device 1', 'phone']);
        // One that was never verified is begun anew, with another secret.
        const [one, two] = [await w.add('new'), await w.add('new')];
        assert.deepEqual([two.status, one.secret === two.secret], ['OK', false]);
        assert.deepEqual((await w.devices('v')), []);
    });

    await t.test('removed', async () => {
        const w = await world();
        await early();
        const secret = await w.device('phone');
        const remove = (deviceName) => w.post('/device/remove', { userId: 'u', deviceName });
        assert.deepEqual(await remove('none'), { status: 'OK', didDeviceExist: false });
        assert.deepEqual(await remove('phone'), { status: 'OK', didDeviceExist: true });
        assert.deepEqual(await w.verify(codeOf(secret)), { status: 'UNKNOWN_USER_ID_ERROR' });
        await w.device('phone');
        await core.ok('POST', '/user/remove', { userId: 'u' }, { app: w.app });
        assert.deepEqual(await w.devices(), []);
    });

    await t.test('skew and period are the device\'s', async () => {
        const w = await world();
        await early();
        const secret = await w.device('strict', { skew: 1 });
        assert.deepEqual(await w.verify(codeOf(secret, { shift: 2 })), invalid(1));
        assert.deepEqual(await w.verify(codeOf(secret, { shift: -2 })), invalid(2));
        const slow = { period: 3600, skew: 1 };
        const other = await w.device('slow', slow);
        assert.deepEqual(await w.verify(codeOf(other, slow)), { status: 'OK' });
        assert.deepEqual(await w.verify(codeOf(secret)), { status: 'OK' }, 'any device will do');
    });

    await t.test('five wrong ones, then nothing for a while', async () => {
        const w = await world({ totp_rate_limit_cooldown_sec: 2 });
        await early();
        const secret = await w.device('phone');
        for (let n = 1; n <= 5; n++) {
            assert.deepEqual(await w.verify(wrongOf(secret, n)), invalid(n));
        }
        const { retryAfterMs, ...limited } = await w.verify(codeOf(secret));
        assert.deepEqual(limited, failed('LIMIT_REACHED_ERROR', 5));
        assert.ok(retryAfterMs > 0 && retryAfterMs <= 2000, `${retryAfterMs}`);
        assert.equal((await w.verify(wrongOf(secret))).status, 'LIMIT_REACHED_ERROR');
        await sleep(retryAfterMs + 30);
        assert.deepEqual(await w.verify(wrongOf(secret)), invalid(1), 'counted from the beginning');
        assert.deepEqual(await w.verify(codeOf(secret)), { status: 'OK' });
        assert.deepEqual(await w.verify(wrongOf(secret)), invalid(1));
    });

    await t.test('of sixty wrong ones at once as many are judged as may be', async () => {
        const w = await world({ totp_max_attempts: 3 });
        await early();
        const secret = await w.device('phone');
        const all = await Promise.all(
            Array.from({ length: 60 }, (_, i) => w.verify(wrongOf(secret, i % 50))));
        const judged = all.filter((rs) => rs.status === 'INVALID_TOTP_ERROR');
        assert.deepEqual(judged.map((rs) => rs.currentNumberOfFailedAttempts).sort(), [1, 2, 3]);
        assert.equal(all.filter((rs) => rs.status === 'LIMIT_REACHED_ERROR').length, 57);
        const { status } = await w.verify(codeOf(secret));
        assert.equal(status, 'LIMIT_REACHED_ERROR', 'the right one, too');
    });

    await t.test('of a hundred log-ins with one code one succeeds', async () => {
        const w = await world({ totp_max_attempts: 1000 });
        await early();
        const secret = await w.device('phone');
        const code = codeOf(secret);
        const all = await Promise.all(Array.from({ length: 100 }, () => w.verify(code)));
        assert.equal(all.filter((rs) => rs.status === 'OK').length, 1);
    });

    await t.test('secrets from elsewhere', async () => {
        const w = await world();
        await early();
        const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';
        const bring = (deviceName, secretKey) =>
            w.post('/device/import', { userId: 'u', deviceName, skew: 1, period: 30, secretKey });
        assert.deepEqual(await bring('old', secret), { status: 'OK', deviceName: 'old' });
        assert.equal((await w.devices())[0].verified, true);
        assert.deepEqual(await w.verify(codeOf(secret)), { status: 'OK' });
        assert.deepEqual(await bring('old', secret), { status: 'DEVICE_ALREADY_EXISTS_ERROR' });
        for (const bad of ['!', '1', 'A'.repeat(250)]) {
            await w.refuses('POST', '/device/import',
                { userId: 'u', deviceName: 'x', skew: 1, period: 30, secretKey: bad },
                'secretKey must be base32 of at most 128 bytes');
        }
    });

    await t.test('each app for itself; no more devices than a person has', async () => {
        const [w, stranger] = [await world(), await world()];
        await w.add('phone');
        assert.deepEqual(await stranger.devices(), []);
        const results = [];
        for (let i = 0; i < 64; i++) {
            results.push((await w.add(`d${i}`)).status);
        }
        assert.deepEqual([...new Set(results.slice(0, 63)), results[63]],
            ['OK', 'DEVICE_ALREADY_EXISTS_ERROR']);
        assert.equal((await w.devices()).length, 64);
    });

    await t.test('what is no call is refused', async () => {
        const w = await world();
        const good = { userId: 'u', deviceName: 'd', skew: 1, period: 30 };
        const rows = [
            [{ userId: '' }, 'userId cannot be empty'],
            [{ deviceName: '' }, 'deviceName cannot be empty'],
            [{ skew: -1 }, 'skew must be >= 0'],
            [{ skew: 51 }, 'skew must be <= 50'],
            [{ period: 0 }, 'period must be > 0'],
            [{ period: 86_401 }, 'period must be <= 86400'],
            [{ skew: '1' }, "Field name 'skew' is invalid in JSON input"],
            [{ period: undefined }, "Field name 'period' is invalid in JSON input"],
        ];
        for (const [part, why] of rows) {
            await w.refuses('POST', '/device', { ...good, ...part }, why);
        }
        await w.refuses('POST', '/device/verify', { userId: 'u', deviceName: '', totp: '1' },
            'deviceName cannot be empty');
        await w.add('d');
        const long = await w.verifyDevice('d', '1'.repeat(5000));
        assert.deepEqual(long, invalid(1));
        assert.deepEqual(await w.verifyDevice('d', '\u{1f600}'.repeat(3)), invalid(2));
        await w.refuses('POST', '/verify', { userId: 'u', totp: 123456 },
            "Field name 'totp' is invalid in JSON input");
    });
});
