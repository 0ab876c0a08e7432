/**
 * The catalogue: every metric by name, with what it means and where its values come from.
 *
 * Names and meanings are promises, for dashboards and alerts outlive the code: add freely, never rename.
 * Base units (seconds, bytes), no job id, and every label drawn from a list with a known end: error codes,
 * states, profiles, reasons, at most 50 tenants. Test: `test/observe/metrics.test.ts`.
 */
import type { ControllerState } from '../../machines/controller.ts';
import { isEnd, type JobState } from '../../machines/job.ts';
import type { Buckets } from './buckets.ts';
import { depthByTenant, type Fragmentation, pendingByReason, slotsByProfile } from './gauges.ts';
import type { Counts, Tally } from './tally.ts';

/** What is counted of this process and stands in no log. */
export interface ProcessFigures {
  readonly append: Buckets;
  readonly fragmentation: Fragmentation;
  divergences: number;
}

/** All that a scrape reads from. `tally` is null before the first life has recovered. */
export interface Figures {
  readonly tally: Tally | null;
  readonly state: ControllerState;
  readonly refusals: ReadonlyMap<string, number>;
  readonly process: ProcessFigures;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** For histograms: the name with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
}

export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  samples(figures: Figures): readonly Sample[];
}

type FromTally<T> = (tally: Tally, figures: Figures) => T;

const single = (value: number): readonly Sample[] => [{ labels: {}, value }];

/** One sample for each label value; keys of several labels are joined by spaces, in the order of `labels`. */
function labelled(labels: readonly string[], counts: ReadonlyMap<string, number>): readonly Sample[] {
  return [...counts].map(([key, value]) => {
    const values = key.split(' ');
    return { labels: Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])), value };
  });
}

function plain(type: 'counter' | 'gauge', name: string, help: string, value: FromTally<number>): Metric {
  return {
    name,
    type,
    help,
    samples: (figures) => (figures.tally ? single(value(figures.tally, figures)) : []),
  };
}

function perLabel(
  type: 'counter' | 'gauge',
  name: string,
  labels: readonly string[],
  help: string,
  counts: FromTally<Counts>,
): Metric {
  return {
    name,
    type,
    help,
    samples: (figures) => (figures.tally ? labelled(labels, counts(figures.tally, figures)) : []),
  };
}

function histogram(name: string, help: string, buckets: (figures: Figures) => Buckets | undefined): Metric {
  const samples = (figures: Figures): readonly Sample[] => {
    const found = buckets(figures);
    if (!found) return [];
    const { bounds, count, sum } = found;
    const below = found.cumulated().map((value, index) => ({ le: String(bounds[index]), value }));
    return [
      ...[...below, { le: '+Inf', value: count }].map(({ le, value }) => ({
        metricName: `${name}_bucket`,
        labels: { le },
        value,
      })),
      { metricName: `${name}_sum`, labels: {}, value: sum },
      { metricName: `${name}_count`, labels: {}, value: count },
    ];
  };
  return { name, type: 'histogram', help, samples };
}

const controllerStates: Readonly<Record<ControllerState, true>> = {
  recovering: true,
  accepting: true,
  full: true,
  readOnly: true,
  draining: true,
  stopped: true,
};

const stateSamples = ({ state }: Figures): readonly Sample[] =>
  Object.keys(controllerStates).map((each) => ({ labels: { state: each }, value: Number(each === state) }));

function buildSamples({ tally }: Figures): readonly Sample[] {
  const configured = tally?.views.state.controller.configured;
  if (!configured) return [];
  const { version, policy, placement } = configured;
  return [{ labels: { version, policy, placement }, value: 1 }];
}

