/**
 * The cast: the actors whose folds, with the writer's, make up the state of the controller.
 *
 * Why apart from the life that runs them: a state can be recomputed offline from a log alone, by the same
 * folds with their commands muted; `berth log replay` and recovery do just that, and get the same hash.
 * Test: `test/restart.test.ts`, I10 in `test/properties/`.
 */
import { Attestor, type OnTrouble, type SignReport } from './attestation/attestor.ts';
import type { Clock } from './clock.ts';
import { canonicalJson } from './events/canonical.ts';
import { Executor, type ResultStore } from './executor/executor.ts';
import type { Actor } from './jobs/actor.ts';
import { Concluder } from './jobs/concluder.ts';
import type { Job, State } from './jobs/state.ts';
import { Timekeeper } from './jobs/timekeeper.ts';
import { Scheduler } from './scheduler/scheduler.ts';
import { SlotManager } from './slots/slot-manager.ts';

/** Texts of jobs, which are replaced with each fact and never changed. */
const jobTexts = new WeakMap<object, string>();

/** All folds of host and actors as canonical text; its hash is the state hash. */
export function stateText(state: State, actors: readonly Actor[]): string {
  const folds = Object.fromEntries(actors.map((actor) => [actor.name, actor.snapshot()]));
  for (const job of state.jobs.values()) if (!jobTexts.has(job)) jobTexts.set(job, jobText(job));
  return canonicalJson({ actors: folds, host: state }, (value) => jobTexts.get(value) ?? null);
}

/** A job as canonical text: it is built in sorted order (`newJob`), and so are facts, so the engine's own writing is that. */
export const jobText = (job: Job): string => JSON.stringify(job);

/** The actors whose folds make up the state, in the order in which a job meets them. */
export interface Cast {
  readonly attestor: Attestor;
  readonly concluder: Concluder;
  readonly scheduler: Scheduler;
  readonly slotManager: SlotManager;
  readonly executor: Executor;
  readonly timekeeper: Timekeeper;
  readonly all: readonly Actor[];
}

/** Makes the actors around one state. Also used offline, with commands muted, to recompute a state hash. */
export function castAround(
  state: State,
  parts: {
    blobs: ResultStore;
    sign: SignReport;
    clock: Clock;
    killWaitMs: number;
    wake: () => void;
    onTrouble?: OnTrouble;
  },
): Cast {
  const { clock, wake } = parts;
  const attestor = new Attestor(parts);
  const concluder = new Concluder();
  const scheduler = new Scheduler();
  const slotManager = new SlotManager();
  const executor = new Executor({ ...parts, head: state });
  const timekeeper = new Timekeeper({ clock, wake });
  const all = [attestor, concluder, scheduler, slotManager, executor, timekeeper];
  return { attestor, concluder, scheduler, slotManager, executor, timekeeper, all };
}

/** A cast that only remembers, for folds without effects: an offline replay, the page's player. */
export const castMuted = (state: State): Cast => castAround(state, muted);

const never = (): Promise<never> => Promise.reject(new Error('these actors have no effects'));

/** Ports that are never used, because these actors are never started. */
const muted = {
  blobs: { read: never, verify: never, putBytes: never },
  sign: never,
  clock: { wallMs: () => 0, monotonicMs: () => 0, after: () => () => undefined },
  killWaitMs: 0,
  wake: (): void => undefined,
};
