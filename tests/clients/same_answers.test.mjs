/* SPDX-License-Identifier: Apache-2.0
 * Our bootstrap for Node against Lambda's own client, generation by generation: 3.3.0 for runtimes up
 * to nodejs22.x, 4.0.2 for nodejs24.x. Each function runs under both, and its callers must get the
 * same, and its log must say the same.
 */
import assert from 'node:assert/strict';
import { start, test } from '../lib/daemon.mjs';
import { buildClient, nodeOf } from '../lib/official_client.mjs';
import { api, lambda } from '../lib/template.mjs';

const both = {
    object: 'async () => ({ a: 1 })',
    nothing: 'async () => {}',
    text: "async () => 'ž\\u2028'",
    NaN: 'async () => NaN',
    BigInt: 'async () => 1n',
    circle: 'async () => { const a = {}; a.a = a; return a; }',
    function: 'async () => () => 1',
    symbol: "async () => Symbol('x')",
    date: 'async () => new Date(0)',
    toJSON: "async () => ({ toJSON() { return 'j'; } })",
    'toJSON that throws': "async () => ({ toJSON() { throw new Error('t'); } })",
    buffer: "async () => Buffer.from('ab')",
    throws: "async () => { throw new TypeError('e'); }",
    'throws at once': "() => { throw new RangeError('r'); }",
    rejects: "() => Promise.reject(new Error('p'))",
    thenable: "() => ({ then(done) { done('t'); } })",
    'throws text': "async () => { throw 'text'; }",
    'throws an object': 'async () => { throw { a: 1 }; }',
    'throws a list': 'async () => { throw [1, 2]; }',
    'throws a number': 'async () => { throw 7; }',
    'an error with properties': "async () => { throw Object.assign(new Error('m'), { code: 'C', name: 'Mine', extra: { x: 1 } }); }",
    'an error with a cause': "async () => { throw new Error('outer', { cause: new Error('inner') }); }",
    'errors together': "async () => { throw new AggregateError([new Error('a')], 'both'); }",
    'an error of a class': "async () => { throw new (class Own extends Error { name = 'Own\\x7f'; })('m\\x7f'); }",
    'an error of no words': "async () => { throw new Error(''); }",
    'an error of two lines': "async () => { throw new Error('a\\nb'); }",
    exits: 'async () => process.exit(0)',
    'exits with 9': 'async () => process.exit(9)',
    arguments: 'async function () { return [arguments.length, typeof arguments[2], typeof this]; }',
    'require.main': 'async () => [require.main === module, __filename.endsWith("index.js")]',
    logs: `async () => {
        console.log('a %s %d', 'b', 1, { x: { y: { z: {} } } });
        console.error('e');
        console.warn('two\\nlines');
        console.info();
        console.debug(undefined, null);
    }`,
    streams: "awslambda.streamifyResponse(async (e, s) => { s.setContentType('text/x'); s.write('a'); s.end('b'); })",
    'streams a prelude': `awslambda.streamifyResponse(async (e, s) => {
        s = awslambda.HttpResponseStream.from(s, { statusCode: 201 });
        s.write('x');
        s.end();
    })`,
    'fails midway': "awslambda.streamifyResponse(async (e, s) => { s.write('a'); throw new Error('mid'); })",
    'fails before it streams': "awslambda.streamifyResponse(async () => { throw new Error('first'); })",
};
const generations = [
    {
        version: '3.3.0', runtime: 'nodejs20.x', node: process.execPath,
        own: {
            ...both,
            'calls back': '(e, c, done) => done(null, { a: 1 })',
            'calls back an error': "(e, c, done) => done(new Error('x'))",
            'calls back text as an error': "(e, c, done) => done('x')",
            'calls back an object as an error': '(e, c, done) => done({ a: 1 })',
            'calls back late': "(e, c, done) => { setTimeout(() => done(null, 'late'), 20); }",
            'calls back twice': '(e, c, done) => { done(null, 1); done(null, 2); }',
            'never calls back': '(e, c, done) => {}',
            'throws in place of calling back': "(e, c, done) => { throw new Error('in it'); }",
            'calls back nothing': '(e, c, done) => done()',
            succeeds: "(e, c) => c.succeed('s')",
            fails: "(e, c) => c.fail('f')",
            'fails with null': '(e, c) => c.fail(null)',
            'is done': "(e, c) => c.done(null, 'd')",
            'a plain value': '() => ({ a: 1 })',
            'throws null': 'async () => { throw null; }',
            'looks like an error': "async () => { throw { name: 'N', message: 'm', stack: 's1\\ns2' }; }",
            'an uncaught exception': "async () => { setTimeout(() => { throw new Error('late'); }, 1); await new Promise(() => setTimeout(() => {}, 500)); }",
            context: 'async (e, c) => Object.keys(c).sort()',
        },
    },
    {
        version: '4.0.2', runtime: 'nodejs24.x', node: nodeOf(24),
        own: {
            ...both,
            'a plain value': '() => ({ a: 1 })',
            'throws null': 'async () => { throw null; }',
            'throws undefined': 'async () => { throw undefined; }',
            'looks like an error': "async () => { throw { name: 'N', message: 'm', stack: 's1\\ns2' }; }",
            callback: '(e, c, done) => done()',
            context: 'async (e, c) => Object.keys(c).sort()',
        },
    },
];

/** What differs by nature: ids, times, the frames of a stack that are the client's. */
function plain(text) {
    const short = (stack) => JSON.stringify(JSON.parse(stack).slice(0, 1));
    return text
        .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID')
        .replace(/("(?:trace|stack)":)(\[(?:"(?:[^"\\]|\\.)*",?)*\])/g, (_, key, stack) => key + short(stack))
        .replace(/,"name":"Runtime\.\w+"/, '');
}
const lines = (log) => plain(log).split('\n')
    .filter((line) => !/^(START|END|REPORT|INIT_)/.test(line))
    .map((line) => line.replace(/^\d{4}-\S+Z/, 'TIME'));

for (const { version, runtime, node, own } of generations) {
    test(`Node functions answer as under Lambda's client ${version}`, { timeout: 1_200_000 }, async (t) => {
        const client = await buildClient(version);
        const bootstrap = `#!/bin/sh\ncd "$LAMBDA_TASK_ROOT"\nexec ${node} ${client.main} "$_HANDLER"\n`;
        const env = { AWS_LAMBDA_NODEJS_DISABLE_CALLBACK_WARNING: '1' };
        const routes = Object.fromEntries(Object.values(own).flatMap((code, i) => {
            const files = { 'index.js': `'use strict';\nexports.handler = ${code};\n` };
            return [
                [`GET /ours/${i}`, lambda(undefined, { runtime, env, files })],
                [`GET /theirs/${i}`, lambda(undefined, { runtime: 'provided.al2023', env, files: { ...files, bootstrap } })],
            ];
        }));
        const args = client.folders.flatMap((dir) => ['--allow-read', dir]);
        const gw = await start(t, api({ routes }), { args: [...args, '--quiet'], env: { ROPELINE_NODE: node } });
        const invoked = async (i) => {
            const { stdout } = await gw.ropeline('invoke', `Function${i}`, '--json', '--log');
            const { outcome, answer, log } = JSON.parse(stdout);
            return { outcome, answer: plain(answer), log: lines(log) };
        };
        for (const [i, name] of Object.keys(own).entries()) {
            const [ours, theirs] = [await invoked(2 * i), await invoked(2 * i + 1)];
            await t.test(name, () => assert.deepEqual(ours, theirs));
        }
    });
}
