// SPDX-License-Identifier: Apache-2.0
// Goals 6 and 7: how often the authorizer is called, and how long starting takes. Calls are counted
// by the function itself: it numbers them in each environment and the backend repeats the number.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { SUBJECT_CPU, stop } from './process.mjs';
import { guardedTemplate, startRopeline } from './ropeline.mjs';
import { median } from './report.mjs';

const BURST = 64;
const DISTINCT = 1000;
const TAIL = 16;
const SLOW_CALL_MS = 20; // so that a burst surely falls into one call
const BUSY_MS = 1000; // so that a second environment is quicker than waiting for the first

// "hello ana viewer ENVIRONMENT:NUMBER:ENTERED"
function callOf(body) {
  const [environment, number, entered] = body.trim().split(' ')[3].split(':');
  return { environment, number: Number(number), entered: Number(entered) };
}

// All connections first, then a request on each at once; the calls that answered them.
async function atOnce(port, path, tokens) {
  const sockets = await Promise.all(tokens.map(() => new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
  })));
  const sent = performance.timeOrigin + performance.now();
  const calls = sockets.map((socket, i) => new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (chunk) => { text += chunk; });
    socket.on('end', () => (text.startsWith('HTTP/1.1 200 ')
      ? resolve(callOf(text.slice(text.indexOf('\r\n\r\n') + 4))) : reject(new Error(text))));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n` +
      `Authorization: ${tokens[i]}\r\n\r\n`);
  }));
  return (await Promise.all(calls)).map((call) => ({ ...call, afterMs: call.entered - sent }));
}

// Sum over environments of the highest number seen.
class Calls {
  constructor() {
    this.highest = new Map();
  }

  add(calls) {
    for (const { environment, number } of calls) {
      this.highest.set(environment, Math.max(number, this.highest.get(environment) ?? 0));
    }
    return [...this.highest.values()].reduce((sum, n) => sum + n, 0);
  }
}

const fresh = (n) => Array.from({ length: n }, () => `Bearer ${randomUUID()}`);

// Tokens that nobody has shown before, enough at once to reach every environment: what they add
// beyond themselves are calls whose answer nobody got.
async function settle(daemon, calls) {
  const tail = fresh(TAIL);
  return calls.add(await atOnce(daemon.port, '/dev/guarded', tail)) - tail.length;
}

// How many calls the groups of simultaneous requests cause.
async function invocations(daemon, groups) {
  const calls = new Calls();
  const before = await settle(daemon, calls) + TAIL;
  for (const tokens of groups) {
    calls.add(await atOnce(daemon.port, '/dev/guarded', tokens));
  }
  return await settle(daemon, calls) - before;
}

const startSlow = (backend, authorizer, ms) =>
  startRopeline(guardedTemplate(backend, { ...authorizer, wait: String(ms) }));

export async function countInvocations(report, backend, authorizer, rounds) {
  const daemon = await startSlow(backend, authorizer, SLOW_CALL_MS);
  const counts = [];
  for (let i = 0; i < rounds; i++) {
    counts.push(await invocations(daemon, [Array(BURST).fill(fresh(1)[0])]));
  }
  const worst = counts.find((n) => n !== 1) ?? 1;
  report.row(`6: invocations for ${BURST} simultaneous requests with one new token (worst round)`,
    worst, null, null, '= 1', rounds);
  const groups = Array.from({ length: DISTINCT / 50 }, () => fresh(50));
  report.row(`6: invocations for ${DISTINCT} distinct tokens`, await invocations(daemon, groups),
    null, null, `= ${DISTINCT}`, 1);
  await stop(daemon.child, daemon.pid);
}

// --- goal 7 -------------------------------------------------------------------------------------

// The wall time of `node -e 0` on the CPU where functions start.
function nodeMs() {
  const began = performance.now();
  spawnSync('taskset', ['-c', String(SUBJECT_CPU), process.execPath, '-e', '0']);
  return performance.now() - began;
}

export async function measureStarts(report, backend, authorizer, rounds) {
  const start = [];
  const node = [];
  const first = [];
  const next = [];
  const warm = [];
  for (let i = 0; i < rounds; i++) {
    node.push(nodeMs());
    const daemon = await startSlow(backend, authorizer, BUSY_MS);
    start.push(daemon.startMs);
    const [{ afterMs }] = await atOnce(daemon.port, '/dev/fresh', fresh(1));
    first.push(afterMs);
    // Two at once: one finds the environment that is there, the other needs a second one.
    const two = await atOnce(daemon.port, '/dev/fresh', fresh(2));
    next.push(Math.max(...two.map((c) => c.afterMs)));
    warm.push(Math.min(...two.map((c) => c.afterMs)));
    await stop(daemon.child, daemon.pid);
  }
  report.row('7: start to listening, ms', median(start), null, null, '<= 32', rounds);
  report.note('7: 32 ms is 0.01x of the 3.2 s recorded for serverless-offline, not run here');
  report.compare('7: first request, sent to handler entered, ms; peer: node -e 0', first, node,
    '<= 0.15x');
  report.compare('7: the same when a second environment is needed', next, node, '<= 0.10x');
  report.compare('7: the same in a warm environment', warm, node, null);
}
