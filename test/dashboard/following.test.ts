/** What happens to a page that follows a log whose oldest facts are far away, retired, or retired while it slept. */
import * as assert from 'uvu/assert';
import { foldsVersion, freezeFolds } from '../../src/checkpointing.ts';
import { followServer } from '../../src/dashboard/live.ts';
import { Model } from '../../src/dashboard/model.ts';
import { type Beginning, Player } from '../../src/dashboard/player.ts';
import { Server } from '../../src/dashboard/server.ts';
import type { FactRecord } from '../../src/events/record.ts';
import type { Folds } from '../../src/log/checkpoint.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { suite } from '../suite.ts';
import { goldenRecords } from './logs.ts';

const t = suite('following');
const all = goldenRecords(2);
const head = all.length;

/** All folds after `seq`, as a checkpoint holds them. */
function foldsAt(seq: number): Folds {
  const player = new Player(nodeSha256);
  player.append(all);
  player.seek(seq);
  const { state, cast, gate, views } = player.moment;
  return JSON.parse(JSON.stringify(freezeFolds({ state, actors: cast.all, gate, views }))) as Folds;
}

/** A server of a log in memory, whose beginning can be taken away. */
class Desk {
  records: readonly FactRecord[] = all;
  /** Facts up to here are retired. */
  retiredSeq = 0;
  /** What `/v1/log/begin` says. */
  begin: object = { checkpoint: null, reason: 'whole', seq: 0 };
  /** What was asked for, without queries. */
  readonly asked: string[] = [];
  /** Ends the stream that is open. */
  breakOff = (): void => undefined;
  /** Sends this fact down the stream that is open. */
  send = (_: FactRecord): void => undefined;
  /** Lets nobody follow. */
  isCrowded = false;

  readonly fetch = (async (input: string, { headers, signal }: RequestInit): Promise<Response> => {
    const { pathname, searchParams } = new URL(input);
    this.asked.push(pathname);
    if (pathname === '/v1/about') return Response.json({ log: this.records[0]?.hash ?? null, headSeq: head });
    if (pathname === '/v1/log/begin') return Response.json(this.begin);
    const from = Number(searchParams.get('from'));
    if ((headers as Record<string, string>)['accept'] === 'text/event-stream') {
      if (this.isCrowded) return Response.json({ detail: 'too many streams' }, { status: 503 });
      return this.#stream(signal!);
    }
    if (from <= this.retiredSeq)
      return Response.json({ code: 'ERR_NOT_FOUND', detail: `seq ${from} is retired` }, { status: 404 });
    const limit = Math.min(50, Number(searchParams.get('limit')));
    const facts = this.records.filter(({ seq }) => seq >= from).slice(0, limit);
    const next = (facts.at(-1)?.seq ?? from - 1) + 1;
    return Response.json({ facts, next, upTo: this.records.at(-1)?.seq ?? 0 });
  }) as typeof fetch;

