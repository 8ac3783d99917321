// SPDX-License-Identifier: Apache-2.0
// script/bench gateway: one gateway process against nginx and haproxy, goals 1, 3, 4, 5, 6, 7 and 13.
// CPU is microseconds per request of the subject's whole process tree, authorizer included.
// Environment: BENCH_ROUNDS (8), BENCH_SECONDS (2) each, BENCH_DECISIONS (100000), BENCH_PARTS (all,
// or words of the names in main), ROPELINE_BIN.
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { countInvocations, measureStarts } from './lib/counts.mjs';
import { expect, inTurn, one, round } from './lib/load.mjs';
import { idleConnections, manyDecisions, manyRoutes, memoryAfterRun } from './lib/memory.mjs';
import { startBackend, startHaproxy, startNginxAuth, startNginxPlain, version } from './lib/peers.mjs';
import { stop, stopAll } from './lib/process.mjs';
import { Report, alternate, column, median, show, table } from './lib/report.mjs';
import {
  BINARY, countingAuthorizer, guardedTemplate, guideAuthorizer, signToken, startRopeline,
} from './lib/ropeline.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 8);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const DECISIONS = Number(process.env.BENCH_DECISIONS ?? 100_000);
const TOKENS = 1000;
const OPEN = 'hello   \n'; // what the backend says to a caller of whom it is told nothing
const KNOWN = 'hello ana viewer \n';

function needed() {
  const tools = [['nginx', ['-v']], ['wrk', ['-v']], ['taskset', ['-V']]];
  const missing = tools.filter(([name, args]) => !version(name, args)).map(([name]) => name);
  if (!existsSync(BINARY)) {
    missing.push(`${BINARY} (script/build)`);
  }
  if (cpus().length < 2) {
    missing.push('a second CPU, for the load');
  }
  if (missing.length > 0) {
    throw new Error(`not here: ${missing.join(', ')}; script/bootstrap --peers installs the tools`);
  }
}

// --- subjects -----------------------------------------------------------------------------------------

async function plainSubjects(report, backend) {
  const nginx = await startNginxPlain(backend);
  await expect(nginx.port, '/dev/open', {}, 200, OPEN);
  const subjects = [{ ...nginx, name: 'nginx plain', load: one(nginx.port, '/dev/open') }];
  if (version('haproxy', ['-v'])) {
    const haproxy = await startHaproxy(backend);
    await expect(haproxy.port, '/dev/open', {}, 200, OPEN);
    subjects.push({ ...haproxy, name: 'haproxy plain', load: one(haproxy.port, '/dev/open') });
  } else {
    report.note('haproxy is not installed: no figure for it');
  }
  return subjects;
}

// A guard that lets strangers in, or that keeps ana out, is not measured.
async function expectGuarded(port, path, tokens) {
  await expect(port, path, {}, 401);
  await expect(port, path, { headers: { Authorization: `${tokens[0]}x` } }, 401);
  for (const Authorization of tokens) {
    await expect(port, path, { headers: { Authorization } }, 200, KNOWN);
  }
}

async function guardedSubjects(backend, guide, nginx, daemon, tokens) {
  const auth = await startNginxAuth(backend, guide.code);
  const cached = '/dev/guarded';
  await expectGuarded(auth.cachedPort, cached, tokens);
  await expectGuarded(auth.port, cached, tokens.slice(0, 1));
  await expectGuarded(daemon.port, cached, tokens);
  await expectGuarded(daemon.port, '/dev/fresh', tokens.slice(0, 1));
  const Authorization = tokens[0];
  const many = (port) => inTurn(port, tokens.map((token) => ({ target: cached, headers: { Authorization: token } })));
  const shown = (port, path) => one(port, path, { Authorization });
  return [
    { ...nginx, name: 'nginx plain, token shown', load: shown(nginx.port, '/dev/open') },
    { ...daemon, name: 'ropeline open, token shown', load: shown(daemon.port, '/dev/open') },
    { ...auth, name: 'nginx auth_request, cached, 1 token', load: shown(auth.cachedPort, cached) },
    { ...daemon, name: 'ropeline TOKEN, cached, 1 token', load: shown(daemon.port, cached) },
    { ...auth, name: 'nginx auth_request, cached, 1000 tokens', load: many(auth.cachedPort) },
    { ...daemon, name: 'ropeline TOKEN, cached, 1000 tokens', load: many(daemon.port) },
    { ...auth, name: 'nginx auth_request, every time', load: shown(auth.port, cached) },
    { ...daemon, name: 'ropeline TOKEN, TTL 0', load: shown(daemon.port, '/dev/fresh') },
  ];
}

// --- goals --------------------------------------------------------------------------------------------------

const cpuRow = (report, samples) => (what, ours, peer, goal) => report.compare(`${what}; peer: ${peer}`,
  column(samples, ours, 'cpu'), column(samples, peer, 'cpu'), goal);

function plainGoals(report, samples) {
  const row = cpuRow(report, samples);
  row('1: open HTTP_PROXY route', 'ropeline open', 'nginx plain', '<= 1.00x');
  if (samples.has('haproxy plain')) {
    row('1: open HTTP_PROXY route', 'ropeline open', 'haproxy plain', null);
  }
}

function increment(samples, guarded, open) {
  const without = column(samples, open, 'cpu');
  return column(samples, guarded, 'cpu').map((cpu, i) => cpu - without[i]);
}

