/**
 * What the job machine must equal: every state, every fact, every outcome of a guard. Written by hand.
 *
 * Why by hand: a table derived from the machine would agree with whatever the machine says. This one was written from
 * the rules first, so a transition that someone removes, adds or bends differs from it, and `job-table.test.ts` fails.
 *
 * How to read it: a column is a situation (`state:guard outcome`), a row is a fact (`fact{kind}` where its data
 * matters), a cell the next state. `-` is refused with ERR_NOT_IN_STATE, `ended` with ERR_JOB_ENDED.
 */

/** All states, in the order in which a job passes them. */
export const states =
  'new attesting queued reserving starting running stopping releasing backoff succeeded failed timedOut expired cancelled rejected'.split(
    ' ',
  );

/** The states in which a job holds its slot (in `releasing` until `released`). */
export const holdingStates = ['starting', 'running', 'stopping', 'releasing'];

/** The ends, never left. */
export const endStates = ['succeeded', 'failed', 'timedOut', 'expired', 'cancelled', 'rejected'];

/** Waiting for a report, a slot or the next attempt; nothing is held. A second report is refused once one affirms. */
export const withoutSlot = `
fact             new        attesting:noReport  attesting:affirmed  queued     reserving  backoff
submitted        attesting  -                   -                   -          -          -
attested         -          attesting           -                   -          -          -
rejected         -          rejected            rejected            -          -          -
queued           -          -                   queued              -          -          queued
selected         -          -                   -                   reserving  -          -
unplaced         -          -                   -                   -          queued     -
reserved         -          -                   -                   -          starting   -
started          -          -                   -                   -          -          -
exited{0}        -          -                   -                   -          -          -
exited{3}        -          -                   -                   -          -          -
crashed          -          -                   -                   -          -          -
stopped          -          -                   -                   -          -          -
lost             -          -                   -                   -          -          -
overdue{start}   -          -                   -                   -          -          -
overdue{run}     -          -                   -                   -          -          -
cancelRequested  -          -                   -                   -          -          -
evicted          -          -                   -                   -          -          -
released         -          -                   -                   -          -          -
retryScheduled   -          -                   -                   -          -          -
succeeded        -          -                   -                   -          -          -
failed           -          -                   -                   -          -          -
timedOut         -          -                   -                   -          -          -
expired          -          expired             expired             expired    expired    -
cancelled        -          cancelled           cancelled           cancelled  cancelled  cancelled
`;

/** Holding a slot, the guest not known to be gone. Whichever report comes first wins. */
export const withGuest = `
fact             starting   running    stopping:late  stopping:deadline  stopping:evict  stopping:cancel
submitted        -          -          -              -                  -               -
attested         -          -          -              -                  -               -
rejected         -          -          -              -                  -               -
queued           -          -          -              -                  -               -
selected         -          -          -              -                  -               -
unplaced         -          -          -              -                  -               -
reserved         -          -          -              -                  -               -
started          running    -          -              -                  -               -
exited{0}        -          releasing  -              -                  -               -
exited{3}        -          releasing  -              -                  -               -
crashed          releasing  releasing  -              -                  -               -
stopped          -          -          releasing      releasing          releasing       releasing
lost             releasing  releasing  releasing      releasing          releasing       releasing
overdue{start}   stopping   -          -              -                  -               -
overdue{run}     -          stopping   -              -                  -               -
cancelRequested  stopping   stopping   stopping       stopping           stopping        -
evicted          stopping   stopping   -              -                  -               -
released         -          -          -              -                  -               -
retryScheduled   -          -          -              -                  -               -
succeeded        -          -          -              -                  -               -
failed           -          -          -              -                  -               -
timedOut         -          -          -              -                  -               -
expired          -          -          -              -                  -               -
cancelled        -          -          -              -                  -               -
`;

/** The guest is gone, the slot still held. Columns by the verdict to come; only the slot and a late cancel move. */
export const slotHeld = `
fact             succeeded  failed     timedOut   cancelled  queued     retryScheduled
submitted        -          -          -          -          -          -
attested         -          -          -          -          -          -
rejected         -          -          -          -          -          -
queued           -          -          -          -          -          -
selected         -          -          -          -          -          -
unplaced         -          -          -          -          -          -
reserved         -          -          -          -          -          -
started          -          -          -          -          -          -
exited{0}        -          -          -          -          -          -
exited{3}        -          -          -          -          -          -
crashed          -          -          -          -          -          -
stopped          -          -          -          -          -          -
lost             -          -          -          -          -          -
overdue{start}   -          -          -          -          -          -
overdue{run}     -          -          -          -          -          -
cancelRequested  -          -          -          -          releasing  releasing
evicted          -          -          -          -          -          -
released         releasing  releasing  releasing  releasing  releasing  releasing
retryScheduled   -          -          -          -          -          -
succeeded        -          -          -          -          -          -
failed           -          -          -          -          -          -
timedOut         -          -          -          -          -          -
expired          -          -          -          -          -          -
cancelled        -          -          -          -          -          -
`;

/** The slot is free: the verdict, and nothing but the verdict; or a cancel that still prevents another attempt. */
export const slotNone = `
fact             succeeded  failed     timedOut   cancelled  queued     retryScheduled
submitted        -          -          -          -          -          -
attested         -          -          -          -          -          -
rejected         -          -          -          -          -          -
queued           -          -          -          -          queued     -
selected         -          -          -          -          -          -
unplaced         -          -          -          -          -          -
reserved         -          -          -          -          -          -
started          -          -          -          -          -          -
exited{0}        -          -          -          -          -          -
exited{3}        -          -          -          -          -          -
crashed          -          -          -          -          -          -
stopped          -          -          -          -          -          -
lost             -          -          -          -          -          -
overdue{start}   -          -          -          -          -          -
overdue{run}     -          -          -          -          -          -
cancelRequested  -          -          -          -          releasing  releasing
evicted          -          -          -          -          -          -
released         -          -          -          -          -          -
retryScheduled   -          -          -          -          -          backoff
succeeded        succeeded  -          -          -          -          -
failed           -          failed     -          -          -          -
timedOut         -          -          timedOut   -          -          -
expired          -          -          -          -          -          -
cancelled        -          -          -          cancelled  -          -
`;

