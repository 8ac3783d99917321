/* SPDX-License-Identifier: Apache-2.0
 * Layers (folders that functions share) and AWS_LAMBDA_EXEC_WRAPPER: what is found where.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { eventually, refusal, ropeline, served, start, test } from '../lib/daemon.mjs';
import { RAW_RUNTIME } from '../lib/raw_runtime.mjs';
import { PYTHON } from '../lib/running_function.mjs';
import { api, lambda } from '../lib/template.mjs';

const answering = (expression) =>
    `exports.handler = async () => ({ statusCode: 200, body: JSON.stringify(${expression}) });`;
const python = (expression, before = '') => `import json, os, sys
${before}
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(${expression})}`;

const LAYERS = {
    'layers/one/nodejs/node_modules/word/index.js': "module.exports = 'one';",
    'layers/one/nodejs/node_modules/only/index.js': "module.exports = require('word') + ' only';",
    'layers/one/nodejs/node_modules/handlers/index.js': answering("'from a layer'"),
    'layers/one/python/word.py': 'word = "one"',
    'layers/one/python/only.py': 'import word\nonly = word.word + " only"',
    'layers/one/bin/tool': '#!/bin/sh\necho tool one',
    'layers/two/nodejs/node_modules/word/index.js': "module.exports = 'two';",
    'layers/two/python/word.py': 'word = "two"',
    'layers/two/wrapper': '#!/bin/bash\nexport WRAPPED="$# $(basename "$1")"\nexec "$@"',
    'layers/two/closing': `#!${process.execPath}
const { status } = require('node:child_process').spawnSync(process.argv[2], process.argv.slice(3),
    { stdio: ['ignore', 1, 2], env: { ...process.env, WRAPPED: 'closed' } });
process.exit(status);`,
    'layers/custom/bootstrap': RAW_RUNTIME,
};

/** The project with these properties of its functions, by route, and three layers. */
function project(routes) {
    const made = api({ routes: Object.fromEntries(Object.entries(routes).map(([r, [f]]) => [r, f])) });
    const template = JSON.parse(made.text);
    for (const [route, [, Layers, env]] of Object.entries(routes)) {
        const { Properties } = template.Resources[made.routes[route]];
        Object.assign(Properties, Layers && { Layers });
        Object.assign(Properties.Environment.Variables, env);
    }
    for (const name of ['one', 'two', 'custom']) {
        template.Resources[name] = name === 'two'
            ? { Type: 'AWS::Lambda::LayerVersion', Properties: { Content: `layers/${name}` } }
            : { Type: 'AWS::Serverless::LayerVersion', Properties: { ContentUri: `./layers/${name}` } };
    }
    return { ...made, text: JSON.stringify(template), files: { ...made.files, ...LAYERS } };
}

const py = (code) => lambda(undefined, { files: { 'app.py': code }, handler: 'app.handler', runtime: 'python3.11' });
const [one, two, own] = [{ Ref: 'one' }, { Ref: 'two' }, { Ref: 'custom' }];

test('layers: several for one function, the later over the earlier', async (t) => {
    const gw = await start(t, project({
        'GET /node': [lambda(answering("[require('word'), require('only')]")), [one, two]],
        'GET /reversed': [lambda(answering("require('word')")), [two, one]],
        'GET /alone': [lambda(answering("[require('word'), require('child_process').execSync('tool', { encoding: 'utf8' })]")), [one]],
        'GET /custom': [lambda(undefined, { files: { x: '' }, handler: 'x', runtime: 'provided.al2023' }), [own]],
        'GET /handler': [lambda(undefined, { files: { x: '' }, handler: '/opt/nodejs/node_modules/handlers/index.handler' }), [one]],
        'GET /python': [existsSync(PYTHON.command[0])
            ? py(python('[word.word, only]', 'import word\nfrom only import only'))
            : lambda(answering("['two', 'two only']")), [one, two]],
    }));
    const get = async (path) => {
        const { status, body } = await gw.get(path);
        assert.equal(status, 200, `${path}: ${body}`);
        return JSON.parse(body);
    };
    assert.deepEqual(await get('/node'), ['two', 'two only']);
    assert.equal(await get('/reversed'), 'one');
    assert.deepEqual(await get('/alone'), ['one', 'tool one\n']);
    assert.deepEqual(await get('/python'), ['two', 'two only']);
    assert.equal(await get('/handler'), 'from a layer');
    assert.deepEqual((await get('/custom')).now, []);
    gw.write('layers/two/nodejs/node_modules/word/index.js', "module.exports = 'new';");
    gw.write('layers/two/version', '2'); // node_modules are not watched
    await eventually('a change of a layer is a change', async () => (await get('/node'))[1] === 'new only');
});

