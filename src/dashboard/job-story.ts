/**
 * What became of a job, in a sentence or two: for whoever has ten seconds.
 *
 * Why from its facts and not from its state: "timedOut" says how it ended; that it ran 2 s on gpu-0 after two attempts that
 * crashed is in the facts. Pure. Test: `test/dashboard/job-story.test.ts`.
 */
import { isEnd, type JobContext } from '../../machines/job.ts';
import { type Cause, errors } from '../errors.ts';
import type { FactData, Slot } from '../events/facts.ts';
import type { CourseStep } from './job-course.ts';
import { byteCount, duration } from './quantities.ts';

/** @param nowMs  wall clock of the moment: that of its last fact */
export function storyOf(steps: readonly CourseStep[], nowMs: number): string {
  const last = steps.at(-1);
  if (!last) return '';
  const { after } = last;
  const own = lastAttempt(steps);
  const sentences = isEnd(after.state) ? [ended(steps, own)] : [underWay(last, own, nowMs)];
  const before = failedBefore(steps, own);
  return [...before, ...sentences].join(' ');
}

/** The facts of the present or last attempt; empty before the first, and while it waits for the next. */
function lastAttempt(steps: readonly CourseStep[]): readonly CourseStep[] {
  const begun = steps.findLastIndex(({ record }) => record.type === 'job.reserved');
  if (begun < 0) return [];
  const own = steps.slice(begun);
  return own.some(({ after }) => after.state === 'queued' || after.state === 'backoff') ? [] : own;
}

const dataOf = (steps: readonly CourseStep[], type: string): unknown =>
  steps.find(({ record }) => record.type === type)?.record.data;
const atOf = (steps: readonly CourseStep[], type: string): number | null =>
  steps.find(({ record }) => record.type === type)?.record.at ?? null;

/** `gpu-0 as 1g.10gb`. */
export function placeText(slots: readonly Slot[]): string {
  const [first] = slots;
  if (!first) return 'no slot';
  const gpus = slots.map(({ gpu }) => gpu);
  return `${gpus.join(', ')} as ${slots.length > 1 ? `${slots.length} × ` : ''}${first.profile}`;
}

const placeOf = (own: readonly CourseStep[]): string =>
  placeText((dataOf(own, 'job.reserved') as FactData<'job.reserved'>).slots);

/** How often it was tried in vain before, and why. */
function failedBefore(steps: readonly CourseStep[], own: readonly CourseStep[]): readonly string[] {
  const earlier = own.length > 0 ? steps.slice(0, steps.length - own.length) : steps;
  const tries = earlier.filter(({ record }) => record.type === 'job.reserved').length;
  if (tries === 0) return [];
  const ends = earlier
    .map(({ after }) => after)
    .filter(
      ({ state, context }, i) => state === 'releasing' && earlier[i]!.before?.context.gone !== context.gone,
    )
    .map(({ context }) => spoiltBy(context));
  const kinds = [...new Set(ends)];
  return [
    `${tries === 1 ? 'One attempt' : `${tries} attempts`} came to nothing before (${kinds.join('; ')}).`,
  ];
}

/** Why an attempt came to nothing, from the job as it was when its guest was gone. */
function spoiltBy({ gone, reason }: JobContext): string {
  if (reason === 'evict') return 'evicted from its slot';
  if (reason === 'late') return 'the guest did not start in time';
  if (gone?.how === 'exited') return `exit code ${gone.exitCode}`;
  if (gone?.how === 'crashed') return `${gone.code}: ${gone.message}`;
  return gone?.how === 'lost' ? 'its runner was lost' : 'stopped';
}

function ended(steps: readonly CourseStep[], own: readonly CourseStep[]): string {
  const { after, record } = steps.at(-1)!;
  const { cause } = after.context;
  if (after.state === 'rejected')
    return `Attestation refused it: ${told(cause)}. It never came into the queue, and nothing ran.`;
  if (after.state === 'expired')
    return `It waited ${waited(steps, record.at)}, longer than it may, and was given up; nothing runs any more.`;
  if (own.length === 0)
    return `${cancellerOf(steps)} cancelled it after ${waited(steps, record.at)} of waiting; no guest was running.`;
  return `${ran(own)}${endOf(steps, own)}`;
}

function waited(steps: readonly CourseStep[], atMs: number): string {
  const since = steps.findLast(({ record }) => record.type === 'job.queued') ?? steps[0]!;
  return duration(atMs - since.record.at);
}

