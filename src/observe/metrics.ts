/**
 * Metrics for Prometheus: the tally and the gauges as text, at the moment of the scrape.
 *
 * Why a view of the log and not counters in the code: a counter raised beside an append can be forgotten,
 * doubled, or raised for a fact that the disk then lost. What is told here follows from durable facts.
 * Three metrics are of this process instead, and their help says so: the time of an append, refused
 * commands, replay divergence.
 *
 * Why the tally of a new life is held back until that life has begun: in the middle of a replay it would
 * show a count that falls and rises again, which Prometheus takes for a restart and a million new jobs.
 * Test: `test/observe/metrics.test.ts`.
 */
import { type Metric as PromMetric, Registry } from 'prom-client';
import type { ControllerState } from '../../machines/controller.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log/log.ts';
import type { Views } from '../views/views.ts';
import { appendBounds, Buckets } from './buckets.ts';
import { catalogue, type Figures, type Metric, type ProcessFigures } from './catalogue.ts';
import { Fragmentation } from './gauges.ts';
import { Tally } from './tally.ts';
import { timedLog } from './timed-log.ts';

/** What metrics read of a life of the controller. */
export interface ObservedLife {
  readonly views: Views;
  readonly gate: { readonly state: ControllerState };
  readonly refusals: ReadonlyMap<string, number>;
}

export interface Metrics {
  readonly contentType: string;
  /**
   * Counts every change of these views. Call it before the first fact is folded (`ControllerParts.observe`):
   * then the counts are those of the whole log, and stand in its checkpoints.
   */
  attach(views: Views): void;
  /** The same log, with each fact's way to durability timed. */
  timed(log: Log): Log;
  observeAppend(seconds: number): void;
  /** Decisions that a replay found to come out otherwise. */
  observeReplay(divergences: number): void;
  /** The exposition text. */
  text(): Promise<string>;
}

/** Metrics of one process. `life` is first called at the first scrape. */
export function createMetrics({ life, clock }: { life: () => ObservedLife | null; clock: Clock }): Metrics {
  // A registry of our own: prom-client's default one is global, and two controllers in one test would share it.
  const registry = new Registry();
  const process: ProcessFigures = {
    append: new Buckets(appendBounds),
    fragmentation: new Fragmentation(),
    divergences: 0,
  };
  let shown: Tally | null = null;
  let latest: Tally | null = null;
  const figures = (): Figures => {
    const present = life();
    // The tally of a life that is still replaying isn't complete; the former one is, and stays true.
    if (latest !== null && present?.views === latest.views) shown = latest;
    return {
      tally: shown,
      state: present?.gate.state ?? 'recovering',
      refusals: present?.refusals ?? new Map(),
      process,
    };
  };
  for (const metric of catalogue) register(registry, metric, figures);
  const observeAppend = (seconds: number): void => process.append.observe(seconds);
  return {
    contentType: registry.contentType,
    attach(views) {
      const tally = new Tally(views);
      latest = tally;
      views.follow(tally);
    },
    timed: (log) => timedLog(log, clock, observeAppend),
    observeAppend,
    observeReplay(divergences) {
      process.divergences += divergences;
    },
    text: () => registry.metrics(),
  };
}

/** Puts a metric into the registry that computes its samples when asked: prom-client prints whatever has a `get`. */
function register(registry: Registry, { name, type, help, samples }: Metric, figures: () => Figures): void {
  const get = async () => ({ name, help, type, aggregator: 'sum', values: samples(figures()) });
  registry.registerMetric({ name, get } as unknown as PromMetric);
}