function guardedGoals(report, samples) {
  const row = cpuRow(report, samples);
  for (const n of ['1 token', '1000 tokens']) {
    row(`3: cached TOKEN authorizer, ${n}`, `ropeline TOKEN, cached, ${n}`, `nginx auth_request, cached, ${n}`,
      '<= 0.65x');
    row(`3: cached TOKEN authorizer, ${n}`, `ropeline TOKEN, cached, ${n}`, 'nginx plain, token shown', '<= 1.15x');
  }
  report.compare('4: increment of the cached authorizer; peer: nginx, cached',
    increment(samples, 'ropeline TOKEN, cached, 1 token', 'ropeline open, token shown'),
    increment(samples, 'nginx auth_request, cached, 1 token', 'nginx plain, token shown'), '<= 0.50x');
  row('5: the guide\'s handler, cache off', 'ropeline TOKEN, TTL 0', 'nginx auth_request, every time', '<= 0.90x');
}

// --- what was measured -----------------------------------------------------------------------------------------

function printSubjects(report, samples) {
  const range = (v) => `${show(Math.min(...v))}..${show(Math.max(...v))}`;
  const lines = [...samples].map(([name, rounds]) => {
    const of = (field) => rounds.map((r) => r[field]);
    const share = (field) => `${(100 * median(of(field))).toFixed(0)}%`;
    return [name, median(of('cpu')), range(of('cpu')), median(of('node')), String(Math.round(median(of('rps')))), median(of('p50')),
      median(of('p99')), share('busy'), share('loadBusy'), share('backendBusy')];
  });
  console.log('');
  table(['medians', 'CPU us/req', 'range', 'of it Node', 'rps', 'p50 ms', 'p99 ms', 'CPU 0: subject', 'CPU 1: wrk', 'backend'],
    lines);
  for (const [name, rounds] of samples) {
    const full = rounds.filter((r) => r.loadBusy + r.backendBusy > 0.95).length;
    const lost = rounds.reduce((sum, r) => sum + r.lost, 0);
    if (full > 0) {
      report.note(`${name}: wrk and backend filled CPU 1 in ${full} of ${rounds.length} rounds: its rps and ` +
        'latency are theirs, its CPU per request is its own');
    }
    if (lost > 0) {
      report.note(`${name}: ${lost} threads ended during the rounds; their last CPU time is not counted`);
    }
  }
}

async function measureLoad(report, backend, guide) {
  const tokens = guide && Array.from({ length: TOKENS }, (_, i) => `Bearer ${signToken(guide.privateKey, i)}`);
  const plain = await plainSubjects(report, backend);
  const daemon = await startRopeline(guardedTemplate(backend, guide));
  await expect(daemon.port, '/dev/open', {}, 200, OPEN);
  const subjects = [...plain, { ...daemon, name: 'ropeline open', load: one(daemon.port, '/dev/open') }];
  if (guide) {
    subjects.push(...await guardedSubjects(backend, guide, plain[0], daemon, tokens));
  } else {
    report.note('jsonwebtoken is not there and npm could not fetch it: goals 3, 4 and 5 are not measured');
  }
  await alternate(subjects, 1, (s) => round(s, backend, 1)); // warms code, caches and environments
  const samples = await alternate(subjects, ROUNDS, (s) => round(s, backend, SECONDS),
    (n) => console.log(`round ${n} of ${ROUNDS}`));
  printSubjects(report, samples);
  plainGoals(report, samples);
  if (guide) {
    guardedGoals(report, samples);
  }
  memoryAfterRun(report, daemon, plain.map((s) => [s.name, s]));
  const used = new Map([...subjects].map((s) => [s.child, s.pid ?? s.child.pid]));
  for (const [child, pid] of used) {
    await stop(child, pid);
  }
}

// A part that fails is a note and not the end of the others.
async function parts(report, list) {
  const wanted = process.env.BENCH_PARTS?.split(',');
  for (const [name, run] of list.filter(([name]) => !wanted || wanted.includes(name))) {
    console.log(`${name} ...`);
    try {
      await run();
    } catch (error) {
      report.note(`${name}: NOT MEASURED: ${error.message.slice(0, 400)}`);
      process.exitCode = 1;
    }
  }
}

async function main() {
  needed();
  const versions = [['nginx', '-v'], ['haproxy', '-v'], ['wrk', '-v']];
  for (const [name, flag] of [[BINARY, '--version'], ...versions]) {
    console.log(version(name, [flag]) ?? `no ${name}`);
  }
  console.log(`Node ${process.version}; ${ROUNDS} rounds of ${SECONDS} s`);
  console.log(`${cpus()[0].model}; load average before: ${loadavg().map(show).join(' ')}`);
  const report = new Report('gateway', 'CPU us per request');
  const backend = await startBackend();
  const counting = countingAuthorizer();
  await parts(report, [
    ['load', () => measureLoad(report, backend, guideAuthorizer())],
    ['invocations', () => countInvocations(report, backend, counting, ROUNDS)],
    ['starts', () => measureStarts(report, backend, counting, ROUNDS)],
    ['idle', () => idleConnections(report, backend, () => startNginxPlain(backend), 3)],
    ['routes', () => manyRoutes(report, backend, ROUNDS, SECONDS)],
    ['decisions', () => manyDecisions(report, backend, counting, DECISIONS, ROUNDS, SECONDS)],
  ]);
  report.print();
  report.write();
}

try {
  await main();
} catch (error) {
  console.error(`bench gateway: ${error.stack}`);
  process.exitCode = 1;
} finally {
  await stopAll();
}
