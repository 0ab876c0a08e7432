/** The offline verifier against logs that the real file log wrote, and against all that can be done to records and marks. */
import { rm } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import { type FactRecord, sealRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import {
  below,
  dir,
  forLogs,
  inExport,
  inFolder,
  joined,
  logOf,
  only,
  resealed,
  seqOf,
  signed,
  split,
  told,
} from './verify-rig.ts';

const t = suite('log/verify');
t.after(() => rm(dir, { recursive: true, force: true }));

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

t.run();
