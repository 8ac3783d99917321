/* SPDX-License-Identifier: Apache-2.0
 * Which header fields reach a backend, and that nobody but the authorizer says who is calling.
 * The backend records what it saw to the last byte.
 */
import assert from 'node:assert/strict';
import { backend } from '../lib/backend.mjs';
import { isRoot, served, start, test } from '../lib/daemon.mjs';
import {
    OBEDIENT,
    api,
    http,
    lambda,
    open,
    returning,
    statement,
    token,
} from '../lib/template.mjs';

const ANA = returning({
    principalId: 'ana',
    context: { role: 'editor', empty: null },
    policyDocument: { Version: '2012-10-17', Statement: [statement('Allow', '*')] },
});
const IDENTITY = {
    'header.X-User': 'context.authorizer.principalId',
    'header.X-Role': 'context.authorizer.role',
};

async function mapped(t, map = IDENTITY) {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: {
                'ANY /x': http(`${behind.url}/x`, { map }),
                'ANY /open': open(http(`${behind.url}/open`, { map })),
            },
        }),
    );
    const ask = async (head, target = '/dev/x') => {
        const { response } = await gw.raw(
            `GET ${target} HTTP/1.1\r\nHost: front:81\r\n` + `Authorization: ${ANA}\r\n${head}\r\n`,
        );
        return { status: response.status, seen: behind.take()[0] };
    };
    return { gw, behind, ask };
}

const values = (message, name) =>
    message.headers.filter(([key]) => key.toLowerCase() === name).map(([, v]) => v);

test('the backend is told who calls', async (t) => {
    const { ask } = await mapped(t);
    const { status, seen } = await ask('');
    assert.equal(status, 200);
    assert.deepEqual(values(seen, 'x-user'), ['ana']);
    assert.deepEqual(values(seen, 'x-role'), ['editor']);
});

test('a client cannot write a mapped identity header (trap 52)', async (t) => {
    const { ask } = await mapped(t);
    const forgeries = [
        'X-User: root\r\n',
        'x-user: root\r\n',
        'X-USER: root\r\nX-User: root\r\n',
        'X-User:\r\n',
        'X-User: root\r\nX-Role: admin\r\nx-role: admin\r\n',
    ];
    for (const head of forgeries) {
        const { status, seen } = await ask(head);
        assert.equal(status, 200);
        assert.deepEqual(values(seen, 'x-user'), ['ana'], head);
        assert.deepEqual(values(seen, 'x-role'), ['editor'], head);
        assert.doesNotMatch(seen.head, /root|admin/);
    }
});

test('a mapping that resolves to nothing does not let the client speak instead (trap 52)', async (t) => {
    const { ask } = await mapped(t, {
        ...IDENTITY,
        'header.X-Tenant': 'context.authorizer.tenant',
        'header.X-Empty': 'context.authorizer.empty',
    });
    const { seen } = await ask('X-Tenant: forged\r\nX-Empty: forged\r\n');
    assert.doesNotMatch(seen.head, /forged/);
    const openly = await ask('X-User: forged\r\nX-Role: forged\r\n', '/dev/open');
    assert.equal(openly.status, 200);
    assert.doesNotMatch(openly.seen.head, /forged/);
});

test('names with an underscore do not reach a backend that would read them as dashes (attack b17)', async (t) => {
    const { ask } = await mapped(t);
    const { seen } = await ask('X_User: root\r\nX_Role: admin\r\nx_user_id: 7\r\nX-Fine: yes\r\n');
    assert.ok(
        seen.names.every((name) => !name.includes('_')),
        seen.head,
    );
    assert.deepEqual(values(seen, 'x-fine'), ['yes']);
});

test('names that only a gateway may use are dropped (attack b17)', async (t) => {
    const { ask } = await mapped(t);
    const { seen } = await ask(
        'x-amzn-oidc-identity: root\r\nX-Amzn-Oidc-Data: root\r\nX-Amzn-Requestid: root\r\n' +
            'x-apigateway-event: root\r\nX-Apigateway-Context: root\r\nX-Ropeline-User: root\r\n' +
            'X-Amzn-Apigateway-Api-Id: root\r\nX-Amzn-Trace-Id: Root=1-root\r\n',
    );
    assert.doesNotMatch(seen.head, /root/);
    assert.equal(values(seen, 'x-amzn-apigateway-api-id').length, 1);
    assert.match(values(seen, 'x-amzn-apigateway-api-id')[0], /^[a-z0-9]{10}$/);
    assert.match(values(seen, 'x-amzn-trace-id')[0], /^Root=1-[0-9a-f]{8}-[0-9a-f]{24}/);
});

test('the same names do not reach a function (attack b17)', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: { 'GET /x': lambda(`async (event) => ({ body: JSON.stringify(event) })`) },
        }),
    );
    const { response } = await gw.raw(
        `GET /dev/x HTTP/1.1\r\nHost: a\r\nAuthorization: ${ANA}\r\n` +
            'x-amzn-oidc-identity: root\r\nX-Ropeline-User: root\r\nx-apigateway-event: root\r\nX_User: root\r\n\r\n',
    );
    const { headers, multiValueHeaders } = response.json;
    assert.doesNotMatch(JSON.stringify({ headers, multiValueHeaders }), /root/);
});

