/* SPDX-License-Identifier: Apache-2.0
 * A template: a process that has loaded the function and is then forked, so that an environment
 * begins where loading ends. Here is what must hold before that may be done, and what a forked
 * environment does so that it is not its sibling. Invariant: what cannot be shared by two processes
 * is not there when the template begins to serve, or it refuses and says why.
 */
'use strict';

const fs = require('fs');
const path = require('path');
const crypto = require('crypto'); // loaded here, so that no environment has to

const API = 3;
const CONTROL = 5;
const FAR_END = 6; // of 3
const READY = 'ready';
const TITLE = 'template'; // for who looks at processes
const { env } = process;
const { parse } = JSON;
const exitProcess = process.exit.bind(process);

const hooks = { before: [], after: [] };
let addon;
let baseline;
let title; // of an environment

/* ---- chance: Math.random's state lies in the heap, and would be the same in every fork ---- */

let a = 0;
let b = 0;
let c = 0;
let counter = 1;

/** 32 bits of sfc32 (Chris Doty-Humphrey's small fast counting generator). */
function next() {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
}

function seed() {
    [a, b, c] = crypto.getRandomValues(new Int32Array(3));
    counter = 1;
    for (let i = 0; i < 12; i++) {
        next();
    }
}

/** Node keeps numbers of OpenSSL's in stock for these two: what a fork finds there its siblings find
 *  too, so it is used up at the first call. */
function replaceStocked(name, count, draw) {
    const original = crypto[name];
    let drawn = 0; // in the process of that pid
    crypto[name] = { [name](...args) {
        if (drawn !== process.pid) {
            drawn = process.pid;
            for (let i = 0; i < count; i++) {
                draw(original);
            }
        }
        return original.apply(this, args);
    } }[name];
}

function replaceChance() {
    seed();
    const { random } = {
        random() { return ((next() >>> 5) * 67108864 + (next() >>> 6)) / 2 ** 53; },
    };
    Object.defineProperty(Math, 'random', { value: random, writable: true, configurable: true });
    replaceStocked('randomUUID', 128, (uuid) => uuid());
    replaceStocked('randomInt', 1024, (int) => int(1));
    const { prototype } = crypto.webcrypto.constructor;
    prototype.randomUUID = { randomUUID() { return crypto.randomUUID(); } }.randomUUID;
    require('module').syncBuiltinESMExports();
}

/* ---- may it be forked? ---- */

function descriptors() {
    const found = new Map();
    for (const fd of fs.readdirSync('/proc/self/fd')) {
        try {
            found.set(fd, fs.readlinkSync(`/proc/self/fd/${fd}`));
        } catch { /* the one that listed them */ }
    }
    return found;
}

const threads = () => fs.readdirSync('/proc/self/task').length;
const harmless = new Set(['Timeout', 'Immediate']); // they live in the heap and are forked with it

function holding() {
    const all = process.getActiveResourcesInfo().filter((name) => !harmless.has(name));
    for (const name of baseline.resources) {
        const at = all.indexOf(name);
        if (at >= 0) {
            all.splice(at, 1);
        }
    }
    return all;
}

/** Why this process cannot be forked, or null. */
function refusal() {
    const grown = threads() - baseline.threads;
    if (grown > 0) {
        return `its init started ${grown} ${grown === 1 ? 'thread' : 'threads'}`;
    }
    for (const [fd, target] of descriptors()) {
        if (baseline.descriptors.get(fd) !== target) {
            return `its init left descriptor ${fd} open (${target})`;
        }
    }
    const active = holding();
    return active.length > 0 ? `its init left ${active[0]} at work` : null;
}

/** Before any code of the function is there: whatever node opens, starts or compiles only once is.
 *  `rehearse` goes through invocations on two ends of one socket, and closes them. */
async function prepare(rehearse) {
    title = process.title;
    process.title = TITLE;
    addon = { exports: {} };
    process.dlopen(addon, path.join(__dirname, 'node_fork.node'));
    addon = addon.exports;
    replaceChance();
    await rehearse(API, FAR_END);
    const nothing = () => {};
    process.on('SIGUSR2', nothing); // opens the pipe for signals
    process.off('SIGUSR2', nothing);
    while (fs.openSync('/dev/null', 'r+') < 6) { /* until every number that a fork is given is taken */ }
    await new Promise((resolve) => { fs.stat('/', resolve); }); // starts the pool of threads
    await new Promise((resolve) => { setImmediate(resolve); });
    baseline = {
        threads: threads(), descriptors: descriptors(), resources: process.getActiveResourcesInfo(),
    };
}

/* ---- being one, and being born of one ---- */

function say(text) {
    fs.writeSync(CONTROL, text);
}

function giveUp(why) {
    say(`refused ${why}`);
    exitProcess(0);
}

function become(variables) {
    Object.assign(env, variables);
    Object.defineProperty(process, 'pid', { value: Number(fs.readlinkSync('/proc/self')) });
    process.title = title;
    process.reallyExit = addon.leave;
    fs.mkdirSync(env.TMPDIR, { mode: 0o700, recursive: true });
    seed();
}

/** Serves until the daemon is gone; returns in each new environment, and nowhere else. `born` is
 *  called there before anything else runs. */
async function serve(born) {
    for (const hook of hooks.before) {
        await hook();
    }
    for (let i = 0; i < 2; i++) { // what was closed last is gone after the next turn
        await new Promise((resolve) => { setImmediate(resolve); });
    }
    const why = refusal();
    if (why !== null) {
        giveUp(why);
    }
    say(READY);
    become(parse(addon.serve()));
    born();
    for (const hook of hooks.after) {
        await hook();
    }
}

/** awslambda.beforeCheckpoint and awslambda.afterRestore: what a function wants done before it is
 *  forked, and in each environment afterwards. */
const offered = {
    beforeCheckpoint(hook) { hooks.before.push(hook); },
    afterRestore(hook) { hooks.after.push(hook); },
};

module.exports = { prepare, serve, giveUp, offered };
