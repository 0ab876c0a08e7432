/** `berth log export --html`: the same records as the plain export, from wherever a log may lie; nothing half-written. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { foldsVersion, freezeFolds } from '../../src/checkpointing.ts';
import { replay } from '../../src/cli/refold.ts';
import { linesOf, logIn } from '../../src/dashboard/log-lines.ts';
import { Player } from '../../src/dashboard/player.ts';
import { CheckpointFiles } from '../../src/log/checkpoints.ts';
import { nodeDigest, nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { openLog } from '../../src/log/open.ts';
import { retireSegments } from '../../src/log/retire.ts';
import { appendJobs } from '../bench/history.ts';
import { goldenRecords, linesOf as textOf } from '../dashboard/logs.ts';
import { suite } from '../suite.ts';
import { Berth, guest, root, run } from './berth.ts';

const t = suite('cli/log-html');
const slow = { limitMs: 180_000 };
const golden = join(root, 'test/golden/v2/lives.jsonl');
let dir: string;

t.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-html-'));
});
t.after(() => rm(dir, { recursive: true, force: true }));

const exported = (file: string, ...args: string[]) => run(['log', 'export', '--html', file, ...args]);
/** The lines that lie in a page. */
function linesIn(html: string): string {
  const found = /data-records="\d+">([A-Za-z0-9+/=]+)<\/script>/.exec(html);
  return gunzipSync(Buffer.from(found?.[1] ?? '', 'base64')).toString();
}
const savedLines = async (file: string): Promise<string> => linesIn(await readFile(file, 'utf8'));

t(
  'from an export it holds exactly its lines, and says what was made',
  async () => {
    const file = join(dir, 'golden.html');
    const { code, stderr, text } = await exported(file, '--from', golden);
    assert.equal([code, text], [0, ''], stderr);
    assert.is(await savedLines(file), await readFile(golden, 'utf8'));
    const { size } = await readFile(file).then(({ length }) => ({ size: length }));
    assert.match(
      stderr,
      new RegExp(
        `^${goldenRecords(2).length} facts, ${size} bytes; open ${file} in any browser: it asks nobody`,
      ),
    );
    const { stdout } = await exported('-', '--from', golden);
    assert.is(linesIn(stdout.toString()), await readFile(golden, 'utf8'));
  },
  slow,
);

t(
  'from a server, and from its data directory after it, it holds what the plain export holds',
  async () => {
    const berth = await Berth.begin();
    try {
      await berth.submit([guest('hello')]);
      const [plain, live, offline] = ['a.jsonl', 'a.html', 'b.html'].map((name) => join(dir, name)) as [
        string,
        string,
        string,
      ];
      assert.is((await berth.run(['log', 'export', live, '--html'])).code, 0);
      assert.is((await berth.run(['log', 'export', plain])).code, 0);
      const facts = await savedLines(live);
      assert.ok(facts.length > 1_000);
      assert.ok((await readFile(plain, 'utf8')).startsWith(facts));
      await berth.halt();
      assert.is((await berth.run(['log', 'export', '--html', offline, '--offline'])).code, 0);
      assert.ok((await savedLines(offline)).startsWith(facts));
      assert.is((await exported(join(dir, 'c.html'), '--from', berth.data)).code, 0);
      assert.is(await savedLines(join(dir, 'c.html')), await savedLines(offline));
    } finally {
      await berth.remove();
    }
  },
  slow,
);

t(
  'what a simulation wrote becomes a page, too',
  async () => {
    const log = join(dir, 'run.jsonl');
    const args = ['--import', 'tsx', 'src/simulate/main.ts', '--seeds', '1', '--jobs', '10', '--export', log];
    const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    assert.is(status, 0, stderr);
    assert.match(stderr, /facts in .*run\.jsonl; open it in the page/);
    assert.is((await run(['log', 'verify', log])).code, 0);
    assert.is((await exported(join(dir, 'run.html'), '--from', log)).code, 0);
    assert.is(await savedLines(join(dir, 'run.html')), await readFile(log, 'utf8'));
  },
  slow,
);

