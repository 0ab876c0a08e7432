/**
 * What each metric is for: why one looks at it, and the alert to set, in the words of Prometheus.
 *
 * Why here and not on somebody's dashboard: a metric without a question behind it is never looked at, and who wrote the code
 * knows what is normal. `handbook.ts` makes the table of the README and `alerts.yml` of it. Numbers are where to begin;
 * each says in `why` or `summary` what it assumes. Test: `test/observe/handbook.test.ts`.
 */

/** One rule of Prometheus. */
export interface Alert {
  readonly name: string;
  readonly expr: string;
  /** How long it must hold before anyone is told: shorter spells mend themselves. */
  readonly forMinutes: number;
  /** `page`: somebody should get up. `ticket`: somebody should look on the next day. */
  readonly severity: 'page' | 'ticket';
  /** What it means and what to do first. */
  readonly summary: string;
}

export interface Advice {
  readonly why: string;
  /** Empty where no value is bad by itself. */
  readonly alerts: readonly Alert[];
}

const page = (name: string, forMinutes: number, expr: string, summary: string): Alert => ({
  name,
  expr,
  forMinutes,
  severity: 'page',
  summary,
});

const ticket = (name: string, forMinutes: number, expr: string, summary: string): Alert => ({
  ...page(name, forMinutes, expr, summary),
  severity: 'ticket',
});

/** Quantile `q` of a histogram over ten minutes. */
const quantile = (q: number, name: string): string =>
  `histogram_quantile(${q}, sum by (le) (rate(${name}_bucket[10m])))`;

const jobAdvice: Readonly<Record<string, Advice>> = {
  berth_jobs_submitted_total: {
    why: 'How much work comes, and how much of it is turned away.',
    alerts: [
      ticket(
        'BerthTurnsJobsAway',
        10,
        'sum(rate(berth_jobs_submitted_total{result="refused"}[10m])) / sum(rate(berth_jobs_submitted_total[10m])) > 0.1',
        'more than a tenth of all jobs is refused at the door; berth_intake_refused_total says with which codes',
      ),
    ],
  },
  berth_intake_refused_total: {
    why: 'Why the door says no. Full queue: too little capacity. Bad signatures: a key that was not rolled over, or a stranger.',
    alerts: [
      ticket(
        'BerthQueueIsFull',
        10,
        'sum(rate(berth_intake_refused_total{code="ERR_QUEUE_FULL"}[10m])) > 0',
        'jobs are refused because the queue is at its bound; add GPUs or runners, or raise --queued-max',
      ),
      ticket(
        'BerthStrangersKnock',
        10,
        'sum(rate(berth_intake_refused_total{code=~"ERR_UNAUTHENTICATED|ERR_SIGNATURE|ERR_FORBIDDEN"}[10m])) > 1',
        'more than one request a second comes with a key that does not hold; find out from where',
      ),
    ],
  },
  berth_jobs_ended_total: {
    why: 'How work ends, and of what it dies. A rise in one cause after a release of a guest is that release.',
    alerts: [
      ticket(
        'BerthJobsFail',
        15,
        'sum(rate(berth_jobs_ended_total{state=~"failed|timedOut|expired|rejected"}[15m])) / sum(rate(berth_jobs_ended_total[15m])) > 0.2',
        'more than a fifth of all jobs ends badly; group by cause, then open one such job in the page',
      ),
    ],
  },
  berth_jobs: {
    why: 'What the controller has in hand now, by state.',
    alerts: [
      page(
        'BerthGuestsDoNotDie',
        5,
        'sum(min_over_time(berth_jobs{state="stopping"}[10m])) > 0',
        'guests were told to stop and are still not gone, longer than any lease and grace; look at the runner processes',
      ),
    ],
  },
  berth_queue_depth: {
    why: 'How much waits, and whose it is. Deep and constant is a busy fleet; deep and growing is too small a fleet.',
    alerts: [
      ticket(
        'BerthQueueNearBound',
        10,
        'sum(berth_queue_depth) > 8000',
        'the queue is at four fifths of the default --queued-max (10,000); beyond it jobs are refused',
      ),
    ],
  },
  berth_pending_jobs: {
    why: 'What the waiting jobs wait for. It tells whether to buy GPUs (NoFreeSlice), runners (NoExecutor) or nothing (AheadInQueue).',
    alerts: [
      ticket(
        'BerthJobsNeverFit',
        10,
        'sum(berth_pending_jobs{reason="NeverFits"}) > 0',
        'jobs wait that no serving GPU can hold; restore the drained or failed GPU, or cancel them',
      ),
      page(
        'BerthStandsStill',
        5,
        '(sum(berth_queue_depth) - (sum(berth_pending_jobs{reason=~"NotBefore|NeverFits"}) or vector(0))) > 0 unless sum(berth_jobs{state=~"reserving|starting|running|stopping|releasing"}) > 0',
        'jobs wait, nothing runs, and it is not a pause before a retry; berth_pending_jobs by reason says why',
      ),
    ],
  },
  berth_queue_wait_seconds: {
    why: 'What tenants feel: the time from queued to a slot.',
    alerts: [
      ticket(
        'BerthWaitsAreLong',
        15,
        `${quantile(0.95, 'berth_queue_wait_seconds')} > 300`,
        'one job in twenty waited longer than five minutes for a slot',
      ),
    ],
  },
  berth_dispatch_seconds: {
    why: 'What the controller itself adds: from a slot to a started guest. It should not depend on load.',
    alerts: [
      ticket(
        'BerthStartsAreSlow',
        10,
        `${quantile(0.95, 'berth_dispatch_seconds')} > 2.5`,
        'guests start seconds after their slot was held: the machine is short of cores or memory for its runners',
      ),
    ],
  },
  berth_run_seconds: {
    why: 'How long guests hold their slots; the ground for --policy, quotas and the size of the fleet.',
    alerts: [],
  },
  berth_attestation_total: {
    why: 'Modules that were let in or not. Rejections in a row are a broken build, or somebody who tries things.',
    alerts: [
      ticket(
        'BerthRejectsModules',
        0,
        'sum(increase(berth_attestation_total{result="rejected"}[15m])) > 10',
        'more than ten jobs in a quarter of an hour asked for what their tenant or their own declaration forbids',
      ),
      ticket(
        'BerthAttestationIsLate',
        0,
        'sum(increase(berth_attestation_total{result="expired"}[15m])) > 0',
        'a verification was not done within --attest-ms: the disk of the blobs is slow, or the machine is overloaded',
      ),
    ],
  },
  berth_lease_expiries_total: {
    why: 'Attempts lost without a word of the guest. A few follow a restart; more mean that runners die or freeze.',
    alerts: [
      ticket(
        'BerthLosesRunners',
        0,
        'sum(increase(berth_lease_expiries_total[15m])) > 3',
        'runners died or fell silent more than three times in a quarter of an hour; look for the OOM killer in dmesg',
      ),
    ],
  },
};

