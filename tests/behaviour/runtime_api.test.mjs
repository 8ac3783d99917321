/* SPDX-License-Identifier: Apache-2.0
 * The Runtime API as a client sees it that makes mistakes, or means harm: codes, texts, and what
 * becomes of the invocation.
 */
import assert from 'node:assert/strict';
import { eventually, start, test } from '../lib/daemon.mjs';
import { post, RAW_RUNTIME, told } from '../lib/raw_runtime.mjs';
import { api, lambda } from '../lib/template.mjs';

const plain = (what, body, headers = '') => ({ send: post(what, `${headers}Content-Length: ${body.length}\r\n`, body) });
const get = (path, method = 'GET', body = '') => ({ send: `${method} ${path} HTTP/1.1\r\nHost: a\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}` });
const OK = '{"statusCode":200,"body":"{}"}';

/** One function for all: what is asked leaves it as it was. */
const project = api({ routes: { 'POST /a': lambda(undefined,
    { runtime: 'provided.al2023', files: { bootstrap: RAW_RUNTIME } }) } });

test('runtime API: codes and texts', async (t) => {
    const gw = await start(t, project);
    const rows = [
        ['another event', plain('response', 'x').send.replace('$ID', '8f507cfc-xmpl-4697-b07a-ac58fc914c95'),
            400, 'InvalidRequestID'],
        ['the error of another event', plain('error', '{}').send.replace('$ID', 'x'), 400, 'InvalidRequestID'],
        ['no event', plain('response', 'x').send.replace('$ID', ''), 400, 'InvalidRequestID'],
        ['init is over', get('$API/init/error', 'POST', '{}').send, 403, 'InvalidStateTransition'],
        ['a second GET next', get('$API/invocation/next').send, 403, 'InvalidStateTransition'],
        ['restore', get('$API/restore/next').send, 403, 'InvalidStateTransition'],
        ['restore error', get('$API/restore/error', 'POST', '{}').send, 403, 'InvalidStateTransition'],
        ['an extension', get('/2020-01-01/extension/register', 'POST', '{"events":[]}').send, 404, 'NotFound'],
        ['its next event', get('/2020-01-01/extension/event/next').send, 404, 'NotFound'],
        ['the Logs API', get('/2020-08-15/logs', 'PUT', '{}').send, 202, 'Logs.NotSupported'],
        ['the Telemetry API', get('/2022-07-01/telemetry', 'PUT', '{}').send, 202, 'Telemetry.NotSupported'],
        ['credentials', get('/2021-04-23/credentials').send, 404, 'NotFound'],
        ['nowhere', get('$API/nowhere').send, 404, 'NotFound'],
        ['another method', get('$API/invocation/next', 'POST').send, 404, 'NotFound'],
        ['a path that climbs', get('$API/invocation/../invocation/next').send, 404, 'NotFound'],
        ['a request that is none', 'nonsense\r\n\r\n', 400, 'InvalidRequest'],
    ];
    const { now } = await told(gw, '/a', { steps: rows.map(([, send]) => ({ send })) });
    for (const [i, [name, , status, type]] of rows.entries()) {
        assert.equal(now[i].status, status, name);
        const { errorType, errorMessage } = JSON.parse(now[i].body);
        assert.equal(errorType, type, name);
        assert.ok(errorMessage.length > 0, name);
    }
    const { now: [ping] } = await told(gw, '/a', { steps: [get('/2018-06-01/ping')] });
    assert.deepEqual(ping, { status: 200, body: '"pong"' });
});