  #stream(signal: AbortSignal): Response {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.breakOff = () => controller.close();
        this.send = (record) =>
          controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(record)}\n\n`));
        signal.addEventListener('abort', () => controller.error(signal.reason));
      },
    });
    return new Response(body);
  }
}

interface Followed {
  readonly model: Model;
  readonly begins: (Beginning | null)[];
  readonly followed: Promise<void>;
  /** How the facts come, as told one after the other. */
  readonly told: string[];
  /** Pauses between two tries, ms. */
  readonly pauses: number[];
  live(): Promise<void>;
  close(): Promise<void>;
}

function follow(desk: Desk, name = 'admin', recordsMax = 1_000): Followed {
  const closing = new AbortController();
  const signer = { names: [name], token: async () => 'token', request: async () => '' };
  const server = new Server({ signer, name, base: 'http://desk', fetch: desk.fetch });
  const model = new Model({
    player: new Player(nodeSha256),
    address: { view: 'fleet', job: null, at: null },
    server,
    navigate: () => undefined,
    soon: (draw) => draw(),
  });
  const told: string[] = [];
  const pauses: number[] = [];
  model.onChange(() => {
    if (told.at(-1) !== model.source.kind) told.push(model.source.kind);
  });
  const begins: (Beginning | null)[] = [];
  const newPlayer = (beginning: Beginning | null): Player => {
    begins.push(beginning);
    return new Player(nodeSha256, beginning);
  };
  const pause = (): Promise<void> => new Promise((resume) => setTimeout(resume, 1));
  const paused = (ms: number): Promise<void> => {
    if (ms > 0) pauses.push(ms);
    return pause();
  };
  const followed = followServer({
    ...{ model, server, newPlayer, recordsMax },
    pause: paused,
    signal: closing.signal,
  });
  return {
    model,
    begins,
    followed,
    told,
    pauses,
    live: async () => {
      while (model.source.kind !== 'live') await pause();
    },
    close: async () => {
      closing.abort();
      await followed;
    },
  };
}

const seqsFrom = (from: number): number[] => Array.from({ length: head - from + 1 }, (_, i) => from + i);
const wholeHash = (): string => {
  const player = new Player(nodeSha256);
  player.append(all);
  player.seek(head);
  return player.stateHash();
};

const retired = (seq: number): object => ({
  checkpoint: { base: { seq, hash: '' }, version: foldsVersion, folds: foldsAt(seq) },
  reason: 'retired',
  seq,
});

t('a log that is there from its first fact is read whole', async () => {
  assert.ok(head > 150, 'several pages');
  const page = follow(new Desk());
  await page.live();
  assert.equal(
    page.model.records.map(({ seq }) => seq),
    seqsFrom(1),
  );
  assert.equal([page.begins, page.model.beginReason, page.model.seesAll], [[null], null, true]);
  assert.is(page.model.stateHash(), wholeHash());
  await page.close();
});

t(
  'where the oldest facts are retired it begins at the checkpoint, says so, and comes to the same state',
  async () => {
    const desk = new Desk();
    desk.retiredSeq = 90;
    desk.begin = retired(100);
    const page = follow(desk);
    await page.live();
    const { model } = page;
    assert.equal(
      model.records.map(({ seq }) => seq),
      seqsFrom(101),
    );
    assert.is(model.beginSeq, 100);
    assert.is(model.beginReason, 'facts up to seq 100 are retired; berth log export has them');
    assert.is(model.halt, null);
    assert.is(model.stateHash(), wholeHash());
    await page.close();
  },
);

t('facts that are left out because they are many are told from those that are retired', async () => {
  const desk = new Desk();
  desk.begin = { ...retired(100), reason: 'long' };
  const page = follow(desk);
  await page.live();
  assert.match(page.model.beginReason ?? '', 'very many');
  await page.close();
});

t('a page that slept until what it wants next was retired begins anew at a checkpoint', async () => {
  const desk = new Desk();
  desk.records = all.slice(0, 60);
  const page = follow(desk);
  await page.live();
  assert.is(page.model.headSeq, 60);
  desk.records = all;
  desk.retiredSeq = 90;
  desk.begin = retired(100);
  desk.breakOff();
  while (page.model.headSeq < head) await new Promise((resume) => setTimeout(resume, 1));
  await page.live();
  assert.is(page.begins.length, 2);
  assert.is(page.model.beginSeq, 100);
  assert.is(page.model.stateHash(), wholeHash());
  await page.close();
});

t('after a break it goes on behind its last fact, and asks for no beginning', async () => {
  const desk = new Desk();
  desk.records = all.slice(0, 60);
  const page = follow(desk);
  await page.live();
  desk.records = all;
  desk.breakOff();
  while (page.model.headSeq < head) await new Promise((resume) => setTimeout(resume, 1));
  assert.equal(
    page.model.records.map(({ seq }) => seq),
    seqsFrom(1),
  );
  assert.is(desk.asked.filter((path) => path === '/v1/log/begin').length, 1);
  assert.is(page.begins.length, 1);
  await page.close();
});

t('an older copy of the log, and one that went another way, are other logs', async () => {
  const cut = all.slice(0, 40);
  const last = all[59]!;
  const forked = [...all.slice(0, 59), { ...last, hash: 'f'.repeat(64) }];
  for (const other of [cut, forked]) {
    const desk = new Desk();
    desk.records = all.slice(0, 60);
    const page = follow(desk);
    await page.live();
    desk.records = other;
    desk.breakOff();
    while (page.begins.length < 2) await new Promise((resume) => setTimeout(resume, 1));
    await page.live();
    assert.equal(page.model.records, other);
    await page.close();
  }
});

t('a tenant whose oldest facts are retired is told so, and what it can do', async () => {
  const desk = new Desk();
  desk.retiredSeq = 90;
  const page = follow(desk, 'acme');
  await page.followed;
  const { source } = page.model;
  assert.is(source.kind, 'failed');
  assert.match('reason' in source ? source.reason : '', 'are retired');
  assert.match('next' in source ? source.next : '', 'berth job list');
  assert.not.ok(desk.asked.includes('/v1/log/begin'), 'that is the operator’s');
});

t('a checkpoint of another version is not folded: the page is to be loaded anew', async () => {
  const desk = new Desk();
  const { checkpoint, ...rest } = retired(100) as { checkpoint: object };
  desk.begin = { ...rest, checkpoint: { ...checkpoint, version: 'folds/0' } };
  const page = follow(desk);
  await page.followed;
  const { source } = page.model;
  assert.equal(source, {
    kind: 'failed',
    reason: 'this page is of another version than its server',
    next: 'load the page anew',
  });
});

t('a server that lets nobody follow is asked ever more seldom, and no connection is claimed', async () => {
  const desk = new Desk();
  desk.isCrowded = true;
  const page = follow(desk);
  while (page.pauses.length < 6) await new Promise((resume) => setTimeout(resume, 1));
  assert.equal(page.pauses.slice(0, 6), [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  assert.equal(page.told, ['loading', 'reconnecting'], 'no flicker');
  assert.is(page.model.headSeq, head, 'what is there is read all the same');
  desk.isCrowded = false;
  await page.live();
  await page.close();
});

t(
  'where nothing was read, another log whose first facts are retired as well is not taken for the same',
  async () => {
    const desk = new Desk();
    // Its newest fact is in the checkpoint: there is none to compare.
    desk.retiredSeq = 100;
    desk.records = [];
    desk.begin = retired(100);
    const page = follow(desk);
    await page.live();
    assert.is(page.model.records.length, 0);
    desk.begin = retired(120);
    desk.retiredSeq = 120;
    desk.breakOff();
    while (page.begins.length < 2) await new Promise((resume) => setTimeout(resume, 1));
    assert.is(page.model.beginSeq, 120);
    await page.close();
  },
);

t(
  'a page that holds too much begins anew at the newest checkpoint, says so, and stays where it was',
  async () => {
    const desk = new Desk();
    desk.records = all.slice(0, 140);
    const page = follow(desk, 'admin', 150);
    await page.live();
    const { model } = page;
    model.go({ view: 'audit', at: 130 });
    desk.begin = { ...retired(100), reason: 'long' };
    for (const record of all.slice(140, 150)) {
      desk.records = [...desk.records, record];
      desk.send(record);
    }
    while (page.begins.length < 2) await new Promise((resume) => setTimeout(resume, 1));
    await page.live();
    assert.equal([model.beginSeq, model.headSeq, model.records.length], [100, 150, 50]);
    assert.equal(model.address, { view: 'audit', job: null, at: 130 });
    assert.is(model.moment.seq, 130);
    assert.match(model.beginReason ?? '', 'facts up to seq 100 were let go');
    assert.not.ok(page.told.includes('reconnecting'), 'nothing has broken');
    await page.close();
  },
);

t('where no newer checkpoint is offered it goes on for a while, and then says that it is full', async () => {
  const desk = new Desk();
  desk.records = all.slice(0, 100);
  const page = follow(desk, 'acme', 60);
  await page.live();
  assert.is(page.model.records.length, 100);
  for (const record of all.slice(100, 140)) {
    if (page.model.source.kind === 'failed') break;
    desk.records = [...desk.records, record];
    // While it connects anew it reads this fact from a page.
    if (page.model.source.kind === 'live') desk.send(record);
    await new Promise((resume) => setTimeout(resume, 2));
  }
  await page.followed;
  const { source } = page.model;
  assert.match('reason' in source ? source.reason : '', "can't take more");
  const held = page.model.records.length;
  assert.ok(held >= 120 && held < 130, `${held}`);
});

t.run();
