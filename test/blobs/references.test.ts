import * as assert from 'uvu/assert';
import { newJob } from '../../machines/job.ts';
import { referencedBlobs } from '../../src/blobs/references.ts';
import { jobSpecSchema } from '../../src/events/spec.ts';
import { suite } from '../suite.ts';

const t = suite('blobs: references');
const hex = (letter: string): string => letter.repeat(64);

t('a job refers to its module, model, input and result, for its own tenant', () => {
  const spec = jobSpecSchema.parse({
    module: `sha256:${hex('a')}`,
    model: `sha256:${hex('b')}`,
    input: `sha256:${hex('c')}`,
    slot: '1g.10gb',
  });
  const gone = { how: 'exited', exitCode: 0, result: { bytes: 1, sha256: hex('d') } } as const;
  const job = { state: 'succeeded', context: { ...newJob('one', 'acme'), spec, gone } } as const;
  assert.equal(
    [...referencedBlobs([job])].sort(),
    ['a', 'b', 'c', 'd'].map((letter) => `acme ${hex(letter)}`),
  );
});

t('a job that never ran refers to what it was given, and no more', () => {
  const spec = jobSpecSchema.parse({ module: `sha256:${hex('a')}`, slot: '1g.10gb' });
  const job = { state: 'queued', context: { ...newJob('one', 'acme'), spec } } as const;
  assert.equal([...referencedBlobs([job])], [`acme ${hex('a')}`]);
});

t.run();
