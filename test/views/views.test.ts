/** The views: durable facts alone, in order, and who was answered can read what they wrote. */
import * as assert from 'uvu/assert';
import { canonicalJson } from '../../src/events/canonical.ts';
import { jobView, jobViewSchema } from '../../src/views/job-view.ts';
import { Views } from '../../src/views/views.ts';
import { Desk } from '../jobs/desk.ts';
import { suite } from '../suite.ts';

const t = suite('views');
const follow = (desk: Desk, views: Views): void => {
  for (const change of desk.news()) views.fold(change);
};

t('they are the writer’s state at their seq, and a job’s trail holds every attempt', () => {
  const desk = new Desk();
  const views = new Views();
  desk.bring('a', 'running', { attempts: 3 });
  desk.finish('a', { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'x' });
  desk.do(desk.step('NoteDeadline', 'a'));
  desk.do(desk.step('SelectJob', 'a'));
  desk.do(desk.step('ReserveSlots', 'a'));
  follow(desk, views);
  assert.is(views.seq, desk.log.head);
  assert.is(canonicalJson(views.state), canonicalJson(desk.state));
  const { job, trail } = views.job('a') ?? assert.unreachable('no job') ?? never();
  assert.equal(
    trail.attempts.map(({ state }) => state),
    ['gone', 'starting'],
  );
  assert.ok(jobViewSchema.safeParse(jobView(job, trail)).success);
  assert.is(trail.version, desk.log.versionOf('job.acme.a'));
  assert.is(views.job('nobody'), null);
});

t('a result is shown only by a job that succeeded', () => {
  const desk = new Desk();
  const views = new Views();
  desk.bring('a', 'releasing');
  follow(desk, views);
  const shown = () => jobView(views.job('a')!.job, views.job('a')!.trail).result;
  assert.is(shown(), null);
  desk.finish('a');
  follow(desk, views);
  assert.equal(shown(), { bytes: 3, sha256: 'c'.repeat(64) });
});

t('whoever waits for a seq is answered when it is folded, in any order of asking', async () => {
  const desk = new Desk();
  const views = new Views();
  follow(desk, views);
  const { head } = desk.log;
  const seen: number[] = [];
  for (const seq of [head + 3, head + 1, head]) void views.whenSeen(seq).then(() => seen.push(seq));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(seen, [head]);
  desk.bring('a', 'attesting');
  follow(desk, views);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(seen, [head, head + 1]);
  desk.do(desk.step('AttestJob', 'a'));
  desk.do(desk.step('QueueJob', 'a'));
  follow(desk, views);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(seen, [head, head + 1, head + 3]);
});

t('whoever still waits when the life ends is told so, and does not wait for ever', async () => {
  const views = new Views();
  const waiting = views.whenSeen(7).then(
    () => 'seen',
    (error: { code?: string }) => error.code,
  );
  views.close();
  assert.is(await waiting, 'ERR_READ_ONLY');
  assert.is(await views.whenSeen(8).catch((error: { code?: string }) => error.code), 'ERR_READ_ONLY');
});

t('listeners hear every change once, in order, until they are off', () => {
  const desk = new Desk();
  const views = new Views();
  const heard: number[] = [];
  const off = views.onChange(({ record }) => heard.push(record.seq));
  follow(desk, views);
  assert.equal(
    heard,
    Array.from({ length: desk.log.head }, (_, i) => i + 1),
  );
  off();
  desk.bring('a', 'queued');
  follow(desk, views);
  assert.is(heard.length, desk.log.head - 3);
});

t('the reason of the last drain is remembered by GPU', () => {
  const desk = new Desk({ fleet: '2xA30-24GB' });
  const views = new Views();
  desk.gpu('gpu-1', 'slot.drained');
  follow(desk, views);
  assert.equal([...views.drainedFor('test')], ['gpu-1']);
  assert.equal([...views.drainedFor('other')], []);
});

function never(): never {
  throw new Error('unreachable');
}

t.run();
