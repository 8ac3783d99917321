/* SPDX-License-Identifier: Apache-2.0
 * The gateway's own answers, byte for byte, with the headers that every one of them has.
 */
import assert from 'node:assert/strict';
import { backend, closedPort, never } from '../lib/backend.mjs';
import { start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    allowing,
    api,
    http,
    lambda,
    mock,
    open,
    policy,
    returning,
    statement,
    throwing,
    token,
} from '../lib/template.mjs';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Exactly this body, and the headers of a gateway response. */
function assertGatewayResponse(answer, status, errorType, body) {
    assert.equal(answer.body, body);
    assert.equal(answer.status, status);
    const { headers } = answer;
    assert.equal(headers['x-amzn-errortype'], errorType);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['content-length'], String(Buffer.byteLength(body)));
    assert.match(headers['x-amzn-requestid'], UUID);
    assert.match(headers['x-amz-apigw-id'], /^[A-Za-z0-9+/_-]+=$/);
    assert.equal(headers['www-authenticate'], undefined);
    assert.equal(headers['x-amzn-trace-id'], undefined);
}

async function gatewayOfFailures(t) {
    const hanging = await backend(t, never);
    const broken = await backend(t, (request, socket) => {
        socket.destroy();
    });
    const nonsense = await backend(t, { raw: 'nonsense\r\n\r\n', close: true });
    const down = await closedPort();
    return start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: {
                'ANY /guarded': mock(),
                'ANY /open': open(mock()),
                'GET /deep/{proxy+}': open(mock()),
                'GET /down': open(http(`http://127.0.0.1:${down}/`)),
                'GET /hanging': open(http(`${hanging.url}/`, { timeout: 100 })),
                'POST /broken': open(http(`${broken.url}/`)),
                'GET /nonsense': open(http(`${nonsense.url}/`)),
                'GET /failing': open(lambda(`async () => { throw new Error('x'); }`)),
                'GET /odd': open(lambda(`async () => 'odd'`)),
                'GET /late': open(
                    lambda(`async () => sleep(60000)`, { integrationTimeout: 100, timeout: 20 }),
                ),
                'POST /echo': open(lambda(`async (event) => ({ body: 'ok' })`)),
            },
        }),
    );
}

const rows = [
    [
        'a missing token',
        ['GET', '/guarded', {}],
        401,
        'UnauthorizedException',
        '{"message":"Unauthorized"}',
    ],
    [
        'Unauthorized',
        ['GET', '/guarded', { token: throwing('Unauthorized') }],
        401,
        'UnauthorizedException',
        '{"message":"Unauthorized"}',
    ],
    [
        'an implicit deny',
        ['GET', '/guarded', { token: allowing('$api/x') }],
        403,
        'AccessDeniedException',
        '{"Message":"User is not authorized to access this resource"}',
    ],
    [
        'an explicit deny',
        ['GET', '/guarded', { token: policy(statement('Deny', '*')) }],
        403,
        'AccessDeniedException',
        '{"Message":"User is not authorized to access this resource with an explicit deny"}',
    ],
    [
        'an authorizer that fails',
        ['GET', '/guarded', { token: throwing('x') }],
        500,
        'AuthorizerConfigurationException',
        '{"message":null}',
    ],
    [
        'an authorizer that answers wrong',
        ['GET', '/guarded', { token: returning({}) }],
        500,
        'AuthorizerConfigurationException',
        '{"message":null}',
    ],
    [
        'an unknown path',
        ['GET', '/nowhere', {}],
        403,
        'MissingAuthenticationTokenException',
        '{"message":"Missing Authentication Token"}',
    ],
    [
        'a backend that is down',
        ['GET', '/down', {}],
        500,
        'InternalServerErrorException',
        '{"message": "Internal server error"}',
    ],
    [
        'a backend that hangs',
        ['GET', '/hanging', {}],
        504,
        'InternalServerErrorException',
        '{"message": "Endpoint request timed out"}',
    ],
    [
        'a backend that breaks off',
        ['POST', '/broken', { body: 'a' }],
        504,
        'InternalServerErrorException',
        '{"message": "Network error communicating with endpoint"}',
    ],
    [
        'a backend that talks nonsense',
        ['GET', '/nonsense', {}],
        502,
        'InternalServerErrorException',
        '{"message": "Internal server error"}',
    ],
    [
        'a function that fails',
        ['GET', '/failing', {}],
        502,
        'InternalServerErrorException',
        '{"message": "Internal server error"}',
    ],
    [
        'a function that answers oddly',
        ['GET', '/odd', {}],
        502,
        'InternalServerErrorException',
        '{"message": "Internal server error"}',
    ],
    [
        'a function that is late',
        ['GET', '/late', {}],
        504,
        'InternalServerErrorException',
        '{"message": "Endpoint request timed out"}',
    ],
    [
        'a methodArn above 1600 bytes',
        ['GET', `/deep/${'x'.repeat(1600)}`, {}],
        414,
        'RequestUriTooLongException',
        '{"message":"Request URI too long"}',
    ],
    [
        'a body above 10 MB',
        ['POST', '/echo', { body: Buffer.alloc(10 * 1024 * 1024 + 1) }],
        413,
        'RequestTooLargeException',
        '{"message":"Request Too Long"}',
    ],
];
test('each failure has exactly its answer (traps 34, 48, 50)', async (t) => {
    const gw = await gatewayOfFailures(t);
    for (const [name, [method, path, options], status, errorType, body] of rows) {
        await t.test(`${name} is ${status}`, async () => {
            assertGatewayResponse(await gw.request(method, path, options), status, errorType, body);
        });
    }
});

