/** What the state comes to, in plain sentences. Test: `test/dashboard/sentences.test.ts`. */
import type { ReasonCode } from '../scheduler/explain.ts';
import { waitWords } from './waits.ts';

/** The reason that holds back most waiting jobs; null when none waits. */
export function mainReason(
  pending: ReadonlyMap<string, number>,
): { readonly code: ReasonCode; readonly jobs: number } | null {
  let main: { code: ReasonCode; jobs: number } | null = null;
  for (const [code, jobs] of pending) if (jobs > (main?.jobs ?? 0)) main = { code: code as ReasonCode, jobs };
  return main;
}

/** The first thing a newcomer reads: what runs, what waits, and why. */
export function fleetSentence(
  running: number,
  waiting: number,
  pending: ReadonlyMap<string, number>,
): string {
  if (running === 0 && waiting === 0) return 'Nothing runs and nothing waits.';
  const runs = running === 0 ? 'No job runs' : `${jobs(running)} run${running === 1 ? 's' : ''}`;
  if (waiting === 0) return `${runs}, and none waits.`;
  const main = mainReason(pending);
  const waits = `${runs}, and ${waiting.toLocaleString('en-GB')} wait${waiting === 1 ? 's' : ''}`;
  if (!main) return `${waits}.`;
  const share = main.jobs === waiting ? 'because' : 'most of them because';
  return `${waits}, ${share} ${waitWords[main.code]}.`;
}

const jobs = (n: number): string => `${n.toLocaleString('en-GB')} job${n === 1 ? '' : 's'}`;

/** Why the door takes no job, and what to do; null while it takes them. */
export function gateSentence(
  { state, closed }: { readonly state: string; readonly closed: { readonly reason: string } | null },
  waitingMax: number | null,
): string | null {
  switch (state) {
    case 'accepting':
      return closed ? `No new jobs: ${closed.reason}. An operator has to accept the loss.` : null;
    case 'full':
      return `The queue is full (${waitingMax?.toLocaleString('en-GB') ?? '?'} jobs): new ones are refused until one leaves it.`;
    case 'draining':
      return 'Shutting down: no new jobs; those that run may end.';
    case 'stopped':
      return 'Stopped: no new jobs until the controller is started again. Those that wait are kept.';
    case 'readOnly':
      return 'Read only: the log cannot be written, so no new jobs. Make room on the disk.';
    default:
      return 'Starting: the controller reads its log and takes no jobs yet.';
  }
}

/** Fragmentation as a person can use it. */
export const fragmentationWords = (ratio: number): string =>
  ratio === 0
    ? 'not fragmented: moving held slots would gain nothing'
    : `${Math.round(ratio * 100)} % fragmented: larger slots would fit if held ones could be moved`;
