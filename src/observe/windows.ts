/**
 * Windows: what happened in the last ten seconds, once a second, for dashboards and the log line.
 *
 * Why RxJS here and nowhere in the core: a sliding window over time is one line in it. But it knows no
 * backpressure, and an event costs it more than folding a fact costs us. So facts don't flow through it: they
 * are added up in a bucket, and the pipeline takes one bucket a second (a coalescing bridge).
 *
 * Why subscribers are guarded: a listener that throws must cost neither the pipeline nor the process.
 * Lossy by design: nothing is replayed, nothing is kept; the truth is in the log, the long run in Prometheus.
 * Test: `test/observe/windows.test.ts`.
 */
import { BehaviorSubject, interval, map, type Observable, scan } from 'rxjs';
import { isEnd } from '../../machines/job.ts';
import type { Clock } from '../clock.ts';
import type { FactData } from '../events/facts.ts';
import type { Change } from '../jobs/state.ts';
import type { Views } from '../views/views.ts';
import { clockScheduler } from './clock-scheduler.ts';
import { measured } from './durations.ts';

/** One step of the window, ms, and how many steps it spans. */
const stepMs = 1_000;
const stepsMax = 10;
/** Durations kept of one step, each for waits and runs: beyond it the newest replace the oldest. */
const samplesMax = 1_000;

export interface Rates {
  /** Time that the figures cover, ms; less than 10 s at first, more when the process was held up. */
  readonly overMs: number;
  readonly submittedPerSecond: number;
  readonly endedPerSecond: number;
  /** Requests that the door refused within the window. */
  readonly refusals: number;
  /** Medians over waits and runs that ended within the window; null when none did. */
  readonly waitP50Ms: number | null;
  readonly runP50Ms: number | null;
}

export interface Windows {
  /** The present rates at once, then one a second. Ends with `stop`. An error in an operator put behind it is its subscriber's. */
  readonly rates: Observable<Rates>;
  readonly latest: Rates;
  /** Counts changes of these views from now on: attach it when replay is over. Returns a function that stops it. */
  attach(views: Views): () => void;
  /** Like subscribing, but a listener that throws is reported and called again next time. Returns a function that stops it. */
  watch(listener: (rates: Rates) => void): () => void;
  /** Ends the pipeline and its timer. */
  stop(): void;
}

interface Bucket {
  submitted: number;
  ended: number;
  refusals: number;
  readonly waits: Samples;
  readonly runs: Samples;
}

/** Rates of one process. `onError` hears of listeners that throw. */
export function createWindows({
  clock,
  onError,
}: {
  clock: Clock;
  onError: (error: unknown) => void;
}): Windows {
  let filling = newBucket();
  let sinceMs = clock.monotonicMs();
  const rates = new BehaviorSubject<Rates>(ratesOf([]));
  const takeBucket = (): Step => {
    const nowMs = clock.monotonicMs();
    const step = { bucket: filling, ms: nowMs - sinceMs };
    filling = newBucket();
    sinceMs = nowMs;
    return step;
  };
  const pipeline = interval(stepMs, clockScheduler(clock))
    .pipe(
      map(takeBucket),
      scan((window, step) => [...window.slice(1 - stepsMax), step], [] as readonly Step[]),
      map(ratesOf),
    )
    .subscribe(rates);
  return {
    rates: rates.asObservable(),
    get latest() {
      return rates.value;
    },
    attach: (views) => views.onChange((change) => count(filling, views, change)),
    watch(listener) {
      const subscription = rates.subscribe((value) => {
        try {
          listener(value);
        } catch (error) {
          onError(error);
        }
      });
      return () => subscription.unsubscribe();
    },
    stop() {
      pipeline.unsubscribe();
      rates.complete();
    },
  };
}

interface Step {
  readonly bucket: Bucket;
  readonly ms: number;
}

const newBucket = (): Bucket => ({
  submitted: 0,
  ended: 0,
  refusals: 0,
  waits: new Samples(),
  runs: new Samples(),
});

function count(bucket: Bucket, views: Views, change: Change): void {
  const { record, before, after } = change;
  if (record.type === 'intake.refused') bucket.refusals += (record.data as FactData<'intake.refused'>).count;
  if (!after) return;
  if (!before) bucket.submitted += 1;
  if (isEnd(after.state)) bucket.ended += 1;
  const found = measured(views, change);
  if (found?.what === 'wait') bucket.waits.add(found.ms);
  if (found?.what === 'run') bucket.runs.add(found.ms);
}

/** The last so many values. */
class Samples {
  readonly values: number[] = [];
  #added = 0;

  add(value: number): void {
    this.values[this.#added % samplesMax] = value;
    this.#added += 1;
  }
}

function ratesOf(window: readonly Step[]): Rates {
  const overMs = window.reduce((sum, { ms }) => sum + ms, 0);
  const total = (of: (bucket: Bucket) => number): number =>
    window.reduce((sum, { bucket }) => sum + of(bucket), 0);
  const perSecond = (events: number): number => (overMs > 0 ? (events * 1000) / overMs : 0);
  return {
    overMs,
    submittedPerSecond: perSecond(total(({ submitted }) => submitted)),
    endedPerSecond: perSecond(total(({ ended }) => ended)),
    refusals: total(({ refusals }) => refusals),
    waitP50Ms: median(window.flatMap(({ bucket }) => bucket.waits.values)),
    runP50Ms: median(window.flatMap(({ bucket }) => bucket.runs.values)),
  };
}

/** The middle value; of an even number the lower middle one, so that it is a value that occurred. */
function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.ceil(sorted.length / 2) - 1] as number;
}
