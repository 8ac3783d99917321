// SPDX-License-Identifier: Apache-2.0
// script/bench throttle: goal 11: what API key, usage plan, throttles and quota add to a route, and
// a bucket's decision beside Redis's. CPU is microseconds per request of the whole process tree.
// Environment: BENCH_ROUNDS (12), BENCH_SECONDS (2) each, BENCH_PARTS (all: load,buckets),
// ROPELINE_BIN (build/ropeline).
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { expect, one, round } from './lib/load.mjs';
import { startBackend, version } from './lib/peers.mjs';
import { ROOT, SUBJECT_CPU, stop, stopAll } from './lib/process.mjs';
import { redisRound, startRedis } from './lib/redis.mjs';
import { Report, alternate, column, median, show, table } from './lib/report.mjs';
import { BINARY, startRopeline } from './lib/ropeline.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 12);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const REDIS_DECISIONS = 50_000;
const BUCKET_DECISIONS = 5_000_000;
const HELLO = 'hello   \n'; // the backend's answer
const VALUE = 'bench-key-0123456789-0123456789';

// The subjects' names.
const OPEN = 'ropeline open';
const SHOWN = 'ropeline open, key shown';
const STAGE = 'ropeline, stage throttle';
const LIMITED = 'ropeline, key, plan, throttles, quota';

// --- the API ------------------------------------------------------------------------------------

const ENDLESS = { RateLimit: 10_000_000, BurstLimit: 2_000_000_000 };

// /dev/open without any limit, /dev/staged with the stage's, /dev/limited with all there are.
function limitedTemplate(backend) {
  const integration = {
    type: 'http_proxy', httpMethod: 'GET', uri: `http://127.0.0.1:${backend.port}/hello`,
  };
  const method = (more) => ({ get: { ...more, 'x-amazon-apigateway-integration': integration } });
  const setting = (ResourcePath) => ({
    ResourcePath, HttpMethod: 'GET', ThrottlingRateLimit: ENDLESS.RateLimit,
    ThrottlingBurstLimit: ENDLESS.BurstLimit,
  });
  const rest = (Type, Properties) => ({ Type: `AWS::ApiGateway::${Type}`, Properties });
  return {
    Transform: 'AWS::Serverless-2016-10-31',
    Resources: {
      Api: {
        Type: 'AWS::Serverless::Api',
        Properties: {
          StageName: 'dev',
          MethodSettings: [setting('/staged'), setting('/limited')],
          DefinitionBody: {
            openapi: '3.0.1',
            info: { title: 'bench', version: '1' },
            components: {
              securitySchemes: { key: { type: 'apiKey', name: 'x-api-key', in: 'header' } },
            },
            paths: {
              '/open': method(), '/staged': method(),
              '/limited': method({ security: [{ key: [] }] }),
            },
          },
        },
      },
      Key: rest('ApiKey', { Enabled: true, Value: VALUE }),
      Plan: rest('UsagePlan', {
        Throttle: ENDLESS,
        Quota: { Limit: 1_000_000_000, Period: 'MONTH' },
        ApiStages: [{ ApiId: { Ref: 'Api' }, Stage: 'dev', Throttle: { '/limited/GET': ENDLESS } }],
      }),
      PlanKey: rest('UsagePlanKey',
        { KeyId: { Ref: 'Key' }, KeyType: 'API_KEY', UsagePlanId: { Ref: 'Plan' } }),
    },
  };
}

