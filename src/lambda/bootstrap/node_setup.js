/* SPDX-License-Identifier: Apache-2.0
 * What is set up around a Node function before its first event: console.*, which becomes frames on
 * the log descriptor, globalThis.awslambda, and the handler, found by its name; and the forms in
 * which errors are told and logged. Invariant: any value thrown, even a hostile one, has a form.
 */
'use strict';

const { fstatSync, readFileSync, statSync, writeSync } = require('fs');
const path = require('path');
const { format, types } = require('util');

// Held from before the function's code runs: it may replace any of these for itself, not for us.
const { parse, stringify } = JSON;
const { byteLength, allocUnsafe, from: bytesFrom } = Buffer;
const SystemDate = Date;
const { now } = Date;
const { env } = process;

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

// What the function asked for decides, not the node that happens to run it: nodejs24.x is where
// callbacks end and a plain function's return value begins to count.
let MODERN = false;

/* ---- errors ---- */

/** An error of the runtime's own, `Runtime.<kind>` to the caller; our frames are left out of it. */
function runtimeError(kind, message, stack) {
    const error = new Error(message);
    Object.defineProperty(error, 'name', { value: `Runtime.${kind}` });
    error.stack = stack || `${error.name}: ${message}`;
    return error;
}

function looksLikeError(value) {
    const filled = (text) => typeof text === 'string' && text !== '';
    return MODERN ? value instanceof Error : types.isNativeError(value) ||
        Boolean(value && filled(value.name) && filled(value.message) && filled(value.stack));
}

/** The error as the Runtime API carries it. */
function errorPayload(error) {
    const clean = (text) => text?.replaceAll('\x7f', '%7F');
    try {
        if (!looksLikeError(error)) {
            return { errorType: typeof error, errorMessage: String(error), trace: [] };
        }
        return {
            errorType: clean(error.name),
            errorMessage: clean(error.message),
            trace: clean(error.stack)?.split('\n') ?? [],
        };
    } catch {
        return {
            errorType: 'handled',
            errorMessage: 'callback called with Error argument, but there was a problem while ' +
                'retrieving one or more of its message, name, and stack',
        };
    }
}

/** Any value as text; what cannot be turned into text is named by its type. */
function textOf(value) {
    try {
        return String(value);
    } catch {
        return typeof value;
    }
}

function asError(value) {
    if (value instanceof Error) {
        return value;
    }
    const error = new Error(textOf(value));
    error.stack = `Error: ${error.message}`;
    return error;
}

/** JSON.stringify replacer: an error shows its type, message, code, own properties and stack. */
function spellOutError(_key, value) {
    if (!(value instanceof Error)) {
        return value;
    }
    const { name: errorType, message: errorMessage, code, stack } = value;
    const shown = { errorType, errorMessage, code, ...value };
    if (typeof stack === 'string') {
        shown.stack = stack.split('\n');
    }
    return shown;
}

function errorText(error) {
    try {
        return stringify(error, spellOutError);
    } catch {
        return stringify(errorPayload(error));
    }
}

/* ---- log ---- */

// A level's value is also its mask in a frame's type.
const LEVELS = { TRACE: 0x04, DEBUG: 0x08, INFO: 0x0c, WARN: 0x10, ERROR: 0x14, FATAL: 0x18 };
const FRAME_TEXT = 0xa55a0003;
const FRAME_JSON = 0xa55a0002;
const FRAME_HEAD = 16; // type, length, microseconds

let asJson = false;
let lowest = LEVELS.TRACE;
let descriptor = NaN; // lines on stdout instead

// Of the event in hand or the last one; in init undefined or, from nodejs24.x on, "-".
let requestId;
let tenantId;

/** The pipe that frames go into; NaN when a wrapper has closed it: the number is another's then. */
function logDescriptor(text) {
    try {
        const found = fstatSync(parseInt(text, 10));
        return found.isFIFO() || found.isSocket() ? parseInt(text, 10) : NaN;
    } catch {
        return NaN;
    }
}

/** Writes every byte, or gives up on a closed descriptor: a log line must not end the function. */
function writeAll(fd, bytes) {
    for (let at = 0; at < bytes.length;) {
        try {
            at += writeSync(fd, bytes, at);
        } catch (error) {
            if (error.code !== 'EAGAIN') {
                return;
            }
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // the reader is behind
        }
    }
}

function writeFrame(type, time, text) {
    if (Number.isNaN(descriptor)) {
        writeAll(1, bytesFrom(`${text.trimEnd().replaceAll('\n', '\r')}\n`));
        return;
    }
    const length = byteLength(text);
    const frame = allocUnsafe(FRAME_HEAD + length);
    frame.writeUInt32BE(type >>> 0, 0);
    frame.writeUInt32BE(length, 4);
    frame.writeBigUInt64BE(BigInt(time) * 1000n, 8);
    frame.write(text, FRAME_HEAD);
    writeAll(descriptor, frame);
}

