/* SPDX-License-Identifier: Apache-2.0
 * Functions on every major of Node that has a runtime at Lambda, each with the tests of our
 * bootstrap, and the official clients for Node, C++, Go and Rust in custom runtimes. Nodes come from
 * npm's `node` package, below build/; the client for Node is built with cmake and g++ and has that
 * for C++ in it. Those for Go and Rust are read from checkouts aws-lambda-go (any) and
 * aws-lambda-rust-runtime (v0.8.0) of their repositories below ROPELINE_CLIENT_SOURCES or
 * ../client-sources, and are skipped where there are none.
 */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { start, test } from '../lib/daemon.mjs';
import { MAJORS, ROOT, buildClient, installNodes, nodeOf } from '../lib/official_client.mjs';
import { api, lambda } from '../lib/template.mjs';

test('every major of Node: the tests of the bootstrap', { timeout: 600_000 }, async () => {
    await installNodes();
    for (const major of MAJORS) {
        const args = ['--test', '--test-reporter', 'dot',
            ...['bootstrap', 'bootstrap_io'].map((name) => `tests/behaviour/${name}.test.mjs`)];
        const env = { ...process.env, ROPELINE_TEST_NODE: nodeOf(major) };
        delete env.NODE_TEST_CONTEXT; // a run of its own
        await promisify(execFile)(process.execPath, args, { cwd: ROOT, env });
    }
});

test('every major of Node: each function gets the one that it asks for', async (t) => {
    await installNodes();
    const version = (runtime) =>
        lambda('async () => ({ statusCode: 200, body: process.versions.node })', { runtime });
    const gw = await start(
        t,
        api({
            routes: Object.fromEntries(
                [16, 18, 20, 22, 24].map((major) => [`GET /${major}`, version(`nodejs${major}.x`)]),
            ),
        }),
        { env: { ROPELINE_NODE: MAJORS.map(nodeOf).join(':') } },
    );
    const majorOf = async (asked) => parseInt((await gw.get(`/${asked}`)).body, 10);
    for (const major of MAJORS) {
        assert.equal(await majorOf(major), major);
    }
    assert.equal(await majorOf(16), 18, 'the nearest');
    assert.equal(await majorOf(20), 22, 'of two, the newer');
    for (const [asked, served] of [[16, 18], [20, 22]]) {
        const notes = gw.transcript.split('\n').filter((line) => line.includes(`nodejs${asked}.x is served by`));
        assert.equal(notes.length, 1);
        assert.match(notes[0], new RegExp(`is served by node ${served} here \\(.*/node${served}/bin/node\\)`));
    }
    assert.doesNotMatch(gw.transcript, /nodejs(18|22|24)\.x is served/);
});

test('the official client for Node runs in a custom runtime', { timeout: 1_200_000 }, async (t) => {
    const { main, folders } = await buildClient();
    const bootstrap = `#!/bin/sh\ncd "$LAMBDA_TASK_ROOT"\nexec ${nodeOf(22)} ${main} "$_HANDLER"\n`;
    const code = `exports.handler = async (event, context) => {
        console.log('asked by', context.functionName);
        if (event.path === '/b') throw new RangeError('thrown');
        if (event.path === '/c') process.exit(4);
        return { statusCode: 200, body: context.awsRequestId + ' ' + 'x'.repeat(1 << 20) };
    };`;
    const ric = lambda(undefined, { runtime: 'provided.al2023', handler: 'index.handler',
        files: { bootstrap, 'index.js': code } });
    const args = folders.flatMap((dir) => ['--allow-read', dir]);
    const gw = await start(t, api({ routes: { 'GET /{any}': ric } }), { args });
    for (let i = 0; i < 3; i++) {
        const { status, body } = await gw.get('/a');
        assert.equal(status, 200, body);
        assert.match(body, /^[0-9a-f-]{36} x{1048576}$/);
    }
    assert.equal((await gw.get('/b')).status, 502);
    assert.equal((await gw.get('/c')).status, 502);
    assert.equal((await gw.get('/a')).status, 200, 'a new environment');
    await gw.stop();
    assert.match(gw.transcript, /\[Function0\] .*\tINFO\tasked by Function0/);
    assert.match(gw.transcript, /RangeError/);
    assert.match(gw.transcript, /exit status 4/);
    assert.equal(gw.transcript.match(/ INIT_START /g).length, 2);
});

/* ---- clients of compiled languages ---- */

/* One function in each language: what it does is the path. */
const CPP = `#include <aws/lambda-runtime/runtime.h>
#include <cstdlib>
#include <stdexcept>
using namespace aws::lambda_runtime;
static invocation_response handler(invocation_request const &r)
{
    auto is = [&](char const *path) { return r.payload.find(std::string("\\"path\\":\\"") + path + '"') != std::string::npos; };
    std::string cause = "{\\"exceptions\\":[\\"" + std::string(1000000, 'c') + "\\"]}";
    if (is("/error")) return invocation_response::failure("returned", "Function.Returned", cause);
    if (is("/panic")) throw std::runtime_error("thrown");
    if (is("/exit")) exit(4);
    if (r.get_time_remaining().count() <= 0) return invocation_response::failure("late", "Function.Late", "");
    std::string body = r.request_id + ' ' + std::string(is("/large") ? 1 << 20 : 1, 'x');
    return invocation_response::success("{\\"statusCode\\":200,\\"body\\":\\"" + body + "\\"}", "application/json");
}
int main() { run_handler(handler); }
`;

