/**
 * Load: clients that submit, cancel and ask, whatever happens to the server meanwhile, and note what they were promised.
 *
 * Why the same signed text is sent again after a broken connection: that is what an honest client does, and whether
 * it then gets one job or two is part of the promise. Each request has its own answer for ever.
 */
import type { JobView } from '../../src/views/job-view.ts';
import { assemble, i32, i32Const, i64, op, u32s } from '../executor/guests.ts';
import { type Caller, type HttpAnswer, pause, sampleGuest } from '../server-process.ts';

/** Pseudo-random numbers from a seed, 0 ≤ x < 1 (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Signed LEB128 of any whole number. */
function signed64(value: bigint): number[] {
  const bits = Number(value & 127n);
  const rest = value >> 7n;
  const isLast = (rest === 0n && (bits & 64) === 0) || (rest === -1n && (bits & 64) !== 0);
  return isLast ? [bits] : [bits | 128, ...signed64(rest)];
}

/** A guest that keeps its core busy for so long by the real clock, then ends well. Wants `clock:real`. */
export function busyFor(ms: number): Uint8Array {
  const read = (at: number): number[] => [...i32Const(1), 0x42, 0, ...i32Const(at), op.call, 0, op.drop];
  const load = (at: number): number[] => [...i32Const(at), 0x29, 3, 0];
  return assemble({
    imports: [{ name: 'clock_time_get', params: [i32, i64, i32] }],
    // start = now; do now = …; while (now − start < ms)
    start: [
      ...read(16),
      ...[op.loop, 0x40, ...read(24), ...load(24), ...load(16), 0x7d],
      ...[0x42, ...signed64(BigInt(ms) * 1_000_000n), 0x54, op.brIf, 0, op.end],
    ],
    data: u32s(0),
  });
}

export const realTime = { capabilities: ['stdio', 'args', 'clock:real'] };

/** Specs of every kind of fate: ends well, badly, late, at the second try. */
export async function mixedSpecs(caller: Caller): Promise<(() => object)[]> {
  const [noop, hello, trap, loop, flaky, busy] = await Promise.all(
    [...['noop', 'hello', 'trap', 'loop', 'flaky'].map(sampleGuest), busyFor(60)].map((each) =>
      caller.put(each),
    ),
  );
  const retried = { attempts: { max: 3, backoffMs: 50 } };
  return [
    () => ({ module: noop }),
    () => ({ module: hello, args: ['world'], slot: '2g.20gb' }),
    () => ({ module: trap, ...retried }),
    () => ({ module: loop, limits: { wallMs: 100 } }),
    () => ({ module: flaky, capabilities: ['stdio', 'env:BERTH_ATTEMPT'], ...retried }),
    () => ({ module: busy, ...realTime }),
    () => ({ module: noop, gpus: 2 }),
  ];
}

/** What clients were told. */
export class Promises {
  /** Ids answered with 202. */
  readonly accepted = new Set<string>();
  /** Jobs that were shown in an end state, with that state. */
  readonly ended = new Map<string, string>();
  /** Jobs whose cancel was answered with 202. */
  readonly cancelled = new Set<string>();
  /** Answers by status and code. */
  readonly answers = new Map<string, number>();
  repeated = 0;

  note({ status, json }: HttpAnswer): void {
    const { code } = json as { code?: string };
    const name = code === undefined ? String(status) : `${status} ${code}`;
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
    if (status === 202) this.accepted.add((json as { id: string }).id);
  }

  /** The same promises, to be kept by another controller; what is noted in one is not noted in the other. */
  copy(): Promises {
    const copy = new Promises();
    for (const id of this.accepted) copy.accepted.add(id);
    for (const [id, state] of this.ended) copy.ended.set(id, state);
    for (const id of this.cancelled) copy.cancelled.add(id);
    return copy;
  }

  /** Notes an end that was shown; another than before is a broken promise. */
  see({ id, state, times }: JobView): void {
    if (times.endedAtMs === null) return;
    const before = this.ended.get(id) ?? state;
    if (before !== state) throw new Error(`job ${id} was shown as ${before}, and then as ${state}`);
    this.ended.set(id, state);
  }
}

/** A client looks at one of its last so many jobs. */
const recentMax = 20;

/** Submits until told to stop, one request at a time; now and then cancels. A broken connection means: send it again. */
export async function submitUntil(
  stopped: () => boolean,
  caller: Caller,
  promises: Promises,
  { specs, random, restMs }: { specs: readonly (() => object)[]; random: () => number; restMs: number },
): Promise<void> {
  while (!stopped()) {
    const spec = specs[Math.floor(random() * specs.length)]!();
    const answer = await insist(stopped, caller, await caller.signed(spec), promises);
    if (answer === null) return;
    promises.note(answer);
    if (answer.status === 202 && random() < 0.1) {
      const { id } = answer.json as { id: string };
      await caller.ask('POST', `/v1/jobs/${id}/cancel`).then(
        ({ status }) => {
          if (status === 202) promises.cancelled.add(id);
        },
        () => undefined,
      );
    }
    // What a look showed is a promise, too: who was shown an end must find it after every crash.
    const recent = [...promises.accepted].slice(-recentMax);
    const id = recent[Math.floor(random() * recent.length)];
    if (id !== undefined && random() < 0.5)
      await caller.view(id).then(
        (view) => promises.see(view),
        () => undefined,
      );
    await pause(answer.status === 202 ? restMs : 20);
  }
}

async function insist(
  stopped: () => boolean,
  caller: Caller,
  request: string,
  promises: Promises,
): Promise<HttpAnswer | null> {
  let sends = 0;
  for (;;) {
    try {
      sends += 1;
      const answer = await caller.send(request);
      if (sends > 1) promises.repeated += 1;
      return answer;
    } catch {
      if (stopped()) return null;
      await pause(20);
    }
  }
}
