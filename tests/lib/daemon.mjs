/* SPDX-License-Identifier: Apache-2.0
 * The real daemon on a project of its own, in a temporary folder and on free ports, for the length
 * of a test. What it says is kept and shown when a test fails; when it stops it must have exited
 * with 0 and left no process behind.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
    chmodSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    rmSync,
    writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import nodeTest from 'node:test';
import { fileURLToPath } from 'node:url';
import { Wire, raw } from './http1.mjs';

export { raw, Wire };

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const ROPELINE = path.resolve(process.env.ROPELINE_BIN ?? `${REPOSITORY}/build/ropeline`);
/** Sanitizer builds are several times slower. */
export const PATIENCE = Number(process.env.ROPELINE_TEST_PATIENCE ?? 1);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits for something to become true; says what it waited for when it does not. */
export async function eventually(what, isSo, ms = 10_000) {
    const end = Date.now() + ms * PATIENCE;
    for (;;) {
        const value = await isSo();
        if (value) {
            return value;
        }
        assert.ok(Date.now() < end, `still not so: ${what}`);
        await sleep(15);
    }
}

/* ---- processes ---- */

function processes() {
    const all = new Map();
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
        try {
            const text = readFileSync(`/proc/${name}/stat`, 'latin1');
            const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
            all.set(Number(name), {
                pid: Number(name),
                state: fields[0],
                parent: Number(fields[1]),
                session: Number(fields[3]),
                started: fields[19],
                command: text.slice(text.indexOf('(') + 1, text.lastIndexOf(')')),
            });
        } catch {
            /* it has just ended */
        }
    }
    return all;
}

/** A process and all below it, parents first. */
export function family(pid) {
    const all = processes();
    const found = all.has(pid) ? [all.get(pid)] : [];
    for (let i = 0; i < found.length; i++) {
        for (const one of all.values()) {
            if (one.parent === found[i].pid) {
                found.push(one);
            }
        }
    }
    return found;
}

/** Those of `past` that still live, and all of that session. */
function survivors(past, session) {
    const all = processes();
    const isAlive = ({ pid, started }) =>
        all.get(pid)?.started === started && all.get(pid).state !== 'Z';
    const left = past.filter(isAlive);
    for (const one of all.values()) {
        if (
            one.session === session &&
            one.state !== 'Z' &&
            !left.some(({ pid }) => pid === one.pid)
        ) {
            left.push(one);
        }
    }
    return left;
}

/* ---- the command line ---- */

/** Runs one verb to its end. */
export function ropeline(args, { cwd, input = '', env = {}, timeout = 20_000 } = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(ROPELINE, args, { cwd, env: { ...process.env, ...env } });
        const out = { stdout: '', stderr: '' };
        const late = setTimeout(() => child.kill('SIGKILL'), timeout * PATIENCE);
        child.stdout.on('data', (data) => {
            out.stdout += data;
        });
        child.stderr.on('data', (data) => {
            out.stderr += data;
        });
        child.on('error', reject);
        child.on('close', (code, signal) => {
            clearTimeout(late);
            resolve({ code, signal, ...out, all: out.stdout + out.stderr });
        });
        child.stdin.on('error', () => {});
        child.stdin.end(input);
    });
}

/* ---- requests ---- */

/** One request by node's own client; the body is text or a Buffer. */
export function request(port, method, target, { headers = {}, body, agent = false } = {}) {
    const framing = body === undefined ? {} : { 'Content-Length': Buffer.byteLength(body) };
    const options = { host: '127.0.0.1', port, method, path: target, agent };
    return new Promise((resolve, reject) => {
        const rq = http.request({ ...options, headers: { ...framing, ...headers } }, (rs) => {
            const chunks = [];
            rs.on('data', (chunk) => chunks.push(chunk));
            rs.on('error', reject);
            rs.on('end', () => {
                const bytes = Buffer.concat(chunks);
                resolve({
                    status: rs.statusCode,
                    headers: rs.headers,
                    rawHeaders: rs.rawHeaders,
                    bytes,
                    body: bytes.toString('utf8'),
                    complete: rs.complete,
                    get json() {
                        return JSON.parse(this.body);
                    },
                });
            });
            rs.on('close', () => rs.complete || reject(new Error('the answer was cut')));
        });
        rq.on('error', reject);
        rq.end(body);
    });
}

/* ---- the daemon ---- */

const running = new Set();
/* A runner that is stopped takes its daemons with it. */
process.on('exit', () => running.forEach((daemon) => daemon.abandon()));
for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => process.exit(1));
}

export class Daemon {
    transcript = '';
    past = [];

