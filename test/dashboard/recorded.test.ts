/** A log inside a page: what `bundle.ts` writes is what `recorded.ts` plays, whatever is in the facts, and damage is told. */
import { gunzipSync, gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { foldsVersion, freezeFolds } from '../../src/checkpointing.ts';
import { home } from '../../src/dashboard/address.ts';
import { type Recording, recordingPage } from '../../src/dashboard/bundle.ts';
import { beginLine, bytesOf } from '../../src/dashboard/log-lines.ts';
import { Model, type Source } from '../../src/dashboard/model.ts';
import { type Beginning, Player } from '../../src/dashboard/player.ts';
import { playRecorded, recordedId, recordedIn } from '../../src/dashboard/recorded.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import { goldenRecords, linesOf, longRecords } from './logs.ts';

const t = suite('dashboard/recorded');
const slow = { limitMs: 120_000 };
const golden = goldenRecords(2);

const recordingOf = (text: string, records: number, name = 'golden'): Recording => ({
  name,
  records,
  gzip: gzipSync(text),
});

interface Played {
  readonly model: Model;
  readonly told: Source[];
  readonly pauses: number;
}

/** Plays what stands in the element of a page. */
async function played(html: string): Promise<Played> {
  const found = new RegExp(
    `<script id="${recordedId}" type="text/plain" data-name="([^"]*)" data-records="(\\d+)">([^<]*)</script>`,
  ).exec(html);
  const [, name = '', records = '', textContent = ''] = found ?? [];
  const recorded = recordedIn({ getElementById: () => ({ dataset: { name, records }, textContent }) });
  const newPlayer = (begin: Beginning | null): Player => new Player(nodeSha256, begin);
  const told: Source[] = [];
  const model = new Model({
    player: newPlayer(null),
    address: home,
    server: null,
    navigate: () => undefined,
    soon: () => undefined,
  });
  const { tell } = model;
  model.tell = (source) => {
    told.push(source);
    tell.call(model, source);
  };
  let pauses = 0;
  const pause = async (): Promise<void> => {
    pauses += 1;
  };
  await playRecorded(model, recorded!, { newPlayer, pause });
  return { model, told, pauses };
}
const pageOf = async (recording: Recording): Promise<string> => (await recordingPage(recording)).html;
const hashOf = (records: readonly FactRecord[]): string => {
  const player = new Player(nodeSha256);
  player.append(records);
  player.seek(records.length);
  return player.stateHash();
};

t('what is recorded is played to the end, and the state is that of the log', async () => {
  const { model, told } = await played(await pageOf(recordingOf(linesOf(golden), golden.length)));
  assert.equal(told.at(-1), { kind: 'file', name: 'golden' });
  assert.equal(model.records, golden);
  assert.is(model.moment.seq, golden.length);
  assert.is(model.stateHash(), hashOf(golden));
});

t(
  'a long one is read in pieces, with room for drawing and a count that rises in between',
  async () => {
    const records = await longRecords(6_000);
    const { model, pauses, told } = await played(await pageOf(recordingOf(linesOf(records), records.length)));
    assert.ok(pauses >= 6, `${pauses} pauses`);
    const loaded = told.flatMap((source) => (source.kind === 'loading' ? [source.loaded] : []));
    assert.equal(
      loaded,
      [...loaded].sort((a, b) => a - b),
    );
    assert.ok(loaded.length >= 7);
    assert.is(model.stateHash(), hashOf(records));
  },
  slow,
);

t('nothing in a fact or a name can leave its place in the page', async () => {
  const nasty = '</script><script>alert(1)</script><!-- "\u2028\u0000\ud83d\ude00 \'&quot;';
  const records = golden.map((record, i) =>
    i === 3 ? { ...record, data: { ...record.data, nasty } } : record,
  );
  const lines = records.map((record) => `${JSON.stringify(record)}\n`).join('');
  const html = await pageOf(recordingOf(lines, records.length, nasty));
  assert.not.match(html, /alert\(1\)<\/script>/);
  assert.is(html.split(`id="${recordedId}"`).length, 2);
  const { model, told } = await played(html);
  assert.is(told.at(-1)?.kind, 'file');
  assert.is(model.recordAt(4)?.data['nasty'], nasty);
});

t('a recording that begins with a checkpoint is played from there', async () => {
  const middle = golden.length >> 1;
  const player = new Player(nodeSha256);
  player.append(golden);
  player.seek(middle);
  const { cast, seq, ...moment } = player.moment;
  const begin = beginLine({ seq, folds: freezeFolds({ ...moment, actors: cast.all }) });
  const rest = golden.slice(middle);
  const { model } = await played(await pageOf(recordingOf(begin + linesOf(rest), rest.length)));
  assert.equal([model.beginSeq, model.headSeq], [middle, golden.length]);
  assert.is(model.stateHash(), hashOf(golden));
  const other = begin.replace(JSON.stringify(foldsVersion), '"folds/0"');
  assert.is.not(other, begin);
  const { told } = await played(await pageOf(recordingOf(other + linesOf(rest), rest.length)));
  assert.match(JSON.stringify(told.at(-1)), /another version \(folds\/0\)/);
});

t('damage is told, with what to do', async () => {
  const sound = recordingOf(linesOf(golden), golden.length);
  const broken: Readonly<Record<string, Recording>> = {
    'cut short': { ...sound, gzip: sound.gzip.slice(0, sound.gzip.length >> 1) },
    'no gzip': { ...sound, gzip: Buffer.from('no gzip at all') },
    'a fact missing': recordingOf(linesOf(golden.slice(0, -1)), golden.length),
    'a line torn': recordingOf(`${linesOf(golden.slice(0, 5))}{"seq":6,`, 6),
    'order lost': recordingOf(linesOf([...golden.slice(0, 5), golden[2]!]), 6),
    empty: recordingOf('', 0),
  };
  for (const [what, recording] of Object.entries(broken)) {
    const { told } = await played(await pageOf(recording));
    const last = told.at(-1);
    assert.is(last?.kind, 'failed', what);
    assert.match(JSON.stringify(last), /can't be read: .+berth log export --html/, what);
  }
});

t('a page without a recorded log has none', () => {
  assert.is(recordedIn({ getElementById: () => null }), null);
});

t('base64 is decoded in pieces to the bytes that it stands for', async () => {
  const bytes = gzipSync(linesOf(golden).repeat(20), { level: 0 });
  assert.ok(bytes.length > 600_000);
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytesOf(bytes.toString('base64')) as unknown as AsyncIterable<Uint8Array>)
    chunks.push(chunk);
  assert.ok(chunks.length > 3);
  assert.ok(gunzipSync(Buffer.concat(chunks)).equals(gunzipSync(bytes)));
});

t.run();
