/* SPDX-License-Identifier: Apache-2.0
 * The protocol around every call of the identity core: paths, versions, keys, the words of its
 * refusals, and that no web page gets in.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../lib/core.mjs';
import { isRoot, raw, refusal, served } from '../lib/daemon.mjs';

test('the protocol of the core', async (t) => {
    const core = await startCore(t);
    const text = async (...args) => {
        const rs = await core.call(...args);
        return [rs.status, rs.body, rs.headers['content-type']];
    };
    const TEXT = 'text/html; charset=UTF-8';

    await t.test('hello touches the store and asks for nothing', async () => {
        for (const path of ['/', '/hello', '/hello/', '/HELLO', '/appid-public/hello', '/public/hello']) {
            const rs = await core.call('GET', path, undefined, { version: '99.9' });
            assert.deepEqual([rs.status, rs.body], [200, 'Hello\n'], path);
        }
    });

    await t.test('apiversion lists what is spoken', async () => {
        assert.deepEqual(await core.ok('GET', '/apiversion', { apiDomain: 'x' }), {
            versions: ['5.0', '5.1', '5.2', '5.3', '5.4'],
        });
    });

    await t.test('a version that is not spoken is refused by name', async () => {
        const of = (version) => text('GET', '/telemetry', undefined, { version });
        assert.deepEqual(await of('9.9'), [400, 'cdi-version 9.9 not supported\n', TEXT]);
        assert.deepEqual(await of('4.0'), [400, 'cdi-version 4.0 not supported\n', TEXT]);
        assert.deepEqual(await of('five'), [400, 'cdi-version header is invalid\n', TEXT]);
        assert.equal((await of('5.0'))[0], 200);
    });

    await t.test('paths and methods that are not there', async () => {
        assert.deepEqual(await text('GET', '/no/such/path'), [404, 'Not found\n', TEXT]);
        assert.deepEqual(await text('GET', '/recipe/telemetry'), [404, 'Not found\n', TEXT]);
        assert.deepEqual(await text('POST', '/telemetry', {}), [405, 'Method not supported\n', TEXT]);
    });

    await t.test('an app or tenant that is not there', async () => {
        assert.deepEqual(await text('GET', '/telemetry', undefined, { app: 'none' }), [
            400,
            'AppId or tenantId not found => Tenant with the following connectionURIDomain, appId ' +
                'and tenantId combination not found: (, none, public)\n',
            TEXT,
        ]);
        assert.equal((await text('GET', '/hello', undefined, { tenant: 'none' }))[0], 400);
    });

    await t.test('a web page is refused: by its Origin, and by a name that points here', async () => {
        const from = (headers) => core.call('GET', '/hello', undefined, { headers });
        assert.equal((await from({ Origin: 'https://evil.example' })).status, 403);
        assert.equal((await from({ 'Sec-Fetch-Site': 'cross-site' })).status, 403);
        assert.equal((await from({ Host: 'evil.example' })).status, 403);
        assert.equal((await from({ Host: 'localhost' })).status, 200);
        const rs = await raw(
            core.port,
            'POST /ee/license HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n' +
                'Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}',
        );
        assert.match(String(rs.text ?? rs), /403 Forbidden/);
    });
});

test('a setting that the core does not have is refused by name', async (t) => {
    const text = 'openapi: 3.0.1\ninfo: {title: nothing, version: "1"}\npaths: {}\n';
    const files = { 'keys.txt': 'a-key-of-twenty-and-more-characters\n' };
    const core = 'core: {api_keys: keys.txt, settings: {acces_token_validity: 60}}\n';
    const [project, options] = served({ text, files }, `${isRoot ? 'user: nobody\n' : ''}${core}`);
    const { code, transcript } = await refusal(t, project, { ...options, args: ['--core', '127.0.0.1:0'] });
    assert.equal(code, 1);
    assert.match(transcript, /core\.settings: the core has no setting acces_token_validity/);
});
