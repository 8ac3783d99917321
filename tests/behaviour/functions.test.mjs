/* SPDX-License-Identifier: Apache-2.0
 * Functions at their worst: whatever one does, its own request fails and the next one works. And
 * what can be seen of them: logs, invoke.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { ROPELINE, eventually, ropeline, start, test } from '../lib/daemon.mjs';
import { api, fn, lambda, mock, open, token } from '../lib/template.mjs';

const ALLOW = `({ principalId: 'ana', policyDocument: policy(statement('Allow', '*')) })`;
const misdeeds = {
    'exits at once': `process.exit(0)`,
    'exits with an error': `process.exit(7)`,
    'kills itself': `process.kill(process.pid, 'SIGKILL')`,
    aborts: `process.abort()`,
    'throws from a timer': `await new Promise(() => setTimeout(() => { throw new Error('later'); }, 1))`,
    'leaves a rejection unhandled': `(Promise.reject(new Error('nobody waits')), await sleep(5000))`,
    'runs out of stack': `(function f() { f(); })()`,
    'loops for ever': `(() => { for (;;); })()`,
    'never answers': `await new Promise(() => {})`,
    'answers with a circle': `(() => { const a = {}; a.a = a; return a; })()`,
    'answers with a BigInt': `({ n: 1n })`,
    'answers 10 MB': `({ ...${ALLOW}, principalId: 'x'.repeat(10_000_000) })`,
    'closes its descriptors': `(() => {
        for (let fd = 3; fd < 30; fd++) try { require('node:fs').closeSync(fd); } catch {}
    })()`,
    'talks on its descriptors': `(() => {
        const { writeSync } = require('node:fs');
        for (const fd of [3, 4]) try { writeSync(fd, 'nonsense\\r\\n\\r\\n'); } catch {}
    })()`,
};
for (const [name, deed] of Object.entries(misdeeds)) {
    test(`an authorizer that ${name} fails its own request and not the next`, async (t) => {
        const gw = await start(
            t,
            api({
                authorizer: token(
                    `async (event) => event.authorizationToken === 'bad' ? ${deed} : ${ALLOW}`,
                    { timeout: 2 },
                ),
                routes: { 'GET /x': mock() },
            }),
        );
        assert.equal((await gw.get('/x', { token: 'good' })).status, 200);
        for (let i = 0; i < 2; i++) {
            const bad = await gw.get('/x', { token: 'bad' });
            assert.equal(bad.status, 500);
            assert.equal(bad.body, '{"message":null}');
            assert.equal((await gw.get('/x', { token: 'good' })).status, 200);
        }
    });
}

test('a child that a function leaves behind ends with it', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(`async () => {
            const { spawn } = require('node:child_process');
            spawn('sleep', ['987'], { detached: true, stdio: 'ignore' }).unref();
            await sleep(50);
            process.exit(1);
        }`),
            routes: { 'GET /x': mock() },
        }),
    );
    assert.equal((await gw.get('/x', { token: 'a' })).status, 500);
    await eventually(
        'the grandchild is gone',
        () => !gw.family().some(({ command }) => command === 'sleep'),
        8000,
    );
});

test('an environment is used again, one event at a time', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(`let busy = 0, n = 0;
        exports.handler = async () => {
            busy++; n++;
            const seen = { busy, n, pid: process.pid };
            await new Promise((ok) => setTimeout(ok, 60));
            busy--;
            return { body: JSON.stringify(seen) };
        };`),
            },
        }),
    );
    const first = (await gw.get('/x')).json;
    const second = (await gw.get('/x')).json;
    assert.deepEqual([second.pid, second.n], [first.pid, first.n + 1]);
    const many = await Promise.all(Array.from({ length: 12 }, () => gw.get('/x')));
    assert.ok(many.every((answer) => answer.json.busy === 1));
});

test('more requests than environments wait their turn', async (t) => {
    const gw = await start(
        t,
        api({
            routes: { 'GET /x': lambda(`async () => { await sleep(10); return { body: 'ok' }; }`) },
        }),
    );
    const answers = await Promise.all(Array.from({ length: 60 }, () => gw.get('/x')));
    assert.ok(answers.every(({ status, body }) => status === 200 && body === 'ok'));
    assert.ok(gw.functions().length <= 16, `${gw.functions().length} processes`);
});

test("a function has Lambda's environment and its own variables, and not the daemon's", async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(`async () => ({ body: JSON.stringify(process.env) })`, {
                    env: { COLOR: 'blue' },
                }),
            },
        }),
        { env: { DAEMON_SECRET: 'no' } },
    );
    const env = (await gw.get('/x')).json;
    assert.equal(env.COLOR, 'blue');
    assert.equal(env.DAEMON_SECRET, undefined);
    assert.equal(env.AWS_REGION, 'us-east-1');
    assert.equal(env.AWS_LAMBDA_FUNCTION_NAME, 'Function0');
    assert.equal(env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE, '128');
    assert.equal(env._HANDLER, 'index.handler');
    assert.match(env.LAMBDA_TASK_ROOT, /Function0/);
});

test("the context object counts down to the function's timeout", async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(
                    `async (event, context) => {
                        const left = context.getRemainingTimeInMillis();
                        return { body: JSON.stringify({ left, ...context }) };
                    }`,
                    { timeout: 7 },
                ),
            },
        }),
    );
    const context = (await gw.get('/x')).json;
    assert.ok(context.left > 5000 && context.left <= 7000, `${context.left}`);
    assert.equal(context.functionName, 'Function0');
    assert.equal(
        context.invokedFunctionArn,
        'arn:aws:lambda:us-east-1:123456789012:function:Function0',
    );
    assert.match(context.awsRequestId, /^[0-9a-f-]{36}$/);
    assert.equal(context.memoryLimitInMB, '128');
});

test('a dependency in node_modules beside the handler is found', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: {
                ...token(),
                fn: fn(
                    `const { who } = require('who');
        exports.handler = async () => ({ principalId: who, policyDocument: { Version: '2012-10-17',
            Statement: [{ Action: '*', Effect: 'Allow', Resource: '*' }] } });`,
                    { files: { 'node_modules/who/index.js': `exports.who = 'dependency';` } },
                ),
            },
            routes: {
                'GET /x': lambda(
                    `async (event) => ({ body: event.requestContext.authorizer.principalId })`,
                ),
            },
        }),
    );
    assert.equal((await gw.get('/x', { token: 'a' })).body, 'dependency');
});

/* ---- what can be seen ---- */

