/* SPDX-License-Identifier: Apache-2.0
 * What is ready before the first call: a warm worker, which must not differ from a process started
 * for the function, and a code cache, which must not change what is loaded.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
    existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync, chmodSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const WORKER = 'ropeline worker';
/* What is under test only, whatever is the default. */
const only = (options) => ({
    ROPELINE_WARM_WORKERS: '0',
    ROPELINE_CODE_CACHE: '0',
    ROPELINE_PREDICTIVE_START: '0',
    ROPELINE_FORK_TEMPLATES: '0',
    ...options,
});
const WORKERS = only({ ROPELINE_WARM_WORKERS: '1' });
const CACHE = only({ ROPELINE_WARM_WORKERS: '1', ROPELINE_CODE_CACHE: '1' });

const answer = (value) => `exports.handler = async () => ({
    statusCode: 200, body: JSON.stringify(${value}),
});\n`;
const project = (code, options) => api({ routes: { 'GET /x': lambda(code, options) } });
const workers = (gw) => gw.family().filter(({ command }) => command === WORKER);
const worker = (gw) => eventually('a worker waits', () => workers(gw)[0]);
const get = async (gw, target = '/x') => {
    const got = await gw.get(target);
    assert.equal(got.status, 200, got.body);
    return got.json;
};
const cacheFiles = (gw) => {
    const dir = path.join(gw.state, 'cache');
    return existsSync(dir) ? readdirSync(dir).map((name) => path.join(dir, name)) : [];
};
const cacheFile = (gw) =>
    eventually('the code cache is made', () => cacheFiles(gw).find((file) => /\/[0-9a-f]{64}$/.test(file)));

/* ---- warm workers ---- */

test('the first environment is the worker that waited, and another one follows', async (t) => {
    const gw = await start(t, project(answer('process.pid')), { env: WORKERS });
    const { pid } = await worker(gw);
    assert.equal(await get(gw), pid);
    assert.equal(await get(gw), pid);
    await eventually('there is one more', () => workers(gw)[0] && workers(gw)[0].pid !== pid);
});

