// SPDX-License-Identifier: Apache-2.0
// node loop.mjs FOLDER POLICY RESOURCE SECONDS: the policy evaluator of the serverless-offline unpacked
// in FOLDER, on a policy that is parsed already; prints evaluations for each second of CPU.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [, , folder, policyFile, resource, seconds] = process.argv;
const module = await import(pathToFileURL(`${folder}/src/events/authCanExecuteResource.js`).href);
const canExecute = module.default;
const policy = JSON.parse(readFileSync(policyFile, 'utf8'));

function batch() {
  for (let i = 0; i < 64; i++) {
    if (canExecute(policy, resource) !== true) {
      throw new Error('it does not allow');
    }
  }
}

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const warm = cpu();
while (cpu() - warm < 0.2) {
  batch(); // compiled by then
}
const began = cpu();
let count = 0;
let now = began;
while (now - began < Number(seconds)) {
  batch();
  count += 64;
  now = cpu();
}
console.log((count / (now - began)).toFixed(1));
