/** What the Lab reads off a fleet: the smallest slot, and how to get in a job's way whatever the fleet is. */
import * as assert from 'uvu/assert';
import { profilesOf, sightOf } from '../../src/dashboard/lab-sight.ts';
import { newState, type State } from '../../src/jobs/state.ts';
import { foldSlotFact } from '../../src/slots/fleet.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard: what the Lab sees of a fleet');

/** A state with these GPUs, and acme. */
function stateOf(boards: readonly string[]): State {
  const state = newState();
  for (const [i, board] of boards.entries())
    slot(state, `gpu${i}`, 'added', { board, enforcement: 'simulated' });
  state.tenants.set('acme', { name: 'acme', terms: defaultTerms, keys: [] });
  return state;
}

function slot(state: State, gpu: string, word: string, data: unknown = { reason: 'test' }): void {
  const fact = { subject: `slot.${gpu}.${word}`, type: `slot.${word}`, data };
  foldSlotFact(state.fleet, fact as Parameters<typeof foldSlotFact>[1]);
}

const repeated = (board: string, n: number): string[] => Array.from({ length: n }, () => board);

t('on one small GPU a job of one whole GPU is in the way of the next', () => {
  const sight = sightOf(stateOf(['A30-24GB']), 'acme');
  assert.is(sight?.small, '1g.6gb');
  assert.is(sight?.whole, '4g.24gb');
  assert.equal([sight?.crowd, sight?.held], [1, 1]);
});

t('while so many GPUs are held, a crowd is never free: on fleets of 1 to 20 GPUs', () => {
  for (let n = 1; n <= 20; n += 1) {
    const sight = sightOf(stateOf(repeated('H100-80GB', n)), 'acme');
    assert.ok(sight);
    assert.ok(sight.crowd <= 8, 'a job asks for at most 8 GPUs');
    assert.ok(n - sight.held < sight.crowd, `${n} GPUs, ${sight.held} held`);
    assert.ok(n - sight.held + 1 >= sight.crowd, 'more is held than needed');
  }
});

t('in a mixed fleet the rarest board is crowded', () => {
  const sight = sightOf(stateOf([...repeated('H100-80GB', 3), 'A30-24GB']), 'acme');
  assert.is(sight?.whole, '4g.24gb');
  assert.equal(sight?.gpus, ['gpu3']);
});

t('a drained GPU does not count; without any, or without the tenant, there is nothing to see', () => {
  const state = stateOf(['H100-80GB', 'H100-80GB']);
  slot(state, 'gpu0', 'drained');
  assert.equal(sightOf(state, 'acme')?.gpus, ['gpu1']);
  assert.is(sightOf(state, 'nobody'), null);
  slot(state, 'gpu1', 'drained');
  assert.is(sightOf(state, 'acme'), null);
});

t('profiles are listed once each, smallest first', () => {
  const names = profilesOf(stateOf(['H100-80GB', 'H100-80GB', 'A30-24GB']));
  assert.is(new Set(names).size, names.length);
  assert.ok(names.indexOf('1g.10gb') < names.indexOf('7g.80gb'));
  assert.ok(names.includes('4g.24gb'));
  assert.equal(profilesOf(newState()), []);
});

t.run();
