/* SPDX-License-Identifier: Apache-2.0
 * How a Python function is found, invoked, logged and ended by our bootstrap. The other end of its
 * descriptors is this process in the daemon's place; the last tests are of a whole daemon.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import nodeTest from 'node:test';
import { start as startDaemon, test as daemonTest } from '../lib/daemon.mjs';
import { PYTHON, start as startFunction } from '../lib/running_function.mjs';
import { api, lambda, token } from '../lib/template.mjs';

const start = (t, files, env) => startFunction(t, files, env, PYTHON);
const test = existsSync(PYTHON.command[0])
    ? nodeTest
    : (name) => nodeTest(name, { skip: 'no Python here' }, () => {});
const testDaemon = existsSync(PYTHON.command[0]) ? daemonTest : test;
const returning = (expression, before = '') =>
    `${before}\ndef handler(event, context):\n    return ${expression}\n`;

/* ---- finding the handler ---- */

const FOUND = returning('"found"');
const found = [
    ['a module', 'app.handler', { 'app.py': FOUND }],
    ['a folder', 'src/auth/a.handler', { 'src/auth/a.py': FOUND }],
    ['a dotted path', 'src.a.handler', { 'src/__init__.py': '', 'src/a.py': FOUND }],
    ['a package', 'src.handler', { 'src/__init__.py': FOUND }],
    ['a callable object', 'app.handler',
        { 'app.py': 'class H:\n    def __call__(self, e, c):\n        return "found"\nhandler = H()' }],
    ['its own modules stand beside it', 'app.handler',
        { 'app.py': returning('word', 'from words import word'), 'words.py': 'word = "found"' }],
    ['a folder of its own that is called as ours', 'app.handler',
        { 'app.py': returning('python.word', 'import python'), 'python.py': 'word = "found"' }],
    ['PYTHONPATH counts', 'app.handler', { 'app.py': returning('word', 'from deep import word'),
        'lib/deep.py': 'word = "found"' }, { PYTHONPATH: 'lib' }],
];
for (const [name, handler, files, env] of found) {
    test(`python handler: ${name}`, async (t) => {
        assert.equal(await start(t, files, { _HANDLER: handler, ...env }).result(), 'found');
    });
}

const refused = [
    ['no dot', 'handler', FOUND, 'Runtime.MalformedHandlerName',
        /^Bad handler 'handler': not enough values to unpack \(expected 2, got 1\)$/],
    ['no such module', 'other.handler', FOUND, 'Runtime.ImportModuleError',
        /^Unable to import module 'other': No module named 'other'$/],
    ['a module that imports a missing one', 'app.handler', 'import nowhere',
        'Runtime.ImportModuleError', /^Unable to import module 'app': No module named 'nowhere'$/],
    ['a built-in module', 'sys.handler', FOUND, 'Runtime.BuiltInModuleConflict',
        /^Cannot use built-in module sys as a handler module$/],
    ['no such function', 'app.other', FOUND, 'Runtime.HandlerNotFound',
        /^Handler 'other' missing on module 'app'$/],
    ['a syntax error', 'app.handler', 'def handler(:', 'Runtime.UserCodeSyntaxError',
        /^Syntax error in module 'app': .*\(app\.py, line 1\)$/],
    ['an error at load', 'app.handler', 'raise ValueError("no")', 'ValueError', /^no$/],
];
for (const [name, handler, code, type, message] of refused) {
    test(`python handler refused: ${name}`, async (t) => {
        const fn = start(t, code, { _HANDLER: handler });
        const error = await fn.initError();
        assert.equal(error.errorType, type);
        assert.match(error.errorMessage, message);
        assert.equal(error.requestId, '');
        assert.equal(await fn.exited, 1);
        assert.ok(fn.logged.at(-1).text.startsWith(`[ERROR] ${type}: `));
    });
}

test('python: sys.exit during init ends the process with its code', async (t) => {
    assert.equal(await start(t, 'import sys\nsys.exit(7)').exited, 7);
});

/* ---- results ---- */

