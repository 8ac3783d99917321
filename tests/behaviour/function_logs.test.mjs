/* SPDX-License-Identifier: Apache-2.0
 * The logs of functions as Lambda has them: kept over restarts, followed, limited in rate, as text or
 * JSON; and whatever a function writes, one event stays one event.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { ROPELINE, eventually, start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const says = `async (event) => {
    const { say, raw } = JSON.parse(event.queryStringParameters.q);
    if (say !== undefined) console.log(say);
    if (raw !== undefined) process.stdout.write(raw);
    return { body: 'ok' };
}`;
const query = (what) => `/x?q=${encodeURIComponent(JSON.stringify(what))}`;

async function events(gw, ...args) {
    const { stdout, stderr, code } = await gw.ropeline('logs', 'Function0', '--json', ...args);
    assert.equal(code, 0, stderr);
    return stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
}
const messages = async (...args) => (await events(...args)).map(({ message }) => message);

test('the log of a function outlives the daemon, and is followed over a restart', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': lambda(says) } }));
    await gw.get(query({ say: 'in the first run' }));
    await eventually('it is reported', async () =>
        (await messages(gw)).some((text) => text.startsWith('REPORT ')),
    );
    const follow = spawn(ROPELINE, ['logs', 'Function0', '--follow', '--state', gw.state]);
    let text = '';
    follow.stdout.on('data', (data) => {
        text += data;
    });
    try {
        await eventually('the first run', () => text.includes('in the first run'));
        await gw.end();
        await gw.launch();
        await gw.ready();
        await gw.get(query({ say: 'in the second run' }));
        await eventually('the second run', () => text.includes('in the second run'));
        assert.equal(text.split('in the first run').length, 2, 'no event comes twice');
        follow.kill('SIGINT');
        assert.equal(await new Promise((resolve) => follow.on('close', (code, signal) => resolve(signal ?? code))), 'SIGINT');
    } finally {
        follow.kill('SIGKILL');
    }
    const all = await messages(gw);
    const order = ['in the first run', 'in the second run'].map((what) =>
        all.findIndex((one) => one.includes(what)),
    );
    assert.ok(order[0] >= 0 && order[0] < order[1], all.join('\n'));
    assert.equal(new Set((await events(gw)).map(({ stream }) => stream)).size, 2);
    assert.deepEqual(await messages(gw, '--filter', 'second run'), all.filter((one) => one.includes('second run')));
    assert.deepEqual(await messages(gw, '--since', '1h'), all);
    assert.equal((await gw.ropeline('logs', 'Function0', '--since', 'x')).code, 2);
});

/** The project with this in the Properties of its functions. */
function having(project, properties) {
    const template = JSON.parse(project.text);
    for (const resource of Object.values(template.Resources)) {
        if (resource.Type === 'AWS::Serverless::Function') {
            Object.assign(resource.Properties, properties);
        }
    }
    return { ...project, text: JSON.stringify(template, null, 2) };
}
const logging = (code, LoggingConfig, options) =>
    having(api({ routes: { 'GET /x': lambda(code, options) } }), { LoggingConfig });
const ended = (gw) =>
    eventually('the invocation is over', async () =>
        (await messages(gw)).some((text) => /^REPORT |"platform\.report"/.test(text)),
    );

test('what a function writes stays one event, and only a terminal gets it changed', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': lambda(says) } }));
    const forged = 'two\nREPORT RequestId: forged\r\n\u001b[2Jlines\u202e';
    await gw.get(query({ say: forged, raw: 'a\0b\r\nEND RequestId: x\n\u001b[31mred\n' }));
    await ended(gw);
    const all = await messages(gw);
    const [said] = all.filter((text) => text.includes('\tINFO\t'));
    assert.ok(said.endsWith(forged), JSON.stringify(said));
    assert.ok(all.includes('a\ufffdb'), JSON.stringify(all));
    assert.equal(all.filter((text) => text.startsWith('REPORT RequestId: forged')).length, 0);
    const { stdout } = await gw.ropeline('logs', 'Function0');
    assert.doesNotMatch(stdout, /[\x00-\x08\x0b-\x1f\x7f\u202e]/);
});

