/** A log opened from a file, and the page's own one behind it: what was shown is never lost. */
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { type Address, home } from '../../src/dashboard/address.ts';
import { recordingPage } from '../../src/dashboard/bundle.ts';
import type { LogFile } from '../../src/dashboard/log-file.ts';
import { lineCharsMax, linesOf as textLines } from '../../src/dashboard/log-lines.ts';
import { Model } from '../../src/dashboard/model.ts';
import { Player } from '../../src/dashboard/player.ts';
import { Shelf } from '../../src/dashboard/shelf.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import { goldenRecords, linesOf } from './logs.ts';

const t = suite('dashboard/log-file');
const golden = goldenRecords(2);
const older = goldenRecords(1);
const text = linesOf(golden);

const fileOf = (content: string | Uint8Array, name = 'run.jsonl'): LogFile =>
  Object.assign(new Blob([content as string]), { name });

/** A page whose own log is the older golden one, looked at in the middle. */
function desk(pause: () => Promise<void> = async () => undefined) {
  const went: Address[] = [];
  const parts = {
    newPlayer: (begin: ConstructorParameters<typeof Player>[1] = null) => new Player(nodeSha256, begin),
    pause,
    navigate: (address: Address) => void went.push(address),
    soon: (draw: () => void) => draw(),
  };
  const own = new Model({ ...parts, player: parts.newPlayer(), address: { ...home, at: 9 }, server: null });
  own.append(older);
  own.tell({ kind: 'file', name: 'own' });
  let draws = 0;
  const onChange = (): void => {
    draws += 1;
  };
  const shelf = new Shelf({ ...parts, own, onChange });
  return { own, shelf, went, drawn: () => draws };
}

const finalHash = ((): string => {
  const player = new Player(nodeSha256);
  player.append(golden);
  player.seek(golden.length);
  return player.stateHash();
})();

t('an export, a gzipped one and a recording open, whatever they are called', async () => {
  const { html } = await recordingPage({ name: 'x', records: golden.length, gzip: gzipSync(text) });
  for (const content of [text, text.trimEnd(), gzipSync(text), html]) {
    const { shelf, drawn } = desk();
    await shelf.open(fileOf(content, 'whatever.bin'));
    assert.equal(shelf.opening, { kind: 'none' });
    assert.ok(shelf.isOpened);
    assert.equal(shelf.shown.source, { kind: 'file', name: 'whatever.bin' });
    assert.is(shelf.shown.headSeq, golden.length);
    assert.is(shelf.shown.stateHash(), finalHash);
    assert.is(shelf.shown.server, null);
    assert.ok(drawn() > 2);
  }
});

t('the way back leads to where one was; the own log has gone on meanwhile', async () => {
  const { own, shelf, went } = desk();
  await shelf.open(fileOf(text));
  assert.equal(went.at(-1), { view: 'fleet', job: null, at: null });
  own.append([{ ...older.at(-1)!, seq: older.length + 1 }]);
  assert.is(shelf.shown.headSeq, golden.length);
  shelf.close();
  assert.is(shelf.shown, own);
  assert.equal(went.at(-1), { ...home, at: 9 });
  assert.is(own.moment.seq, 9);
  assert.is(own.headSeq, older.length + 1);
});

