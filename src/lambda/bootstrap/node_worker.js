/* SPDX-License-Identifier: Apache-2.0
 * A warm worker: a node that started ahead of any function, and becomes the environment of one when
 * the daemon says which on descriptor 5. Invariant: it has run no code of a function before that,
 * and afterwards differs from a process that was started for the function in nothing but its age.
 */
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');

const CONTROL = 5;
const CACHES = 6; // the directory of code caches, wherever it is
const PACKET_BYTES = 64 * 1024; // one packet, JSON
const NAME = '/proc/self/comm'; // under which ps and top show it

// What nearly every function requires sooner or later costs nobody time if it is there before.
// Not assert, which opens stderr.
const COMMON = ['async_hooks', 'buffer', 'child_process', 'crypto', 'dns', 'events',
    'fs/promises', 'http', 'https', 'net', 'os', 'perf_hooks', 'querystring', 'stream',
    'stream/promises', 'string_decoder', 'timers', 'tls', 'tty', 'url', 'util', 'v8', 'vm', 'zlib'];

function loadAddon() {
    const addon = { exports: {} };
    process.dlopen(addon, path.join(__dirname, 'node_cage.node'));
    return addon.exports;
}

function assignment() {
    const packet = Buffer.allocUnsafe(PACKET_BYTES);
    const length = fs.readSync(CONTROL, packet, 0, packet.length);
    if (length === 0) {
        process.exit(0); // no function has come, and none will
    }
    fs.closeSync(CONTROL);
    return JSON.parse(packet.toString('utf8', 0, length));
}

function setVariables(variables) {
    for (const name of Object.keys(process.env)) {
        delete process.env[name];
    }
    for (const variable of variables) {
        const end = variable.indexOf('=');
        process.env[variable.slice(0, end)] = variable.slice(end + 1);
    }
    Module._initPaths(); // NODE_PATH is one of them
}

/** Returns the name until now. */
function rename(name) {
    try {
        const before = fs.readFileSync(NAME, 'latin1').trimEnd();
        fs.writeFileSync(NAME, name);
        return before;
    } catch {
        return name; // it is for the eye alone
    }
}

function wait() {
    COMMON.forEach((name) => require(name));
    const { use } = require('./node_cache.js');
    const name = rename('ropeline worker');
    const addon = loadAddon();
    const { dir, cache, env, read, write, tmp } = assignment();
    rename(name);
    setVariables(env);
    process.chdir(dir);
    if (cache !== '') {
        use(`/proc/self/fd/${CACHES}/${cache}`);
    }
    fs.closeSync(CACHES);
    if (read !== undefined) {
        addon.restrict(read.join('\0'), write.join('\0'), tmp);
    }
}

module.exports = { wait };
