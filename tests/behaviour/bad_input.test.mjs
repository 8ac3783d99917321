/* SPDX-License-Identifier: Apache-2.0
 * What is wrong before anything is decided: requests that are none, documents that are none, and a
 * machine that does not give what is asked. Raw bytes in, a recording backend behind: one client
 * request is one backend request or none, never two and never half of one.
 */
import assert from 'node:assert/strict';
import net from 'node:net';
import { backend } from '../lib/backend.mjs';
import { eventually, refusal, start, test } from '../lib/daemon.mjs';
import { OBEDIENT, api, http, mock, token } from '../lib/template.mjs';

async function recorded(t) {
    const behind = await backend(t, (request) => ({ body: request.target }));
    const gw = await start(
        t,
        api({
            routes: { 'ANY /x': http(`${behind.url}/x`), 'GET /next': http(`${behind.url}/next`) },
        }),
    );
    return { behind, gw };
}

const head = (...lines) => `${lines.join('\r\n')}\r\n\r\n`;
const post = (...lines) => head('POST /dev/x HTTP/1.1', 'Host: a', ...lines);
const NEXT = head('GET /dev/next HTTP/1.1', 'Host: a');

const refused = {
    'both lengths (b1)': `${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'both lengths the other way (b1)': `${post('Transfer-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n`,
    'chunked twice (b2)': `${post('Transfer-Encoding: chunked, chunked')}0\r\n\r\n`,
    'chunked in two fields (b2)': `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'a parameter of chunked (b2)': `${post('Transfer-Encoding: chunked;x')}0\r\n\r\n`,
    'identity (b2)': `${post('Transfer-Encoding: identity')}`,
    'chunked, identity (b2)': `${post('Transfer-Encoding: chunked, identity')}0\r\n\r\n`,
    'xchunked (b2)': `${post('Transfer-Encoding: xchunked')}0\r\n\r\n`,
    'quoted chunked (b2)': `${post('Transfer-Encoding: "chunked"')}0\r\n\r\n`,
    'a vertical tab before chunked (b2)': `${post('Transfer-Encoding: \x0bchunked')}0\r\n\r\n`,
    'a blank before the colon (b2)': `${post('Transfer-Encoding : chunked')}0\r\n\r\n`,
    'a tab before the colon (b2)': `${post('Transfer-Encoding\t: chunked')}0\r\n\r\n`,
    'a folded field (b7)': `${post('Transfer-Encoding:', ' chunked')}0\r\n\r\n`,
    'chunked in HTTP/1.0 (b2)': `${head('POST /dev/x HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'a length with a sign (b4)': `${post('Content-Length: +5')}hello`,
    'a negative length (b4)': `${post('Content-Length: -1')}`,
    'a hexadecimal length (b4)': `${post('Content-Length: 0x5')}hello`,
    'a length of two numbers (b4)': `${post('Content-Length: 5, 5')}hello`,
    'two lengths (b4)': `${post('Content-Length: 5', 'Content-Length: 6')}hello`,
    'two equal lengths (b4)': `${post('Content-Length: 5', 'Content-Length: 5')}hello`,
    'an empty length (b4)': `${post('Content-Length: ')}`,
    'a length beyond numbers (b4)': `${post('Content-Length: 18446744073709551616')}`,
    'a line that ends with LF (b6)': 'POST /dev/x HTTP/1.1\nHost: a\n\n',
    'one line that ends with LF (b6)': 'POST /dev/x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n',
    'a bare CR (b6)': `${head('GET /dev/x HTTP/1.1', 'Host: a', 'X: a\rb')}`,
    'NUL in a value (b6)': `${head('GET /dev/x HTTP/1.1', 'Host: a', 'X: a\0b')}`,
    'a control byte in a value (b8)': `${head('GET /dev/x HTTP/1.1', 'Host: a', 'X: a\x01b')}`,
    'a field without a colon (b7)': `${head('GET /dev/x HTTP/1.1', 'Host: a', 'nonsense')}`,
    'a field without a name (b7)': `${head('GET /dev/x HTTP/1.1', 'Host: a', ': x')}`,
    'a blank in a name (b7)': `${head('GET /dev/x HTTP/1.1', 'Host: a', 'X Y: x')}`,
    'a blank before the first name (b7)': `${head('GET /dev/x HTTP/1.1', ' Host: a')}`,
    'eight bits in a name (b7)': `${head('GET /dev/x HTTP/1.1', 'Host: a', 'X\xe4: x')}`,
    'no Host (b9)': `${head('GET /dev/x HTTP/1.1')}`,
    'two Hosts (b9)': `${head('GET /dev/x HTTP/1.1', 'Host: a', 'Host: a')}`,
    'a Host with userinfo (b9)': `${head('GET /dev/x HTTP/1.1', 'Host: u@a')}`,
    'a Host with a path (b9)': `${head('GET /dev/x HTTP/1.1', 'Host: a/b')}`,
    'an empty Host (b9)': `${head('GET /dev/x HTTP/1.1', 'Host: ')}`,
    'a port beyond ports (b9)': `${head('GET /dev/x HTTP/1.1', 'Host: a:99999')}`,
    'an absolute target that is not the Host (b10)': `${head('GET http://b/dev/x HTTP/1.1', 'Host: a')}`,
    'a target without a slash (b10)': `${head('GET dev/x HTTP/1.1', 'Host: a')}`,
    'two blanks (b12)': `${head('GET  /dev/x HTTP/1.1', 'Host: a')}`,
    'HTTP/0.9 (b12)': 'GET /dev/x\r\n\r\n',
    'HTTP/1.2 (b12)': `${head('GET /dev/x HTTP/1.2', 'Host: a')}`,
    'HTTP/2.0 (b12)': `${head('GET /dev/x HTTP/2.0', 'Host: a')}`,
    'http in small letters (b12)': `${head('GET /dev/x http/1.1', 'Host: a')}`,
    'something after the version (b12)': `${head('GET /dev/x HTTP/1.1 x', 'Host: a')}`,
    'a method that is no word': `${head('G(T /dev/x HTTP/1.1', 'Host: a')}`,
    'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
};
test('bytes that are no request are refused once, and the connection ends', async (t) => {
    const { behind, gw } = await recorded(t);
    for (const [name, bytes] of Object.entries(refused)) {
        await t.test(name, async () => {
            const { responses, closed } = await gw.raw(bytes + NEXT, { linger: 3000 });
            assert.ok(closed, 'the connection goes on');
            assert.equal(responses.length, 1);
            const [{ status }] = responses;
            assert.ok([400, 405, 408, 501, 505].includes(status), `${status}`);
            assert.equal(behind.bytes, '');
        });
    }
    assert.equal((await gw.get('/next')).body, '/next');
});

const badChunks = [
    '0x5\r\nhello\r\n0\r\n\r\n',
    ' 5\r\nhello\r\n0\r\n\r\n',
    '5 \r\nhello\r\n0\r\n\r\n',
    '-1\r\n\r\n',
    '+5\r\nhello\r\n0\r\n\r\n',
    '\r\nhello\r\n0\r\n\r\n',
    'fffffffffffffffff\r\nx',
    '5\nhello\r\n0\r\n\r\n',
    '5\r\nhelloXX0\r\n\r\n',
    '5_0\r\nhello\r\n0\r\n\r\n',
    '5;a\rb\r\nhello\r\n0\r\n\r\n',
    `5;${'e'.repeat(5000)}\r\nhello\r\n0\r\n\r\n`,
    '5\r\nhello\r\n0\r\n X: y\r\n\r\n',
];
test('a chunk that is none is refused and no whole request arrives (b5)', async (t) => {
    const { behind, gw } = await recorded(t);
    for (const chunks of badChunks) {
        await t.test(JSON.stringify(chunks.slice(0, 30)), async () => {
            const { responses, closed } = await gw.raw(
                post('Transfer-Encoding: chunked') + chunks + NEXT,
                { linger: 3000 },
            );
            assert.ok(closed);
            assert.ok(
                responses.every(({ status }) => status === 400),
                `${responses.map(({ status }) => status)}`,
            );
            assert.equal(behind.take().length, 0);
        });
    }
});

test('one request in is one request out, to the byte', async (t) => {
    const { behind, gw } = await recorded(t);
    const inner = 'GET /dev/next HTTP/1.1\r\nHost: a\r\n\r\n';
    const { responses } = await gw.raw(
        `${post(`Content-Length: ${inner.length}`)}${inner}` +
            `${post('Transfer-Encoding: chunked')}${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`,
        { responses: 2 },
    );
    assert.deepEqual(
        responses.map(({ text }) => text),
        ['/x', '/x'],
    );
    assert.deepEqual(
        behind.requests.map((rq) => [rq.target, rq.text]),
        [
            ['/x', inner],
            ['/x', inner],
        ],
    );
});

test('an empty line before a request is forgiven once; CONNECT and TRACE are not served', async (t) => {
    const { gw } = await recorded(t);
    assert.equal((await gw.raw(`\r\n${NEXT}`)).response.status, 200);
    for (const bytes of [
        head('CONNECT a:80 HTTP/1.1', 'Host: a:80'),
        head('TRACE /dev/x HTTP/1.1', 'Host: a'),
    ]) {
        const { response } = await gw.raw(bytes);
        assert.ok([400, 403, 405, 501].includes(response.status), `${response.status}`);
    }
});

test('a head that is too large is 431, a line that is too long 414', async (t) => {
    const { behind, gw } = await recorded(t);
    const line = (n) => head('GET /dev/next HTTP/1.1', 'Host: a', `X: ${'y'.repeat(n)}`);
    assert.equal((await gw.raw(line(9_000))).response.status, 200);
    behind.take();
    assert.equal((await gw.raw(line(11_000))).response.status, 431);
    assert.equal(
        (await gw.raw(head('GET /dev/next HTTP/1.1', 'Host: a', ...Array(200).fill('X: y'))))
            .response.status,
        431,
    );
    assert.equal(
        (await gw.raw(head(`GET /dev/next?${'y'.repeat(9_000)} HTTP/1.1`, 'Host: a'))).response
            .status,
        414,
    );
    assert.equal(
        (await gw.raw(`GET /dev/next HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(200_000)}`)).response
            .status,
        431,
    );
    assert.equal(behind.requests.length, 0);
    assert.equal((await gw.get('/next')).status, 200);
});

test('Expect that cannot be met is 417', async (t) => {
    const { behind, gw } = await recorded(t);
    assert.equal(
        (await gw.raw(`${post('Expect: wonders', 'Content-Length: 1')}a`)).response.status,
        417,
    );
    assert.equal(behind.requests.length, 0);
});

test('what a refusal says is JSON and gives nothing away', async (t) => {
    const { gw } = await recorded(t);
    const { response } = await gw.raw(head('GET /dev/x HTTP/1.1'));
    assert.equal(response.status, 400);
    assert.deepEqual(Object.keys(response.json), ['message']);
    assert.equal(response.header('content-type'), 'application/json');
    assert.equal(response.header('connection'), 'close');
    assert.match(response.header('x-amzn-requestid'), /^[0-9a-f-]{36}$/);
    assert.match(response.header('x-amzn-errortype'), /^BadRequestException$/);
});

test('clients that vanish at any moment leave the gateway as it was', async (t) => {
    const { gw } = await recorded(t);
    for (const bytes of [
        '',
        'G',
        'GET /dev/next HTTP/1.1\r\nHo',
        NEXT.slice(0, -1),
        `${post('Content-Length: 9')}half`,
        NEXT,
    ]) {
        for (let i = 0; i < 10; i++) {
            const wire = gw.wire();
            await wire.write(bytes);
            wire.destroy();
        }
    }
    assert.equal((await gw.get('/next')).status, 200);
    await eventually('no connection is left', async () =>
        /next/.test((await gw.get('/next')).body),
    );
});

test('a client that stops in the middle of its head does not hold up the others', async (t) => {
    const { gw } = await recorded(t);
    const slow = Array.from({ length: 50 }, () => gw.wire());
    await Promise.all(slow.map((wire) => wire.write('GET /dev/next HTTP/1.1\r\nHost: ')));
    const began = Date.now();
    assert.equal((await gw.get('/next')).status, 200);
    assert.ok(Date.now() - began < 1000);
    slow.forEach((wire) => wire.destroy());
});

/* ---- documents and the machine ---- */

const valid = () => api({ authorizer: token(OBEDIENT), routes: { 'GET /x': mock() } });

test('a template that is no YAML is refused with its place', async (t) => {
    const { code, transcript } = await refusal(t, {
        name: 'template.yaml',
        text: 'Resources:\n  Api: [1, 2\n  b: }\n',
    });
    assert.equal(code, 1);
    assert.match(transcript, /template\.yaml:\d+:\d+: /);
});

test('a template that is not there is refused', async (t) => {
    const { code, transcript } = await refusal(t, { name: 'nowhere.yaml' });
    assert.equal(code, 1);
    assert.match(transcript, /nowhere\.yaml/);
});

test('what is not supported and decides access is refused by name', async (t) => {
    const withScheme = (authorizer) => {
        const project = valid();
        const template = JSON.parse(project.text);
        const scheme =
            template.Resources.Api.Properties.DefinitionBody.components.securitySchemes.Guard;
        Object.assign(scheme['x-amazon-apigateway-authorizer'], authorizer);
        return { ...project, text: JSON.stringify(template, null, 2) };
    };
    const cases = [
        [{ type: 'request', authorizerResultTtlInSeconds: 300 }, /identitySource/],
        [
            {
                type: 'cognito_user_pools',
                providerARNs: ['arn:aws:cognito-idp:us-east-1:123456789012:userpool/x'],
            },
            /authorizerUri: belongs to another type/,
        ],
        [{ type: 'nonsense' }, /nonsense/],
        [{ authorizerResultTtlInSeconds: 3601 }, /3600/],
        [{ authorizerResultTtlInSeconds: -1 }, /0/],
        [{ identityValidationExpression: '(' }, /expression/i],
        [
            {
                authorizerUri:
                    'arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/' +
                    'arn:aws:lambda:us-east-1:123456789012:function:Gone/invocations',
            },
            /Gone/,
        ],
    ];
    for (const [authorizer, words] of cases) {
        await t.test(JSON.stringify(authorizer), async (sub) => {
            const { code, transcript } = await refusal(sub, withScheme(authorizer));
            assert.equal(code, 1, transcript);
            assert.match(transcript, /template\.yaml:\d+:\d+: error: /);
            assert.match(transcript, words);
        });
    }
});

test('a security scheme that is not defined is refused, never open', async (t) => {
    const project = valid();
    const { code, transcript } = await refusal(t, {
        ...project,
        text: project.text.replace('"Guard": []', '"Nobody": []'),
    });
    assert.equal(code, 1);
    assert.match(transcript, /Nobody/);
});

test('a handler that is not there is refused at the start', async (t) => {
    const project = valid();
    for (const files of [{}, { 'Guard/other.js': '' }]) {
        const { code, transcript } = await refusal(t, { ...project, files });
        assert.equal(code, 1, transcript);
        assert.match(transcript, /Guard/);
    }
});

test('a runtime that is not served is refused by name', async (t) => {
    const project = valid();
    const { code, transcript } = await refusal(t, {
        ...project,
        text: project.text.replace('nodejs20.x', 'java21'),
    });
    assert.equal(code, 1, transcript);
    assert.match(transcript, /java21/);
});

test('a parameter without a value is refused by name, and with one it is served', async (t) => {
    const behind = await backend(t, { body: 'served' });
    const project = api({
        parameters: { BackendUrl: { Type: 'String' } },
        routes: { 'GET /x': { ...http('http://a/x'), uri: { 'Fn::Sub': '${BackendUrl}/x' } } },
    });
    const { code, transcript } = await refusal(t, project);
    assert.equal(code, 1, transcript);
    assert.match(transcript, /template\.yaml:\d+:\d+: error: .*BackendUrl/);
    const gw = await start(t, project, { params: { BackendUrl: behind.url } });
    assert.equal((await gw.get('/x')).body, 'served');
});

test('a wrong use of the command line is exit 2 and says which', async (t) => {
    const wrong = await refusal(t, valid(), { args: ['--no-such-flag'] });
    assert.equal(wrong.code, 2);
    assert.match(wrong.transcript, /--no-such-flag/);
    assert.equal((await refusal(t, valid(), { args: ['--param', 'nonsense'] })).code, 2);
    assert.equal((await refusal(t, valid(), { args: ['--workers', '0'] })).code, 2);
    assert.equal((await refusal(t, valid(), { args: ['--account', '12'] })).code, 2);
    assert.equal((await refusal(t, valid(), { gateway: 'nonsense' })).code, 2);
});

test('a port in use is refused with its address', async (t) => {
    const taken = net.createServer();
    await new Promise((resolve) => taken.listen(0, '127.0.0.1', resolve));
    t.after(() => taken.close());
    const { port } = taken.address();
    const { code, transcript } = await refusal(t, valid(), { gateway: `127.0.0.1:${port}` });
    assert.equal(code, 1);
    assert.match(transcript, new RegExp(`${port}`));
    assert.match(transcript, /in use/i);
});

test('two daemons do not share one state folder', async (t) => {
    const gw = await start(t, valid());
    const { code, transcript } = await refusal(t, valid(), { args: ['--state', gw.state] });
    assert.equal(code, 1, transcript);
    assert.equal((await gw.get('/x')).status, 401);
    assert.equal((await gw.ropeline('logs')).code, 0);
});

test('no node is said at the start', async (t) => {
    const { code, transcript } = await refusal(t, valid(), {
        env: { PATH: '/nonexistent', ROPELINE_NODE: '' },
    });
    assert.equal(code, 1, transcript);
    assert.match(transcript, /node/i);
});
