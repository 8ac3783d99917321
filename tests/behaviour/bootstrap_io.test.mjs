/* SPDX-License-Identifier: Apache-2.0
 * What leaves and enters a Node function's process: Runtime API bytes, log frames, streamed
 * responses. The other end is this process in the daemon's place; one test per behaviour.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { start } from '../lib/running_function.mjs';

const CJS = 'exports.handler = async () => "found";';

/* ---- the wire ---- */

test('wire: an answer and the request for the next event leave in one write', async (t) => {
    const fn = start(t, CJS);
    await fn.give();
    const answer = await fn.request();
    const next = await fn.request();
    assert.equal(next.method, 'GET');
    assert.equal(next.read, answer.read);
});

test('wire: 6 MiB there and back', async (t) => {
    const fn = start(t, 'exports.handler = async (event) => event;');
    const event = { ascii: 'a'.repeat(3 << 20), wide: 'é'.repeat(3 << 19) };
    assert.deepEqual(await fn.result(event), event);
    assert.deepEqual(await fn.result({ small: 1 }), { small: 1 });
});

test('wire: an event may come byte by byte', async (t) => {
    const fn = start(t, 'exports.handler = async (event) => event;');
    await fn.request();
    for (const byte of fn.eventBytes({ a: 'é' }, {})) {
        fn.api.write(Buffer.from([byte]));
        await new Promise((ok) => setImmediate(ok));
    }
    assert.equal((await fn.request()).body, '{"a":"é"}');
});

test('wire: answer and next event may come in one piece', async (t) => {
    const fn = start(t, 'exports.handler = async (event) => event;');
    await fn.give({ n: 1 });
    assert.equal((await fn.request()).body, '{"n":1}');
    await fn.request();
    fn.api.write(Buffer.concat([
        Buffer.from('HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n'), fn.eventBytes({ n: 2 }),
    ]));
    assert.equal((await fn.request()).body, '{"n":2}');
});

test('wire: a result refused as too large is not the end of the function', async (t) => {
    const fn = start(t, 'exports.handler = async (event) => event;');
    await fn.give({ n: 1 });
    await fn.request();
    fn.api.write('HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n');
    assert.deepEqual(await fn.result({ n: 2 }), { n: 2 });
});

const badReplies = {
    'chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'no length': 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}',
    'a folded header': 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\n{}',
    'not HTTP': 'hello\r\n\r\n',
    'no request id': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}',
    'an endless head': `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(1 << 17)}`,
};
for (const [name, bytes] of Object.entries(badReplies)) {
    test(`wire: a reply with ${name} ends the process`, async (t) => {
        const fn = start(t, CJS);
        await fn.request();
        fn.api.write(bytes);
        assert.equal(await fn.exited, 1);
        assert.equal(fn.logged[0].level, 'FATAL');
    });
}

/* ---- the log ---- */

const EACH_LEVEL = `exports.handler = async () => {
    for (const level of ['trace', 'debug', 'info', 'log', 'warn', 'error', 'fatal']) {
        console[level]('%s is', level, 1);
    }
};`;
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'INFO', 'WARN', 'ERROR', 'FATAL'];

test('log: each console function is a frame with its level and time', async (t) => {
    const fn = start(t, EACH_LEVEL);
    await fn.result();
    const frames = await fn.logs(LEVELS.length);
    assert.deepEqual(frames.map((frame) => frame.level), LEVELS);
    const [first] = frames;
    assert.equal(first.form, 'text');
    assert.equal(first.text, `${new Date(first.time).toISOString()}\tid-1\tTRACE\ttrace is 1\n`);
    assert.equal(fn.stdout, '');
});

test('log: a message of several lines is one frame, before init ends without an id', async (t) => {
    const fn = start(t, `console.log('one\\ntwo'); ${CJS}`);
    await fn.result();
    await fn.stop();
    assert.equal(fn.logged.length, 1);
    assert.match(fn.logged[0].text, /Z\tundefined\tINFO\tone\ntwo\n$/);
});

test('log: levels below the chosen one are left out', async (t) => {
    const fn = start(t, EACH_LEVEL, { AWS_LAMBDA_LOG_LEVEL: 'warn' });
    await fn.result();
    await fn.stop();
    assert.deepEqual(fn.logged.map((frame) => frame.level), ['WARN', 'ERROR', 'FATAL']);
});

