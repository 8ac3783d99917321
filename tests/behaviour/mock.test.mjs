/* SPDX-License-Identifier: Apache-2.0
 * MOCK integrations: answers without a backend.
 */
import assert from 'node:assert/strict';
import { refusal, start, test } from '../lib/daemon.mjs';
import { OBEDIENT, api, mock, open, token } from '../lib/template.mjs';

test("status, body and headers are the template's", async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': mock(200, '{"ok": true}', {
                    'X-A': 'one two',
                    'Access-Control-Allow-Origin': '*',
                }),
                'GET /teapot': mock(418, 'short and stout', { 'Content-Type': 'text/plain' }),
                'GET /empty': mock(204),
            },
        }),
    );
    const answer = await gw.get('/x');
    assert.equal(answer.status, 200);
    assert.equal(answer.body, '{"ok": true}');
    assert.equal(answer.headers['x-a'], 'one two');
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    assert.equal(answer.headers['content-type'], 'application/json');
    assert.match(answer.headers['x-amzn-requestid'], /^[0-9a-f-]{36}$/);
    const teapot = await gw.get('/teapot');
    assert.deepEqual(
        [teapot.status, teapot.body, teapot.headers['content-type']],
        [418, 'short and stout', 'text/plain'],
    );
    assert.equal((await gw.get('/empty')).status, 204);
});

test('an OPTIONS mock answers a preflight without the authorizer', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(OBEDIENT),
            routes: {
                'GET /x': mock(),
                'OPTIONS /x': open(
                    mock(200, '', { 'Access-Control-Allow-Methods': 'GET,OPTIONS' }),
                ),
            },
        }),
    );
    const preflight = await gw.request('OPTIONS', '/x', {
        headers: { Origin: 'http://a', 'Access-Control-Request-Method': 'GET' },
    });
    assert.equal(preflight.status, 200);
    assert.equal(preflight.headers['access-control-allow-methods'], 'GET,OPTIONS');
    assert.equal((await gw.get('/x')).status, 401);
    assert.equal(gw.calls().length, 0);
});

test('a preflight that an authorizer guards is 401', async (t) => {
    const gw = await start(
        t,
        api({ authorizer: token(OBEDIENT), routes: { 'OPTIONS /x': mock() } }),
    );
    assert.equal((await gw.request('OPTIONS', '/x')).status, 401);
});

test('the response whose pattern matches the status is chosen', async (t) => {
    const chosen = {
        ...mock(200),
        responses: {
            default: { statusCode: '200', responseTemplates: { 'application/json': 'default' } },
            404: { statusCode: '404', responseTemplates: { 'application/json': 'gone' } },
        },
    };
    const gw = await start(
        t,
        api({
            routes: {
                'GET /a': chosen,
                'GET /b': {
                    ...chosen,
                    requestTemplates: { 'application/json': '{"statusCode": 404}' },
                },
            },
        }),
    );
    assert.equal((await gw.get('/a')).body, 'default');
    const gone = await gw.get('/b');
    assert.deepEqual([gone.status, gone.body], [404, 'gone']);
});

test('a template that would need Velocity is refused by name, not served wrong', async (t) => {
    const { code, transcript } = await refusal(
        t,
        api({
            routes: {
                'GET /x': mock(200, '#set($a = 1){"id": "$context.requestId"}'),
            },
        }),
    );
    if (code !== null) {
        assert.equal(code, 1, transcript);
        assert.match(transcript, /template\.yaml:\d+:\d+: error: /);
    }
});

test('a body that is sent to a mock is not read as the next request', async (t) => {
    const gw = await start(t, api({ routes: { 'POST /x': mock(200, 'mock') } }));
    const smuggled = 'GET /dev/admin HTTP/1.1\r\nHost: a\r\n\r\n';
    const { responses } = await gw.raw(
        `POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}` +
            'POST /dev/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
        { responses: 2 },
    );
    assert.deepEqual(
        responses.map(({ text }) => text),
        ['mock', 'mock'],
    );
});
