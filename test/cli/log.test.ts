import { cp, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { Berth, ended, guest, lineOf, run } from './berth.ts';

const t = suite('cli/log');
const slow = { limitMs: 90_000 };
let berth: Berth;

t.before(async () => {
  berth = await Berth.begin();
});
t.after(() => berth.remove());

interface Replayed {
  readonly seq: number;
  readonly stateHash: string;
  readonly recoveries: number;
  readonly diverged: readonly unknown[];
}
interface Recorded {
  readonly seq: number;
  readonly type: string;
  readonly data: { readonly ofSeq: number; readonly stateHash: string };
}

// A test and no hook: it takes longer than hooks may, and every later one reads what it left.
t(
  'a job that was under way at kill -9 ends all the same, two lives later',
  async () => {
    await berth.run(['job', 'submit', guest('hello'), '--wait']);
    await berth.run(['job', 'submit', guest('trap'), '--wait']);
    // Two more lives: one after kill -9 with a job under way, one after a clean stop.
    const interrupted = await berth.submit([guest('loop'), '--wall-ms', '500']);
    await berth.halt('SIGKILL');
    await berth.serve();
    await berth.halt('SIGTERM');
    await berth.serve();
    // Now the log is at rest: two readers one after the other must find the same.
    const { code, stderr } = await berth.run(['job', 'watch', interrupted]);
    assert.is(code, 3, stderr);
    assert.match(stderr, /ERR_RUN_TIMEOUT/);
  },
  slow,
);

t(
  'replay up to the seq of each recovery gives the very state hash that the server recorded',
  async () => {
    const tail = await berth.run([
      'log',
      'tail',
      '--tenant',
      'admin',
      '--subject',
      'controller.recovered',
      '-o',
      'jsonl',
    ]);
    const recorded = tail.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Recorded);
    assert.is(recorded.length, 3);
    for (const { data } of recorded.slice(1)) {
      const { code, text, stderr } = await run([
        'log',
        'replay',
        berth.data,
        '--to',
        String(data.ofSeq),
        '-o',
        'json',
      ]);
      assert.is(code, 0, stderr);
      const replayed = JSON.parse(text) as Replayed;
      assert.equal([replayed.seq, replayed.stateHash], [data.ofSeq, data.stateHash]);
    }
    const all = JSON.parse(
      (await run(['log', 'replay', join(berth.data, 'log'), '-o', 'json'])).text,
    ) as Replayed;
    assert.equal([all.recoveries, all.diverged], [3, []]);
  },
  slow,
);

t(
  'live and offline show the same facts, and a tenant sees only its own',
  async () => {
    const live = await berth.run(['log', 'tail', '--tenant', 'admin', '-o', 'jsonl']);
    const offline = await berth.run(['log', 'tail', '--offline', '-o', 'jsonl']);
    const facts = (text: string) =>
      text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Recorded & { subject: string });
    assert.equal(facts(live.text), facts(offline.text));
    assert.ok(facts(live.text).length > 30);
    const part = await berth.run([
      'log',
      'tail',
      '--offline',
      '--from',
      '20',
      '--subject',
      'job.acme.>',
      '-o',
      'jsonl',
    ]);
    assert.equal(
      facts(part.text),
      facts(live.text).filter(({ seq, subject }) => seq >= 20 && subject.startsWith('job.acme.')),
    );
    const globex = await berth.run(['log', 'tail', '--tenant', 'globex']);
    assert.is(globex.code, 0, globex.stderr);
    assert.not.match(globex.text, /acme/);
  },
  slow,
);

t(
  '--follow shows facts as they come, and ends with 130 on Ctrl-C',
  async () => {
    const child = berth.start(['log', 'tail', '--follow', '--subject', 'job.acme.*.succeeded']);
    const all = ended(child);
    await lineOf(child.stdout, /succeeded/);
    const id = await berth.submit([guest('noop')]);
    await lineOf(child.stdout, new RegExp(`job.acme.${id}.succeeded`));
    child.kill('SIGINT');
    const { code, stderr } = await all;
    assert.equal([code, stderr], [130, '']);
  },
  slow,
);

t(
  'an export verifies and replays on its own, and one changed byte in it is found',
  async () => {
    const file = join(berth.data, 'export.jsonl');
    const exported = await berth.run(['log', 'export', file]);
    assert.is(exported.code, 0, exported.stderr);
    assert.is((await run(['log', 'verify', file])).code, 0);
    const replayed = JSON.parse(
      (await run(['log', 'replay', file, '--to', '20', '-o', 'json'])).text,
    ) as Replayed;
    const fromDisk = JSON.parse(
      (await run(['log', 'replay', berth.data, '--to', '20', '-o', 'json'])).text,
    ) as Replayed;
    assert.equal(replayed, fromDisk);
    const offline = await berth.run(['log', 'export', '-', '--offline']);
    assert.ok(offline.text.startsWith(await readFile(file, 'utf8')));
    const lines = (await readFile(file, 'utf8')).split('\n');
    lines[9] = (lines[9] ?? '').replace('"at":1', '"at":2');
    await writeFile(file, lines.join('\n'));
    const damaged = await run(['log', 'verify', file]);
    assert.is(damaged.code, 1);
    const offset = Buffer.byteLength(`${lines.slice(0, 9).join('\n')}\n`);
    assert.match(
      damaged.stderr,
      new RegExp(`byte ${offset}, seq 10: the record its hash does not match its bytes`),
    );
  },
  slow,
);

t(
  'verify says where a damaged log is damaged, and what to do',
  async () => {
    const sound = await run(['log', 'verify', berth.data, '-o', 'json']);
    assert.is(sound.code, 0, sound.stderr);
    assert.is((JSON.parse(sound.text) as { ok: boolean }).ok, true);
    const copy = join(berth.data, 'copy');
    await cp(join(berth.data, 'log'), copy, { recursive: true });
    const [segment = ''] = (await readdir(copy)).sort();
    const path = join(copy, segment);
    const offset = (await readFile(path)).indexOf('"job.exited"');
    const file = await open(path, 'r+');
    await file.write('X', offset + 2);
    await file.close();
    const damaged = await run(['log', 'verify', copy]);
    assert.is(damaged.code, 1);
    assert.match(
      damaged.text,
      /^damage +\S+, byte \d+, seq \d+: the record its hash does not match its bytes$/m,
    );
    assert.match(
      damaged.stderr,
      /^error ERR_LOG_CORRUPT: .*\nnext: restore the log from a copy; berth log replay \S+ --to \d+ shows/,
    );
    const replayed = await run(['log', 'replay', copy]);
    assert.is(replayed.code, 1);
    assert.match(replayed.stderr, /ERR_LOG_CORRUPT/);
  },
  slow,
);

t(
  'a path that is not there, and a seq beyond the end, are told',
  async () => {
    const absent = await run(['log', 'verify', '/nowhere/at/all']);
    assert.is(absent.code, 1);
    assert.match(absent.stderr, /^error ERR_NOT_FOUND: \/nowhere\/at\/all: no such file or folder\nnext: /);
    const beyond = await run(['log', 'replay', berth.data, '--to', '999999']);
    assert.is(beyond.code, 2);
    assert.match(beyond.stderr, /--to 999999: the log ends at seq \d+/);
  },
  slow,
);

t.run();
