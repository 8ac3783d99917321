// SPDX-License-Identifier: Apache-2.0
// Goal 13: what memory and CPU grow with. Pss of the gateway process, so that shared pages are not
// counted twice; functions apart. Sockets' kernel memory is in no process and in no figure here.
import { connect } from 'node:net';
import { counting, one, round, wrk } from './load.mjs';
import { pssKiB, sleep, stop, tree } from './process.mjs';
import { alternate, column, median } from './report.mjs';
import { guardedTemplate, routesTemplate, startRopeline } from './ropeline.mjs';

const IDLE = 1000;
const SETTLE_MS = 500;
const FILL_SECONDS = 5;
const UNDER_WAY = 64; // requests without an answer when wrk stops: to be shown again

const pssOf = (pids) => pids.reduce((sum, pid) => sum + pssKiB(pid), 0);
const mib = (kib) => kib / 1024;

// --- after the run ------------------------------------------------------------------------------

// `peers`: {name, roots} that have served the same rounds as `daemon`.
export function memoryAfterRun(report, daemon, peers) {
  const gateway = mib(pssKiB(daemon.gateway));
  report.row('13: Pss of the gateway process after the run, MiB', gateway, null, null, '<= 16', 1);
  for (const { name, roots } of peers) {
    const peer = mib(pssOf(tree(roots)));
    report.row(`13: the same; peer: ${name}, all its processes`, gateway, peer,
      gateway / peer, null, 1);
  }
  report.row('13: Pss of the keeper, MiB', mib(pssKiB(daemon.keeper)), null, null, null, 1);
}

// --- idle connections ---------------------------------------------------------------------------

function openConnection(port, path) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    });
    socket.on('error', reject);
    socket.once('data', (chunk) => (chunk.toString().startsWith('HTTP/1.1 200 ')
      ? resolve(socket) : reject(new Error(chunk.toString()))));
  });
}

// KiB for each of IDLE connections that had one request; ten before them pay for what is made once.
async function idleCost(pids, port, path) {
  const sockets = [];
  for (let i = 0; i < 10; i++) {
    sockets.push(await openConnection(port, path));
  }
  await sleep(SETTLE_MS);
  const before = pssOf(pids);
  for (let i = 0; i < IDLE; i++) {
    sockets.push(await openConnection(port, path));
  }
  await sleep(SETTLE_MS);
  const each = (pssOf(pids) - before) / IDLE;
  sockets.forEach((socket) => socket.destroy());
  return each;
}

export async function idleConnections(report, backend, startPeer, rounds) {
  const ours = [];
  const theirs = [];
  for (let i = 0; i < rounds; i++) {
    const daemon = await startRopeline(guardedTemplate(backend));
    ours.push(await idleCost([daemon.gateway], daemon.port, '/dev/open'));
    await stop(daemon.child, daemon.pid);
    const peer = await startPeer();
    theirs.push(await idleCost(tree(peer.roots), peer.port, '/dev/open'));
    await stop(peer.child);
  }
  report.row(`13: an idle keep-alive connection of ${IDLE}, KiB; peer: nginx`, median(ours),
    median(theirs), median(ours.map((kib, i) => kib / theirs[i])), '<= 4', rounds);
}

// --- routes and cached decisions ----------------------------------------------------------------

// Alternating rounds of two daemons that differ in size only.
async function compareSizes(report, what, [small, large], backend, rounds, seconds, goal) {
  const samples = await alternate([small, large], rounds, (s) => round(s, backend, seconds));
  report.compare(`13: CPU with ${what}`, column(samples, large.name, 'cpu'),
    column(samples, small.name, 'cpu'), goal);
  const [a, b] = [small, large].map((s) => mib(pssKiB(s.gateway)));
  report.row(`13: Pss with ${what}, MiB`, b, a, b / a, null, 1);
}

export async function manyRoutes(report, backend, rounds, seconds) {
  const sizes = [10, 10_000];
  const subjects = [];
  for (const count of sizes) {
    const daemon = await startRopeline(routesTemplate(backend, count));
    subjects.push({
      ...daemon, name: String(count),
      // One route in ten thousand and one in ten: the route asked is the middle one.
      load: one(daemon.port, `/dev/r${count / 2}/17`),
    });
  }
  await compareSizes(report, '10,000 routes; peer: 10 routes', subjects, backend, rounds, seconds,
    '<= 1.10x');
  for (const s of subjects) {
    await stop(s.child, s.pid);
  }
}

// Tokens of about 900 bytes, all different in their middle.
const bearer = { Authorization: `Bearer ${'e'.repeat(440)}@@${'y'.repeat(440)}` };

const counter = (text, name) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? NaN);
async function misses(daemon) {
  const text = await (await fetch(`http://127.0.0.1:${daemon.metrics}/metrics`)).text();
  return counter(text, 'ropeline_authorizer_cache_total\\{outcome="miss"\\}');
}

// Shows every one of `count` tokens to a daemon of its own.
async function filled(backend, authorizer, count) {
  const daemon = await startRopeline(guardedTemplate(backend, authorizer));
  const load = counting(daemon.port, '/dev/guarded', bearer, count);
  for (let shown = 0; shown < count;) {
    const { requests } = await wrk(load, FILL_SECONDS, shown);
    shown += requests - UNDER_WAY;
  }
  return { ...daemon, name: String(count), load };
}

export async function manyDecisions(report, backend, authorizer, count, rounds, seconds) {
  const subjects = [];
  for (const n of [1000, count]) {
    subjects.push(await filled(backend, authorizer, n));
  }
  const large = subjects[1];
  const before = await misses(large);
  const what = `${count.toLocaleString('en')} cached decisions; peer: 1,000`;
  await compareSizes(report, what, subjects, backend, rounds, seconds, '<= 1.30x');
  const during = await misses(large) - before;
  if (during > 0) {
    report.note(`13: of ${count.toLocaleString('en')} decisions the cache did not hold all: ` +
      `${during.toLocaleString('en')} look-ups of these rounds missed, so their CPU row is not ` +
      'that of cached decisions');
  }
  for (const s of subjects) {
    await stop(s.child, s.pid);
  }
}
