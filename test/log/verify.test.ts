/** The offline verifier against logs that the real file log wrote, and against all that can be done to one record. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type KeyPair, newKeyPair } from '../../src/attestation/keys.ts';
import { type FactRecord, sealRecord } from '../../src/events/record.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import type { Fault, Verdict } from '../../src/log/verdict.ts';
import { keysIn, verifyLog } from '../../src/log/verify.ts';
import { runs, seed, suite } from '../suite.ts';
import { appendMany, numbers } from './drafts.ts';
import { quiet } from './made.ts';
import { PowerDisk } from './power-disk.ts';

const t = suite('log/verify');
let dir: string;
let key: KeyPair;
t.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-verify-'));
  key = await newKeyPair();
});
t.after(() => rm(dir, { recursive: true, force: true }));

type Random = () => number;
const below = (random: Random, n: number): number => Math.floor(random() * n);

interface Log {
  readonly records: readonly FactRecord[];
  /** Lines of an export. */
  readonly lines: readonly string[];
  /** Bytes of each segment by name, as the real log left them. */
  readonly segments: ReadonlyMap<string, Buffer>;
}

/** A log of random groups and segments, written by the real file log. */
async function logOf(random: Random, closed = true): Promise<Log> {
  const disk = new PowerDisk();
  const segmentBytesMax = 500 + below(random, 4_000);
  const { log } = await openFileLog({ ...quiet, disk, segmentBytesMax });
  for (let i = 0, groups = 3 + below(random, 5); i < groups; i += 1) {
    appendMany(log, `s${below(random, 3)}`, 1 + below(random, 4));
    await log.whenDurable(log.head);
  }
  const records = await log.read(1, 10_000);
  const copy = disk.copy();
  await log.close();
  const from = closed ? disk : copy;
  const names = (await from.list('log')).filter((name) => name.endsWith('.seg'));
  const segments = new Map(names.map((name) => [name, Buffer.from(from.bytes(`log/${name}`))]));
  return { records, lines: records.map((record) => sealRecord(record, nodeSha256).line), segments };
}

async function inExport(lines: readonly string[] | Buffer, heads?: readonly string[]): Promise<Verdict> {
  const file = join(dir, 'export.jsonl');
  await writeFile(file, Buffer.isBuffer(lines) ? lines : lines.map((line) => `${line}\n`).join(''));
  await rm(`${file}.heads`, { force: true });
  if (heads) await writeFile(`${file}.heads`, heads.map((head) => `${head}\n`).join(''));
  return verifyLog(file, [key.publicJwk]);
}

async function inFolder(segments: ReadonlyMap<string, Buffer>, heads?: readonly string[]): Promise<Verdict> {
  const folder = join(dir, 'folder');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  for (const [name, bytes] of segments) await writeFile(join(folder, name), bytes);
  if (heads) await writeFile(join(folder, 'heads.jws'), heads.map((head) => `${head}\n`).join(''));
  return verifyLog(folder, [key.publicJwk]);
}

const signed = ({ records }: Log, seq: number, by = key): Promise<string> => {
  const { hash, epoch, at } = records[seq - 1]!;
  return by.sign({ seq, hash, epoch, at, log: records[0]!.hash }, 'berth-head+jws');
};

/** Lines with all hashes made right again from `from` on. */
function resealed(records: readonly FactRecord[], from: number, count = records.length): string[] {
  let prev = records[from - 2]?.hash ?? records[0]!.prev;
  return records.map((record) => {
    if (record.seq < from || record.seq >= from + count) return sealRecord(record, nodeSha256).line;
    const { hash, line } = sealRecord(
      { ...record, prev: record.seq === from ? record.prev : prev },
      nodeSha256,
    );
    prev = hash;
    return line;
  });
}

const told = (faults: readonly Fault[]): string =>
  faults.map(({ kind, seq, toSeq, reason }) => `${kind} ${seq}-${toSeq}: ${reason}`).join('; ');
