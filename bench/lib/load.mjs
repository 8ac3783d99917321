// SPDX-License-Identifier: Apache-2.0
// Asking: one request to check an answer, and rounds of wrk with the CPU time of the subject, the
// backend and wrk itself. Invariant: a round with a failed answer is an error, not a figure.
import { spawn } from 'node:child_process';
import { request as httpRequest } from 'node:http';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOAD_CPU, PRIVATE, cpuBetween, cpuOf, programOf, sleep } from './process.mjs';

const LUA = fileURLToPath(new URL('load.lua', import.meta.url));
const CONNECTIONS = 64;
const TICK_US = 10_000; // of /proc/PID/stat: USER_HZ is 100 on every Linux of today
const AFTERWARDS_MS = 40; // for the subject to close wrk's connections: that is its work too

// One request on a connection of its own (or of `agent`).
export function ask(port, target, { headers = {}, agent = false } = {}) {
  return new Promise((resolve, reject) => {
    const rq = httpRequest({ host: '127.0.0.1', port, path: target, headers, agent }, (rs) => {
      let body = '';
      rs.setEncoding('utf8');
      rs.on('data', (chunk) => { body += chunk; });
      rs.on('end', () => resolve({ status: rs.statusCode, headers: rs.headers, body }));
    });
    rq.on('error', reject);
    rq.end();
  });
}

export async function expect(port, target, options, status, body) {
  const got = await ask(port, target, options);
  if (got.status !== status || (body !== undefined && got.body !== body)) {
    throw new Error(`127.0.0.1:${port}${target}: ${got.status} ${JSON.stringify(got.body)}, ` +
      `not ${status} ${JSON.stringify(body)}`);
  }
}

// --- what wrk is to ask -------------------------------------------------------------------------

const text = (port, target, headers) => [`GET ${target} HTTP/1.1`, `Host: 127.0.0.1:${port}`,
  ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', ''];

export const one = (port, target, headers = {}) => ({ port, target, headers });

// `each`: [{target, headers}], asked in turn.
let lists = 0;
export function inTurn(port, each) {
  const file = path.join(PRIVATE, `requests-${lists++}.txt`);
  const lines = each.map((r) => `${text(port, r.target, r.headers ?? {}).join('~~')}\n`);
  writeFileSync(file, lines.join(''));
  return { port, target: '/', headers: {}, env: { WRK_LIST: file } };
}

// @@ in target or headers counts from 1 to `count`, as seven digits, and goes round.
export const counting = (port, target, headers, count) => ({
  port, target: '/', headers: {}, count,
  env: { WRK_COUNT: String(count), WRK_REQUEST: text(port, target, headers).join('~~') },
});

// Sessions of the identity core, each refreshed again and again. `sessions` makes their refresh
// tokens anew for every round: what was under way when the last one ended is lost.
export const refreshing = (port, sessions) => ({
  port, target: '/', headers: {}, sessions,
  env: {
    WRK_REQUEST: [`POST /recipe/session/refresh HTTP/1.1`, `Host: 127.0.0.1:${port}`,
      'cdi-version: 5.4', 'Content-Type: application/json; charset=utf-8', ''].join('~~'),
  },
});

async function nextChain(load) {
  const file = path.join(PRIVATE, `chain-${load.port}.txt`);
  writeFileSync(file, (await load.sessions()).map((token) => `${token}\n`).join(''));
  return { ...load, env: { ...load.env, WRK_CHAIN: file } };
}

// --- wrk ----------------------------------------------------------------------------------------

// `from` is where a counting load begins.
export function wrk(load, seconds, from = 0) {
  const headers = Object.entries(load.headers).map(([name, value]) => `${name}: ${value}`);
  const url = `http://127.0.0.1:${load.port}${load.target}`;
  const args = ['-c', String(LOAD_CPU), 'wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`,
    '--timeout', '30s', '-s', LUA, ...headers.flatMap((line) => ['-H', line]), url];
  return new Promise((resolve, reject) => {
    const child = spawn('taskset', args, {
      env: { ...process.env, ...load.env, WRK_START: String(from) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (chunk) => { out += chunk; });
    child.on('error', reject);
    child.on('close', () => {
      const line = out.split('\n').find((l) => l.startsWith('{'));
      if (!line) {
        reject(new Error(`wrk ended without a result: ${out}`));
        return;
      }
      const result = JSON.parse(line);
      if (result.failed > 0 || result.requests === 0) {
        reject(new Error(`wrk ${url}: ${line}`));
        return;
      }
      resolve(result);
    });
  });
}

function onlyNode(cpu) {
  const programs = new Map();
  return new Map([...cpu].filter(([task]) => {
    const pid = task.split('/')[0];
    programs.set(pid, programs.get(pid) ?? programOf(pid));
    return programs.get(pid) === 'node';
  }));
}

// One round of one subject: {name, load, roots}. `cpu` is microseconds per request, `node` what of
// it was spent in Node (the authorizer); busy shares are of one CPU.
export async function round(subject, backend, seconds) {
  const load = subject.load.sessions ? await nextChain(subject.load) : subject.load;
  const before = cpuOf(subject.roots);
  const backendBefore = cpuOf(backend.roots);
  const from = Math.floor(Math.random() * (load.count ?? 0));
  const result = await wrk(load, seconds, from);
  await sleep(AFTERWARDS_MS);
  const after = cpuOf(subject.roots);
  const used = cpuBetween(before, after);
  const inNode = cpuBetween(before, onlyNode(after));
  const backendUsed = cpuBetween(backendBefore, cpuOf(backend.roots));
  return {
    cpu: used.us / result.requests,
    node: inNode.us / result.requests,
    rps: result.requests / (result.us / 1e6),
    p50: result.p50 / 1000,
    p99: result.p99 / 1000,
    busy: used.us / result.us,
    loadBusy: (result.ticks * TICK_US) / result.us,
    backendBusy: backendUsed.us / result.us,
    lost: used.lost,
  };
}
