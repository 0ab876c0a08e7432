/** What `berth log` says to files, keys and directories that are not what they should be; no server is needed. */
import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { newKeyPair } from '../../src/attestation/keys.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeDigest, nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { retireSegments } from '../../src/log/retire.ts';
import { appendMany } from '../log/drafts.ts';
import { suite } from '../suite.ts';
import { type Ran, root, run } from './berth.ts';

const t = suite('cli/log-refusals');
const slow = { limitMs: 120_000 };
let dir: string;
/** A data directory with a log of 30 records, the oldest retired, and a signed head, but no key. */
let data: string;
let key: string;
let wrongKey: string;

t.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'berth-refusals-'));
  [data, key, wrongKey] = [join(dir, 'data'), join(dir, 'key.jwk'), join(dir, 'wrong.jwk')];
  const place = { dir: join(data, 'log'), disk: nodeDisk, sha256: nodeSha256 };
  const { log } = await openFileLog({ ...place, onRecords: () => undefined, segmentBytesMax: 1_500 });
  for (let i = 0; i < 6; i += 1) {
    appendMany(log, `s${i}`, 5);
    await log.whenDurable(log.head);
  }
  const { epoch, head: seq, headHash: hash } = log;
  const [first] = await log.read(1, 1);
  await log.close();
  const release = async (): Promise<void> => undefined;
  await retireSegments({ ...place, newDigest: nodeDigest, release, upToSeq: 20 });
  const [ours, theirs] = [await newKeyPair(), await newKeyPair()];
  await writeFile(key, JSON.stringify(ours.publicJwk));
  await writeFile(wrongKey, JSON.stringify(theirs.publicJwk));
  const head = await ours.sign({ seq, hash, epoch, at: 1, log: first!.hash }, 'berth-head+jws');
  await writeFile(join(data, 'log', 'heads.jws'), `${head}\n`);
});
t.after(() => rm(dir, { recursive: true, force: true }));

/** Ended with this exit code, this error and a next step. */
async function refuses(code: number, what: RegExp, ...args: string[]): Promise<Ran> {
  const ran = await run(args);
  assert.is(ran.code, code, `${args.join(' ')}: ${ran.text} ${ran.stderr}`);
  assert.match(ran.stderr, what);
  assert.match(ran.stderr, /^next: ./m);
  return ran;
}

t(
  'verify with a key is exit 0 only when something was verified with it',
  async () => {
    assert.is((await run(['log', 'verify', data, '--key', key])).code, 0);
    const wrong = await refuses(
      1,
      /no head is signed with this key/,
      'log',
      'verify',
      data,
      '--key',
      wrongKey,
    );
    assert.match(wrong.stderr, /next: wait for the next head, or stop the controller/);
    await refuses(
      2,
      /ERR_USAGE: --heads .*no such file/,
      'log',
      'verify',
      data,
      '--key',
      key,
      '--heads',
      join(dir, 'nope'),
    );
    await refuses(2, /ERR_USAGE: --key /, 'log', 'verify', data, '--key', join(dir, 'nope'));
    await refuses(
      2,
      /ERR_USAGE: --heads prove nothing/,
      'log',
      'verify',
      data,
      '--heads',
      join(data, 'log', 'heads.jws'),
    );
    await refuses(1, /ERR_NOT_FOUND: .*holds no log/, 'log', 'verify', dir);
    await writeFile(join(dir, 'empty.jsonl'), '');
    await refuses(1, /there is no record|ERR_LOG_CORRUPT/, 'log', 'verify', join(dir, 'empty.jsonl'));
  },
  slow,
);

