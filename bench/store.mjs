// SPDX-License-Identifier: Apache-2.0
// script/bench store: goal 10's second half: the transaction of a refresh in the store alone, durable
// and with group commit, against PostgreSQL with synchronous_commit=on and 8 clients (pgbench); and
// what our store on PostgreSQL costs. Both write to the same disk; the peer's client runs on the other
// CPU and is not counted.
// Environment: BENCH_ROUNDS (8), BENCH_SECONDS (3) each, BENCH_SESSIONS (100000).
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { version } from './lib/peers.mjs';
import { LOAD_CPU, ROOT, SUBJECT_CPU, cpuBetween, cpuOf } from './lib/process.mjs';
import { Report, alternate, column, median, show, table } from './lib/report.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 8);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const SESSIONS = Number(process.env.BENCH_SESSIONS ?? 100_000);
const CLIENTS = 8;
const BUILD = path.join(ROOT, 'build');
const LOOP = path.join(BUILD, 'bench/store_loop');
const SERVER = path.join(ROOT, 'tests/lib/postgres.sh');

const on = (cpu, command, ...args) => {
  const { status, stdout, stderr } = spawnSync('taskset', ['-c', String(cpu), command, ...args],
    { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) {
    throw new Error(`${command}: ${stderr}${stdout}`);
  }
  return stdout;
};

// --- ours ---------------------------------------------------------------------------------------

const ours = (where, clients) => (seconds) => {
  const { transactions, seconds: took, cpu_us: cpu } =
    JSON.parse(on(SUBJECT_CPU, LOOP, where, String(clients), String(seconds), String(SESSIONS)));
  return { rate: transactions / took, cpu: cpu / transactions };
};

// --- the peer -----------------------------------------------------------------------------------

const TICK_US = 10_000;
const SCRIPT = `\\set n random(1, ${SESSIONS})
BEGIN;
SELECT user_id, hash, payload, expires_ms FROM session WHERE handle = 'session-' || :n FOR UPDATE;
UPDATE session SET hash = 'hash-' || :n, expires_ms = expires_ms + 1 WHERE handle = 'session-' || :n;
COMMIT;
`;

// Of a server: what lives, and what has ended (its sessions) and was waited for.
function serverCpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return { living: cpuOf([pid]), ended: (Number(fields[13]) + Number(fields[14])) * TICK_US };
}

const peer = (url, pid, script) => (seconds) => {
  const before = serverCpu(pid);
  const said = on(LOAD_CPU, 'pgbench', '--no-vacuum', '--protocol=prepared', `--client=${CLIENTS}`,
    '--jobs=1', `--time=${seconds}`, `--file=${script}`, url);
  const after = serverCpu(pid);
  const transactions = Number(/actually processed: (\d+)/.exec(said)[1]);
  const cpu = cpuBetween(before.living, after.living).us + after.ended - before.ended;
  return { rate: transactions / seconds, cpu: cpu / transactions };
};

// --- all of it ----------------------------------------------------------------------------------

async function main() {
  const missing = ['taskset', 'pgbench'].filter((name) => !version(name, ['--version']));
  if (missing.length > 0) {
    throw new Error(`not here: ${missing.join(', ')}; script/bootstrap --test installs them`);
  }
  execFileSync('ninja', ['--quiet', '-C', BUILD, 'bench/store_loop'], { stdio: 'inherit' });
  const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-bench-'));
  const server = path.join(dir, 'pg');
  chmodSync(dir, 0o755);
  try {
    const url = on(SUBJECT_CPU, SERVER, 'start', server, 'fsync=on', 'full_page_writes=on',
      'synchronous_commit=on', 'shared_buffers=128MB', 'max_wal_size=2GB').trim();
    const pid = Number(readFileSync(path.join(server, 'data/postmaster.pid'), 'utf8').split('\n')[0]);
    const script = path.join(dir, 'refresh.sql');
    writeFileSync(script, SCRIPT);
    const file = path.join(dir, 'store.db');
    for (const where of [file, url]) {
      on(SUBJECT_CPU, LOOP, where, '1', '0', String(SESSIONS)); // fills
    }
    on(LOAD_CPU, 'psql', '-qc', 'VACUUM ANALYZE session', url);
    console.log(`${version('pgbench', ['--version'])}; ${cpus()[0].model}; load average before: ` +
      `${loadavg().map(show).join(' ')}; subject on CPU ${SUBJECT_CPU}; ${ROUNDS} rounds of ${SECONDS} s`);
    const subjects = [
      { name: `PostgreSQL, ${CLIENTS} clients`, run: peer(url, pid, script) },
      { name: `our store, ${CLIENTS} clients`, run: ours(file, CLIENTS) },
      { name: 'our store, 64 clients', run: ours(file, 64) },
      { name: `our store on PostgreSQL, ${CLIENTS} clients`, run: ours(url, CLIENTS) },
    ];
    const measure = (seconds) => ({ run }) => run(seconds);
    await alternate(subjects, 1, measure(1)); // warms
    const samples = await alternate(subjects, ROUNDS, measure(SECONDS),
      (n) => console.log(`round ${n} of ${ROUNDS}`));
    const [pg, few, many, onServer] = subjects.map(({ name }) => name);
    table(['medians', 'a second', 'CPU us each'], subjects.map(({ name }) =>
      [name, median(column(samples, name, 'rate')), median(column(samples, name, 'cpu'))]));
    const each = (name) => column(samples, name, 'cpu').map((us) => 1e6 / us);
    const report = new Report('store', 'transactions');
    report.compare(`10: for each CPU-second, ${few}; peer: ${pg}`, each(few), each(pg), '>= 2x');
    report.compare(`a second, ${few}; peer: ${pg}`, column(samples, few, 'rate'),
      column(samples, pg, 'rate'), null);
    report.compare(`for each CPU-second, ${many}; peer: ${pg}`, each(many), each(pg), null);
    report.compare(`10: a second, ${many}; peer: ${pg}`, column(samples, many, 'rate'),
      column(samples, pg, 'rate'), '>= 2x');
    report.compare(`a second, ${onServer}; peer: pgbench there`, column(samples, onServer, 'rate'),
      column(samples, pg, 'rate'), null);
    report.print();
    report.write();
  } finally {
    spawnSync(SERVER, ['stop', server]);
    rmSync(dir, { recursive: true, force: true });
  }
}

await main();
