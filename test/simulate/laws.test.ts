/** The laws that no history shows by itself, each kept and each broken on purpose: cuts, stops, turns, rot. */
import * as assert from 'uvu/assert';
import { BerthError } from '../../src/errors.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { Cuts } from '../../src/simulate/cuts.ts';
import { FairShares } from '../../src/simulate/fair-shares.ts';
import { type OpenedCopy, rotIsSeen } from '../../src/simulate/keeping.ts';
import { Stops } from '../../src/simulate/stops.ts';
import { Violation } from '../../src/simulate/violation.ts';
import { defaultTerms } from '../../src/tenants/tenants.ts';
import { suite } from '../suite.ts';

const t = suite('simulate: laws');

/** The law that breaks; null when none does. */
function brokenBy(body: () => void): string | null {
  try {
    body();
    return null;
  } catch (error) {
    if (error instanceof Violation) return error.invariant;
    throw error;
  }
}

const recovered = (bytes?: number) => ({
  epoch: 1,
  stateHash: '',
  ofSeq: 9,
  ...(bytes === undefined ? {} : { bytes, fromSeq: 10 }),
});
const segment = '/data/log/00000000000000000001.seg';

t('a cut must be told, whole, by the next start, and only once', () => {
  const cuts = new Cuts();
  cuts.begin(true);
  cuts.truncated(segment, 900, 700);
  assert.is(cuts.made, 1);
  assert.is(
    brokenBy(() => cuts.told(recovered(), false, 10)),
    'I20',
  );
  assert.is(
    brokenBy(() => cuts.told(recovered(199), false, 10)),
    'I20',
  );
  cuts.told(recovered(200), false, 10);
  cuts.told(recovered(), false, 11);
});

t('two cuts that nobody was told of add up; one that is made again counts once', () => {
  const cuts = new Cuts();
  cuts.begin(true);
  cuts.truncated(segment, 900, 700);
  // The power brought a part of it back.
  cuts.begin(true);
  cuts.truncated(segment, 800, 700);
  cuts.written(segment, 1_000);
  cuts.begin(true);
  cuts.truncated(segment, 1_000, 700);
  assert.is(
    brokenBy(() => cuts.told(recovered(300), false, 10)),
    'I20',
  );
  cuts.told(recovered(500), false, 10);
});

t('what a start has read can tell of earlier cuts alone', () => {
  const cuts = new Cuts();
  cuts.begin(true);
  cuts.truncated(segment, 900, 700);
  cuts.written(segment, 800);
  cuts.begin(true);
  cuts.truncated(segment, 850, 800);
  cuts.told(recovered(200), true, 10);
  assert.is(
    brokenBy(() => cuts.told(recovered(), false, 11)),
    'I20',
  );
  cuts.told(recovered(50), false, 11);
});

t('what a life drops that knows what was promised, and what is no segment, need not be told', () => {
  const cuts = new Cuts();
  cuts.begin(false);
  cuts.truncated(segment, 900, 700);
  cuts.begin(true);
  cuts.truncated('/data/log/torn.json.draft', 900, 0);
  cuts.truncated(segment, 700, 900);
  cuts.told(recovered(), false, 10);
  assert.is(cuts.made, 0);
});

const stopped = (running: number): FactRecord =>
  ({ type: 'controller.stopped', seq: 5, data: { running } }) as unknown as FactRecord;
const evicted = { type: 'job.evicted', seq: 4, data: { reason: 'shutdown' } } as unknown as FactRecord;