/** An end is never left. */
export const ended = `
fact             succeeded  failed     timedOut   expired    cancelled  rejected
submitted        ended      ended      ended      ended      ended      ended
attested         ended      ended      ended      ended      ended      ended
rejected         ended      ended      ended      ended      ended      ended
queued           ended      ended      ended      ended      ended      ended
selected         ended      ended      ended      ended      ended      ended
unplaced         ended      ended      ended      ended      ended      ended
reserved         ended      ended      ended      ended      ended      ended
started          ended      ended      ended      ended      ended      ended
exited{0}        ended      ended      ended      ended      ended      ended
exited{3}        ended      ended      ended      ended      ended      ended
crashed          ended      ended      ended      ended      ended      ended
stopped          ended      ended      ended      ended      ended      ended
lost             ended      ended      ended      ended      ended      ended
overdue{start}   ended      ended      ended      ended      ended      ended
overdue{run}     ended      ended      ended      ended      ended      ended
cancelRequested  ended      ended      ended      ended      ended      ended
evicted          ended      ended      ended      ended      ended      ended
released         ended      ended      ended      ended      ended      ended
retryScheduled   ended      ended      ended      ended      ended      ended
succeeded        ended      ended      ended      ended      ended      ended
failed           ended      ended      ended      ended      ended      ended
timedOut         ended      ended      ended      ended      ended      ended
expired          ended      ended      ended      ended      ended      ended
cancelled        ended      ended      ended      ended      ended      ended
`;

/** What a fact changes in what is remembered. All that is not named must stay as it was. */
export type Effect = Readonly<Record<string, unknown>>;

// Words: `seq`, `at` and `data.x` are the fact's; `+1` counts; `starts` is a deadline of `data.deadlineMs` set by this
// fact; null clears. Everything else is the value itself.
const watched = { visit: 'seq', deadline: 'starts' };
const unwatched = { visit: 'seq', deadline: null };
const ends = { ...unwatched, 'times.endedAtMs': 'at' };
const endsForCause = { ...ends, cause: 'data.cause' };
const joinsQueue = { ...watched, waitSince: 'seq', reason: null, gone: null, 'times.queuedAtMs': 'at' };
const crashes = {
  ...unwatched,
  failures: '+1',
  gone: { how: 'crashed', code: 'data.code', message: 'data.message' },
};
const isLost = { ...unwatched, gone: { how: 'lost', message: 'data.message' } };

/** By state and fact: the effect of each transition that the grids above allow. */
export const effects: Readonly<Record<string, Effect>> = {
  'new submitted': {
    ...watched,
    spec: 'data.spec',
    lossesMax: 'data.lossesMax',
    'times.submittedAtMs': 'at',
  },
  // Facts that stay in the state change neither visit nor deadline.
  'attesting attested': { affirmed: 'data.affirms' },
  'attesting queued': joinsQueue,
  'attesting rejected': endsForCause,
  'attesting expired': endsForCause,
  'attesting cancelled': endsForCause,
  // Neither stops nor restarts the wait: deadline and place in the queue are kept.
  'queued selected': { visit: 'seq' },
  'queued expired': endsForCause,
  'queued cancelled': endsForCause,
  'reserving unplaced': { visit: 'seq' },
  'reserving reserved': {
    ...watched,
    fence: 'seq',
    attempt: '+1',
    slots: 'data.slots',
    reason: null,
    gone: null,
  },
  'reserving expired': endsForCause,
  'reserving cancelled': endsForCause,
  'starting started': { ...watched, 'times.startedAtMs': 'at' },
  'starting crashed': crashes,
  'starting lost': { ...isLost, losses: '+1' },
  'starting overdue{start}': { ...watched, reason: 'late', losses: '+1' },
  'starting cancelRequested': { ...watched, reason: 'cancel' },
  'starting evicted': { ...watched, reason: 'evict' },
  'running exited{0}': { ...unwatched, gone: { how: 'exited', exitCode: 0, result: 'data.result' } },
  'running exited{3}': {
    ...unwatched,
    failures: '+1',
    gone: { how: 'exited', exitCode: 3, result: 'data.result' },
  },
  'running crashed': crashes,
  'running lost': { ...isLost, losses: '+1' },
  'running overdue{run}': { ...watched, reason: 'deadline' },
  'running cancelRequested': { ...watched, reason: 'cancel' },
  'running evicted': { ...watched, reason: 'evict' },
  // The reason for stopping has counted, or costs nothing: the way in which the guest went counts no more.
  'stopping stopped': { ...unwatched, gone: { how: 'stopped' } },
  'stopping lost': isLost,
  'stopping cancelRequested': { reason: 'cancel' },
  'releasing released': { slots: null },
  'releasing cancelRequested': { reason: 'cancel' },
  'releasing succeeded': ends,
  'releasing failed': endsForCause,
  'releasing timedOut': endsForCause,
  'releasing cancelled': endsForCause,
  'releasing queued': joinsQueue,
  'releasing retryScheduled': watched,
  'backoff queued': joinsQueue,
  'backoff cancelled': endsForCause,
};
