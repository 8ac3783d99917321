// SPDX-License-Identifier: Apache-2.0
// script/bench gateway: one gateway process against nginx and haproxy; goals 1, 3 to 7 and 13.
// CPU is microseconds per request of the subject's whole process tree, authorizer included.
// Environment: BENCH_ROUNDS (8), BENCH_SECONDS (2) each, BENCH_DECISIONS (100000), BENCH_PARTS
// (all: load,invocations,starts,idle,routes,decisions), ROPELINE_BIN (build/ropeline).
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { countInvocations, measureStarts } from './lib/counts.mjs';
import { expect, inTurn, one, round } from './lib/load.mjs';
import { idleConnections, manyDecisions, manyRoutes, memoryAfterRun } from './lib/memory.mjs';
import {
  startBackend, startHaproxy, startNginxAuth, startNginxPlain, version,
} from './lib/peers.mjs';
import { stop, stopAll } from './lib/process.mjs';
import { Report, alternate, column, median, show, table } from './lib/report.mjs';
import {
  BINARY, countingAuthorizer, guardedTemplate, guideAuthorizer, signToken, startRopeline,
} from './lib/ropeline.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 8);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const DECISIONS = Number(process.env.BENCH_DECISIONS ?? 100_000);
const TOKENS = 1000;
const NAMELESS = 'hello   \n'; // the backend's answer when it is not told who calls
const ANA = 'hello ana viewer \n';
const CPU_IS_FULL = 0.95;

// The subjects' names.
const OURS = 'ropeline open';
const OURS_SHOWN = 'ropeline open, token shown';
const OURS_FRESH = 'ropeline TOKEN, TTL 0';
const oursCached = (tokens) => `ropeline TOKEN, cached, ${tokens}`;
const NGINX = 'nginx plain';
const NGINX_SHOWN = 'nginx plain, token shown';
const NGINX_FRESH = 'nginx auth_request, every time';
const nginxCached = (tokens) => `nginx auth_request, cached, ${tokens}`;
const HAPROXY = 'haproxy plain';
const ONE = '1 token';
const MANY = `${TOKENS} tokens`;

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

// --- subjects -----------------------------------------------------------------------------------

async function plainSubjects(report, backend) {
  const nginx = await startNginxPlain(backend);
  await expect(nginx.port, '/dev/open', {}, 200, NAMELESS);
  const subjects = [{ ...nginx, name: NGINX, load: one(nginx.port, '/dev/open') }];
  if (version('haproxy', ['-v'])) {
    const haproxy = await startHaproxy(backend);
    await expect(haproxy.port, '/dev/open', {}, 200, NAMELESS);
    subjects.push({ ...haproxy, name: HAPROXY, load: one(haproxy.port, '/dev/open') });
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
    await expect(port, path, { headers: { Authorization } }, 200, ANA);
  }
}

async function guardedSubjects(backend, guide, nginx, daemon, tokens) {
  const auth = await startNginxAuth(backend, guide.code);
  const [open, guarded, fresh] = ['/dev/open', '/dev/guarded', '/dev/fresh'];
  await expectGuarded(auth.cachedPort, guarded, tokens);
  await expectGuarded(auth.port, fresh, [tokens[0]]);
  await expectGuarded(daemon.port, guarded, tokens);
  await expectGuarded(daemon.port, fresh, [tokens[0]]);
  const shown = (port, path) => one(port, path, { Authorization: tokens[0] });
  const each = tokens.map((token) => ({ target: guarded, headers: { Authorization: token } }));
  return [
    { ...nginx, name: NGINX_SHOWN, load: shown(nginx.port, open) },
    { ...daemon, name: OURS_SHOWN, load: shown(daemon.port, open) },
    { ...auth, name: nginxCached(ONE), load: shown(auth.cachedPort, guarded) },
    { ...daemon, name: oursCached(ONE), load: shown(daemon.port, guarded) },
    { ...auth, name: nginxCached(MANY), load: inTurn(auth.cachedPort, each) },
    { ...daemon, name: oursCached(MANY), load: inTurn(daemon.port, each) },
    { ...auth, name: NGINX_FRESH, load: shown(auth.port, fresh) },
    { ...daemon, name: OURS_FRESH, load: shown(daemon.port, fresh) },
  ];
}

// --- goals --------------------------------------------------------------------------------------

function cpuRow(report, samples, what, ours, peer, goal) {
  report.compare(`${what}; peer: ${peer}`, column(samples, ours, 'cpu'),
    column(samples, peer, 'cpu'), goal);
}

function plainGoals(report, samples) {
  cpuRow(report, samples, '1: open HTTP_PROXY route', OURS, NGINX, '<= 1.00x');
  if (samples.has(HAPROXY)) {
    cpuRow(report, samples, '1: open HTTP_PROXY route', OURS, HAPROXY, null);
  }
}

// What guarding costs, round by round.
function increment(samples, guarded, open) {
  const without = column(samples, open, 'cpu');
  return column(samples, guarded, 'cpu').map((cpu, i) => cpu - without[i]);
}

