/**
 * What if a guest broke out and owns the runner? Here the runner's program is replaced by one that says hello like
 * a sound one and then lies; the pool must kill it, blame the guest, and go on.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import type { Backend } from '../../src/executor/backend.ts';
import { startWasmPool } from '../../src/executor/pool.ts';
import { processStat } from '../../src/process-stat.ts';
import { suite } from '../suite.ts';
import { guests, requestFor } from './guests.ts';

const t = suite('executor/hostile-runner');
const dir = mkdtempSync(join(tmpdir(), 'berth-hostile-'));
const notes: string[] = [];
let pool: Backend;

/** Reads the fence and the first argument (which lie to tell) from an order, and tells it. */
const liar = `
import { readSync, writeSync } from 'node:fs';
const frame = (header, payload = Buffer.alloc(0), claimed = payload.length) => {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(8);
  head.writeUInt32LE(json.length, 0);
  head.writeUInt32LE(claimed, 4);
  return Buffer.concat([head, json, payload]);
};
const send = (...frames) => writeSync(3, Buffer.concat(frames));
const lies = {
  honest: (fence) => send(frame({ type: 'started', fence }), frame({ type: 'exited', fence, exitCode: 7 })),
  twice: (fence) => send(frame({ type: 'started', fence }), ...[7, 8].map((exitCode) => frame({ type: 'exited', fence, exitCode }))),
  noise: () => send(Buffer.alloc(100, 0xff)),
  longHeader: () => send(Buffer.from([255, 255, 0, 0, 0, 0, 0, 0])),
  notJson: () => send(Buffer.from([2, 0, 0, 0, 0, 0, 0, 0, 123, 123])),
  unknownType: (fence) => send(frame({ type: 'root', fence })),
  extraField: (fence) => send(frame({ type: 'started', fence, please: 1 })),
  otherFence: (fence) => send(frame({ type: 'started', fence: fence + 1 })),
  helloAgain: () => send(frame({ type: 'hello' })),
  startedTwice: (fence) => send(frame({ type: 'started', fence }), frame({ type: 'started', fence })),
  exitedUnstarted: (fence) => send(frame({ type: 'exited', fence, exitCode: 0 })),
  needsWhatItGot: (fence) => send(frame({ type: 'need', fence })),
  hugeOutput: (fence) => send(frame({ type: 'started', fence }), frame({ type: 'exited', fence, exitCode: 0 }, Buffer.alloc(0), 0x7fffffff)),
  hugeLog: (fence) => send(frame({ type: 'started', fence }), frame({ type: 'log', fence }, Buffer.alloc(65537))),
  exitCode: (fence) => send(frame({ type: 'started', fence }), frame({ type: 'exited', fence, exitCode: -1 })),
  ownVerdict: (fence) => send(frame({ type: 'crashed', fence, code: 'ERR_GUEST_SANDBOX', message: '' })),
  logFlood: (fence) => { send(frame({ type: 'started', fence })); for (;;) send(frame({ type: 'log', fence }, Buffer.alloc(1))); },
  heartbeats: () => { for (;;) writeSync(4, Buffer.alloc(4096)); },
  engineTalk: () => { for (;;) writeSync(2, Buffer.alloc(4096, 65)); },
  leaves: () => process.exit(3),
  closes: async () => { const { closeSync } = await import('node:fs'); closeSync(3); setTimeout(() => {}, 60_000); },
};
send(frame({ type: 'hello' }));
const buffer = Buffer.alloc(1 << 20);
for (;;) {
  const got = readSync(3, buffer);
  if (got === 0) process.exit(0);
  const order = JSON.parse(buffer.toString('utf8', 8, 8 + buffer.readUInt32LE(0)));
  lies[order.args[0]](order.fence);
  if (order.args[0] === 'closes') await new Promise(() => {});
}
`;
const lies = [...liar.matchAll(/^ {2}(\w+): (?:async )?\(/gm)].map((found) => found[1] as string);

t.before(async () => {
  const parts = { runners: 1, dir, clock: systemClock, leaseMs: 60_000, graceMs: 1_000, memoryMiBMax: 64 };
  pool = await startWasmPool({ ...parts, logger: (note) => notes.push(note) });
  writeFileSync(join(dir, 'runner.mjs'), liar);
  // The runner that stands ready is still a sound one.
  const last = pool.run(requestFor(guests.loop));
  await last?.started;
  last?.kill();
  await last?.ended;
});

t.after(async () => {
  await pool.stop();
  rmSync(dir, { recursive: true });
});

t('the liar is believed while it is honest, or the next tests would prove nothing', async () => {
  const outcome = await pool.run(requestFor(guests.exit42, { args: ['honest'] }))?.ended;
  assert.is(outcome?.how === 'exited' && outcome.exitCode, 7);
  assert.ok(lies.length > 15, String(lies.length));
});

for (const lie of lies.filter((each) => each !== 'honest' && each !== 'twice')) {
  t(`a runner that lies is killed and its guest blamed: ${lie}`, async () => {
    const run = pool.run(requestFor(guests.exit42, { args: [lie], tenant: lie }));
    const outcome = await run?.ended;
    assert.is(outcome?.how === 'crashed' && outcome.code, 'ERR_GUEST_SANDBOX', JSON.stringify(outcome));
  });
}

t('the first answer counts, a second one kills the runner', async () => {
  const run = pool.run(requestFor(guests.exit42, { args: ['twice'], tenant: 'again' }));
  const pid = Number((await run?.started)?.runner.replace('runner-', ''));
  const outcome = await run?.ended;
  assert.is(outcome?.how === 'exited' && outcome.exitCode, 7);
  for (let tries = 0; processStat(pid) !== null && tries < 200; tries++)
    await new Promise((done) => setTimeout(done, 5));
  assert.is(processStat(pid), null);
});

t('runners that die before they are ready are tried ever more slowly, and that is told', async () => {
  writeFileSync(join(dir, 'runner.mjs'), 'console.error("no runner today"); process.exit(1);');
  let last = '';
  for (let tries = 0; notes.length < 2 && tries < 200; tries++) {
    // Uses up what still stands ready; then runs wait, and can be killed while they do.
    const run = pool.run(requestFor(guests.exit42, { args: ['leaves'] }));
    await Promise.race([run?.ended, new Promise((done) => setTimeout(done, 50))]);
    run?.kill();
    last = (await run?.ended)?.how ?? '';
  }
  assert.is(last, 'killed');
  assert.match(notes[0] ?? '', /5 runners in a row .*no runner today.* 1000 ms/);
  assert.match(notes[1] ?? '', /6 runners in a row .* 2000 ms/);
});

t('a pool that can start no runner says why instead of standing there', async () => {
  const own = mkdtempSync(join(tmpdir(), 'berth-hostile-'));
  try {
    await startWasmPool({
      runners: 1,
      dir: own,
      clock: systemClock,
      leaseMs: 1_000,
      graceMs: 1_000,
      memoryMiBMax: Number.NaN,
    });
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), /no runner can be started: .*(flag|option)/);
  }
  rmSync(own, { recursive: true });
});

t.run();