test('log: stdout and stderr stay raw', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        process.stdout.write('out\\n'); process.stderr.write('err\\n'); };`);
    await fn.result();
    await fn.stop();
    assert.deepEqual([fn.stdout, fn.stderr], ['out\n', 'err\n']);
});

test('log: without a log descriptor each message is a line on stdout', async (t) => {
    const fn = start(t, `exports.handler = async () => console.log('one\\ntwo');`,
        { _LAMBDA_TELEMETRY_LOG_FD: undefined });
    await fn.result();
    await fn.stop();
    assert.match(fn.stdout, /^\S+Z\tid-1\tINFO\tone\rtwo\n$/);
});

test('log: a full pipe delays the function and loses nothing', async (t) => {
    const fn = start(t, `new (require('net').Socket)({ fd: 4 }).unref(); // makes it non-blocking
        exports.handler = async () => console.log('x'.repeat(4 << 20));`);
    fn.log.pause();
    setTimeout(() => fn.log.resume(), 300);
    await fn.result();
    await fn.stop();
    assert.ok(fn.logged[0].text.endsWith(`${'x'.repeat(4 << 20)}\n`));
});

const JSON_LOG = { AWS_LAMBDA_LOG_FORMAT: 'JSON' };
const jsonLogs = [
    ['one text', `console.log('hello')`, { level: 'INFO', message: 'hello' }],
    ['one object', `console.warn({ a: [1] })`, { level: 'WARN', message: { a: [1] } }],
    ['several values', `console.log('a %d', 1, { b: 2 })`,
        { level: 'INFO', message: 'a 1 { b: 2 }' }],
    ['a circular object', `const a = { n: 1 }; a.a = a; console.log(a)`,
        { level: 'INFO', message: '<ref *1> { n: 1, a: [Circular *1] }' }],
];
for (const [name, code, expected] of jsonLogs) {
    test(`log as JSON: ${name}`, async (t) => {
        const fn = start(t, `exports.handler = async () => { ${code}; };`, JSON_LOG);
        await fn.result({}, { 'Lambda-Runtime-Aws-Tenant-Id': 't' });
        const [frame] = await fn.logs(1);
        const { timestamp, ...record } = JSON.parse(frame.text);
        assert.equal(frame.form, 'json');
        assert.equal(timestamp, new Date(frame.time).toISOString());
        assert.deepEqual(record, { requestId: 'id-1', tenantId: 't', ...expected });
    });
}

test('log as JSON: errors have a type, a message and a stack', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        console.error('got', new RangeError('r')); console.error(new TypeError('t'));
        throw Object.assign(new Error('thrown'), { code: 5 }); };`, JSON_LOG);
    await fn.error();
    const [got, alone, thrown] = (await fn.logs(3)).map((frame) => JSON.parse(frame.text));
    assert.deepEqual([got.errorType, got.errorMessage, got.stackTrace[0]],
        ['RangeError', 'r', 'RangeError: r']);
    assert.match(got.message, /^got RangeError: r\n/);
    assert.equal(alone.message.errorType, 'TypeError');
    assert.deepEqual([thrown.message.errorMessage, thrown.message.code], ['thrown', 5]);
});

/* ---- response streaming ---- */

const streamed = (code) => `const { pipeline } = require('stream/promises');
    exports.handler = awslambda.streamifyResponse(${code});`;

test('streaming: chunks, with the response mode in the header', async (t) => {
    const fn = start(t, streamed(`async (event, stream) => {
        stream.setContentType('text/plain');
        stream.write('one '); stream.write(''); stream.write({ two: 2 }); stream.end(' three');
    }`));
    for (let i = 0; i < 2; i++) {
        const answer = await fn.invoke();
        assert.equal(answer.kind, 'response');
        assert.equal(answer.body, 'one {"two":2} three');
        assert.equal(answer.headers['lambda-runtime-function-response-mode'], 'streaming');
        assert.equal(answer.headers['content-type'], 'text/plain');
        assert.deepEqual(answer.trailers, {});
    }
});

test('streaming: an HTTP prelude, also before an empty body', async (t) => {
    const fn = start(t, streamed(`async (event, stream) => {
        stream = awslambda.HttpResponseStream.from(stream, { statusCode: 201 });
        stream.end(event.body); }`));
    const answer = await fn.invoke({ body: 'made' });
    assert.equal(answer.body, `{"statusCode":201}${'\0'.repeat(8)}made`);
    assert.equal(answer.headers['content-type'],
        'application/vnd.awslambda.http-integration-response');
    assert.equal((await fn.invoke({})).body, `{"statusCode":201}${'\0'.repeat(8)}`);
});

