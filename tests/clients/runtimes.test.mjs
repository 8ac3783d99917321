/* SPDX-License-Identifier: Apache-2.0
 * Functions on every major of Node that has a runtime at Lambda, each with the tests of our
 * bootstrap, and the official client for Node in a custom runtime. Nodes come from npm's `node`
 * package, below build/; the client's native part is built with cmake and g++.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAJORS = [18, 22, 24];
const NODES = path.join(ROOT, 'build/node-majors');
const CLIENT = path.join(ROOT, 'build/aws-lambda-ric');
const RIC = path.join(CLIENT, 'node_modules/aws-lambda-ric');
const nodeOf = (major) => path.join(NODES, `node_modules/node${major}/bin/node`);

/** Installs packages into a folder below build/, once. */
async function install(dir, what, args, env = process.env) {
    if (existsSync(what)) {
        return;
    }
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, 'package.json'), '{"private":true}');
    const options = ['--no-package-lock', '--no-fund', '--no-audit'];
    await promisify(execFile)('npm', ['install', ...options, ...args], { cwd: dir, env });
    assert.ok(existsSync(what), `npm made no ${what}`);
}

const installNodes = () =>
    install(NODES, nodeOf(24), MAJORS.map((major) => `node${major}@npm:node@${major}`));

test('every major of Node: the tests of the bootstrap', { timeout: 600_000 }, async () => {
    await installNodes();
    for (const major of MAJORS) {
        const args = ['--test', '--test-reporter', 'dot',
            ...['bootstrap', 'bootstrap_io'].map((name) => `tests/behaviour/${name}.test.mjs`)];
        const env = { ...process.env, ROPELINE_TEST_NODE: nodeOf(major) };
        delete env.NODE_TEST_CONTEXT; // a run of its own
        await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
    }
});

test('every major of Node: each function gets the one that it asks for', async (t) => {
    await installNodes();
    const version = (runtime) =>
        lambda('async () => ({ statusCode: 200, body: process.versions.node })', { runtime });
    const gw = await start(
        t,
        api({
            routes: Object.fromEntries(
                [16, 18, 20, 22, 24].map((major) => [`GET /${major}`, version(`nodejs${major}.x`)]),
            ),
        }),
        { env: { ROPELINE_NODE: MAJORS.map(nodeOf).join(':') } },
    );
    const majorOf = async (asked) => parseInt((await gw.get(`/${asked}`)).body, 10);
    for (const major of MAJORS) {
        assert.equal(await majorOf(major), major);
    }
    assert.equal(await majorOf(16), 18, 'the nearest');
    assert.equal(await majorOf(20), 22, 'of two, the newer');
    for (const [asked, served] of [[16, 18], [20, 22]]) {
        const notes = gw.transcript.split('\n').filter((line) => line.includes(`nodejs${asked}.x is served by`));
        assert.equal(notes.length, 1);
        assert.match(notes[0], new RegExp(`is served by node ${served} here \\(.*/node${served}/bin/node\\)`));
    }
    assert.doesNotMatch(gw.transcript, /nodejs(18|22|24)\.x is served/);
});

/** Builds the official client with its native part, which needs cmake, g++ and node's headers. */
async function buildClient() {
    await installNodes();
    const env = { ...process.env, PATH: `${path.dirname(nodeOf(22))}:${process.env.PATH}` };
    await install(CLIENT, RIC, ['--ignore-scripts', 'aws-lambda-ric@4.0.2'], env);
    if (existsSync(path.join(RIC, 'rapid-client.node'))) {
        return;
    }
    const headers = path.dirname(path.dirname(process.execPath));
    const steps = [
        ['sh', 'scripts/preinstall.sh'],
        ['npx', '--no-install', 'node-gyp', 'rebuild', '--directory=src/native', `--nodedir=${headers}`],
        ['cp', 'src/native/build/Release/rapid-client.node', '.'],
    ];
    for (const [program, ...args] of steps) {
        const made = { ...env, DEPS_PREFIX: path.join(RIC, 'deps/artifacts') };
        execFileSync(program, args, { cwd: RIC, env: made, stdio: 'pipe', maxBuffer: 1 << 28 });
    }
}

test('the official client for Node runs in a custom runtime', { timeout: 1_200_000 }, async (t) => {
    await buildClient();
    const bootstrap = `#!/bin/sh\ncd "$LAMBDA_TASK_ROOT"\nexec ${nodeOf(22)} ${RIC}/index.mjs "$_HANDLER"\n`;
    const code = `exports.handler = async (event, context) => {
        console.log('asked by', context.functionName);
        if (event.path === '/b') throw new RangeError('thrown');
        if (event.path === '/c') process.exit(4);
        return { statusCode: 200, body: context.awsRequestId + ' ' + 'x'.repeat(1 << 20) };
    };`;
    const ric = lambda(undefined, { runtime: 'provided.al2023', handler: 'index.handler',
        files: { bootstrap, 'index.js': code } });
    const args = [NODES, CLIENT].flatMap((dir) => ['--allow-read', dir]);
    const gw = await start(t, api({ routes: { 'GET /{any}': ric } }), { args });
    for (let i = 0; i < 3; i++) {
        const { status, body } = await gw.get('/a');
        assert.equal(status, 200, body);
        assert.match(body, /^[0-9a-f-]{36} x{1048576}$/);
    }
    assert.equal((await gw.get('/b')).status, 502);
    assert.equal((await gw.get('/c')).status, 502);
    assert.equal((await gw.get('/a')).status, 200, 'a new environment');
    await gw.stop();
    assert.match(gw.transcript, /\[Function0\] .*\tINFO\tasked by Function0/);
    assert.match(gw.transcript, /RangeError/);
    assert.match(gw.transcript, /exit status 4/);
    assert.equal(gw.transcript.match(/ INIT_START /g).length, 2);
});