test('runtime API: twice, too large, in another mode, with a mebibyte of a header, in 200,000 chunks', async (t) => {
    const gw = await start(t, project);
    const ended = async (steps) => {
        const before = gw.calls('Function0').length;
        const { status } = await told(gw, '/a', { steps });
        await eventually('it has done all', () => gw.calls('Function0').length > before);
        return { status, got: gw.calls('Function0').at(-1) };
    };
    const twice = await ended([plain('response', OK), plain('response', OK), plain('error', '{}')]);
    assert.equal(twice.status, 200);
    assert.deepEqual(twice.got.map(({ status }) => status), [202, 403, 403]);
    assert.equal(twice.got[0].body, '{"status":"OK"}\n');

    const large = await ended([{ send: post('response', 'Content-Length: 6291557\r\n', '$REPEAT'), repeat: 'x', times: 6291557 }]);
    assert.equal(large.status, 502);
    assert.equal(large.got[0].status, 413);
    assert.deepEqual(JSON.parse(large.got[0].body), { errorType: 'RequestEntityTooLarge',
        errorMessage: 'Exceeded maximum allowed payload size (6291556 bytes).' });

    const largest = await ended([{ send: post('response', 'Content-Length: 6291556\r\n', '$REPEAT'), repeat: ' ', times: 6291556 }]);
    assert.equal(largest.got[0].status, 202);

    const mode = await ended([plain('response', OK, 'Lambda-Runtime-Function-Response-Mode: odd\r\n')]);
    assert.equal(mode.status, 502);
    assert.equal(mode.got[0].status, 400);
    assert.equal(JSON.parse(mode.got[0].body).errorType, 'InvalidFunctionResponseMode');

    const error = await ended([{ send: post('error', 'Lambda-Runtime-Function-Error-Type: Function.Own\r\n' +
        'Lambda-Runtime-Function-XRay-Error-Cause: {"x":"$REPEAT"}\r\nContent-Length: 2\r\n', '{}'),
        repeat: 'c', times: 1 << 20 }]);
    assert.equal(error.status, 502);
    assert.equal(error.got[0].status, 202);

    const many = await ended([{ send: post('response', 'Transfer-Encoding: chunked\r\n',
        `${[...OK].map((c) => `1\r\n${c}\r\n`).join('')}$REPEAT0\r\n\r\n`), repeat: '1\r\n \r\n', times: 200_000 }]);
    assert.equal(many.status, 200);
    assert.equal(many.got[0].status, 202);
});

/** What the caller of one invocation gets whose function does these steps. */
async function invoked(gw, ...steps) {
    gw.write('event.json', JSON.stringify({ body: JSON.stringify({ steps }) }));
    const { stdout } = await gw.ropeline('invoke', 'Function0', '--event', `${gw.dir}/event.json`, '--json');
    const { outcome, answer } = JSON.parse(stdout);
    return [outcome, answer];
}
const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64');
const streamed = (body, trailers) => ({ send: post('response', 'Lambda-Runtime-Function-Response-Mode: streaming\r\n' +
    'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\nTransfer-Encoding: chunked\r\n',
    `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n${trailers}\r\n`) });

