/**
 * Logs to be replayed: random scripts played by a whole controller, with crashes; and the tools of somebody who changes a
 * log afterwards and makes its hashes right again.
 */
import * as fc from 'fast-check';
import { type FactRecord, genesis, sealRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { type Divergence, Replayer } from '../../src/log/replay.ts';
import { World, type WorldOptions } from '../properties/world.ts';

type Step = readonly [what: number, which: number];

const tenants = ['acme', 'globex'];
const outcomes = [
  { how: 'exited', exitCode: 0, stdout: new Uint8Array(3) },
  { how: 'exited', exitCode: 7, stdout: new Uint8Array(0) },
  { how: 'crashed', code: 'ERR_GUEST_TRAP', message: 'unreachable' },
  { how: 'lost', message: 'the runner is gone' },
] as const;

/** What may happen, as often as it stands here. */
const moves: readonly ((world: World, n: number, slots: readonly string[]) => unknown)[] = [
  ...Array<typeof submitOne>(6).fill(submitOne),
  ...Array<(world: World) => unknown>(5).fill((world) => world.settle()),
  ...Array<(world: World) => unknown>(4).fill((world) => world.runDeferred()),
  ...Array<(world: World) => unknown>(4).fill((world) => world.log.flush()),
  ...Array<(world: World, n: number) => unknown>(2).fill((world, n) => world.clock.advance(1 + (n % 400))),
  ...Array<(world: World, n: number) => unknown>(4).fill((world, n) => live(world, n)?.start()),
  ...Array<(world: World, n: number) => unknown>(4).fill((world, n) =>
    live(world, n)?.finish(outcomes[(n >> 4) % outcomes.length]!),
  ),
  (world, n) => {
    const id = job(world, n)?.context.id;
    if (id) world.send({ kind: 'CancelJob', id, tenant: null, by: 'test' });
  },
  (world, n) => {
    const found = job(world, n)?.context;
    if (found) world.send({ kind: 'EvictJob', id: found.id, visit: found.visit, reason: 'drain' });
  },
  (world, n) => {
    const type = n % 2 === 0 ? 'slot.drained' : 'slot.restored';
    world.send({ kind: 'Note', type, stream: `slot.gpu-${(n >> 1) % 2}`, data: { reason: 'test' } });
  },
  (world, n) => world.crashAndBegin((n % 101) / 100),
];

function submitOne(world: World, n: number, slots: readonly string[]): void {
  const slot = slots[(n >> 1) % slots.length] as string;
  const key = n % 7 === 0 ? `key ${n % 3}` : null;
  world.submit(tenants[n % 2] as string, { slot, attempts: 1 + (n % 3), gpus: n % 11 === 0 ? 2 : 1, key });
}

const live = (world: World, n: number) => world.backend.live[n % Math.max(1, world.backend.live.length)];

function job(world: World, n: number) {
  const jobs = [...(world.controller?.state.jobs.values() ?? [])];
  return jobs[n % Math.max(1, jobs.length)];
}

export const anyScript: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.tuple(fc.nat({ max: moves.length - 1 }), fc.nat({ max: 10_000 })),
  { minLength: 20, maxLength: 120, size: 'max' },
);

/** Fleets with the profiles that are asked of them; on the last, one name means two sizes. */
export const fleets = [
  { fleet: '1xA30-24GB', slots: ['1g.6gb', '2g.12gb', '4g.24gb', '3g.40gb'] },
  { fleet: '2xH100-80GB', slots: ['1g.10gb', '2g.20gb', '3g.40gb', '7g.80gb'] },
  { fleet: '1xA100-40GB,1xA100-80GB', slots: ['1g.10gb', '2g.10gb', '1g.5gb', '2g.20gb'] },
] as const;

export const anyWorld = fc
  .record({ fleet: fc.constantFrom(...fleets), policy: fc.constantFrom('fifo', 'round-robin') })
  .map(({ fleet: { fleet, slots }, policy }) => ({ options: { fleet, policy }, slots }));

/** Plays a script to the end of all its jobs. */
export async function played(
  script: readonly Step[],
  { options, slots }: { readonly options: WorldOptions; readonly slots: readonly string[] },
): Promise<readonly FactRecord[]> {
  const world = new World(options);
  await world.begin();
  for (const [what, which] of script) {
    await moves[what]?.(world, which, slots);
    if (world.crashed) await world.crashAndBegin(1);
  }
  for (const gpu of world.controller?.state.fleet.keys() ?? [])
    world.send({ kind: 'Note', type: 'slot.restored', stream: `slot.${gpu}`, data: { reason: 'test' } });
  await world.runToTheEnd();
  return world.disk.records;
}

/** The first record that does not follow, and how much was looked at. */
export function replayed(records: readonly FactRecord[]): {
  readonly divergence: Divergence | null;
  readonly decisions: number;
  readonly inputs: number;
} {
  const replayer = new Replayer();
  for (const record of records) {
    const { divergence } = replayer.feed(record);
    if (divergence) return { divergence, ...replayer.counts };
  }
  return { divergence: null, ...replayer.counts };
}

/** The log with one record changed, and every hash and link behind it made right again. */
export function forged(
  records: readonly FactRecord[],
  seq: number,
  change: (record: FactRecord) => FactRecord,
): FactRecord[] {
  let prev = genesis;
  return records.map((record) => {
    const open = { ...(record.seq === seq ? change(record) : record), prev };
    const { hash } = sealRecord(open, nodeSha256);
    prev = hash;
    return { ...open, hash };
  });
}
