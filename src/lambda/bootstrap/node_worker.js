/* SPDX-License-Identifier: Apache-2.0
 * A warm worker: a node that started ahead of any function, and becomes the environment of one when
 * the daemon says which on descriptor 5. Invariant: it has run no code of a function before that,
 * and afterwards differs from a process that was started for the function in nothing but its age.
 */
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const v8 = require('v8');
const { runInNewContext } = require('vm');
const codeCache = require('./node_cache.js');

const CONTROL = 5;
const CACHES = 6; // the directory of code caches, wherever it is
const PACKET_BYTES = 64 * 1024; // one packet, JSON
const NAME = '/proc/self/comm'; // under which ps and top show it

// What nearly every function requires sooner or later costs nobody time if it is there before.
// Not assert, which opens stderr.
const COMMON = ['async_hooks', 'buffer', 'child_process', 'crypto', 'dns', 'events',
    'fs/promises', 'http', 'https', 'net', 'os', 'perf_hooks', 'querystring', 'stream',
    'stream/promises', 'string_decoder', 'timers', 'tls', 'tty', 'url', 'util', 'v8', 'vm', 'zlib'];

const HOT = 5000; // calls after which V8 has optimised a small function
const TITLE = 'ropeline worker';

let addon;
let collect;

/** What empties the young generation of the heap, so that nobody waits for that later. */
function collector() {
    v8.setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc');
    v8.setFlagsFromString('--no-expose-gc');
    return () => collect({ type: 'minor' });
}

/** Before it waits, and before anything of a function is there: all that it will go through, with
 *  a function of ours. `play` loads and invokes that one. */
async function prepare(play) {
    COMMON.forEach((name) => require(name));
    const loaded = { exports: {} };
    process.dlopen(loaded, path.join(__dirname, 'node_cage.node'));
    addon = loaded.exports;
    collect = collector();
    const before = variables();
    rename(TITLE)();
    for (let i = 0; i < HOT; i++) { // each module that is loaded asks for it: V8 would optimise it then
        path.resolve(__dirname, `../${i}/./node_modules`);
    }
    setVariables([...before, `LAMBDA_TASK_ROOT=${__dirname}`, '_HANDLER=node_rehearsal.handler']);
    codeCache.rehearse(path.join(__dirname, 'node_rehearsal.js'));
    await play(...addon.pair());
    setVariables(before);
    delete globalThis.awslambda;
    collect();
}

/** What the daemon says next. */
function receive() {
    const packet = Buffer.allocUnsafe(PACKET_BYTES);
    const length = fs.readSync(CONTROL, packet, 0, packet.length);
    if (length === 0) {
        process.exit(0); // no function has come, and none will
    }
    return JSON.parse(packet.toString('utf8', 0, length));
}

const variables = () => Object.entries(process.env).map(([name, value]) => `${name}=${value}`);

function setVariables(given) {
    for (const name of Object.keys(process.env)) {
        delete process.env[name];
    }
    for (const variable of given) {
        const end = variable.indexOf('=');
        process.env[variable.slice(0, end)] = variable.slice(end + 1);
    }
    Module._initPaths(); // NODE_PATH is one of them
}

/** Shows itself under that name; returns what ends that. It is for the eye alone. */
function rename(name) {
    try {
        const fd = fs.openSync(NAME, 'r+'); // once it is shut in it could not open it
        const before = Buffer.alloc(16);
        const length = fs.readSync(fd, before, 0, before.length, 0);
        fs.writeSync(fd, name);
        return () => {
            fs.writeSync(fd, before, 0, length - 1);
            fs.closeSync(fd);
        };
    } catch {
        return () => {};
    }
}

/** It is the function's from here on, and of no other: shut in before anything of it is looked at. */
function settle({ dir, cache, read, write, tmp, ahead }) {
    process.chdir(dir);
    const bytes = cache === '' ? null : codeCache.read(`/proc/self/fd/${CACHES}/${cache}`);
    fs.closeSync(CACHES);
    if (read !== undefined) {
        addon.restrict(read.join('\0'), write.join('\0'), tmp);
    }
    codeCache.use(bytes, ahead);
    if (ahead) {
        collect();
    }
    collect = null;
}

/** Returns when it is an environment. The daemon says which function, and, when there is an
 *  invocation, with which variables; in between what is in the code cache is made ready to run. */
function wait() {
    const end = rename(TITLE);
    settle(receive());
    const { env } = receive();
    end();
    fs.closeSync(CONTROL);
    setVariables(env);
}

module.exports = { prepare, wait };
