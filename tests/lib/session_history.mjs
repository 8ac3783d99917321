/* SPDX-License-Identifier: Apache-2.0
 * Many clients and the sessions of one core: histories of single clients against the model,
 * thefts that must be seen and races that must not be taken for one. The clock of the daemon is
 * stepped meanwhile (libfaketime), forth and back.
 */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import path from 'node:path';
import { SessionModel, hash1 } from './session_model.mjs';

const FAKETIME = ['x86_64', 'aarch64']
    .map((cpu) => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketimeMT.so.1`)
    .find(existsSync);
export const hasFaketime = FAKETIME !== undefined;

/** Options of startCore that put the daemon under a clock which stepClock moves. */
export function steppedClock(dir) {
    const file = path.join(dir, 'clock');
    writeFileSync(file, '+0');
    return {
        file,
        env: {
            LD_PRELOAD: FAKETIME,
            FAKETIME_TIMESTAMP_FILE: file,
            FAKETIME_NO_CACHE: '1',
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
            DONT_FAKE_MONOTONIC: '1',
        },
    };
}

export const stepClock = (file, seconds) =>
    writeFileSync(file, `${seconds < 0 ? '' : '+'}${seconds}`);

/** Calls over connections that stay open. */
export class Client {
    constructor(port, sockets) {
        this.port = port;
        this.agent = new Agent({ keepAlive: true, maxSockets: sockets });
    }

    call(target, body) {
        return new Promise((resolve, reject) => {
            const rq = request(
                {
                    host: '127.0.0.1',
                    port: this.port,
                    agent: this.agent,
                    method: 'POST',
                    path: target,
                    headers: {
                        'cdi-version': '5.4',
                        'Content-Type': 'application/json; charset=utf-8',
                    },
                },
                (rs) => {
                    let text = '';
                    rs.setEncoding('utf8');
                    rs.on('data', (chunk) => {
                        text += chunk;
                    });
                    rs.on('error', reject);
                    rs.on('end', () => {
                        if (rs.statusCode === 200) {
                            resolve(JSON.parse(text));
                        } else {
                            reject(new Error(`${target}: ${rs.statusCode} ${text}`));
                        }
                    });
                },
            );
            rq.on('error', reject);
            rq.end(JSON.stringify(body));
        });
    }

    create(userId) {
        return this.call('/recipe/session', {
            userId,
            enableAntiCsrf: false,
            useDynamicSigningKey: true,
            userDataInJWT: { a: 1 },
            userDataInDatabase: {},
        });
    }

    refresh(refreshToken) {
        return this.call('/recipe/session/refresh', {
            refreshToken,
            enableAntiCsrf: false,
            useDynamicSigningKey: true,
        });
    }

    verify(accessToken, checkDatabase) {
        return this.call('/recipe/session/verify', {
            accessToken,
            doAntiCsrfCheck: false,
            enableAntiCsrf: false,
            checkDatabase,
        });
    }

    revoke(handle) {
        return this.call('/recipe/session/remove', { sessionHandles: [handle] });
    }

    close() {
        this.agent.destroy();
    }
}

const pick = (list) => list[Math.floor(Math.random() * list.length)];
export const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

/** An access token belongs to the refresh tokens that came with it. */
function expectTied({ token, own, parent }) {
    const { refreshTokenHash1, parentRefreshTokenHash1 } = claims(token);
    assert.equal(refreshTokenHash1, hash1(own));
    assert.equal(parentRefreshTokenHash1, parent === null ? null : hash1(parent));
}

async function refreshSome(client, s) {
    const token = Math.random() < 0.6 ? s.tokens.at(-1) : pick(s.tokens);
    const expected = s.refresh(token);
    const answer = await client.refresh(token);
    assert.equal(answer.status, expected, 'refresh');
    if (expected === 'OK') {
        assert.equal(answer.session.handle, s.handle);
        s.refreshed(token, answer);
        expectTied(s.access.at(-1));
    }
    s.forgetOld();
}

async function verifySome(client, s) {
    const access = pick(s.access);
    const checkDatabase = Math.random() < 0.3;
    const expected = s.verify(access, checkDatabase);
    const answer = await client.verify(access.token, checkDatabase);
    assert.equal(answer.status, expected.status, `verify: ${JSON.stringify(answer)}`);
    assert.equal(answer.accessToken !== undefined, expected.renewed, 'a new access token');
    if (expected.status === 'OK') {
        s.verified(access, answer);
    }
    if (expected.renewed) {
        expectTied(s.access.at(-1));
    }
}

async function revoke(client, s) {
    const answer = await client.revoke(s.handle);
    assert.deepEqual(answer.sessionHandlesRevoked, s.revoked ? [] : [s.handle], 'revoke');
    s.revoked = true;
}

/**
 * `clients` at once, each with sessions of its own and one call at a time, until `operations` were
 * answered: every answer must be the model's. Returns how many of each there were.
 */
export async function checkHistories(client, { clients, operations, step = () => {} }) {
    const counts = { create: 0, refresh: 0, verify: 0, revoke: 0 };
    let left = operations;
    let user = 0;
    const one = async () => {
        let s;
        while (left-- > 0) {
            step(operations - left);
            const dice = Math.random();
            if (!s || (s.revoked && dice < 0.5)) {
                s = new SessionModel(await client.create(`history-${user++}`));
                counts.create++;
            } else if (dice < 0.02) {
                await revoke(client, s);
                counts.revoke++;
            } else if (dice < 0.45) {
                await refreshSome(client, s);
                counts.refresh++;
            } else {
                await verifySome(client, s);
                counts.verify++;
            }
        }
    };
    await Promise.all(Array.from({ length: clients }, one));
    return counts;
}

/** Runs `one` `count` times, `width` at once. */
async function many(count, width, one) {
    let left = count;
    const lane = async () => {
        while (left-- > 0) {
            await one();
        }
    };
    await Promise.all(Array.from({ length: width }, lane));
}

/** A token is copied and used after its owner went on, or before: whoever is second is seen. */
export async function checkThefts(client, { thefts, width = 32 }) {
    let seen = 0;
    await many(thefts, width, async () => {
        const first = (await client.create('victim')).refreshToken.token;
        const stolen = (await client.refresh(first)).refreshToken.token;
        const [owner, thief] = Math.random() < 0.5 ? [stolen, stolen] : [first, stolen];
        // the owner goes on twice, so that its token is confirmed; then the copy is shown
        const child = (await client.refresh(owner)).refreshToken.token;
        await client.refresh(child);
        const answer = await client.refresh(thief);
        assert.equal(answer.status, 'TOKEN_THEFT_DETECTED');
        seen++;
    });
    return seen;
}

/**
 * Several tabs refresh with the same token at once, or an answer is lost and the call is made again:
 * never a theft; and of the children exactly one goes on.
 */
export async function checkRaces(client, { races, width = 16, tabs = 4 }) {
    let done = 0;
    await many(races, width, async () => {
        const { token } = (await client.create('racer')).refreshToken;
        const children = await Promise.all(
            Array.from({ length: tabs }, () => client.refresh(token)),
        );
        for (const answer of children) {
            assert.equal(answer.status, 'OK', 'a race was taken for a theft');
        }
        const used = await Promise.all(
            children.map((answer) => client.refresh(answer.refreshToken.token)),
        );
        const going = used.filter(({ status }) => status === 'OK');
        assert.equal(going.length, 1, `of ${tabs} children ${going.length} went on`);
        done++;
    });
    return done;
}

/**
 * The access tokens of several tabs' refreshes are used at once, at one node or at `clients` of
 * several: all are good, the first one goes on and has a new token, the others have none.
 */
export async function checkForks(clients, { forks, width = 16, tabs = 4 }) {
    let done = 0;
    const at = (i) => clients[i % clients.length];
    const tab = (one) => Promise.all(Array.from({ length: tabs }, (_, i) => one(at(i), i)));
    await many(forks, width, async () => {
        const { token } = (await at(done).create('forked')).refreshToken;
        const children = await tab((client) => client.refresh(token));
        const used = await tab((client, i) => client.verify(children[i].accessToken.token, false));
        assert.deepEqual(used.map(({ status }) => status), used.map(() => 'OK'));
        const renewed = used.flatMap(({ accessToken }, i) => (accessToken ? [i] : []));
        assert.equal(renewed.length, 1, `of ${tabs} children ${renewed.length} have a new token`);
        const after = await tab((client, i) => client.refresh(children[i].refreshToken.token));
        const going = after.flatMap(({ status }, i) => (status === 'OK' ? [i] : []));
        assert.deepEqual(going, renewed);
        done++;
    });
    return done;
}

/** What was revoked before a call began is revoked for it, whatever else happens at that moment. */
export async function checkRevocations(client, { revocations, width = 16 }) {
    let done = 0;
    await many(revocations, width, async () => {
        const made = await client.create('leaver');
        const { token } = made.refreshToken;
        const [, racing] = await Promise.all([
            client.revoke(made.session.handle),
            client.refresh(token),
        ]);
        assert.ok(['OK', 'UNAUTHORISED'].includes(racing.status));
        assert.equal((await client.refresh(token)).status, 'UNAUTHORISED');
        if (racing.status === 'OK') {
            const child = racing.refreshToken.token;
            assert.equal((await client.refresh(child)).status, 'UNAUTHORISED');
        }
        const verified = await client.verify(made.accessToken.token, true);
        assert.equal(verified.status, 'UNAUTHORISED');
        done++;
    });
    return done;
}
