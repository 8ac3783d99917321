/* SPDX-License-Identifier: Apache-2.0
 * Tokens judged by hand (jwt verify, explain --jwks) and the files of signing keys (keys).
 */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ropeline, test } from '../lib/daemon.mjs';

function folder(t) {
    const cwd = mkdtempSync(path.join(tmpdir(), 'ropeline-keys-'));
    t.after(() => rmSync(cwd, { recursive: true, force: true }));
    return cwd;
}

async function good(args, options) {
    const done = await ropeline(args, options);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    return done.stdout;
}
const rotate = (cwd, ...more) => good(['keys', 'rotate', 'keys.json', ...more], { cwd });
const list = async (cwd) =>
    JSON.parse(await good(['keys', 'list', 'keys.json', '--json'], { cwd })).keys;
const sign = (cwd, ...more) => good(['token', '--key', 'keys.json', ...more], { cwd });
const judge = (cwd, input, ...more) =>
    ropeline(['jwt', 'verify', '--jwks', 'keys.json', ...more], { cwd, input });
const headerOf = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));

test('keys rotate makes a first key, then a next one beside it, mode 0600', async (t) => {
    const cwd = folder(t);
    await rotate(cwd);
    const old = await sign(cwd, '--sub', 'ana');
    await rotate(cwd, '--overlap', '1h');
    assert.equal(statSync(path.join(cwd, 'keys.json')).mode & 0o777, 0o600);
    const [next, first] = await list(cwd);
    assert.deepEqual([next.status, first.status], ['active', 'retiring']);
    assert.equal(first.retires - next.created, 3600);
    assert.equal(next.alg, 'RS256');
    assert.equal(headerOf(old).kid, first.kid);
    assert.equal(headerOf(await sign(cwd)).kid, next.kid);
    assert.equal((await judge(cwd, old)).code, 0);
    await rotate(cwd, '--alg', 'ES256', '--overlap', '0s'); // next is retired, first still retires
    assert.deepEqual((await list(cwd)).map((k) => k.status), ['active', 'retired', 'retiring']);
    assert.equal(headerOf(await sign(cwd)).alg, 'ES256');
    assert.equal((await judge(cwd, await sign(cwd, '--aud', 'a'), '--aud', 'a')).code, 0);
});

test('the token of a retired key is refused, and explain says since when', async (t) => {
    const cwd = folder(t);
    await rotate(cwd, '--alg', 'EdDSA');
    const old = await sign(cwd);
    await rotate(cwd, '--overlap', '0s');
    const { code, stdout } = await ropeline(['explain', '--jwks', 'keys.json'], { cwd, input: old });
    assert.equal(code, 1);
    assert.match(stdout, /^signature +FAIL +the key "[\w-]{43}" was retired \d+ s ago/m);
    assert.match(stdout, /^verdict +401/m);
});

test('a key that is published ahead verifies nothing new and signs only when its time has come', async (t) => {
    const cwd = folder(t);
    await rotate(cwd);
    const before = headerOf(await sign(cwd)).kid;
    await rotate(cwd, '--ahead', '1h');
    assert.equal((await list(cwd)).length, 2);
    assert.equal(headerOf(await sign(cwd)).kid, before);
});

