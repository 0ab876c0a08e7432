/**
 * What is said of states and transitions, in one place for all pictures: who waits for whom, who writes which fact, and what
 * follows from it. The README's atlas, `berth machine show` and the page take their words from here.
 *
 * Why beside the machines and not in them: a machine is a rule, and a rule does not change when a sentence is mended.
 * A transition or a state without words is an error. Test: `test/machines/words.test.ts`.
 */

/** The four machines, in the order of the README. */
export const machineNames = ['job', 'run', 'slot', 'controller'] as const;
export type MachineName = (typeof machineNames)[number];

/** Of what each machine is, in a few words. */
export const subjects: Readonly<Record<MachineName, string>> = {
  job: 'a job, from its request to one of six ends',
  run: 'one attempt, from the reserved slot to the guest that is certainly gone',
  slot: 'one GPU: may it take slots, and does it still hold some',
  controller: 'the door: what is answered to a new job',
};

/** What is said of one transition. */
export interface Words {
  /** The actor whose command becomes the fact. */
  readonly by: string;
  /** What is seen then: of a job by its user, elsewhere by the operator. */
  readonly sees: string;
}

/** What is said of one state. */
export interface StateWords {
  /** What it waits for, or what it means. */
  readonly waits: string;
  /** The limit that ends the wait, and what then happens; null where nothing watches. */
  readonly watchdog: string | null;
}

const words = (by: string, sees: string): Words => ({ by, sees });
const state = (waits: string, watchdog: string | null = null): StateWords => ({ waits, watchdog });

/** The nine facts of a job that goes well, by the state in which they come, and who writes them. */
const goodWay: Readonly<Record<string, Words>> = {
  'new submitted': words('intake', 'the job is accepted: 202, and from now on it ends in one of six ways'),
  'attesting attested': words('attestor', 'the signed report says what was verified'),
  'attesting queued': words('jobs', '`queued`: it has a place in the queue'),
  'queued selected': words('scheduler', '`reserving`: it is next among what fits'),
  'reserving reserved': words('slots', '`starting`: a slot is held, the attempt has its fence'),
  'starting started': words('executor', '`running`: the guest was entered'),
  'running exited': words('executor', '`releasing`; the result is stored'),
  'releasing released': words('slots', 'the slot is free again'),
  'releasing succeeded': words('jobs', '`succeeded`, with the result'),
};

const cancelled = words('jobs, on a cancel', '`cancelled` at once, ERR_CANCELLED; no slot was held');
const queueExpired = words('timekeeper, after `queueMs`', '`expired`, ERR_QUEUE_TIMEOUT');
const cancelAsked = words('jobs, on a cancel', '`stopping`; the guest is killed, then `cancelled`');
const evicted = words('jobs, on a shutdown or a drain', '`stopping`, then `queued` again; costs no attempt');
const crashed = words('executor', '`releasing`; then a retry, or `failed` with the code of the crash');
const lost = words(
  'executor, when the guest is known to be dead',
  '`releasing`; then `queued` again, or `failed` with ERR_RUNNER_LOST',
);

/** Each transition of a job off the good way, by state and fact. */
const offWay: Readonly<Record<string, Words>> = {
  'attesting rejected': words('attestor', '`rejected`, with the code of what it found'),
  'attesting expired': words('timekeeper, after `attestMs`', '`expired`, ERR_ATTEST_TIMEOUT'),
  'attesting cancelled': cancelled,
  'queued expired': queueExpired,
  'queued cancelled': cancelled,
  'reserving unplaced': words('slots', '`queued` again, at the same place; the wait goes on'),
  'reserving expired': queueExpired,
  'reserving cancelled': cancelled,
  'starting crashed': crashed,
  'starting lost': lost,
  'starting overdue': words(
    'timekeeper, after `startMs`',
    '`stopping`, then `queued` again, or `failed` with ERR_RUNNER_LOST',
  ),
  'starting cancelRequested': cancelAsked,
  'starting evicted': evicted,
  'running crashed': crashed,
  'running lost': lost,
  'running overdue': words('timekeeper, after `wallMs`', '`stopping`, then `timedOut`, ERR_RUN_TIMEOUT'),
  'running cancelRequested': cancelAsked,
  'running evicted': evicted,
  'stopping stopped': words('executor', '`releasing`; the reason for stopping decides what follows'),
  'stopping lost': words(
    'executor, when its runner had to be killed',
    '`releasing`; the reason for stopping decides what follows',
  ),
  'stopping cancelRequested': words('jobs, on a cancel', 'the stop goes on and now ends as `cancelled`'),
  'releasing cancelRequested': words(
    'jobs, on a cancel',
    'no further attempt: `cancelled` when the slot is free',
  ),
  'releasing failed': words('jobs', '`failed`, with the code of the last attempt'),
  'releasing timedOut': words('jobs', '`timedOut`, ERR_RUN_TIMEOUT'),
  'releasing cancelled': words('jobs', '`cancelled`, ERR_CANCELLED'),
  'releasing queued': words('jobs', '`queued` again, a new wait of `queueMs`'),
  'releasing retryScheduled': words('jobs', '`backoff`: the next attempt after a wait that doubles'),
  'backoff queued': words('jobs, when the wait is over', '`queued` again, a new wait of `queueMs`'),
  'backoff cancelled': cancelled,
};

const runKill = 'the executor kills the guest';
const runGone = 'the guest is gone; the executor forgets it';

