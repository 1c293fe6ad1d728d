#!/usr/bin/env node
// A worker for poolbench in JavaScript: docs/workers.md has the protocol (frames).  It serves as many
// requests at a time as it is sent, so that pool.threads_per_worker may be more than 1.
//
// echo ARGS        answers ARGS
// sleep {"ms": 5}  answers after so long; a cancel ends it early
// fail {"kind": "client" or "server", "message": "..."}
// leak {"bytes": 1048576}   keeps so much memory for good, and answers how much it has by now
// crash            does not answer: the process dies
'use strict';

const kept = [];
const sleeping = new Map(); // id -> function that ends the sleep

class ClientError extends Error {}

const commands = {
  echo: (args) => args,
  sleep: (args, id) => new Promise((done) => {
    const timer = setTimeout(() => { sleeping.delete(id); done(null); }, args.ms);
    sleeping.set(id, () => { clearTimeout(timer); sleeping.delete(id); done(null); });
  }),
  fail: (args) => { throw new (args.kind === 'client' ? ClientError : Error)(args.message || 'as asked for'); },
  leak: (args) => {
    kept.push(Buffer.alloc(args.bytes, 1));
    return kept.reduce((sum, block) => sum + block.length, 0);
  },
  crash: () => process.abort(),
};

function write(message) {
  const body = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  process.stdout.write(Buffer.concat([head, body]));
}

async function serve({ id, command, args }) {
  try {
    if (!Object.hasOwn(commands, command)) throw new ClientError(`unknown command ${command}`);
    write({ type: 'result', id, value: await commands[command](args, id) });
  } catch (error) {
    write({ type: 'error', id, kind: error instanceof ClientError ? 'client' : 'server', message: error.message });
  }
}

function take(message) {
  switch (message.type) {
    case 'init': write({ type: 'ready' }); break;
    case 'request': serve(message); break;
    case 'ping': write({ type: 'pong', id: message.id }); break;
    case 'cancel': if (sleeping.has(message.id)) sleeping.get(message.id)(); break;
    case 'shutdown': process.exit(0);
  }
}

let parts = [], length = 0; // what has come and is not a whole message yet
process.stdin.on('data', (bytes) => {
  parts.push(bytes);
  length += bytes.length;
  while (length >= 4) {
    if (parts[0].length < 4) parts = [Buffer.concat(parts)];
    const whole = 4 + parts[0].readUInt32BE();
    if (length < whole) return;
    const all = parts.length > 1 ? Buffer.concat(parts) : parts[0];
    parts = [all.subarray(whole)];
    length -= whole;
    take(JSON.parse(all.subarray(4, whole)));
  }
});
process.stdin.on('end', () => process.exit(0)); // poolbench is gone
