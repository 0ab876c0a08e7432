/**
 * Kills a controller again and again while clients work with it, then asks the disk who kept their word.
 *
 * Why at random moments, starts and stops included: a crash between two lines that nobody thought of is the one that
 * is not tested. So one kill in three strikes a controller at work, one the recovery from the kill before, one an
 * orderly stop. Checkpoints are taken all the time, so that kills hit those, too.
 */
import * as assert from 'uvu/assert';
import { Caller, eventually, pause, runnersOf, ServerProcess } from '../server-process.ts';
import { seed } from '../suite.ts';
import { bundledServer } from './bundle.ts';
import type { Judged } from './history.ts';
import { mixedSpecs, Promises, randomFrom, submitUntil } from './load.ts';
import { judgeTold } from './told.ts';

const clients = 4;
/** A line for so many rounds. */
const tellEvery = 25;
const flags = [
  ...['--fleet', '1xH100-80GB', '--runners', '2', '--losses-max', '100', '--log-level', 'warn'],
  ...['--checkpoint-facts', '60'],
  // A write that a kill stops halfway leaves a torn tail, which keeps the door shut until an operator says otherwise.
  '--accept-torn-tail',
];

/** What was struck, by the kind of moment. */
interface Struck {
  /** At work. */
  work: number;
  /** Before it listened: in the recovery from the kill before. */
  recovery: number;
  /** After SIGTERM, before the end. */
  stop: number;
  /** Stops that were quicker than the kill. */
  clean: number;
}

export interface Killed extends Judged {
  readonly struck: Struck;
  readonly accepted: number;
  readonly shown: number;
  readonly repeated: number;
  readonly cancelled: number;
}

/** `kills` kills; then all accepted jobs must end, once each. */
export async function killAtRandom(kills: number, stream = 0): Promise<Killed> {
  const random = randomFrom(seed() + stream);
  const server = await ServerProcess.begin({ flags, program: await bundledServer() });
  const callers = Array.from({ length: clients }, () => new Caller(server));
  const [first] = callers as [Caller, ...Caller[]];
  const promises = new Promises();
  const struck: Struck = { work: 0, recovery: 0, stop: 0, clean: 0 };
  let over = false;
  try {
    const specs = await mixedSpecs(first);
    const load = callers.map((caller) =>
      submitUntil(() => over, caller, promises, { specs, random, restMs: 30 }),
    );
    for (let tries = 0; struck.work + struck.recovery + struck.stop < kills; tries += 1) {
      assert.ok(
        tries < 2 * kills + 10,
        `too many stops were quicker than the kill: ${JSON.stringify(struck)}`,
      );
      await killOnce(server, random, struck);
      assert.equal(await noneLeft(server.data), []);
      if (tries % tellEvery === tellEvery - 1) console.log(`${tries + 1} rounds: ${JSON.stringify(struck)}`);
    }
    await server.start();
    over = true;
    await Promise.all(load);
    await eventually('all jobs have ended', () => allEnded(first), 120_000);
    assert.is((await server.end()).code, 0, server.stderr);
    const judged = await judgeTold(server.data, promises);
    const { accepted, cancelled, ended, repeated } = promises;
    return {
      ...judged,
      struck,
      accepted: accepted.size,
      shown: ended.size,
      repeated,
      cancelled: cancelled.size,
    };
  } finally {
    over = true;
    for (const caller of callers) caller.close();
    await server.remove();
  }
}

/** How long the last start took, ms: kills of a recovery are spread over about that time. */
let startMs = 1_500;

async function killOnce(server: ServerProcess, random: () => number, struck: Struck): Promise<void> {
  const kind = random();
  if (kind < 0.34) {
    if (server.isRunning) {
      await assertKilled(server);
      struck.work += 1;
    }
    server.launch();
    // What comes before the first file is opened is the same for all: half of the time is not worth a kill.
    await pause(startMs * (0.4 + random() * 0.7));
    const isEarly = server.url === '' && !/^listening on /m.test(server.stdout);
    await assertKilled(server);
    struck[isEarly ? 'recovery' : 'work'] += 1;
    return;
  }
  if (!server.isRunning) {
    const fromMs = performance.now();
    await server.start();
    startMs = performance.now() - fromMs;
  }
  await pause(random() * 300);
  if (kind < 0.67) {
    await assertKilled(server);
    struck.work += 1;
    return;
  }
  server.signal('SIGTERM');
  await pause(random() * 250);
  const { code, signal } = await server.end('SIGKILL');
  assert.ok(signal === 'SIGKILL' || code === 0, `the stop ended with ${code ?? signal}:\n${server.stderr}`);
  struck[signal === 'SIGKILL' ? 'stop' : 'clean'] += 1;
}

async function assertKilled(server: ServerProcess): Promise<void> {
  const { signal } = await server.end('SIGKILL');
  assert.is(signal, 'SIGKILL', `the controller ended by itself:\n${server.stderr}`);
}

async function noneLeft(data: string): Promise<number[]> {
  await eventually('no runner is left', () => runnersOf(data).length === 0, 1_000).catch(() => undefined);
  return runnersOf(data);
}

const waitingStates = [
  'attesting',
  'queued',
  'reserving',
  'starting',
  'running',
  'stopping',
  'releasing',
  'backoff',
];

async function allEnded(caller: Caller): Promise<boolean> {
  for (const state of waitingStates) {
    const { json } = await caller.ask('GET', `/v1/jobs?state=${state}&limit=1`);
    if ((json as { jobs: unknown[] }).jobs.length > 0) return false;
  }
  return true;
}

/** Fails unless the run saw what it is about; tells what it saw. */
export function assertSaw(killed: Killed, kills: number): void {
  console.log(`${kills} kills: ${JSON.stringify(killed)}`);
  const { struck } = killed;
  assert.ok(killed.accepted >= kills, `only ${killed.accepted} jobs were accepted`);
  assert.ok(killed.recoveries >= kills / 3, `only ${killed.recoveries} recoveries`);
  // A handful of kills may all strike before a guest runs or a client looks; many can't.
  if (kills < 30) return;
  assert.ok(killed.shown > 0, 'no client was shown an end');
  assert.ok(killed.lost > 0, 'no attempt was lost, so no kill hit a running guest');
  for (const [moment, count] of Object.entries(struck))
    if (moment !== 'clean') assert.ok(count >= kills / 10, `only ${count} kills struck at ${moment}`);
}