test('keys show --public has no private member and no retired key; secrets have no public form', async (t) => {
    const cwd = folder(t);
    await rotate(cwd);
    await rotate(cwd, '--overlap', '0s');
    const { keys } = JSON.parse(await good(['keys', 'show', 'keys.json', '--public'], { cwd }));
    assert.equal(keys.length, 1);
    assert.deepEqual(Object.keys(keys[0]).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
    createPublicKey({ key: keys[0], format: 'jwk' });
    await good(['keys', 'rotate', 'hs.json', '--alg', 'HS256'], { cwd });
    const secret = await ropeline(['keys', 'show', 'hs.json', '--public'], { cwd });
    assert.deepEqual([secret.code, secret.stdout], [1, '']);
    assert.match(secret.stderr, /no public form/);
});

test('twenty rotations at once lose no key', async (t) => {
    const cwd = folder(t);
    await rotate(cwd, '--alg', 'EdDSA');
    await Promise.all(Array.from({ length: 20 }, () => rotate(cwd)));
    assert.equal((await list(cwd)).length, 21);
});

test('a broken key file is refused by name and left as it is', async (t) => {
    const cwd = folder(t);
    for (const [text, words] of [
        ['hello', /neither JSON nor PEM/],
        ['{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}', /key 1: .* 17 bits/],
        ['{"keys":[]}', /there is no key/],
    ]) {
        writeFileSync(path.join(cwd, 'keys.json'), text);
        const done = await ropeline(['keys', 'rotate', 'keys.json'], { cwd });
        assert.equal(done.code, 1);
        assert.match(done.stderr, words);
        assert.equal(readFileSync(path.join(cwd, 'keys.json'), 'utf8'), text);
    }
    for (const args of [['keys'], ['keys', 'show', 'keys.json'], ['keys', 'burn', 'x'],
        ['keys', 'rotate', 'k', '--overlap', 'soon'], ['jwt'], ['jwt', 'verify'], ['jwt', 'verify', '--key', 'a',
            '--jwks', 'b'], ['jwt', 'verify', '--key', 'a', '--skew', '-1'], ['jwt', 'verify', '--key', 'a', '--alg',
            'none'], ['jwt', 'verify', '--key', 'a', '--alg', 'HS256', '--alg', 'RS256']]) {
        assert.equal((await ropeline(args, { cwd })).code, 2, args.join(' '));
    }
});

test('jwt verify names each step that fails, and never prints the token', async (t) => {
    const cwd = folder(t);
    await rotate(cwd);
    const token = await sign(cwd, '--iss', 'b', '--aud', 'x', '--expired');
    const { code, stdout } = await judge(cwd, `Bearer ${token}`, '--iss', 'a', '--aud', 'y', '--typ', 'at+jwt');
    assert.equal(code, 1);
    assert.match(stdout, /^typ +FAIL +typ is "JWT", expected "at\+jwt"$/m);
    assert.match(stdout, /^issuer +FAIL +iss is "b", expected "a"$/m);
    assert.match(stdout, /^audience +FAIL +aud is "x", expected "y"$/m);
    assert.match(stdout, /^times +FAIL +expired \d+ s ago/m);
    assert.match(stdout, /^signature +ok /m);
    assert.ok(!stdout.includes(token.split('.')[2].trim()));
    const later = await judge(cwd, token, '--skew', '3600');
    assert.equal(later.code, 0);
    assert.match((await judge(cwd, 'a.b')).stdout, /^token +FAIL +a token has three parts$/m);
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(path.join(cwd, 'other.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
    const wrong = await ropeline(['jwt', 'verify', '--key', 'other.pem', '--skew', '3600'], { cwd, input: token });
    assert.match(wrong.stdout, /^signature +FAIL +no key at hand made this signature$/m);
});

test('jwt verify --jsonl judges a line each', async (t) => {
    const cwd = folder(t);
    await rotate(cwd, '--alg', 'ES256');
    const token = (await sign(cwd, '--iss', 'i', '--aud', 'a', '--ttl', '60s')).trim();
    const jwks = JSON.parse(await good(['keys', 'show', 'keys.json', '--public'], { cwd }));
    const own = JSON.parse(readFileSync(path.join(cwd, 'keys.json'), 'utf8'));
    const rows = [
        [{ token, jwks }, 'ok'],
        [{ token, jwk: jwks.keys[0], issuer: 'i', audience: ['x', 'a'], algorithms: ['ES256'] }, 'ok'],
        [{ token, jwk: own.keys[0] }, 'ok'],
        [{ token, jwks: own }, 'bad_keys'],
        [{ token, jwks: JSON.stringify(jwks) }, 'ok'],
        [{ token, jwks, now: 1 }, 'issued_later'],
        [{ token, jwks, now: 99999999999 }, 'expired'],
        [{ token, jwks, issuer: 'j' }, 'wrong_issuer'],
        [{ token, jwks, audience: 'b' }, 'wrong_audience'],
        [{ token, jwks, algorithms: ['RS256'] }, 'alg_not_allowed'],
        [{ token, jwks, algorithms: ['none'] }, 'bad_algorithms'],
        [{ token, jwks, algorithms: [] }, 'bad_algorithms'],
        [{ token, jwks, algorithms: ['HS256', 'ES256'] }, 'bad_algorithms'],
        [{ token: `${token}x`, jwks }, 'malformed'],
        [{ token: { payload: 'x' }, jwks }, 'malformed'],
        [{ token: token.replace(/\.[^.]*\./, '.e30.'), jwks }, 'bad_signature'],
        [{ token, jwks: { keys: [] } }, 'bad_keys'],
        [{ token }, 'bad_line'],
        [{ token, jwks, claims: false, now: 1 }, 'ok'],
    ];
    const input = rows.map(([row], id) => JSON.stringify({ id, ...row })).join('\n');
    const out = await good(['jwt', 'verify', '--jsonl'], { input: `${input}\n\n` });
    assert.deepEqual(
        out.trim().split('\n').map((line) => JSON.parse(line)),
        rows.map(([, reason], id) => ({ id, valid: reason === 'ok', reason })),
    );
    const broken = await ropeline(['jwt', 'verify', '--jsonl'], { input: 'no json\n' });
    assert.equal(broken.code, 1);
    assert.equal(broken.stdout, '{"id":null,"valid":false,"reason":"bad_line"}\n');
});