test('the source address is the peer, whatever the client claims (attack b16)', async (t) => {
    const behind = await backend(t);
    const gw = await start(
        t,
        api({
            routes: {
                'GET /e': lambda(`async (event) => ({ body: JSON.stringify(event) })`),
                'GET /p': http(`${behind.url}/p`, {
                    map: { 'header.X-Source': 'context.identity.sourceIp' },
                }),
            },
        }),
    );
    const claims = {
        'X-Forwarded-For': '203.0.113.7',
        'X-Real-IP': '203.0.113.7',
        Forwarded: 'for=203.0.113.7',
        'True-Client-IP': '203.0.113.7',
        'CF-Connecting-IP': '203.0.113.7',
        'X-Source': '203.0.113.7',
    };
    const event = (await gw.get('/e', { headers: claims })).json;
    assert.equal(event.requestContext.identity.sourceIp, '127.0.0.1');
    assert.equal(event.headers['X-Forwarded-For'], '203.0.113.7, 127.0.0.1');
    await gw.get('/p', { headers: claims });
    assert.deepEqual(values(behind.last, 'x-source'), ['127.0.0.1']);
    assert.deepEqual(values(behind.last, 'x-forwarded-for'), ['203.0.113.7, 127.0.0.1']);
});

test('X-Forwarded-For is appended to, in one field (attack b16)', async (t) => {
    const { ask } = await mapped(t);
    assert.deepEqual(values((await ask('')).seen, 'x-forwarded-for'), ['127.0.0.1']);
    const two = await ask(
        'X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 198.51.100.2, 198.51.100.3\r\n',
    );
    assert.deepEqual(values(two.seen, 'x-forwarded-for'), [
        '198.51.100.1, 198.51.100.2, 198.51.100.3, 127.0.0.1',
    ]);
});

test("a long or senseless chain of addresses is nobody's address (attack b16)", async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /e': lambda(
                    `async (event) => ({ body: JSON.stringify(event.requestContext.identity) })`,
                ),
            },
        }),
    );
    for (const chain of [
        Array.from({ length: 80 }, (_, i) => `10.0.0.${i}`).join(','),
        'unknown, _hidden, ::',
        '"',
        '127.0.0.1:80',
    ]) {
        const answer = await gw.get('/e', { headers: { 'X-Forwarded-For': chain } });
        assert.equal(answer.status, 200);
        assert.equal(answer.json.sourceIp, '127.0.0.1');
    }
});

test('behind a trusted proxy the source is the last address that is none of ours (attack b16)', async (t) => {
    const user = isRoot ? 'user: nobody\n' : '';
    const gw = await start(
        t,
        ...served(
            api({
                routes: {
                    'GET /e': lambda(
                        `async (event) => ({ body: event.requestContext.identity.sourceIp })`,
                    ),
                },
            }),
            `${user}trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]\n`,
        ),
    );
    const source = async (...chains) => {
        const lines = chains.map((chain) => `X-Forwarded-For: ${chain}\r\n`).join('');
        return (await gw.raw(`GET /dev/e HTTP/1.1\r\nHost: a\r\n${lines}\r\n`)).response.text;
    };
    assert.equal(await source(), '127.0.0.1');
    assert.equal(await source('203.0.113.7'), '203.0.113.7');
    assert.equal(await source('1.2.3.4, 203.0.113.7'), '203.0.113.7');
    assert.equal(await source('203.0.113.7, 10.1.2.3'), '203.0.113.7');
    assert.equal(await source('1.2.3.4', '203.0.113.7'), '203.0.113.7');
    assert.equal(await source('127.0.0.1, 203.0.113.7'), '203.0.113.7');
    assert.equal(await source('2001:db8::7'), '2001:db8::7');
    assert.equal(await source('203.0.113.7, nonsense'), '127.0.0.1');
    const hops = Array(80).fill('10.0.0.1').join(', ');
    assert.equal(await source(`203.0.113.7, ${hops}`), '127.0.0.1', 'nobody has so many proxies');
    assert.equal(
        await source(`nonsense, ${Array(80).fill('1.2.3.4').join(', ')}, 203.0.113.7`),
        '203.0.113.7',
        'what a client wrote before its own address changes nothing',
    );
});

test('the client says neither protocol nor port of the front (attack b16)', async (t) => {
    const { ask } = await mapped(t);
    const { seen } = await ask('X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n');
    assert.deepEqual(values(seen, 'x-forwarded-proto'), ['http']);
    assert.deepEqual(values(seen, 'x-forwarded-port'), ['81']);
});

