// SPDX-License-Identifier: Apache-2.0
// script/bench functions: goals 5 and 7: what an invocation costs, and how long it takes from the
// request until a handler is entered in an environment that was not there, against the wall time of
// `node -e 0` in the same round. Environment: BENCH_ROUNDS (8), BENCH_PARTS (all: starts,warm,burst),
// BENCH_SETTLE_MS (2500: from listening to the first request), ROPELINE_BIN (build/ropeline).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { loadavg } from 'node:os';
import { Agent, request } from 'node:http';
import path from 'node:path';
import { ROOT, SUBJECT_CPU, cpuBetween, cpuOf, programOf, sleep, stop, stopAll, tree } from './lib/process.mjs';
import { Report, median } from './lib/report.mjs';
import { BINARY, startRopeline } from './lib/ropeline.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 8);
const PARTS = (process.env.BENCH_PARTS ?? 'starts,warm,burst').split(',');
const SETTLE_MS = Number(process.env.BENCH_SETTLE_MS ?? 2500);
const CODE = path.join(ROOT, 'bench/functions');
const AT_ONCE = 4; // environments of one function, on two cores
const BUSY_MS = 3000; // so that another environment is quicker than waiting for this one
const APART_MS = 400;
const WARM_CALLS = 4000;
const BURST = 20;

// --- the functions ------------------------------------------------------------------------------

const python = () => spawnSync('python3', ['-c', 'import jwt']).status === 0 ||
  spawnSync('/usr/bin/python3', ['-c', 'import jwt']).status === 0;
const installed = (name) => existsSync(path.join(CODE, 'node_modules', name));
const FUNCTIONS = [
  { name: 'jwt', what: 'jsonwebtoken', runtime: 'nodejs20.x', first: '<= 0.15x', next: '<= 0.10x',
    usable: installed('jsonwebtoken') },
  { name: 'supertokens', what: 'supertokens-node', runtime: 'nodejs20.x', first: null,
    next: '<= 0.15x', usable: installed('supertokens-node') },
  { name: 'pyjwt', what: 'Python, PyJWT', runtime: 'python3.11', first: null, next: '<= 0.10x',
    usable: python() },
  { name: 'constant', runtime: 'nodejs20.x', usable: true },
].filter(({ usable }) => usable);

function template() {
  const paths = {};
  const resources = {};
  for (const { name, runtime } of FUNCTIONS) {
    const id = `Bench${name}`;
    resources[id] = {
      Type: 'AWS::Serverless::Function',
      Properties: { CodeUri: CODE, Handler: `${name}.handler`, Runtime: runtime, Timeout: 20 },
    };
    const uri = 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/' +
      `\${${id}.Arn}/invocations`;
    paths[`/${name}`] = { get: { 'x-amazon-apigateway-integration': {
      type: 'aws_proxy', httpMethod: 'POST', uri: { 'Fn::Sub': uri },
    } } };
  }
  resources.Api = {
    Type: 'AWS::Serverless::Api',
    Properties: {
      StageName: 'dev',
      DefinitionBody: { openapi: '3.0.1', info: { title: 'bench', version: '1' }, paths },
    },
  };
  return { Transform: 'AWS::Serverless-2016-10-31', Resources: resources };
}

async function daemon() {
  const started = await startRopeline(template());
  await sleep(SETTLE_MS);
  return started;
}

// --- asking -------------------------------------------------------------------------------------

const agent = new Agent({ keepAlive: true, maxSockets: 32 });

function get(port, target) {
  const sent = process.hrtime.bigint();
  return new Promise((resolve, reject) => {
    const rq = request({ port, host: '127.0.0.1', path: `/dev${target}`, agent }, (rs) => {
      let body = '';
      rs.setEncoding('utf8').on('data', (text) => { body += text; });
      rs.on('end', () => {
        if (rs.statusCode !== 200) {
          reject(new Error(`${target}: ${rs.statusCode} ${body}`));
          return;
        }
        const [entered, pid] = body.split(' ');
        resolve({ ms: Number(BigInt(entered === 'ok' ? sent : entered) - sent) / 1e6, pid });
      });
    });
    rq.on('error', reject);
    rq.end();
  });
}

