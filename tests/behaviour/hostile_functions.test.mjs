/* SPDX-License-Identifier: Apache-2.0
 * Functions that attack: the machine, the daemon, their neighbours. Each attack is made in each way
 * of running the daemon that this machine allows; what stops it there is in
 * docs/internals/isolation.md. Meanwhile another function answers, and afterwards nothing is left.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { PATIENCE, ROPELINE, eventually, isRoot, served, sleep, start, test } from '../lib/daemon.mjs';
import { api, lambda, sam } from '../lib/template.mjs';

const PYTHON = '/usr/bin/python3';
const LONG = process.env.ROPELINE_TEST_LONG === '1';
const MARK = `7${process.pid}${Date.now() % 100000}`;
const KEY = 0x52000000 + (process.pid & 0xffffff);

/* In the function. Each attack returns what it got. */
const ATTACKS = `
const fs = require('node:fs');
const net = require('node:net');
const cp = require('node:child_process');
const outcome = (attempt) => { try { return String(attempt()); } catch (e) { return e.code ?? e.message; } };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const python = (code, ...args) =>
    cp.execFileSync('${PYTHON}', ['-c', code, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const connect = (options) => new Promise((resolve) => {
    const socket = net.connect(options, () => socket.write('GET /functions HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'));
    let text = '';
    socket.on('data', (data) => { text += data; socket.end(); });
    socket.on('error', (e) => resolve(e.code));
    socket.on('close', () => resolve(text || 'closed'));
});
const attacks = {
    forks: async () => {
        cp.spawn('/bin/sh', ['-c', 'b() { b | b & }; b'], { stdio: 'ignore' }).on('error', () => {});
        await sleep(1500);
        return 'alive';
    },
    memory: async () => {
        const all = [];
        for (let i = 0; i < 320; i++) {
            all.push(Buffer.alloc(32 << 20, 1));
            await sleep(1);
        }
        return 'took 10 GB';
    },
    helpers: async () => { // its memory is its helpers'
        const grow = 'const a = []; setInterval(() => a.push(Buffer.alloc(8 << 20, 1)), 5)';
        for (let i = 0; i < 4; i++)
            cp.spawn(process.execPath, ['-e', grow], { stdio: 'ignore' }).on('error', () => {});
        await sleep(8000);
        return 'took 10 GB';
    },
    descriptors: () => {
        const all = [];
        const how = outcome(() => { for (;;) all.push(fs.openSync('/dev/null')); });
        all.forEach((fd) => fs.closeSync(fd));
        return [how, all.length];
    },
    log: (n) => {
        const line = Buffer.alloc(1 << 16, 'x'.repeat(99) + '\\n');
        for (let written = 0; written < n * 1048576; written += line.length) fs.writeSync(2, line);
        return 'written';
    },
    disk: () => {
        const chunk = Buffer.alloc(16 << 20, 1), fd = fs.openSync('/tmp/large', 'w');
        let n = 0;
        const how = outcome(() => { for (;;) n += fs.writeSync(fd, chunk); });
        return [how, n >> 20];
    },
    orphans: async (mark) => {
        const shell = 'trap "" TERM HUP; (setsid sh -c "trap \\\\"\\\\" TERM; setsid sleep ' + mark + ' & sleep ' + mark + '" &) ; exit 0';
        cp.spawn('/bin/sh', ['-c', shell], { detached: true, stdio: 'ignore' }).unref();
        await sleep(200);
        return 'forked';
    },
    deaf: async () => {
        for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']) process.on(name, () => {});
        for (;;) ;
    },
    killAll: () => [outcome(() => process.kill(-1, 'SIGKILL')), outcome(() => process.kill(-1, 'SIGTERM'))],
    kill: (pids) => pids.map((pid) => outcome(() => process.kill(pid, 'SIGKILL'))),
    snoop: (pids) => pids.flatMap((pid) => ['environ', 'mem', 'maps', 'fd/0', 'root', 'cwd', 'exe'].map((name) => {
        const file = '/proc/' + pid + '/' + name;
        return name + ' ' + outcome(() => {
            if (!/environ|mem|maps/.test(name)) return 'link ' + fs.readlinkSync(file);
            const fd = fs.openSync(file, 'r');
            return 'read ' + fs.readSync(fd, Buffer.alloc(10));
        });
    })),
    read: (files) => files.map((file) => outcome(() => fs.statSync(file).isDirectory()
        ? 'list ' + fs.readdirSync(file) : 'read ' + fs.readFileSync(file).length)),
    write: (files) => files.map((file) => outcome(() => fs.writeFileSync(file, 'x') ?? 'written')),
    connect,
    listeners: async () => {
        const found = fs.readFileSync('/proc/net/tcp', 'latin1').split('\\n').slice(1)
            .map((line) => line.trim().split(/\\s+/)).filter((field) => field[3] === '0A')
            .map((field) => field[1].split(':'))
            .map(([ip, port]) => [ip.match(/../g).map((byte) => parseInt(byte, 16)).reverse().join('.'), parseInt(port, 16)])
            .filter(([ip]) => ip.startsWith('127.') && ip !== '127.0.0.1');
        const answers = [];
        for (const [host, port] of found) answers.push(await connect({ host, port }));
        return answers;
    },
    calls: () => JSON.parse(python(\`
import ctypes, json, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    rc = libc.syscall(number, *args)
    return ctypes.get_errno() if rc == -1 else 'done'
out = {name: call(number, *args) for name, number, args in [
    ('ptrace', 101, (16, os.getppid(), 0, 0)), ('process_vm_readv', 310, (os.getppid(), 0, 0, 0, 0, 0)),
    ('mount', 165, (0, 0, 0, 0, 0)), ('umount2', 166, (0, 0)), ('pivot_root', 155, (0, 0)), ('chroot', 161, (0,)),
    ('unshare', 272, (0x10000000,)), ('setns', 308, (0, 0)), ('bpf', 321, (0, 0, 0)), ('keyctl', 250, (0, -3, 0, 0, 0)),
    ('add_key', 248, (0, 0, 0, 0, 0)), ('perf_event_open', 298, (0, 0, -1, -1, 0)), ('userfaultfd', 323, (1,)),
    ('io_uring_setup', 425, (1, 0)), ('init_module', 175, (0, 0, 0)), ('kexec_load', 246, (0, 0, 0, 0)),
    ('reboot', 169, (0, 0, 0, 0)), ('sethostname', 170, (0, 0)), ('settimeofday', 164, (0, 0)),
    ('open_by_handle_at', 304, (-1, 0, 0)), ('swapon', 167, (0, 0)), ('syslog', 103, (10, 0, 0)),
    ('clone', 56, (0x10000000 | 17, 0, 0, 0, 0)), ('clone3', 435, (0, 0)), ('modify_ldt', 154, (0, 0, 0)),
    ('setrlimit RTTIME', 160, (15, 0)), ('prlimit64 RTTIME', 302, (0, 15, 8, 0)),
    ('alg', 41, (38, 5, 0)), ('vsock', 41, (40, 1, 0)), ('packet', 41, (17, 3, 0)), ('tipc', 41, (30, 5, 0))]}
print(json.dumps(out))\`)),
    segment: (key) => outcome(() => python(\`
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
print(ctypes.get_errno() if libc.shmget(int(sys.argv[1]), 0, 0) < 0 else 'found', end='')\`, String(key))),
    abstract: (name) => outcome(() => python(\`
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect('\\\\0' + sys.argv[1])
    print('connected', end='')
except OSError as e:
    print(e.errno, end='')\`, name)),
};
exports.handler = async (event) => {
    const { name, argument } = JSON.parse(event.body);
    return { statusCode: 200, body: JSON.stringify(await attacks[name](argument)) };
};`;

