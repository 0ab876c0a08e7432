import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { Berth, ended, guest, root } from './berth.ts';

const t = suite('cli/submit');
const slow = { limitMs: 60_000 };
let berth: Berth;

t.before(async () => {
  berth = await Berth.begin();
});
t.after(() => berth.remove());

t(
  '--wait gives exactly the bytes of the result on stdout, and nothing else anywhere',
  async () => {
    const { code, stdout, stderr } = await berth.run([
      'job',
      'submit',
      guest('hello'),
      '--wait',
      '--',
      'world',
      '-o',
      'json',
    ]);
    assert.is(code, 0, stderr);
    assert.is(stdout.toString(), 'hello world -o json\n');
    assert.is(stderr, '');
  },
  slow,
);

t(
  '--input - sends standard input, and binary results pass unchanged',
  async () => {
    const n = 16;
    const input = Buffer.alloc(4 + 8 * n * n);
    input.writeUInt32LE(n, 0);
    for (let i = 0; i < n; i += 1) {
      // a is random, b the identity: so the product is a, byte for byte.
      input.writeFloatLE(1, 4 + 4 * n * n + 4 * (i * n + i));
      for (let j = 0; j < n; j += 1) input.writeFloatLE(randomBytes(2).readUInt16LE(), 4 + 4 * (i * n + j));
    }
    const { code, stdout, stderr } = await berth.run(
      ['job', 'submit', guest('matmul'), '--input', '-', '--wait'],
      input,
    );
    assert.is(code, 0, stderr);
    assert.equal(stdout, input.subarray(4, 4 + 4 * n * n));
  },
  slow,
);

t(
  'without --wait the id stands alone on stdout and the next command on stderr',
  async () => {
    const { code, text, stderr } = await berth.run(['job', 'submit', guest('noop')]);
    assert.is(code, 0, stderr);
    assert.match(text, /^[a-z0-9]{20}\n$/);
    assert.is(stderr, `next: berth job watch ${text.trim()}\n`);
  },
  slow,
);

t(
  'a job that ends without success is exit 3, with its cause and the next command',
  async () => {
    const { code, text, stderr } = await berth.run([
      'job',
      'submit',
      guest('loop'),
      '--wall-ms',
      '200',
      '--wait',
    ]);
    assert.is(code, 3);
    assert.is(text, '');
    assert.match(
      stderr,
      /^error ERR_RUN_TIMEOUT: job [a-z0-9]{20} timedOut: ran longer than limits.wallMs\nnext: berth job history [a-z0-9]{20}/,
    );
  },
  slow,
);

t(
  'a job that attestation rejects is exit 3',
  async () => {
    const { code, stderr } = await berth.run(['job', 'submit', guest('smuggle'), '--wait']);
    assert.is(code, 3);
    assert.match(stderr, /^error ERR_CAPABILITY_UNDECLARED: job \w+ rejected/);
  },
  slow,
);

t(
  'waiting longer than --wait-timeout is exit 4; the job goes on',
  async () => {
    const { code, stderr } = await berth.run([
      'job',
      'submit',
      guest('loop'),
      '--wall-ms',
      '60000',
      '--wait-timeout',
      '400',
    ]);
    assert.is(code, 4);
    const id = /job ([a-z0-9]{20}) goes on/.exec(stderr)?.[1] ?? '';
    assert.match(stderr, new RegExp(`next: berth job explain ${id}`));
    const cancelled = await berth.run(['job', 'cancel', id]);
    assert.is(cancelled.code, 0, cancelled.stderr);
  },
  slow,
);

t(
  'what the door refuses is exit 5 and leaves no job',
  async () => {
    const first = await berth.run(['job', 'submit', guest('noop'), '--idempotency-key', 'one']);
    const again = await berth.run(['job', 'submit', guest('noop'), '--idempotency-key', 'one']);
    const other = await berth.run(['job', 'submit', guest('hello'), '--idempotency-key', 'one']);
    assert.is(first.code, 0);
    assert.is(again.text, first.text, 'the same key and job is the same job');
    assert.is(other.code, 5);
    assert.match(other.stderr, /^error ERR_IDEMPOTENCY: .*\nnext: use a new idempotency key\n$/s);
  },
  slow,
);

t(
  'a stranger is refused at admission',
  async () => {
    const key = join(berth.data, 'stranger.jwk');
    assert.is((await berth.run(['key', 'new', key])).code, 0);
    const { code, stderr } = await berth.run([
      'job',
      'submit',
      guest('noop'),
      '--key',
      key,
      '--tenant',
      'acme',
    ]);
    assert.is(code, 5);
    assert.match(stderr, /^error ERR_(UNAUTHENTICATED|SIGNATURE): /);
  },
  slow,
);

t(
  'a dry run says what would be, submits nothing, and is exit 5 when it could never fit',
  async () => {
    const fits = await berth.run(['job', 'submit', guest('noop'), '--dry-run', '-o', 'json']);
    assert.is(fits.code, 0, fits.stderr);
    const { admitted, everFits, fitsNow } = JSON.parse(fits.text) as Record<string, unknown>;
    assert.equal([admitted, everFits, fitsNow], [true, true, true]);
    const never = await berth.run(['job', 'submit', guest('noop'), '--dry-run', '--gpus', '3']);
    assert.is(never.code, 5, never.stderr);
    const label = await berth.run(['job', 'list', '--label', 'dry', '-o', 'json']);
    assert.equal(JSON.parse(label.text), []);
  },
  slow,
);

