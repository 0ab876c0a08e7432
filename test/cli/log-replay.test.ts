/** `berth log replay` over kept logs, forged ones, two at a time, and one whose beginning was moved aside. */
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Compared } from '../../src/cli/compare.ts';
import type { Replayed } from '../../src/cli/refold.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { nodeDigest, nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { retireSegments } from '../../src/log/retire.ts';
import { forged } from '../log/replay-scripts.ts';
import { suite } from '../suite.ts';
import { Berth, guest, root, run } from './berth.ts';

const t = suite('cli/log replay');
const slow = { limitMs: 180_000 };
const golden = join(root, 'test', 'golden', 'v1', 'lives.jsonl');
let folder = '';
let records: FactRecord[] = [];

t.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-replay-'));
  records = (await readFile(golden, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as FactRecord);
});
t.after(() => rm(folder, { recursive: true, force: true }));

async function written(name: string, log: readonly FactRecord[]): Promise<string> {
  const path = join(folder, name);
  // An export has `hash` last, as it stands on disk.
  const line = ({ hash, ...rest }: FactRecord): string => {
    const sorted = Object.fromEntries(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)));
    return JSON.stringify({ ...sorted, hash });
  };
  await writeFile(path, log.map((record) => `${line(record)}\n`).join(''));
  return path;
}

const withBound = (record: FactRecord): FactRecord => ({
  ...record,
  data: { ...record.data, deadlineMs: 77 },
});

t(
  'a forged deadline is exit 1, with what was recorded, what should have been, and by which rules it was written',
  async () => {
    const wrong = records.filter(({ type }) => type === 'job.reserved').slice(-2);
    const path = await written(
      'forged.jsonl',
      wrong.reduce<readonly FactRecord[]>((log, { seq }) => forged(log, seq, withBound), records),
    );
    assert.is((await run(['log', 'verify', path])).code, 0, 'the chain is sound');
    const { code, text, stderr } = await run(['log', 'replay', path, '-o', 'json']);
    assert.is(code, 1);
    assert.match(
      stderr,
      new RegExp(`ERR_LOG_DIVERGED: seq ${wrong[0]?.seq}, .*data.deadlineMs.*first-fit/1`),
    );
    const { divergences, diverging } = JSON.parse(text) as Replayed;
    assert.equal([diverging, divergences.length], [2, 1]);
    const [{ expected, found }] = divergences as [Replayed['divergences'][number]];
    assert.equal(expected?.data, wrong[0]?.data);
    assert.equal(found.data, { ...wrong[0]?.data, deadlineMs: 77 });
    const all = JSON.parse((await run(['log', 'replay', path, '--all', '-o', 'json'])).text) as Replayed;
    assert.equal(
      all.divergences.map(({ seq }) => seq),
      wrong.map(({ seq }) => seq),
    );
    const before = await run(['log', 'replay', path, '--to', String((wrong[0]?.seq ?? 0) - 1)]);
    assert.is(before.code, 0, before.stderr);
  },
  slow,
);

t(
  '--diff finds the first record in which two logs differ, and says when one is the beginning of the other',
  async () => {
    const { seq } = records.find(({ type }) => type === 'job.started') as FactRecord;
    const other = await written(
      'other.jsonl',
      forged(records, seq, (record) => ({ ...record, at: 7 })),
    );
    const part = await written('part.jsonl', records.slice(0, 50));
    const copy = join(folder, 'copy.jsonl');
    await copyFile(golden, copy);
    const diff = async (a: string, b: string, ...more: string[]) => {
      const { code, text } = await run(['log', 'replay', a, '--diff', b, '-o', 'json', ...more]);
      return { code, ...(JSON.parse(text) as Compared) };
    };
    const differ = await diff(golden, other);
    assert.equal([differ.code, differ.relation, differ.upTo], [1, 'differ', seq - 1]);
    assert.equal([differ.first?.seq, differ.second?.at, differ.differs], [seq, 7, ['at']]);
    const before = await run(['log', 'replay', golden, '--to', String(seq - 1), '-o', 'json']);
    assert.is(differ.stateHash, (JSON.parse(before.text) as Replayed).stateHash);
    assert.equal((await diff(golden, other, '--to', String(seq - 1))).relation, 'equal');
    assert.equal((await diff(golden, copy)).code, 0);
    const longer = await diff(golden, part);
    assert.equal([longer.code, longer.relation, longer.upTo], [0, 'second is a prefix', 50]);
    assert.is((await diff(part, golden)).relation, 'first is a prefix');
  },
  slow,
);

t(
  'a log whose oldest segments are retired replays from its oldest checkpoint to the same state',
  async () => {
    const berth = await Berth.begin(['--checkpoint-facts', '30']);
    try {
      for (let i = 0; i < 12; i += 1) await berth.run(['job', 'submit', guest('noop'), '--wait']);
      assert.is(await berth.halt(), 0);
      const replayed = async () => {
        const { code, text, stderr } = await run(['log', 'replay', berth.data, '-o', 'json']);
        assert.is(code, 0, stderr);
        return JSON.parse(text) as Replayed;
      };
      const whole = await replayed();
      assert.equal([whole.fromSeq, whole.diverged, whole.otherFolds], [0, [], 0]);
      assert.ok(whole.checkpoints >= 2, `only ${whole.checkpoints} checkpoints`);
      const moved = await retireSegments({
        dir: join(berth.data, 'log'),
        disk: nodeDisk,
        sha256: nodeSha256,
        newDigest: nodeDigest,
        upToSeq: 40,
        release: async () => undefined,
      });
      assert.ok(moved.length > 0, 'nothing was retired');
      const rest = await replayed();
      assert.ok(rest.fromSeq > 0);
      assert.equal([rest.seq, rest.stateHash, rest.jobs], [whole.seq, whole.stateHash, whole.jobs]);
      assert.ok(rest.decisions > 0 && rest.diverging === 0);
      const early = await run(['log', 'replay', berth.data, '--to', '3']);
      assert.is(early.code, 2);
      assert.match(early.stderr, /can be folded from seq/);
    } finally {
      await berth.remove();
    }
  },
  slow,
);

t.run();