t('a stop keeps its time and leaves nobody running, unless a disk hangs or a guest is deaf', () => {
  const law = (atMs: number, record: FactRecord, excuses = 0): string | null => {
    let [nowMs, struck] = [1_000, 0];
    const stops = new Stops(
      () => nowMs,
      () => struck,
    );
    stops.reset();
    stops.signal({ mode: 'finish', deadlineMs: 300, killMs: 500 });
    [nowMs, struck] = [1_000 + atMs, excuses];
    return brokenBy(() => stops.appended(record));
  };
  assert.is(law(300, evicted), null);
  assert.is(law(299, evicted), 'I19');
  assert.is(law(800, stopped(0)), null);
  assert.is(law(800, stopped(1)), 'I19');
  assert.is(law(800, stopped(1), 1), null);
  assert.is(law(60_000, stopped(0)), 'I19');
  assert.is(law(60_000, stopped(0), 1), null);
  const stops = new Stops(
    () => 0,
    () => 0,
  );
  assert.is(
    brokenBy(() => stops.failed(true)),
    null,
  );
  assert.is(
    brokenBy(() => stops.failed(false)),
    'I19',
  );
});

/** Turns of two tenants, by their first letters; all jobs have one shape and wait from the beginning. */
function turns(order: string, policy = 'round-robin', weight = 1): string | null {
  const shares = new FairShares();
  shares.policy(policy);
  shares.weight('a', weight);
  shares.weight('b', 1);
  shares.placed('1 x 1g', 1);
  for (let i = 0; i < order.length; i += 1)
    for (const tenant of ['a', 'b'])
      shares.take('queued', `${tenant}${i}`, { tenant, shape: '1 x 1g', seq: i + 1 });
  const terms = { ...defaultTerms, capabilities: [], jobsMax: 100, slicesMax: 100 };
  const roomOf = () => ({ terms, jobs: 0, slices: 0 });
  return brokenBy(() => {
    for (const [i, tenant] of [...order].entries()) {
      shares.selected(`${tenant}${i}`, 1_000, roomOf);
      shares.take('reserved', `${tenant}${i}`, { tenant, shape: '1 x 1g', seq: 2_000 + i });
    }
  });
}

t(
  'under round robin nobody is passed over beyond its weight; first come, first served promises nothing',
  () => {
    assert.is(turns('abababab'), null);
    assert.is(turns('aabbab'), null);
    assert.is(turns('abaaaaab'), 'I9');
    assert.is(turns('abaaaaab', 'fifo'), null);
    assert.is(turns('aaabaaab', 'round-robin', 2), null);
    assert.is(turns('aaaaabaaaa', 'round-robin', 2), 'I9');
  },
);

const history = Array.from({ length: 9 }, (_, i) => ({ seq: i + 1, hash: `hash ${i + 1}` }) as FactRecord);
const opened = (records: readonly FactRecord[], fromSeq?: number): OpenedCopy => ({
  refused: null,
  baseSeq: 0,
  records,
  cut: fromSeq === undefined ? null : { fromSeq, bytes: 1, file: null, ids: [], idCount: 0 },
});

t('a start over a rotten log halts, or serves what was written and tells of what it leaves out', () => {
  const law = (copy: OpenedCopy, inOrder = false, signedSeq = 0): string | null =>
    brokenBy(() => rotIsSeen('a bit', copy, { history, inOrder, signedSeq }));
  const refused = (code: 'ERR_LOG_CORRUPT' | 'ERR_INTERNAL') => ({
    ...opened([]),
    refused: new BerthError(code, 'halted'),
  });
  assert.is(law(refused('ERR_LOG_CORRUPT')), null);
  assert.is(law(refused('ERR_INTERNAL')), 'I20');
  assert.is(law(opened(history), true, 9), null);
  assert.is(law(opened(history.slice(0, 7), 8), false, 7), null);
  assert.is(law(opened(history.slice(0, 7))), 'I20', 'nothing is told');
  assert.is(law(opened(history.slice(0, 7), 8), true), 'I20', 'a closed log is cut');
  assert.is(law(opened(history.slice(0, 7), 8), false, 8), 'I20', 'cut below a signed head');
  const other = history.map((record) => (record.seq === 3 ? { ...record, hash: 'another' } : record));
  assert.is(law(opened(other)), 'I20', 'another content');
});

t.run();
