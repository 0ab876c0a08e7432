/** Every rule that a log names by version does what it did when that version was written down. */
import * as assert from 'uvu/assert';
import { machineVersions } from '../../machines/versions.ts';
import { canonicalJson } from '../../src/events/canonical.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { policies } from '../../src/scheduler/policies.ts';
import { placementName } from '../../src/slots/placement.ts';
import { suite } from '../suite.ts';
import { behaviours } from './behaviour.ts';

/** Digests of what each version does. A line is never changed, only added: old logs name old versions. */
const digests: Readonly<Record<string, string>> = {
  'controller/1': 'b3f70126e5a31bce',
  'fifo/1': 'f1f657730a73c410',
  'first-fit/1': 'e2fe85d5b2c598e0',
  'job/1': '84f20512343a5c86',
  'round-robin/1': '1e6cbf2b64a028cd',
  'run/1': '336589443ddf7727',
  'slot/1': '2c38b0795b9814dc',
};

const present = [
  ...Object.values(machineVersions),
  ...Object.values(policies).map(({ name }) => name),
  placementName,
];
const texts = new Map(
  Object.entries(behaviours).map(([kind, behaviour]) => [kind, canonicalJson(behaviour())]),
);
const digestOf = (kind: string): string => nodeSha256(texts.get(kind) ?? '').slice(0, 16);

const t = suite('machines/versions');

t('every machine, policy and placement has a version and a behaviour that is looked at', () => {
  assert.equal(present.map((version) => version.split('/')[0]).sort(), Object.keys(behaviours).sort());
  for (const [kind, behaviour] of Object.entries(behaviours)) {
    const text = texts.get(kind) ?? '';
    assert.ok(text.length > 2_000, `${kind}: only ${text.length} characters of behaviour`);
    assert.is(canonicalJson(behaviour()), text, `${kind}: the walk is not the same twice`);
  }
});

for (const version of present) {
  const [kind = ''] = version.split('/');
  t(`${version} does what ${version} always did`, () => {
    const digest = digestOf(kind);
    const known = digests[version];
    assert.ok(known, `${version} is new: add '${version}': '${digest}' to the digests of this file`);
    assert.is(
      digest,
      known,
      `the behaviour of ${version} has changed, so logs that it wrote would replay otherwise. If that is meant, raise its ` +
        `number (machines/versions.ts, src/scheduler/policies.ts or src/slots/placement.ts) and add the new name with ` +
        `'${digest}' here; if not, the change is a mistake`,
    );
  });
}

t('the digest of the job machine sees rows, contexts and verdicts', () => {
  const told = texts.get('job') ?? '';
  for (const word of [
    'ERR_EXIT_CODE',
    'ERR_RUNNER_LOST',
    'backoffMs',
    'retryScheduled',
    'waitSince',
    'timedOut',
  ])
    assert.ok(told.includes(word), `${word} never occurs`);
});

t('the walks of policies tell them apart, fill the fleet and find it full', () => {
  const [fifo, roundRobin] = ['fifo', 'round-robin'].map(
    (name) => behaviours[name]?.() as [string, string][],
  );
  assert.ok(fifo && fifo.length > 200 && roundRobin && roundRobin.length > 200);
  const order = (taken: readonly [string, string][]): string[] => taken.map(([id]) => id);
  assert.not.equal(order(fifo), order(roundRobin));
  const placed = behaviours['first-fit']?.() as unknown[];
  assert.ok(placed.includes(null) && placed.filter((found) => found !== null).length > 300);
});

t.run();
