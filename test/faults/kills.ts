/**
 * Kills a controller again and again while clients work with it, then asks the disk who kept their word.
 *
 * Why at random moments, starts included: a crash between two lines that nobody thought of is the one that is not
 * tested. Every third kill comes before the controller listens, in the middle of its recovery.
 */
import * as assert from 'uvu/assert';
import { Caller, eventually, pause, runnersOf, ServerProcess } from '../server-process.ts';
import { seed } from '../suite.ts';
import { type Judged, judge } from './history.ts';
import { mixedSpecs, Promises, randomFrom, submitUntil } from './load.ts';

const clients = 4;

export interface Killed extends Judged {
  readonly accepted: number;
  readonly early: number;
  readonly repeated: number;
  readonly cancelled: number;
}

/** `kills` times: load, kill -9, start again; then all accepted jobs must end, once each. */
export async function killAtRandom(kills: number, stream = 0): Promise<Killed> {
  const random = randomFrom(seed() + stream);
  const flags = ['--fleet', '1xH100-80GB', '--runners', '2', '--accept-torn-tail', '--losses-max', '100'];
  const server = await ServerProcess.begin({ flags: [...flags, '--log-level', 'warn'] });
  const callers = Array.from({ length: clients }, () => new Caller(server));
  const [first] = callers as [Caller, ...Caller[]];
  const promises = new Promises();
  let over = false;
  try {
    const specs = await mixedSpecs(first);
    const load = callers.map((caller) =>
      submitUntil(() => over, caller, promises, { specs, random, restMs: 30 }),
    );
    let early = 0;
    for (let kill = 0; kill < kills; kill += 1) {
      if (kill % 3 === 2) {
        server.launch();
        await pause(500 + random() * 2_000);
        if (server.url === '') early += 1;
      } else {
        if (!server.isRunning) await server.start();
        await pause(random() * 600);
      }
      const { signal } = await server.end('SIGKILL');
      assert.is(signal, 'SIGKILL', `the controller ended by itself:\n${server.stderr}`);
      assert.equal(await noneLeft(server.data), []);
    }
    await server.start();
    over = true;
    await Promise.all(load);
    await eventually('all jobs have ended', () => allEnded(first), 120_000);
    assert.is((await server.end()).code, 0, server.stderr);
    const judged = await judge(server.data, promises.accepted);
    const { accepted, repeated, cancelled } = promises;
    return { ...judged, accepted: accepted.size, early, repeated, cancelled };
  } finally {
    over = true;
    for (const caller of callers) caller.close();
    await server.remove();
  }
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
  assert.ok(killed.accepted >= kills, `only ${killed.accepted} jobs were accepted`);
  assert.ok(killed.lost > 0, 'no attempt was lost, so no kill hit a running guest');
  assert.ok(killed.recoveries >= kills / 2, `only ${killed.recoveries} recoveries`);
}
