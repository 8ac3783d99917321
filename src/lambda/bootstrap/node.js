/* SPDX-License-Identifier: Apache-2.0
 * What runs a Node function: it loads the handler, then takes one event at a time from the daemon
 * over fd 3 (the Lambda Runtime API as HTTP/1.1 on an inherited socket) or at the address of
 * AWS_LAMBDA_RUNTIME_API, and sends back its result.
 * Invariant: each event gets exactly one answer, and the next is asked for only when that is sent.
 */
'use strict';

const { Socket } = require('net');
const {
    configure, runtimeError, errorPayload, textOf, log, logError, beginEvent,
    patchConsole, offerAwslambda, loadHandler,
} = require('./node_setup.js');
const { replyReader } = require('./node_replies.js');

// Held from before the function's code runs: it may replace any of these for itself, not for us.
const { parse, stringify } = JSON;
const { byteLength, from: bytesFrom } = Buffer;
const { now } = Date, { env } = process;
const exitProcess = process.exit.bind(process);
const later = setImmediate;
const then = Function.prototype.call.bind(Promise.prototype.then);

const API = '/2018-06-01/runtime';
const NEXT = `GET ${API}/invocation/next HTTP/1.1\r\nHost: runtime\r\n\r\n`;
// By this one the daemon learns which node serves the function.
const FIRST_NEXT = `${NEXT.slice(0, -2)}User-Agent: ropeline-node/${process.versions.node}\r\n\r\n`;
const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';
const EXIT_PROTOCOL = 1;
const EXIT_UNSETTLED_INIT = 13; // what node itself says of a top-level await that never settles
const EXIT_REJECTION = 128;
const EXIT_EXCEPTION = 129;

let environment; // what every context says of it
let MODERN = false; // the rules of nodejs24.x: no callbacks

let served = null; // the function: { handler, streaming, isAsync, highWaterMark }; null in init
let current = null; // the event in hand: { abort(error, leave) }
let atEmptyLoop = null; // what to do when the function has nothing left to wait for
let exitCode = 0; // once it is another one, the process is on its way out
let template = null; // ./node_template.js, while this process is one

/* ---- connection: requests out, replies in, strictly in order ---- */

let socket; // keeps the process alive only while the function does not run
const waiting = []; // who takes the next reply, first in first out
let outgoing = null; // an answer that leaves at the end of this turn of the event loop

function leave(code) {
    try {
        exitProcess(code);
    } catch {
        exitProcess(code); // an 'exit' listener threw; the second call asks none
    }
}

/** The peer broke the protocol: nothing it says can be trusted any more. */
function refuse(what) {
    log('FATAL', `runtime: ${what}`);
    leave(EXIT_PROTOCOL);
}

function deliver(got, text) {
    if (waiting.length === 0) {
        refuse('reply to no request');
    }
    waiting.shift()(got, text);
}

function connect(fd = 3) {
    const onread = replyReader(deliver, refuse);
    if (env.AWS_LAMBDA_RUNTIME_API) { // a wrapper may have closed what we inherited
        const [host, port] = env.AWS_LAMBDA_RUNTIME_API.split(':');
        socket = new Socket({ onread }).setNoDelay(true).connect(Number(port), host);
    } else {
        socket = new Socket({ fd, readable: true, writable: true, onread });
    }
    for (const event of ['end', 'error', 'close']) {
        socket.on(event, () => leave(exitCode)); // the daemon has hung up
    }
    socket.unref();
}

/** The daemon's answer to a result. 413 is one too: the caller knows that it was too large. */
function posted(got) {
    if (got.status >= 300 && got.status !== 413) {
        refuse(`POST answered with ${got.status}`);
    }
}

function postHead(where, fields) {
    return `POST ${API}${where} HTTP/1.1\r\nHost: runtime\r\n${fields}\r\n`;
}

function jsonPost(where, text, extraFields) {
    const fields = `Content-Type: application/json\r\n${extraFields}`;
    return `${postHead(where, `${fields}Content-Length: ${byteLength(text)}\r\n`)}${text}`;
}

function errorTypeField(type) {
    const fits = typeof type === 'string' && /^[!-~]{1,256}$/.test(type);
    return fits ? `${ERROR_TYPE}: ${type}\r\n` : '';
}

/** Posts a JSON text; `answered` is called at the daemon's answer. */
function postNow(where, text, extraFields, answered) {
    socket.ref();
    waiting.push((got) => {
        posted(got);
        answered();
    });
    socket.write(jsonPost(where, text, extraFields));
}

/** Posts the answer to the event in hand and asks for the next one in the same write, which is
 *  what acknowledges it. Not before the turn is over: a rejection that the handler left unhandled
 *  shows only then, and must not take the next event down with it. */
