/* SPDX-License-Identifier: Apache-2.0
 * dev follows its files: a change is served without a restart, a mistake changes nothing. Runs
 * under ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { backend } from '../lib/backend.mjs';
import { eventually, sleep, start, test } from '../lib/daemon.mjs';
import { api, http, lambda, mock, open, token } from '../lib/template.mjs';

const rewrite = (gw, project) => {
    for (const [name, text] of Object.entries(project.files)) {
        gw.write(name, text);
    }
    gw.write(project.name, project.text);
};

test('a changed template is served without a restart', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': mock(200, 'old') } }));
    const { pid } = gw.gateway();
    assert.equal((await gw.get('/x')).body, 'old');
    rewrite(gw, api({ routes: { 'GET /x': mock(200, 'new'), 'GET /y': mock(200, 'more') } }));
    await eventually('the new answer', async () => (await gw.get('/x')).body === 'new');
    assert.equal((await gw.get('/y')).body, 'more');
    assert.equal(gw.gateway().pid, pid);
});

test('a changed handler answers, and what the old one allowed is forgotten', async (t) => {
    const project = (code) =>
        api({ authorizer: token(code, { ttl: 300 }), routes: { 'GET /x': mock() } });
    const gw = await start(t, project(`async () => allow()`));
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    const [old] = gw.functions();
    const { 'Guard/index.js': text } = project(`async () => deny()`).files;
    gw.write('Guard/index.js', text);
    await eventually(
        'the new handler denies',
        async () => (await gw.get('/x', { token: 'a' })).status === 403,
    );
    await eventually(
        'the old process is gone',
        () => !gw.functions().some(({ pid }) => pid === old.pid),
    );
});

test('a changed file beside the handler counts too', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(
                    `const { word } = require('./lib/word');
        exports.handler = async () => ({ body: word });`,
                    { files: { 'lib/word.js': `exports.word = 'one';` } },
                ),
            },
        }),
    );
    assert.equal((await gw.get('/x')).body, 'one');
    gw.write('Function0/lib/word.js', `exports.word = 'two';`);
    await eventually('the new word', async () => (await gw.get('/x')).body === 'two');
});

test('an authorizer that is added guards at once; one that is removed is asked no more', async (t) => {
    const free = api({ routes: { 'GET /x': mock(200, 'free') } });
    const guarded = api({
        authorizer: token(`async () => deny()`),
        routes: { 'GET /x': mock(200, 'guarded') },
    });
    const gw = await start(t, free);
    assert.equal((await gw.get('/x')).body, 'free');
    rewrite(gw, guarded);
    await eventually('it is guarded', async () => (await gw.get('/x')).status === 401);
    rewrite(gw, free);
    await eventually('it is free', async () => (await gw.get('/x')).body === 'free');
});

test('a template with a mistake changes nothing and says where', async (t) => {
    const gw = await start(
        t,
        api({ authorizer: token(`async () => allow()`), routes: { 'GET /x': mock(200, 'old') } }),
    );
    gw.write('template.yaml', 'Resources:\n  Api: [\n');
    await gw.waitFor(/template\.yaml:\d+:\d+: error/);
    await gw.waitFor(/not reloaded/);
    assert.equal((await gw.get('/x', { token: 'a' })).body, 'old');
    assert.equal((await gw.get('/x')).status, 401);
    rewrite(gw, api({ routes: { 'GET /x': open(mock(200, 'new')) } }));
    await eventually('the next good one', async () => (await gw.get('/x')).body === 'new');
});

test('a handler that disappears changes nothing', async (t) => {
    const gw = await start(
        t,
        api({ authorizer: token(`async () => allow()`), routes: { 'GET /x': mock(200, 'in') } }),
    );
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    rmSync(`${gw.dir}/Guard/index.js`);
    await gw.waitFor(/not reloaded/);
    assert.equal((await gw.get('/x')).status, 401);
});

test('SIGHUP reloads', async (t) => {
    const gw = await start(t, api({ routes: { 'GET /x': mock(200, 'in') } }));
    process.kill(gw.pid, 'SIGHUP');
    await gw.waitFor(/reloaded/);
    assert.equal((await gw.get('/x')).body, 'in');
});

test('a request under way ends as it began', async (t) => {
    const behind = await backend(t, async () => {
        await sleep(600);
        return { body: 'slow old' };
    });
    const gw = await start(t, api({ routes: { 'GET /x': http(`${behind.url}/x`) } }));
    const slow = gw.get('/x');
    await eventually('the backend has it', () => behind.requests.length === 1);
    rewrite(gw, api({ routes: { 'GET /x': mock(200, 'new') } }));
    await eventually('the new answer', async () => (await gw.get('/x')).body === 'new');
    assert.equal((await slow).body, 'slow old');
});

test('under traffic each request sees the old or the new configuration, whole', async (t) => {
    const version = (n) =>
        api({
            authorizer: token(`async () => ({ ...allow(), context: { v: '${n}' } })`),
            routes: {
                'GET /x': lambda(
                    `async (event) => ({ body: '${n}' + event.requestContext.authorizer.v })`,
                ),
            },
        });
    const gw = await start(t, version(0));
    let stop = false;
    const seen = new Set();
    const traffic = Promise.all(
        [0, 1].map(async () => {
            while (!stop) {
                const answer = await gw.get('/x', { token: 'a' });
                assert.equal(answer.status, 200, answer.body);
                seen.add(answer.body);
            }
        }),
    );
    for (let n = 1; n <= 3; n++) {
        rewrite(gw, version(n));
        await eventually(`version ${n}`, () => seen.has(`${n}${n}`));
    }
    stop = true;
    await traffic;
});