/** A data directory whose first segments are gone for good; the checkpoint behind them is there. */
async function withoutBeginning(): Promise<{
  readonly path: string;
  readonly hash: string;
  readonly seq: number;
}> {
  const path = join(dir, 'retired');
  const place = { dir: join(path, 'log'), disk: nodeDisk, sha256: nodeSha256 };
  const checkpoints = new CheckpointFiles({ ...place, retiring: null });
  const nothing = (): void => undefined;
  const { log } = await openLog({
    ...{ ...place, checkpoints, version: foldsVersion, onCheckpoint: nothing, onRecords: nothing },
  });
  for (const {
    prev: _prev,
    hash: _hash,
    epoch: _epoch,
    id: _id,
    seq: _seq,
    version,
    ...fact
  } of goldenRecords(2))
    log.append({ ...fact, expectedVersion: version - 1 });
  await log.whenDurable(log.head);
  const player = new Player(nodeSha256);
  player.append(await log.read(1, log.head));
  player.seek(log.head);
  const { cast, ...moment } = player.moment;
  const base = log.cutSegment(() => true);
  const folds = freezeFolds({ ...moment, actors: cast.all });
  const draft = checkpoints.draft({ base, version: foldsVersion, folds });
  const told = { folds: foldsVersion, ofSeq: base.seq, sha256: draft.sha256, stateHash: player.stateHash() };
  log.append({
    ...{
      subject: 'controller.checkpointed',
      type: 'controller.checkpointed',
      author: 'controller',
      data: told,
    },
    ...{ at: 1_800_000_000_000, basis: base.seq, cause: null, trace: null, schema: 2 },
    expectedVersion: log.versionOf('controller'),
  });
  await log.whenDurable(log.head);
  await checkpoints.write(draft);
  await appendJobs(log, 63);
  const { head } = log;
  const whole = await log.read(1, head);
  await log.close();
  const { stateHash } = await replay(
    (async function* () {
      yield whole;
    })(),
  );
  const release = async (): Promise<void> => undefined;
  await retireSegments({ ...place, newDigest: nodeDigest, release, upToSeq: base.seq });
  await rm(join(place.dir, 'retired'), { recursive: true });
  return { path, hash: stateHash, seq: base.seq };
}

t(
  'where the oldest facts are gone it begins with the checkpoint, and leads to the same state',
  async () => {
    const { hash, path, seq } = await withoutBeginning();
    const file = join(dir, 'retired.html');
    const { code, stderr } = await exported(file, '--from', path);
    assert.is(code, 0, stderr);
    assert.match(stderr, new RegExp(`^\\d+ facts, from the checkpoint of seq ${seq} on, `));
    const bytes = new Blob([await savedLines(file)]).stream() as unknown as AsyncIterable<Uint8Array>;
    let player = new Player(nodeSha256);
    for await (const piece of logIn(linesOf(bytes))) {
      if (piece.begin !== undefined) player = new Player(nodeSha256, piece.begin);
      else player.append(piece.records);
    }
    assert.is(player.beginSeq, seq);
    player.seek(player.headSeq);
    assert.is(player.stateHash(), hash);
    for (const name of await readdir(join(path, 'log')))
      if (name.startsWith('checkpoint-')) await rm(join(path, 'log', name));
    const without = await exported(join(dir, 'none.html'), '--from', path);
    assert.is(without.code, 1);
    assert.match(
      without.stderr,
      new RegExp(`begins with seq ${seq + 1}, and no checkpoint leads there\nnext: `),
    );
  },
  slow,
);

t(
  'what can not be made is said, with the next step, and leaves no file',
  async () => {
    const empty = join(dir, 'empty.jsonl');
    await writeFile(empty, '');
    const bad = join(dir, 'bad.jsonl');
    await writeFile(bad, `${textOf(goldenRecords(2).slice(0, 9))}{"seq":10}\n`);
    const before = (await readdir(dir)).sort();
    const refusals: readonly (readonly [number, RegExp, readonly string[]])[] = [
      [1, /no fact|empty/, ['no.html', '--from', empty]],
      [1, /bad\.jsonl.*seq 10/, ['no.html', '--from', bad]],
      [1, /no such file/, ['no.html', '--from', join(dir, 'nowhere')]],
      [2, /no such file or directory/, ['nowhere/no.html', '--from', golden]],
      [2, /both name a log/, ['no.html', '--from', golden, '--offline']],
    ];
    for (const [wanted, what, [file = '', ...args]] of refusals) {
      const { code, stderr } = await exported(join(dir, file), ...args);
      assert.is(code, wanted, stderr);
      assert.match(stderr, what);
      assert.match(stderr, /^next: ./m);
    }
    const plain = await run(['log', 'export', join(dir, 'no.jsonl'), '--from', golden]);
    assert.is(plain.code, 2);
    assert.match(plain.stderr, /--from is for --html/);
    assert.equal((await readdir(dir)).sort(), before);
  },
  slow,
);

t.run();