/** `Ran 312 ms on gpu-0 as 1g.10gb`, or why it never came to that. */
function ran(own: readonly CourseStep[]): string {
  const started = atOf(own, 'job.started');
  const gone = own.find(({ after }) => after.state === 'releasing');
  if (started === null) return `Got ${placeOf(own)}, but its guest never started`;
  return `Ran ${duration((gone?.record.at ?? started) - started)} on ${placeOf(own)}`;
}

function endOf(steps: readonly CourseStep[], own: readonly CourseStep[]): string {
  const { state, context } = own.at(-1)!.after;
  const { gone, spec } = context;
  if (state === 'succeeded' && gone?.how === 'exited')
    return `, then exited with code 0; its result (${byteCount(gone.result.bytes)}) is stored and the slot is free again.`;
  if (state === 'timedOut')
    return `, then the deadline of ${duration(spec?.limits.wallMs ?? 0)} passed; the guest was killed and the slot freed.`;
  if (state === 'cancelled')
    return `, then ${cancellerOf(steps)} cancelled it; ${gone?.how === 'stopped' ? 'the guest was killed' : 'the guest was gone'} and the slot freed.`;
  if (gone?.how === 'exited') return `, then exited with code ${gone.exitCode}; the slot was freed.`;
  return `, then ${told(context.cause)}; the slot was freed.`;
}

function cancellerOf(steps: readonly CourseStep[]): string {
  const asked = dataOf(steps, 'job.cancelRequested') ?? dataOf(steps, 'job.cancelled');
  return (asked as { readonly by?: string } | undefined)?.by ?? 'someone';
}

/** In the words of the code; what was so this time stands beside the story. */
const told = (cause: Cause | null): string => (cause ? errors[cause.code].meaning : 'it failed');

function underWay({ after, record }: CourseStep, own: readonly CourseStep[], nowMs: number): string {
  const { state, context } = after;
  const since = duration(
    Math.max(0, nowMs - (own.length === 0 ? (context.times.queuedAtMs ?? record.at) : record.at)),
  );
  const left = context.deadline ? deadlineText(context.deadline, nowMs) : '';
  switch (state) {
    case 'attesting':
      return context.affirmed
        ? 'Its signature and module were found good; it enters the queue next.'
        : 'Its signature and module are being checked.';
    case 'queued':
      return `It has waited ${since} in the queue; it is given up ${left}.`;
    case 'reserving':
      return 'It is its turn: a slot is being chosen.';
    case 'starting':
      return `It holds ${placeOf(own)}; its guest is being started.`;
    case 'running':
      return `It has run ${since} on ${placeOf(own)}; it is killed ${left}.`;
    case 'stopping':
      return `Its guest on ${placeOf(own)} is being killed: ${stopReasons[context.reason ?? 'cancel']}.`;
    case 'releasing':
      return context.slots
        ? 'Its guest is gone; the slot is given back next.'
        : 'Its slot is free; the verdict follows.';
    case 'backoff':
      return `It pauses before the next attempt, which is queued ${left}.`;
    default:
      return '';
  }
}

const stopReasons = {
  late: 'it did not start in time',
  deadline: 'its time is up',
  cancel: 'it was cancelled',
  evict: 'its slot is needed back',
} as const;

function deadlineText({ atMs, ms }: { readonly atMs: number; readonly ms: number }, nowMs: number): string {
  const leftMs = atMs + ms - nowMs;
  return leftMs > 0 ? `in ${duration(leftMs)}` : 'now, for its time is over';
}

/** What a cancel would do first, as the job stands; null when it can't be cancelled any more. */
export function cancelText({
  state,
  slots,
  reason,
}: { readonly state: string } & Pick<JobContext, 'slots' | 'reason'>) {
  switch (state) {
    case 'attesting':
    case 'queued':
    case 'reserving':
    case 'backoff':
      return 'It holds no slot, so it ends as cancelled at once. What it has waited for is lost.';
    case 'starting':
    case 'running':
      return 'Its guest is killed first; then the slot is given back, and the job ends as cancelled. There will be no result.';
    case 'stopping':
      return reason === 'cancel'
        ? 'It is being cancelled already: its guest is killed, then the slot is given back.'
        : 'Its guest is being killed already; with the cancel it ends as cancelled instead of what it was stopped for.';
    case 'releasing':
      return `Its guest is gone${slots ? ', the slot is given back next' : ''}. A cancel only helps when it would be tried again; otherwise its verdict stands.`;
    default:
      return null;
  }
}