/** All faults are of this kind, and together they are about exactly these seqs. */
function only({ faults }: Verdict, kind: Fault['kind'], seqs: readonly number[], why = ''): void {
  assert.ok(faults.length > 0, `nothing found ${why}`);
  const found = faults.flatMap(({ seq, toSeq }) =>
    Array.from({ length: toSeq - seq + 1 }, (_, i) => seq + i),
  );
  const same =
    faults.every((fault) => fault.kind === kind) && found.sort((a, b) => a - b).join() === seqs.join();
  assert.ok(same, `expected ${kind} ${seqs.join()}, told: ${told(faults)} ${why}`);
}

/** Runs `body` on random logs, and says which seed failed. */
async function forLogs(count: number, body: (log: Log, random: Random) => Promise<void>): Promise<void> {
  for (let i = 0; i < runs(count); i += 1) {
    const at = (seed() + i * 7919) >>> 0;
    const random = numbers(at);
    const log = await logOf(random);
    assert.ok(log.records.length >= 3);
    await body(log, random).catch((error: Error) => {
      error.message += ` (log of seed ${at})`;
      throw error;
    });
  }
}

const split = (segments: ReadonlyMap<string, Buffer>): { name: string; line: string }[] =>
  [...segments].flatMap(([name, bytes]) =>
    bytes
      .toString()
      .split('\n')
      .slice(0, -1)
      .map((line) => ({ name, line })),
  );
const joined = (lines: readonly { name: string; line: string }[]): Map<string, Buffer> => {
  const text = new Map<string, string>();
  for (const { name, line } of lines) text.set(name, `${text.get(name) ?? ''}${line}\n`);
  return new Map([...text].map(([name, each]) => [name, Buffer.from(each)]));
};
const seqOf = (line: string): number => (line.startsWith('#') ? 0 : JSON.parse(line).seq);

t('a sound log is sound: as an export, as a folder, while it is written, with signed heads', () =>
  forLogs(4, async (log, random) => {
    const last = log.records.length;
    const heads = [await signed(log, 1 + below(random, last)), await signed(log, last)];
    for (const verdict of [await inExport(log.lines, heads), await inFolder(log.segments, heads)]) {
      assert.equal([verdict.faults, verdict.notes], [[], []], told(verdict.faults));
      const { headSeq, headHash, records, signed: newest } = verdict;
      assert.equal([headSeq, headHash, records], [last, log.records.at(-1)!.hash, last]);
      assert.is(newest?.seq, last);
    }
    const open = await logOf(random, false);
    assert.equal((await inFolder(open.segments)).faults, []);
    assert.match((await inExport(log.lines)).notes.join(), /no signed head/);
  }),
);

t('any byte of any record, changed to any other, is an edit of that record', () =>
  forLogs(4, async ({ lines, segments }, random) => {
    for (let i = 0; i < 15; i += 1) {
      const seq = 1 + below(random, lines.length);
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      const start = Buffer.byteLength(
        lines
          .slice(0, seq - 1)
          .map((line) => `${line}\n`)
          .join(''),
      );
      // A newline is of the line's bytes, but its change is an edit of two records.
      const at = start + below(random, Buffer.byteLength(lines[seq - 1]!));
      const to = [10, 13, 0, 0x22, 0x23, 0x7b, 0x7d, 0x80, 0xff, bytes[at]! ^ (1 << below(random, 8))][
        below(random, 10)
      ]!;
      if (to === bytes[at]) continue;
      bytes[at] = to;
      only(await inExport(bytes), 'edited', [seq], `byte ${at} to ${to}`);
      const [name, segment] = [...segments].find(([, each]) => each.includes(lines[seq - 1]!))!;
      const damaged = Buffer.from(segment);
      damaged[damaged.indexOf(lines[seq - 1]!) + at - start] = to;
      only(await inFolder(new Map([...segments, [name, damaged]])), 'edited', [seq], `byte ${at} to ${to}`);
    }
  }),
);

