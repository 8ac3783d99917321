/* SPDX-License-Identifier: Apache-2.0
 * Functions whose code is a zip file, stands in the template, or, in serve, is a folder: what runs
 * is what was loaded, from the store, and a hostile package leaves nothing there.
 */
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { eventually, ropeline, start, test } from '../lib/daemon.mjs';
import { sam } from '../lib/template.mjs';
import { zip } from '../lib/zip.mjs';

const says = (what) => `exports.handler = async () => ({ body: ${what} });\n`;

const isRoot = process.getuid() === 0;
const store = (gw) => path.join(gw.state, 'code');
const packages = (gw) => readdirSync(store(gw));

test('a zip file and code in the template run from the store, read-only', async (t) => {
    const project = sam({
        Zipped: { path: '/zip', CodeUri: './fn.zip' },
        Inline: { path: '/inline', InlineCode: says("'inline'") },
    });
    const where = says('JSON.stringify([process.cwd(), __dirname, require("./lib/part.js")])');
    const files = zip({ 'index.js': where, 'lib/part.js': 'module.exports = 7;\n' });
    const gw = await start(t, project, {
        prepare: (daemon) => writeFileSync(path.join(daemon.dir, 'fn.zip'), files),
    });
    const [cwd, dirname, part] = (await gw.get('/zip')).json;
    assert.equal(cwd, dirname);
    assert.equal(path.dirname(cwd), store(gw));
    assert.match(path.basename(cwd), /^[0-9a-f]{64}$/);
    assert.equal(part, 7);
    assert.equal((await gw.get('/inline')).body, 'inline');
    assert.equal(lstatSync(cwd).mode & 0o777, 0o555);
    assert.equal(lstatSync(path.join(cwd, 'lib/part.js')).mode & 0o777, 0o444);
    assert.equal(packages(gw).length, 2);
    // in dev another zip file is another version
    writeFileSync(path.join(gw.dir, 'fn.zip'), zip({ 'index.js': says("'second'") }));
    await eventually('it is reloaded', async () => (await gw.get('/zip')).body === 'second');
    // a broken one is none, and what runs goes on
    writeFileSync(path.join(gw.dir, 'fn.zip'), zip({ '../index.js': says("'evil'") }));
    await eventually('it is refused', () => gw.transcript.includes('not reloaded'));
    assert.match(
        gw.transcript,
        /template\.yaml:\d+:\d+: error: the code of Zipped, .*fn\.zip: the zip file is refused: a name in it/,
    );
    truncateSync(path.join(gw.dir, 'fn.zip'), 50 * 1024 * 1024 + 1);
    await eventually('so is a large one', () => gw.transcript.includes('it is larger than 52428800 bytes'));
    assert.equal((await gw.get('/zip')).body, 'second');
    assert.ok(packages(gw).every((name) => /^[0-9a-f]{64}$/.test(name)));
});

test('serve runs a copy of a folder: what changes there afterwards changes nothing', async (t) => {
    const gw = await start(
        t,
        {
            name: 'ropeline.yaml',
            text: `apis: [{template: "@DIR@/template.yaml"}]\n${isRoot ? 'user: nobody\n' : ''}`,
            stage: 'Prod',
            files: {
                'template.yaml': sam({ Fn: { path: '/x', CodeUri: './fn' } }).text,
                'fn/index.js': says('require("./late.js")'),
                'fn/late.js': "module.exports = 'loaded';\n",
            },
        },
        { verb: 'serve', shared: true },
    );
    gw.write('fn/late.js', "module.exports = 'changed';\n");
    assert.equal((await gw.get('/x')).body, 'loaded');
    gw.child.kill('SIGHUP');
    await eventually('it is reloaded', async () => (await gw.get('/x')).body === 'changed');
});

test('check judges where the code is, and dev refuses what is not there', async (t) => {
    const gw = await start(t, sam({ Fn: { path: '/x', InlineCode: says("'x'") } }));
    mkdirSync(path.join(gw.dir, 'other'));
    writeFileSync(
        path.join(gw.dir, 'other/template.yaml'),
        sam({ Fn: { path: '/x', CodeUri: 'absent.zip' } }).text,
    );
    const { code, all } = await ropeline(['check', 'template.yaml'], {
        cwd: path.join(gw.dir, 'other'),
    });
    assert.equal(code, 0);
    assert.match(all, /the function Fn cannot run here: there is no file absent\.zip/);
});

test('in dev a package that node_modules links to is read where it is, with those beside it', async (t) => {
    const code = `const { word } = require('linked');
        const { outside } = require('@scope/linked');
        exports.handler = async () => ({ body: word + ' ' + outside });`;
    const project = sam({ Fn: { path: '/x' } }, {}, { 'fn/index.js': code });
    const prepare = ({ dir }) => {
        const outside = path.join(dir, 'elsewhere');
        const put = (name, text) => {
            mkdirSync(path.join(outside, 'node_modules', name), { recursive: true });
            writeFileSync(path.join(outside, 'node_modules', name, 'index.js'), text);
        };
        put('linked', "exports.word = require('beside').word;");
        put('beside', "exports.word = 'found';");
        put('scoped', "exports.outside = 'too';");
        mkdirSync(path.join(dir, 'fn/node_modules/@scope'), { recursive: true });
        symlinkSync(path.join(outside, 'node_modules/linked'), path.join(dir, 'fn/node_modules/linked'));
        symlinkSync(path.join(outside, 'node_modules/scoped'), path.join(dir, 'fn/node_modules/@scope/linked'));
    };
    const gw = await start(t, project, { prepare });
    const { status, body } = await gw.get('/x');
    assert.deepEqual([status, body], [200, 'found too']);
});
