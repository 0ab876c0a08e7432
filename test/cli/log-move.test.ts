/** Export under load, import, verification with heads, and the witness, with real processes. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { Fault } from '../../src/log/verdict.ts';
import { suite } from '../suite.ts';
import { Berth, ended, guest, root, run } from './berth.ts';

const t = suite('cli/log-move');
const slow = { limitMs: 180_000 };
let berth: Berth;

t.before(async () => {
  berth = await Berth.begin(['--head-every', '10']);
});
t.after(() => berth.remove());

interface Verdict {
  readonly ok: boolean;
  readonly headSeq: number;
  readonly signed: { readonly seq: number } | null;
  readonly faults: readonly Fault[];
  readonly notes: readonly string[];
}
const verdictOf = async (args: readonly string[]): Promise<Verdict & { code: number | null }> => {
  const { code, text } = await run(['log', 'verify', ...args, '-o', 'json']);
  return { ...(JSON.parse(text) as Verdict), code };
};
const replayed = async (path: string, to: number): Promise<unknown> => {
  const { text, stderr } = await run(['log', 'replay', path, '--to', String(to), '-o', 'json']);
  assert.ok(text, stderr);
  return (JSON.parse(text) as { stateHash: string }).stateHash;
};

t(
  'an export made while jobs run is a sound prefix that holds its signed head, and a second one continues it',
  async () => {
    const file = join(berth.data, 'first.jsonl');
    await berth.submit([guest('hello')]);
    const waiting = berth.start(['job', 'submit', guest('hello'), '--wait']);
    const load = ended(waiting);
    assert.is((await berth.run(['log', 'export', file])).code, 0);
    assert.is((await load).code, 0);
    const first = await verdictOf([file, '--key', join(berth.data, 'keys', 'controller.jwk')]);
    assert.equal([first.code, first.faults], [0, []]);
    assert.ok((first.signed?.seq ?? 0) >= 10 && first.signed!.seq <= first.headSeq);
    const later = join(berth.data, 'later.jsonl');
    assert.is((await berth.run(['log', 'export', later])).code, 0);
    assert.ok((await readFile(later, 'utf8')).startsWith(await readFile(file, 'utf8')));
    assert.is((await run(['log', 'replay', file])).code, 0);
  },
  slow,
);

t(
  'the newest head is public, is what the log says, and is kept by a witness who needs nothing else',
  async () => {
    const answer = await fetch(`${berth.url}/v1/log/head`);
    const { head, jws } = (await answer.json()) as { head: { seq: number; hash: string }; jws: string };
    const shown = await berth.run(['log', 'head', '-o', 'json']);
    assert.is(JSON.parse(shown.text).head.hash, head.hash);
    await berth.halt();
    const offline = await berth.run(['log', 'head', '--offline', '-o', 'json']);
    const last = JSON.parse(offline.text) as { head: { seq: number }; jws: string };
    assert.ok(last.head.seq > head.seq, 'a clean stop signs the last record');
    const kept = join(berth.data, 'witness.jws');
    await writeFile(kept, `${jws}\n${last.jws}\n`);
    const sound = await verdictOf([berth.data, '--heads', kept]);
    assert.equal([sound.faults, sound.notes, sound.signed?.seq], [[], [], last.head.seq]);
    // Cut below the head: the export alone looks sound, the witness knows better.
    const lines = (await readFile(join(berth.data, 'first.jsonl'), 'utf8')).split('\n').slice(0, 4);
    const cut = join(berth.data, 'cut.jsonl');
    await writeFile(cut, `${lines.join('\n')}\n`);
    assert.is((await run(['log', 'verify', cut])).code, 0);
    const key = join(berth.data, 'keys', 'controller.jwk');
    const told = await verdictOf([cut, '--key', key, '--heads', kept]);
    assert.is(told.code, 1);
    assert.equal(
      told.faults.map(({ kind, seq, toSeq }) => [kind, seq, toSeq]),
      [['truncated', 5, last.head.seq]],
    );
  },
  slow,
);

t(
  'an export becomes a data directory with the same state, on which a controller starts; a server there forbids it',
  async () => {
    const file = join(berth.data, 'offline.jsonl');
    assert.is((await run(['log', 'export', file, '--offline', '--data', berth.data])).code, 0);
    const copy = join(berth.data, 'copy');
    const imported = await run(['log', 'import', file, '--data', copy]);
    assert.is(imported.code, 0, imported.stderr);
    assert.match(imported.stderr, /blobs are no part of an export/);
    const { headSeq } = await verdictOf([copy]);
    assert.is(await replayed(copy, headSeq), await replayed(berth.data, headSeq));
    const second = new Berth(copy);
    try {
      await second.serve();
      const busy = await run(['log', 'import', file, '--data', copy]);
      assert.is(busy.code, 1);
      assert.match(busy.stderr, /ERR_DATA_LOCKED/);
    } finally {
      await second.halt();
    }
    const after = await verdictOf([copy]);
    assert.equal(after.faults, []);
    assert.ok(after.headSeq > headSeq);
    // It has gone its own way: what the first directory has more of does not continue it.
    const again = await run(['log', 'import', file, '--data', copy]);
    assert.is(again.code, 0, 'the export is a prefix of it');
  },
  slow,
);

t(
  'a start halts on a log that was cut below its signed head, and says where both end',
  async () => {
    const dir = join(berth.data, 'log');
    const [name = ''] = (await readdir(dir)).filter((each) => each.endsWith('.seg')).sort();
    const text = await readFile(join(dir, name), 'utf8');
    await writeFile(join(dir, name), text.slice(0, text.lastIndexOf('#{"group"')));
    const { code, stderr } = await run(['serve', '--data', berth.data, '--listen', '127.0.0.1:0']);
    assert.is(code, 1);
    assert.match(stderr, /ERR_LOG_CORRUPT: .*the log ends at seq \d+, a head is signed for seq \d+/);
    assert.match(stderr, /next: /);
  },
  slow,
);

t(
  'the verifier runs by itself',
  async () => {
    const { spawnSync } = await import('node:child_process');
    const file = join(berth.data, 'first.jsonl');
    const args = [
      '--import',
      'tsx',
      'src/log/verify.ts',
      file,
      '--key',
      join(berth.data, 'keys', 'controller.jwk'),
    ];
    const sound = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    assert.is(sound.status, 0, sound.stderr);
    assert.match(
      sound.stdout,
      /^\d+ records, head seq \d+, hash [0-9a-f]{64}\nsigned head verified: seq \d+$/m,
    );
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, lines.toSpliced(6, 2).join('\n'));
    const dropped = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    assert.is(dropped.status, 1, dropped.stderr);
    assert.match(dropped.stdout, /^dropped: .*, byte \d+, seq 7: seq 7 to 8 are missing$/m);
  },
  slow,
);

t.run();