/* Its secrets: in its environment, in a file, and in memory that System V calls shared. */
const VICTIM = `
const fs = require('node:fs');
fs.writeFileSync('/tmp/secret', 'of the victim');
if (fs.existsSync('${PYTHON}')) require('node:child_process').execFileSync('${PYTHON}', ['-c', \`
import ctypes
assert ctypes.CDLL(None).shmget(${KEY}, 4096, 0o1600) >= 0\`]);
exports.handler = async () => ({ statusCode: 200, body: JSON.stringify({ pid: process.pid, tmp: fs.readdirSync('/tmp') }) });`;

const project = () =>
    api({
        routes: {
            'POST /attack': lambda(ATTACKS, { timeout: 4, env: { OWN: 'attacker' } }),
            'GET /victim': lambda(VICTIM, { env: { SECRET: 'of the victim' } }),
        },
    });

/** As an ordinary user, who cannot reach our build directory. */
function asNobody() {
    return {
        shared: true,
        prepare: (daemon) => {
            copyFileSync(ROPELINE, path.join(daemon.outside, 'ropeline'));
        },
        command: (daemon) => [
            'setpriv',
            '--reuid=65534',
            '--regid=65534',
            '--clear-groups',
            path.join(daemon.outside, 'ropeline'),
        ],
    };
}

