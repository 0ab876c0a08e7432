/** A disk that refuses for a long time: every try leaves something behind, and none may use up the last chance. */
import * as assert from 'uvu/assert';
import type { Disk } from '../../src/log/disk.ts';
import { openFileLog } from '../../src/log/file.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { appendMany } from '../log/drafts.ts';
import { PowerDisk } from '../log/power-disk.ts';
import { suite } from '../suite.ts';

const t = suite('faults/outage');

t(
  'after twenty minutes of lives that failed at their first sync, the next one goes on',
  async () => {
    const inner = new PowerDisk();
    let sick = false;
    // A thin-provisioned volume without room: writes go to the page cache, and the sync of a new file finds no blocks.
    const disk: Disk = {
      mkdir: () => inner.mkdir(),
      list: (path) => inner.list(path),
      readSync: (path) => inner.readSync(path),
      remove: (path) => inner.remove(path),
      rename: (from, to) => inner.rename(from, to),
      syncFolder: () => inner.syncFolder(),
      async open(path, create) {
        const file = await inner.open(path, create);
        const datasync = async (): Promise<void> => {
          if (sick && create) throw Object.assign(new Error('ENOSPC: fdatasync'), { code: 'ENOSPC' });
          await file.datasync();
        };
        return { ...file, datasync };
      },
    };
    const open = (trustedSeq?: number) =>
      openFileLog({
        dir: 'log',
        disk,
        sha256: nodeSha256,
        onRecords: () => undefined,
        ...(trustedSeq === undefined ? {} : { trustedSeq }),
      });
    const { log } = await open();
    appendMany(log, 'before', 3);
    await log.whenDurable(3);
    await log.close();
    sick = true;
    for (let life = 0; life < 1_200; life += 1) {
      const opened = await open(3);
      appendMany(opened.log, 'during', 1);
      await opened.log.whenDurable(4).catch(() => undefined);
      assert.is(opened.log.durable, 3);
      assert.ok(opened.log.failure, 'the disk was not sick');
      await opened.log.close();
    }
    sick = false;
    const after = await open(3);
    appendMany(after.log, 'after', 1);
    await after.log.whenDurable(4);
    await after.log.close();
    assert.ok((await disk.list('log')).length <= 1_002, 'what is kept of them has a bound');
  },
  { limitMs: 60_000 },
);

t.run();
