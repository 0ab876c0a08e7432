/**
 * Reads what strace saw of a controller: which bytes it wrote, when a sync returned, when an answer left.
 *
 * Why at the system call and not by hooks of our own: a hook sees what the code means to do; the kernel sees what it
 * does. The tracer handles one event at a time on one clock, so "returned before" is a plain comparison.
 */
import * as assert from 'uvu/assert';

/** One finished system call. Times in seconds on the tracer's clock. */
export interface Call {
  readonly name: string;
  readonly text: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Options under which `callsIn` can read the trace; `-s` must hold a whole group of records. */
export const straceArgs = (file: string, calls: readonly string[]): string[] => [
  'strace',
  ...['-f', '-ttt', '-T', '-y', '-s', '1000000', '-e', 'signal=none', '-o', file],
  ...['-e', `trace=${calls.join(',')}`, '--'],
];

const linePattern = /^(\d+)\s+(\d+\.\d+) (.*)$/;
const durationPattern = / <(\d+\.\d+)>$/;

/** The finished calls in a trace, in the order of their ends. */
export function callsIn(trace: string): Call[] {
  const calls: Call[] = [];
  const begun = new Map<string, { startedAt: number; text: string }>();
  for (const line of trace.split('\n')) {
    const [, pid, time, rest] = linePattern.exec(line) ?? [];
    if (pid === undefined || time === undefined || rest === undefined) continue;
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(pid, { startedAt: Number(time), text: rest.slice(0, -'<unfinished ...>'.length) });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const start = resumed ? begun.get(pid) : { startedAt: Number(time), text: '' };
    if (start === undefined) continue;
    begun.delete(pid);
    const text = start.text + (resumed ? resumed[1] : rest);
    const took = Number(durationPattern.exec(text)?.[1] ?? 0);
    const name = /^\w+/.exec(text)?.[0] ?? '';
    calls.push({ name, text, startedAt: start.startedAt, endedAt: start.startedAt + took });
  }
  return calls.sort((a, b) => a.endedAt - b.endedAt);
}

export interface Verdict {
  /** Answers 202 that were looked at. */
  readonly answers: number;
  /** Facts whose sync was seen. */
  readonly synced: number;
  /** Answers that left before the sync of the fact that they tell of had returned. */
  readonly early: readonly string[];
}

/** Was every 202 preceded by the return of the fdatasync that covers its seq? */
export function judgeAnswers(calls: readonly Call[]): Verdict {
  const durableAt = new Map<number, number>();
  /** Written and not synced yet, by file. */
  const written = new Map<string, { seq: number; endedAt: number }[]>();
  const early: string[] = [];
  let answers = 0;
  for (const { name, text, startedAt, endedAt } of calls) {
    const file = /^\w+\(\d+<([^>]*\/log\/[^>]*)>/.exec(text)?.[1];
    if (file !== undefined && name === 'fdatasync') {
      if (!/\) += 0 </.test(text)) continue;
      const covered = (written.get(file) ?? []).filter((each) => each.endedAt <= startedAt);
      for (const { seq } of covered) if (!durableAt.has(seq)) durableAt.set(seq, endedAt);
      written.set(
        file,
        (written.get(file) ?? []).filter((each) => each.endedAt > startedAt),
      );
    } else if (file !== undefined) {
      const seqs = [...text.matchAll(/,\\"seq\\":(\d+),\\"subject\\"/g)].map(([, seq]) => Number(seq));
      written.set(file, [...(written.get(file) ?? []), ...seqs.map((seq) => ({ seq, endedAt }))]);
    } else if (text.includes('HTTP/1.1 202 ')) {
      const seq = Number(/\\"seq\\":(\d+)\}/.exec(text)?.[1]);
      assert.ok(Number.isSafeInteger(seq), `no seq in the answer: ${text.slice(0, 300)}`);
      answers += 1;
      const durable = durableAt.get(seq);
      if (durable === undefined || durable > startedAt) early.push(`202 with seq ${seq} at ${startedAt}`);
    }
  }
  return { answers, synced: durableAt.size, early };
}
