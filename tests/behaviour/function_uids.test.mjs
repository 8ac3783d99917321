/* SPDX-License-Identifier: Apache-2.0
 * A uid for each environment: `serve` as root gives them from function_uids, whatever way an
 * environment comes into being, and nothing of theirs stays behind.
 */
import assert from 'node:assert/strict';
import {
    chmodSync, copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { ROPELINE, eventually, isRoot, refusal, served, start, test } from '../lib/daemon.mjs';
import { api, lambda } from '../lib/template.mjs';

const FIRST = 1_900_000_000;
const range = (n) => `user: nobody\nfunction_uids: ${FIRST}-${FIRST + n - 1}\n`;
const isGiven = (uid, n) => uid >= FIRST && uid < FIRST + n;

/* Leaves in its /tmp what only its owner can remove. */
const NODE = `
const fs = require('node:fs');
fs.mkdirSync('/tmp/at/init', { recursive: true });
fs.writeFileSync('/tmp/at/init/file', 'x');
fs.chmodSync('/tmp/at', 0);
exports.handler = async () => {
    fs.writeFileSync(process.env.TMPDIR + '/mine' + Math.random(), 'x', { mode: 0o400 });
    await new Promise((ok) => setTimeout(ok, 200));
    return { body: JSON.stringify({ uid: process.getuid(), gid: process.getgid(), groups: process.getgroups(),
        pid: process.pid, owner: fs.statSync(process.env.TMPDIR).uid }) };
};`;
const PYTHON = `
import json, os
def handler(event, context):
    open(os.environ['TMPDIR'] + '/mine', 'w').write('x')
    return {'body': json.dumps({'uid': os.getuid(), 'gid': os.getgid(), 'groups': os.getgroups(),
        'pid': os.getpid(), 'owner': os.stat(os.environ['TMPDIR']).st_uid})}
`;
const SHELL = `#!/bin/sh
api="http://\${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime"
while true; do
    headers=$(mktemp)
    curl -sS -LD "$headers" -o /dev/null "$api/invocation/next"
    id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
    u=$(id -u) g=$(id -g) o=$(stat -c %u "$TMPDIR") n=$(id -G)
    curl -sS -o /dev/null "$api/invocation/$id/response" -d \\
        '{"body":"{\\"uid\\":'$u',\\"gid\\":'$g',\\"groups\\":['$n'],\\"pid\\":'$$',\\"owner\\":'$o'}"}'
done
`;
const project = () => api({
    routes: {
        'GET /node': lambda(NODE),
        'GET /other': lambda(NODE),
        'GET /quiet': lambda("exports.handler = async () => ({ body: '{}' });"),
        'GET /python': lambda(undefined, { runtime: 'python3.12', files: { 'index.py': PYTHON } }),
        'GET /shell': lambda(undefined, { runtime: 'provided.al2023', handler: 'any', files: { bootstrap: SHELL } }),
    },
});
const serve = (t, lines, env) => {
    const [given, options] = served(project(), lines);
    return start(t, given, { ...options, env, below: '/var/tmp' });
};
const call = async (gw, name) => {
    const got = await gw.get(`/${name}`);
    assert.equal(got.status, 200, `${name}: ${got.body}\n${gw.transcript}`);
    return got.json;
};
const left = (gw) => readdirSync(path.join(gw.state, 'tmp'));

/* Those who live have one each, and perhaps the maker of a code cache. */
const emptied = (gw) => eventually('what those left who are gone is gone', () => {
    const waiting = gw.family().filter(({ command }) => /worker|template/.test(command));
    return left(gw).length <= gw.functions().length + waiting.length + 1;
});

if (isRoot) {
    test('each environment has a uid and its directory, and shares them with nobody but its forks', async (t) => {
        const gw = await serve(t, range(32), { ROPELINE_WARM_WORKERS: '1' });
        assert.match(gw.transcript, /a uid for each/);
        const worker = await eventually('a worker waits',
            () => gw.family().find(({ command }) => command === 'ropeline worker'));
        assert.ok(isGiven(statSync(`/proc/${worker.pid}`).uid, 32));
        const seen = {};
        for (const name of ['node', 'other', 'python', 'shell']) {
            seen[name] = await call(gw, name);
            const { uid, gid, groups, owner } = seen[name];
            assert.ok(isGiven(uid, 32), `${name}: ${uid}`);
            assert.deepEqual([gid, owner, groups.filter((id) => id !== gid)], [uid, uid, []], name);
        }
        assert.equal(seen.node.pid, worker.pid, 'the worker became it');
        assert.equal(new Set(Object.values(seen).map(({ uid }) => uid)).size, 4);
        const siblings = await Promise.all([1, 2, 3].map(() => call(gw, 'node'))); // forked or not
        for (const { uid, gid, owner } of siblings) {
            assert.ok(isGiven(uid, 32));
            assert.deepEqual([gid, owner], [uid, uid]);
        }
    });

    test('what they leave behind is removed by who may, also after kill -9', async (t) => {
        const gw = await serve(t, range(32), { ROPELINE_FORCE_COLD_STARTS: '1' });
        for (const name of ['node', 'python', 'shell', 'node']) {
            await call(gw, name);
        }
        await emptied(gw);
        assert.doesNotMatch(gw.transcript, /cannot remove/);
        await call(gw, 'node');
        await gw.end('SIGKILL');
        await gw.leavesNothing();
        const before = left(gw);
        assert.ok(before.length > 0);
        await gw.launch();
        await gw.ready();
        assert.deepEqual(before.filter((name) => left(gw).includes(name)), []);
        await call(gw, 'node');
    });

    test('what functions share is not removed with what they leave', async (t) => {
        const shared = mkdtempSync('/tmp/ropeline-shared-');
        t.after(() => rmSync(shared, { recursive: true }));
        writeFileSync(path.join(shared, 'precious'), 'x', { mode: 0o666 });
        chmodSync(shared, 0o777);
        for (const level of ['default', 'strict']) {
            for (const allow of ['--allow-read', '--allow-write']) {
                const [given, options] = served(project(), range(8));
                const gw = await start(t, given, {
                    ...options, below: '/var/tmp', confined: true, env: { ROPELINE_FORCE_COLD_STARTS: '1' },
                    args: ['--isolation', level, allow, '/tmp'],
                });
                await call(gw, 'quiet');
                await emptied(gw);
                assert.doesNotMatch(gw.transcript, /cannot remove/);
                assert.ok(existsSync(path.join(shared, 'precious')), `${level} ${allow}`);
                await gw.stop();
            }
        }
    });

    test('a program that others may not execute gives no uids', async (t) => {
        const [given, options] = served(project(), range(8));
        const how = await refusal(t, given, {
            ...options, below: '/var/tmp',
            prepare: (daemon) => {
                copyFileSync(ROPELINE, path.join(daemon.outside, 'ropeline'));
                chmodSync(path.join(daemon.outside, 'ropeline'), 0o700);
            },
            command: (daemon) => [path.join(daemon.outside, 'ropeline')],
        });
        assert.match(how.transcript, /function_uids cannot be had here: others may not execute this program: chmod o\+x/);
    });

    test('who finds no uid free is refused, and told why', async (t) => {
        const gw = await serve(t, range(1), { ROPELINE_WARM_WORKERS: '0', ROPELINE_CODE_CACHE: '0', ROPELINE_FORK_TEMPLATES: '0' });
        const { uid } = await call(gw, 'node');
        assert.equal(uid, FIRST);
        assert.ok((await gw.get('/python')).status >= 500);
        await gw.waitFor('every uid of function_uids is taken: give it a larger range');
        assert.equal((await call(gw, 'node')).uid, FIRST);
    });

    test('without a word root gives them from a range of its own, and none switches it off', async (t) => {
        const files = ({ text, ...rest }) => ({ ...rest, text: text.replace('function_uids: none\n', '') });
        const [given, options] = served(project(), 'user: nobody\n');
        const gw = await start(t, files(given), { ...options, below: '/var/tmp' });
        assert.ok(isGiven((await call(gw, 'node')).uid, 2048));
        const off = await serve(t, 'user: nobody\nfunction_uids: none\n');
        assert.equal((await call(off, 'node')).uid, 65534);
        assert.match(off.transcript, /not: own uid \(function_uids\)/);
    });
}

test('uids that nobody can give keep it from starting', async (t) => {
    const [given, options] = served(project(), `function_uids: ${FIRST}-${FIRST + 7}\n`);
    const asNobody = {
        prepare: (daemon) => copyFileSync(ROPELINE, path.join(daemon.outside, 'ropeline')),
        command: (daemon) => ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', path.join(daemon.outside, 'ropeline')],
    };
    const how = await refusal(t, given, { ...options, ...(isRoot ? asNobody : {}), below: '/var/tmp' });
    assert.notEqual(how.code, 0);
    assert.match(how.transcript, /function_uids cannot be had here: only root can give others a uid/);
    for (const text of ['5', '0-10', '20-10', '1-4294967295', 'some']) {
        const [bad, way] = served(project(), `function_uids: ${text}\n`);
        const said = await refusal(t, bad, way);
        assert.match(said.transcript, /ropeline\.yaml:\d+:\d+: .*function_uids/);
    }
});
