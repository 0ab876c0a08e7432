/** Who pays for a runner's death: the guest for what it did to its sandbox, the house for everything else. */
import * as assert from 'uvu/assert';
import { judgeDeath, unseenDeath } from '../../src/executor/death.ts';
import { suite } from '../suite.ts';

const t = suite('executor/death');

const verdicts = [
  [null, 'SIGKILL', '', 'lost'],
  [null, 'SIGTERM', '', 'lost'],
  [null, 'SIGKILL', 'FATAL ERROR: out of memory', 'lost'],
  [null, null, '', 'lost'],
  [
    null,
    'SIGABRT',
    'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
    'ERR_GUEST_MEMORY',
  ],
  [null, 'SIGTRAP', '# Fatal process out of memory: wasm code commit', 'ERR_GUEST_MEMORY'],
  [null, 'SIGABRT', "terminate called after throwing an instance of 'std::bad_alloc'", 'ERR_GUEST_MEMORY'],
  [134, null, 'heap out of memory', 'ERR_GUEST_MEMORY'],
  [null, 'SIGSEGV', '', 'ERR_GUEST_SANDBOX'],
  [null, 'SIGILL', 'unreachable code', 'ERR_GUEST_SANDBOX'],
  [0, null, '', 'ERR_GUEST_SANDBOX'],
  [70, null, '', 'ERR_GUEST_SANDBOX'],
] as const;

for (const [code, signal, lastWords, verdict] of verdicts) {
  t(`${signal ?? `exit code ${code}`} after "${lastWords}" means ${verdict}`, () => {
    const outcome = judgeDeath(code, signal, lastWords);
    assert.is(outcome.how === 'crashed' ? outcome.code : outcome.how, verdict);
  });
}

t('of what the engine printed, only the line about memory is passed on', () => {
  const words =
    '<--- Last few GCs --->\nFATAL ERROR: heap out of memory\n 1: 0xb7 node::Abort() [/usr/bin/node]\n';
  const outcome = judgeDeath(null, 'SIGABRT', words);
  assert.is(
    outcome.how === 'crashed' && outcome.message,
    'runner ended: SIGABRT; FATAL ERROR: heap out of memory',
  );
});

t('a death that nobody saw is a loss, whatever was ordered, and says why it was ordered', () => {
  const seen = 'no exit of runner 7 was seen';
  assert.equal(unseenDeath(7, null), { how: 'lost', message: seen });
  assert.equal(unseenDeath(7, { how: 'killed' }), { how: 'lost', message: `${seen} after SIGKILL` });
  assert.equal(unseenDeath(7, { how: 'lost', message: 'silent' }), {
    how: 'lost',
    message: `silent; ${seen} after SIGKILL`,
  });
});

t.run();