const results = [
    ['a dictionary', '{"event": event}', { event: { a: 1 } }],
    ['None', 'None', null],
    ['a tuple', '(1, 2.5, True)', [1, 2.5, true]],
    ['decimals are numbers', '{"a": Decimal("1.50"), "b": [Decimal("-3")]}', { a: 1.5, b: [-3] }],
    ['a text that looks like a mark', '"\\x7f:Decimal"', '\x7f:Decimal'],
    ['bytes inside are text', '{"a": b"x"}', { a: 'x' }],
    ['text beyond ASCII', '"é\\u2028😀"', 'é\u2028😀'],
    ['sys.path[0] is the task root', 'sys.path[0] == context_root', true],
    ['the module path does not hold our folder', '[p for p in sys.path if "bootstrap" in p and p != context_root]', []],
    ['what is needed is there', 'context.get_remaining_time_in_millis() > 0', true],
];
for (const [name, expression, expected] of results) {
    test(`python result: ${name}`, async (t) => {
        const fn = start(t, returning(expression, `import os, sys
from decimal import Decimal
context_root = os.environ["LAMBDA_TASK_ROOT"]`));
        assert.deepEqual(await fn.result({ a: 1 }), expected);
        assert.deepEqual(await fn.result({ a: 1 }), expected, 'the second time');
    });
}

test('python result: bytes are the answer itself', async (t) => {
    const fn = start(t, returning('b\'{"raw": 1}\''));
    const answer = await fn.invoke();
    assert.equal(answer.body, '{"raw": 1}');
    assert.equal(answer.headers['content-type'], 'application/unknown');
});