test('layers: one that is not here is refused where the function must run, and noted by check', async (t) => {
    const foreign = 'arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsightsExtension:14';
    const made = project({ 'GET /a': [lambda(answering('1')), [one, foreign]] });
    const { code, transcript } = await refusal(t, made);
    assert.equal(code, 1);
    assert.match(transcript, /template\.yaml:1:\d+: error: Layers of Function0: arn:aws:lambda:us-east-1:580247275435:layer:LambdaInsightsExtension:14 is not in this document; declare the layer here with ContentUri: FOLDER/);
    const gw = await start(t, project({ 'GET /a': [lambda(answering('1')), [one]] }));
    gw.write('foreign.yaml', made.text);
    const checked = await ropeline(['check', 'foreign.yaml'], { cwd: gw.dir });
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    assert.match(checked.stdout + checked.stderr, /note: Layers of Function0: /);
});

test('layers: serve runs what it has loaded, until it is told to load again', async (t) => {
    const made = project({ 'GET /a': [lambda(answering("[require('word'), require('only')]")), [one, two]] });
    const gw = await start(t, ...served(made));
    const get = async () => JSON.parse((await gw.get('/a')).body);
    assert.deepEqual(await get(), ['two', 'two only']);
    gw.write('layers/two/nodejs/node_modules/word/index.js', "module.exports = 'new';");
    assert.deepEqual(await get(), ['two', 'two only']);
    process.kill(gw.pid, 'SIGHUP');
    await eventually('it is loaded again', async () => (await get())[1] === 'new only');
});

test('AWS_LAMBDA_EXEC_WRAPPER: the runtime is what it is given', async (t) => {
    const wrapper = (path) => ({ AWS_LAMBDA_EXEC_WRAPPER: path });
    const said = "[process.env.WRAPPED, process.env.AWS_LAMBDA_RUNTIME_API !== undefined, console.log('logged')]";
    const own = lambda(answering(said), { files: { 'mine.sh': '#!/bin/sh\nWRAPPED=mine exec "$@"' } });
    const gw = await start(t, project({
        'GET /node': [lambda(answering(said)), [two], wrapper('/opt/wrapper')],
        'GET /closing': [lambda(answering(said)), [two], wrapper('/opt/closing')],
        'GET /own': [own, undefined, wrapper('/var/task/mine.sh')],
        'GET /missing': [lambda(answering(said)), undefined, wrapper('/opt/nowhere')],
        ...(existsSync(PYTHON.command[0]) && {
            'GET /python': [py(python('os.environ["WRAPPED"]')), [two], wrapper('/opt/wrapper')],
            'GET /python-closing': [py(python('[os.environ["WRAPPED"], logging.warning("logged")]', 'import logging')),
                [two], wrapper('/opt/closing')],
        }),
    }));
    const get = async (path) => JSON.parse((await gw.get(path)).body);
    assert.deepEqual(await get('/node'), ['3 node', true, null]);
    assert.deepEqual(await get('/closing'), ['closed', true, null]);
    assert.deepEqual(await get('/own'), ['mine', true, null]);
    assert.equal((await gw.get('/missing')).status, 502);
    await gw.waitFor('Runtime.InvalidEntrypoint');
    if (existsSync(PYTHON.command[0])) {
        assert.match(await get('/python'), /^6 python3/);
        assert.deepEqual(await get('/python-closing'), ['closed', null]);
        await gw.waitFor(/WARNING\]\t.*\tlogged/);
    }
    await gw.waitFor(/INFO\tlogged/);
});