test('Connection cannot strip what the gateway adds or the authorizer used (attack b18)', async (t) => {
    const { ask } = await mapped(t);
    const { status, seen } = await ask(
        'Connection: close, X-User, X-Role, X-Forwarded-For, Authorization, Cookie, Host, x-api-key\r\n' +
            'Cookie: a=b\r\nX-Api-Key: mine\r\n',
    );
    assert.equal(status, 200);
    assert.deepEqual(values(seen, 'x-user'), ['ana']);
    assert.deepEqual(values(seen, 'x-role'), ['editor']);
    assert.deepEqual(values(seen, 'x-forwarded-for'), ['127.0.0.1']);
    assert.deepEqual(values(seen, 'x-api-key'), ['mine']);
    assert.equal(values(seen, 'host').length, 1);
});

test('Connection cannot make a forged identity look removed (attack b18)', async (t) => {
    const { ask } = await mapped(t);
    const { seen } = await ask('Connection: X-User\r\nX-User: root\r\n');
    assert.deepEqual(values(seen, 'x-user'), ['ana']);
});

test('fields that Connection lists, and hop-by-hop fields, end at the gateway (attack b18)', async (t) => {
    const { ask } = await mapped(t);
    const { seen } = await ask(
        'Connection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n' +
            'Proxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: X\r\nProxy-Authenticate: x\r\nX-Other: 2\r\n' +
            'Max-Forwards: 3\r\nContent-MD5: x\r\nServer: x\r\nWWW-Authenticate: x\r\n',
    );
    for (const name of [
        'x-mine',
        'keep-alive',
        'proxy-connection',
        'te',
        'trailer',
        'proxy-authenticate',
        'max-forwards',
        'content-md5',
        'server',
        'www-authenticate',
    ]) {
        assert.deepEqual(values(seen, name), [], name);
    }
    assert.deepEqual(values(seen, 'x-other'), ['2']);
});

test('an upgrade never reaches a backend (attacks b18, b19)', async (t) => {
    const { ask } = await mapped(t);
    for (const head of [
        'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n',
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: eA==\r\n',
    ]) {
        const { status, seen } = await ask(head);
        assert.ok(status === 200 || status === 400, `${status}`);
        if (seen) {
            for (const name of ['upgrade', 'http2-settings']) {
                assert.deepEqual(values(seen, name), [], name);
            }
        }
    }
});

test('what an authorizer says cannot become a header of its own', async (t) => {
    const { gw, behind } = await mapped(t);
    const splitting = returning({
        principalId: 'ana\r\nX-Admin: 1',
        context: { role: 'a\nX-Admin: 1' },
        policyDocument: { Version: '2012-10-17', Statement: [statement('Allow', '*')] },
    });
    const answer = await gw.get('/x', { token: splitting });
    assert.ok(answer.status >= 500, `${answer.status}`);
    assert.doesNotMatch(behind.bytes, /X-Admin/);
});

test('a backend is never told less than the allow that let a request through (attack b15)', async (t) => {
    const { gw, behind } = await mapped(t);
    const denials = [
        undefined,
        '',
        'nonsense',
        returning(null),
        returning({ principalId: 'x' }),
        returning({ principalId: 'x', policyDocument: { Version: '2012-10-17', Statement: [] } }),
    ];
    await Promise.all(
        denials.map(async (given) => {
            assert.notEqual((await gw.get('/x', { token: given })).status, 200);
        }),
    );
    assert.equal(behind.requests.length, 0);
    assert.equal(behind.bytes, '');
    await Promise.all(Array.from({ length: 8 }, () => gw.get('/x', { token: ANA })));
    assert.ok(behind.requests.every((rq) => rq.header('x-user') === 'ana'));
    assert.equal(behind.requests.length, 8);
});

test('the exact request that a backend sees', async (t) => {
    const { gw, behind } = await mapped(t);
    await gw.raw(
        `POST /dev/x?a=1&b=%20 HTTP/1.1\r\nHost: front:81\r\nAuthorization: ${ANA}\r\nContent-Type: text/plain\r\n` +
            'X-Custom:  two  words \r\nContent-Length: 5\r\n\r\nhello',
    );
    const { head, text } = behind.last;
    const lines = head.trimEnd().split('\r\n');
    assert.equal(lines[0], 'POST /x?a=1&b=%20 HTTP/1.1');
    assert.deepEqual(
        lines
            .slice(1)
            .map((line) => line.replace(/(Root=1-|Api-Id: ).*/, '$1…'))
            .sort(),
        [
            'Accept: application/json',
            `Authorization: ${ANA}`,
            'Content-Length: 5',
            'Content-Type: text/plain',
            `Host: 127.0.0.1:${behind.port}`,
            'User-Agent: AmazonAPIGateway_' + values(behind.last, 'x-amzn-apigateway-api-id')[0],
            'X-Amzn-Apigateway-Api-Id: …',
            'X-Amzn-Trace-Id: Root=1-…',
            'X-Custom: two  words',
            'X-Forwarded-For: 127.0.0.1',
            'X-Forwarded-Port: 81',
            'X-Forwarded-Proto: http',
            'X-Role: editor',
            'X-User: ana',
        ].sort(),
    );
    assert.equal(text, 'hello');
    assert.equal(behind.bytes, head + text);
});
