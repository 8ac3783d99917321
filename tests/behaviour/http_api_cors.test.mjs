/* SPDX-License-Identifier: Apache-2.0
 * CORS of HTTP APIs: preflights answered by the gateway, what every answer says, and what a backend
 * says being left out (trap 38).
 */
import assert from 'node:assert/strict';
import { backend } from '../lib/backend.mjs';
import { refusal, request, start, test } from '../lib/daemon.mjs';
import { calls, guard, httpApi, open, proxies } from '../lib/http_api.mjs';

const ORIGIN = 'https://shop.test';
const guardBy = guard(`async (event) => ({ isAuthorized: event.headers.authorization === 'yes' })`, {
    simple: true,
});

test('CORS of an HTTP API', async (t) => {
    const behind = await backend(t, {
        headers: {
            'Access-Control-Allow-Origin': '*',
            'Access-Control-Allow-Headers': 'everything',
            'X-Backend': '1',
        },
        body: 'b',
    });
    const gw = await start(
        t,
        httpApi({
            cors: {
                AllowOrigins: [ORIGIN, 'https://other.test'],
                AllowMethods: ['GET', 'PUT'],
                AllowHeaders: ['authorization', 'x-a'],
                ExposeHeaders: ['x-backend'],
                MaxAge: 300,
                AllowCredentials: true,
            },
            authorizers: { Guard: guardBy },
            routes: {
                'GET /proxied': open(proxies(behind.url)),
                'GET /function': open(
                    calls(
                        `async () => ({ statusCode: 200, body: 'f',
                            headers: { 'access-control-allow-origin': '*' } })`,
                    ),
                ),
                'GET /throw': open(calls(`async () => { throw new Error('x'); }`)),
                'OPTIONS /own': open(calls(`async () => ({ statusCode: 200, body: 'own' })`)),
                'ANY /guarded': calls(`async () => 'in'`),
            },
        }),
    );
    const preflight = (path, origin, more) =>
        gw.request('OPTIONS', path, {
            headers: { Origin: origin, 'Access-Control-Request-Method': 'PUT', ...more },
        });

    await t.test('a preflight is answered without the authorizer, whatever the route', async () => {
        for (const path of ['/guarded', '/proxied', '/own', '/no/route']) {
            const answer = await preflight(path, ORIGIN);
            assert.equal(answer.status, 204, path);
            assert.equal(answer.body, '');
            assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
            assert.equal(answer.headers['access-control-allow-methods'], 'GET,PUT');
            assert.equal(answer.headers['access-control-allow-headers'], 'authorization,x-a');
            assert.equal(answer.headers['access-control-max-age'], '300');
            assert.equal(answer.headers['access-control-allow-credentials'], 'true');
            assert.equal(answer.headers.vary, 'Origin');
            assert.match(answer.headers['apigw-requestid'], /=$/);
        }
        assert.equal(gw.calls('Guard').length, 0);
        assert.equal(behind.requests.length, 0);
    });

    await t.test('another origin is allowed nothing', async () => {
        const answer = await preflight('/guarded', 'https://shop.test.evil.test');
        assert.equal(answer.status, 204);
        for (const name of Object.keys(answer.headers)) {
            assert.ok(!name.startsWith('access-control-'), name);
        }
    });

    await t.test('an OPTIONS that is no preflight goes its way', async () => {
        const guarded = await gw.request('OPTIONS', '/guarded', { headers: { Origin: ORIGIN } });
        assert.equal(guarded.status, 401);
        assert.equal((await gw.request('OPTIONS', '/own')).body, 'own');
    });

    await t.test('what a backend says of CORS is replaced', async () => {
        for (const path of ['/proxied', '/function']) {
            const answer = await gw.get(path, { headers: { Origin: ORIGIN } });
            assert.equal(answer.status, 200);
            assert.equal(answer.headers['access-control-allow-origin'], ORIGIN);
            assert.equal(answer.headers['access-control-allow-headers'], undefined);
            assert.equal(answer.headers['access-control-expose-headers'], 'x-backend');
            assert.equal(answer.headers.vary, 'Origin');
            const none = await gw.get(path);
            assert.equal(none.headers['access-control-allow-origin'], undefined);
            const evil = await gw.get(path, { headers: { Origin: 'https://evil.test' } });
            assert.equal(evil.headers['access-control-allow-origin'], undefined);
        }
    });

    await t.test('refusals say it too, so that a page sees the status', async () => {
        for (const [path, token, status] of [
            ['/guarded', undefined, 401],
            ['/guarded', 'no', 403],
            ['/none', undefined, 404],
            ['/throw', undefined, 500],
        ]) {
            const answer = await gw.get(path, { token, headers: { Origin: ORIGIN } });
            assert.equal(answer.status, status);
            assert.equal(answer.headers['access-control-allow-origin'], ORIGIN, `${status}`);
        }
    });
});

test('without a corsConfiguration nothing is added and OPTIONS is a method', async (t) => {
    const gw = await start(
        t,
        httpApi({
            authorizers: { Guard: guardBy },
            routes: {
                'ANY /x': calls(
                    `async () => ({ statusCode: 200, headers: { 'access-control-a': 'b' } })`,
                ),
            },
        }),
    );
    const headers = { Origin: ORIGIN, 'Access-Control-Request-Method': 'GET' };
    const answer = await gw.request('OPTIONS', '/x', { headers });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
    const allowed = await gw.get('/x', { token: 'yes', headers });
    assert.equal(allowed.headers['access-control-a'], 'b');
});

test('another gateway that asks at /_authorize is not told to serve a preflight', async (t) => {
    const gw = await start(
        t,
        httpApi({
            cors: { AllowOrigins: [ORIGIN], AllowMethods: ['GET'] },
            authorizers: { Guard: guardBy },
            routes: { 'ANY /x': calls(`async () => 'in'`) },
        }),
        { args: ['--authorize', '127.0.0.1:0'] },
    );
    const port = Number(gw.listening.authorize.split(':').at(-1));
    const asks = (token) =>
        request(port, 'GET', '/_authorize', {
            headers: {
                'X-Forwarded-Method': 'OPTIONS',
                'X-Forwarded-Uri': '/x',
                Origin: ORIGIN,
                'Access-Control-Request-Method': 'GET',
                ...(token && { Authorization: token }),
            },
        });
    assert.equal((await asks()).status, 401);
    assert.equal((await asks('no')).status, 403);
    assert.equal((await asks('yes')).status, 200);
});

test('credentials for every origin are refused at load', async (t) => {
    const cors = { AllowOrigins: ['*'], AllowCredentials: true };
    const { code, transcript } = await refusal(
        t,
        httpApi({ cors, routes: { 'GET /x': calls(`async () => 1`) } }),
    );
    assert.notEqual(code, 0);
    assert.match(transcript, /allow ?credentials/i);
});
