/* SPDX-License-Identifier: Apache-2.0
 * Forward-auth: another gateway asks at /_authorize whether a request may pass. One daemon for all;
 * tests/clients/forward_auth.test.mjs asks through real nginx, haproxy and caddy.
 */
import assert from 'node:assert/strict';
import { request, start, test } from '../lib/daemon.mjs';
import { OBEDIENT, api, mock, open, order, policy, statement, throwing, token } from '../lib/template.mjs';

const TEMPLATE = api({
    authorizer: token(OBEDIENT, { ttl: 300 }),
    routes: {
        'GET /orders/{id}': mock(200, 'in'),
        'DELETE /orders/{id}': mock(200, 'gone'),
        'GET /open': open(mock(200, 'open')),
    },
});
const READER = order({
    returns: {
        principalId: 'ana',
        policyDocument: {
            Version: '2012-10-17',
            Statement: [statement('Allow', '$api/dev/GET/*')],
        },
        context: { role: 'viewer', level: 3, none: null, 'bad key': 'x', lines: 'a\r\nb: c' },
    },
});

async function gateway(t) {
    const gw = await start(t, TEMPLATE, { args: ['--authorize', '127.0.0.1:0'] });
    const port = Number(gw.listening.authorize.split(':').at(-1));
    const ask = (method, uri, headers = {}, path = '/_authorize') =>
        request(port, 'GET', path, {
            headers: { 'X-Forwarded-Method': method, 'X-Forwarded-Uri': uri, ...headers },
        });
    return { gw, port, ask };
}

test('an allowed request is 200 with what the authorizer said, and nothing that is no header', async (t) => {
    const { ask } = await gateway(t);
    const answer = await ask('GET', '/dev/orders/1?a=b', { Authorization: READER });
    assert.equal(answer.status, 200);
    assert.equal(answer.body, '');
    assert.equal(answer.headers['ropeline-principal-id'], 'ana');
    assert.equal(answer.headers['ropeline-context-role'], 'viewer');
    assert.equal(answer.headers['ropeline-context-level'], '3');
    const names = Object.keys(answer.headers).filter((name) => name.startsWith('ropeline-'));
    assert.deepEqual(names.sort(), [
        'ropeline-context-level',
        'ropeline-context-role',
        'ropeline-principal-id',
    ]);
});

test('two facts that differ in letter case alone are none', async (t) => {
    const { gw, ask } = await gateway(t);
    const twice = order({
        returns: {
            principalId: 'ana',
            policyDocument: { Version: '2012-10-17', Statement: [statement('Allow', '*')] },
            context: { role: 'viewer', Role: 'admin' },
        },
    });
    const answer = await ask('GET', '/dev/orders/1', { Authorization: twice });
    assert.equal(answer.status, 500);
    assert.equal(answer.headers['ropeline-context-role'], undefined);
    assert.match((await gw.ropeline('explain')).stdout, /Role is there in two letter cases/);
});

test('an open route passes with an empty principal', async (t) => {
    const { ask } = await gateway(t);
    const answer = await ask('GET', '/dev/open');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['ropeline-principal-id'], '');
});

test('refusals are those of the gateway itself, and explained', async (t) => {
    const { gw, ask } = await gateway(t);
    assert.equal((await ask('GET', '/dev/orders/1')).status, 401);
    const denied = await ask('DELETE', '/dev/orders/1', { Authorization: READER });
    assert.equal(denied.status, 403);
    assert.equal(denied.body, '{"Message":"User is not authorized to access this resource"}');
    const { stdout } = await gw.ropeline('explain');
    assert.match(stdout, /DELETE \/dev\/orders\/1/);
    assert.match(stdout, /implicit deny/);
    const explicit = await ask('GET', '/dev/orders/1', {
        Authorization: policy(statement('Deny', '*')),
    });
    assert.match(explicit.body, /explicit deny/);
    assert.equal(
        (await ask('GET', '/dev/orders/1', { Authorization: throwing('boom') })).status,
        500,
    );
    assert.equal((await ask('GET', '/dev/nowhere')).status, 403);
});

