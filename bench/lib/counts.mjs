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
const SLOW_CALL_MS = 20; // so that a burst surely falls into one call
const BUSY_MS = 1000; // so that a second environment is quicker than waiting for the first

// "hello ana viewer ENVIRONMENT:NUMBER:ENTERED"
function callOf(body) {
  const [environment, number, entered] = body.trim().split(' ')[3].split(':');
  return { environment, number: Number(number), entered: Number(entered) };
}

// `requests` connections first, then all requests at once; the answers' calls.
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
  const tail = fresh(BURST / 4);
  return calls.add(await atOnce(daemon.port, '/dev/guarded', tail)) - tail.length;
}

async function burst(daemon, tokens) {
  const calls = new Calls();
  const before = await settle(daemon, calls) + BURST / 4;
  calls.add(await atOnce(daemon.port, '/dev/guarded', tokens));
  return await settle(daemon, calls) - before;
}

async function inGroups(daemon, tokens) {
  const calls = new Calls();
  const before = await settle(daemon, calls) + BURST / 4;
  for (let i = 0; i < tokens.length; i += BURST) {
    calls.add(await atOnce(daemon.port, '/dev/guarded', tokens.slice(i, i + BURST)));
  }
  return await settle(daemon, calls) - before;
}

export async function countInvocations(report, backend, authorizer, rounds) {
  const daemon = await startRopeline(guardedTemplate(backend, { ...authorizer, wait: String(SLOW_CALL_MS) }));
  const counts = [];
  for (let i = 0; i < rounds; i++) {
    const [token] = fresh(1);
    counts.push(await burst(daemon, Array(BURST).fill(token)));
  }
  const worst = counts.reduce((w, n) => (Math.abs(n - 1) > Math.abs(w - 1) ? n : w), counts[0]);
  report.row(`6: invocations for ${BURST} simultaneous requests with one new token (worst round)`,
    worst, null, null, '= 1', rounds);
  report.row(`6: invocations for ${DISTINCT} distinct tokens`, await inGroups(daemon, fresh(DISTINCT)), null, null,
    `= ${DISTINCT}`, 1);
  await stop(daemon.child, daemon.pid);
}

// --- goal 7 -----------------------------------------------------------------------------------------------

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
  const second = [];
  for (let i = 0; i < rounds; i++) {
    node.push(nodeMs());
    const daemon = await startRopeline(guardedTemplate(backend, { ...authorizer, wait: String(BUSY_MS) }));
    start.push(daemon.startMs);
    const [{ afterMs }] = await atOnce(daemon.port, '/dev/fresh', fresh(1));
    first.push(afterMs);
    // Two at once: one finds the environment that is there, the other needs a second one.
    const two = await atOnce(daemon.port, '/dev/fresh', fresh(2));
    next.push(Math.max(...two.map((c) => c.afterMs)));
    second.push(Math.min(...two.map((c) => c.afterMs)));
    await stop(daemon.child, daemon.pid);
  }
  report.row('7: start to listening, ms (0.01x of serverless-offline\'s recorded 3.2 s)', median(start), null,
    null, '<= 32', rounds);
  report.compare('7: first authorized request, request sent to handler entered, ms; peer: node -e 0', first, node,
    '<= 0.15x', rounds);
  report.compare('7: the same when a second environment is needed', next, node, '<= 0.10x');
  report.compare('7: the same in a warm environment', second, node, null);
}