const UIDS = 'user: nobody\nfunction_uids: 1900000000-1900000063\n';

const ways = [
    ...(isRoot ? [{ name: 'each with a uid of its own', lines: UIDS }] : []),
    { name: isRoot ? 'as root' : 'as an ordinary user', options: {} },
    { name: 'strict', options: { args: ['--isolation', 'strict'] } },
    ...(isRoot
        ? [
              { name: 'as an ordinary user', options: asNobody() },
              { name: 'strict as an ordinary user', options: { ...asNobody(), args: ['--isolation', 'strict'] } },
          ]
        : []),
];

const attack = (gw, name, argument) =>
    gw.request('POST', '/attack', { body: JSON.stringify({ name, argument }) });

/** What an attack returned. */
async function result(gw, name, argument) {
    const answer = await attack(gw, name, argument);
    assert.equal(answer.status, 200, `${name}: ${answer.body}`);
    return answer.json;
}

/** The victim answers while `attack` is under way: half of its calls within so many ms. */
async function undisturbed(gw, attacking, most = 150) {
    const times = [];
    let over = false;
    const ending = attacking.finally(() => {
        over = true;
    });
    ending.catch(() => {});
    while (!over) {
        const began = performance.now();
        assert.equal((await gw.get('/victim')).status, 200);
        times.push(performance.now() - began);
        await sleep(20);
    }
    times.sort((a, b) => a - b);
    const median = times[times.length >> 1] ?? 0;
    assert.ok(median < most * PATIENCE, `a call of the victim took ${median} ms (median)`);
    return ending;
}

const running = (mark) =>
    readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .filter((pid) => {
            try {
                return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(mark);
            } catch {
                return false;
            }
        });