t(
  'an export has the retired segments and the head, without a key that is said; without them it is refused',
  async () => {
    const file = join(dir, 'whole.jsonl');
    const exported = await run(['log', 'export', file, '--offline', '--data', data]);
    assert.is(exported.code, 0, exported.stderr);
    assert.match(
      exported.stderr,
      /controller\.jwk is not there: the head is as it stands in the file, not verified/,
    );
    assert.match(exported.stderr, /30 records/);
    assert.is((await run(['log', 'verify', file, '--key', key])).code, 0);
    const shown = await run(['log', 'head', '--offline', '--data', data, '-o', 'json']);
    assert.is(JSON.parse(shown.text).head.seq, 30);
    const less = join(dir, 'less');
    await cp(data, less, { recursive: true });
    await rm(join(less, 'log', 'heads.jws'));
    await refuses(
      1,
      /ERR_NOT_FOUND: no head of the log is signed/,
      'log',
      'head',
      '--offline',
      '--data',
      less,
    );
    await rm(join(less, 'log', 'retired'), { recursive: true });
    const gone = join(dir, 'gone.jsonl');
    await refuses(
      1,
      /ERR_NOT_FOUND: .*missing: seq 1 to \d+/,
      'log',
      'export',
      gone,
      '--offline',
      '--data',
      less,
    );
    assert.not((await readdir(dir)).some((name) => name.startsWith('gone')));
    const copy = join(dir, 'copy');
    assert.is((await run(['log', 'import', file, '--data', copy])).code, 0);
    assert.not((await readdir(copy)).includes('log.import'));
  },
  slow,
);

t(
  'an import that is refused leaves nothing behind, and says what it takes',
  async () => {
    const [copy, bad] = [join(dir, 'never'), join(dir, 'bad.jsonl')];
    const into = ['--data', copy];
    await writeFile(bad, 'no record\n');
    await refuses(1, /ERR_LOG_CORRUPT/, 'log', 'import', bad, ...into);
    await writeFile(bad, '');
    await refuses(1, /ERR_LOG_CORRUPT: .*there is no record/, 'log', 'import', bad, ...into);
    await refuses(1, /ERR_NOT_FOUND/, 'log', 'import', join(dir, 'nope'), ...into);
    await refuses(2, /ERR_USAGE: stdin is not supported/, 'log', 'import', '-', ...into);
    const pipe = join(dir, 'pipe');
    assert.is(spawnSync('bash', ['-c', 'mkfifo "$0"', pipe]).status, 0);
    await refuses(2, /ERR_USAGE/, 'log', 'import', pipe, ...into);
    await refuses(2, /ERR_USAGE: .*neither a file nor a folder/, 'log', 'verify', pipe);
    assert.not((await readdir(dir)).includes('never'));
    // Where something else stands, it stays, and nothing comes to it but the lock.
    const other = join(dir, 'other');
    await mkdir(join(other, 'log'), { recursive: true });
    await writeFile(join(other, 'log', 'note'), 'mine');
    await refuses(1, /ERR_EXISTS/, 'log', 'import', join(dir, 'whole.jsonl'), '--data', other);
    assert.equal(
      (await readdir(other)).filter((name) => !name.startsWith('lock.')),
      ['log'],
    );
    assert.is(await readFile(join(other, 'log', 'note'), 'utf8'), 'mine');
  },
  slow,
);

t(
  'an import onto a disk that is full takes back what it has made, and names a next step',
  async () => {
    const [file, copy] = [join(dir, 'whole.jsonl'), join(dir, 'full')];
    // No file may grow past 4 KiB: a disk that fails where the first segment is written.
    const command = 'ulimit -f 4; exec "$0" "$@"';
    const args = [process.execPath, join(root, 'bin', 'berth.js'), 'log', 'import', file, '--data', copy];
    const { status, stderr } = spawnSync('bash', ['-c', command, ...args], { encoding: 'utf8' });
    assert.is(status, 1, stderr);
    assert.match(stderr, /^error ERR_LOG_FAILED: .*can't be written: EFBIG/m);
    assert.match(stderr, /^next: .*make room, then import again/m);
    assert.not((await readdir(dir)).includes('full'));
  },
  slow,
);

t.run();