test('an unknown stage is 403 Forbidden with the same headers', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': mock() } }));
    gw.stagePath = '/prod';
    assertGatewayResponse(await gw.get('/x'), 403, 'ForbiddenException', '{"message":"Forbidden"}');
});

test('a methodArn of exactly 1600 bytes passes', async (t) => {
    const gw = await start(
        t,
        api({ authorizer: token(`async () => allow()`), routes: { 'GET /{proxy+}': mock() } }),
    );
    await gw.get('/x', { token: 'a' });
    const room = 1600 - gw.calls()[0].methodArn.length + 1;
    assert.equal((await gw.get(`/${'x'.repeat(room)}`, { token: 'a' })).status, 200);
    assert.equal(gw.calls()[1].methodArn.length, 1600);
    assert.equal((await gw.get(`/${'x'.repeat(room + 1)}`, { token: 'a' })).status, 414);
});

test('every request has an id of its own; a UUID that the client sends is kept', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': mock() } }));
    const ids = new Set();
    for (let i = 0; i < 20; i++) {
        ids.add((await gw.get('/x')).headers['x-amzn-requestid']);
    }
    assert.equal(ids.size, 20);
    const mine = '0b0e6f0c-7c1e-4b76-9a5f-2f3f6d0b1c11';
    const kept = await gw.get('/x', { headers: { 'x-amzn-RequestId': mine } });
    assert.equal(kept.headers['x-amzn-requestid'], mine);
    const replaced = await gw.get('/x', { headers: { 'x-amzn-RequestId': 'mine' } });
    assert.match(replaced.headers['x-amzn-requestid'], UUID);
});

test("an answer without its request's body leaves the connection in step", async (t) => {
    const gw = await gatewayOfFailures(t);
    const smuggled = 'GET /dev/open HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n';
    for (const path of ['/dev/guarded', '/dev/nowhere', '/prod/x']) {
        const { responses } = await gw.raw(
            `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}` +
                `GET /dev/nowhere HTTP/1.1\r\nHost: a\r\n\r\n`,
            { responses: 2 },
        );
        const statuses = responses.map(({ status }) => status);
        assert.ok(!statuses.includes(200), `${path}: ${statuses}`);
        assert.ok(statuses.length <= 2 && statuses.at(-1) !== 200);
    }
});