const GO = `package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct{ Path string }
type broken struct{ *strings.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errors.New("broke off")
	}
	return n, err
}

func handler(ctx context.Context, e event) (any, error) {
	switch e.Path {
	case "/error":
		return nil, errors.New("returned")
	case "/panic":
		panic("thrown")
	case "/exit":
		os.Exit(4)
	case "/stream":
		return strings.NewReader("{\\"statusCode\\":200,\\"body\\":\\"streamed\\"}"), nil
	case "/broken":
		return broken{strings.NewReader("{\\"statusCode\\":200}")}, nil
	}
	n := 1
	if e.Path == "/large" {
		n = 1 << 20
	}
	c, _ := lambdacontext.FromContext(ctx)
	return map[string]any{"statusCode": 200, "body": c.AwsRequestID + " " + strings.Repeat("x", n)}, nil
}

func main() { lambda.StartWithOptions(handler, lambda.WithEnableSIGTERM()) }
`;

const RUST = `use lambda_runtime::{service_fn, Error, LambdaEvent};
use serde_json::{json, Value};
async fn handler(e: LambdaEvent<Value>) -> Result<Value, Error> {
    let path = e.payload["path"].as_str().unwrap_or("");
    match path {
        "/error" => return Err("returned".into()),
        "/panic" => panic!("thrown"),
        "/exit" => std::process::exit(4),
        _ => {}
    }
    let body = "x".repeat(if path == "/large" { 1 << 20 } else { 1 });
    Ok(json!({"statusCode": 200, "body": format!("{} {}", e.context.request_id, body)}))
}
#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handler)).await
}
`;

/** Each way in which the function may end, and that the next call is none the worse. */
async function everyEnd(t, bootstrap, more = {}) {
    const gw = await start(t, api({ routes: { 'GET /{any}': lambda(undefined,
        { runtime: 'provided.al2023', handler: 'any', files: { bootstrap } }) } }));
    const statuses = { '/a': 200, '/large': 200, '/error': 502, '/panic': 502, '/exit': 502, ...more };
    for (const [way, expected] of Object.entries(statuses)) {
        assert.equal((await gw.get(way)).status, expected, way);
        const { status, body } = await gw.get('/large');
        assert.equal(status, 200, `after ${way}`);
        assert.match(body, /^[0-9a-f-]{36} x{1048576}$/, `after ${way}`);
    }
    const idle = await Promise.all(Array.from({ length: 8 }, () => gw.get('/a')));
    assert.ok(idle.every(({ status }) => status === 200));
    const { stdout } = await gw.ropeline('logs', 'Function0');
    assert.match(stdout, /Runtime exited with error: exit status 4/);
    return gw;
}

/** A folder below build/ for a program, and the checkout of its client's repository, or a skip. */
function checkout(t, name, compiler) {
    const dir = path.join(process.env.ROPELINE_CLIENT_SOURCES ?? path.join(ROOT, '../client-sources'), name);
    if (!existsSync(dir)) {
        t.skip(`no network: ${dir} is not fetched`);
        return {};
    }
    execFileSync(compiler, [compiler === 'go' ? 'version' : '--version']);
    const made = path.join(ROOT, 'build', `program-${name}`);
    mkdirSync(path.join(made, 'src'), { recursive: true });
    return { dir, made };
}

test('the official client for C++ runs in a custom runtime', { timeout: 1_200_000 }, async (t) => {
    const { deps } = await buildClient();
    const to = path.join(ROOT, 'build/cpp-bootstrap');
    execFileSync('g++', ['-O1', '-o', to, '-x', 'c++', '-', '-x', 'none', `-I${deps}/include`, `-L${deps}/lib`,
        '-laws-lambda-runtime', '-lcurl', '-pthread'], { input: CPP, stdio: ['pipe', 'ignore', 'pipe'] });
    await everyEnd(t, readFileSync(to));
});

test('the official client for Go runs in a custom runtime', { timeout: 600_000 }, async (t) => {
    const { dir, made } = checkout(t, 'aws-lambda-go', 'go');
    if (!dir) {
        return;
    }
    writeFileSync(path.join(made, 'main.go'), GO);
    writeFileSync(path.join(made, 'go.mod'), `module program\n\ngo 1.18\n
require github.com/aws/aws-lambda-go v1.0.0\n\nreplace github.com/aws/aws-lambda-go => ${dir}\n`);
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod', GOPROXY: 'off' };
    execFileSync('go', ['build', '-o', 'bootstrap', '.'], { cwd: made, env, stdio: 'pipe' });
    await everyEnd(t, readFileSync(path.join(made, 'bootstrap')), { '/stream': 200, '/broken': 502 });
});

/* Its crates are Debian's (librust-{hyper,tokio,tower,serde-json,...}-dev), patch releases older than
 * what the client's manifests ask for. */
test('the official client for Rust runs in a custom runtime', { timeout: 600_000 }, async (t) => {
    const { dir, made } = checkout(t, 'aws-lambda-rust-runtime', 'cargo');
    if (!dir) {
        return;
    }
    writeFileSync(path.join(made, 'src/main.rs'), RUST);
    for (const part of ['lambda-runtime', 'lambda-runtime-api-client']) {
        const copy = path.join(made, part), manifest = path.join(copy, 'Cargo.toml');
        cpSync(path.join(dir, part), copy, { recursive: true });
        writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"0.14.20"', '"0.14"').replace('"0.1.37"', '"0.1"'));
    }
    writeFileSync(path.join(made, 'Cargo.toml'), `[package]
name = "bootstrap"
version = "0.1.0"
edition = "2021"
[dependencies]
lambda_runtime = { path = "lambda-runtime" }
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
serde_json = "1"
`);
    const source = ['replace-with="debian"', 'directory="/usr/share/cargo/registry"'];
    execFileSync('cargo', ['build', '--offline', '--config', `source.crates-io.${source[0]}`,
        '--config', `source.debian.${source[1]}`], { cwd: made, stdio: 'pipe' });
    await everyEnd(t, readFileSync(path.join(made, 'target/debug/bootstrap')));
});
