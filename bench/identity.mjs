// SPDX-License-Identifier: Apache-2.0
// script/bench identity: goal 10, refreshes over HTTP with their RS256 signatures and durable
// commits, against what `openssl speed` signs on the same CPU; what 1,000,000 stored sessions add
// to a refresh; and goal 13's memory with the identity core in use. First, the part "verify": a
// session at the gateway against OpenSSL's bare verification, and what the look costs whether it was
// revoked. BENCH_PARTS=verify runs that alone.
// Environment: BENCH_ROUNDS (8), BENCH_SECONDS (2) each, BENCH_SESSIONS (1000000),
// ROPELINE_BIN (build/ropeline).
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'node:http';
import { refreshing, round } from './lib/load.mjs';
import { version } from './lib/peers.mjs';
import { SUBJECT_CPU, pssKiB, stop, stopAll } from './lib/process.mjs';
import { Report, alternate, column, median, show, table } from './lib/report.mjs';
import { BINARY, startRopeline } from './lib/ropeline.mjs';
import { verify } from './identity/verify.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 8);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const PARTS = (process.env.BENCH_PARTS ?? 'verify refresh').split(' ');
const FEW = 1000;
const MANY = Number(process.env.BENCH_SESSIONS ?? 1_000_000);
const CHAINS = 192; // sessions refreshed in a round: three for each connection
const FILL = fileURLToPath(new URL('identity/fill.py', import.meta.url));

const OPENSSL = 'openssl speed rsa2048';
const FEW_STORED = `refresh, ${FEW} sessions`;
const MANY_STORED = `refresh, ${MANY} sessions`;

// --- sessions -----------------------------------------------------------------------------------

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

function post(port, target, body) {
  return new Promise((resolve, reject) => {
    const rq = request({
      host: '127.0.0.1', port, agent, method: 'POST', path: target,
      headers: { 'cdi-version': '5.4', 'Content-Type': 'application/json; charset=utf-8' },
    }, (rs) => {
      let text = '';
      rs.setEncoding('utf8');
      rs.on('data', (chunk) => { text += chunk; });
      rs.on('end', () => (rs.statusCode === 200 && text.startsWith('{"status":"OK"')
        ? resolve(JSON.parse(text)) : reject(new Error(`${target}: ${rs.statusCode} ${text}`))));
    });
    rq.on('error', reject);
    rq.end(JSON.stringify(body));
  });
}

// As a log-in of the SDK with the recipe of roles makes them; returns the refresh tokens.
let users = 0;
function makeSessions(port, count) {
  const now = Date.now();
  return Promise.all(Array.from({ length: count }, async () => {
    const { refreshToken } = await post(port, '/recipe/session', {
      userId: `user-${users++}`, enableAntiCsrf: false, useDynamicSigningKey: true,
      userDataInJWT: {
        iss: 'https://api.example.com/auth', 'st-role': { v: ['viewer'], t: now },
        'st-perm': { v: ['orders:read'], t: now },
      },
      userDataInDatabase: {},
    });
    return refreshToken.token;
  }));
}

// Copies of one session up to `count`, written into the store of a daemon that has ended.
function fill(state, count) {
  const { status, stderr } = spawnSync('python3', [FILL, path.join(state, 'identity.db'),
    String(count)], { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`${FILL}: ${stderr}`);
  }
}

const EMPTY = {
  Transform: 'AWS::Serverless-2016-10-31',
  Resources: {
    Api: {
      Type: 'AWS::Serverless::Api',
      Properties: {
        StageName: 'dev',
        DefinitionBody: { openapi: '3.0.1', info: { title: 'bench', version: '1' }, paths: {} },
      },
    },
  },
};

async function startWith(count) {
  const first = await startRopeline(EMPTY);
  await makeSessions(first.core, 1);
  await stop(first.child, first.pid);
  fill(first.state, count);
  return startRopeline(EMPTY, { state: first.state });
}

