/** Every log of every version of the schema is read, folded and replayed by the present code. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { machineVersions } from '../machines/versions.ts';
import { foldsVersion } from '../src/checkpointing.ts';
import { type Replayed, replay } from '../src/cli/refold.ts';
import { factSchemaVersion, facts } from '../src/events/facts.ts';
import { type FactRecord, genesis, openRecord } from '../src/events/record.ts';
import { nodeSha256 } from '../src/log/hash-node.ts';
import { suite } from './suite.ts';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'golden');
/** Types that came with a later schema than the first. */
const since: Readonly<Record<string, number>> = { 'controller.checkpointed': 2 };
/** Machines of lives that don't name them: the first schema had no member for it. */
const firstMachines = { controller: 'controller/1', job: 'job/1', run: 'run/1', slot: 'slot/1' };
const howTo = 'see test/golden/README.md';

interface Golden {
  readonly name: string;
  readonly schema: number;
  readonly lines: readonly string[];
}

const logs: readonly Golden[] = readdirSync(folder)
  .filter((name) => /^v\d+$/.test(name))
  .flatMap((version) =>
    readdirSync(join(folder, version)).map((file) => ({
      name: `${version}/${file}`,
      schema: Number(version.slice(1)),
      lines: readFileSync(join(folder, version, file), 'utf8')
        .trimEnd()
        .split('\n'),
    })),
  );

/** The records, each verified against the one before it. */
function verified({ lines }: Golden): FactRecord[] {
  let prev = genesis;
  return lines.map((line, index) => {
    const record = openRecord(line, { seq: index + 1, prev }, nodeSha256);
    if (typeof record === 'string') throw new Error(`line ${index + 1} ${record}`);
    prev = record.hash;
    return record;
  });
}

async function* once(records: readonly FactRecord[]): AsyncGenerator<readonly FactRecord[]> {
  yield records;
}
const replayed = (records: readonly FactRecord[]): Promise<Replayed> => replay(once(records), { all: true });

const t = suite('golden logs');

t('there is a log of every schema, and one by the present folds and machines', () => {
  for (let schema = 1; schema <= factSchemaVersion; schema += 1)
    assert.ok(
      logs.some((log) => log.schema === schema),
      `no log of schema ${schema} is kept; ${howTo}`,
    );
  const folds = logs.flatMap((log) => verified(log).map(({ data }) => data['folds']));
  assert.ok(folds.includes(foldsVersion), `no log by '${foldsVersion}' is kept: make one; ${howTo}`);
});

for (const log of logs) {
  t(`${log.name} verifies, and holds every type of fact that its schema has`, () => {
    const records = verified(log);
    assert.ok(records.every(({ schema }) => schema === log.schema));
    const types = new Set(records.map(({ type }) => type));
    const missing = Object.keys(facts).filter((type) => (since[type] ?? 1) <= log.schema && !types.has(type));
    assert.equal(missing, []);
  });

  t(
    `${log.name} folds to the end, and the state hashes in it are right wherever they can be compared`,
    async () => {
      const records = verified(log);
      const { checkpoints, diverged, halted, otherFolds, recoveries, seq } = await replayed(records);
      assert.equal([halted, seq], [false, records.length]);
      assert.equal(
        diverged,
        [],
        `the folds give another state than '${foldsVersion}' did: raise that version in src/checkpointing.ts; ${howTo}`,
      );
      const others = records.filter(
        ({ data }) => 'stateHash' in data && data['folds'] !== foldsVersion,
      ).length;
      assert.ok(recoveries + checkpoints >= 7 && otherFolds <= others);
    },
  );

  t(`${log.name} replays: every decision comes out as it was recorded`, async () => {
    const { decisions, divergences, inputs } = await replayed(verified(log));
    assert.ok(decisions > 50 && inputs > 50, `only ${decisions} decisions and ${inputs} inputs`);
    for (const { life, reason, seq } of divergences) {
      // By other rules another decision is right; the report names them.
      const rules = life.machines ?? firstMachines;
      assert.not.equal(rules, machineVersions, `seq ${seq}: ${reason}, by the same machines`);
    }
  });
}

t('a hash that says it was computed by these folds must be right; by others it is told apart', async () => {
  const [log] = logs.filter(({ lines }) => lines.some((line) => line.includes(foldsVersion)));
  const records = verified(log as Golden);
  const at = records.findLastIndex(({ type }) => type === 'controller.recovered');
  const withHash = (folds: string | undefined): FactRecord[] =>
    records.map((record, index) => {
      if (index !== at) return record;
      const { folds: _, ...rest } = record.data;
      return {
        ...record,
        data: { ...rest, stateHash: '0'.repeat(64), ...(folds === undefined ? {} : { folds }) },
      };
    });
  const wrong = await replayed(withHash(foldsVersion));
  assert.equal([wrong.diverged.map(({ seq }) => seq), wrong.otherFolds], [[at + 1], 0]);
  for (const other of ['folds/0', undefined]) {
    const { diverged, otherFolds } = await replayed(withHash(other));
    assert.equal([diverged, otherFolds], [[], 1]);
  }
});

t.run();
