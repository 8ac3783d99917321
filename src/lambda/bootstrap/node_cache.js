/* SPDX-License-Identifier: Apache-2.0
 * The code cache of one version of a function: its CommonJS modules as V8 has compiled them, their
 * sources, and which file each require() came to. It is made in a process of its own that loads the
 * function once, and is used by that version alone. Invariant: what is loaded with it is what would
 * be loaded without it; whatever does not fit is loaded in the ordinary way, and nothing is said.
 */
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const { cachedDataVersionTag } = require('v8');
const { Script } = require('vm');

const OUTPUT = 5;
const MAGIC = 'ROPELINE code cache 1\n';
const HEAD = MAGIC.length + 4; // and the length of the index
const PREFIX = Module.wrapper[0].length;

/** Data of another node, processor or set of flags would be refused by V8 one by one. */
const tag = () => `${process.version} ${process.arch} ${cachedDataVersionTag()}`;

/** What this function's files are told by: those below its directory are what its version is made
 *  of. The others may change while it stays the same. */
const root = () => `${fs.realpathSync(process.cwd())}${path.sep}`;

function compile(wrapped, filename, cachedData) {
    return new Script(wrapped, { filename, cachedData, columnOffset: -PREFIX });
}

/** Runs a module as node's own loader does. */
function run(script, mod, filename) {
    const body = script.runInThisContext();
    function require(id) {
        return mod.require(id);
    }
    require.resolve = (request, options) => Module._resolveFilename(request, mod, false, options);
    require.resolve.paths = (request) => Module._resolveLookupPaths(request, mod);
    require.main = process.mainModule;
    require.extensions = Module._extensions;
    require.cache = Module._cache;
    return Reflect.apply(body, mod.exports,
        [mod.exports, require, mod, filename, path.dirname(filename)]);
}

/** Whether a module can be run by us: as V8 gives it back from its cache, a script has forgotten
 *  who it is that import() would have to ask. */
