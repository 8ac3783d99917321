// SPDX-License-Identifier: Apache-2.0
// Redis on a Unix socket of its own in the private directory, and how many decisions of a token
// bucket it makes a second: a script by EVALSHA, asked by redis-benchmark from the other CPU.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { LOAD_CPU, PRIVATE, SUBJECT_CPU, cpuBetween, cpuOf, sleep, start } from './process.mjs';

// KEYS[1]: the bucket; ARGV: tokens a second, burst. 1: taken, 0: empty.
const SCRIPT = `
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(state[1]) or burst, tonumber(state[2]) or now
tokens = math.min(burst, tokens + (now - at) * rate / 1000000)
local taken = tokens >= 1 and 1 or 0
redis.call('HSET', KEYS[1], 'tokens', tokens - taken, 'at', now)
redis.call('PEXPIRE', KEYS[1], 60000)
return taken`;

const run = (name, args) => {
  const { status, stdout, stderr } = spawnSync('taskset', ['-c', String(LOAD_CPU), name, ...args],
    { encoding: 'utf8' });
  if (status !== 0) {
    throw new Error(`${name}: ${stderr || stdout}`);
  }
  return stdout;
};

export async function startRedis() {
  const socket = path.join(PRIVATE, 'redis.sock');
  const child = start(SUBJECT_CPU, 'redis-server', ['--port', '0', '--unixsocket', socket, '--save',
    '', '--appendonly', 'no', '--dir', PRIVATE], { log: 'redis.log' });
  for (let i = 0; i < 500 && !existsSync(socket); i++) {
    await sleep(10);
  }
  const sha = run('redis-cli', ['-s', socket, 'SCRIPT', 'LOAD', SCRIPT]).trim();
  if (!/^[0-9a-f]{40}$/.test(sha)) {
    throw new Error(`redis-server took no script: ${sha}`);
  }
  return { child, socket, sha, roots: [child.pid] };
}

// `pipeline` requests at once on each of 64 connections: {rate: a second, cpu: ns each}.
export function redisRound(redis, decisions, pipeline) {
  const before = cpuOf(redis.roots);
  const csv = run('redis-benchmark', ['-s', redis.socket, '-c', '64', '-n', String(decisions), '-P',
    String(pipeline), '--csv', 'evalsha', redis.sha, '1', 'bucket', '1000000', '1000']);
  const line = csv.trim().split('\n').at(-1);
  const rate = Number(/","?([\d.]+)/.exec(line)?.[1]);
  if (!(rate > 0)) {
    throw new Error(`redis-benchmark said ${csv}`);
  }
  return { rate, cpu: cpuBetween(before, cpuOf(redis.roots)).us * 1000 / decisions };
}
