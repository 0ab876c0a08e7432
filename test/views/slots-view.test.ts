/** The fleet as seen from outside agrees with what the writer would allow, and hides who is not the reader. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { FactRecord } from '../../src/events/record.ts';
import { boards } from '../../src/slots/boards.ts';
import { type Fleet, foldSlotFact, foldSlotMove } from '../../src/slots/fleet.ts';
import { isFree, place } from '../../src/slots/placement.ts';
import { slotsView } from '../../src/views/slots-view.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('slots view');
const seeded = { seed: seed(), numRuns: runs(200) };
const admin = { tenant: 'admin', admin: true };

const fact = (type: string, data: object): FactRecord =>
  ({ type, subject: `slot.gpu0.${type.slice(5)}`, data }) as unknown as FactRecord;

/** One GPU with what first fit makes of these wishes, held by two tenants in turn. */
function fleetWith(board: string, profiles: readonly string[]): Fleet {
  const fleet: Fleet = new Map();
  foldSlotFact(fleet, fact('slot.added', { board, enforcement: 'simulated' }));
  profiles.forEach((profile, i) => {
    const taken = place(fleet, { profile, gpus: 1 });
    const tenant = i % 2 === 0 ? 'acme' : 'globex';
    if (taken) foldSlotMove(fleet, { job: `job${i}`, tenant, fence: i + 1, taken, freed: [] });
  });
  return fleet;
}

t('a start is shown as free exactly when the writer would reserve it', () =>
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(boards)).chain((board) => {
        const names = (boards[board]?.profiles ?? []).map(({ name }) => name);
        return fc.tuple(fc.constant(board), fc.array(fc.constantFrom(...names), { maxLength: 8 }));
      }),
      ([board, wishes]) => {
        const fleet = fleetWith(board, wishes);
        const [gpu] = slotsView(fleet, admin, 1).gpus;
        for (const { name, memorySlices: size } of boards[board]?.profiles ?? []) {
          const shown = gpu?.free.find(({ profile }) => profile === name)?.starts ?? [];
          const legal = [0, 1, 2, 3, 4, 5, 6, 7].filter((start) =>
            isFree(fleet, [{ gpu: 'gpu0', profile: name, size, start }]),
          );
          assert.equal([...shown].sort(), legal, `${board} ${name} after ${wishes.join(' ')}`);
        }
        assert.is(
          gpu?.slicesHeld,
          gpu?.held.reduce((sum, { size }) => sum + size, 0),
        );
      },
    ),
    seeded,
  ),
);

t('a foreign holder is busy, the own one and, for the admin, every one is named', () => {
  const fleet = fleetWith('H100-80GB', ['1g.10gb', '1g.10gb']);
  const holders = (reader: { tenant: string; admin: boolean }) =>
    slotsView(fleet, reader, 7).gpus[0]?.held.map(({ holder }) => holder);
  const mine = { fence: 1, job: 'job0', tenant: 'acme' };
  const theirs = { fence: 2, job: 'job1', tenant: 'globex' };
  assert.equal(holders({ tenant: 'acme', admin: false }), [mine, 'busy']);
  assert.equal(holders({ tenant: 'globex', admin: false }), ['busy', theirs]);
  assert.equal(holders(admin), [mine, theirs]);
});

t('a GPU that drains offers nothing, and still shows what it holds', () => {
  const fleet = fleetWith('H100-80GB', ['3g.40gb']);
  foldSlotFact(fleet, fact('slot.drained', { reason: 'fan' }));
  const [gpu] = slotsView(fleet, admin, 1).gpus;
  assert.equal([gpu?.state, gpu?.free.length, gpu?.held.length], ['draining', 0, 1]);
});

t.run();