/** The three fields by which a JSON log record describes an error. */
function recordOfError(error) {
    const { constructor, message: errorMessage, stack } = error;
    return {
        errorType: (constructor && constructor.name) || 'UnknownError',
        errorMessage,
        stackTrace: typeof stack === 'string' ? stack.split('\n') : stack,
    };
}

function jsonRecord(timestamp, level, args) {
    const record = { timestamp, level, requestId, tenantId };
    if (args.length === 1) {
        const embed = (_key, value) =>
            (value instanceof Error ? { ...recordOfError(value), ...value } : value);
        try {
            return stringify({ ...record, message: args[0] }, embed);
        } catch { /* circular, say: then as text */ }
    }
    const error = args.length > 1 && args.find((value) => value instanceof Error);
    const described = error ? recordOfError(error) : {};
    if (error && !Array.isArray(described.stackTrace)) {
        described.stackTrace = [];
    }
    return stringify({ ...record, message: format(...args), ...described });
}

function log(level, ...args) {
    if (LEVELS[level] < lowest) {
        return;
    }
    const time = now();
    const timestamp = new SystemDate(time).toISOString();
    if (asJson) {
        writeFrame(FRAME_JSON | LEVELS[level], time, jsonRecord(timestamp, level, args));
    } else {
        const line = `${timestamp}\t${requestId}\t${level}\t${format(...args)}\n`;
        writeFrame(FRAME_TEXT | LEVELS[level], time, line);
    }
}

function logError(label, value) {
    try {
        const error = asError(value);
        log('ERROR', ...(asJson ? [error] : [label, `\t${errorText(error)}`]));
    } catch {
        log('ERROR', label, `\t${stringify(errorPayload(value))}`);
    }
}

/** Reads the variables that say how to run, once they are there; whether the rules are those of
 *  nodejs24.x and later. */