test('a worker differs in nothing from a process that was started for the function', async (t) => {
    const code = `const seen = {
        env: Object.fromEntries(Object.entries(process.env).sort()),
        argv: process.argv, execArgv: process.execArgv, cwd: process.cwd(), title: process.title,
        global: Object.getOwnPropertyNames(globalThis).sort(),
        uncaught: process.listenerCount('uncaughtException'),
        exit: process.listenerCount('exit'),
        before: process.listenerCount('beforeExit'),
        paths: require('node:module').globalPaths, main: require.main && require.main.filename,
        resources: process.getActiveResourcesInfo().join(),
        fds: require('node:fs').readdirSync('/proc/self/fd')
            .map((fd) => { try { return fd + ' ' + require('node:fs').readlinkSync('/proc/self/fd/' + fd).replace(/\\d+/, 'N'); } catch { return ''; } })
            .filter((text) => /^\\d /.test(text) && Number(text[0]) < 5),
    };
    ${answer('({ seen, tz: new Date(0).getTimezoneOffset() })')}`;
    const env = { TZ: 'America/New_York', NODE_PATH: '/nowhere', NODE_ENV: 'production', ONE: '1' };
    const seen = [];
    for (const options of [WORKERS, only()]) {
        const gw = await start(t, project(code, { env }), { env: options });
        const waits = options === WORKERS ? await worker(gw) : null;
        const value = await get(gw);
        assert.equal(gw.functions().some(({ pid }) => pid === waits?.pid), waits !== null);
        seen.push(JSON.stringify(value)
            .replaceAll(gw.state, 'STATE').replaceAll(gw.dir, 'DIR').replaceAll(gw.outside, 'OUT')
            .replace(/"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|LAMBDA_LOG_STREAM_NAME)":"[^"]*"/g, '"$1":""')
            .replace(/tmp\/[^"]*/g, 'tmp/ONE'));
    }
    assert.deepEqual(JSON.parse(seen[0]), JSON.parse(seen[1]));
});

test('a worker logs, fails and answers as a process that was started for the function', async (t) => {
    const gw = await start(t, project(`console.log('loaded');
        exports.handler = async (event) => {
            if (event.queryStringParameters) throw new TypeError('asked to');
            console.log('ran');
            return { statusCode: 200, body: '1' };
        };`), { env: WORKERS });
    await worker(gw);
    await get(gw);
    assert.equal((await gw.get('/x?fail=1')).status, 502);
    const log = (await gw.ropeline('logs', 'Function0')).stdout;
    for (const part of [/INFO\tloaded/, /INFO\tran/, /INIT_START/, /Invoke Error.*asked to/, /REPORT .*Init Duration/]) {
        assert.match(log, part);
    }
});

test('a worker is shut in like a process that was started for the function', async (t) => {
    const code = `const fs = require('node:fs');
    const attempt = (deed) => { try { return String(deed()).length; } catch (error) { return error.code; } };
    ${answer(`[
        attempt(() => fs.readFileSync('../template.yaml')),
        attempt(() => fs.readFileSync('/etc/shadow')),
        attempt(() => fs.readdirSync('/root')),
        attempt(() => fs.writeFileSync(__dirname + '/mine', 'x')),
        attempt(() => fs.writeFileSync(process.env.TMPDIR + '/mine', 'x')),
        attempt(() => fs.readFileSync(__filename) && 'x'),
        attempt(() => require('node:child_process').execSync('cat ../template.yaml 2>&1; true').includes('denied')),
    ]`)}`;
    const seen = [];
    for (const options of [WORKERS, only()]) {
        const gw = await start(t, project(code), { env: options });
        const waits = options === WORKERS ? await worker(gw) : null;
        seen.push(await get(gw));
        assert.equal(gw.functions().some(({ pid }) => pid === waits?.pid), waits !== null);
    }
    assert.deepEqual(seen[0], seen[1]);
});

/* open(path): what each of the process's threads gets when it opens that, in a signal handler. */
const ON_EACH_THREAD = `
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
typedef void *value;
int napi_create_function(value env, const char *name, size_t n, value (*call)(value, value), void *data, value *out);
int napi_set_named_property(value env, value object, const char *name, value to);
int napi_get_cb_info(value env, value info, size_t *n, value *arguments, value *self, void **data);
int napi_get_value_string_utf8(value env, value from, char *out, size_t size, size_t *n);
int napi_create_string_utf8(value env, const char *text, size_t n, value *out);
static char path[4096], said[4096];
static volatile int got;
static void try_it(int number)
{
    int fd = open(path, O_RDONLY);
    got = fd >= 0 ? 1000 : errno;
    if (fd >= 0) close(fd);
}
static value each(value env, value info)
{
    value argument, out;
    size_t n = 1, at = 0;
    struct dirent *e;
    DIR *d = opendir("/proc/self/task");
    signal(SIGUSR2, try_it);
    napi_get_cb_info(env, info, &n, &argument, NULL, NULL);
    napi_get_value_string_utf8(env, argument, path, sizeof path, &n);
    while ((e = readdir(d))) {
        int tid = atoi(e->d_name);
        if (tid <= 0) continue;
        got = 0;
        if (syscall(SYS_tgkill, getpid(), tid, SIGUSR2) != 0) continue;
        for (int i = 0; i < 200 && !got; i++) usleep(1000);
        at += sprintf(said + at, "%d ", got); /* 0: it had the signal blocked */
    }
    closedir(d);
    napi_create_string_utf8(env, said, at, &out);
    return out;
}
__attribute__((visibility("default"))) value napi_register_module_v1(value env, value exports)
{
    value call;
    napi_create_function(env, "each", 4, each, NULL, &call);
    napi_set_named_property(env, exports, "each", call);
    return exports;
}`;

test('every thread of a worker is shut in', async (t) => {
    const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-addon-'));
    t.after(() => rmSync(dir, { recursive: true }));
    writeFileSync(path.join(dir, 'each.c'), ON_EACH_THREAD);
    execFileSync('cc', ['-shared', '-fPIC', '-o', path.join(dir, 'each.node'), path.join(dir, 'each.c')]);
    const files = { 'each.node': readFileSync(path.join(dir, 'each.node')) };
    const code = `const { each } = require('./each.node');
    ${answer("[each('/usr/bin/env'), each('/var'), each('/etc/shadow')]")}`;
    for (const options of [WORKERS, CACHE]) {
        const gw = await start(t, project(code, { files }), { env: options });
        const waits = options === WORKERS ? await worker(gw) : await settles(gw, 'Function0');
        const [may, ...mayNot] = (await get(gw)).map((text) => text.trim().split(' '));
        assert.ok(gw.functions().some(({ pid }) => pid === waits.pid));
        assert.ok(may.filter((got) => got === '1000').length >= 4, `they try: ${may}`);
        for (const all of mayNot) {
            assert.deepEqual(all.filter((got) => got === '1000'), []);
            assert.ok(all.includes('13'), `${all}`);
        }
    }
});

test('a function with options for node itself gets a process of its own', async (t) => {
    const gw = await start(t, project(answer('[process.pid, process.execArgv, process.env.NODE_OPTIONS]'), {
        env: { NODE_OPTIONS: '--stack-trace-limit=3' },
    }), { env: WORKERS });
    const [pid, , options] = await get(gw);
    assert.equal(options, '--stack-trace-limit=3');
    assert.ok(!workers(gw).some((one) => one.pid === pid));
});

test('an init that fails in a worker is tried again in a process of its own', async (t) => {
    const gw = await start(t, project(`
        if (process.argv0 && require('node:fs').readlinkSync('/proc/self/cwd') && !process.env.NEVER) {
            const { appendFileSync, readFileSync } = require('node:fs');
            appendFileSync(process.env.CALLS, process.pid + '\\n');
            if (readFileSync(process.env.CALLS, 'utf8').split('\\n').length === 2) throw new Error('once');
        }
        ${answer('process.pid')}`), { env: WORKERS });
    const { pid } = await worker(gw);
    const second = await get(gw);
    assert.notEqual(second, pid);
    assert.ok(!workers(gw).some((one) => one.pid === second));
});

test('a worker that is killed while it waits costs nobody anything', async (t) => {
    const gw = await start(t, project(answer('process.pid')), { env: WORKERS });
    const { pid } = await worker(gw);
    process.kill(pid, 'SIGKILL');
    assert.notEqual(await get(gw), pid);
    await eventually('another one waits', () => workers(gw)[0]);
});

test('workers that die at once are given up, with one line', async (t) => {
    const gw = await start(t, project(answer('process.pid')), {
        env: only({ ROPELINE_WARM_WORKERS: '2' }),
    });
    for (let i = 0; i < 3; i++) {
        const { pid } = await worker(gw);
        process.kill(pid, 'SIGKILL');
        await eventually('it is gone', () => !workers(gw).some((one) => one.pid === pid));
    }
    await gw.waitFor('no process is kept ready for functions any more');
    await get(gw);
    assert.equal(workers(gw).length, 0);
    assert.equal(gw.transcript.match(/is kept ready/g).length, 1);
});

/* ---- code caches ---- */

const MODULES = {
    'lib/a.js': `exports.a = () => require('./b').b() + 1; exports.where = __filename;
        exports.keys = Object.keys(require).sort(); exports.main = typeof require.main;
        exports.parent = module.parent && module.parent.filename; exports.self = this === exports;\n`,
    'lib/b.js': `#!/usr/bin/env node
exports.b = () => 1;\n`,
    'lib/c.js': `exports.later = () => import('./d.mjs');\n`,
    'lib/d.mjs': `export const d = 4;\n`,
    'lib/e.js': `exports.e = () => { throw new Error('here'); }; exports.umlaut = 'ä€😀';\n`,
    'node_modules/dep/package.json': `{"main": "./deep/index.js"}`,
    'node_modules/dep/deep/index.js': `module.exports = () => 'dep';\n`,
    'data.json': '{"json": true}',
};
const LOADER = `const a = require('./lib/a'), c = require('./lib/c'), e = require('./lib/e.js');
const dep = require('dep'), json = require('./data.json');
let stack;
try { e.e(); } catch (error) { stack = error.stack.split('\\n').slice(0, 3); }
let missing;
try { require('./nothing'); } catch (error) { missing = error.code; }
const cached = require('node:module')._extensions['.js'].name;
exports.handler = async () => ({ statusCode: 200, body: JSON.stringify({
    cached, values: [a.a(), a.where, a.keys, a.main, a.parent, a.self, (await c.later()).d, e.umlaut,
        dep(), json, stack, missing,
        Object.keys(require.cache).filter((name) => name.startsWith(__dirname)).length, require.resolve('dep')],
}) });\n`;

const settled = (gw, text) => JSON.parse(JSON.stringify(text).replaceAll(gw.dir, 'DIR'));

test('what is loaded from a code cache is what is loaded without it', async (t) => {
    const code = { files: MODULES };
    const plain = await start(t, project(LOADER, code), { env: WORKERS });
    await worker(plain);
    const without = settled(plain, await get(plain));
    const gw = await start(t, project(LOADER, code), { env: CACHE });
    await cacheFile(gw);
    await worker(gw);
    const within = settled(gw, await get(gw));
    assert.equal(within.cached, 'loadCached');
    assert.notEqual(without.cached, 'loadCached');
    assert.deepEqual(within.values, without.values);
});

test('a code cache is the version\'s own, read-only, and goes with it', async (t) => {
    const gw = await start(t, project(answer('1')), { env: CACHE });
    const file = await cacheFile(gw);
    assert.equal(statSync(file).mode & 0o777, 0o444);
    assert.equal(await get(gw), 1);
    gw.write('Function0/index.js', answer('2'));
    await eventually('the new version answers', async () => (await get(gw)) === 2);
    await eventually('the old cache is gone', () => !existsSync(file));
    await eventually('there is a new one', () => cacheFiles(gw).some((one) => one !== file));
});

test('a code cache that is broken is no code cache', async (t) => {
    const state = await start(t, project(LOADER, { files: MODULES }), { env: CACHE });
    const file = await cacheFile(state);
    const whole = readFileSync(file);
    const broken = [Buffer.alloc(0), whole.subarray(0, 30), whole.subarray(0, whole.length / 2),
        Buffer.concat([whole.subarray(0, 60), Buffer.alloc(whole.length - 60, 0x41)])];
    const expected = await get(state);
    for (const bytes of broken) {
        await worker(state);
        chmodSync(file, 0o644);
        writeFileSync(file, bytes);
        process.kill(state.functions()[0].pid, 'SIGKILL');
        await eventually('another environment answers', async () => (await state.get('/x')).status === 200);
        assert.deepEqual((await get(state)).values, expected.values);
    }
});

test('a function that ends or hangs while its cache is made is served all the same', async (t) => {
    const gw = await start(t, project(`if (process.argv[1].includes('node.js') && !process.stdout.fd) process.exit(3);
        ${answer('7')}`), { env: CACHE });
    assert.equal(await get(gw), 7);
});

/* ---- workers that have settled ---- */

const at = (pid) => { try { return readlinkSync(`/proc/${pid}/cwd`); } catch { return ''; } };
const settledIn = (gw, folder) => workers(gw).find(({ pid }) => at(pid).endsWith(`/${folder}`));
const settles = (gw, folder) =>
    eventually(`a worker settles on ${folder}`, () => settledIn(gw, folder));
const two = () => api({ routes: {
    'GET /x': lambda(LOADER, { files: MODULES }), 'GET /y': lambda(answer('process.pid')),
} });

test('a worker settles on a version and serves no other', async (t) => {
    const env = { ...CACHE, ROPELINE_WARM_WORKERS: '2' };
    const gw = await start(t, two(), { env });
    const { pid } = await settles(gw, 'Function0');
    const other = await eventually('another one waits', () =>
        workers(gw).find((one) => one.pid !== pid));
    assert.equal(await get(gw, '/y'), other.pid);
    assert.ok(workers(gw).some((one) => one.pid === pid));
    const value = await get(gw);
    assert.equal(value.cached, 'loadCached');
    assert.ok(!workers(gw).some((one) => one.pid === pid));
    assert.ok(gw.functions().some((one) => one.pid === pid));
});

test('what a settled worker loads is what is loaded without a code cache', async (t) => {
    const plain = await start(t, two(), { env: only() });
    const without = settled(plain, await get(plain));
    const gw = await start(t, two(), { env: { ...CACHE, ROPELINE_WARM_WORKERS: '2' } });
    await settles(gw, 'Function0');
    assert.deepEqual(settled(gw, await get(gw)).values, without.values);
});

test('the only worker of two functions stays for both', async (t) => {
    const gw = await start(t, two(), { env: CACHE });
    await eventually('both code caches are made', () =>
        cacheFiles(gw).filter((file) => /\/[0-9a-f]{64}$/.test(file)).length === 2);
    const { pid } = await worker(gw);
    await new Promise((resolve) => { setTimeout(resolve, 400); });
    assert.ok(!settledIn(gw, 'Function0') && !settledIn(gw, 'Function1'));
    assert.equal(await get(gw, '/y'), pid);
});

test('a settled worker goes with its version', async (t) => {
    const gw = await start(t, project(answer('1')), { env: CACHE });
    const { pid } = await settles(gw, 'Function0');
    gw.write('Function0/index.js', answer('2'));
    await eventually('the new version answers', async () => (await get(gw)) === 2);
    await eventually('the worker is gone', () => !workers(gw).some((one) => one.pid === pid));
    assert.ok(!gw.functions().some((one) => one.pid === pid));
});

test('a settled worker that dies is not replaced by another that would', async (t) => {
    const gw = await start(t, project(answer('process.pid')), { env: CACHE });
    const { pid } = await settles(gw, 'Function0');
    process.kill(pid, 'SIGKILL');
    const next = await eventually('another one waits', () =>
        workers(gw).find((one) => one.pid !== pid));
    await new Promise((resolve) => { setTimeout(resolve, 400); });
    assert.equal(settledIn(gw, 'Function0'), undefined);
    assert.equal(await get(gw), next.pid);
});

/* ---- how it is switched ---- */

test('with force-cold-starts no environment serves twice', async (t) => {
    const gw = await start(t, project(answer('process.pid')), {
        env: only({ ROPELINE_FORCE_COLD_STARTS: '1' }),
    });
    const pids = [];
    for (let i = 0; i < 4; i++) {
        pids.push(await get(gw));
    }
    assert.equal(new Set(pids).size, 4);
    const many = await Promise.all(Array.from({ length: 12 }, () => get(gw)));
    assert.equal(new Set([...pids, ...many]).size, 16);
});

test('switched off, nothing is there before it is asked for', async (t) => {
    const gw = await start(t, project(answer('1')), { env: only() });
    await get(gw);
    await new Promise((resolve) => { setTimeout(resolve, 400); });
    assert.equal(gw.functions().length, 1);
    assert.deepEqual(cacheFiles(gw), []);
});

test('20 calls at once of a function that never ran all succeed', async (t) => {
    const gw = await start(t, project(answer('1')));
    const all = await Promise.all(Array.from({ length: 20 }, () => get(gw)));
    assert.deepEqual(all, Array(20).fill(1));
});