t('any member of any record, changed, removed or added, is an edit of that record', () =>
  forLogs(4, async ({ lines, records }, random) => {
    const seq = 1 + below(random, lines.length);
    const record = records[seq - 1]!;
    for (const member of Object.keys(record) as (keyof FactRecord)[]) {
      const value = record[member];
      const other =
        typeof value === 'number' ? value + 1 : typeof value === 'string' ? `${value}x` : { n: 77 };
      const changed = { ...JSON.parse(lines[seq - 1]!), [member]: other };
      const { [member]: _, ...removed } = JSON.parse(lines[seq - 1]!);
      for (const forged of [changed, removed, { added: 1, ...changed }]) {
        const verdict = await inExport(lines.with(seq - 1, JSON.stringify(forged)));
        only(verdict, 'edited', [seq], member);
      }
    }
  }),
);

t('an edit with its own hash made right again is an edit of that record', () =>
  forLogs(6, async ({ lines, records }, random) => {
    const seq = 1 + below(random, lines.length - 2);
    const edited = records.with(seq - 1, { ...records[seq - 1]!, data: { n: 99 } });
    only(await inExport(resealed(edited, seq, 1)), 'edited', [seq]);
    const unlinked = records.with(seq - 1, { ...records[seq - 1]!, prev: nodeSha256('another') });
    only(await inExport(resealed(unlinked, seq, 1)), 'edited', [seq]);
  }),
);

t('a newline that was changed or taken away is told of the records that it parted', () =>
  forLogs(4, async ({ lines }, random) => {
    const seq = 1 + below(random, lines.length - 1);
    const head = Buffer.from(lines.slice(0, seq).join('\n'));
    const tail = Buffer.from(
      lines
        .slice(seq)
        .map((line) => `${line}\n`)
        .join(''),
    );
    for (const between of ['', ' ', 'x', '\r', '\n\n']) {
      const { faults } = await inExport(Buffer.concat([head, Buffer.from(between), tail]));
      assert.ok(
        faults.length > 0 && faults.every((each) => each.seq === seq || each.seq === seq + 1),
        told(faults),
      );
    }
  }),
);

t('dropped records are named, one or many, wherever a later one remains', () =>
  forLogs(6, async ({ lines, segments }, random) => {
    const count = 1 + below(random, Math.min(4, lines.length - 1));
    const from = 1 + below(random, lines.length - count);
    const seqs = Array.from({ length: count }, (_, i) => from + i);
    only(await inExport(lines.toSpliced(from - 1, count)), 'dropped', seqs);
    const kept = split(segments).filter(({ line }) => !seqs.includes(seqOf(line)));
    only(await inFolder(joined(kept)), 'dropped', seqs);
  }),
);

t('in a folder that was closed, the mark at its end tells of dropped last records too', () =>
  forLogs(4, async ({ lines, segments }) => {
    const kept = split(segments).filter(({ line }) => seqOf(line) !== lines.length);
    only(await inFolder(joined(kept)), 'truncated', [lines.length]);
  }),
);

