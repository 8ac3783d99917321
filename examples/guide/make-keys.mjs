// node make-keys.mjs [NAME]: a new RSA key pair. The private half, keys/NAME.pem, is for whoever
// makes tokens; the public half, authorizer/keys/NAME.pub.pem, is what the authorizer reads.
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const name = process.argv[2] ?? 'dev';
if (!/^[\w-]+$/.test(name)) {
  console.error('a key name has letters, digits, - and _ only');
  process.exit(2);
}
const at = (file) => fileURLToPath(new URL(file, import.meta.url));
const pair = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
mkdirSync(at('keys/'), { recursive: true, mode: 0o700 });
mkdirSync(at('authorizer/keys/retired/'), { recursive: true });
try { // wx: a key that exists is never overwritten
  writeFileSync(at(`keys/${name}.pem`), pair.privateKey, { mode: 0o600, flag: 'wx' });
  writeFileSync(at(`authorizer/keys/${name}.pub.pem`), pair.publicKey, { flag: 'wx' });
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
console.log(`made keys/${name}.pem and authorizer/keys/${name}.pub.pem`);