const slotAdvice: Readonly<Record<string, Advice>> = {
  berth_slots: {
    why: 'How full the fleet is, by profile. Utilisation is the average of held over time.',
    alerts: [],
  },
  berth_slot_busy_seconds_total: {
    why: 'What to bill, and by which profile the fleet is used.',
    alerts: [],
  },
  berth_fragmentation_ratio: {
    why: 'Room that is there but can not be used, because what runs lies in the wrong places.',
    alerts: [
      ticket(
        'BerthFleetIsFragmented',
        30,
        'berth_fragmentation_ratio > 0.5 and sum(berth_pending_jobs{reason="Fragmented"}) > 0',
        'half of the largest slots is lost to bad places while jobs wait for them; drain one GPU to gather room',
      ),
    ],
  },
};

const logAdvice: Readonly<Record<string, Advice>> = {
  berth_log_seq: {
    why: 'How far these figures have read. Every counter here equals the number of its facts up to this one.',
    alerts: [],
  },
  berth_log_checkpoint_seq: {
    why: 'How much of the log the next start has to fold.',
    alerts: [
      ticket(
        'BerthTakesNoCheckpoints',
        15,
        'berth_log_seq - berth_log_checkpoint_seq > 200000',
        'four times --checkpoint-facts (50,000 by default) since the last checkpoint: starts get slow; is the disk full?',
      ),
    ],
  },
  berth_log_append_seconds: {
    why: 'The disk: every answer of the controller waits for it.',
    alerts: [
      page(
        'BerthDiskIsSlow',
        10,
        `${quantile(0.99, 'berth_log_append_seconds')} > 0.5`,
        'one fact in a hundred takes half a second to be durable; a disk that does so is about to fail, or is shared',
      ),
    ],
  },
  berth_torn_tail_bytes_total: {
    why: 'What crashes cost. More than 0 after anything but a power cut is a disk that lies about its syncs.',
    alerts: [
      page(
        'BerthCutItsLog',
        0,
        'increase(berth_torn_tail_bytes_total[1h]) > 0',
        'the end of the log was damaged and cut at a start; controller.recovered in the log says where and what',
      ),
    ],
  },
  berth_replay_divergence_total: {
    why: 'Whether the log still follows from itself. Anything but 0 is a fault of the code or of the disk.',
    alerts: [
      page(
        'BerthDiverges',
        0,
        'berth_replay_divergence_total > 0',
        'a decision came out otherwise when it was made again; keep the data directory and run berth log replay',
      ),
    ],
  },
};

const controllerAdvice: Readonly<Record<string, Advice>> = {
  berth_controller_state: {
    why: 'Whether jobs are taken. full and readOnly mend themselves; recovering for minutes is a long log.',
    alerts: [
      page(
        'BerthTakesNoJobs',
        5,
        'berth_controller_state{state="accepting"} == 0',
        'the controller has not taken jobs for five minutes; /readyz names the reason',
      ),
      page(
        'BerthIsGone',
        2,
        'absent(berth_controller_state)',
        'no controller was scraped: it is down, or not reachable',
      ),
    ],
  },
  berth_commands_refused_total: {
    why: 'Commands of the actors that came too late. Stale ones are harmless, others should be rare.',
    alerts: [
      ticket(
        'BerthActorsDisagree',
        10,
        'sum(rate(berth_commands_refused_total{code!~"ERR_STALE_.*|ERR_JOB_ENDED|ERR_QUEUE_FULL"}[10m])) > 10',
        'the writer refuses more than ten commands a second that are not merely late; report it with the log',
      ),
    ],
  },
  berth_build_info: {
    why: 'What runs where: version, policy and placement as labels, to be joined to other metrics.',
    alerts: [
      ticket(
        'BerthVersionsDiffer',
        60,
        'count(count by (version) (berth_build_info)) > 1',
        'controllers of different versions have been scraped for an hour: a roll-out that stopped half-way',
      ),
    ],
  },
};

/** By the metric's name. */
export const advice: Readonly<Record<string, Advice>> = {
  ...jobAdvice,
  ...slotAdvice,
  ...logAdvice,
  ...controllerAdvice,
};