function post(where, text, extraFields) {
    outgoing = jsonPost(where, text, extraFields);
    current = null;
    socket.ref();
    later(() => {
        if (outgoing !== null) {
            const answer = outgoing;
            outgoing = null;
            waiting.push(posted, take);
            socket.write(answer + NEXT);
        }
    });
}

function askNext() {
    current = null;
    socket.ref();
    later(() => {
        if (exitCode === 0) {
            waiting.push(take);
            socket.write(FIRST_NEXT);
        }
    });
}

/** Posts an error, as `post` or, with `answered`, as `postNow` does. */
function postError(where, error, answered) {
    const payload = errorPayload(error);
    const send = answered ? postNow : post;
    send(where, stringify(payload), errorTypeField(payload.errorType), answered);
}

/* ---- invoking it ---- */

const resolved = Promise.resolve();

/** An event has come. It starts in an async context of its own: what one invocation enters with
 *  AsyncLocalStorage.enterWith must not be there in the next. */
function take(got, text) {
    if (got.status !== 200 || !got.fields['lambda-runtime-aws-request-id']) {
        refuse(`GET next answered with ${got.status} or without a request id`);
    }
    socket.unref();
    const run = served.streaming ? runStreaming : runBuffered;
    then(resolved, () => run(got.fields, text));
}

/** Notes what belongs to this event outside its context; returns its Runtime API path. */
function begin(fields) {
    const request = fields['lambda-runtime-aws-request-id'];
    const trace = fields['lambda-runtime-trace-id'];
    beginEvent(request, trace, fields['lambda-runtime-aws-tenant-id']);
    if (trace) {
        env._X_AMZN_TRACE_ID = trace;
    } else {
        delete env._X_AMZN_TRACE_ID;
    }
    return `/invocation/${encodeURIComponent(request)}`;
}

function parseField(text, name) {
    try {
        return text === undefined ? undefined : parse(text);
    } catch (error) {
        throw new Error(`Cannot parse ${name} as json: ${error}`);
    }
}

function noteEnvironment() {
    environment = {
        functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
        functionName: env.AWS_LAMBDA_FUNCTION_NAME,
        memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
        logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
        logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    };
}