function isPlain(content, format) {
    return (format === undefined || format === 'commonjs') && !content.startsWith('#!') &&
        !/\bimport\s*(\(|\/[*/])/.test(content);
}

const keyOf = (request, parent) => `${parent.filename}\0${request}`;

/* ---- making it ---- */

const scripts = new Map(); // file name -> { wrapped, script }
const resolutions = new Map(); // keyOf() -> file name

/** From here on notes what is loaded. */
function record() {
    const below = root();
    const resolve = Module._resolveFilename;
    Module._resolveFilename = function resolveFilename(request, parent, isMain, options) {
        const found = Reflect.apply(resolve, this, [request, parent, isMain, options]);
        if (!options && parent?.filename?.startsWith(below) &&
            (found.startsWith(below) || !path.isAbsolute(found))) {
            resolutions.set(keyOf(request, parent), found);
        }
        return found;
    };
    const compileModule = Module.prototype._compile;
    Module.prototype._compile = function compileRecorded(content, filename, format) {
        let script = null;
        if (filename.startsWith(below) && isPlain(content, format)) {
            const wrapped = Module.wrap(content);
            try {
                script = compile(wrapped, filename);
                scripts.set(filename, { wrapped, script });
            } catch { /* no CommonJS, or no JavaScript: node says what it is */ }
        }
        return script === null ? Reflect.apply(compileModule, this, [content, filename, format])
            : run(script, this, filename);
    };
}

/** Scripts and resolutions as one buffer. To be called when the scripts have run, because V8 gives
 *  away what it has compiled by then. */
function encode(scriptsOf, resolutionsOf) {
    const below = root();
    const short = (name) => (name.startsWith(below) ? name.slice(below.length) : name);
    const parts = [];
    let at = 0;
    const add = (bytes) => {
        parts.push(bytes);
        at += bytes.length;
        return bytes.length;
    };
    const files = [...scriptsOf].map(([filename, { wrapped, script }]) => {
        const encoding = /^[\0-\xff]*$/.test(wrapped) ? 'latin1' : 'utf16le';
        return [short(filename), at, add(Buffer.from(wrapped, encoding)), encoding,
            at, add(script.createCachedData())];
    });
    const resolved = [...resolutionsOf].map(([key, found]) => {
        const [parent, request] = key.split('\0');
        return [short(parent), request, path.isAbsolute(found) ? short(found) : found,
            path.isAbsolute(found)];
    });
    const index = Buffer.from(JSON.stringify({ tag: tag(), size: at, files, resolved }));
    const head = Buffer.alloc(HEAD);
    head.write(MAGIC, 'latin1');
    head.writeUInt32BE(index.length, MAGIC.length);
    return Buffer.concat([head, index, ...parts]);
}

/** Loads the function by `load` and writes what that came to. */
async function make(load) {
    record();
    await load();
    const bytes = encode(scripts, resolutions);
    for (let at = 0; at < bytes.length;) {
        at += fs.writeSync(OUTPUT, bytes, at);
    }
}

/* ---- using it ---- */

/** The bytes of a file; null when it is gone. */
function read(file) {
    try {
        return fs.readFileSync(file);
    } catch {
        return null; // then it is as if there were none
    }
}

/** The index, and the bytes behind it; null when it is not for us. */
function open(bytes) {
    if (bytes.length < HEAD || bytes.latin1Slice(0, MAGIC.length) !== MAGIC) {
        return null;
    }
    const from = HEAD + bytes.readUInt32BE(MAGIC.length);
    const index = JSON.parse(bytes.utf8Slice(HEAD, from));
    const whole = index.size === bytes.length - from;
    return whole && index.tag === tag() ? { ...index, bytes: bytes.subarray(from) } : null;
}

/** Returns what takes it away again. `ahead`: while nobody waits, so that all is made ready. */
function install({ files, resolved, bytes }, ahead) {
    const below = root();
    const places = new Map(files.map(([name, ...place]) => [below + name, place]));
    const ready = new Map();
    const scriptOf = (filename) => {
        const [from, length, encoding, dataFrom, dataLength] = places.get(filename);
        const wrapped = bytes.toString(encoding, from, from + length);
        return compile(wrapped, filename, bytes.subarray(dataFrom, dataFrom + dataLength));
    };
    if (ahead) {
        places.forEach((_, filename) => ready.set(filename, scriptOf(filename)));
    }
    const byRequest = new Map(resolved.map(([parent, request, found, absolute]) =>
        [`${below}${parent}\0${request}`, absolute ? below + found : found]));
    const resolve = Module._resolveFilename;
    Module._resolveFilename = function resolveFilename(request, parent, isMain, options) {
        const found = options || !parent ? undefined : byRequest.get(keyOf(request, parent));
        return found ?? Reflect.apply(resolve, this, [request, parent, isMain, options]);
    };
    const load = Module._extensions['.js'];
    Module._extensions['.js'] = function loadCached(mod, filename) {
        if (!places.has(filename)) {
            return load(mod, filename);
        }
        return run(ready.get(filename) ?? scriptOf(filename), mod, filename);
    };
    return () => {
        Module._resolveFilename = resolve;
        Module._extensions['.js'] = load;
    };
}

/** Loads from it from here on, if it fits. */
function use(bytes, ahead) {
    try {
        const found = bytes === null ? null : open(bytes);
        if (found !== null) {
            install(found, ahead);
        }
    } catch { /* it is broken: then it is as if there were none */ }
}

/** Goes all that way once, with a file of our own. */
function rehearse(file) {
    const wrapped = Module.wrap(fs.readFileSync(file, 'latin1'));
    const script = compile(wrapped, file);
    const request = `.${path.sep}${path.basename(file)}`;
    const bytes = encode(new Map([[file, { wrapped, script }]]),
        new Map([[keyOf(request, module), file]]));
    const undo = install(open(bytes), true);
    delete Module._cache[file];
    module.require(request);
    undo();
}

module.exports = { make, read, use, rehearse };
