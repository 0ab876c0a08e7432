/**
 * One of each: jobs of two tenants that ended in every way a guest can bring about, one that runs, and one that waits for room.
 * Small enough to be read on one screen, and the same for every picture.
 */
import { sampleGuest } from '../server-process.ts';
import type { Rig } from './rig.ts';

/** A machine on which the story fits: one GPU, and a runner beside the one whose guest never ends. */
export const storyFlags: readonly string[] = ['--fleet', '1xH100-80GB', '--runners', '2'];

/** Ids of its jobs. */
export interface Story {
  readonly succeeded: string;
  readonly failed: string;
  readonly timedOut: string;
  readonly rejected: string;
  readonly cancelled: string;
  readonly running: string;
  /** Wants the whole GPU, of which a part is taken. */
  readonly waiting: string;
  /** Of the other tenant, and succeeded. */
  readonly others: string;
}

/** Long enough to outlive any test, ms. */
const foreverMs = 3_600_000;

/** Submits them in this order, and waits until each is where it belongs. */
export async function tell(rig: Rig): Promise<Story> {
  const acme = await rig.caller('acme');
  const submit = async (guest: string, spec: object): Promise<string> => {
    const module = await acme.put(sampleGuest(guest));
    return (await acme.submit({ module, ...spec })).id;
  };
  const succeeded = await submit('hello', { name: 'greeting', args: ['world'], labels: { team: 'vision' } });
  await acme.until(succeeded, 'succeeded');
  const failed = await submit('trap', { name: 'a guest that traps' });
  await acme.until(failed, 'failed');
  const timedOut = await submit('loop', { name: 'a guest that loops', limits: { wallMs: 200 } });
  await acme.until(timedOut, 'timedOut');
  const rejected = await submit('smuggle', { name: 'a guest that smuggles' });
  await acme.until(rejected, 'rejected');
  const [{ id: others = '' } = {}] = await rig.run('hello', { name: 'of globex' }, 1, 'globex');
  await (await rig.caller('globex')).until(others, 'succeeded');
  const running = await submit('loop', { name: 'runs on and on', limits: { wallMs: foreverMs } });
  await acme.until(running, 'running');
  const waits = { slot: '7g.80gb', limits: { queueMs: foreverMs } };
  const waiting = await submit('hello', { name: 'wants a whole GPU', ...waits });
  await acme.until(waiting, 'queued');
  const cancelled = await submit('hello', { name: 'not wanted any more', ...waits });
  await acme.ask('POST', `/v1/jobs/${cancelled}/cancel`);
  await acme.until(cancelled, 'cancelled');
  return { succeeded, failed, timedOut, rejected, cancelled, running, waiting, others };
}