const bad: Readonly<Record<string, readonly [string | Uint8Array, RegExp, RegExp?]>> = {
  'no JSON': [`${linesOf(golden.slice(0, 2))}hello\n`, /^Line 3 is not JSON: hello/],
  'cut in a line': [text.slice(0, -20), new RegExp(`^Line ${golden.length} is not JSON`), /export it again/],
  'no record': ['{"a":1}\n', /^Line 1 is not a record: \{"a":1\}/],
  'a list': ['[1]\n', /^Line 1 is not a record/],
  'wrong order': [linesOf([golden[0]!, golden[2]!, golden[1]!]), /^Line 3 has seq 2 after 3/],
  'a beginning that is not there': [linesOf(golden.slice(4)), /begins with seq 5/],
  empty: ['', /no fact/],
  'blank lines': ['\n\n', /no fact/],
  'a page without a log': ['<!doctype html><p>hi</p>', /holds no recorded log/, /berth log export --html/],
  'gzip that is cut': [gzipSync(text).subarray(0, 900), /can't be read/],
  'bytes that are no text': [new Uint8Array([0xff, 0xfe, 0x00]), /can't be read|not valid/],
};
for (const [what, [content, reason, next = /./]] of Object.entries(bad)) {
  t(`a bad file (${what}) is told, and what was shown stays`, async () => {
    const { own, shelf } = desk();
    await shelf.open(fileOf(content, 'bad.jsonl'));
    assert.is(shelf.shown, own);
    assert.is(own.moment.seq, 9);
    const { opening } = shelf;
    if (opening.kind !== 'failed') throw new Error(`it is ${opening.kind}`);
    assert.is(opening.name, 'bad.jsonl');
    assert.match(opening.reason, reason);
    assert.match(opening.next, next);
    await shelf.open(fileOf(text));
    assert.equal(shelf.opening, { kind: 'none' });
    assert.ok(shelf.isOpened);
  });
}

t('a fact that can not happen does not hinder looking at what lies before it', async () => {
  const { shelf } = desk();
  const at = golden.findIndex(({ type }) => type === 'job.queued');
  await shelf.open(fileOf(linesOf([...golden.slice(0, at), ...golden.slice(at + 1)])));
  assert.ok(shelf.isOpened);
  const { halt, moment } = shelf.shown;
  assert.ok(halt !== null && moment.seq < halt.seq && moment.seq > at);
});

t('of two files the one that was chosen last is shown, and what is stopped is not', async () => {
  const { own, shelf } = desk(() => new Promise((resolve) => setTimeout(resolve, 5)));
  const first = shelf.open(fileOf(text, 'first'));
  const second = shelf.open(fileOf(linesOf(golden.slice(0, 40)), 'second'));
  await Promise.all([first, second]);
  assert.equal(shelf.shown.source, { kind: 'file', name: 'second' });
  shelf.close();
  const third = shelf.open(fileOf(text, 'third'));
  shelf.dismiss();
  await third;
  assert.is(shelf.shown, own);
  assert.equal(shelf.opening, { kind: 'none' });
});

/** A file of which only `chunks` come, and that counts how many were taken. */
function endless(chunk: Uint8Array) {
  let taken = 0;
  const isLeft = { value: false };
  const stream = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
    new ReadableStream({
      async pull(controller) {
        taken += 1;
        await new Promise((resolve) => setTimeout(resolve, 1));
        controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
      },
      cancel: () => {
        isLeft.value = true;
      },
    });
  const file = Object.assign(new Blob([chunk as Uint8Array<ArrayBuffer>]), { name: 'endless', stream });
  return { file: file as LogFile, isLeft, taken: () => taken };
}

for (const [what, chunk] of [
  ['blank lines', '\n'.repeat(1_000)],
  ['one line that does not end', ' '.repeat(1_000)],
] as const)
  t(`a file that is stopped is read no further: ${what}`, async () => {
    const { file, isLeft, taken } = endless(new TextEncoder().encode(chunk));
    const { shelf } = desk();
    const opened = shelf.open(file);
    while (taken() < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.is(shelf.opening.kind, 'reading');
    shelf.dismiss();
    await opened;
    const then = taken();
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.ok(isLeft.value && taken() <= then + 1, `${taken()} after ${then}`);
    assert.equal(shelf.opening, { kind: 'none' });
  });

t('a line longer than any record is no log, and is found out before it has ended', async () => {
  const long = text.slice(0, text.indexOf('\n') + 1) + 'x'.repeat(lineCharsMax + 1);
  const { shelf } = desk();
  await shelf.open(fileOf(long));
  const { opening } = shelf;
  assert.match(opening.kind === 'failed' ? opening.reason : '', `Line 2 is longer than ${lineCharsMax}`);
  // The first line may be a checkpoint of a hundred thousand jobs.
  const some: string[] = [];
  const bytes = ['aaaa', 'aaaa\nbb', 'bb\n'].map((each) => new TextEncoder().encode(each));
  const lines = textLines(asCome(bytes), { first: 8, other: 4 });
  for await (const line of lines) some.push(line);
  assert.equal(some, ['aaaaaaaa', 'bbbb']);
});

async function* asCome(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

t('a line of a thousand chunks costs what its bytes cost', async () => {
  const chunk = new Uint8Array(16_384).fill(0x61);
  const took = async (chunks: number): Promise<number> => {
    const beganMs = process.cpuUsage().user / 1_000;
    for await (const line of textLines(asCome(Array.from({ length: chunks }, () => chunk))))
      assert.is(line.length, chunks * chunk.length);
    return process.cpuUsage().user / 1_000 - beganMs;
  };
  await took(50);
  const [some, many] = [await took(400), await took(4_000)];
  // Square would be a hundred times as long.
  assert.ok(many < 40 * Math.max(some, 5), `${many} ms after ${some} ms`);
});

t('an instant that no clock can show is no record', async () => {
  const { shelf } = desk();
  await shelf.open(fileOf(JSON.stringify({ ...golden[0]!, at: 8.7e15 })));
  const { opening } = shelf;
  assert.match(opening.kind === 'failed' ? opening.reason : '', 'Line 1 is not a record');
});

t.run();
