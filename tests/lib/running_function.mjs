/* SPDX-License-Identifier: Apache-2.0
 * A function running under our bootstrap for Node or Python as a child process, and the daemon's end of its
 * descriptors: 3, over which it speaks the Runtime API, and 4, on which it logs.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const bootstrap = (name) =>
    fileURLToPath(new URL(`../../src/lambda/bootstrap/${name}`, import.meta.url));
const node = process.env.ROPELINE_TEST_NODE || process.execPath;
export const NODE = { command: [node, bootstrap('node.js')], runtime: 'nodejs20.x' };
const python = process.env.ROPELINE_PYTHON || '/usr/bin/python3';
export const PYTHON = {
    command: [python, '-P', '-s', '-B', '-u', bootstrap('python.py')],
    runtime: 'python3.11',
};
const LEVEL = { 4: 'TRACE', 8: 'DEBUG', 12: 'INFO', 16: 'WARN', 20: 'ERROR', 24: 'FATAL' };

/** Cuts the bootstrap's byte stream into requests; bodies by Content-Length or in chunks. */
class Requests {
    bytes = Buffer.alloc(0);
    ready = [];
    takers = [];
    reads = 0;

    push(data) {
        this.reads++;
        this.bytes = Buffer.concat([this.bytes, data]);
        for (let request = this.cut(); request; request = this.cut()) {
            const taker = this.takers.shift();
            taker ? taker(request) : this.ready.push(request);
        }
    }

    next() {
        return this.ready.length > 0 ? Promise.resolve(this.ready.shift())
            : new Promise((resolve) => this.takers.push(resolve));
    }

    cut() {
        const stop = this.bytes.indexOf('\r\n\r\n');
        if (stop < 0) {
            return null;
        }
        const [line, ...fields] = this.bytes.toString('latin1', 0, stop).split('\r\n');
        const [method, url, version] = line.split(' ');
        assert.equal(version, 'HTTP/1.1');
        const headers = fieldsOf(fields);
        const request = { method, url, headers, trailers: {}, read: this.reads };
        const rest = stop + 4;
        const end = headers['transfer-encoding'] === 'chunked' ? this.cutChunks(rest, request)
            : rest + Number(headers['content-length'] ?? 0);
        if (end === null || end > this.bytes.length) {
            return null;
        }
        request.body ??= this.bytes.toString('utf8', rest, end);
        this.bytes = this.bytes.subarray(end);
        return request;
    }

    cutChunks(from, request) {
        const chunks = [];
        for (let at = from; ;) {
            const stop = this.bytes.indexOf('\r\n', at);
            if (stop < 0) {
                return null;
            }
            const size = parseInt(this.bytes.toString('latin1', at, stop), 16);
            at = stop + 2;
            if (size === 0) {
                const end = this.bytes.indexOf('\r\n\r\n', stop);
                if (end < 0) {
                    return null;
                }
                const lines = this.bytes.toString('latin1', at, Math.max(at, end)).split('\r\n');
                request.trailers = fieldsOf(lines.filter(Boolean));
                request.body = Buffer.concat(chunks).toString('utf8');
                return end + 4;
            }
            chunks.push(this.bytes.subarray(at, at + size));
            at += size + 2;
        }
    }
}

function fieldsOf(lines) {
    return Object.fromEntries(lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }));
}

/** Cuts log frames: type with level, length, microseconds, text. */
function framesOf(bytes) {
    const frames = [];
    for (let at = 0; at + 16 <= bytes.length;) {
        const type = bytes.readUInt32BE(at);
        const length = bytes.readUInt32BE(at + 4);
        frames.push({
            form: { 0xa55a0003: 'text', 0xa55a0002: 'json' }[(type & ~0x1c) >>> 0],
            level: LEVEL[type & 0x1c],
            time: Number(bytes.readBigUInt64BE(at + 8) / 1000n),
            text: bytes.toString('utf8', at + 16, at + 16 + length),
        });
        at += 16 + length;
    }
    return frames;
}

export class RunningFunction {
    requests = new Requests();
    logBytes = [];
    stdout = '';
    stderr = '';
    count = 0;