/** The other machines, by fact: there a fact says the same in every state. */
const byFact: Readonly<Record<Exclude<MachineName, 'job'>, Readonly<Record<string, Words>>>> = {
  run: {
    reserved: words('slots', 'the executor starts a guest under this fence'),
    started: words('executor', 'the guest was entered'),
    overdue: words('timekeeper', runKill),
    cancelRequested: words('jobs, on a cancel', runKill),
    evicted: words('jobs, on a shutdown or a drain', runKill),
    exited: words('executor', runGone),
    crashed: words('executor', runGone),
    stopped: words('executor', runGone),
    lost: words('executor, when the guest is known to be dead', runGone),
  },
  slot: {
    'slot.added': words('controller, at its start', 'the GPU takes slots'),
    'slot.drained': words('the operator', 'nothing new; `drained` when the last guest is gone'),
    'slot.restored': words('the operator', 'the GPU takes slots again'),
    'job.reserved': words('slots', 'one slot more is held'),
    'job.released': words('slots', 'one slot less is held'),
  },
  controller: {
    'controller.recovered': words('controller, at its start', 'new jobs are accepted'),
    'controller.draining': words('controller, on SIGTERM', 'new jobs get 503; running ones may end'),
    'controller.stopped': words('controller, at its end', 'nobody is answered any more'),
    'queue.full': words('the door, which counts the queue', 'new jobs get 429'),
    'queue.freed': words('the door, which counts the queue', 'new jobs are accepted again'),
    'log.failed': words('the log, when it can not write', 'new jobs get 503; what is known can be read'),
  },
};

const stateTable: Readonly<Record<MachineName, Readonly<Record<string, StateWords>>>> = {
  job: {
    new: state('before its first fact'),
    attesting: state('waits for the attestor: may it run?', 'attestMs, then expired'),
    queued: state('waits for the scheduler: who is next?', 'queueMs, then expired'),
    reserving: state('waits for the slot manager: where?', 'the same queueMs, not restarted'),
    starting: state(
      'waits for the executor to enter the guest',
      'startMs, then stopping; the lease, then lost',
    ),
    running: state('waits for the guest', 'wallMs, then stopping; the lease, then lost'),
    stopping: state('waits for the executor to see the guest die', 'stopMs and a grace, then lost'),
    releasing: state('waits for the slot manager to free the slot, then for the verdict of jobs'),
    backoff: state('waits for the pause before the next attempt', 'its own end: queued again'),
    succeeded: state('an end: the result can be fetched'),
    failed: state('an end: the guest crashed, gave another exit code than 0, or was lost too often'),
    timedOut: state('an end: it ran longer than wallMs'),
    expired: state('an end: it waited longer than attestMs or queueMs'),
    cancelled: state('an end: someone asked for it'),
    rejected: state('an end: what attestation found forbids it to run'),
  },
  run: {
    none: state('waits for a slot'),
    starting: state('waits for the executor to enter the guest', 'startMs'),
    running: state('waits for the guest', 'wallMs'),
    stopping: state('waits for the executor to see the guest die', 'stopMs and a grace, then lost'),
    gone: state('an end: this attempt is over; the next one is a new run'),
  },
  slot: {
    absent: state('not in the fleet'),
    serving: state('takes slots'),
    draining: state('waits for its last guests; takes nothing new'),
    drained: state('holds nothing and takes nothing'),
  },
  controller: {
    recovering: state('waits for the fold of the log; the door is shut, 503'),
    accepting: state('takes jobs'),
    full: state('waits for the queue to shrink; new jobs get 429'),
    readOnly: state('waits for a log that can write; new jobs get 503'),
    draining: state('waits for running jobs; new jobs get 503'),
    stopped: state('waits for the next start'),
  },
};

/** The words of a transition. Throws when there are none: the machine has one that nobody described. */
export function rowWords(machine: MachineName, from: string, fact: string): Words {
  const key = `${from} ${fact}`;
  const found = machine === 'job' ? (goodWay[key] ?? offWay[key]) : byFact[machine][fact];
  if (!found)
    throw new Error(`machines/words.ts: say who writes ${fact} in ${from} of ${machine}, and what is seen`);
  return found;
}

/** The words of a state. Throws when there are none. */
export function stateWords(machine: MachineName, name: string): StateWords {
  const found = stateTable[machine][name];
  if (!found) throw new Error(`machines/words.ts: say what ${name} of ${machine} waits for`);
  return found;
}

/** Is this one of the nine facts of a job that goes well? */
export const isGoodWay = (from: string, fact: string): boolean => Object.hasOwn(goodWay, `${from} ${fact}`);

/** All that this file speaks of, as `machine state fact` and `machine state`, so a test finds words of what is gone. */
export function spokenOf(): { readonly rows: readonly string[]; readonly states: readonly string[] } {
  const others = Object.entries(byFact).flatMap(([machine, facts]) =>
    Object.keys(facts).map((fact) => `${machine} * ${fact}`),
  );
  const job = [...Object.keys(goodWay), ...Object.keys(offWay)].map((key) => `job ${key}`);
  const states = Object.entries(stateTable).flatMap(([machine, of]) =>
    Object.keys(of).map((name) => `${machine} ${name}`),
  );
  return { rows: [...job, ...others], states };
}

const failures: ReadonlySet<string> = new Set([
  ...['rejected', 'expired', 'unplaced', 'crashed', 'lost', 'overdue', 'failed', 'timedOut'],
  'log.failed',
]);

/** How a transition is drawn: along the good way, as a failure, or as one of the rest. */
export type Kind = 'good' | 'failure' | 'other';

/** The good way of an attempt. GPUs and the door have none: they go round. */
const goodRun: ReadonlySet<string> = new Set(['reserved', 'started', 'exited']);

/** What kind of transition this is. */
export function kindOf(machine: MachineName, from: string, fact: string): Kind {
  if (failures.has(fact)) return 'failure';
  const isGood = machine === 'job' ? isGoodWay(from, fact) : machine === 'run' && goodRun.has(fact);
  return isGood ? 'good' : 'other';
}
