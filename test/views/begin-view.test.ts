/** Where a reader of the log begins: whole while it can be, else at a checkpoint behind which every fact can be read. */
import * as assert from 'uvu/assert';
import { beginningOf, beginSchema } from '../../src/views/begin-view.ts';
import { begin, grow, type Life, take } from '../log/checkpointed.ts';
import { codeOf } from '../log/drafts.ts';
import { PowerDisk } from '../log/power-disk.ts';
import { suite } from '../suite.ts';

const t = suite('begin view');

async function answer(
  life: Life,
  factsMax?: number,
  checkpoints: Life['checkpoints'] | null = life.checkpoints,
) {
  const beginning = { checkpoints, log: life.log, views: { seq: life.log.durable } };
  const { length, text } = await beginningOf(beginning, factsMax);
  const pieces: Uint8Array[] = [];
  for await (const piece of text) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  assert.is(bytes.length, length, 'the length that was announced');
  return beginSchema.parse(JSON.parse(bytes.toString('utf8')));
}

/** Checkpoints at 10 and 21 of 32 facts. */
async function withTwo(disk = new PowerDisk()): Promise<Life> {
  const life = await begin(disk);
  grow(life, 'a', 10);
  await take(life);
  grow(life, 'b', 10);
  await take(life);
  grow(life, 'c', 10);
  await life.log.whenDurable(life.log.head);
  assert.is(life.log.head, 32);
  return life;
}

t('a log of so many facts is read from its first one', async () => {
  const life = await withTwo();
  assert.equal(await answer(life, 32), { checkpoint: null, reason: 'whole', seq: 0 });
  await life.log.close();
});

t('a longer one begins at the older checkpoint, with the folds that stood there', async () => {
  const life = await withTwo();
  const { checkpoint, reason, seq } = await answer(life, 31);
  assert.equal([reason, seq, checkpoint?.base.seq, checkpoint?.version], ['long', 10, 10, 'tally/1']);
  assert.equal(Object.keys(checkpoint?.folds ?? {}), ['tally']);
  assert.match(JSON.stringify(checkpoint?.folds), '"count":10');
  await life.log.close();
});

t('a long log without checkpoints is read whole all the same', async () => {
  const life = await begin(new PowerDisk());
  grow(life, 'a', 20);
  await life.log.whenDurable(20);
  assert.is((await answer(life, 10)).reason, 'whole');
  assert.is((await answer(life, 10, null)).reason, 'whole');
  await life.log.close();
});

t(
  'where the first facts are retired it begins at a checkpoint, and every fact behind that can be read',
  async () => {
    const disk = new PowerDisk();
    const former = await withTwo(disk);
    await former.checkpoints.retire(32);
    await former.log.close();
    // What was written not long ago is still remembered by the life that wrote it.
    const life = await begin(disk);
    assert.is(await codeOf(() => life.log.read(1, 1)), 'ERR_NOT_FOUND');
    const { reason, seq } = await answer(life);
    assert.equal([reason, seq], ['retired', 21]);
    assert.is((await life.log.read(seq + 1, 100)).length, 11);
    assert.is(await codeOf(() => answer(life, 32, null)), 'ERR_NOT_FOUND');
    await life.log.close();
  },
);

t('after a restart it begins at the checkpoint that the start has proven', async () => {
  const disk = new PowerDisk();
  const first = await begin(disk);
  grow(first, 'a', 10);
  await take(first);
  grow(first, 'b', 5);
  await first.log.close();
  const life = await begin(disk);
  assert.is(life.from, 10);
  assert.is((await answer(life, 1)).seq, 10);
  await life.log.close();
});

t('a log that can not be read now says come back, not that its facts are gone', async () => {
  const read = (): Promise<never> => Promise.reject(new Error('closed'));
  const closed = { checkpoints: null, log: { read }, views: { seq: 1 } };
  assert.is(await codeOf(() => beginningOf(closed)), 'ERR_READ_ONLY');
});

t.run();
