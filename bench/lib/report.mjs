// SPDX-License-Identifier: Apache-2.0
// Rounds that alternate between subjects, medians, and the table with its JSON file. Invariant: a
// ratio is the median of the ratios of single rounds, never of figures from different rounds.
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

export function show(n) {
  if (n === null || n === undefined) {
    return '-';
  }
  return n.toFixed(Math.abs(n) >= 100 ? 0 : Math.abs(n) >= 10 ? 1 : 2);
}

// Cells that are numbers are shown in three digits.
export function table(head, lines) {
  const cell = (value) => (typeof value === 'number' ? show(value) : value ?? '-');
  const rows = [head, ...lines].map((row) => row.map(cell));
  const width = head.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const place = (text, i) => (i === 0 ? text.padEnd(width[i]) : text.padStart(width[i]));
  for (const row of rows) {
    console.log(row.map(place).join('  ').trimEnd());
  }
}

const times = (n) => `${n.toFixed(2)}x`;

export class Report {
  constructor(name, unit) {
    this.name = name;
    this.unit = unit;
    this.rows = [];
    this.ranges = new Map(); // row -> lowest and highest ratio of a round, for the eye only
    this.notes = [];
  }

  // Samples of the same rounds, one each; `peer` null when there is nothing to compare with.
  compare(what, ours, peer, goal) {
    const ratios = peer ? ours.map((value, i) => value / peer[i]) : [null];
    const peerMedian = peer ? median(peer) : null;
    this.row(what, median(ours), peerMedian, peer ? median(ratios) : null, goal, ours.length);
    if (peer) {
      const range = `${times(Math.min(...ratios))}..${times(Math.max(...ratios))}`;
      this.ranges.set(this.rows.at(-1), range);
    }
  }

  row(what, ours, peer, ratio, goal, rounds) {
    const four = (n) => (n === null ? null : Number(n.toPrecision(4)));
    this.rows.push({ what, ours: four(ours), peer: four(peer), ratio: four(ratio), goal, rounds });
  }

  note(text) {
    this.notes.push(text);
  }

  // "<= 0.65x" judges the ratio, "<= 16" and "= 1" our own figure.
  static met({ ours, ratio, goal }) {
    const [, relation, number, isRatio] = /^(<=|>=|=) ([\d.]+)(x?)/.exec(goal ?? '') ?? [];
    const value = isRatio ? ratio : ours;
    if (!relation || value === null) {
      return '';
    }
    const limit = Number(number);
    const good = { '=': value === limit, '<=': value <= limit, '>=': value >= limit };
    return good[relation] ? 'met' : 'MISSED';
  }

  print() {
    const head = [`${this.name} (${this.unit} unless said)`, 'ours', 'peer', 'ratio', 'range',
      'goal', '', 'rounds'];
    console.log('');
    table(head, this.rows.map((row) => [row.what, row.ours, row.peer,
      row.ratio === null ? '-' : times(row.ratio), this.ranges.get(row), row.goal, Report.met(row),
      String(row.rounds)]));
    for (const note of this.notes) {
      console.log(`note: ${note}`);
    }
  }

  write() {
    const dir = path.join(ROOT, 'build/bench');
    const { name, unit, rows, notes } = this;
    mkdirSync(dir, { recursive: true });
    const text = JSON.stringify({ name, unit, rows, notes }, null, 2);
    writeFileSync(path.join(dir, `${name}.json`), `${text}\n`);
    console.log(`\nwritten: build/bench/${name}.json`);
  }
}
