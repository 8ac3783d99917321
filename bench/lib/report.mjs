// SPDX-License-Identifier: Apache-2.0
// Rounds that alternate between subjects, medians, and the table with its JSON file. Invariant: a
// ratio is the median of the ratios of single rounds, never a ratio of figures from different rounds.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './process.mjs';

export function median(values) {
  const v = [...values].sort((a, b) => a - b);
  const half = v.length >> 1;
  return v.length % 2 ? v[half] : (v[half - 1] + v[half]) / 2;
}

// Every subject once a round; the order turns, so that none always follows the same neighbour.
// Returns name -> samples by round.
export async function alternate(subjects, rounds, measure, progress = () => {}) {
  const samples = new Map(subjects.map((s) => [s.name, []]));
  for (let i = 0; i < rounds; i++) {
    const order = subjects.map((_, k) => subjects[(k + i) % subjects.length]);
    for (const subject of i % 2 ? order.reverse() : order) {
      samples.get(subject.name).push(await measure(subject));
    }
    progress(i + 1);
  }
  return samples;
}

export const column = (samples, name, field) => samples.get(name).map((s) => s[field]);

const digits = (n) => (Math.abs(n) >= 100 ? n.toFixed(0) : Math.abs(n) >= 10 ? n.toFixed(1) : n.toFixed(2));
export const show = (n) => (n === null || n === undefined ? '-' : digits(n));

export function table(head, lines) {
  const rows = [head, ...lines].map((r) => r.map((cell) => (typeof cell === 'number' ? show(cell) : cell ?? '-')));
  const width = head.map((_, i) => Math.max(...rows.map((r) => r[i].length)));
  for (const r of rows) {
    console.log(r.map((cell, i) => (i === 0 ? cell.padEnd(width[i]) : cell.padStart(width[i]))).join('  ').trimEnd());
  }
}

export class Report {
  constructor(name, unit) {
    this.name = name;
    this.unit = unit;
    this.rows = [];
    this.notes = [];
  }

  // Samples of the same rounds, one each; `peer` null when there is nothing to compare with.
  compare(what, ours, peer, goal) {
    const ratio = peer ? median(ours.map((value, i) => value / peer[i])) : null;
    this.row(what, median(ours), peer ? median(peer) : null, ratio, goal, ours.length);
  }

  row(what, ours, peer, ratio, goal, rounds) {
    const round = (n) => (n === null ? null : Number(n.toPrecision(4)));
    this.rows.push({ what, ours: round(ours), peer: round(peer), ratio: round(ratio), goal, rounds });
  }

  note(text) {
    this.notes.push(text);
  }

  // "<= 0.65x" judges the ratio, "<= 16" and "= 1" our own figure.
  static met({ ours, ratio, goal }) {
    const [, relation, number, times] = /^(<=|>=|=) ([\d.]+)(x?)/.exec(goal ?? '') ?? [];
    const value = times ? ratio : ours;
    if (!relation || value === null) {
      return '';
    }
    const limit = Number(number);
    const good = relation === '=' ? value === limit : relation === '<=' ? value <= limit : value >= limit;
    return good ? 'met' : 'MISSED';
  }

  print() {
    console.log('');
    table([`${this.name} (${this.unit} unless said)`, 'ours', 'peer', 'ratio', 'goal', '', 'rounds'],
      this.rows.map((r) => [r.what, r.ours, r.peer, r.ratio === null ? '-' : `${r.ratio.toFixed(3)}x`,
        r.goal ?? '-', Report.met(r), String(r.rounds)]));
    for (const note of this.notes) {
      console.log(`note: ${note}`);
    }
  }

  write() {
    const dir = path.join(ROOT, 'build/bench');
    const { name, unit, rows, notes } = this;
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, `${name}.json`), `${JSON.stringify({ name, unit, rows, notes }, null, 2)}\n`);
    console.log(`\nwritten: build/bench/${name}.json`);
  }
}
