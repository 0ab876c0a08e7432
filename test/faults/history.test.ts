/** The judge itself: it passes an honest history, and fails on each lie that it is there to find. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { ServerProcess } from '../server-process.ts';
import { suite } from '../suite.ts';
import { bundledServer } from './bundle.ts';
import { Insisting } from './insisting.ts';
import { workWithout } from './syscalls.ts';
import { judgeTold } from './told.ts';

const t = suite('faults/judge');

t(
  'the judge fails on a lost job, a changed end, a broken cancel and a damaged record, and on nothing else',
  async () => {
    const healthy = { program: await bundledServer() };
    const server = await ServerProcess.idle(healthy);
    const client = new Insisting(server, healthy);
    const copy = await mkdtemp(join(tmpdir(), 'berth-judge-'));
    try {
      await workWithout(client);
      const { accepted, cancelled, ended } = client.promises;
      assert.ok(cancelled.size > 0 && ended.size > 3);
      const told = { accepted, cancelled, ended };
      const judged = await judgeTold(server.data, told);
      assert.ok(judged.facts > 40 && judged.ended === accepted.size);
      const [succeeded = ''] = [...ended].find(([, state]) => state === 'succeeded') ?? [];
      const lies: (readonly [typeof told, RegExp])[] = [
        [{ ...told, accepted: new Set([...accepted, 'nosuchjob']) }, /nosuchjob was answered with 202/],
        [{ ...told, ended: new Map([[succeeded, 'failed']]) }, /was shown as failed/],
        [{ ...told, cancelled: new Set([succeeded]) }, /a cancel of job .* was answered with 202/],
      ];
      for (const [lie, why] of lies) await fails(judgeTold(server.data, lie), why);
      await cp(server.data, copy, { recursive: true });
      await flipAByte(join(copy, 'log'));
      await fails(judgeTold(copy, told), /./);
    } finally {
      client.caller.close();
      await server.remove();
      await rm(copy, { recursive: true, force: true });
    }
  },
  { limitMs: 60_000 },
);

async function fails(judging: Promise<unknown>, why: RegExp): Promise<void> {
  const told = await judging.then(
    () => 'passed',
    (error: Error) => error.message,
  );
  assert.match(told, why);
  assert.is.not(told, 'passed');
}

async function flipAByte(folder: string): Promise<void> {
  const [segment = ''] = (await readdir(folder)).filter((name) => name.endsWith('.seg'));
  const bytes = await readFile(join(folder, segment));
  bytes[bytes.indexOf('"job.started"') + 6]! ^= 1;
  await writeFile(join(folder, segment), bytes);
}

t.run();
