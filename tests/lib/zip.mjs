/* SPDX-License-Identifier: Apache-2.0
 * Zip files for tests: zip({name: text or {data, mode}}) as a Buffer.
 */
import { deflateRawSync } from 'node:zlib';

const TABLE = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) {
        c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    }
    return c >>> 0;
});

function crc32(bytes) {
    let c = 0xffffffff;
    for (const byte of bytes) {
        c = TABLE[(c ^ byte) & 0xff] ^ (c >>> 8);
    }
    return (c ^ 0xffffffff) >>> 0;
}

/** Both headers share these fields, from `version needed` to the length of the name. */
function common(name, data, packed) {
    const b = Buffer.alloc(24);
    b.writeUInt16LE(20, 0);
    b.writeUInt16LE(0x0800, 2); // the name is UTF-8
    b.writeUInt16LE(8, 4); // deflated
    b.writeUInt32LE(0x21, 6);
    b.writeUInt32LE(crc32(data), 10);
    b.writeUInt32LE(packed.length, 14);
    b.writeUInt32LE(data.length, 18);
    b.writeUInt16LE(Buffer.byteLength(name), 22);
    return b;
}

export function zip(files) {
    const local = [];
    const central = [];
    let at = 0;
    for (const [name, one] of Object.entries(files)) {
        const { data: text, mode = 0o100644 } = one.data === undefined ? { data: one } : one;
        const data = Buffer.from(text);
        const packed = deflateRawSync(data);
        const fields = common(name, data, packed);
        const head = [Buffer.from('PK\x03\x04'), fields, Buffer.alloc(2), Buffer.from(name)];
        const attributes = Buffer.alloc(16);
        attributes.writeUInt32LE((mode << 16) >>> 0, 8);
        attributes.writeUInt32LE(at, 12);
        const made = Buffer.from([20, 3]); // on Unix
        central.push(Buffer.from('PK\x01\x02'), made, fields, attributes, Buffer.from(name));
        local.push(...head, packed);
        at += Buffer.concat(head).length + packed.length;
    }
    const directory = Buffer.concat(central);
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06', 'latin1');
    end.writeUInt16LE(Object.keys(files).length, 8);
    end.writeUInt16LE(Object.keys(files).length, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(at, 16);
    return Buffer.concat([...local, directory, end]);
}