test('runtime API: what the caller gets of errors', async (t) => {
    const gw = await start(t, project);
    const failed = (answer) => ['FUNCTION_ERROR', answer];
    const own = '{"errorMessage":"no","errorType":"Own","x":1}';
    const cause = 'Content-Type: application/vnd.aws.lambda.error.cause+json\r\n';
    const rows = [
        ['as it is', plain('error', own), failed(own)],
        ['no JSON', plain('error', 'oh no'), failed('oh no')],
        ['nothing', plain('error', ''), failed('')],
        ['without its cause', plain('error', '{"errorCause":{"exceptions":[]},"errorType":"T","errorMessage":"m"}', cause),
            failed('{"errorMessage":"m","errorType":"T"}')],
        ['a cause that is none', plain('error', 'oh no', cause), failed('"Invalid error body"')],
        ['midway', streamed('{"half":', 'Lambda-Runtime-Function-Error-Type: Function.Own\r\n' +
            `Lambda-Runtime-Function-Error-Body: ${base64({ errorMessage: 'midway' })}\r\n`),
            failed('{"errorMessage":"midway"}')],
        ['midway, without a body', streamed('{"half":', 'Lambda-Runtime-Function-Error-Type: Function.Own\r\n'),
            failed('{"errorType":"Runtime.StreamError","errorMessage":"the response stream failed"}')],
        ['an unknown mode', plain('response', '{}', 'Lambda-Runtime-Function-Response-Mode: odd\r\n'),
            failed('{"errorType":"Runtime.InvalidResponseModeHeader","errorMessage":"Invalid function response mode"}')],
        ['too large', { send: post('response', 'Transfer-Encoding: chunked\r\n', '$REPEAT0\r\n\r\n'), repeat: `10000\r\n${'x'.repeat(65536)}\r\n`, times: 97 },
            failed('{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",' +
                '"errorType":"Function.ResponseSizeTooLarge"}')],
        ['an HTTP prelude is part of it', streamed('{"statusCode":201}\0\0\0\0\0\0\0\0body', ''),
            ['OK', '{"statusCode":201}\0\0\0\0\0\0\0\0body']],
    ];
    for (const [name, step, expected] of rows) {
        assert.deepEqual(await invoked(gw, step), expected, name);
    }
    const { stdout } = await gw.ropeline('logs', 'Function0');
    assert.match(stdout, /Status: error\tError Type: Function\.Own/);
    assert.match(stdout, /Status: error\tError Type: Runtime\.InvalidResponseModeHeader/);
    assert.match(stdout, /Status: error\tError Type: Function\.ResponseSizeTooLarge/);
});

test('runtime API: a header of several megabytes costs its connection, and not the invocation', async (t) => {
    const gw = await start(t, project);
    const send = post('error', 'Lambda-Runtime-Function-XRay-Error-Cause: {"x":"$REPEAT"}\r\nContent-Length: 2\r\n', '{}');
    const { status, now } = await told(gw, '/a', { steps: [{ send, repeat: 'c', times: 3 << 20 }] });
    assert.equal(status, 200);
    assert.ok(now[0] === 'closed' || now[0].status === 431, JSON.stringify(now));
});

test('runtime API: a runtime that cannot start says so, and its caller hears it', async (t) => {
    const bootstrap = `#!/bin/bash
curl -s -o /dev/null -w '%{http_code} posted\\n' -H 'Lambda-Runtime-Function-Error-Type: Runtime.NoSuchThing' \
    -d '{"errorMessage":"nothing here","errorType":"NoSuchThing"}' "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/init/error"
curl -s -w ' %{http_code} after\\n' "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
exit 1`;
    const gw = await start(t, api({ routes: { 'POST /a': lambda(undefined, { runtime: 'provided.al2023', files: { bootstrap } }) } }));
    assert.deepEqual(await invoked(gw), ['FUNCTION_ERROR', '{"errorMessage":"nothing here","errorType":"NoSuchThing"}']);
    const { stdout } = await gw.ropeline('logs', 'Function0');
    assert.equal(stdout.match(/^.*202 posted$/gm).length, 2, 'once ahead, once inside the invocation');
    assert.match(stdout, /INIT_REPORT Init Duration: \S+ ms\tPhase: init\tStatus: error\tError Type: Runtime\.NoSuchThing/);
    assert.match(stdout, /INIT_REPORT Init Duration: \S+ ms\tPhase: invoke\tStatus: error\tError Type: Runtime\.NoSuchThing/);
});

test('runtime API: an answer that is cut off can be given again', async (t) => {
    const gw = await start(t, project);
    const send = post('response', 'Content-Length: 100\r\n', '{"statusCode"');
    const answer = await told(gw, '/a', { steps: [{ send, halfClose: true }, { send, wait: false }] });
    assert.equal(answer.status, 200);
    assert.equal(answer.now[0].status, 400);
    assert.equal(JSON.parse(answer.now[0].body).errorType, 'TruncatedHTTPRequest');
    assert.equal(answer.now[1], 'not waited for');
});
