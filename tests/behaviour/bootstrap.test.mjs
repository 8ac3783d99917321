/* SPDX-License-Identifier: Apache-2.0
 * How a Node function is found, invoked and ended by our bootstrap. The other end of its
 * descriptors is this process in the daemon's place; one test per behaviour.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { start } from '../lib/running_function.mjs';

/* ---- finding the handler ---- */

const CJS = 'exports.handler = async () => "found";';
const ESM = 'export const handler = async () => "found";';
const MODULE = '{"type":"module"}';
const found = [
    ['index.js, CommonJS', 'index.handler', { 'index.js': CJS }],
    ['index.mjs', 'index.handler', { 'index.mjs': ESM }],
    ['index.cjs', 'index.handler', { 'index.cjs': CJS }],
    ['index.js of an ES module package', 'index.handler',
        { 'index.js': ESM, 'package.json': MODULE }],
    ['top-level await is part of init', 'index.handler', { 'index.mjs':
        `const word = await new Promise((ok) => setTimeout(ok, 20, 'found'));
         export const handler = async () => word;` }],
    ['a folder before the module', 'src/auth/a.handler', { 'src/auth/a.js': CJS }],
    ['the package.json of a parent folder counts', 'src/a.handler',
        { 'src/a.js': ESM, 'package.json': MODULE }],
    ['the nearest package.json counts', 'src/a.handler',
        { 'src/a.js': CJS, 'src/package.json': '{}', 'package.json': MODULE }],
    ['a file without extension is CommonJS', 'index.handler',
        { index: CJS, 'index.js': 'exports.handler = async () => "wrong";' }],
    ['.js before .mjs', 'index.handler',
        { 'index.js': CJS, 'index.mjs': 'export const handler = async () => "wrong";' }],
    ['.mjs before .cjs', 'index.handler',
        { 'index.mjs': ESM, 'index.cjs': 'exports.handler = async () => "wrong";' }],
    ['a dotted path within the module', 'index.a.b.handler',
        { 'index.js': 'exports.a = { b: { handler: async () => "found" } };' }],
    ['the index of a folder', 'index.handler', { 'index/index.js': CJS }],
    ['a file beside a folder of the same name', 'index.handler',
        { 'index.js': CJS, 'index/other.txt': '' }],
    ['a package', 'wrapper.handler', { 'node_modules/wrapper/main.js': CJS,
        'node_modules/wrapper/package.json': '{"main":"main.js"}' }],
    ['the default export by its name', 'index.default',
        { 'index.mjs': 'export default async () => "found";' }],
    ['a path with characters that mean something in a URL', 'a%20b#c/index.handler',
        { 'a%20b#c/index.mjs': ESM }],
];
for (const [name, handler, files] of found) {
    test(`handler: ${name}`, async (t) => {
        assert.equal(await start(t, files, { _HANDLER: handler }).result(), 'found');
    });
}

test('handler: an absolute folder', async (t) => {
    const other = mkdtempSync(path.join(tmpdir(), 'layer-'));
    t.after(() => rmSync(other, { recursive: true }));
    writeFileSync(path.join(other, 'wrap.js'), CJS);
    assert.equal(await start(t, {}, { _HANDLER: `${other}/wrap.handler` }).result(), 'found');
});