t(
  'Ctrl-C while waiting is exit 130 and says that the job goes on, and how to end it',
  async () => {
    const child = berth.start([
      'job',
      'submit',
      guest('loop'),
      '--wall-ms',
      '60000',
      '--label',
      'ctrl=c',
      '--wait',
    ]);
    const all = ended(child);
    let id = '';
    while (id === '') {
      const { text } = await berth.run([
        'job',
        'list',
        '--label',
        'ctrl=c',
        '--state',
        'running',
        '-o',
        'jsonl',
      ]);
      id = text === '' ? '' : (JSON.parse(text) as { id: string }).id;
    }
    child.kill('SIGINT');
    const { code, text, stderr } = await all;
    assert.is(code, 130);
    assert.is(text, '');
    assert.match(stderr, new RegExp(`interrupted; job ${id} goes on\nnext: berth job cancel ${id}`));
    const cancelled = await berth.run(['job', 'cancel', id]);
    assert.is(cancelled.code, 0, cancelled.stderr);
  },
  slow,
);

t(
  'a reader of stdout that goes away is no failure',
  async () => {
    const command = 'set -o pipefail; node bin/berth.js job list -o jsonl | head -c 1';
    const child = spawn('bash', ['-c', command], {
      cwd: root,
      env: { ...process.env, ...berth.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { code, stderr } = await ended(child);
    assert.is(code, 0, stderr);
    assert.is(stderr, '');
  },
  slow,
);

t(
  'files that cannot be read and flags that contradict are exit 2, before anything is sent',
  async () => {
    const cases: [string[], RegExp][] = [
      [['nothing.wasm'], /MODULE nothing.wasm: no such file/],
      [[root], /is a folder/],
      [[guest('noop'), '--input', '-', '--model', '-'], /standard input can be only one/],
      [[guest('noop'), '--wall-ms', '0'], /ERR_BAD_SPEC: --wall-ms: .*1/],
      [[guest('noop'), '--slot', 'huge'], /--slot: must be a MIG profile/],
      [[guest('noop'), '--via', 'nats'], /--nats URL or BERTH_NATS/],
      [[guest('noop'), '--env', 'X'], /--env X: must be NAME=VALUE/],
    ];
    const ran = await Promise.all(cases.map(([args]) => berth.run(['job', 'submit', ...args])));
    for (const [i, { code, stderr }] of ran.entries()) {
      assert.is(code, 2, stderr);
      assert.match(stderr, cases[i]?.[1] ?? /never/);
      assert.match(stderr, /\nnext: berth /);
    }
  },
  slow,
);

t(
  'an answer that gets lost on the way makes the request go out again, and no second job',
  async () => {
    let posts = 0;
    const proxy = createServer((incoming, outgoing) => {
      const isSubmit = incoming.method === 'POST';
      if (isSubmit) posts += 1;
      const loses = isSubmit && posts === 1;
      const { method, headers, url = '/' } = incoming;
      const forward = request(
        new URL(url, berth.url),
        { ...(method ? { method } : {}), headers },
        (answer) => {
          // The server has taken the job; the client never hears of it.
          if (loses) {
            answer.resume();
            incoming.socket.destroy();
            return;
          }
          outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(outgoing);
        },
      );
      incoming.pipe(forward);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const server = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const { code, text, stderr } = await berth.run([
      'job',
      'submit',
      guest('noop'),
      '--label',
      'lost=answer',
      '--server',
      server,
    ]);
    proxy.closeAllConnections();
    proxy.close();
    assert.equal([code, posts], [0, 2], stderr);
    const jobs = JSON.parse((await berth.run(['job', 'list', '--label', 'lost', '-o', 'json'])).text) as {
      id: string;
    }[];
    assert.equal(
      jobs.map(({ id }) => id),
      [text.trim()],
    );
  },
  slow,
);

t(
  '--wait survives the death of the server: the result comes from the one that is started after it',
  async () => {
    const port = new URL(berth.url).host;
    const file = join(berth.data, 'numbers.bin');
    await writeFile(file, 'abc');
    const blocker = await berth.submit([guest('loop'), '--wall-ms', '600000']);
    const child = berth.start(['job', 'submit', guest('sha256'), '--input', file, '--wait']);
    const all = ended(child);
    let waiting = 0;
    while (waiting === 0) {
      const queue = await berth.run(['queue', '-o', 'json']);
      waiting = (JSON.parse(queue.text) as { totals: { queued: number } }).totals.queued;
    }
    await berth.halt('SIGKILL');
    await berth.serve([], port);
    assert.is((await berth.run(['job', 'cancel', blocker])).code, 0);
    const { code, text, stderr } = await all;
    assert.is(code, 0, stderr);
    assert.is(text, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n');
    assert.match(stderr, /waiting for the server to be back/);
  },
  { limitMs: 120_000 },
);

t.run();
