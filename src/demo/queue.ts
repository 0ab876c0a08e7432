/** Scenarios of waiting: one small GPU, more jobs than it holds, and a short queue. */
import { admitted, cancelledWhileRunning, good, type Scenario } from './scenario.ts';
import type { DemoJob, Stage } from './stage.ts';

const setting = 'one-gpu';
/** The GPU has four memory slices: four of these, or one that takes all. */
const small = '1g.6gb';
const whole = '4g.24gb';
/** Jobs that may wait: `--queued-max` of this setting. */
export const queuedMax = 3;

const endless: Omit<DemoJob, 'slot'> = { guest: 'loop' };
const holderCancelled = { facts: cancelledWhileRunning, cause: 'ERR_CANCELLED' } as const;
const queuedCancelled = { facts: `${admitted} cancelled`, cause: 'ERR_CANCELLED' } as const;

/** Cancels a holder and waits until its slot is free. */
async function letGo(stage: Stage, id: string): Promise<void> {
  await stage.cancel(id);
  await stage.ends(id, 'cancelled');
}

const overflow: Scenario = {
  name: 'queue-overflow',
  setting,
  learns: 'a full queue is an answer: 429 with Retry-After, and what was accepted before stays',
  async play(stage) {
    const jobs: Record<string, string> = { holder: await stage.running({ ...endless, slot: whole }) };
    for (let i = 1; i <= queuedMax; i += 1)
      jobs[`waiting-${i}`] = await stage.submit({ guest: 'noop', slot: small });
    const spec = await stage.spec({ guest: 'noop', slot: small });
    const refused = await stage.send(await stage.signed(spec));
    const isFull = refused.status === 429 && refused.code === 'ERR_QUEUE_FULL';
    stage.check(
      isFull,
      `with ${queuedMax} waiting the next is refused: 429`,
      `${refused.status} ${refused.code}`,
    );
    const retryAfter = refused.headers.get('retry-after') ?? 'none';
    stage.check(/^[1-9][0-9]*$/.test(retryAfter), `Retry-After says ${retryAfter} s`);
    await letGo(stage, jobs['holder'] ?? '');
    for (let i = 1; i <= queuedMax; i += 1) await stage.ends(jobs[`waiting-${i}`] ?? '', 'succeeded');
    return { jobs };
  },
  expect: {
    jobs: {
      holder: holderCancelled,
      'waiting-1': { facts: good },
      'waiting-2': { facts: good },
      'waiting-3': { facts: good },
    },
    refused: [{ tenant: 'acme', code: 'ERR_QUEUE_FULL', count: 1 }],
  },
};

/** As many as the GPU has slots of the small profile. */
const holders = ['holder-1', 'holder-2', 'holder-3', 'holder-4'];

const exhaustion: Scenario = {
  name: 'slot-exhaustion',
  setting,
  learns: 'with every slot taken a job waits for one (NoFreeSlice), and goes on when the first comes free',
  async play(stage) {
    const jobs: Record<string, string> = {};
    for (const role of holders) jobs[role] = await stage.running({ ...endless, slot: small });
    const waiter = await stage.submit({ guest: 'hello', slot: small });
    await stage.explains(waiter, 'NoFreeSlice');
    const [first, ...rest] = Object.values(jobs);
    await letGo(stage, first ?? '');
    await stage.ends(waiter, 'succeeded');
    for (const holder of rest) await letGo(stage, holder);
    return { jobs: { waiter, ...jobs } };
  },
  expect: {
    jobs: { waiter: { facts: good }, ...Object.fromEntries(holders.map((role) => [role, holderCancelled])) },
    order: [
      ['waiter.queued', 'holder-1.released'],
      ['holder-1.released', 'waiter.reserved'],
      ['waiter.succeeded', 'holder-2.released'],
    ],
  },
};

const quota: Scenario = {
  name: 'quota',
  setting,
  learns: 'a tenant with one slice holds one, however much is free; the next waits (QuotaExceeded)',
  async play(stage) {
    const as = 'modest';
    await stage.tenant(as, { slicesMax: 1 });
    const first = await stage.running({ ...endless, slot: small }, as);
    const second = await stage.submit({ guest: 'noop', slot: small }, as);
    await stage.explains(second, 'QuotaExceeded', as);
    await stage.cancel(first, as);
    await stage.ends(first, 'cancelled', as);
    await stage.ends(second, 'succeeded', as);
    return { jobs: { first, second } };
  },
  expect: {
    jobs: { first: holderCancelled, second: { facts: good } },
    order: [['first.released', 'second.reserved']],
  },
};

const queueTimeout: Scenario = {
  name: 'queue-timeout',
  setting,
  learns: 'a job that waited as long as it may expires; it never held a slot',
  async play(stage) {
    const holder = await stage.running({ ...endless, slot: whole });
    const waiter = await stage.submit({ guest: 'noop', slot: small, limits: { queueMs: 400 } });
    await stage.ends(waiter, 'expired');
    await letGo(stage, holder);
    return { jobs: { waiter, holder } };
  },
  expect: {
    jobs: { waiter: { facts: `${admitted} expired`, cause: 'ERR_QUEUE_TIMEOUT' }, holder: holderCancelled },
  },
};

const cancelQueued: Scenario = {
  name: 'cancel-queued',
  setting,
  learns: 'a job that waits is cancelled at once: no guest, nothing to wait for',
  async play(stage) {
    const holder = await stage.running({ ...endless, slot: whole });
    const waiter = await stage.submit({ guest: 'noop', slot: small });
    await stage.until(waiter, ({ state }) => state === 'queued', 'is queued');
    await letGo(stage, waiter);
    await letGo(stage, holder);
    return { jobs: { waiter, holder } };
  },
  expect: { jobs: { waiter: queuedCancelled, holder: holderCancelled } },
};

/** In the order of the tour. */
export const queueScenarios: readonly Scenario[] = [overflow, exhaustion, quota, queueTimeout, cancelQueued];
