/* SPDX-License-Identifier: Apache-2.0
 * The acceptance clients of ../shared, unmodified, with five major versions of supertokens-node: a
 * walk through sessions, roles, log-ins and keys (smoke.mjs), and the Lambda authorizers of
 * SuperTokens' own guide (authorizer-smoke.mjs).
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCore } from '../lib/core.mjs';
import { PATIENCE, test } from '../lib/daemon.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CLIENTS = path.join(HERE, '../../../shared/clients');
const SDKS = { 24: '', 23: '-23', 22: '-22', 21: '-21', 20: '-20' };
const PROGRAMS = { 'smoke.mjs': 'PASS 35 steps', 'authorizer-smoke.mjs': 'PASS' };

const installed = (suffix) => path.join(HERE, 'node_modules', `supertokens-node${suffix}`);
const skip = !existsSync(CLIENTS)
    ? '../shared not found'
    : !existsSync(installed(''))
      ? 'supertokens-node is not installed (script/bootstrap --test)'
      : false;

/** A copy beside the SDK of that version, under the name that the program asks for. */
function beside(t, program, suffix) {
    const dir = mkdtempSync(path.join(tmpdir(), 'ropeline-smoke-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    copyFileSync(path.join(CLIENTS, program), path.join(dir, program));
    mkdirSync(path.join(dir, 'node_modules'));
    symlinkSync(installed(suffix), path.join(dir, 'node_modules', 'supertokens-node'));
    return path.join(dir, program);
}

function run(file, url) {
    return new Promise((resolve, reject) => {
        const child = spawn(process.execPath, [file, url], { timeout: 60_000 * PATIENCE });
        let said = '';
        child.stdout.on('data', (data) => (said += data));
        child.stderr.on('data', (data) => (said += data));
        child.on('error', reject);
        child.on('close', (code) => resolve({ code, said }));
    });
}

for (const [version, suffix] of Object.entries(SDKS)) {
    for (const [program, last] of Object.entries(PROGRAMS)) {
        test(`${program} with supertokens-node ${version}`, { skip }, async (t) => {
            const core = await startCore(t);
            const { code, said } = await run(beside(t, program, suffix), core.url);
            assert.equal(code, 0, said);
            assert.ok(said.includes(last), said);
        });
    }
}