test('a line of a megabyte comes in pieces, a message of one is cut, and both end the invocation as it should', async (t) => {
    const code = `async () => {
        const { writeSync } = require('node:fs');
        const line = Buffer.from('r'.repeat(1 << 20) + '\\r\\nafter\\r\\n');
        for (let n = 0; n < line.length;) n += writeSync(1, line, n);
        console.log('m'.repeat(1 << 20));
        return { body: 'ok' };
    }`;
    const gw = await start(t, api({ routes: { 'GET /x': lambda(code) } }));
    assert.equal((await gw.get('/x')).status, 200);
    await ended(gw);
    const all = await messages(gw, '--since', '1h');
    const pieces = all.filter((text) => /^r+$/.test(text));
    assert.ok(pieces.every((text) => Buffer.byteLength(text) <= 256 * 1024));
    assert.equal(pieces.join('').length, 1 << 20);
    assert.ok(all.includes('after'), 'CRLF is not part of a line');
    const [said] = all.filter((text) => text.includes('\tINFO\t'));
    assert.ok(said.length > 200_000 && said.length <= 256 * 1024, `${said.length}`);
    assert.match(all.at(-1), /^REPORT RequestId: /);
});

test('a function that never stops writing is cut, counted, and in nobody else\'s way', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /flood': lambda(`async () => {
                    const { writeSync } = require('node:fs');
                    const line = Buffer.alloc(1 << 16, 'x'.repeat(127) + '\\n');
                    for (let n = 0; n < 8 << 20;) {
                        try { n += writeSync(1, line); } catch { await sleep(1); }
                    }
                    return { body: 'ok' };
                }`, { timeout: 30 }),
                'GET /calm': lambda(`async () => ({ body: 'ok' })`),
            },
        }),
        { args: ['--log-rate', '65536'] },
    );
    await gw.get('/calm');
    const flood = gw.get('/flood');
    const times = [];
    for (let i = 0; i < 40; i++) {
        const began = performance.now();
        assert.equal((await gw.get('/calm')).status, 200);
        times.push(performance.now() - began);
    }
    assert.equal((await flood).status, 200);
    times.sort((a, b) => a - b);
    assert.ok(times[20] < 50 * (process.env.ROPELINE_TEST_PATIENCE ?? 1), `median ${times[20]} ms`);
    await ended(gw);
    const dropped = await messages(gw, '--since', '1h', '--filter', ' bytes) dropped: ');
    const bytes = dropped.reduce((sum, text) => sum + Number(/\((\d+) bytes/.exec(text)[1]), 0);
    assert.ok(bytes > 6e6, `${dropped}`);
    assert.match(await gw.metrics(), /ropeline_lambda_log_events_dropped_total\{reason="rate"\} \d{5}/);
    assert.match(await gw.metrics(), /ropeline_lambda_invocations_total 42/);
});

test('a log in JSON has the events of the platform and the records of the function', async (t) => {
    const gw = await start(
        t,
        logging(says, { LogFormat: 'JSON', SystemLogLevel: 'DEBUG', ApplicationLogLevel: 'WARN' }),
    );
    await gw.get(query({ say: 'below the level', raw: '{"level":"error","a":1}\n{"level":"info"}\nplain\n' }));
    await ended(gw);
    const all = (await messages(gw)).map((text) => JSON.parse(text));
    const types = all.map(({ type, level }) => type ?? level);
    assert.deepEqual(types, [
        'platform.initStart',
        'platform.initRuntimeDone',
        'platform.initReport',
        'platform.start',
        'error',
        'platform.runtimeDone',
        'platform.report',
    ]);
    const { record } = all.find(({ type }) => type === 'platform.report');
    assert.equal(record.status, 'success');
    assert.equal(record.metrics.memorySizeMB, 128);
    assert.ok(record.metrics.initDurationMs > 0 && record.metrics.durationMs > 0);
    assert.equal(record.metrics.billedDurationMs, Math.ceil(record.metrics.durationMs));
    const begun = all.find(({ type }) => type === 'platform.start').record;
    assert.deepEqual(begun.version, '$LATEST');
    assert.equal(begun.requestId, record.requestId);
});

test('a record in JSON is what console.* says, with its level and the request', async (t) => {
    const gw = await start(
        t,
        logging(
            `async () => {
                console.debug('too low');
                console.log({ order: 7 });
                console.error(new RangeError('as asked'));
                throw new TypeError('and ended');
            }`,
            { LogFormat: 'JSON', SystemLogLevel: 'WARN' },
        ),
    );
    assert.equal((await gw.get('/x')).status, 502);
    await ended(gw);
    const all = (await messages(gw)).map((text) => JSON.parse(text));
    const [order, asked, threw, ...ours] = all;
    assert.deepEqual(order.message, { order: 7 });
    assert.equal(order.level, 'INFO');
    assert.match(order.requestId, /^[0-9a-f-]{36}$/);
    assert.deepEqual([asked.level, asked.message.errorType, asked.message.errorMessage], ['ERROR', 'RangeError', 'as asked']);
    assert.equal(threw.message.errorType, 'TypeError');
    assert.deepEqual(
        ours.map(({ type, record }) => [type, record.status]),
        [['platform.runtimeDone', 'error'], ['platform.report', 'error']],
    );
});

test('a timeout and an end of the process are told in JSON too', async (t) => {
    const gw = await start(
        t,
        logging(`async () => { process.exit(3); }`, { LogFormat: 'JSON' }, { timeout: 1 }),
    );
    await gw.get('/x');
    await ended(gw);
    const all = (await messages(gw)).map((text) => JSON.parse(text));
    const error = all.find(({ level }) => level === 'ERROR');
    assert.deepEqual([error.errorType, error.message], ['Runtime.ExitError', 'Runtime exited with error: exit status 3']);
    const { record } = all.find(({ type }) => type === 'platform.report');
    assert.deepEqual([record.status, record.errorType], ['error', 'Runtime.ExitError']);
});

test('functions may share a group, and each has its own log in it', async (t) => {
    const code = `async (event, context) => {
        console.log('I am ' + context.functionName);
        return { body: context.logGroupName + ' ' + context.logStreamName };
    }`;
    const gw = await start(
        t,
        having(api({ routes: { 'GET /x': lambda(code), 'GET /y': lambda(code) } }), {
            LoggingConfig: { LogGroup: 'shared/group' },
        }),
    );
    const { body } = await gw.get('/x');
    assert.match(body, /^shared\/group \d{4}\/\d\d\/\d\d\/Function0\[\$LATEST\][0-9a-f]{32}$/);
    await gw.get('/y');
    await ended(gw);
    const own = await events(gw);
    assert.ok(own.some(({ message }) => message.includes('I am Function0')));
    assert.ok(!own.some(({ message }) => message.includes('I am Function1')));
    assert.equal(own[0].stream, body.split(' ')[1]);
});

test('invoke --log shows the log of that invocation, its end included', async (t) => {
    const gw = await start(
        t,
        api({ routes: { 'GET /x': lambda(`async () => { console.log('x'.repeat(5000)); return 1; }`) } }),
    );
    for (let i = 0; i < 2; i++) {
        const { stdout, stderr, code } = await gw.ropeline('invoke', 'Function0', '--log');
        assert.equal(code, 0);
        assert.equal(stdout, '1\n');
        assert.match(stderr, /^x+\nEND RequestId: [0-9a-f-]{36}\nREPORT RequestId: [^\n]*\n$/);
        assert.ok(stderr.length <= 4096);
    }
});

test('check refuses a LoggingConfig that AWS would', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': lambda(says) } }));
    for (const [config, text] of [
        [{ LogFormat: 'XML' }, /LogFormat is Text or JSON/],
        [{ ApplicationLogLevel: 'DEBUG' }, /ApplicationLogLevel needs LogFormat: JSON/],
        [{ LogFormat: 'JSON', SystemLogLevel: 'FATAL' }, /SystemLogLevel is DEBUG, INFO or WARN/],
        [{ LogGroup: 'a b' }, /LogGroup is 1 to 512/],
    ]) {
        gw.write('other.yaml', logging(says, config).text);
        const { code, all } = await gw.ropeline('check', 'other.yaml');
        assert.equal(code, 1, all);
        assert.match(all, text);
    }
});

test('a damaged log store stops nothing', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': lambda(says) } }));
    await gw.end();
    const { writeFileSync, rmSync } = await import('node:fs');
    rmSync(`${gw.state}/observe.db-wal`, { force: true });
    writeFileSync(`${gw.state}/observe.db`, 'no database'.repeat(1000));
    await gw.launch();
    await gw.ready();
    assert.equal((await gw.get(query({ say: 'still here' }))).status, 200);
    await ended(gw);
    assert.ok((await messages(gw)).some((text) => text.includes('still here')));
    assert.match(gw.transcript, /function logs are not kept: .*observe\.db/);
});