    constructor(project, options) {
        Object.assign(this, { project, options });
        const below = options.below ?? tmpdir();
        this.dir = mkdtempSync(path.join(below, 'ropeline-test-'));
        this.outside = mkdtempSync(path.join(below, 'ropeline-calls-'));
        this.state = path.join(this.outside, 'state');
        if (options.shared) {
            // another user than ours is to read and write there
            chmodSync(this.dir, 0o755);
            chmodSync(this.outside, 0o777);
        }
        this.stagePath = project.stage ? `/${project.stage}` : '';
        if (project.text !== undefined) {
            this.write(project.name, project.text);
        }
        for (const [name, text] of Object.entries(project.files ?? {})) {
            this.write(name, text);
        }
    }

    fill(text) {
        return typeof text !== 'string'
            ? text
            : text.replaceAll('@CALLS@', this.outside).replaceAll('@DIR@', this.dir);
    }

    /** Writes a file of the project, also while the daemon runs. */
    write(name, text) {
        const file = path.join(this.dir, name);
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, this.fill(text));
        if (/^(#!|\x7fELF)/.test(text.toString('latin1', 0, 4))) {
            chmodSync(file, 0o755); // a program
        }
    }

    get args() {
        const { params = {}, args = [], verb = 'dev' } = this.options;
        const { gateway = '127.0.0.1:0', core = '127.0.0.1:0' } = this.options;
        const subject = verb === 'dev' ? [this.project.name] : ['-c', this.project.name];
        return [
            verb,
            ...subject,
            '--gateway',
            gateway,
            // without api keys serve keeps the core shut
            ...(verb === 'dev' ? ['--core', core] : []),
            '--metrics',
            '127.0.0.1:0',
            '--state',
            this.state,
            '--ready-file',
            this.readyFile,
            // where functions say that they were called
            ...(this.options.confined ? [] : ['--allow-write', this.outside]),
            ...Object.entries(params).flatMap(([name, value]) => ['--param', `${name}=${value}`]),
            ...[...(this.project.args ?? []), ...args].map((arg) => this.fill(arg)),
        ];
    }

    async launch() {
        this.ended = undefined;
        this.options.prepare?.(this);
        this.readyFile = path.join(this.outside, `ready-${randomBytes(4).toString('hex')}`);
        // what runs the binary, or a copy of it, for another user
        const [command, ...before] = this.options.command?.(this) ?? [ROPELINE];
        this.child = spawn(command, [...before, ...this.args], {
            cwd: this.dir,
            detached: true,
            stdio: ['ignore', 'pipe', 'pipe'],
            env: { ...process.env, ...this.options.env },
        });
        const hear = (data) => {
            this.transcript += data;
        };
        this.child.stdout.setEncoding('utf8').on('data', hear);
        this.child.stderr.setEncoding('utf8').on('data', hear);
        this.exited = new Promise((resolve, reject) => {
            this.child.on('error', reject);
            this.child.on('close', (code, signal) => {
                this.ended = { code, signal };
                resolve(this.ended);
            });
        });
        this.exited.catch(() => {});
        running.add(this);
        return this;
    }

    /** Waits for the ready file; a daemon that ends instead is a failure. */
    async ready(ms = 15_000) {
        const end = Date.now() + ms * PATIENCE;
        for (;;) {
            try {
                const text = readFileSync(this.readyFile, 'utf8');
                this.listening = JSON.parse(text);
                this.pid = this.listening.pid;
                this.port = Number(this.listening.gateway.split(':').at(-1));
                this.metricsPort =
                    this.listening.metrics && Number(this.listening.metrics.split(':').at(-1));
                return this;
            } catch (e) {
                if (e.code !== 'ENOENT' && !(e instanceof SyntaxError)) {
                    throw e;
                }
            }
            if (this.ended || Date.now() > end) {
                const how = this.ended
                    ? `it ended with ${JSON.stringify(this.ended)}`
                    : 'it is not ready';
                throw new Error(`${ROPELINE} ${this.args.join(' ')}\n${how}:\n${this.transcript}`);
            }
            await sleep(5);
        }
    }

    request(method, target, { headers = {}, token, ...rest } = {}) {
        const given = token === undefined ? headers : { Authorization: token, ...headers };
        return request(this.port, method, this.stagePath + target, { headers: given, ...rest });
    }

    get(target, options) {
        return this.request('GET', target, options);
    }

    /** Bytes of the test's own making; see http1.mjs. */
    raw(bytes, options) {
        return raw(this.port, bytes, options);
    }

    wire(options) {
        return new Wire(this.port, options);
    }