test('logs shows what a function wrote, with START, END and REPORT', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(
                    `async () => {
                        console.log('a line %d', 7);
                        console.error('an error');
                        return { body: 'ok' };
                    }`,
                ),
            },
        }),
    );
    await gw.get('/x');
    const { stdout } = await eventually('the log is there', async () => {
        const out = await gw.ropeline('logs', 'Function0');
        return /REPORT/.test(out.stdout) && out;
    });
    assert.match(stdout, /START RequestId: [0-9a-f-]{36} Version: \$LATEST/);
    assert.match(stdout, /a line 7/);
    assert.match(stdout, /an error/);
    assert.match(stdout, /END RequestId: [0-9a-f-]{36}/);
    assert.match(
        stdout,
        /REPORT RequestId: [0-9a-f-]{36}\s+Duration: [\d.]+ ms\s+Billed Duration: \d+ ms\s+Memory Size: 128 MB/,
    );
    const order = ['START', 'a line', 'END', 'REPORT'].map((word) => stdout.indexOf(word));
    assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
    );
});

test('a function cannot forge a line of the log that is ours', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(
                    `async () => {
                        console.log('one\\nREPORT RequestId: forged');
                        process.stdout.write('\\u001b[31mred');
                        return { body: 'ok' };
                    }`,
                ),
            },
        }),
    );
    await gw.get('/x');
    const { stdout } = await eventually('the log is there', async () => {
        const out = await gw.ropeline('logs', 'Function0', '--json');
        return /REPORT RequestId: [0-9a-f]{8}-/.test(out.stdout) && out;
    });
    const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    assert.equal(
        events.filter(({ message }) => message.startsWith('REPORT RequestId: forged')).length,
        0,
    );
});

test('logs of a function that is not there fails', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': mock() } }));
    const { code, stderr } = await gw.ropeline('logs', 'Nobody');
    assert.equal(code, 1);
    assert.match(stderr, /no function/);
});

