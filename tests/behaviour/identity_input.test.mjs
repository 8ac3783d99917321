/* SPDX-License-Identifier: Apache-2.0
 * Every call of the core with texts that are far too long, hold what SQL or JSON would take for its
 * own, or are of another type: answered, or refused as the caller's mistake, and never the core's.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';

const ADDRESS = 'ana@input.example';
const PARTY = { thirdPartyId: 'acme', thirdPartyUserId: 'ana', email: { id: ADDRESS, isVerified: true } };
const DEVICE = { userId: 'u', deviceName: 'd', skew: 1, period: 30 };

/** Method, path and an input that is good; texts in it are replaced one after the other. */
const calls = [
    ['PUT', '/recipe/multitenancy/tenant/v2', { tenantId: 'made', coreConfig: {} }],
    ['POST', '/recipe/multitenancy/tenant/remove', { tenantId: 'made' }],
    ['POST', '/recipe/multitenancy/tenant/user', { recipeUserId: 'u' }],
    ['PUT', '/recipe/multitenancy/config/thirdparty',
        { config: { thirdPartyId: 'acme', name: 'Acme', clients: [{ clientId: 'c', clientType: 'web' }] } }],
    ['PUT', '/recipe/multitenancy/config/thirdparty',
        { config: { thirdPartyId: 'acme', clients: [] }, skipValidation: true }],
    ['POST', '/recipe/multitenancy/config/thirdparty/remove', { thirdPartyId: 'acme' }],
    ['POST', '/recipe/session', { userId: 'u', enableAntiCsrf: false, userDataInJWT: { a: 'b' },
        userDataInDatabase: { a: 'b' } }],
    ['GET', '/recipe/session', { sessionHandle: 'h' }],
    ['GET', '/recipe/session/user', { userId: 'u' }],
    ['POST', '/recipe/session/verify', { accessToken: 'a', antiCsrfToken: 'b', doAntiCsrfCheck: true,
        enableAntiCsrf: true, checkDatabase: true }],
    ['POST', '/recipe/session/refresh', { refreshToken: 'a', antiCsrfToken: 'b', enableAntiCsrf: true,
        useDynamicSigningKey: true }],
    ['POST', '/recipe/session/regenerate', { accessToken: 'a', userDataInJWT: { a: 'b' } }],
    ['POST', '/recipe/session/remove', { userId: 'u' }],
    ['POST', '/recipe/session/remove', { sessionHandles: ['a', 'b'] }],
    ['PUT', '/recipe/session/data', { sessionHandle: 'h', userDataInDatabase: { a: 'b' } }],
    ['PUT', '/recipe/jwt/data', { sessionHandle: 'h', userDataInJWT: { a: 'b' } }],
    ['PUT', '/recipe/role', { role: 'r', permissions: ['p'] }],
    ['PUT', '/recipe/user/role', { userId: 'u', role: 'r' }],
    ['POST', '/recipe/user/role/remove', { userId: 'u', role: 'r' }],
    ['GET', '/recipe/user/roles', { userId: 'u' }],
    ['GET', '/recipe/role/users', { role: 'r' }],
    ['GET', '/recipe/role/permissions', { role: 'r' }],
    ['GET', '/recipe/permission/roles', { permission: 'p' }],
    ['POST', '/recipe/role/permissions/remove', { role: 'r', permissions: ['p'] }],
    ['POST', '/recipe/signup', { email: ADDRESS, password: 'pass word 1' }],
    ['POST', '/recipe/signin', { email: ADDRESS, password: 'pass word 1' }],
    ['POST', '/recipe/user/password/reset/token', { userId: 'u', email: ADDRESS }],
    ['POST', '/recipe/user/password/reset/token/consume', { token: 't' }],
    ['POST', '/recipe/user/passwordhash/import', { email: ADDRESS, hashingAlgorithm: 'bcrypt',
        passwordHash: '$2a$04$abcdefghijklmnopqrstuv' }],
    ['PUT', '/recipe/user', { recipeUserId: 'u', email: ADDRESS, password: 'pass word 1' }],
    ['PUT', '/recipe/user', { recipeUserId: 'u', email: ADDRESS, phoneNumber: '+4930' }, 'passwordless'],
    ['POST', '/recipe/signinup', PARTY],
    ['POST', '/recipe/signinup/code', { email: ADDRESS, userInputCode: 'x' }],
    ['POST', '/recipe/signinup/code', { phoneNumber: '+49301234' }],
    ['POST', '/recipe/signinup/code', { deviceId: 'AAAA' }],
    ['POST', '/recipe/signinup/code/consume', { preAuthSessionId: 'p', linkCode: 'AAAA' }],
    ['POST', '/recipe/signinup/code/consume', { preAuthSessionId: 'p', deviceId: 'AAAA', userInputCode: 'x' }],
    ['POST', '/recipe/signinup/code/remove', { codeId: 'c' }],
    ['POST', '/recipe/signinup/code/remove', { preAuthSessionId: 'p' }],
    ['GET', '/recipe/signinup/codes', { preAuthSessionId: 'p' }],
    ['POST', '/recipe/signinup/codes/remove', { email: ADDRESS }],
    ['POST', '/recipe/user/email/verify/token', { userId: 'u', email: ADDRESS }],
    ['POST', '/recipe/user/email/verify', { method: 'token', token: 't' }],
    ['GET', '/recipe/user/email/verify', { userId: 'u', email: ADDRESS }],
    ['POST', '/recipe/user/email/verify/remove', { userId: 'u', email: ADDRESS }],
    ['POST', '/recipe/totp/device', DEVICE],
    ['POST', '/recipe/totp/device/import', { ...DEVICE, secretKey: 'MZXW6YTB' }],
    ['PUT', '/recipe/totp/device', { userId: 'u', existingDeviceName: 'd', newDeviceName: 'e' }],
    ['POST', '/recipe/totp/device/verify', { userId: 'u', deviceName: 'd', totp: '123456' }],
    ['POST', '/recipe/totp/verify', { userId: 'u', totp: '123456' }],
    ['POST', '/recipe/totp/device/remove', { userId: 'u', deviceName: 'd' }],
    ['GET', '/recipe/totp/device/list', { userId: 'u' }],
    ['GET', '/user/id', { userId: 'u' }],
    ['GET', '/users', { limit: '10', email: 'a', phone: '1', provider: 'x', paginationToken: 'eA==' }],
    ['GET', '/users/count', { includeRecipeIds: 'emailpassword' }],
    ['GET', '/users/by-accountinfo', { doUnionOfAccountInfo: 'true', email: ADDRESS, phoneNumber: '1',
        thirdPartyId: 'x', thirdPartyUserId: 'y' }],
    ['GET', '/users/count/active', { since: '1' }],
    ['POST', '/user/remove', { userId: 'u' }],
    ['POST', '/recipe/userid/map', { superTokensUserId: 'u', externalUserId: 'e', externalUserIdInfo: 'i' }],
    ['GET', '/recipe/userid/map', { userId: 'u', userIdType: 'ANY' }],
    ['PUT', '/recipe/userid/external-user-id-info', { userId: 'u', externalUserIdInfo: 'i' }],
    ['POST', '/recipe/userid/map/remove', { userId: 'u' }],
    ['POST', '/recipe/accountlinking/user/primary', { recipeUserId: 'u' }],
    ['POST', '/recipe/accountlinking/user/link', { recipeUserId: 'u', primaryUserId: 'v' }],
    ['POST', '/recipe/accountlinking/user/unlink', { recipeUserId: 'u' }],
    ['GET', '/recipe/user/metadata', { userId: 'u' }],
    ['PUT', '/recipe/user/metadata', { userId: 'u', metadataUpdate: { a: 'b' } }],
    ['POST', '/recipe/user/metadata/remove', { userId: 'u' }],
    ['POST', '/recipe/jwt', { algorithm: 'RS256', jwksDomain: 'https://x', payload: { a: 'b' }, validity: 10 }],
    ['POST', '/recipe/dashboard/user', { email: ADDRESS, password: 'pass word 1' }],
    ['PUT', '/recipe/dashboard/user', { userId: 'u', newEmail: ADDRESS, newPassword: 'pass word 2' }],
    ['DELETE', '/recipe/dashboard/user', { email: ADDRESS }],
    ['POST', '/recipe/dashboard/signin', { email: ADDRESS, password: 'pass word 1' }],
    ['POST', '/recipe/dashboard/session/verify', { sessionId: 's' }],
    ['DELETE', '/recipe/dashboard/session', { sessionId: 's' }],
];

