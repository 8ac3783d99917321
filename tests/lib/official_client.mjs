/* SPDX-License-Identifier: Apache-2.0
 * Lambda's own client for Node with its native part, and the majors of Node, all from npm and below
 * build/. The native part is built with cmake and g++, and what it is linked with only once: that of
 * 4.0.2 serves both.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MAJORS = [18, 22, 24];
export const NODES = path.join(ROOT, 'build/node-majors');
const CLIENT = path.join(ROOT, 'build/aws-lambda-ric');
const RIC = path.join(CLIENT, 'node_modules/aws-lambda-ric');
export const nodeOf = (major) => path.join(NODES, `node_modules/node${major}/bin/node`);

/** Installs packages into a folder below build/, once. */
async function install(dir, what, args, env = process.env) {
    if (existsSync(what)) {
        return;
    }
    mkdirSync(dir, { recursive: true });
    writeFileSync(path.join(dir, 'package.json'), '{"private":true}');
    const options = ['--no-package-lock', '--no-fund', '--no-audit'];
    await promisify(execFile)('npm', ['install', ...options, ...args], { cwd: dir, env });
    assert.ok(existsSync(what), `npm made no ${what}`);
}

export const installNodes = () =>
    install(NODES, nodeOf(24), MAJORS.map((major) => `node${major}@npm:node@${major}`));

const headers = path.dirname(path.dirname(process.execPath));
const run = (cwd, env, steps) => {
    for (const [program, ...args] of steps) {
        execFileSync(program, args, { cwd, env, stdio: 'pipe', maxBuffer: 1 << 28 });
    }
};

async function buildFourth() {
    await installNodes();
    const env = { ...process.env, PATH: `${path.dirname(nodeOf(22))}:${process.env.PATH}` };
    await install(CLIENT, RIC, ['--ignore-scripts', 'aws-lambda-ric@4.0.2'], env);
    if (!existsSync(path.join(RIC, 'rapid-client.node'))) {
        run(RIC, { ...env, DEPS_PREFIX: path.join(RIC, 'deps/artifacts') }, [
            ['sh', 'scripts/preinstall.sh'],
            ['npx', '--no-install', 'node-gyp', 'rebuild', '--directory=src/native', `--nodedir=${headers}`],
            ['cp', 'src/native/build/Release/rapid-client.node', '.'],
        ]);
    }
    return { main: path.join(RIC, 'index.mjs'), deps: path.join(RIC, 'deps/artifacts'), folders: [NODES, CLIENT] };
}

async function buildThird(deps) {
    const dir = path.join(ROOT, 'build/aws-lambda-ric-3');
    const ric = path.join(dir, 'node_modules/aws-lambda-ric');
    await install(dir, ric, ['--ignore-scripts', 'aws-lambda-ric@3.3.0']);
    if (!existsSync(path.join(ric, 'dist/rapid-client.node'))) {
        rmSync(path.join(ric, 'deps/artifacts'), { recursive: true, force: true });
        symlinkSync(deps, path.join(ric, 'deps/artifacts'));
        run(ric, process.env, [
            ['npx', '--no-install', 'node-gyp', 'rebuild', `--nodedir=${headers}`],
            ['cp', 'build/Release/rapid-client.node', 'dist/'],
        ]);
    }
    return { main: path.join(ric, 'bin/index.mjs'), folders: [dir] };
}

/** {main: the program, folders: what it reads, deps: the client for C++ (4.0.2)} */
export async function buildClient(version = '4.0.2') {
    const fourth = await buildFourth();
    return version === '4.0.2' ? fourth : buildThird(fourth.deps);
}