    /** The events with which a function was called so far. */
    calls(name = 'Guard') {
        try {
            const text = readFileSync(path.join(this.outside, name), 'utf8');
            return text
                .split('\n')
                .filter(Boolean)
                .map((line) => JSON.parse(line));
        } catch {
            return [];
        }
    }

    /** A verb that speaks to this daemon. */
    ropeline(...args) {
        return ropeline([...args, '--state', this.state], { cwd: this.dir });
    }

    async metrics() {
        return (await request(this.metricsPort, 'GET', '/metrics')).body;
    }

    family() {
        return family(this.child.pid);
    }

    /** Processes of the functions that run now. */
    functions() {
        return this.family().filter(({ command }) => /(^|\/)(node|MainThread|python)/.test(command));
    }

    /** Processes that wait to be forked. */
    templates() {
        return this.family().filter(({ command }) => command === 'template');
    }

    /** The process that serves: the keeper's first child, whatever pids the later ones have. */
    gateway() {
        return this.family()
            .filter(({ parent }) => parent === this.child.pid)
            .sort((a, b) => Number(a.started) - Number(b.started) || a.pid - b.pid)[0];
    }

    async waitFor(text, ms) {
        return eventually(
            `the daemon says ${text}`,
            () =>
                text instanceof RegExp
                    ? text.test(this.transcript)
                    : this.transcript.includes(text),
            ms,
        );
    }

    async end(signal = 'SIGTERM') {
        this.past.push(...this.family());
        if (!this.ended) {
            process.kill(this.child.pid, signal);
        }
        const late = setTimeout(() => this.abandon(), 20_000 * PATIENCE);
        const how = await this.exited;
        clearTimeout(late);
        return how;
    }

    abandon() {
        for (const { pid } of this.family().reverse()) {
            try {
                process.kill(pid, 'SIGKILL');
            } catch {
                /* already gone */
            }
        }
    }

    /** Nothing that it started lives on. */
    async leavesNothing() {
        let left = survivors(this.past, this.child.pid);
        for (let i = 0; i < 40 && left.length > 0; i++) {
            await sleep(25);
            left = survivors(this.past, this.child.pid);
        }
        for (const { pid } of left) {
            process.kill(pid, 'SIGKILL');
        }
        assert.deepEqual(left, [], 'processes that outlived the daemon');
    }

    async stop() {
        try {
            const wasDown = this.ended !== undefined;
            const how = await this.end();
            if (!wasDown) {
                assert.deepEqual(
                    how,
                    { code: 0, signal: null },
                    `exit on SIGTERM\n${this.transcript}`,
                );
            }
            await this.leavesNothing();
            assert.doesNotMatch(
                this.transcript,
                /AddressSanitizer|runtime error:|ThreadSanitizer|ASSERT/,
            );
        } finally {
            this.forget();
        }
    }

    forget() {
        running.delete(this);
        rmSync(this.dir, { recursive: true, force: true });
        rmSync(this.outside, { recursive: true, force: true });
    }
}

/** A daemon that runs this project until the test is over. */
export async function start(t, project, options = {}) {
    const daemon = new Daemon(project, options);
    await daemon.launch();
    t.after(() => daemon.stop());
    return daemon.ready();
}

/** A daemon that must refuse to start: {code, transcript}. */
export async function refusal(t, project, options = {}) {
    const daemon = new Daemon(project, options);
    await daemon.launch();
    t.after(() => {
        daemon.abandon();
        daemon.forget();
    });
    const late = setTimeout(() => daemon.abandon(), 15_000 * PATIENCE);
    const { code, signal } = await daemon.exited;
    clearTimeout(late);
    await daemon.leavesNothing();
    return { code, signal, transcript: daemon.transcript };
}

export const isRoot = process.getuid() === 0;

/** What start() takes to run a project by `serve`, with these lines in ropeline.yaml. */
export function served(project, lines = isRoot ? 'user: nobody\n' : '') {
    const files = { ...project.files, 'api.yaml': project.text };
    // functions of several uids could not append to one file that says who was called
    const uids = isRoot && !lines.includes('function_uids') ? 'function_uids: none\n' : '';
    const text = `apis:\n  - template: api.yaml\n${lines}${uids}`;
    return [
        { ...project, name: 'ropeline.yaml', text, files },
        { verb: 'serve', shared: true },
    ];
}

/** node:test's test; what the daemons said meanwhile is shown when it fails. */
export function test(name, ...rest) {
    const run = rest.pop();
    return nodeTest(name, { timeout: 90_000 * PATIENCE, ...rest[0] }, async (t) => {
        try {
            await run(t);
        } catch (e) {
            for (const daemon of running) {
                console.error(`---- daemon of: ${name}\n${daemon.transcript}----`);
            }
            throw e;
        }
    });
}