    constructor(root, env, { command: [program, ...args], runtime }) {
        this.root = root;
        this.child = spawn(program, args, {
            cwd: root,
            stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
            env: {
                PATH: process.env.PATH,
                LAMBDA_TASK_ROOT: root,
                _HANDLER: runtime.startsWith('python') ? 'app.handler' : 'index.handler',
                _LAMBDA_TELEMETRY_LOG_FD: '4',
                AWS_EXECUTION_ENV: `AWS_Lambda_${runtime}`,
                AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING: '1',
                AWS_LAMBDA_FUNCTION_NAME: 'guard',
                AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
                AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
                AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/guard',
                AWS_LAMBDA_LOG_STREAM_NAME: '2026/11/22/[$LATEST]00',
                ...env,
            },
        });
        const [, stdout, stderr, api, log] = this.child.stdio;
        this.api = api;
        this.log = log;
        api.on('data', (data) => this.requests.push(data)).on('error', () => {});
        log.on('data', (data) => this.logBytes.push(data)).on('error', () => {});
        stdout.on('data', (data) => { this.stdout += data; });
        stderr.on('data', (data) => { this.stderr += data; });
        this.exited = new Promise((resolve) => this.child.on('close', (code) => {
            this.gone = true;
            resolve(code);
        }));
    }

    /** The log so far. The other descriptor is not in step with it: see `logs`. */
    get logged() {
        return framesOf(Buffer.concat(this.logBytes));
    }

    /** The log once it has at least `count` frames, or is at its end. */
    async logs(count) {
        while (this.logged.length < count && !this.gone) {
            await new Promise((resolve) => setTimeout(resolve, 2));
        }
        return this.logged;
    }

    /** The next request; a process that ends instead is a failure, with all it said. */
    async request() {
        const ended = this.exited.then((code) => {
            throw new Error(`exit ${code} instead of a request\n${this.stderr}${this.stdout}` +
                this.logged.map((frame) => frame.text).join(''));
        });
        ended.catch(() => {});
        return Promise.race([this.requests.next(), ended]);
    }

    accept() {
        this.api.write('HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n' +
            'Content-Length: 15\r\n\r\n{"status":"OK"}');
    }

    eventBytes(event, fields) {
        const body = typeof event === 'string' ? event : JSON.stringify(event);
        const head = Object.entries({
            'Content-Type': 'application/json',
            'Lambda-Runtime-Aws-Request-Id': `id-${++this.count}`,
            'Lambda-Runtime-Deadline-Ms': Date.now() + 3000,
            'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:eu-west-1:1:function:guard',
            ...fields,
            'Content-Length': Buffer.byteLength(body),
        }).map(([name, value]) => `${name}: ${value}\r\n`).join('');
        return Buffer.from(`HTTP/1.1 200 OK\r\n${head}\r\n${body}`);
    }

    async give(event = {}, fields = {}) {
        const next = await this.request();
        assert.equal(`${next.method} ${next.url}`, 'GET /2018-06-01/runtime/invocation/next');
        this.api.write(this.eventBytes(event, fields));
    }

    /** One whole invocation. */
    async invoke(event, fields) {
        await this.give(event, fields);
        const answer = await this.request();
        this.accept();
        assert.equal(answer.method, 'POST');
        const [, id, kind] = /^\/2018-06-01\/runtime\/invocation\/(.*)\/(.*)$/.exec(answer.url);
        assert.equal(id, `id-${this.count}`);
        const isStream = 'transfer-encoding' in answer.headers;
        return { ...answer, kind, json: isStream ? undefined : JSON.parse(answer.body) };
    }

    async result(event, fields) {
        const answer = await this.invoke(event, fields);
        assert.equal(answer.kind, 'response', answer.body);
        return answer.json;
    }

    async error(event, fields) {
        const answer = await this.invoke(event, fields);
        assert.equal(answer.kind, 'error', answer.body);
        return answer.json;
    }

    async initError() {
        const answer = await this.request();
        assert.equal(answer.url, '/2018-06-01/runtime/init/error');
        this.accept();
        return JSON.parse(answer.body);
    }

    /** Hangs up, at which the process ends by itself; the log is then complete. */
    async stop() {
        this.api.destroy();
        this.log.resume();
        const late = setTimeout(() => this.child.kill('SIGKILL'), 5000);
        await this.exited;
        clearTimeout(late);
    }
}

/** Starts the bootstrap on a function made of these files; one string is its index.js or app.py. */
export function start(t, files, env = {}, kind = NODE) {
    const root = mkdtempSync(path.join(tmpdir(), 'bootstrap-'));
    const main = kind === PYTHON ? 'app.py' : 'index.js';
    const all = typeof files === 'string' ? { [main]: files } : files;
    for (const [name, text] of Object.entries(all)) {
        mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
        writeFileSync(path.join(root, name), text);
    }
    const fn = new RunningFunction(root, env, kind);
    t.after(async () => {
        await fn.stop();
        rmSync(root, { recursive: true });
    });
    return fn;
}