const nodeMs = () => {
  const began = performance.now();
  spawnSync('taskset', ['-c', String(SUBJECT_CPU), process.execPath, '-e', '0']);
  return performance.now() - began;
};

// --- parts --------------------------------------------------------------------------------------

// The first environment, then those that are needed while it is busy; and what is known by then.
async function startsOf({ name }, port) {
  const first = await get(port, `/${name}`);
  await sleep(SETTLE_MS);
  const asked = [];
  for (let i = 0; i < AT_ONCE; i++) { // one after the other, while all before are at work
    asked.push(get(port, `/${name}?wait=${BUSY_MS}`));
    await sleep(APART_MS);
  }
  const busy = await Promise.all(asked);
  const fresh = busy.filter(({ pid }) => pid !== first.pid).map(({ ms }) => ms);
  return { first: first.ms, next: median(fresh), warm: Math.min(...busy.map(({ ms }) => ms)) };
}

async function measureStarts(report) {
  const functions = FUNCTIONS.filter(({ what }) => what);
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) {
    const { child, pid, port } = await daemon();
    const round = {};
    for (const f of functions) {
      round[f.name] = { node: (nodeMs() + nodeMs()) / 2, ...await startsOf(f, port) };
    }
    rounds.push(round);
    await stop(child, pid);
  }
  for (const { name, what, first, next } of functions) {
    const all = (field) => rounds.map((round) => round[name][field]);
    report.compare(`7: ${what}: first environment, ms; peer: node -e 0`, all('first'), all('node'), first);
    report.compare(`7: ${what}: 2nd to ${AT_ONCE}th environment`, all('next'), all('node'), next);
    report.compare(`7: ${what}: warm environment`, all('warm'), all('node'), null);
  }
}

async function measureWarm(report) {
  const { child, pid, port, keeper, gateway } = await daemon();
  const ours = [];
  const node = [];
  for (let i = 0; i < 500; i++) {
    await get(port, '/constant');
  }
  for (let i = 0; i < ROUNDS; i++) {
    const functions = tree([keeper]).filter((one) => programOf(one).startsWith('node'));
    const read = (pids) => pids.map((one) => cpuOf([one]));
    const own = () => new Map([...cpuOf([keeper])]
      .filter(([task]) => [keeper, gateway].includes(Number(task.split('/')[0]))));
    const before = [own(), ...read(functions)];
    for (let call = 0; call < WARM_CALLS; call++) {
      await get(port, '/constant');
    }
    const [ownAfter, ...after] = [own(), ...read(functions)];
    ours.push(cpuBetween(before[0], ownAfter).us / WARM_CALLS);
    node.push(after.reduce((sum, one, k) => sum + cpuBetween(before[k + 1], one).us, 0) / WARM_CALLS);
  }
  report.row('5: warm, constant: CPU us of the daemon an invocation, its HTTP request included',
    median(ours), null, null, '<= 60', ROUNDS);
  report.row('5: warm, constant: CPU us of node an invocation', median(node), null, null, '<= 80', ROUNDS);
  await stop(child, pid);
}

async function measureBurst(report) {
  const failed = [];
  for (let i = 0; i < ROUNDS; i++) {
    const { child, pid, port } = await startRopeline(template());
    const all = await Promise.allSettled(Array.from({ length: BURST }, () => get(port, '/jwt')));
    failed.push(all.filter(({ status }) => status !== 'fulfilled').length);
    await stop(child, pid);
  }
  report.row(`${BURST} parallel invocations of a function that never ran: failed`,
    Math.max(...failed), null, null, '= 0', ROUNDS);
}

const report = new Report('functions', 'ms');
const parts = { starts: measureStarts, warm: measureWarm, burst: measureBurst };
try {
  if (!existsSync(BINARY)) {
    throw new Error(`there is no ${BINARY}`);
  }
  for (const name of PARTS) {
    await parts[name](report);
  }
  report.note(`load ${loadavg()[0].toFixed(1)}, node ${process.versions.node}`);
  report.print();
  report.write();
} finally {
  agent.destroy();
  await stopAll();
}
