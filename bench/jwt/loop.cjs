// SPDX-License-Identifier: Apache-2.0
// node loop.cjs ALG KEY TOKEN ISS AUD SECONDS: jsonwebtoken with the PEM on each call, as the guide's
// handler does; prints verifications for each second of CPU.
const { readFileSync } = require('node:fs');
const jwt = require('jsonwebtoken');

const [, , alg, keyFile, tokenFile, issuer, audience, seconds] = process.argv;
const pem = readFileSync(keyFile, 'utf8');
const token = readFileSync(tokenFile, 'utf8');
const options = { algorithms: [alg], issuer, audience };

function batch() {
  for (let i = 0; i < 64; i++) {
    jwt.verify(token, pem, options);
  }
}

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

for (let i = 0; i < 10; i++) {
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
