/* SPDX-License-Identifier: Apache-2.0
 * Environments that are forked from a process which has loaded the function: they answer as others
 * do, differ from their siblings in what must differ, and are not made where that cannot be.
 */
import assert from 'node:assert/strict';
import { eventually, ropeline, start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const described = async (gw, name = 'Function0') => {
    const { stdout } = await ropeline(['logs', '--json', '--state', gw.state]);
    return JSON.parse(stdout).find((f) => f.name === name);
};
const untilTemplate = (gw, state, name) => eventually(
    `the template of ${name ?? 'Function0'} is ${state}`,
    async () => (await described(gw, name)).template === state,
);
const serve = (t, code, options) => start(t, api({ routes: { 'GET /x': lambda(code) } }), options);
const atOnce = async (gw, count) =>
    Promise.all(Array.from({ length: count }, async () => (await gw.get('/x')).json));

const LOOKING = `
const crypto = require('node:crypto');
const fs = require('node:fs');
const early = { random: Math.random, uuid: crypto.randomUUID };
const loaded = process.pid;
Math.random(); crypto.randomUUID(); crypto.randomInt(1000);
let calls = 0;
exports.handler = async (event, context) => {
    const seen = {
        loaded, pid: process.pid, really: Number(fs.readlinkSync('/proc/self')), calls: ++calls,
        chance: [Math.random(), early.random(), crypto.randomUUID(), early.uuid(),
            globalThis.crypto.randomUUID(), crypto.randomInt(2 ** 40), crypto.randomBytes(8).toString('hex')],
        tmp: process.env.TMPDIR, stream: [context.logStreamName, process.env.AWS_LAMBDA_LOG_STREAM_NAME],
        argv: process.argv.length,
        started: require('node:child_process').execSync(
            '[ -S /proc/self/fd/3 ] || [ -p /proc/self/fd/4 ] || echo nothing of ours', { encoding: 'utf8' }),
    };
    fs.writeFileSync(seen.tmp + '/mine', String(process.pid));
    await new Promise((ok) => setTimeout(ok, 100));
    seen.read = await fs.promises.readFile(seen.tmp + '/mine', 'utf8');
    console.log('seen by', process.pid);
    return { body: JSON.stringify(seen) };
};`;

test('siblings share what was loaded, and nothing that must differ', async (t) => {
    const gw = await serve(t, LOOKING);
    await gw.get('/x');
    await untilTemplate(gw, 'serving');
    const seen = await atOnce(gw, 4);
    const forks = seen.filter(({ loaded, pid }) => loaded !== pid);
    assert.ok(forks.length >= 2, `${forks.length} of 4 were forked`);
    assert.equal(new Set(forks.map(({ loaded }) => loaded)).size, 1);
    assert.equal(new Set(seen.map(({ pid }) => pid)).size, seen.length);
    assert.deepEqual(seen.map(({ pid }) => pid), seen.map(({ really }) => really));
    for (const i of seen[0].chance.keys()) {
        assert.equal(new Set(seen.map(({ chance }) => chance[i])).size, seen.length, `chance ${i}`);
    }
    for (const key of ['tmp', 'stream']) {
        assert.equal(new Set(seen.map((one) => String(one[key]))).size, seen.length, key);
    }
    for (const { stream, read, pid, argv, started } of seen) {
        assert.equal(started, 'nothing of ours\n');
        assert.equal(stream[0], stream[1]);
        assert.equal(read, String(pid));
        assert.equal(argv, 2);
    }
    assert.ok((await described(gw)).forked >= 2);
    await gw.waitFor(`seen by ${forks[0].pid}`);
});

test('a fork lives and dies as any environment does', async (t) => {
    const gw = await serve(t, `
        const loaded = process.pid;
        exports.handler = async (event) => {
            const { deed } = event.queryStringParameters ?? {};
            if (deed === 'exit') process.exit(3);
            if (deed === 'throw') setTimeout(() => { throw new Error('later'); }, 1);
            if (deed) await new Promise(() => { setInterval(() => {}, 1000); });
            await new Promise((ok) => setTimeout(ok, 80));
            const garbage = [];
            for (let i = 0; i < 2e5; i++) garbage.push({ i, text: 'x' + i });
            await require('node:fs').promises.readFile(__filename); // the pool of threads
            return { body: JSON.stringify({ forked: loaded !== process.pid, pid: process.pid }) };
        };`);
    await gw.get('/x');
    await untilTemplate(gw, 'serving');
    assert.ok((await atOnce(gw, 4)).some(({ forked }) => forked));
    for (const deed of ['exit', 'throw', 'wait']) {
        const answers = await Promise.all(
            Array.from({ length: 4 }, () => gw.get(`/x?deed=${deed}`)));
        assert.deepEqual(answers.map(({ status }) => status), [502, 502, 502, 502].map(
            (status) => (deed === 'wait' ? answers[0].status : status)));
        const next = await atOnce(gw, 4);
        assert.ok(next.every(({ pid }) => pid > 0));
    }
    assert.ok((await described(gw)).forked >= 8);
});

const refusals = {
    'a socket': [`require('node:net').createServer().listen(0).unref();`, /its init left descriptor \d+ open \(socket:/],
    'a thread': [`new (require('node:worker_threads').Worker)('setInterval(() => {}, 1000)', { eval: true }).unref();`,
        /its init started \d+ threads?/],
    'an open file': [`require('node:fs').openSync(__filename);`, /its init left descriptor \d+ open/],
    'a child': [`require('node:child_process').spawn('sleep', ['60']).unref();`, /its init left /],
};
for (const [what, [code, reason]] of Object.entries(refusals)) {
    test(`a function whose init leaves ${what} is not forked, and says so`, async (t) => {
        const gw = await serve(t, `${code}
            exports.handler = async () => { await new Promise((ok) => setTimeout(ok, 50)); return { body: '{"ok":true}' }; };`);
        await gw.get('/x');
        await untilTemplate(gw, 'refused');
        await gw.waitFor(reason);
        assert.ok((await atOnce(gw, 3)).every(({ ok }) => ok));
        assert.equal((await described(gw)).forked, 0);
    });
}

test('hooks run before the fork and in each of them', async (t) => {
    const gw = await serve(t, `
        const server = require('node:net').createServer().listen(0);
        let restored = 'no';
        awslambda.beforeCheckpoint?.(() => new Promise((ok) => server.close(ok)));
        awslambda.afterRestore?.(async () => { restored = 'yes'; });
        exports.handler = async () => {
            await new Promise((ok) => setTimeout(ok, 80));
            return { body: JSON.stringify({ restored, listening: server.listening }) };
        };`);
    await gw.get('/x');
    await untilTemplate(gw, 'serving');
    const seen = await atOnce(gw, 4);
    assert.ok(seen.some(({ restored, listening }) => restored === 'yes' && !listening));
});

test('a template that is killed takes no request with it, and is replaced', async (t) => {
    const gw = await serve(t, `
        const loaded = process.pid;
        exports.handler = async () => {
            await new Promise((ok) => setTimeout(ok, 60));
            return { body: JSON.stringify({ loaded, pid: process.pid }) };
        };`, { args: ['--fork-templates', '1'] });
    await gw.get('/x');
    for (let i = 0; i < 2; i++) {
        await untilTemplate(gw, 'serving');
        const under = atOnce(gw, 8);
        const [{ pid }] = gw.templates();
        process.kill(pid, 'SIGKILL');
        assert.ok((await under).every((one) => one.pid > 0));
    }
});

test('forking can be switched off', async (t) => {
    const gw = await serve(t, `async () => ({ body: '{}' })`, { args: ['--fork-templates', '0'] });
    await gw.get('/x');
    await gw.get('/x');
    assert.equal((await described(gw)).template, 'none');
});

const PYTHON = `
import os, random, secrets, time, uuid, tempfile
tempfile.gettempdir()
loaded, at_init = os.getpid(), random.random()
def handler(event, context):
    time.sleep(0.1)
    with tempfile.NamedTemporaryFile() as mine:
        print('seen by', os.getpid())
        body = {'loaded': loaded, 'pid': os.getpid(), 'stream': context.log_stream_name, 'init': at_init,
                'tmp': mine.name, 'chance': [random.random(), secrets.token_hex(8), str(uuid.uuid4())]}
    import json
    return {'body': json.dumps(body)}
`;
test('Python siblings share what was loaded, and nothing that must differ', async (t) => {
    const gw = await start(t, api({
        routes: { 'GET /x': lambda(undefined, { runtime: 'python3.11', files: { 'index.py': PYTHON } }) },
    }));
    await gw.get('/x');
    await untilTemplate(gw, 'serving');
    const seen = await atOnce(gw, 4);
    const forks = seen.filter(({ loaded, pid }) => loaded !== pid);
    assert.ok(forks.length >= 2, `${forks.length} of 4 were forked`);
    assert.equal(new Set(forks.map(({ init }) => init)).size, 1);
    for (const key of ['pid', 'stream', 'tmp']) {
        assert.equal(new Set(seen.map((one) => one[key])).size, seen.length, key);
    }
    for (const i of seen[0].chance.keys()) {
        assert.equal(new Set(seen.map(({ chance }) => chance[i])).size, seen.length, `chance ${i}`);
    }
    await gw.waitFor(`seen by ${forks[0].pid}`);
});

const python = (files, options) =>
    api({ routes: { 'GET /x': lambda(undefined, { runtime: 'python3.11', files, ...options }) } });

test('a Python function that closed its output gets one when it is forked, and no child of it more', async (t) => {
    const gw = await start(t, python({ 'index.py': `
import json, os, time
os.close(1)
loaded = os.getpid()
def handler(event, context):
    forked = loaded != os.getpid()
    if forked:
        os.write(1, b'written by %d\\n' % os.getpid())
    time.sleep(0.1)
    inherited = [n for n in map(int, os.listdir('/proc/self/fd'))
                 if os.path.exists(f'/proc/self/fd/{n}') and os.get_inheritable(n)]
    return {'body': json.dumps({'forked': forked, 'pid': os.getpid(), 'inherited': sorted(inherited)})}
` }));
    await gw.get('/x');
    await untilTemplate(gw, 'serving');
    const forks = (await atOnce(gw, 4)).filter(({ forked }) => forked);
    assert.ok(forks.length >= 2, `${forks.length} of 4 were forked`);
    for (const { pid, inherited } of forks) {
        assert.deepEqual(inherited, [0, 1, 2]);
        await gw.waitFor(`written by ${pid}`);
    }
});

test('a Python that cannot be forked starts each environment from the beginning, and says so', async (t) => {
    const gw = await start(t, python(
        { 'index.py': PYTHON, 'lacking/ctypes.py': 'raise ImportError("built without it")' },
        { env: { PYTHONPATH: 'lacking' } },
    ));
    await gw.get('/x');
    await untilTemplate(gw, 'refused');
    await gw.waitFor('its Python cannot be forked: built without it');
    assert.ok((await atOnce(gw, 3)).every(({ pid, loaded }) => pid === loaded));
    assert.equal((await described(gw)).forked, 0);
});
