/* SPDX-License-Identifier: Apache-2.0
 * What becomes of the identity core when its store does what stores do: a server that stops and
 * returns, nodes that share one, a disk that is full, a file that is damaged or may not be written.
 * Nothing that was acknowledged is lost, and service returns by itself.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { Core, NOTHING, startCore } from '../lib/core.mjs';
import {
    eventually,
    isRoot,
    refusal,
    ropeline,
    served,
    sleep,
    start,
    test,
} from '../lib/daemon.mjs';
import { Postgres } from '../lib/postgres.mjs';
import { Client, checkForks } from '../lib/session_history.mjs';

const PASSWORD = /s3cret/;
const AWAY = 'the store cannot be reached at the moment\n';

let server;
before(() => {
    server = new Postgres().start();
});
after(() => server.end());

const signUp = (core, email, options) =>
    core.ok('POST', '/recipe/signup', { email, password: 'pass-word-1' }, options);
const makeRole = (core, role) => core.call('PUT', '/recipe/role', { role });

/** Roles made by `clients` one after the other until `enough`; those that were acknowledged. */
async function underLoad(core, clients, enough) {
    const made = new Set();
    const refused = [];
    let n = 0;
    const client = async () => {
        while (!enough({ made, refused })) {
            const role = `role-${n++}`;
            const rs = await makeRole(core, role);
            if (rs.status === 200) {
                made.add(role);
            } else {
                refused.push(rs);
                await sleep(20);
            }
        }
    };
    await Promise.all(Array.from({ length: clients }, client));
    return { made, refused };
}

const lost = async (core, made) => {
    const { roles } = await core.ok('GET', '/recipe/roles');
    return [...made].filter((role) => !roles.includes(role));
};

/* ---- PostgreSQL ---- */

test('what a daemon keeps in PostgreSQL is there for the next one', async (t) => {
    const one = await startCore(t, server.options);
    const app = await one.app();
    const { user } = await signUp(one, 'a@example.com', { app });
    const { refreshToken } = await one.ok(
        'POST',
        '/recipe/session',
        { userId: user.id, enableAntiCsrf: false, userDataInJWT: {}, userDataInDatabase: {} },
        { app },
    );
    await one.daemon.end();
    const two = await startCore(t, server.options);
    const found = await two.ok('GET', '/user/id', { userId: user.id }, { app });
    assert.deepEqual(found.user.emails, ['a@example.com']);
    const again = await two.ok(
        'POST',
        '/recipe/session/refresh',
        { refreshToken: refreshToken.token, enableAntiCsrf: false, useDynamicSigningKey: true },
        { app },
    );
    assert.equal(again.status, 'OK');
});

test('a server that stops and returns: clear errors, nothing lost, service by itself', async (t) => {
    const core = await startCore(t, server.options);
    const { made, refused } = await underLoad(core, 16, ({ made: ok, refused: no }) => {
        if (ok.size >= 100 && no.length === 0 && !server.stopped) {
            server.stopped = true;
            server.stop();
        }
        if (no.length >= 60 && server.stopped) {
            server.stopped = false;
            server.start();
        }
        return no.length >= 60 && ok.size >= 300;
    });
    for (const rs of refused) {
        assert.deepEqual([rs.status, rs.body], [503, AWAY]);
    }
    assert.deepEqual(await lost(core, made), []);
    const { transcript } = core.daemon;
    assert.match(transcript, /postgres:\/\/\S+ does not answer: .*failed/);
    assert.match(transcript, /postgres:\/\/\S+ answers again/);
    assert.equal(transcript.match(/does not answer:/g).length, 1, 'said once');
    assert.doesNotMatch(transcript, PASSWORD);
});

test('while the server is away a call is refused at once', async (t) => {
    const core = await startCore(t, server.options);
    server.stop();
    await eventually('it is away', async () => (await makeRole(core, 'x')).status === 503);
    const began = Date.now();
    await Promise.all(Array.from({ length: 50 }, (_, i) => makeRole(core, `x${i}`)));
    assert.ok(Date.now() - began < 3000);
    assert.equal((await core.call('GET', '/hello')).status, 503);
    server.start();
    await eventually('it is back', async () => (await makeRole(core, 'x')).status === 200);
});

test('a server that is away when a daemon starts is told by its name', async (t) => {
    const { env, args } = server.options;
    server.stop();
    const project = { name: 'api.yaml', text: NOTHING };
    const { code, transcript } = await refusal(t, project, { env, args });
    server.start();
    assert.equal(code, 1);
    assert.match(transcript, /identity: postgres:\/\/\S+: connection to server .* failed/);
    assert.doesNotMatch(transcript, PASSWORD);
});

test('a gateway that dies while the server is away comes back with it', async (t) => {
    const core = await startCore(t, server.options);
    await core.ok('PUT', '/recipe/role', { role: 'kept' });
    server.stop();
    process.kill(core.daemon.gateway().pid, 'SIGKILL');
    await core.daemon.waitFor('trying again for 5 s');
    server.start();
    await eventually('it is back', async () =>
        (await makeRole(core, 'kept').catch(() => ({}))).status === 200);
});