const jobMetrics: readonly Metric[] = [
  perLabel(
    'counter',
    'berth_jobs_submitted_total',
    ['result'],
    'Jobs brought to the door: accepted (a job.submitted fact) or refused.',
    (tally) =>
      new Map([
        ['accepted', tally.accepted],
        ['refused', tally.turnedAway],
      ]),
  ),
  perLabel(
    'counter',
    'berth_intake_refused_total',
    ['code'],
    'Requests of any kind that the door refused, by error code.',
    (tally) => tally.refused,
  ),
  perLabel(
    'counter',
    'berth_jobs_ended_total',
    ['state', 'cause'],
    'Jobs that ended, by end state and cause code.',
    (tally) => tally.ended,
  ),
  perLabel(
    'gauge',
    'berth_jobs',
    ['state'],
    'Jobs that have not ended, by state.',
    (tally) => new Map([...tally.jobs].filter(([state]) => !isEnd(state as JobState))),
  ),
  perLabel(
    'gauge',
    'berth_queue_depth',
    ['tenant'],
    'Waiting jobs (attesting, queued, reserving, backoff) by tenant; from the 51st tenant on: other.',
    (tally) => depthByTenant(tally.views),
  ),
  perLabel(
    'gauge',
    'berth_pending_jobs',
    ['reason'],
    'Waiting jobs by the first reason that holds for them; adds up to berth_queue_depth.',
    (tally, { state }) => pendingByReason(tally.views, tally.jobs, state !== 'readOnly'),
  ),
  histogram(
    'berth_queue_wait_seconds',
    'One wait in the queue that ended with a slot, from queued to reserved.',
    ({ tally }) => tally?.wait,
  ),
  histogram(
    'berth_dispatch_seconds',
    'From the reserved slot to the started guest.',
    ({ tally }) => tally?.dispatch,
  ),
  histogram(
    'berth_run_seconds',
    'From the started guest to its certain end, whatever way it went.',
    ({ tally }) => tally?.run,
  ),
  perLabel(
    'counter',
    'berth_attestation_total',
    ['result'],
    'Verdicts on submitted jobs: affirmed, rejected, expired.',
    (tally) => tally.attested,
  ),
  plain(
    'counter',
    'berth_lease_expiries_total',
    'Attempts whose guest or runner was lost (job.lost facts).',
    (tally) => tally.lost,
  ),
];

const slotMetrics: readonly Metric[] = [
  perLabel(
    'gauge',
    'berth_slots',
    ['profile', 'state'],
    'Slots: held, draining (held where nothing new goes), free (would fit now if no other profile were placed).',
    (tally) => slotsByProfile(tally.views.state.fleet),
  ),
  perLabel(
    'counter',
    'berth_slot_busy_seconds_total',
    ['profile'],
    'Time for which slots were held, from reserved to released; added at the release.',
    (tally) => tally.busySeconds,
  ),
  plain(
    'gauge',
    'berth_fragmentation_ratio',
    'How much of the largest placeable slots is lost to bad places: 0 none, towards 1 all.',
    ({ views }, { process }) => process.fragmentation.ratio(views.state.fleet),
  ),
];

const logMetrics: readonly Metric[] = [
  plain(
    'gauge',
    'berth_log_seq',
    'Seq of the last durable fact that these metrics include.',
    ({ views }) => views.seq,
  ),
  plain(
    'gauge',
    'berth_log_checkpoint_seq',
    'Seq of the last checkpoint: the next start reads the log from there on.',
    ({ checkpointSeq }) => checkpointSeq,
  ),
  histogram(
    'berth_log_append_seconds',
    'From the append of a fact to its durability, in this process.',
    ({ process }) => process.append,
  ),
  plain(
    'counter',
    'berth_torn_tail_bytes_total',
    'Bytes that recoveries had to cut from the end of the log.',
    (tally) => tally.tornBytes,
  ),
  {
    name: 'berth_replay_divergence_total',
    type: 'counter',
    help: 'Decisions that came out otherwise when replayed, in this process.',
    samples: ({ process }) => single(process.divergences),
  },
];

const controllerMetrics: readonly Metric[] = [
  {
    name: 'berth_controller_state',
    type: 'gauge',
    help: '1 for the state in which the controller is.',
    samples: stateSamples,
  },
  {
    name: 'berth_commands_refused_total',
    type: 'counter',
    help: 'Commands that the writer refused, by error code, in this life of the controller; stale ones are harmless.',
    samples: ({ refusals }) => labelled(['code'], refusals),
  },
  {
    name: 'berth_build_info',
    type: 'gauge',
    help: 'Version, policy and placement of the controller.',
    samples: buildSamples,
  },
];

/** All metrics, in the order in which they are printed. */
export const catalogue: readonly Metric[] = [
  ...jobMetrics,
  ...slotMetrics,
  ...logMetrics,
  ...controllerMetrics,
];