test('logs --follow goes on as lines come', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x/{id}': lambda(
                    `async (event) => { console.log('order ' + event.pathParameters.id); return {}; }`,
                ),
            },
        }),
    );
    await gw.get('/x/1');
    const follow = spawn(ROPELINE, ['logs', 'Function0', '--follow', '--state', gw.state]);
    let text = '';
    follow.stdout.on('data', (data) => {
        text += data;
    });
    try {
        await eventually('the first line', () => text.includes('order 1'));
        await gw.get('/x/2');
        await eventually('the next line', () => text.includes('order 2'));
        assert.equal(text.split('order 1').length, 2, 'no line comes twice');
    } finally {
        follow.kill();
        await new Promise((resolve) => follow.on('close', resolve));
    }
});

test('invoke runs a function with an event of mine', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(`async (event) => {
        if (event.fail) throw new RangeError('as asked');
        return { got: event };
    }`),
            },
        }),
    );
    gw.write('event.json', '{"a": [1, "ž"]}');
    const good = await gw.ropeline('invoke', 'Function0', '--event', `${gw.dir}/event.json`);
    assert.equal(good.code, 0, good.all);
    assert.deepEqual(JSON.parse(good.stdout), { got: { a: [1, 'ž'] } });
    const empty = await gw.ropeline('invoke', 'Function0');
    assert.deepEqual(JSON.parse(empty.stdout), { got: {} });
    gw.write('fail.json', '{"fail": true}');
    const bad = await gw.ropeline('invoke', 'Function0', '--event', `${gw.dir}/fail.json`);
    assert.equal(bad.code, 1);
    assert.equal(JSON.parse(bad.stdout).errorMessage, 'as asked');
    assert.equal(JSON.parse(bad.stdout).errorType, 'RangeError');
    const json = JSON.parse((await gw.ropeline('invoke', 'Function0', '--json')).stdout);
    assert.equal(json.outcome, 'OK');
});

test('invoke gives a client context, to the bootstrap of ours and to any client', async (t) => {
    const bootstrap = `#!/bin/bash
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  headers="$(mktemp)"
  curl -s -o /dev/null -D "$headers" "$api/next"
  id=$(grep -Fi Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  grep -Fi Client-Context "$headers" | cut -d' ' -f2- | curl -s -o /dev/null "$api/$id/response" -d @-
done`;
    const gw = await start(t, api({ routes: {
        'GET /x': lambda(`async (event, context) => context.clientContext ?? 'none'`),
        'GET /y': lambda(undefined, { runtime: 'provided.al2023', files: { bootstrap } }),
    } }));
    const given = async (name, ...args) => {
        const { code, stdout, stderr } = await gw.ropeline('invoke', name, ...args);
        return code === 0 ? stdout.trim() : stderr;
    };
    const text = '{\n  "client": {"installation_id": "ž"},\n  "custom": {}\n}';
    const line = JSON.stringify(JSON.parse(text));
    for (const name of ['Function0', 'Function1']) {
        assert.equal(await given(name, '--client-context', text), line, name);
    }
    assert.equal(await given('Function0'), '"none"', 'and the next event has none');
    for (const bad of ['{', `"${'x'.repeat(3583)}"`]) {
        assert.match(await given('Function0', '--client-context', bad), /the client context is no JSON/);
    }
});

test('invoke takes the event from standard input and refuses what is no JSON', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': lambda(`async (event) => event`) } }));
    const given = await ropeline(['invoke', 'Function0', '--event', '-', '--state', gw.state], {
        input: '{"b":2}',
    });
    assert.deepEqual(JSON.parse(given.stdout), { b: 2 });
    const bad = await ropeline(['invoke', 'Function0', '--event', '-', '--state', gw.state], {
        input: '{',
    });
    assert.equal(bad.code, 1);
    assert.equal((await gw.ropeline('invoke', 'Nobody')).code, 1);
    assert.equal((await gw.ropeline('invoke')).code, 2);
});

test('a guarded route is open to nobody while its function only fails', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(`exports.handler = 7;`),
            routes: { 'GET /x': mock(), 'GET /open': open(mock()) },
        }),
    );
    for (let i = 0; i < 3; i++) {
        assert.equal((await gw.get('/x', { token: 'a' })).status, 500);
    }
    assert.equal((await gw.get('/open')).status, 200);
});
