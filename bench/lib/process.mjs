// SPDX-License-Identifier: Apache-2.0
// The processes of a benchmark: started on one CPU, ended by their own id, and what /proc says of
// them. Invariant: whatever was started here has ended when the benchmark ends, however it ends.
import { spawn } from 'node:child_process';
import {
  mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync,
} from 'node:fs';
import { createServer, connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
export const SUBJECT_CPU = 0; // the system under test
export const LOAD_CPU = 1; // generator and backend

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// --- a private directory ------------------------------------------------------------------------

mkdirSync(path.join(ROOT, 'build/bench'), { recursive: true });
export const PRIVATE = mkdtempSync(path.join(ROOT, 'build/bench/run-'));

// --- starting and ending ------------------------------------------------------------------------

const started = new Set();

// Output goes to LOG in the private directory; `env` is added to ours.
export function start(cpu, command, args, { log = 'output.log', env = {}, cwd = PRIVATE } = {}) {
  const out = openSync(path.join(PRIVATE, log), 'a');
  const child = spawn('taskset', ['-c', String(cpu), command, ...args], {
    cwd, env: { ...process.env, ...env }, stdio: ['ignore', out, out],
  });
  child.ended = new Promise((resolve) => {
    child.on('exit', resolve);
    child.on('error', resolve);
  });
  child.ended.then(() => started.delete(child));
  child.log = path.join(PRIVATE, log);
  started.add(child);
  return child;
}

export async function stop(child, pid = child.pid) {
  if (!started.has(child)) {
    return;
  }
  process.kill(pid, 'SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await child.ended;
  clearTimeout(late);
}

export async function stopAll() {
  await Promise.all([...started].map((child) => stop(child).catch(() => {})));
  rmSync(PRIVATE, { recursive: true, force: true });
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => stopAll().finally(() => process.exit(130)));
}

// --- ports --------------------------------------------------------------------------------------

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function accepts(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

export async function untilAccepts(child, port) {
  for (let i = 0; i < 1000; i++) {
    if (!started.has(child)) {
      throw new Error(`${child.spawnargs.join(' ')} ended: ${readFileSync(child.log, 'utf8')}`);
    }
    if (await accepts(port)) {
      return;
    }
    await sleep(10);
  }
  throw new Error(`${child.spawnargs.join(' ')} does not listen on ${port}`);
}

// --- what /proc says ----------------------------------------------------------------------------

function orElse(value, read) {
  try {
    return read();
  } catch {
    return value; // the process or the thread has ended
  }
}

const tasks = (pid) => orElse([], () => readdirSync(`/proc/${pid}/task`));

// The process ids of `roots` and of all that descends from them.
export function tree(roots) {
  const all = [];
  const open = [...roots];
  while (open.length > 0) {
    const pid = open.pop();
    all.push(pid);
    for (const task of tasks(pid)) {
      const text = orElse('', () => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'));
      open.push(...text.split(' ').filter(Boolean).map(Number));
    }
  }
  return all;
}

// CPU time so far in nanoseconds, by thread.
export function cpuOf(roots) {
  const cpu = new Map();
  for (const pid of tree(roots)) {
    for (const task of tasks(pid)) {
      const text = orElse('', () => readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8'));
      if (text) {
        cpu.set(`${pid}/${task}`, Number(text.split(' ')[0]));
      }
    }
  }
  return cpu;
}

// Microseconds between two readings. A thread that ended in between took its last count with it:
// `lost` says how many did.
export function cpuBetween(before, after) {
  let ns = 0;
  let lost = 0;
  for (const [task, value] of after) {
    ns += value - (before.get(task) ?? 0);
  }
  for (const task of before.keys()) {
    lost += after.has(task) ? 0 : 1;
  }
  return { us: ns / 1000, lost };
}

export function pssKiB(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)[1]);
}

export const programOf = (pid) => orElse('', () => path.basename(readlinkSync(`/proc/${pid}/exe`)));