test('the password is in no log, no argument and no file of the daemon', async (t) => {
    const core = await startCore(t, server.options);
    const { daemon } = core;
    assert.doesNotMatch(daemon.transcript, PASSWORD);
    assert.doesNotMatch(readFileSync(daemon.readyFile, 'utf8'), PASSWORD);
    for (const { pid } of daemon.family()) {
        assert.doesNotMatch(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), PASSWORD);
    }
    const project = { name: 'api.yaml', text: NOTHING };
    for (const url of [server.url, 'postgres://db.example/x?password=s3cret']) {
        const { code, transcript } = await refusal(t, project, { args: ['--store', url] });
        assert.equal(code, 1);
        assert.match(transcript, /can be read by everybody here; set ROPELINE_STORE/);
        assert.doesNotMatch(transcript, PASSWORD);
    }
    const env = { ROPELINE_STORE: 'postgres://me:s3cret/word@db.example/x' };
    const { code, transcript } = await refusal(t, project, { env });
    assert.equal(code, 1);
    assert.match(transcript, /not a URL that can be read/);
    assert.doesNotMatch(transcript, PASSWORD);
});

test('two daemons on one server are one core', async (t) => {
    const [one, two] = await Promise.all([
        startCore(t, server.options),
        startCore(t, server.options),
    ]);
    const appId = await one.app();
    const soon = (what, isSo) => eventually(what, isSo, 3000);
    await soon('the other knows the app', async () =>
        (await two.call('GET', '/recipe/roles', undefined, { app: appId })).status === 200);

    // a setting
    const rs = await two.ok('PUT', '/recipe/multitenancy/app/v2', {
        appId,
        coreConfig: { access_token_validity: 77 },
    });
    assert.equal(rs.createdNew, false);
    const session = (core) =>
        core.ok(
            'POST',
            '/recipe/session',
            {
                userId: 'u',
                enableAntiCsrf: false,
                userDataInJWT: {},
                userDataInDatabase: {},
                useDynamicSigningKey: true,
            },
            { app: appId },
        );
    await soon('the setting holds there', async () => {
        const { accessToken } = await session(one);
        return Math.abs(accessToken.expiry - accessToken.createdTime - 77_000) < 2000;
    });

    // keys and sessions
    const made = await session(one);
    const verify = (core) =>
        core.ok(
            'POST',
            '/recipe/session/verify',
            {
                accessToken: made.accessToken.token,
                doAntiCsrfCheck: false,
                enableAntiCsrf: false,
                checkDatabase: true,
            },
            { app: appId },
        );
    assert.equal((await verify(two)).status, 'OK');
    const jwks = (core) =>
        core.ok('GET', '/.well-known/jwks.json', undefined, { app: appId });
    await soon('both show the same keys', async () => {
        const [a, b] = (await Promise.all([one, two].map(jwks))).map(({ keys }) =>
            keys.map(({ kid }) => kid).sort().join());
        return a === b;
    });
    await two.ok(
        'POST',
        '/recipe/session/remove',
        { sessionHandles: [made.session.handle] },
        { app: appId },
    );
    assert.equal((await verify(one)).status, 'UNAUTHORISED');

    // one e-mail address, asked for at both at the same time
    const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
            signUp([one, two][i % 2], 'same@example.com', { app: appId })),
    );
    assert.equal(answers.filter(({ status }) => status === 'OK').length, 1);
    assert.equal(
        answers.filter(({ status }) => status === 'EMAIL_ALREADY_EXISTS_ERROR').length,
        11,
    );
});

/* ---- SQLite ---- */

test('tabs of one session at two daemons: the first one used goes on', async (t) => {
    const nodes = await Promise.all([startCore(t, server.options), startCore(t, server.options)]);
    const clients = nodes.map(({ port }) => new Client(port, 16));
    t.after(() => clients.forEach((client) => client.close()));
    assert.equal(await checkForks(clients, { forks: 50, width: 4 }), 50);
});

test('a disk that is full: clear errors, nothing lost, service by itself', async (t) => {
    const core = await startCore(t, { sqlite: true });
    const gateway = core.daemon.gateway().pid;
    const limit = (bytes) =>
        execFileSync('prlimit', [`--fsize=${bytes}:unlimited`, '--pid', String(gateway)]);
    const log = `${core.daemon.state}/identity.db-wal`;
    let full = false;
    const { made, refused } = await underLoad(core, 8, ({ made: ok, refused: no }) => {
        if (ok.size >= 100 && no.length === 0 && !full) {
            full = true;
            limit(statSync(log).size);
        }
        if (no.length >= 40 && full) {
            full = false;
            limit('unlimited');
        }
        return no.length >= 40 && ok.size >= 250;
    });
    for (const rs of refused) {
        assert.deepEqual([rs.status, rs.body], [503, AWAY]);
    }
    assert.deepEqual(await lost(core, made), []);
    assert.match(core.daemon.transcript, /identity\.db cannot be written: disk/);
    assert.match(core.daemon.transcript, /identity\.db is written again/);
    assert.equal(core.daemon.gateway().pid, gateway);
    // and on the disk too
    await core.daemon.end('SIGKILL');
    await core.daemon.launch();
    await core.daemon.ready();
    assert.deepEqual(await lost(new Core(core.daemon), made), []);
});

