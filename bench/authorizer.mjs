// SPDX-License-Identifier: Apache-2.0
// script/bench authorizer: goals 3, 4 and 6, the parts of script/bench gateway that ask an
// authorizer; the same environment variables.
process.env.BENCH_NAME = 'authorizer';
process.env.BENCH_PARTS ??= 'load,invocations';
await import('./gateway.mjs');
