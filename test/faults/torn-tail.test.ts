/** A flipped byte at the end of the log, and a process that is killed between cutting it off and telling. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { nodeDisk } from '../../src/log/node-disk.ts';
import { Caller, ServerProcess } from '../server-process.ts';
import { suite } from '../suite.ts';
import { ofType, recordsOf } from './history.ts';

const t = suite('faults/torn tail');

t(
  'what was cut keeps the door shut after a kill and a restart, and is called out at any log level',
  async () => {
    const server = await ServerProcess.begin({ flags: ['--log-level', 'error'] });
    try {
      await server.end('SIGKILL');
      const dir = join(server.data, 'log');
      await flipInLastRecord(dir);
      // The start that is killed as soon as it has cut: it leaves the folder as it is now.
      const opening = { dir, disk: nodeDisk, sha256: nodeSha256, onRecords: () => undefined };
      const killed = await openFileLog(opening);
      assert.ok(killed.cut !== null && killed.cut.idCount > 0);
      const { bytes, fromSeq, idCount } = killed.cut;
      await server.start();
      const caller = new Caller(server);
      const { status, json } = await caller.ask('GET', '/readyz');
      assert.equal([status, (json as { code: string }).code], [503, 'ERR_TORN_TAIL']);
      assert.match(server.stderr, '"message":"cut from the end of the log"');
      await server.end('SIGKILL');
      const told = ofType(await recordsOf(server.data), 'controller.recovered').at(-1)!.data;
      assert.equal([told['bytes'], told['fromSeq'], told['lostIds']], [bytes, fromSeq, idCount]);
      assert.ok((await readdir(dir)).includes('torn-told.json'));
      await server.start({ flags: ['--log-level', 'error', '--accept-torn-tail'] });
      assert.is((await caller.ask('GET', '/readyz')).status, 200);
    } finally {
      await server.remove();
    }
  },
  { limitMs: 60_000 },
);

/** Damages the last record, in the last group: nothing proves that it was on the disk once. */
async function flipInLastRecord(dir: string): Promise<void> {
  const segment = (await readdir(dir)).filter((name) => name.endsWith('.seg')).at(-1)!;
  const bytes = await readFile(join(dir, segment));
  // Past the head of the record, so that its id stays readable.
  bytes[bytes.lastIndexOf('"hash":"') + 20]! ^= 1;
  await writeFile(join(dir, segment), bytes);
}

t.run();