test('a file that is damaged is refused, and left as it is', async (t) => {
    const core = await startCore(t, { sqlite: true });
    const { daemon } = core;
    const file = `${daemon.state}/identity.db`;
    const { made } = await underLoad(core, 4, ({ made: ok }) => ok.size >= 20);
    await daemon.end();
    const whole = readFileSync(file);
    const damaged = Buffer.from(whole);
    for (let at = 4096; at < damaged.length; at += 4096) {
        damaged.write('damage damage damage', at);
    }
    writeFileSync(file, damaged);
    await daemon.launch();
    assert.equal((await daemon.exited).code, 1);
    assert.match(daemon.transcript, /identity\.db: .*(malformed|damaged)/);
    assert.ok(damaged.equals(readFileSync(file)), 'it is as it was');
    writeFileSync(file, whole);
    await daemon.launch();
    await daemon.ready();
    assert.deepEqual(await lost(new Core(daemon), made), []);
});

test('a file that may not be written is told by its name', async (t) => {
    const lines = `${isRoot ? 'user: nobody\n' : ''}core:\n  api_keys: keys.txt\n`;
    const files = { 'keys.txt': 'a-key-of-twenty-and-more-characters\n' };
    const [project, options] = served({ text: NOTHING, files }, lines);
    const daemon = await start(t, project, { ...options, args: ['--core', '127.0.0.1:0'] });
    const file = `${daemon.state}/identity.db`;
    await daemon.end();
    if (isRoot) {
        chownSync(file, 0, 0);
    }
    chmodSync(file, 0o444);
    await daemon.launch();
    assert.equal((await daemon.exited).code, 1);
    assert.match(daemon.transcript, /identity\.db: Permission denied/);
});

/* ---- backups ---- */

test('a backup is made under load, and put back', async (t) => {
    const core = await startCore(t, { sqlite: true });
    const { daemon } = core;
    const file = path.join(daemon.outside, 'backup.db');
    const before = (await underLoad(core, 8, ({ made }) => made.size >= 50)).made;
    const { user } = await signUp(core, 'a@example.com');
    let backup;
    const { made } = await underLoad(core, 8, () => {
        backup ??= daemon.ropeline('backup', file).then((result) => {
            backup.over = true;
            return result;
        });
        return backup.over;
    });
    const said = await backup;
    assert.equal(said.code, 0, said.all);
    assert.match(said.stdout, /backup\.db is a copy of \S+identity\.db\nkeep \S+identity\.key too/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(await lost(core, made), []);
    await core.ok('PUT', '/recipe/role', { role: 'made-later' });

    const again = await daemon.ropeline('backup', file);
    assert.deepEqual([again.code, again.stdout], [1, '']);
    assert.match(again.stderr, /backup\.db: is there already/);
    const early = await daemon.ropeline('restore', file);
    assert.equal(early.code, 1);
    assert.match(early.stderr, /identity\.db: a daemon has it open; stop it first/);

    await daemon.end();
    const restored = await daemon.ropeline('restore', file);
    assert.equal(restored.code, 0, restored.all);
    assert.match(restored.stdout, /what it was before is \S+identity\.db\.before-\d+/);
    await daemon.launch();
    await daemon.ready();
    const now = new Core(daemon);
    assert.deepEqual(await lost(now, before), []);
    assert.deepEqual(await lost(now, ['made-later']), ['made-later']);
    const signedIn = await now.ok('POST', '/recipe/signin', {
        email: 'a@example.com',
        password: 'pass-word-1',
    });
    assert.equal(signedIn.user.id, user.id);
});

test('backup and restore of a server are refused by its name', async () => {
    for (const [verb, tool] of [['backup', /pg_dump/], ['restore', /pg_restore/]]) {
        const said = await ropeline([verb, 'x.db'], { env: { ROPELINE_STORE: server.url } });
        assert.equal(said.code, 1);
        assert.match(said.stderr, /the store is a PostgreSQL server/);
        assert.match(said.stderr, tool);
        assert.doesNotMatch(said.all, PASSWORD);
    }
    const none = await ropeline(['backup', 'x.db', '--state', '/nowhere']);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /\/nowhere\/identity\.db is not there; name .* --state DIR/);
    assert.equal((await ropeline(['backup'])).code, 2);
    assert.match((await ropeline(['restore', '--help'])).stdout, /The daemon must not be running/);
});