/** Fills in the context; all of its properties are its own, so that it can be copied. */
function describe(context, fields) {
    const deadline = Number(fields['lambda-runtime-deadline-ms']);
    return Object.assign(context, environment, {
        clientContext: parseField(fields['lambda-runtime-client-context'], 'ClientContext'),
        identity: parseField(fields['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
        invokedFunctionArn: fields['lambda-runtime-invoked-function-arn'],
        awsRequestId: fields['lambda-runtime-aws-request-id'],
        tenantId: fields['lambda-runtime-aws-tenant-id'],
        getRemainingTimeInMillis: () => deadline - now(),
    }, MODERN && { xRayTraceId: fields['lambda-runtime-trace-id'] ?? '' });
}

const isGiven = (value) => value !== undefined && value !== null;
const isThenable = (value) => Boolean(value) && typeof value.then === 'function';
const neverSettled = () => runtimeError('NodeJsExit',
    'The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly ' +
    'caused by a Promise that was never settled. For more information, see ' +
    'https://nodejs.org/docs/latest/api/process.html#exit-codes');

function respond(where, value) {
    try {
        const json = stringify(value === undefined ? null : value);
        return json !== undefined ? post(`${where}/response`, json, '')
            // a function or a symbol; the words are those of Lambda's own client
            : reportError(where, new TypeError('Wrong arguments'));
    } catch {
        const error = runtimeError('JSONStringifyError', 'Unable to stringify response body');
        return reportError(where, MODERN ? error : new Error(error.message));
    }
}

function reportError(where, error) {
    logError('Invoke Error', error);
    postError(`${where}/error`, error);
}

/** The ways in which a handler can end its invocation; only the first one used counts. */
function endings(where) {
    let open = true;
    let waits = true;
    const once = (settle) => (first, second) => {
        if (open) {
            open = false;
            atEmptyLoop = null;
            settle(first, second);
        }
    };
    const done = (error, value) =>
        (isGiven(error) ? reportError(where, error) : respond(where, value));
    const control = {
        get callbackWaitsForEmptyEventLoop() { return waits; },
        set callbackWaitsForEmptyEventLoop(value) { waits = value; },
        succeed: once((value) => respond(where, value)),
        fail: once((error) => reportError(where, MODERN || isGiven(error) ? error : 'handled')),
        done: once(done),
    };
    const callback = once((error, value) => {
        if (waits && !isGiven(error)) {
            atEmptyLoop = () => respond(where, value);
        } else {
            done(error, value);
        }
    });
    const close = () => { open = false; };
    return { control, callback, close };
}

function runBuffered(fields, text) {
    const where = begin(fields);
    const { control, callback, close } = endings(where);
    const { succeed, fail } = control;
    current = {
        abort(error, answered) {
            close();
            postError(`${where}/error`, error, answered);
        },
    };
    atEmptyLoop = () => (MODERN || served.isAsync ? fail(neverSettled()) : succeed(null));
    try {
        const event = parse(text);
        const context = describe(MODERN ? {} : control, fields);
        const result = MODERN ? served.handler(event, context)
            : served.handler(event, context, callback);
        if (isThenable(result)) {
            result.then(succeed, fail);
        } else if (MODERN) {
            succeed(result);
        }
    } catch (error) {
        (MODERN ? fail : callback)(error);
    }
}

/* ---- response streaming ---- */

/** The body of a streamed answer, a Writable whose chunks are HTTP chunks. `answered` is called
 *  when the daemon has answered, `broken` when the stream was destroyed before its end. */
function openResponse(where, answered, broken) {
    const { Writable } = require('stream');
    let type = 'application/octet-stream';
    let begun = false;
    let ended = false;
    const chunk = (data, done = () => {}) => {
        const bytes = typeof data === 'string' ? bytesFrom(data) : data;
        if (bytes.length === 0) { // an empty chunk would end the body
            done();
            return;
        }
        socket.cork();
        socket.write(`${bytes.length.toString(16)}\r\n`);
        socket.write(bytes);
        socket.write('\r\n', done);
        socket.uncork();
    };
    const start = () => {
        if (begun) {
            return;
        }
        begun = true;
        waiting.push((got) => {
            posted(got);
            answered();
        });
        socket.write(postHead(`${where}/response`, `Content-Type: ${type}\r\n` +
            'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n' +
            `Trailer: ${ERROR_TYPE}, ${ERROR_BODY}\r\n`));
        if (typeof stream._onBeforeFirstWrite === 'function') {
            stream._onBeforeFirstWrite((data) => chunk(data));
        }
    };
    const finish = (trailers) => {
        ended = true;
        socket.ref(); // from here on the daemon's answer is worth waiting for
        socket.write(`0\r\n${trailers}\r\n`);
    };
    const stream = new Writable({
        highWaterMark: served.highWaterMark,
        write(bytes, _encoding, done) {
            start();
            chunk(bytes, done);
        },
        final(done) {
            start();
            finish('');
            done();
        },
        destroy(error, done) {
            done(error);
            if (!ended) {
                broken();
            }
        },
    });
    const plain = (data) => (!isGiven(data) || typeof data === 'string' ||
        typeof data === 'function' || data instanceof Uint8Array ? data : stringify(data));
    const { write, end } = stream;
    stream.write = (data, ...rest) => write.call(stream, plain(data), ...rest);
    stream.end = (data, ...rest) => end.call(stream, plain(data), ...rest);
    stream.setContentType = (value) => {
        if (begun) {
            throw runtimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
        }
        if (!/^[ -~]+$/.test(value)) {
            throw new TypeError('content type with characters that no header can carry');
        }
        type = value;
    };
    /** Ends the answer with an error, in the form that what is already sent still allows. */
    const fail = (error) => {
        if (!begun) {
            begun = true;
            ended = true;
            postError(`${where}/error`, error, answered);
            stream.destroy(); // what is written to it from now on goes nowhere
        } else if (!ended) {
            const payload = errorPayload(error);
            const encoded = bytesFrom(stringify(payload)).toString('base64');
            finish(`${errorTypeField(payload.errorType)}${ERROR_BODY}: ${encoded}\r\n`);
            stream.destroy();
        }
    };
    return { stream, fail, isEnded: () => ended };
}

function runStreaming(fields, text) {
    const where = begin(fields);
    let waits = true;
    let returned = false; // the handler has
    let answered = false; // the daemon has
    let over = false; // an error was told or the next event asked for: nothing here counts now
    let aborted = null; // what follows the answer instead of the next event

    const next = () => {
        over = true;
        askNext();
    };
    const proceed = () => {
        answered = true;
        if (aborted !== null) {
            aborted();
        } else if (returned && !waits) {
            atEmptyLoop = null;
            next();
        } else {
            socket.unref();
            atEmptyLoop = next;
        }
    };
    const fail = (error) => {
        if (over) {
            return;
        }
        over = true;
        returned = true;
        logError('Invoke Error', error);
        if (answered) {
            proceed();
        } else {
            response.fail(error);
        }
    };
    const checkEnded = () => {
        if (returned && !response.isEnded()) {
            fail(new Error('Response stream is not finished.'));
        }
    };
    const succeed = (result) => {
        if (over) {
            return;
        }
        returned = true;
        if (result !== undefined) {
            log('WARN', 'Streaming handlers ignore return values.');
        }
        if (answered) {
            proceed();
        } else if (response.stream.destroyed) {
            checkEnded();
        }
    };
    const response = openResponse(where, proceed, checkEnded);

    current = {
        abort(error, afterwards) {
            aborted = afterwards;
            if (answered) {
                afterwards();
            } else {
                response.fail(error);
            }
        },
    };
    atEmptyLoop = () => (returned ? checkEnded() : fail(neverSettled()));
    try {
        const event = parse(text);
        const context = describe(MODERN ? {} : {
            get callbackWaitsForEmptyEventLoop() { return waits; },
            set callbackWaitsForEmptyEventLoop(value) { waits = value; },
        }, fields);
        const result = served.handler(event, response.stream, context);
        if (!isThenable(result)) {
            throw new Error('Streaming does not support non-async handlers.');
        }
        result.then(succeed, fail);
    } catch (error) {
        fail(error);
    }
}

/* ---- life and death ---- */

/** An error that nobody caught: tell the daemon, if it was in init or in an event's hands, and
 *  end the process, which can be in any state now. */
function die(label, error, code) {
    if (exitCode !== 0) {
        return;
    }
    exitCode = code;
    atEmptyLoop = null;
    if (template !== null) { // the environments say it themselves
        template.giveUp(`its init failed: ${textOf(error)}`);
    }
    logError(label, error);
    if (served === null) {
        postError('/init/error', error, () => leave(code));
    } else if (current !== null) {
        current.abort(error, () => leave(code));
    } else if (outgoing !== null) {
        waiting.push(() => leave(code)); // the answer stands, the next event goes to another
        socket.write(outgoing);
        outgoing = null;
    } else {
        socket.end(() => leave(code)); // an answer may still be on its way out
    }
}

/** These listeners can be seen by the function, as they can on AWS: source-map-support, for one,
 *  ends the process itself when it finds none for uncaughtException. */
function watchProcess() {
    process.on('uncaughtException', (error) => die('Uncaught Exception', error, EXIT_EXCEPTION));
    process.on('unhandledRejection', (reason, promise) => {
        const stack = reason instanceof Error ? reason.stack : '';
        const error = runtimeError('UnhandledPromiseRejection', textOf(reason), stack);
        error.reason = reason;
        error.promise = promise;
        die('Unhandled Promise Rejection', error, EXIT_REJECTION);
    });
    process.on('beforeExit', () => {
        while (atEmptyLoop !== null) { // one may leave another, and there is no second call
            const task = atEmptyLoop;
            atEmptyLoop = null;
            task();
        }
    });
}

/** Loads the function. What init left unhandled has ended the process before this returns. */
async function load() {
    MODERN = configure();
    offerAwslambda(template?.offered);
    const loaded = await loadHandler(env.LAMBDA_TASK_ROOT || process.cwd(), env._HANDLER || '');
    await new Promise((resolve) => { later(resolve); });
    return loaded;
}

/** What node_rehearsal.js plays on. */
const stage = {
    open(fd, loaded) {
        connect(fd);
        served = loaded;
        askNext();
    },
    requests: () => waiting.length, // that are under way
    async close() {
        served = null;
        waiting.length = 0;
        socket.removeAllListeners();
        socket.destroy();
        await new Promise((resolve) => { socket.on('close', resolve); });
        beginEvent();
    },
    turn: () => new Promise((resolve) => { later(resolve); }),
};
const rehearse = (near, far, loaded) =>
    require('./node_rehearsal.js').rehearse(stage, near, far, loaded);

/** Comes back in a forked environment, connected. */
async function loadAsTemplate() {
    template = require('./node_template.js');
    await template.prepare(rehearse);
    const loaded = await load();
    await template.serve(() => {
        template = null;
        connect();
        noteEnvironment();
    });
    return loaded;
}

async function loadAsEnvironment() {
    connect();
    noteEnvironment();
    return load();
}

/** Waits, connected, until it is told whose it is. */
async function loadAsWorker() {
    const worker = require('./node_worker.js');
    await worker.prepare(async (near, far) => {
        noteEnvironment();
        await rehearse(near, far, await load());
    });
    connect();
    worker.wait();
    noteEnvironment();
    return load();
}

const ROLES = {
    undefined: loadAsEnvironment, template: loadAsTemplate,
    worker: loadAsWorker,
    cache: () => require('./node_cache.js').make(load).then(() => leave(0)),
};

async function main(role) {
    patchConsole();
    watchProcess();
    atEmptyLoop = () => leave(EXIT_UNSETTLED_INIT);
    try {
        const loaded = await ROLES[role]();
        if (exitCode === 0) {
            atEmptyLoop = null;
            served = loaded;
            askNext();
        }
    } catch (error) {
        die(MODERN ? 'Init Error' : 'Uncaught Exception', error, EXIT_EXCEPTION);
    }
}

main(process.argv.splice(2)[0]);