async function measureLoad(report, backend) {
  const daemon = await startRopeline(limitedTemplate(backend));
  const key = { 'x-api-key': VALUE };
  await expect(daemon.port, '/dev/open', {}, 200, HELLO);
  await expect(daemon.port, '/dev/staged', {}, 200, HELLO);
  await expect(daemon.port, '/dev/limited', {}, 403);
  await expect(daemon.port, '/dev/limited', { headers: key }, 200, HELLO);
  const subjects = [
    { ...daemon, name: OPEN, load: one(daemon.port, '/dev/open') },
    { ...daemon, name: SHOWN, load: one(daemon.port, '/dev/open', key) },
    { ...daemon, name: STAGE, load: one(daemon.port, '/dev/staged') },
    { ...daemon, name: LIMITED, load: one(daemon.port, '/dev/limited', key) },
  ];
  const measure = (seconds) => (subject) => round(subject, backend, seconds);
  await alternate(subjects, 1, measure(1)); // warms
  const samples = await alternate(subjects, ROUNDS, measure(SECONDS),
    (n) => console.log(`round ${n} of ${ROUNDS}`));
  console.log('');
  table(['medians', 'CPU us/req', 'rps', 'p50 ms', 'p99 ms'], [...samples].map(([name, rounds]) => [
    name, ...['cpu', 'rps', 'p50', 'p99'].map((field) => median(rounds.map((r) => r[field]))),
  ]));
  // The key is shown to the open route too: its header is read and sent on in any case.
  const cpu = (name) => column(samples, name, 'cpu');
  report.compare('11: key, plan, 3 throttles, quota; peer: the same route without', cpu(LIMITED),
    cpu(SHOWN), '<= 1.05x');
  report.compare('a stage throttle alone; peer: the same route without', cpu(STAGE), cpu(OPEN), null);
  await stop(daemon.child, daemon.pid);
}

// --- buckets ------------------------------------------------------------------------------------

// Nanoseconds of CPU for each decision: {alone, shared}.
function bucketRound() {
  const { status, stdout, stderr } = spawnSync(path.join(ROOT, 'build/bench/bench_buckets'),
    [String(BUCKET_DECISIONS)], { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`bench_buckets: ${stderr}`);
  }
  const [alone, shared] = stdout.trim().split('\n').map((line) => {
    const { decisions, cpu_ns: cpu } = JSON.parse(line);
    return cpu / decisions;
  });
  return { alone, shared };
}

async function measureBuckets(report) {
  const built = spawnSync('ninja', ['-C', path.join(ROOT, 'build'), '--quiet', 'bench/bench_buckets'],
    { encoding: 'utf8' });
  if (built.status !== 0) {
    throw new Error(`bench_buckets does not compile: ${built.stdout}`);
  }
  const redis = await startRedis();
  const perSecond = (ns) => 1e9 / ns;
  const rounds = { alone: [], shared: [], redis: [], pipelined: [], redisCpu: [] };
  for (let i = 0; i < ROUNDS; i++) {
    const { alone, shared } = bucketRound();
    const [single, piped] = [1, 16].map((pipeline) => redisRound(redis, REDIS_DECISIONS, pipeline));
    rounds.alone.push(perSecond(alone));
    rounds.shared.push(perSecond(shared));
    rounds.redis.push(single.rate);
    rounds.redisCpu.push(perSecond(single.cpu));
    rounds.pipelined.push(piped.rate);
  }
  const what = 'bucket decisions a second, one CPU';
  report.compare(`11: ${what}; peer: Redis EVALSHA, 64 clients`, rounds.alone, rounds.redis,
    '>= 100x');
  report.compare(`${what}; peer: the same by CPU of redis-server alone`, rounds.alone,
    rounds.redisCpu, null);
  report.compare(`${what}; peer: the same, 16 at once`, rounds.alone, rounds.pipelined, null);
  report.compare(`${what}, one bucket under two threads; peer: Redis EVALSHA`, rounds.shared,
    rounds.redis, null);
  await stop(redis.child);
}

// --- all of it ----------------------------------------------------------------------------------

async function main() {
  const missing = ['wrk', 'taskset', 'redis-server', 'redis-benchmark'].filter(
    (name) => !version(name, [name.startsWith('redis') ? '--version' : '-v']) &&
      !version(name, ['-V']));
  if (missing.length > 0) {
    throw new Error(`not here: ${missing.join(', ')}; script/bootstrap --peers installs them`);
  }
  console.log(version(BINARY, ['--version']), version('redis-server', ['--version']) ?? '');
  console.log(`${cpus()[0].model}; load average before: ${loadavg().map(show).join(' ')}; subject ` +
    `on CPU ${SUBJECT_CPU}; ${ROUNDS} rounds of ${SECONDS} s`);
  const report = new Report('throttle', 'CPU us per request');
  const wanted = process.env.BENCH_PARTS?.split(',');
  if (!wanted || wanted.includes('load')) {
    await measureLoad(report, await startBackend());
  }
  if (!wanted || wanted.includes('buckets')) {
    await measureBuckets(report);
  }
  report.print();
  report.write();
}

try {
  await main();
} catch (error) {
  console.error(`bench throttle: ${error.message}`);
  process.exitCode = 1;
} finally {
  await stopAll();
}
