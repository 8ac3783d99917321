/* SPDX-License-Identifier: Apache-2.0
 * The life of the daemon: starting, stopping, and what happens when one of its processes dies. Runs
 * under ThreadSanitizer too.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { backend } from '../lib/backend.mjs';
import {
    PATIENCE,
    eventually,
    isRoot,
    refusal,
    request,
    served,
    sleep,
    start,
    test,
} from '../lib/daemon.mjs';
import { api, http, lambda, mock, token } from '../lib/template.mjs';

const guarded = () =>
    api({ authorizer: token(`async () => allow()`), routes: { 'GET /x': mock(200, 'in') } });

test('the ready file says where it listens and whom to signal', async (t) => {
    const gw = await start(t, guarded());
    const { listening } = gw;
    assert.deepEqual(Object.keys(listening).sort(), [
        'admin',
        'authorize',
        'core',
        'gateway',
        'gatewayTls',
        'metrics',
        'pid',
    ]);
    assert.match(listening.gateway, /^127\.0\.0\.1:\d+$/);
    assert.match(listening.metrics, /^127\.0\.0\.1:\d+$/);
    assert.match(listening.core, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(
        [listening.admin, listening.authorize, listening.gatewayTls],
        [null, null, null],
    );
    assert.equal(listening.pid, gw.child.pid);
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
});

test('the control socket is for its owner alone', async (t) => {
    const gw = await start(t, guarded());
    assert.equal(statSync(`${gw.state}/ropeline.sock`).mode & 0o777, 0o600);
});

test('health, readiness and metrics answer on loopback names, and to no web page', async (t) => {
    const gw = await start(t, guarded());
    await gw.get('/x', { token: 'a' });
    await gw.get('/x');
    for (const path of ['/healthz', '/readyz', '/metrics']) {
        assert.equal((await request(gw.metricsPort, 'GET', path)).status, 200, path);
        assert.equal(
            (await request(gw.metricsPort, 'GET', path, { headers: { Host: 'evil.example' } }))
                .status,
            403,
            path,
        );
        assert.equal(
            (
                await request(gw.metricsPort, 'GET', path, {
                    headers: { Origin: 'http://evil.example' },
                })
            ).status,
            403,
            path,
        );
    }
    const text = await gw.metrics();
    assert.match(text, /^# TYPE /m);
    assert.match(text, /ropeline_authorizer_cache_entries \d+/);
    assert.match(text, /# EOF\n$/);
    assert.doesNotMatch(text, /\/x|ana/, 'no path and no name is a label');
});

test('the gateway process dies by kill -9 and is back within a second', async (t) => {
    const gw = await start(t, guarded());
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    const before = gw.gateway();
    const functions = gw.functions();
    process.kill(before.pid, 'SIGKILL');
    const began = Date.now();
    await eventually('it answers again', async () => {
        try {
            return (await gw.get('/x', { token: 'a' })).status === 200;
        } catch {
            return false;
        }
    });
    const took = Date.now() - began;
    assert.ok(took < 1000 * PATIENCE, `${took} ms`);
    assert.notEqual(gw.gateway().pid, before.pid);
    await eventually(
        'the functions of the dead one are gone',
        () => !gw.functions().some(({ pid }) => functions.some((old) => old.pid === pid)),
    );
});

test('it comes back a second time, and says so', async (t) => {
    const gw = await start(t, guarded());
    for (let i = 0; i < 2; i++) {
        process.kill(gw.gateway().pid, 'SIGKILL');
        await eventually('it answers again', () =>
            gw.get('/x', { token: 'a' }).then(
                () => true,
                () => false,
            ),
        );
    }
    await gw.waitFor(/died/);
    assert.equal((await gw.ropeline('logs')).code, 0);
});

test('a function dies by kill -9 and the next call finds another', async (t) => {
    const gw = await start(t, guarded());
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    for (const { pid } of gw.functions()) {
        process.kill(pid, 'SIGKILL');
    }
    await sleep(50);
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
});

test('a keeper that is killed leaves nothing behind', async (t) => {
    const gw = await start(t, guarded());
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    const all = gw.family();
    assert.ok(all.length >= 3, `${all.length} processes`);
    await gw.end('SIGKILL');
    await gw.leavesNothing();
});

test('SIGTERM lets requests finish, accepts no more, and exits 0', async (t) => {
    const behind = await backend(t, async () => {
        await sleep(500);
        return { body: 'late but whole' };
    });
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': http(`${behind.url}/x`),
                'GET /f': lambda(`async () => { await sleep(500); return { body: 'function' }; }`),
            },
        }),
    );
    const under = [gw.get('/x'), gw.get('/f')];
    const idle = gw.wire();
    await idle.opened;
    await eventually(
        'they are under way',
        () => behind.requests.length === 1 && gw.calls('Function0').length === 1,
    );
    const ending = gw.end();
    assert.ok(await idle.ends(400), 'an idle connection is closed at once');
    const [first, second] = await Promise.all(under);
    assert.deepEqual([first.body, second.body], ['late but whole', 'function']);
    assert.deepEqual(await ending, { code: 0, signal: null });
    await assert.rejects(gw.get('/x'));
});

test('SIGTERM does not wait for a connection that is idle or whose request is answered', async (t) => {
    const gw = await start(t, guarded());
    const wires = [gw.wire(), gw.wire(), gw.wire()];
    t.after(() => wires.forEach((wire) => wire.destroy()));
    await wires[0].write('GET /dev/x HTTP/1.1\r\nHost: a\r\n\r\n');
    await wires[0].response();
    await wires[1].write(
        'POST /dev/nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf',
    );
    await wires[1].response();
    await wires[2].opened;
    const began = Date.now();
    assert.deepEqual(await gw.end(), { code: 0, signal: null });
    assert.ok(Date.now() - began < 3000, `${Date.now() - began} ms`);
});

test('SIGINT stops it as well', async (t) => {
    const gw = await start(t, guarded());
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    assert.deepEqual(await gw.end('SIGINT'), { code: 0, signal: null });
    await gw.leavesNothing();
});

test('Ctrl-C reaches every process of the terminal and all of them end', async (t) => {
    const gw = await start(t, guarded());
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    gw.past.push(...gw.family());
    process.kill(-gw.child.pid, 'SIGINT');
    assert.deepEqual(await gw.exited, { code: 0, signal: null });
    await gw.leavesNothing();
});

test('functions end with the daemon even when they ignore every signal', async (t) => {
    const gw = await start(
        t,
        api({
            routes: {
                'GET /x': lambda(`
        for (const s of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(s, () => {});
        setInterval(() => {}, 1000);
        exports.handler = async () => ({ body: 'ok' });`),
            },
        }),
    );
    assert.equal((await gw.get('/x')).status, 200);
    const began = Date.now();
    assert.deepEqual(await gw.end(), { code: 0, signal: null });
    assert.ok(Date.now() - began < 5000);
    await gw.leavesNothing();
});

test('a verb says plainly that no daemon runs', async (t) => {
    const gw = await start(t, guarded());
    await gw.end();
    const { code, stderr } = await gw.ropeline('explain');
    assert.equal(code, 1);
    assert.match(stderr, /no daemon|not running|cannot|connect/i);
});

test('it starts again on the state that it left', async (t) => {
    const gw = await start(t, guarded());
    await gw.end('SIGKILL');
    await gw.launch();
    await gw.ready();
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
});

test('every worker shares what is remembered of a token', async (t) => {
    const gw = await start(
        t,
        api({
            authorizer: token(`async () => allow()`, { ttl: 300 }),
            routes: { 'GET /x': mock() },
        }),
        { args: ['--workers', '4'] },
    );
    for (let i = 0; i < 40; i++) {
        assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    }
    assert.equal(gw.calls().length, 1);
});

test('serve runs the same template from ropeline.yaml', async (t) => {
    const gw = await start(t, ...served(guarded()));
    assert.equal((await gw.get('/x')).status, 401);
    assert.equal((await gw.get('/x', { token: 'a' })).status, 200);
    if (isRoot) {
        const uids = [gw.gateway(), ...gw.functions()].map(
            ({ pid }) => Number(/Uid:\t(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]),
        );
        assert.ok(uids.length >= 2 && !uids.includes(0), `${uids}`);
    }
});

test('serve as root wants to know whom to become', { skip: !isRoot && 'not root' }, async (t) => {
    const { code, transcript } = await refusal(t, ...served(guarded(), ''));
    assert.equal(code, 1);
    assert.match(transcript, /user: NAME/);
});