/** Copies of `input`, each with one of its texts (or what the names of an object are) replaced. */
function* replaced(input, value) {
    for (const [key, old] of Object.entries(input)) {
        const copy = (v) => (Array.isArray(input) ? Object.assign([...input], { [key]: v }) : { ...input, [key]: v });
        if (typeof old === 'string') {
            yield copy(value);
        } else if (old && typeof old === 'object') {
            for (const inner of replaced(old, value)) {
                yield copy(inner);
            }
        }
    }
}

const values = {
    'a kilobyte': randomBytes(3000).toString('base64'), // no store can press it into an index
    'a quarter of a megabyte': randomBytes(196_608).toString('base64'),
    'SQL': `'; DROP TABLE login_method; -- " \\ % _ $1 ?`,
    'not of this world': '\u202e\ufeff\u{1f600}\u0007\ud7ff',
    'NUL': 'a\u0000b',
    'nothing': '',
    'a number': 7,
    'null': null,
    'a list': ['a'],
    'an object': { a: 'b' },
};

test('what no caller should send', async (t) => {
    const core = await startCore(t);
    for (const [name, value] of Object.entries(values)) {
        await t.test(name, async () => {
            const app = await core.app({ bcrypt_log_rounds: 4 });
            const mistakes = [];
            for (const [method, path, good, rid] of calls) {
                // a head has its own cap, below that of a body
                const long = typeof value === 'string' && value.length > 10_000;
                if (method === 'GET' && (long || typeof value === 'object')) {
                    continue;
                }
                for (const input of replaced(good, value)) {
                    const rs = await core.call(method, path, input, { app, rid });
                    if (rs.status !== 200 && rs.status !== 400) {
                        const said = JSON.stringify(input).slice(0, 100);
                        mistakes.push(`${method} ${path} ${said}: ${rs.status} ${rs.body.slice(0, 100)}`);
                    }
                }
            }
            assert.deepEqual(mistakes, []);
            const { count } = await core.ok('GET', '/users/count', undefined, { app });
            assert.ok(count >= 0, 'the tables are there');
        });
    }
});