test('python result: as JSON, byte for byte, before and from python3.12 on', async (t) => {
    const code = returning('{"a": "é", "b": Decimal("1.10")}', 'from decimal import Decimal');
    const body = async (runtime) => {
        const env = { AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}` };
        return (await start(t, code, env).invoke()).body;
    };
    assert.equal(await body('python3.11'), '{"a": "\\u00e9", "b": 1.10}');
    assert.equal(await body('python3.12'), '{"a": "é", "b": 1.10}');
    assert.equal(await body('python3.13'), '{"a": "é", "b": 1.10}');
});

test('python result: a lone surrogate is escaped', async (t) => {
    const env = { AWS_EXECUTION_ENV: 'AWS_Lambda_python3.13' };
    assert.equal((await start(t, returning('"\\ud800"'), env).invoke()).body, '"\\ud800"');
});

test('python: the context', async (t) => {
    const fn = start(t, returning('[str(x) for x in (context.aws_request_id, ' +
        'context.function_name, context.function_version, context.memory_limit_in_mb, ' +
        'context.log_group_name, context.log_stream_name, context.invoked_function_arn, ' +
        'context.client_context, context.identity.cognito_identity_id, context.tenant_id)]'));
    assert.deepEqual(await fn.result(), ['id-1', 'guard', '$LATEST', '128', '/aws/lambda/guard',
        '2026/11/22/[$LATEST]00', 'arn:aws:lambda:eu-west-1:1:function:guard', 'None', 'None',
        'None']);
});

test('python: client context and identity', async (t) => {
    const fn = start(t, returning('[context.client_context.client.app_title, ' +
        'context.client_context.custom, context.client_context.env, ' +
        'context.identity.cognito_identity_id, context.tenant_id]'));
    assert.deepEqual(await fn.result({}, {
        'Lambda-Runtime-Client-Context': '{"client":{"app_title":"t"},"custom":{"a":1}}',
        'Lambda-Runtime-Cognito-Identity': '{"cognitoIdentityId":"c"}',
        'Lambda-Runtime-Aws-Tenant-Id': 'blue',
    }), ['t', { a: 1 }, null, 'c', 'blue']);
    const error = await fn.error({}, { 'Lambda-Runtime-Client-Context': '{' });
    assert.equal(error.errorType, 'Runtime.LambdaContextUnmarshalError');
});

test('python: the trace id is an environment variable of each event', async (t) => {
    const fn = start(t, returning('os.environ.get("_X_AMZN_TRACE_ID")', 'import os'));
    assert.equal(await fn.result({}, { 'Lambda-Runtime-Trace-Id': 'Root=1' }), 'Root=1');
    assert.equal(await fn.result(), null);
});

test('python: a module-level variable lives on', async (t) => {
    const fn = start(t, 'n = 0\ndef handler(e, c):\n    global n\n    n += 1\n    return n');
    assert.deepEqual([await fn.result(), await fn.result(), await fn.result()], [1, 2, 3]);
});

test('python: an event of 6 MiB, and one that is no JSON', async (t) => {
    const fn = start(t, returning('len(event)'));
    assert.equal(await fn.result('x'.repeat(6 << 20).replace(/^.*$/, '"$&"')), 6 << 20);
    const error = await fn.error('{not json');
    assert.equal(error.errorType, 'Runtime.UnmarshalError');
    assert.match(error.errorMessage, /^Unable to unmarshal input: /);
});

/* ---- errors ---- */

test('python error: type, message, request id and the frames that are the function\'s', async (t) => {
    const fn = start(t, 'def deep():\n    raise ValueError("bad é")\ndef handler(e, c):\n    deep()');
    const error = await fn.error();
    assert.equal(error.errorType, 'ValueError');
    assert.equal(error.errorMessage, 'bad é');
    assert.equal(error.requestId, 'id-1');
    assert.deepEqual(error.stackTrace.map((frame) => frame.replace(fn.root, '')), [
        '  File "/app.py", line 4, in handler\n    deep()\n',
        '  File "/app.py", line 2, in deep\n    raise ValueError("bad é")\n',
    ]);
    const [frame] = await fn.logs(1);
    assert.equal(frame.level, 'ERROR');
    assert.equal(frame.text.replaceAll(fn.root, ''), '[ERROR] ValueError: bad é\n' +
        'Traceback (most recent call last):\n\u00a0\u00a0File "/app.py", line 4, in handler\n' +
        '\u00a0\u00a0\u00a0\u00a0deep()\n\u00a0\u00a0File "/app.py", line 2, in deep\n' +
        '\u00a0\u00a0\u00a0\u00a0raise ValueError("bad é")');
});

const failures = [
    ['what cannot be JSON', 'return object()', 'Runtime.MarshalError',
        /^Unable to marshal response: Object of type object is not JSON serializable$/],
    ['a coroutine', 'async def f():\n        pass\n    return f()', 'Runtime.MarshalError',
        /coroutine is not JSON serializable/],
    ['a circle', 'x = []\n    x.append(x)\n    return x', 'Runtime.MarshalError', /Circular/],
    ['Exception("Unauthorized")', 'raise Exception("Unauthorized")', 'Exception', /^Unauthorized$/],
    ['an error without text', 'raise KeyError', 'KeyError', /^$/],
    ['endless recursion', 'return handler(event, context)', 'RecursionError', /recursion/],
    ['an error whose text fails', 'class E(Exception):\n        def __str__(self):\n' +
        '            raise OSError\n    raise E', 'E', /OSError/],
];
for (const [name, body, type, message] of failures) {
    test(`python error: ${name}`, async (t) => {
        const fn = start(t, `def handler(event, context):\n    ${body}\n`);
        for (let i = 0; i < 2; i++) {
            const error = await fn.error();
            assert.equal(error.errorType, type);
            assert.match(error.errorMessage, message);
        }
    });
}

test('python error: a handler that is none, and one that takes no event', async (t) => {
    assert.equal((await start(t, 'handler = 7').error()).errorType, 'TypeError');
    assert.equal((await start(t, 'def handler():\n    pass').error()).errorType, 'TypeError');
});

test('python: sys.exit and os._exit in a handler end the process', async (t) => {
    for (const [call, code] of [['sys.exit(3)', 3], ['os._exit(4)', 4], ['sys.exit()', 0]]) {
        const fn = start(t, returning(call, 'import os, sys'));
        await fn.give();
        assert.equal(await fn.exited, code);
    }
});

test('python: a fork of the handler\'s own that comes back answers nothing', async (t) => {
    const fn = start(t, `import os
def handler(event, context):
    child = os.fork()
    if child == 0 and event["how"] == "throw":
        raise ValueError
    return child and os.waitpid(child, 0)[1]`);
    assert.equal(await fn.result({ how: 'return' }), 0);
    assert.equal(await fn.result({ how: 'throw' }), 256);
});

/* ---- names that hide the standard library ---- */

test('python: modules of its own that hide ours do not break us', async (t) => {
    const names = ['json', 'logging', 'traceback', 'decimal', 're', 'time', 'linecache', 'tokenize',
        'token', 'string', 'numbers', 'inspect', 'socket', 'warnings', 'keyword', 'contextlib',
        'textwrap', 'collections', 'stat', 'types', 'weakref', 'copyreg', 'calendar', 'locale'];
    const files = Object.fromEntries(names.map((name) => [`${name}.py`, 'raise RuntimeError("own")']));
    files['app.py'] = 'def handler(event, context):\n    raise ValueError(event["a"])\n';
    const fn = start(t, files);
    const error = await fn.error({ a: 'x' });
    assert.equal(error.errorType, 'ValueError');
    assert.equal(error.stackTrace.length, 1);
    assert.equal((await fn.logs(1))[0].level, 'ERROR');
});

/* ---- output and log ---- */

test('python output: print is unbuffered and stays raw', async (t) => {
    const fn = start(t, `import sys, os
print("init")
def handler(event, context):
    print("é one\\ntwo")
    sys.stdout.buffer.write(b"\\xff\\x00raw\\n")
    print("warn", file=sys.stderr)
    sys.stdout.write("part")
    os._exit(0)`);
    await fn.give();
    await fn.exited;
    assert.equal(fn.stdout, 'init\né one\ntwo\n\ufffd\0rawpart'.replace('rawpart', 'raw\npart'));
    assert.equal(fn.stderr, 'warn\n');
});

test('python output: standard input is empty', async (t) => {
    assert.equal(await start(t, returning('sys.stdin.read()', 'import sys')).result(), '');
});

test('python log: the root logger writes frames, one event each', async (t) => {
    const fn = start(t, `import logging
logging.getLogger().setLevel(logging.DEBUG)
def handler(event, context):
    logging.debug("d")
    logging.info("two\\nlines")
    logging.getLogger("own").warning("w %d", 5)
    logging.error("e")
    logging.critical("c")
    context.log("plain")`);
    await fn.result();
    const frames = await fn.logs(6);
    assert.deepEqual(frames.map((frame) => frame.level),
        ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', undefined]);
    const line = /^\[INFO\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\tid-1\ttwo\nlines\n$/;
    assert.match(frames[1].text, line);
    assert.match(frames[2].text, /^\[WARNING\]\t.*Z\tid-1\tw 5\n$/);
    assert.equal(frames[5].text, 'plain');
    assert.ok(Math.abs(frames[0].time - Date.now()) < 60_000);
});

test('python log: warnings are the default, AWS_LAMBDA_LOG_LEVEL another', async (t) => {
    const code = `import logging
def handler(event, context):
    logging.info("i")
    logging.warning("w")`;
    const levels = async (env) => {
        const fn = start(t, code, env);
        await fn.result();
        await fn.stop();
        return fn.logged.map((frame) => frame.level);
    };
    assert.deepEqual(await levels({}), ['WARN']);
    assert.deepEqual(await levels({ AWS_LAMBDA_LOG_LEVEL: 'INFO' }), ['INFO', 'WARN']);
    assert.deepEqual(await levels({ AWS_LAMBDA_LOG_LEVEL: 'ERROR' }), []);
});

test('python log as JSON', async (t) => {
    const fn = start(t, `import logging
log = logging.getLogger("own")
def handler(event, context):
    log.warning("w %s", "x", extra={"order": 7, "odd": object})
    try:
        raise KeyError("k")
    except KeyError:
        log.exception("caught")
    raise ValueError("thrown")`, { AWS_LAMBDA_LOG_FORMAT: 'JSON' });
    await fn.error({}, { 'Lambda-Runtime-Aws-Tenant-Id': 't' });
    const frames = await fn.logs(3);
    assert.ok(frames.every(({ form }) => form === 'json'));
    const [warned, caught, thrown] = frames.map((frame) => JSON.parse(frame.text));
    assert.match(warned.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    delete warned.timestamp;
    assert.deepEqual(warned, { level: 'WARNING', message: 'w x', logger: 'own', requestId: 'id-1',
        tenantId: 't', order: 7, odd: "<class 'object'>" });
    assert.deepEqual([caught.level, caught.message, caught.errorType, caught.errorMessage],
        ['ERROR', 'caught', 'KeyError', "'k'"]);
    assert.match(caught.location, /app\.py:handler:8$/);
    assert.equal(caught.stackTrace.length, 1);
    assert.deepEqual([thrown.level, thrown.errorType, thrown.errorMessage, thrown.requestId],
        ['ERROR', 'ValueError', 'thrown', 'id-1']);
});

test('python log: without a descriptor the lines are on stdout', async (t) => {
    const fn = start(t, `import logging
def handler(event, context):
    logging.warning("w")
    raise ValueError("x")`, { _LAMBDA_TELEMETRY_LOG_FD: '' });
    await fn.error();
    await fn.stop();
    const [warning, error] = fn.stdout.split('\n');
    assert.match(warning, /^\[WARNING\]\t.*\tid-1\tw$/);
    assert.match(error, /^\[ERROR\] ValueError: x\rTraceback \(most recent call last\):\r/);
});

test('python: children get neither the Runtime API nor the log', async (t) => {
    const fn = start(t, returning('subprocess.run(["/bin/sh", "-c", "for i in 3 4; do ' +
        'test -e /proc/$$/fd/$i && echo $i; done; echo end"], capture_output=True, ' +
        'close_fds=False, text=True).stdout', 'import subprocess'));
    assert.equal(await fn.result(), 'end\n');
});

test('python: no file is written beside the code', async (t) => {
    const fn = start(t, { 'app.py': returning('sorted(os.listdir())', 'import os, words'),
        'words.py': '' });
    assert.deepEqual(await fn.result(), ['app.py', 'words.py']);
});

/* ---- what the daemon says wrong ---- */

test('python: a reply that is no HTTP ends the process', async (t) => {
    for (const reply of ['rubbish\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n',
        'HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n',
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}']) {
        const fn = start(t, FOUND);
        await fn.request();
        fn.api.write(reply);
        assert.equal(await fn.exited, 1);
        assert.match(fn.stderr, /^runtime: /);
    }
});

test('python: a reply in single bytes is read', async (t) => {
    const fn = start(t, returning('event'));
    await fn.request();
    for (const byte of fn.eventBytes({ a: 'é' }, {})) {
        fn.api.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(JSON.parse((await fn.request()).body), { a: 'é' });
});

test('python: 413 and the event after it', async (t) => {
    const fn = start(t, returning('event'));
    await fn.give(1);
    await fn.request();
    fn.api.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}');
    assert.equal(await fn.result(2), 2);
});

/* ---- in the daemon ---- */

const guard = `import os
def handler(event, context):
    print("asked about", event["methodArn"])
    if event["authorizationToken"] == "exit":
        os._exit(9)
    if event["authorizationToken"] == "throw":
        raise Exception("Unauthorized")
    effect = "Allow" if event["authorizationToken"] == "yes" else "Deny"
    return {"principalId": "ana", "policyDocument": {"Version": "2012-10-17", "Statement": [
        {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}]}}`;

testDaemon('python: guards and serves an API, and its log is kept', async (t) => {
    const served = `def handler(event, context):
    return {"statusCode": 200, "body": "for " + event["requestContext"]["authorizer"]["principalId"]}`;
    const gw = await startDaemon(t, api({
        authorizer: token(undefined, { files: { 'app.py': guard }, handler: 'app.handler',
            runtime: 'python3.4' }),
        routes: { 'GET /a': lambda(undefined, { files: { 'app.py': served }, handler: 'app.handler',
            runtime: 'python3.4' }) },
    }));
    const ask = async (Authorization) => (await gw.get('/a', { headers: { Authorization } }));
    const allowed = await ask('yes');
    assert.deepEqual([allowed.status, allowed.body], [200, 'for ana']);
    assert.equal((await ask('no')).status, 403);
    assert.equal((await ask('throw')).status, 401);
    assert.equal((await ask('exit')).status, 500);
    assert.equal((await ask('yes')).status, 200);
    await gw.stop();
    const { transcript } = gw;
    assert.match(transcript, /\[Guard\] INIT_START Runtime Version: python:3\.4\.v1\t/);
    assert.match(transcript, /\[Guard\] asked about arn:aws:execute-api:/);
    assert.match(transcript, /\[Guard\] \[ERROR\] Exception: Unauthorized/);
    assert.match(transcript, /Runtime exited with error: exit status 9/);
    const notes = transcript.match(/python3\.4 is served by python \d\.\d+(\.\d+)? here \(.*\)/g);
    assert.equal(notes?.length, 1, 'one note about the version');
});
