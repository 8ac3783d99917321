// SPDX-License-Identifier: Apache-2.0
// script/bench policy: our compiled policies against serverless-offline's evaluator on a parsed one, at
// 1, 10 and 100 statements of which the last allows; goal 9. Evaluations for each second of CPU.
// Environment: BENCH_ROUNDS (8), BENCH_SECONDS (0.5) each.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PRIVATE, ROOT, SUBJECT_CPU, stopAll } from './lib/process.mjs';
import { Report, alternate, column } from './lib/report.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 8);
const SECONDS = String(process.env.BENCH_SECONDS ?? 0.5);
const PEER_VERSION = '14.4.0';
const LOOP = path.join(ROOT, 'build/bench/policy_loop');
const NODE_LOOP = fileURLToPath(new URL('./policy/loop.mjs', import.meta.url));
const API = 'arn:aws:execute-api:eu-west-1:111122223333:a1b2c3d4e5/prod';
const RESOURCE = `${API}/GET/orders/7`;
const GOALS = [[1, '>= 10x'], [10, '>= 30x'], [100, '>= 100x']];

function command(name, args, options = {}) {
  const done = spawnSync(name, args, { encoding: 'utf8', ...options });
  if (done.status !== 0) {
    throw new Error(`${name} ${args.join(' ')}: ${done.stderr}`);
  }
  return done.stdout;
}

// Only its own files: the evaluator needs none of its dependencies.
function fetchPeer() {
  const folder = path.join(ROOT, 'build/bench/serverless-offline');
  const file = `serverless-offline-${PEER_VERSION}.tgz`;
  if (!existsSync(path.join(folder, file))) {
    mkdirSync(folder, { recursive: true });
    command('npm', ['pack', `serverless-offline@${PEER_VERSION}`], { cwd: folder });
  }
  command('tar', ['xzf', file], { cwd: folder });
  return path.join(folder, 'package');
}

// One statement for each route, as an authorizer lists them for a user; the last is the one asked for.
function writePolicy(statements) {
  const file = path.join(PRIVATE, `policy-${statements}.json`);
  const allow = (Resource) => ({ Effect: 'Allow', Action: 'execute-api:Invoke', Resource });
  const Statement = Array.from({ length: statements - 1 }, (_, i) => allow(`${API}/GET/resource${i}/*`));
  writeFileSync(file, JSON.stringify({ Version: '2012-10-17', Statement: [...Statement, allow(`${API}/GET/orders/*`)] }));
  return file;
}

const rate = (name, args) => ({
  rate: Number(command('taskset', ['-c', String(SUBJECT_CPU), name, ...args])),
});

const report = new Report('policy', 'evaluations per CPU-second');
try {
  command('ninja', ['--quiet', '-C', path.join(ROOT, 'build'), 'bench/policy_loop'], { stdio: 'inherit' });
  const peer = fetchPeer();
  report.note(`serverless-offline ${PEER_VERSION}, parsed policy; it looks at Effect and Resource alone`);
  for (const [statements, goal] of GOALS) {
    const args = [writePolicy(statements), RESOURCE, SECONDS];
    const samples = await alternate([
      { name: 'ours', measure: () => rate(LOOP, args) },
      { name: 'peer', measure: () => rate(process.execPath, [NODE_LOOP, peer, ...args]) },
    ], ROUNDS, (subject) => subject.measure());
    report.compare(`9: ${statements} statement${statements > 1 ? 's' : ''}`, column(samples, 'ours', 'rate'),
      column(samples, 'peer', 'rate'), goal);
  }
  report.print();
  report.write();
} finally {
  await stopAll();
}