test('streaming: 6 MiB through a pipeline with back pressure', async (t) => {
    const fn = start(t, streamed(`async (event, stream) => {
        const parts = Array.from({ length: 96 }, (_, i) => String(i % 10).repeat(65536));
        await pipeline(require('stream').Readable.from(parts), stream); }`));
    assert.equal((await fn.invoke()).body.length, 6 << 20);
});

const brokenStreams = [
    ['throws midway', `stream.write('part'); throw new TypeError('no');`, 'TypeError', 'no'],
    ['never ends its stream', `stream.write('part');`, 'Error', 'Response stream is not finished.'],
    ['never settles', `stream.write('part'); await new Promise(() => {});`, 'Runtime.NodeJsExit'],
    ['destroys its stream', `stream.write('part'); stream.destroy();`, 'Error',
        'Response stream is not finished.'],
];
for (const [name, code, type, message] of brokenStreams) {
    test(`streaming: a handler that ${name} ends with error trailers`, async (t) => {
        const fn = start(t, streamed(`async (event, stream) => { ${code} }`));
        for (let i = 0; i < 2; i++) {
            const { body, trailers } = await fn.invoke();
            assert.equal(body, 'part');
            assert.equal(trailers['lambda-runtime-function-error-type'], type);
            const error = JSON.parse(Buffer.from(trailers['lambda-runtime-function-error-body'],
                'base64'));
            assert.equal(error.errorType, type);
            assert.ok(message === undefined || error.errorMessage === message);
        }
        assert.match((await fn.logs(1))[0].text, /ERROR\tInvoke Error \t/);
    });
}

test('streaming: an error before the first byte is an ordinary error', async (t) => {
    const fn = start(t, streamed(`async () => { throw new Error('early'); }`));
    assert.equal((await fn.error()).errorMessage, 'early');
    assert.equal((await fn.error()).errorMessage, 'early');
});

test('streaming: a handler that is not async is refused', async (t) => {
    const error = await start(t, streamed('() => {}')).error();
    assert.equal(error.errorMessage, 'Streaming does not support non-async handlers.');
});

test('streaming: an uncaught exception midway is told in the trailers, exit 129', async (t) => {
    const fn = start(t, streamed(`async (event, stream) => {
        stream.write('part');
        setTimeout(() => { throw new Error('x'); }, 5);
        await new Promise((ok) => setTimeout(ok, 10000)); }`));
    const { trailers } = await fn.invoke();
    assert.equal(trailers['lambda-runtime-function-error-type'], 'Error');
    assert.equal(await fn.exited, 129);
});

test('streaming: what a failed handler still writes goes nowhere', async (t) => {
    const fn = start(t, streamed(`async (event, stream, context) => {
        context.callbackWaitsForEmptyEventLoop = false;
        stream.on('error', () => {});
        if (event.begin) { stream.write('part'); }
        setTimeout(() => stream.write('late'), 10);
        throw new Error('x'); }`));
    for (const begin of [true, false, true, false]) {
        const answer = await fn.invoke({ begin });
        assert.equal(answer.kind, begin ? 'response' : 'error');
        await new Promise((ok) => setTimeout(ok, 15));
    }
});

test('streaming: a handler that returns after its event is over asks for nothing', async (t) => {
    const fn = start(t, streamed(`async (event, stream) => {
        globalThis.free?.();
        stream.end(event.text);
        await new Promise((ok) => { globalThis.free = ok; });
    }`));
    assert.equal((await fn.invoke({ text: 'a' })).body, 'a');
    assert.equal((await fn.invoke({ text: 'b' })).body, 'b');
    assert.equal((await fn.invoke({ text: 'c' })).body, 'c');
    await fn.request();
    await new Promise((ok) => setTimeout(ok, 20));
    assert.equal(fn.requests.ready.length, 0);
});

test('streaming: AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA leaves the global out', async (t) => {
    const fn = start(t, 'exports.handler = async () => typeof awslambda;',
        { AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA: 'true' });
    assert.equal(await fn.result(), 'undefined');
});