// --- the peer -----------------------------------------------------------------------------------

// Microseconds of CPU for one RSA-2048 signature.
function opensslRound(seconds) {
  const { status, stdout, stderr } = spawnSync('taskset', ['-c', String(SUBJECT_CPU), 'openssl',
    'speed', '-seconds', String(Math.max(1, Math.round(seconds))), 'rsa2048'],
  { encoding: 'utf8' });
  const signs = /^rsa +2048 bits +[\d.]+s +[\d.]+s +([\d.]+)/m.exec(stdout)?.[1];
  if (status !== 0 || !signs) {
    throw new Error(`openssl speed: ${stderr}`);
  }
  return { cpu: 1e6 / Number(signs) };
}

// --- all of it ----------------------------------------------------------------------------------

async function refreshes(report) {
  const missing = ['wrk', 'taskset', 'openssl', 'python3'].filter((name) =>
    !['-v', '-V', 'version', '--version'].some((flag) => version(name, [flag])));
  if (missing.length > 0) {
    throw new Error(`not here: ${missing.join(', ')}; script/bootstrap --peers installs them`);
  }
  const few = await startWith(FEW);
  const many = await startWith(MANY);
  const subject = (daemon, name) => ({
    ...daemon, name, load: refreshing(daemon.core, () => makeSessions(daemon.core, CHAINS)),
  });
  const subjects = [{ name: OPENSSL }, subject(few, FEW_STORED), subject(many, MANY_STORED)];
  const nobody = { roots: [] };
  const measure = (seconds) => (s) => (s.load ? round(s, nobody, seconds) : opensslRound(seconds));
  await alternate(subjects, 1, measure(1)); // warms
  const samples = await alternate(subjects, ROUNDS, measure(SECONDS),
    (n) => console.log(`round ${n} of ${ROUNDS}`));
  console.log('');
  table(['medians', 'CPU us each', 'rps', 'p50 ms', 'p99 ms', 'busy', 'wrk busy'],
    [FEW_STORED, MANY_STORED].map((name) => [name,
      ...['cpu', 'rps', 'p50', 'p99', 'busy', 'loadBusy'].map((field) =>
        median(samples.get(name).map((r) => r[field])))]));
  const rate = (name) => column(samples, name, 'cpu').map((us) => 1e6 / us);
  report.compare('10: refreshes for each CPU-second; peer: signatures of openssl speed',
    rate(FEW_STORED), rate(OPENSSL), '>= 0.85x');
  report.compare('refreshes a second on one CPU, by the clock; peer: the same',
    column(samples, FEW_STORED, 'rps'), rate(OPENSSL), null);
  report.compare(`a refresh with ${MANY} sessions stored; peer: with ${FEW}`,
    column(samples, MANY_STORED, 'cpu'), column(samples, FEW_STORED, 'cpu'), '<= 1.3x');
  for (const [name, daemon] of [[FEW_STORED, few], [MANY_STORED, many]]) {
    report.row(`13: Pss of the gateway process after ${name}, MiB`, pssKiB(daemon.gateway) / 1024,
      null, null, '<= 24', 1);
  }
}

async function main() {
  console.log(version(BINARY, ['--version']), version('openssl', ['version']) ?? '');
  console.log(`${cpus()[0].model}; load average before: ${loadavg().map(show).join(' ')}; subject ` +
    `on CPU ${SUBJECT_CPU}; ${ROUNDS} rounds of ${SECONDS} s`);
  const report = new Report('identity', 'CPU us per request');
  if (PARTS.includes('verify')) {
    await verify(report, ROUNDS);
  }
  if (PARTS.includes('refresh')) {
    await refreshes(report);
  }
  report.print();
  report.write();
}

try {
  await main();
} catch (error) {
  console.error(`bench identity: ${error.message}`);
  process.exitCode = 1;
} finally {
  agent.destroy();
  await stopAll();
}