test('handler: nodejs24.x also looks in the default export', async (t) => {
    const files = { 'index.mjs': 'export default { handler: async () => "found" };' };
    const modern = { AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' };
    assert.equal(await start(t, files, modern).result(), 'found');
    assert.equal((await start(t, files).initError()).errorType, 'Runtime.HandlerNotFound');
});

const refused = [
    ['a path upwards', 'a/../index.handler', CJS, 'Runtime.MalformedHandlerName',
        /^'a\/\.\.\/index\.handler' is not a valid handler name\. Use absolute paths when/],
    ['no dot', 'handler', CJS, 'Runtime.MalformedHandlerName', /^Bad handler$/],
    ['no such module', 'other.handler', CJS, 'Runtime.ImportModuleError',
        /^Error: Cannot find module 'other'/],
    ['a module that requires a missing one', 'index.handler', 'require("nowhere");',
        'Runtime.ImportModuleError', /^Error: Cannot find module 'nowhere'/],
    ['no such export', 'index.other', CJS, 'Runtime.HandlerNotFound',
        /^index\.other is undefined or not exported$/],
    ['not a function', 'index.handler', 'exports.handler = 7;', 'Runtime.HandlerNotFound',
        /^index\.handler is not a function$/],
    ['a syntax error', 'index.handler', 'exports.handler = async ( => 1;',
        'Runtime.UserCodeSyntaxError', /^SyntaxError: /],
    ['an error at load', 'index.handler', 'throw new RangeError("no");', 'RangeError', /^no$/],
    ['something else thrown at load', 'index.handler', 'throw "no";', 'string', /^no$/],
];
for (const [name, handler, code, type, message] of refused) {
    test(`handler refused: ${name}`, async (t) => {
        const fn = start(t, code, { _HANDLER: handler });
        const error = await fn.initError();
        assert.equal(error.errorType, type);
        assert.match(error.errorMessage, message);
        assert.equal(await fn.exited, 129);
        const { text } = fn.logged.at(-1);
        assert.match(text, /\tundefined\tERROR\tUncaught Exception \t\{"errorType"/);
    });
}

test('init: a rejected top-level await is an init error', async (t) => {
    const fn = start(t, { 'index.mjs': 'await Promise.reject(new TypeError("late"));' });
    assert.equal((await fn.initError()).errorType, 'TypeError');
    assert.equal(await fn.exited, 129);
});

test('init: a top-level await that never settles ends the process', async (t) => {
    const fn = start(t, { 'index.mjs': `await new Promise(() => {}); ${ESM}` });
    assert.equal(await fn.exited, 13);
});

/* ---- results ---- */

const results = [
    ['async', 'async (event) => ({ event })', { event: { a: 1 } }],
    ['async, later', 'async () => { await new Promise((ok) => setTimeout(ok, 5)); return 1; }', 1],
    ['async, undefined', 'async () => {}', null],
    ['a promise', '() => Promise.resolve("p")', 'p'],
    ['a thenable', '() => ({ then(ok) { ok("t"); } })', 't'],
    ['callback', '(event, context, callback) => callback(null, [1])', [1]],
    ['callback, later', '(e, c, callback) => { setTimeout(callback, 5, null, 2); }', 2],
    ['callback without arguments', '(e, c, callback) => callback()', null],
    ['context.succeed', '(event, context) => context.succeed("s")', 's'],
    ['context.done', '(event, context) => context.done(null, "d")', 'd'],
    ['a plain return value does not count', '() => 5', null],
    ['never calling back is null', '(event, context, callback) => {}', null],
    ['the first ending counts', `async (event, context) => { context.succeed(1); return 2; }`, 1],
    ['first callback, then throw', '(e, c, callback) => { callback(null, 1); throw 2; }', 1],
    ['functions in a result are left out', 'async () => ({ a: 1, f() {} })', { a: 1 }],
    ['toJSON', 'async () => new Date(0)', '1970-01-01T00:00:00.000Z'],
    ['text beyond ASCII', 'async () => "é\\u2028😀"', 'é\u2028😀'],
    ['a callback before pending timers, when told not to wait', `(event, context, callback) => {
        context.callbackWaitsForEmptyEventLoop = false;
        setInterval(() => {}, 1000);
        callback(null, context.callbackWaitsForEmptyEventLoop); }`, false],
    ['async does not wait for timers', 'async () => { setInterval(() => {}, 1000); return 1; }', 1],
    ['context.succeed does not wait for timers',
        '(event, context) => { setInterval(() => {}, 1000); context.succeed(1); }', 1],
];
for (const [name, code, expected] of results) {
    test(`result: ${name}`, async (t) => {
        const fn = start(t, `exports.handler = ${code};`);
        assert.deepEqual(await fn.result({ a: 1 }), expected);
        assert.deepEqual(await fn.result({ a: 1 }), expected, 'the second time');
    });
}

test('result: a callback waits until the event loop is empty', async (t) => {
    const fn = start(t, `exports.handler = (event, context, callback) => {
        const result = { late: false };
        callback(null, result);
        setTimeout(() => { result.late = true; }, 30);
    };`);
    assert.deepEqual(await fn.result(), { late: true });
});

test('result: nodejs24.x takes a plain return value, and its context has no endings', async (t) => {
    const fn = start(t, 'exports.handler = (event, context) => Object.keys(context);',
        { AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' });
    const keys = await fn.result();
    assert.ok(keys.includes('awsRequestId'));
    assert.ok(!keys.includes('succeed') && !keys.includes('callbackWaitsForEmptyEventLoop'));
});

test('result: a handler is a method of something that lives as long as its environment', async (t) => {
    const code = '"use strict"; exports.handler = async function () { this.n = (this.n ?? 0) + 1; return this.n; };';
    for (const runtime of ['nodejs20.x', 'nodejs24.x']) {
        const fn = start(t, code, { AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}` });
        assert.deepEqual([await fn.result(), await fn.result()], [1, 2]);
    }
    const anonymous = start(t, 'exports.handler = awslambda.streamifyResponse(async () => { throw new Error("no"); });');
    assert.match((await anonymous.error()).trace[1], /at Runtime\.handler /);
});

const MODERN_ERRORS = [
    ['nothing', 'undefined', 'undefined', 'undefined'],
    ['null', 'null', 'object', 'null'],
    ['what only looks like an error', '{ name: "Odd", message: "m", stack: "s" }', 'object', '[object Object]'],
    ['an error', 'new TypeError("no")', 'TypeError', 'no'],
];
test('error: nodejs24.x names what is thrown by its type, unless it is an Error', async (t) => {
    for (const [name, thrown, type, message] of MODERN_ERRORS) {
        const fn = start(t, `exports.handler = async () => { throw ${thrown}; };`, { AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' });
        const { errorType, errorMessage } = await fn.error();
        assert.deepEqual([errorType, errorMessage], [type, message], name);
    }
});

test('context: nodejs24.x has the trace id in it, too', async (t) => {
    const fn = start(t, 'exports.handler = async (event, context) => context.xRayTraceId;',
        { AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' });
    assert.equal(await fn.result({}, { 'Lambda-Runtime-Trace-Id': 'Root=1-2-3' }), 'Root=1-2-3');
    assert.equal(await fn.result(), '');
});

test('result: nodejs24.x refuses a callback handler', async (t) => {
    const fn = start(t, 'exports.handler = (event, context, callback) => callback();',
        { AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x' });
    assert.equal((await fn.initError()).errorType, 'Runtime.CallbackHandlerDeprecated');
    assert.equal(await fn.exited, 129);
});

test('result: a callback handler is warned of nodejs24.x once, unless silenced', async (t) => {
    const code = 'exports.handler = (event, context, callback) => callback();';
    const fn = start(t, code, { AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING: undefined });
    await fn.result();
    await fn.result();
    await fn.stop();
    assert.deepEqual(fn.logged.map((frame) => frame.level), ['WARN']);
    const silent = start(t, code, { AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING: '1' });
    await silent.result();
    await silent.stop();
    assert.deepEqual(silent.logged, []);
});

/* ---- errors ---- */

const handled = 'callback called with Error argument, but there was a problem while retrieving ' +
    'one or more of its message, name, and stack';
const errors = [
    ['throw', '() => { throw new TypeError("no"); }', 'TypeError', 'no'],
    ['reject', 'async () => { throw new Error("Unauthorized"); }', 'Error', 'Unauthorized'],
    ['reject with a string', '() => Promise.reject("Unauthorized")', 'string', 'Unauthorized'],
    ['reject with nothing', '() => Promise.reject()', 'string', 'handled'],
    ['callback(error)', '(e, c, callback) => callback(new Error("no"))', 'Error', 'no'],
    ['callback("Unauthorized")', '(e, c, callback) => callback("Unauthorized")', 'string',
        'Unauthorized'],
    ['callback(error) does not wait for timers',
        '(e, c, callback) => { setInterval(() => {}, 1000); callback("no"); }', 'string', 'no'],
    ['callback with an object', '(e, c, callback) => callback({})', 'object', '[object Object]'],
    ['context.fail(error)', '(e, context) => context.fail(new Error("no"))', 'Error', 'no'],
    ['context.fail(string)', '(e, context) => context.fail("no")', 'string', 'no'],
    ['context.fail(null)', '(e, context) => context.fail(null)', 'string', 'handled'],
    ['context.done(error)', '(e, context) => context.done(new Error("no"))', 'Error', 'no'],
    ['context.fail before a return', 'async (e, context) => { context.fail("no"); }', 'string',
        'no'],
    ['a getter that throws', `async () => { throw Object.defineProperty(new Error(), 'message',
        { get() { throw 1; } }); }`, 'handled', handled],
    ['a result that is no JSON', 'async () => { const a = {}; a.a = a; return a; }', 'Error',
        'Unable to stringify response body'],
    ['a result with a BigInt, by callback', '(e, c, callback) => callback(null, 1n)', 'Error',
        'Unable to stringify response body'],
    ['a result that JSON has no word for', 'async () => () => 1', 'TypeError', 'Wrong arguments'],
    ['DEL is written out', 'async () => { throw new Error("a\\x7fb"); }', 'Error', 'a%7Fb'],
    ['an error of another realm', `async () => {
        throw { name: 'Odd', message: 'm', stack: 's' }; }`, 'Odd', 'm'],
    ['an async handler that never settles', 'async () => { await new Promise(() => {}); }',
        'Runtime.NodeJsExit', /unexpected Node\.js exit code.*Promise that was never settled/],
];
for (const [name, code, type, message] of errors) {
    test(`error: ${name}`, async (t) => {
        const fn = start(t, `exports.handler = ${code};`);
        const error = await fn.error();
        assert.equal(error.errorType, type);
        assert[message instanceof RegExp ? 'match' : 'equal'](error.errorMessage, message);
        const [line] = await fn.logs(1);
        assert.equal(line.level, 'ERROR');
        assert.match(line.text, /^\S+Z\tid-1\tERROR\tInvoke Error \t\{"errorType":/);
        await fn.error();
    });
}

test('error: the caller gets the stack, the log also code and own properties', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        throw Object.assign(new Error('no'), { code: 'E', extra: [1] }); };`);
    const answer = await fn.invoke();
    assert.deepEqual(Object.keys(answer.json), ['errorType', 'errorMessage', 'trace']);
    assert.equal(answer.json.trace[0], 'Error: no');
    assert.match(answer.json.trace[1], /index\.js:2/);
    assert.equal(answer.headers['lambda-runtime-function-error-type'], 'Error');
    const logged = JSON.parse((await fn.logs(1))[0].text.split('\t')[4]);
    const { stack, ...rest } = logged;
    assert.deepEqual(rest, { errorType: 'Error', errorMessage: 'no', code: 'E', extra: [1] });
    assert.equal(stack[0], 'Error: no');
});

test('error: an error type that no header can carry is not put in one', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        throw Object.assign(new Error('no'), { name: 'A\\r\\nX: y' }); };`);
    const answer = await fn.invoke();
    assert.equal(answer.headers['lambda-runtime-function-error-type'], undefined);
    assert.equal(answer.headers.x, undefined);
    assert.equal(answer.json.errorType, 'A\r\nX: y');
});

test('error: an event that is no JSON is the invocation\'s error', async (t) => {
    const fn = start(t, CJS);
    assert.equal((await fn.error('{"a":')).errorType, 'SyntaxError');
    assert.equal(await fn.result(), 'found');
});

test('error: a client context that is no JSON is the invocation\'s error', async (t) => {
    const error = await start(t, CJS).error({}, { 'Lambda-Runtime-Client-Context': '{' });
    assert.match(error.errorMessage, /^Cannot parse ClientContext as json: SyntaxError/);
});

/* ---- the process ---- */

test('uncaught exception: reported for the event in hand, exit 129', async (t) => {
    const fn = start(t, `exports.handler = () => {
        setTimeout(() => { throw new Error('x'); });
    };`);
    assert.equal((await fn.error()).errorMessage, 'x');
    assert.equal(await fn.exited, 129);
    assert.match(fn.logged[0].text, /\tid-1\tERROR\tUncaught Exception \t\{"errorType":"Error"/);
});

test('uncaught exception: during init it is an init error, exit 129', async (t) => {
    const fn = start(t, { 'index.mjs': `setTimeout(() => { throw new Error('x'); });
        await new Promise((ok) => setTimeout(ok, 10000));` });
    assert.equal((await fn.initError()).errorMessage, 'x');
    assert.equal(await fn.exited, 129);
});

test('uncaught exception: between events the process ends, the answer is sent whole', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        setTimeout(() => { throw new Error('x'); });
        return 'y'.repeat(4 << 20);
    };`);
    await fn.give();
    fn.api.pause();
    setTimeout(() => fn.api.resume(), 200);
    assert.equal((await fn.request()).body.length, (4 << 20) + 2);
    assert.equal(await fn.exited, 129);
});

test('unhandled rejection: reported for the event in hand, exit 128', async (t) => {
    const fn = start(t, `exports.handler = () => {
        Promise.reject(new TypeError('x'));
        setTimeout(() => {}, 10000);
    };`);
    const error = await fn.error();
    assert.equal(error.errorType, 'Runtime.UnhandledPromiseRejection');
    assert.equal(error.errorMessage, 'TypeError: x');
    assert.equal(await fn.exited, 128);
    const { text } = fn.logged[0];
    assert.match(text, /ERROR\tUnhandled Promise Rejection \t.*"reason":\{"errorType":"Type/);
});

test('unhandled rejection: left behind by init it is an init error, exit 128', async (t) => {
    const fn = start(t, `Promise.reject(new Error('x')); exports.handler = async () => 1;`);
    assert.equal((await fn.initError()).errorType, 'Runtime.UnhandledPromiseRejection');
    assert.equal(await fn.exited, 128);
});

test('unhandled rejection: left behind by a result, which stands; no next event', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        Promise.reject(new Error('x'));
        return 1;
    };`);
    assert.equal(await fn.result(), 1);
    assert.equal(await fn.exited, 128);
    assert.equal(fn.requests.ready.length, 0);
    assert.match(fn.logged[0].text, /ERROR\tUnhandled Promise Rejection/);
});

test('process.exit in a handler ends the process with that code', async (t) => {
    const fn = start(t, 'exports.handler = async () => process.exit(7);');
    await fn.give();
    assert.equal(await fn.exited, 7);
});

test('a daemon that hangs up ends the process at once, whatever the handler does', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        await new Promise(() => setInterval(() => {}, 9));
    };`);
    await fn.give();
    fn.api.end();
    assert.equal(await fn.exited, 0);
});

test('an exit listener that throws does not keep the process alive', async (t) => {
    const fn = start(t, `process.on('exit', () => { throw new Error('x'); });
        exports.handler = () => { setTimeout(() => { throw new Error('y'); }); };`);
    assert.equal((await fn.error()).errorMessage, 'y');
    assert.equal(await fn.exited, 129);
});

test('what a function sees of its process is ordinary', async (t) => {
    const fn = start(t, `const { execSync } = require('child_process');
        const list = 'readlink /proc/self/fd/* || true';
        exports.handler = async () => ({
            argv: process.argv.length,
            env: Object.keys(process.env).filter((name) => /_FD$/.test(name)),
            main: require.main === module,
            sockets: String(execSync(list, { stdio: ['ignore', 'pipe', 'ignore'] })).split('\\n')
                .filter((target) => target.startsWith('socket:')).length,
            data: process.listenerCount('data'),
        });`);
    // The one socket a child gets is its own stdout.
    assert.deepEqual(await fn.result(), { argv: 2, env: [], main: false, sockets: 1, data: 0 });
});

test('a function may replace what the runtime stands on', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        JSON.parse = JSON.stringify = Buffer.from = Buffer.allocUnsafe = Buffer.byteLength =
            Buffer.concat = Date.now = process.exit = () => { throw new Error('mine'); };
        globalThis.Date = class {};
        console.log('still');
        return 'whole';
    };`);
    assert.equal(await fn.result(), 'whole');
    assert.equal(await fn.result(), 'whole');
    assert.match((await fn.logs(1))[0].text, /still\n$/);
});

/* ---- the context ---- */

test('context: everything the platform says of the invocation', async (t) => {
    const fn = start(t, `exports.handler = async (event, context) => ({ context,
        left: context.getRemainingTimeInMillis(), trace: process.env._X_AMZN_TRACE_ID,
        copy: Object.keys({ ...context }) });`);
    const { context, left, trace, copy } = await fn.result({}, {
        'Lambda-Runtime-Client-Context': '{"client":{"appTitle":"ü"}}',
        'Lambda-Runtime-Cognito-Identity': '{"cognitoIdentityId":"c"}',
        'Lambda-Runtime-Aws-Tenant-Id': 'tenant',
        'Lambda-Runtime-Trace-Id': 'Root=1-2-3;Sampled=1',
    });
    assert.deepEqual(context, {
        callbackWaitsForEmptyEventLoop: true,
        functionVersion: '$LATEST',
        functionName: 'guard',
        memoryLimitInMB: '128',
        logGroupName: '/aws/lambda/guard',
        logStreamName: '2026/11/22/[$LATEST]00',
        clientContext: { client: { appTitle: 'ü' } },
        identity: { cognitoIdentityId: 'c' },
        invokedFunctionArn: 'arn:aws:lambda:eu-west-1:1:function:guard',
        awsRequestId: 'id-1',
        tenantId: 'tenant',
    });
    assert.ok(left > 1000 && left <= 3000, `${left}`);
    assert.equal(trace, 'Root=1-2-3;Sampled=1');
    for (const name of ['succeed', 'fail', 'done', 'getRemainingTimeInMillis']) {
        assert.ok(copy.includes(name), name);
    }
    const second = await fn.result();
    assert.equal(second.trace, undefined, 'no trace id is left over from the first');
    assert.equal(second.context.awsRequestId, 'id-2');
    assert.equal(second.context.tenantId, undefined);
});

test('context: may itself be the result', async (t) => {
    const fn = start(t, 'exports.handler = async (event, context) => context;');
    assert.equal((await fn.result()).functionName, 'guard');
});

test('context: AsyncLocalStorage.enterWith does not reach the next event', async (t) => {
    const fn = start(t, `const { AsyncLocalStorage } = require('async_hooks');
        const store = new AsyncLocalStorage();
        exports.handler = async (event) => {
            const before = store.getStore();
            store.enterWith(event.who);
            await null;
            return { before, now: store.getStore() };
        };`);
    assert.deepEqual(await fn.result({ who: 'a' }), { now: 'a' });
    assert.deepEqual(await fn.result({ who: 'b' }), { now: 'b' });
    assert.deepEqual(await fn.result({ who: 'c' }), { now: 'c' });
});

test('context: awslambda.InvokeStore knows the event in hand', async (t) => {
    const fn = start(t, `exports.handler = async () => {
        const store = globalThis.awslambda.InvokeStore;
        const old = store.get('mine');
        store.set('mine', 1);
        return [store.getRequestId(), store.getXRayTraceId(), old, store.get('mine')]; };`);
    const trace = { 'Lambda-Runtime-Trace-Id': 'Root=1-2-3' };
    assert.deepEqual(await fn.result({}, trace), ['id-1', 'Root=1-2-3', null, 1]);
    assert.deepEqual(await fn.result(), ['id-2', null, null, 1]);
});