function configure() {
    const asked = /nodejs(\d+)\.x/.exec(env.AWS_EXECUTION_ENV) || [null, process.versions.node];
    MODERN = parseInt(asked[1], 10) >= 24;
    requestId = MODERN ? '-' : undefined;
    asJson = (env.AWS_LAMBDA_LOG_FORMAT || '').toUpperCase() === 'JSON';
    lowest = LEVELS[(env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()] || LEVELS.TRACE;
    descriptor = logDescriptor(env._LAMBDA_TELEMETRY_LOG_FD);
    delete env._LAMBDA_TELEMETRY_LOG_FD;
    return MODERN;
}

function patchConsole() {
    for (const level of Object.keys(LEVELS)) {
        console[level.toLowerCase()] = (message, ...rest) => log(level, message, ...rest);
    }
    console.log = console.info;
}

/* ---- globalThis.awslambda ---- */

const KEYS = {
    REQUEST_ID: Symbol.for('_AWS_LAMBDA_REQUEST_ID'),
    X_RAY_TRACE_ID: Symbol.for('_AWS_LAMBDA_X_RAY_TRACE_ID'),
    TENANT_ID: Symbol.for('_AWS_LAMBDA_TENANT_ID'),
};
let context; // what InvokeStore holds for the event in hand

/** From here on the log and awslambda.InvokeStore speak of this event; of none without a request. */
function beginEvent(request, trace, tenant) {
    requestId = request ?? (MODERN ? '-' : undefined);
    tenantId = tenant;
    context = request === undefined ? undefined : {
        [KEYS.REQUEST_ID]: request, [KEYS.X_RAY_TRACE_ID]: trace, [KEYS.TENANT_ID]: tenant,
    };
}

/** Where tracing libraries look up the ids of the event in hand and keep what is their own. */
class InvokeStore {
    static PROTECTED_KEYS = KEYS;

    isProtectedKey(key) {
        return Object.values(KEYS).includes(key);
    }

    getContext() {
        return context;
    }

    hasContext() {
        return context !== undefined;
    }

    get(key) {
        return context?.[key];
    }

    set(key, value) {
        if (this.isProtectedKey(key)) {
            throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
        }
        context = context ?? {};
        context[key] = value;
    }

    run(other, task) {
        context = other;
        return task();
    }

    getRequestId() {
        return this.get(KEYS.REQUEST_ID) ?? '-';
    }

    getXRayTraceId() {
        return this.get(KEYS.X_RAY_TRACE_ID);
    }

    getTenantId() {
        return this.get(KEYS.TENANT_ID);
    }
}

class HttpResponseStream {
    /** Makes the stream begin with the HTTP status and headers: JSON, then eight NUL bytes. */
    static from(stream, prelude) {
        stream.setContentType('application/vnd.awslambda.http-integration-response');
        const json = stringify(prelude);
        stream._onBeforeFirstWrite = (write) => {
            write(json);
            write(new Uint8Array(8));
        };
        return stream;
    }
}

function streamifyResponse(handler, options) {
    handler[STREAMING] = 'response';
    if (options && typeof options.highWaterMark === 'number') {
        handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
    }
    return handler;
}

/** `more`: what a template offers besides. */
function offerAwslambda(more) {
    if (!/^(1|true)$/.test(env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA || '')) {
        const store = new InvokeStore();
        globalThis.awslambda = { streamifyResponse, HttpResponseStream, InvokeStore: store, ...more };
    }
}

/* ---- loading the handler ---- */

const stat = (file) => statSync(file, { throwIfNoEntry: false });

function isFile(file) {
    const found = stat(file);
    return found !== undefined && found.isFile();
}

/** Whether the nearest package.json above makes this folder's .js files ES modules. */
function inModulePackage(folder) {
    for (let at = folder; !at.endsWith('/node_modules'); at = path.dirname(at)) {
        const file = path.join(at, 'package.json');
        if (isFile(file)) {
            try {
                return parse(readFileSync(file, 'utf8')).type === 'module';
            } catch {
                return false; // node will say what is wrong with it
            }
        }
        if (at === path.dirname(at)) {
            return false;
        }
    }
    return false;
}

async function loadFile(file) {
    const load = () => import(require('url').pathToFileURL(file).href);
    if (file.endsWith('.mjs') || (file.endsWith('.js') && inModulePackage(path.dirname(file)))) {
        return load();
    }
    try {
        return require(file);
    } catch (error) {
        if (error && error.code === 'ERR_REQUIRE_ASYNC_MODULE') {
            return load(); // an ES module by its syntax, with top-level await; none of it has run
        }
        throw error;
    }
}

async function loadModule(taskRoot, folder, name) {
    const file = path.resolve(taskRoot, folder, name);
    if (isFile(file)) {
        return require(file);
    }
    if (isFile(`${file}.js`)) {
        return loadFile(`${file}.js`);
    }
    if (stat(file)) {
        let index = null;
        try {
            index = require.resolve(file);
        } catch { /* a folder without an index is no module; go on */ }
        if (index !== null) {
            return loadFile(index);
        }
    }
    for (const extension of ['.mjs', '.cjs']) {
        if (isFile(file + extension)) {
            return loadFile(file + extension);
        }
    }
    return loadFile(require.resolve(name, { paths: [taskRoot, path.resolve(taskRoot, folder)] }));
}

async function importModule(taskRoot, folder, name) {
    try {
        return await loadModule(taskRoot, folder, name);
    } catch (error) {
        if (error instanceof SyntaxError) {
            throw runtimeError('UserCodeSyntaxError', String(error), error.stack);
        }
        if (error && error.code === 'MODULE_NOT_FOUND') {
            throw runtimeError('ImportModuleError', String(error), error.stack);
        }
        throw error;
    }
}

/** The function as it is served. Its handler is called as a method of this, as it is at Lambda. */
class Runtime {
    constructor(handler, streaming, isAsync, highWaterMark) {
        this.handler = handler;
        this.streaming = streaming;
        this.isAsync = isAsync;
        this.highWaterMark = highWaterMark;
    }
}

/** Refuses a handler that cannot be invoked, and says of what kind the others are. */
function accept(handler) {
    const streaming = handler[STREAMING];
    const isAsync = Boolean(handler.constructor) && handler.constructor.name === 'AsyncFunction';
    if (streaming && streaming !== 'response') {
        throw runtimeError('MalformedStreamingHandler', 'Only response streaming is supported.');
    }
    if (MODERN && !streaming && handler.length >= 3) {
        throw runtimeError('CallbackHandlerDeprecated', 'ERROR: AWS Lambda has removed support ' +
            'for callback-based function handlers starting with Node.js 24. You need to modify ' +
            'this function to use a supported handler signature to use Node.js 24 or later. For ' +
            'more information see https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.');
    }
    if (!streaming && !isAsync && handler.length === 3 &&
        env.AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING === undefined) {
        log('WARN', 'This handler takes a callback, which nodejs24.x no longer offers. Make it ' +
            'async, or set AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING to silence this.');
    }
    const highWaterMark = Number(handler[HIGH_WATER_MARK]) || undefined;
    return new Runtime(handler, Boolean(streaming), isAsync, highWaterMark);
}

/** `folder/module.name.name…` → the function of that name. */
async function loadHandler(taskRoot, wanted) {
    if (wanted.includes('..')) {
        throw runtimeError('MalformedHandlerName', `'${wanted}' is not a valid handler name. ` +
            'Use absolute paths when specifying root directories in handler names.');
    }
    const base = path.basename(wanted);
    const split = /^([^.]*)\.(.*)$/.exec(base);
    if (split === null) {
        throw runtimeError('MalformedHandlerName', 'Bad handler');
    }
    const folder = wanted.slice(0, wanted.indexOf(base));
    const exported = await importModule(taskRoot, folder, split[1]);
    const walk = (from) => split[2].split('.').reduce((at, key) => at && at[key], from);
    const found = walk(exported) || (MODERN && exported && walk(exported.default));
    if (typeof found !== 'function') {
        throw runtimeError('HandlerNotFound',
            `${wanted} is ${found ? 'not a function' : 'undefined or not exported'}`);
    }
    return accept(found);
}

module.exports = {
    configure, runtimeError, errorPayload, textOf, log, logError, beginEvent,
    patchConsole, offerAwslambda, loadHandler,
};
