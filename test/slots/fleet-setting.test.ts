/** The fleet setting: what it says is what there is, and what is off is named. */
import * as assert from 'uvu/assert';
import { fleetOfJson, fleetOfPreset } from '../../src/slots/fleet-setting.ts';
import { suite } from '../suite.ts';

const t = suite('fleet setting');
const throwsConfig = (run: () => unknown, message: RegExp): void =>
  assert.throws(
    run,
    (error: { code?: string; message: string }) => error.code === 'ERR_CONFIG' && message.test(error.message),
  );

t('a preset makes GPUs in its order, numbered through', () => {
  assert.equal(fleetOfPreset('2xH100-80GB, 1xA30-24GB'), [
    { id: 'gpu-0', board: 'H100-80GB', enforcement: 'simulated' },
    { id: 'gpu-1', board: 'H100-80GB', enforcement: 'simulated' },
    { id: 'gpu-2', board: 'A30-24GB', enforcement: 'simulated' },
  ]);
});

t('a preset that is off names the part and the boards there are', () => {
  for (const text of [
    '',
    'H100-80GB',
    '0xH100-80GB',
    '-1xH100-80GB',
    '2xV100',
    '2xH100-80GB,',
    '1.5xH100-80GB',
    '2xtoString',
  ]) {
    throwsConfig(() => fleetOfPreset(text), /--fleet: ".*A30-24GB/);
  }
});

t('a fleet has at most 10,000 GPUs, by either way', () => {
  assert.is(fleetOfPreset('10000xA30-24GB').length, 10_000);
  throwsConfig(() => fleetOfPreset('10000xA30-24GB,1xA30-24GB'), /10001 GPUs, at most 10000/);
  const gpus = Array.from({ length: 10_001 }, (_, i) => ({ id: `g${i}`, board: 'A30-24GB' }));
  throwsConfig(() => fleetOfJson(JSON.stringify(gpus)), /10000/);
});

t('a file names its GPUs, and nothing in it may claim to enforce what is simulated', () => {
  assert.equal(fleetOfJson('[{"id":"left","board":"A30-24GB"}]'), [
    { id: 'left', board: 'A30-24GB', enforcement: 'simulated' },
  ]);
  throwsConfig(
    () => fleetOfJson('[{"id":"a","board":"A30-24GB","enforcement":"enforced"}]'),
    /0\.enforcement/,
  );
});

t('a file that is off names member and fault', () => {
  throwsConfig(() => fleetOfJson('not json'), /not JSON/);
  throwsConfig(() => fleetOfJson('[]'), /the list/);
  throwsConfig(() => fleetOfJson('[{"id":"A B","board":"A30-24GB"}]'), /0\.id/);
  throwsConfig(() => fleetOfJson('[{"id":"a","board":"V100"}]'), /0\.board/);
  throwsConfig(() => fleetOfJson('[{"id":"a","board":"A30-24GB","more":1}]'), /more/);
  throwsConfig(
    () => fleetOfJson('[{"id":"a","board":"A30-24GB"},{"id":"a","board":"A30-24GB"}]'),
    /ids must differ/,
  );
});

t.run();