for (const { name, lines, options } of ways) {
    const strict = name.startsWith('strict');
    test(`hostile functions, ${name}`, { timeout: 180_000 * PATIENCE }, async (t) => {
        // not below /tmp, which a function has of its own anyway
        const [given, way] = lines ? served(project(), lines) : [project(), options];
        const gw = await start(t, given, { ...way, confined: true, below: '/var/tmp' });
        const limited = /cgroup \(memory, pids\)/.test(gw.transcript);
        const outside = await gw.get('/victim');
        assert.deepEqual(outside.json.tmp.includes('secret'), true);
        await result(gw, 'descriptors'); // and so it runs
        const victim = gw.functions().find(({ pid }) => pid === outside.json.pid)?.pid ?? gw.functions()[0].pid;
        const targets = [gw.child.pid, gw.gateway().pid, victim];

        // its neighbours and the daemon
        for (const text of await result(gw, 'snoop', targets)) {
            assert.match(text, /EACCES|ENOENT|EPERM/, text);
        }
        for (const text of await result(gw, 'kill', targets)) {
            assert.match(text, /EPERM|ESRCH/);
        }
        const state = gw.state;
        for (const text of await result(gw, 'read', [
            `${state}/ropeline.sock`,
            `${state}/identity.key`,
            `${state}/tmp`,
            `${state}`,
            `${gw.dir}/Function1`,
            `${gw.dir}/Function1/index.js`,
            '/etc/shadow',
            '/root',
            '/home',
        ])) {
            assert.match(text, /EACCES|ENOENT|ENOTDIR/, text);
        }
        for (const text of await result(gw, 'write', [
            `${gw.dir}/Function0/index.js`,
            `${gw.dir}/Function1/index.js`,
            `${state}/identity.db`,
            '/dev/shm/ropeline',
            '/etc/ropeline',
            '/var/tmp/ropeline',
        ])) {
            assert.match(text, /EACCES|ENOENT|EROFS|ENOTDIR/, text);
        }
        assert.match(await result(gw, 'connect', { path: `${state}/ropeline.sock` }), /^(closed|EACCES|ENOENT|ECONNRESET|EPIPE)$/);
        for (const text of await result(gw, 'listeners')) {
            assert.doesNotMatch(text, /HTTP\/1.1 200/);
        }
        assert.equal((await result(gw, 'write', ['/tmp/mine']))[0], 'written');
        assert.ok(!existsSync('/tmp/mine'), 'its /tmp is its own');
        assert.ok(!(await gw.get('/victim')).json.tmp.includes('mine'));
        if (existsSync(PYTHON)) {
            for (const [call, got] of Object.entries(await result(gw, 'calls'))) {
                assert.ok([1, 38, 97].includes(got), `${call}: ${got}`);
            }
            const listener = spawn(PYTHON, ['-c', `import socket
s = socket.socket(socket.AF_UNIX)
s.bind('\\0hostile-${MARK}')
s.listen()
print('up', flush=True)
while True: s.accept()`]);
            t.after(() => listener.kill('SIGKILL'));
            await new Promise((resolve) => listener.stdout.once('data', resolve));
            assert.equal(await result(gw, 'abstract', `hostile-${MARK}`), '1');
            assert.equal(await result(gw, 'segment', KEY), '2', 'ENOENT');
        }
        for (const text of await result(gw, 'killAll')) {
            assert.match(text, /EPERM|ESRCH|true/);
        }
        assert.ok(gw.gateway() && gw.family().some(({ pid }) => pid === targets[2]), 'all are alive');

        // the machine
        const [how, count] = await result(gw, 'descriptors');
        assert.equal(how, 'EMFILE');
        assert.ok(count <= 1024, `${count} descriptors`);
        await undisturbed(gw, attack(gw, 'log', LONG ? 1024 : 32));
        const hog = await undisturbed(gw, attack(gw, 'memory'));
        assert.notEqual(hog.status, 200, hog.body);
        const log = (await gw.ropeline('logs', 'Function0')).stdout;
        assert.match(log, /signal: killed/);
        assert.match(log, /Max Memory Used: 128 MB/);
        const helpers = await undisturbed(gw, attack(gw, 'helpers'));
        assert.ok(helpers.status !== 200 || limited, 'its helpers count');
        const disk = await undisturbed(gw, attack(gw, 'disk'));
        if (disk.status === 200) {
            assert.match(disk.json[0], /EFBIG|ENOSPC/);
            assert.ok(disk.json[1] <= 512, `${disk.json[1]} MB`);
        }

        // who will not go
        for (let i = 0; i < 5 && running(MARK).length === 0; i++) { // they go with their environment
            await result(gw, 'orphans', MARK);
            await sleep(100 * PATIENCE);
        }
        assert.ok(running(MARK).length > 0, 'they live on');
        await undisturbed(gw, attack(gw, 'forks'), 3000); // a thousand share the processor with it
        const deaf = await attack(gw, 'deaf');
        assert.notEqual(deaf.status, 200);
        await eventually('nothing of it is left', () => running(MARK).length === 0);
        assert.equal((await gw.get('/victim')).status, 200);
    });
}

/* As people do who start with one file: the code is the project's folder, and STATE is in it. */
for (const level of ['default', 'strict']) {
    for (const below of ['/var/tmp', '/tmp']) {
        test(`what the daemon keeps inside the code, below ${below}, isolation ${level}`, async (t) => {
            const Post = { Type: 'Api', Properties: { Path: '/attack', Method: 'post' } };
            const given = sam({ Fn: { CodeUri: './', Events: { Post } } }, {}, { 'index.js': ATTACKS });
            const gw = await start(t, given, {
                below,
                confined: true,
                args: ['--isolation', level],
                prepare: (daemon) => {
                    daemon.state = path.join(daemon.dir, '.ropeline');
                },
            });
            assert.ok(existsSync(`${gw.state}/identity.key`));
            const seen = level === 'strict' ? '/var/task/.ropeline' : gw.state;
            const all = ['identity.key', 'identity.db', 'plane.db', 'observe.db', 'ropeline.sock', 'cache', 'tmp/..'];
            const [index, ...texts] = await result(gw, 'read', [
                level === 'strict' ? '/var/task/index.js' : `${gw.dir}/index.js`,
                ...all.map((name) => `${seen}/${name}`),
            ]);
            assert.match(index, /^read/);
            for (const text of texts) {
                assert.match(text, /EACCES|ENOENT|^list (runtime|tmp|,)*$/, text);
            }
        });
    }
}