t('two records that changed places are told as moved, and nothing else is', () =>
  forLogs(6, async ({ lines, segments }, random) => {
    const a = 1 + below(random, lines.length - 1);
    const b = a + 1 + below(random, lines.length - a);
    const swapped = lines.with(a - 1, lines[b - 1]!).with(b - 1, lines[a - 1]!);
    const all = split(segments);
    const at = (seq: number): number => all.findIndex(({ line }) => seqOf(line) === seq);
    const [one, other] = [all[at(a)]!, all[at(b)]!];
    const moved = all.with(at(a), { ...one, line: other.line }).with(at(b), { ...other, line: one.line });
    for (const { faults } of [await inExport(swapped), await inFolder(joined(moved))]) {
      assert.ok(
        faults.every(({ kind }) => kind === 'reordered'),
        told(faults),
      );
      const named = faults.map(({ seq }) => seq);
      // Of three in reverse any two explain it; of neighbours either one.
      if (b - a > 2)
        assert.equal(
          named.sort((x, y) => x - y),
          [a, b],
          told(faults),
        );
      else assert.ok(named.length === b - a && named.every((seq) => seq >= a && seq <= b), told(faults));
    }
    const next = lines.with(a - 1, lines[a]!).with(a, lines[a - 1]!);
    assert.match(
      told((await inExport(next)).faults),
      new RegExp(`seq ${a + 1} stands before seq ${a}$|seq ${a} stands behind seq ${a + 1}$`),
    );
  }),
);

t('a second copy of a record is told as one, wherever it stands', () =>
  forLogs(6, async ({ lines, segments }, random) => {
    const seq = 1 + below(random, lines.length);
    const at = below(random, lines.length + 1);
    only(await inExport(lines.toSpliced(at, 0, lines[seq - 1]!)), 'duplicated', [seq], `at ${at}`);
    const all = split(segments);
    const place = 1 + below(random, all.length - 1);
    const copied = all.toSpliced(place, 0, { name: all[place]!.name, line: lines[seq - 1]! });
    const verdict = await inFolder(joined(copied));
    const before = all.slice(0, place).filter(({ line }) => !line.startsWith('#')).length;
    // Right where it links the copy passes for the record itself, and the marks around it are off as well.
    if (before === seq - 1)
      assert.ok(verdict.faults.some(({ kind, seq: told }) => kind === 'duplicated' && told === seq));
    else only(verdict, 'duplicated', [seq], `at line ${place}`);
  }),
);

t('a stranger among the records is told as one, whether or not it links', () =>
  forLogs(6, async ({ lines, records }, random) => {
    const seq = 1 + below(random, lines.length - 1);
    const at = below(random, lines.length);
    const stranger = { ...records[seq - 1]!, data: { n: 4711 } };
    for (const prev of [stranger.prev, nodeSha256('another')]) {
      const { line } = sealRecord({ ...stranger, prev }, nodeSha256);
      only(await inExport(lines.toSpliced(at, 0, line)), 'inserted', [seq], `at ${at}`);
    }
    const far = sealRecord({ ...stranger, seq: 2 ** 40 }, nodeSha256).line;
    only(await inExport(lines.toSpliced(at, 0, far)), 'inserted', [2 ** 40], `at ${at}`);
    const { faults } = await inExport(lines.toSpliced(at, 0, 'no record'));
    assert.equal(
      faults.map(({ kind, seq: before }) => [kind, before]),
      [['inserted', at + 1]],
    );
  }),
);

t('marks that were edited, moved, dropped or copied are told, and no record is', () =>
  forLogs(6, async ({ segments }, random) => {
    const all = split(segments);
    const groups = all.flatMap(({ line }, i) => (line.startsWith('#{"group"') ? [i] : []));
    const at = groups[below(random, groups.length)]!;
    const kinds = async (lines: typeof all): Promise<string> =>
      [...new Set((await inFolder(joined(lines))).faults.map(({ kind }) => kind))].join();
    const line = all[at]!.line;
    const edited = line.replace(/"records":\d/, '"records":7');
    assert.is(await kinds(all.with(at, { ...all[at]!, line: edited })), 'mark');
    if (groups.indexOf(at) < groups.length - 1) assert.is(await kinds(all.toSpliced(at, 1)), 'mark');
    assert.is(await kinds(all.toSpliced(at, 0, all[at]!)), 'mark');
    const [mark, record] = [all[at]!, all[at + 1]!];
    assert.is(
      await kinds(all.with(at, { ...mark, line: record.line }).with(at + 1, { ...record, line: mark.line })),
      'mark',
    );
  }),
);

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
