/** The offline verifier with signed heads, retired segments and a torn end, and by itself on a command line. */
import { spawnSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { newKeyPair } from '../../src/attestation/keys.ts';
import type { Verdict } from '../../src/log/verdict.ts';
import { keysIn, verifyLog } from '../../src/log/verify.ts';
import { suite } from '../suite.ts';
import { numbers } from './drafts.ts';
import {
  below,
  dir,
  forLogs,
  inExport,
  inFolder,
  joined,
  key,
  logOf,
  only,
  resealed,
  seqOf,
  signed,
  split,
  told,
} from './verify-rig.ts';

const t = suite('log/verify: heads');
t.after(() => rm(dir, { recursive: true, force: true }));

t('a log that was cut below a signed head is told as cut, with both seqs', () =>
  forLogs(5, async (log, random) => {
    const seq = 2 + below(random, log.lines.length - 1);
    const left = below(random, seq);
    const verdict = await inExport(log.lines.slice(0, left), [await signed(log, 1), await signed(log, seq)]);
    only(
      verdict,
      'truncated',
      Array.from({ length: seq - left }, (_, i) => left + 1 + i),
    );
    assert.match(
      told(verdict.faults),
      new RegExp(`the log ends at seq ${left}, a head is signed for seq ${seq}`),
    );
    // The folder cut at a group's end, where no mark speaks of what is gone.
    const all = split(log.segments);
    const cut = all.findIndex(({ line }, i) => i > 0 && line.startsWith('#{"group"'));
    const ends = seqOf(all.slice(0, cut).findLast(({ line }) => !line.startsWith('#'))!.line);
    const head = await signed(log, log.records.length);
    const found = await inFolder(joined(all.slice(0, cut)), [head]);
    assert.equal(
      found.faults.map(({ kind, seq: from, sealed }) => [kind, from, sealed]),
      [['truncated', ends + 1, true]],
    );
    assert.equal((await inFolder(joined(all.slice(0, cut)))).faults, []);
  }),
);

t('a log made anew from some record on is seen by a signed head, and by nothing else', () =>
  forLogs(5, async (log, random) => {
    const { records } = log;
    const seq = 1 + below(random, records.length);
    const anew = resealed(records.with(seq - 1, { ...records[seq - 1]!, data: { n: 99 } }), seq);
    assert.equal((await inExport(anew)).faults, []);
    const right = 1 + below(random, records.length);
    const heads = [await signed(log, right), await signed(log, records.length)];
    const { faults, ...rest } = await inExport(anew, heads);
    // Another first record is another log, and that is told of the heads as well.
    const verdict = { ...rest, faults: faults.filter(({ kind }) => seq > 1 || kind !== 'head') };
    const first = right < seq ? right + 1 : 1;
    const named = right < seq ? records.length : right;
    only(
      verdict,
      'rewritten',
      Array.from({ length: named - first + 1 }, (_, i) => first + i),
    );
    assert.match(
      told(verdict.faults),
      new RegExp(`rewritten at or before seq ${named}: the head signed for seq`),
    );
  }),
);

t('segments that were moved aside are known by their digest, and missing without it', () =>
  forLogs(6, async ({ records, segments }) => {
    const names = [...segments.keys()];
    if (names.length < 2) return;
    const last = Number(names[1]!.slice(0, 20)) - 1;
    const rest = new Map([...segments].slice(1));
    only(
      await inFolder(rest),
      'dropped',
      Array.from({ length: last }, (_, i) => 1 + i),
    );
    const line = { firstSeq: 1, lastSeq: last, prev: records[0]!.prev, hash: records[last - 1]!.hash };
    const digest = Buffer.from(`${JSON.stringify(line)}\n`);
    const verdict = await inFolder(new Map([...rest, ['retired.jsonl', digest]]));
    assert.equal([verdict.faults, verdict.records], [[], records.length - last], told(verdict.faults));
    assert.ok(verdict.notes.includes(`seq 1 to ${last} are not here; their digest is known`));
    const wrong = Buffer.from(`${JSON.stringify({ ...line, hash: records[0]!.prev })}\n`);
    assert.ok((await inFolder(new Map([...rest, ['retired.jsonl', wrong]]))).faults.length > 0);
  }),
);

t('heads of another key, spelled otherwise or without key prove nothing, and that is said', async () => {
  const log = await logOf(numbers(1));
  const last = log.records.length;
  const other = await newKeyPair();
  const good = await signed(log, last);
  const verdict = await inExport(log.lines.slice(0, 1), [
    await signed(log, last, other),
    `${good}=`,
    'torn.half',
  ]);
  assert.equal(verdict.faults, []);
  assert.equal(verdict.notes, ['3 of 3 heads do not verify with this key']);
  assert.match(
    (await verifyLog(join(dir, 'export.jsonl'))).notes.join(),
    /no key given for the 3 signed heads/,
  );
});

const inStrict = async (lines: readonly string[], heads: readonly string[] | null): Promise<Verdict> => {
  await inExport(lines, heads ?? undefined);
  return verifyLog(join(dir, 'export.jsonl'), [key.publicJwk], undefined, true);
};

t(
  'with a key that was given, a log of which no head verifies is not sound, and the way out is told',
  async () => {
    const log = await logOf(numbers(5));
    const last = log.records.length;
    const other = await newKeyPair();
    for (const heads of [null, [], ['torn.half'], [await signed(log, last, other)]]) {
      const { faults } = await inStrict(log.lines, heads);
      assert.ok(
        faults.some(({ kind }) => kind === 'unsigned'),
        told(faults),
      );
      assert.match(told(faults), /a controller signs every headEvery records and at a clean stop/);
    }
    const good = await signed(log, last);
    assert.equal((await inStrict(log.lines, [good])).faults, []);
    // A line more that this key did not sign: who put it there?
    only(await inStrict(log.lines, [await signed(log, last, other), good]), 'head', [0]);
    // What a crash left of a line proves nothing and accuses nobody.
    await writeFile(join(dir, 'export.jsonl.heads'), `${good}\n${good.slice(0, 50)}`);
    assert.equal((await verifyLog(join(dir, 'export.jsonl'), [key.publicJwk], undefined, true)).faults, []);
    await writeFile(join(dir, 'export.jsonl.heads'), good);
    assert.is(
      (await verifyLog(join(dir, 'export.jsonl'), [key.publicJwk], undefined, true)).signed?.seq,
      last,
    );
  },
);

t('two different heads of one seq are a fault, and so is a head of another log', async () => {
  const log = await logOf(numbers(6));
  const last = log.records.length;
  const { hash, epoch, at } = log.records[last - 1]!;
  const name = log.records[0]!.hash;
  const by = (head: object): Promise<string> =>
    key.sign({ seq: last, hash, epoch, at, ...head }, 'berth-head+jws');
  const [good, twin] = [await by({ log: name }), await by({ log: name, hash: name })];
  const both = await inExport(log.lines, [good, twin]);
  only(both, 'head', [last]);
  assert.match(told(both.faults), /two different heads are signed for seq/);
  const foreign = await inExport(log.lines, [await by({ log: hash })]);
  only(foreign, 'head', [last]);
  assert.match(told(foreign.faults), /signed for another log/);
  assert.equal((await inExport(log.lines, [await by({ log: null })])).faults, []);
});

t(
  'what is no log is not sound: an empty export, a folder without segments, heads that are not there',
  async () => {
    const log = await logOf(numbers(7));
    only(await inExport([]), 'truncated', [1]);
    const code = (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => null,
        (error) => error.code,
      );
    assert.is(await code(inFolder(new Map())), 'ENOENT');
    assert.is(await code(inFolder(new Map([['heads.jws', Buffer.from('x\n')]]))), 'ENOENT');
    await inExport(log.lines);
    assert.is(await code(verifyLog(join(dir, 'export.jsonl'), [key.publicJwk], join(dir, 'nope'))), 'ENOENT');
    // All segments taken, the heads left: that is a cut like any other.
    const last = log.records.length;
    const seqs = Array.from({ length: last }, (_, i) => i + 1);
    only(await inFolder(new Map(), [await signed(log, last)]), 'truncated', seqs);
  },
);

t('of the lines of retired segments a torn last one is passed over, and a gap is a fault', () =>
  forLogs(4, async ({ records, segments }) => {
    const names = [...segments.keys()];
    if (names.length < 3) return;
    const ends = names.slice(1, 3).map((name) => Number(name.slice(0, 20)) - 1) as [number, number];
    const line = (from: number, to: number): string =>
      JSON.stringify({
        firstSeq: from,
        lastSeq: to,
        prev: records[from - 1]!.prev,
        hash: records[to - 1]!.hash,
      });
    const both = `${line(1, ends[0])}\n${line(ends[0] + 1, ends[1])}\n`;
    const rest = (n: number, text: string): Promise<Verdict> =>
      inFolder(new Map([...[...segments].slice(n), ['retired.jsonl', Buffer.from(text)]]));
    for (const torn of ['', both.slice(0, 40), `${'\0'.repeat(40)}\n`]) {
      const { faults, records: count } = await rest(2, both + torn);
      assert.equal([faults, count], [[], records.length - ends[1]], told(faults));
    }
    // The second one has its line, and was not moved yet.
    assert.equal((await rest(1, both)).faults, []);
    const alone = await rest(2, `${line(ends[0] + 1, ends[1])}\n`);
    assert.match(told(alone.faults), /line 1 does not go on from seq 0/);
    assert.match(told((await rest(2, `${both}{}\n${both}`)).faults), /line 3 does not go on/);
  }),
);

const standalone = (...args: string[]): { status: number | null; text: string } => {
  const run = spawnSync(process.execPath, ['--import', 'tsx', 'src/log/verify.ts', ...args], {
    encoding: 'utf8',
  });
  return { status: run.status, text: run.stdout + run.stderr };
};

t('by itself it takes flags in any order, and says usage with exit 2 when one is off', async () => {
  const log = await logOf(numbers(8));
  await inExport(log.lines, [await signed(log, log.records.length)]);
  const [file, jwk] = [join(dir, 'export.jsonl'), join(dir, 'key.jwk')];
  await writeFile(jwk, JSON.stringify(key.publicJwk));
  assert.equal(keysIn(jwk).length, 1);
  for (const args of [
    ['--key', jwk, file],
    [file, '--heads', `${file}.heads`, '--key', jwk],
  ])
    assert.is(standalone(...args).status, 0, args.join(' '));
  for (const args of [
    [file, '--key'],
    [file, '--key', join(dir, 'nope')],
    [file, '--key', jwk, '--heads', join(dir, 'nope')],
    [file, '--heads', `${file}.heads`],
    [join(dir, 'nope')],
    ['src'],
  ]) {
    const { status, text } = standalone(...args);
    assert.is(status, 2, `${args.join(' ')}: ${text}`);
    assert.match(text, /^usage: /m);
    assert.not.match(text, /\n {4}at /);
  }
  await rm(`${file}.heads`);
  const { status, text } = standalone(file, '--key', jwk);
  assert.equal([status, /^unsigned: /m.test(text)], [1, true], text);
});

t('what a crash may leave behind the last mark is told apart from damage', async () => {
  const { segments } = await logOf(numbers(3), false);
  const [name, bytes] = [...segments].at(-1)!;
  const mark = bytes.lastIndexOf('#{"group"');
  assert.ok(mark >= 0);
  let torn = 0;
  for (let end = mark; end < bytes.length; end += 5) {
    const { faults } = await inFolder(new Map([...segments, [name, bytes.subarray(0, end)]]));
    if (faults.length > 0) torn += 1;
    assert.ok(
      faults.every(({ sealed }) => !sealed),
      `${end}: ${told(faults)}`,
    );
  }
  assert.ok(torn > 20);
});

t.run();
