/** A page that is closed in the middle of a failure of the Lab: what it changed is known to the next one, and put back. */
import * as assert from 'uvu/assert';
import type { Keeping } from '../../src/dashboard/keys.ts';
import { Run } from '../../src/dashboard/lab-run.ts';
import { labGroups } from '../../src/dashboard/lab-scenarios.ts';
import { crowds, drains, setsTerms } from '../../src/dashboard/lab-steps.ts';
import { noting, putBack, stillOpen, touchWords, UndoList } from '../../src/dashboard/lab-undo.ts';
import { suite } from '../suite.ts';
import { LabPage } from './lab-page.ts';

const t = suite('dashboard: what the Lab puts back');

/** What outlives a reload. */
function storage(): () => Keeping {
  const kept = new Map<string, string>();
  return () => ({
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
  });
}

t(
  'terms, drained GPUs and jobs of a page that is gone are put back by the next one',
  async () => {
    const page = await LabPage.open(['--fleet', '2xH100-80GB', '--runners', '2']);
    const state = () => page.model.moment.state;
    const quota = () => state().tenants.get('acme')?.terms.slicesMax;
    const former = quota();
    const kept = storage();
    const list = new UndoList(kept, () => 'this log');
    const run = new Run(noting(page.port(), list, () => state().tenants.get('acme')?.terms));
    await crowds().act(run);
    await drains().act(run);
    await setsTerms('', () => ({ slicesMax: 3 })).act(run);
    // A second change of the same term does not hide what it was at first.
    await run.port.setTerms({ slicesMax: 2 });
    await page.until(() => quota() === 2 && run.state('holder 1') === 'running');
    // The page is closed here: nothing of `run` is tidied up.
    const next = new UndoList(kept, () => 'this log');
    const open = stillOpen(next.changes, state());
    assert.equal(open.map(({ kind }) => kind).sort(), ['gpu', 'job', 'terms']);
    assert.equal(stillOpen(new UndoList(kept, () => 'another log').changes, state()), []);
    for (const change of open.toReversed()) await putBack(change, page.server);
    await page.until(() => stillOpen(next.changes, state()).length === 0);
    assert.is(quota(), former);
    assert.equal(
      [...state().fleet.values()].map(({ machine }) => machine.state),
      ['serving', 'serving'],
    );
    await page.close();
  },
  { limitMs: 120_000 },
);

t('a page that may keep nothing still knows what it changed itself', () => {
  const list = new UndoList(
    () => {
      throw new Error('SecurityError');
    },
    () => 'log',
  );
  list.note({ kind: 'gpu', gpu: 'gpu-0' });
  assert.equal(list.changes, [{ kind: 'gpu', gpu: 'gpu-0' }]);
});

t('what is touched is told before it is run', () => {
  const all = labGroups.flatMap(({ scenarios }) => scenarios);
  const words = touchWords(all, 'acme');
  for (const part of [/acme/, /terms/, /drained/, /whole GPUs/, /runner is killed/])
    assert.match(words, part);
  const quiet = all.find(({ name }) => name === 'cancel-attesting')!;
  assert.not.match(touchWords([quiet], 'acme'), /drained|terms|whole GPUs/);
});

t.run();