test('the function sees the request that is asked about, the cache serves both listeners', async (t) => {
    const { gw, ask } = await gateway(t);
    await ask('GET', '/dev/orders/7', { Authorization: READER, 'X-Forwarded-For': '203.0.113.9' });
    assert.equal((await gw.get('/orders/8', { token: READER })).status, 200);
    assert.equal(gw.calls().length, 1);
    assert.match(gw.calls()[0].methodArn, /\/dev\/GET\/orders\/7$/);
});

test('?stage= names the stage for gateways whose URLs have none', async (t) => {
    const { ask } = await gateway(t);
    const answer = await ask('GET', '/open', {}, '/_authorize?stage=dev');
    assert.equal(answer.status, 200);
    assert.equal((await ask('GET', '/open', {}, '/_authorize?stage=other')).status, 403);
    for (const query of ['?stage=', '?stage=dev&stage=x', '?api=1', '?stage=dev%2F..']) {
        const status = (await ask('GET', '/open', {}, `/_authorize${query}`)).status;
        assert.ok(status === 400 || status === 403, `${query}: ${status}`);
    }
});

test("Envoy's form: the request itself below /_authorize/, whatever X-Forwarded-Uri says", async (t) => {
    const { port } = await gateway(t);
    const envoy = (method, path, headers) => request(port, method, `/_authorize${path}`, { headers });
    assert.equal((await envoy('GET', '/dev/orders/1', { Authorization: READER })).status, 200);
    assert.equal((await envoy('DELETE', '/dev/orders/1', { Authorization: READER })).status, 403);
    const spoofed = await envoy('DELETE', '/dev/orders/1', {
        Authorization: READER,
        'X-Forwarded-Uri': '/dev/open',
        'X-Forwarded-Method': 'GET',
    });
    assert.equal(spoofed.status, 403);
});

test('what could be read in two ways is refused', async (t) => {
    const { port, ask } = await gateway(t);
    const bare = (headers) => request(port, 'GET', '/_authorize', { headers });
    for (const headers of [
        {},
        { 'X-Forwarded-Method': 'GET' },
        { 'X-Forwarded-Uri': '/dev/open' },
        { 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': ['/dev/open', '/dev/orders/1'] },
        { 'X-Forwarded-Method': ['GET', 'DELETE'], 'X-Forwarded-Uri': '/dev/open' },
        { 'X-Forwarded-Method': 'G T', 'X-Forwarded-Uri': '/dev/open' },
        { 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': 'http://a/dev/open' },
        { 'X-Forwarded-Method': 'GET', 'X-Forwarded-Uri': '/dev/open', 'X-Forwarded-Host': 'a,b' },
    ]) {
        assert.equal((await bare(headers)).status, 400, JSON.stringify(headers));
    }
    for (const uri of ['/dev/../dev/open', '/dev//open', '/dev/%2fopen', '/dev/open%00']) {
        assert.equal((await ask('GET', uri)).status, 400, uri);
    }
    assert.equal((await request(port, 'GET', '/')).status, 404);
    assert.equal((await request(port, 'GET', '/_authorizer')).status, 404);
});

test('a web page cannot ask', async (t) => {
    const { port, ask } = await gateway(t);
    assert.equal((await ask('GET', '/dev/open', { Host: 'evil.example' })).status, 403);
    assert.equal(
        (await request(port, 'GET', '/_authorize', { headers: { Origin: 'https://evil.example' } }))
            .status,
        403,
    );
    assert.equal(
        (
            await request(port, 'GET', '/_authorize/dev/open', {
                headers: { Origin: 'https://evil.example' },
            })
        ).status,
        403,
    );
    assert.equal(
        (await ask('GET', '/dev/open', { Origin: 'https://shop.example' })).status,
        200,
        'a proxy hands on the Origin of its client',
    );
});
