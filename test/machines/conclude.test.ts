/** The verdict after an attempt: each line, each mixture of reason and end, and the counting of attempts. */
import * as assert from 'uvu/assert';
import { conclude, retryable } from '../../machines/conclude.ts';
import type { JobContext, StopReason } from '../../machines/job.ts';
import { facts } from '../../src/events/facts.ts';
import { suite } from '../suite.ts';
import { attemptsMax, concludeLines, lossesMax, precedence, ways } from './conclude-lines.ts';
import { cellsOf } from './grid.ts';
import { spec } from './samples.ts';
import { concluding } from './situations.ts';

const t = suite('conclude');

for (const each of concludeLines) {
  t(`${each.line}: ${each.verdict}`, () => {
    for (const slotHeld of [true, false]) {
      const verdict = conclude(concluding(each, slotHeld));
      assert.is(verdict.fact, `job.${each.verdict}`);
      const said: Readonly<Record<string, unknown>> =
        'cause' in verdict ? { ...verdict.cause } : { ...verdict };
      for (const [member, value] of Object.entries(each.says)) assert.equal(said[member], value, member);
    }
  });
}

t('every reason with every way to go has one verdict, the first line that holds', () => {
  let asked = 0;
  for (const { row, column, value } of cellsOf(precedence)) {
    if (value === '?') continue;
    for (const losses of [lossesMax, lossesMax + 1]) {
      for (const failures of [attemptsMax - 1, attemptsMax]) {
        const reason = row === 'none' ? null : (row as StopReason);
        const job = concluding(
          { ...concludeLines[0]!, reason, gone: ways[column]!, losses, failures },
          false,
        );
        const loss = losses <= lossesMax ? 'queued' : 'failed';
        const failure = failures < attemptsMax ? 'retryScheduled' : 'failed';
        const wanted = value === 'loss' ? loss : value === 'failure' ? failure : value;
        assert.is(
          conclude(job).fact,
          `job.${wanted}`,
          `${row}, ${column}, ${losses} lost, ${failures} failed`,
        );
        asked += 1;
      }
    }
  }
  assert.is(asked, (5 * 5 - 1) * 4);
});

t('only verdicts that lead to another attempt can still be cancelled', () => {
  for (const { verdict } of concludeLines) {
    assert.is(retryable(`job.${verdict}`), verdict === 'queued' || verdict === 'retryScheduled', verdict);
  }
});

t('every cause that a verdict gives fits the schema of its fact', () => {
  for (const each of concludeLines) {
    const verdict = conclude(concluding(each, false));
    if ('cause' in verdict)
      assert.ok(facts['job.failed'].safeParse({ cause: verdict.cause }).success, each.line);
  }
});

t('back-off doubles with each failure and stops at ten minutes', () => {
  const waits = Array.from({ length: 19 }, (_, i) => {
    const crash = concludeLines.find(({ line }) => line === 'first crash')!;
    const patient = { ...spec, attempts: { backoffMs: 1_000, max: 20 } };
    const job: JobContext = { ...concluding({ ...crash, failures: i + 1 }, false), spec: patient };
    const verdict = conclude(job);
    return verdict.fact === 'job.retryScheduled' ? verdict.backoffMs : verdict.fact;
  });
  assert.equal(waits.slice(0, 4), [1_000, 2_000, 4_000, 8_000]);
  assert.ok(waits.every((ms) => typeof ms === 'number' && ms <= 3_600_000));
  assert.is(waits.at(-1), 3_600_000);
});

t.run();