function guardedGoals(report, samples) {
  for (const n of [ONE, MANY]) {
    const what = `3: cached TOKEN authorizer, ${n}`;
    cpuRow(report, samples, what, oursCached(n), nginxCached(n), '<= 0.65x');
    cpuRow(report, samples, what, oursCached(n), NGINX_SHOWN, '<= 1.15x');
  }
  report.compare('4: what the cached authorizer adds; peer: nginx, cached',
    increment(samples, oursCached(ONE), OURS_SHOWN),
    increment(samples, nginxCached(ONE), NGINX_SHOWN), '<= 0.50x');
  cpuRow(report, samples, '5: the guide\'s handler, cache off', OURS_FRESH, NGINX_FRESH,
    '<= 0.90x');
}

// --- what was measured --------------------------------------------------------------------------

function printSubjects(samples) {
  const range = (v) => `${show(Math.min(...v))}..${show(Math.max(...v))}`;
  const percent = (v) => `${(100 * median(v)).toFixed(0)}%`;
  console.log('');
  table(['medians', 'CPU us/req', 'range', 'of it Node', 'rps', 'p50 ms', 'p99 ms',
    'subject on CPU 0', 'wrk on CPU 1', 'backend on CPU 1'], [...samples].map(([name, rounds]) => {
    const of = (field) => rounds.map((r) => r[field]);
    return [name, median(of('cpu')), range(of('cpu')), median(of('node')),
      String(Math.round(median(of('rps')))), median(of('p50')), median(of('p99')),
      percent(of('busy')), percent(of('loadBusy')), percent(of('backendBusy'))];
  }));
}

function noteDoubts(report, samples) {
  for (const [name, rounds] of samples) {
    const full = rounds.filter((r) => r.loadBusy + r.backendBusy > CPU_IS_FULL).length;
    const lost = rounds.reduce((sum, r) => sum + r.lost, 0);
    if (full > 0) {
      report.note(`${name}: wrk and backend filled CPU 1 in ${full} of ${rounds.length} rounds: ` +
        'its rps and latency are theirs, its CPU per request is its own');
    }
    if (lost > 0) {
      report.note(`${name}: ${lost} threads ended in the rounds; their last CPU is not counted`);
    }
  }
}

async function measureLoad(report, backend) {
  const guide = guideAuthorizer();
  const plain = await plainSubjects(report, backend);
  const daemon = await startRopeline(guardedTemplate(backend, guide));
  await expect(daemon.port, '/dev/open', {}, 200, NAMELESS);
  const subjects = [...plain, { ...daemon, name: OURS, load: one(daemon.port, '/dev/open') }];
  if (guide) {
    const tokens = Array.from({ length: TOKENS },
      (_, i) => `Bearer ${signToken(guide.privateKey, i)}`);
    subjects.push(...await guardedSubjects(backend, guide, plain[0], daemon, tokens));
  } else {
    report.note('jsonwebtoken is not here and npm could not fetch it: no figures for goals 3 to 5');
  }
  const measure = (seconds) => (subject) => round(subject, backend, seconds);
  await alternate(subjects, 1, measure(1)); // warms code, caches and environments
  const samples = await alternate(subjects, ROUNDS, measure(SECONDS),
    (n) => console.log(`round ${n} of ${ROUNDS}`));
  printSubjects(samples);
  noteDoubts(report, samples);
  plainGoals(report, samples);
  if (guide) {
    guardedGoals(report, samples);
  }
  memoryAfterRun(report, daemon, plain);
  for (const subject of subjects) {
    await stop(subject.child, subject.pid);
  }
}

// --- all of it ----------------------------------------------------------------------------------

// A part that fails is a note and not the end of the others.
async function parts(report, list) {
  const wanted = process.env.BENCH_PARTS?.split(',');
  for (const [name, run] of list.filter(([part]) => !wanted || wanted.includes(part))) {
    console.log(`${name} ...`);
    try {
      await run();
    } catch (error) {
      report.note(`${name}: NOT MEASURED: ${error.message.slice(0, 300)}`);
      process.exitCode = 1;
    }
  }
}

async function main() {
  needed();
  const versions = [[BINARY, '--version'], ['nginx', '-v'], ['haproxy', '-v'], ['wrk', '-v']];
  for (const [name, flag] of versions) {
    console.log(version(name, [flag]) ?? `no ${name}`);
  }
  console.log(`Node ${process.version}; ${ROUNDS} rounds of ${SECONDS} s`);
  console.log(`${cpus()[0].model}; load average before: ${loadavg().map(show).join(' ')}`);
  const report = new Report(process.env.BENCH_NAME ?? 'gateway', 'CPU us per request');
  const backend = await startBackend();
  const counting = countingAuthorizer();
  await parts(report, [
    ['load', () => measureLoad(report, backend)],
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
  console.error(`bench gateway: ${error.message}`);
  process.exitCode = 1;
} finally {
  await stopAll();
}
