/**
 * The page follows a real server: through its death and return, another log at its address, keys that change, retired
 * facts; as the operator and as a tenant. No fact is missed, none comes twice.
 */
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { loadKey } from '../../src/attestation/keys.ts';
import { followServer } from '../../src/dashboard/live.ts';
import { Model } from '../../src/dashboard/model.ts';
import { type Beginning, Player } from '../../src/dashboard/player.ts';
import { Server, type Signer } from '../../src/dashboard/server.ts';
import { demoSigner, keySigner } from '../../src/dashboard/signer.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { Caller, eventually, pause, ServerProcess, sampleGuest } from '../server-process.ts';
import { suite } from '../suite.ts';

const t = suite('live');
const limit = { limitMs: 120_000 };

/** The page without its pictures. */
class Page {
  readonly model: Model;
  readonly server: Server;
  /** What each `newPlayer` was given. */
  readonly begins: (Beginning | null)[] = [];
  readonly told: string[] = [];
  readonly #closing = new AbortController();
  readonly followed: Promise<void>;

  constructor(url: string, name: string, signer: Signer, more: { silentMsMax?: number } = {}) {
    this.server = new Server({ signer, name, base: url, fetch, ...more });
    this.model = new Model({
      player: new Player(nodeSha256),
      address: { view: 'fleet', job: null, at: null },
      server: this.server,
      navigate: () => undefined,
      soon: (draw) => void setTimeout(draw, 0),
    });
    this.model.onChange(() => {
      const { kind } = this.model.source;
      if (this.told.at(-1) !== kind) this.told.push(kind);
    });
    this.followed = followServer({
      model: this.model,
      server: this.server,
      newPlayer: (beginning) => {
        this.begins.push(beginning);
        return new Player(nodeSha256, beginning);
      },
      pause: (ms) => pause(Math.min(ms, 50)),
      signal: this.#closing.signal,
    });
  }

  live(): Promise<unknown> {
    return eventually('the page is live', () => this.model.source.kind === 'live');
  }

  /** Has every fact of `seqs` once, in order. */
  has(seqs: readonly number[]): void {
    assert.equal(
      this.model.records.map(({ seq }) => seq),
      seqs,
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.followed;
  }
}

const upTo = (head: number, from = 1): number[] =>
  Array.from({ length: head - from + 1 }, (_, i) => from + i);

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resume) => probe.once('listening', resume));
  const { port } = probe.address() as { port: number };
  await new Promise((resume) => probe.close(resume));
  return port;
}

/** Runs so many jobs to their end and gives the seq that the log has come to. */
async function run(caller: Caller, count: number): Promise<number> {
  const module = await caller.put(sampleGuest('noop'));
  const views = [];
  for (let i = 0; i < count; i += 1) views.push(await caller.submit({ module }));
  for (const { id } of views) await caller.until(id, 'succeeded');
  return headOf(caller);
}

async function headOf(caller: Caller): Promise<number> {
  const { json } = await caller.ask('GET', '/v1/about');
  return (json as { headSeq: number }).headSeq;
}

t(
  'a server is killed and comes back with its log: the page has each fact once, and folds to the same hash',
  async () => {
    const port = await freePort();
    const flags = ['--listen', `127.0.0.1:${port}`];
    const server = await ServerProcess.begin({ flags });
    const caller = new Caller(server);
    const page = new Page(server.url, 'admin', demoSigner(server.url));
    try {
      const before = await run(caller, 3);
      await eventually('all is read', () => page.model.headSeq === before);
      await server.end('SIGKILL');
      await eventually('the page says so', () => page.model.source.kind === 'reconnecting');
      page.has(upTo(before));
      await server.start();
      await page.live();
      const after = await run(caller, 2);
      await eventually('all is read again', () => page.model.headSeq >= after);
      page.has(upTo(page.model.headSeq));
      assert.is(page.begins.length, 1, 'one player for both');
      // What the server itself said of its state when it came back.
      const recovered = page.model.records.findLast(({ type }) => type === 'controller.recovered');
      assert.ok(recovered);
      const { ofSeq, stateHash } = recovered.data as { ofSeq: number; stateHash: string };
      assert.ok(ofSeq >= before);
      page.model.lookAt(ofSeq);
      assert.is(page.model.stateHash(), stateHash);
      assert.equal(page.model.seesAll, true);
      assert.is(page.model.beginReason, null);
    } finally {
      caller.close();
      await page.close();
      await server.remove();
    }
  },
  limit,
);

t(
  'another log at the same address, with other keys, takes the place of the first',
  async () => {
    const port = await freePort();
    const flags = ['--listen', `127.0.0.1:${port}`];
    const first = await ServerProcess.begin({ flags });
    const page = new Page(first.url, 'admin', demoSigner(first.url));
    const second = await ServerProcess.idle({ flags });
    const callers = [new Caller(first), new Caller(second)] as const;
    try {
      const before = await run(callers[0], 3);
      await eventually('all is read', () => page.model.headSeq === before);
      const former = page.model.recordAt(1)?.hash;
      await first.end('SIGKILL');
      await second.start();
      const after = await run(callers[1], 5);
      assert.ok(after > before, 'long enough to hold a fact of each old seq');
      await eventually(
        'the other log is read',
        () => page.model.headSeq === after && page.begins.length === 2,
      );
      page.has(upTo(after));
      assert.is.not(page.model.recordAt(1)?.hash, former);
      assert.is(page.model.about?.log, page.model.recordAt(1)?.hash);
      assert.is(page.model.moment.state.jobs.size, 5);
      await page.live();
    } finally {
      for (const caller of callers) caller.close();
      await page.close();
      await first.remove();
      await second.remove();
    }
  },
  limit,
);

t(
  'a tenant sees its own facts, with gaps, folds them, follows them, and is not told that this is all',
  async () => {
    const server = await ServerProcess.begin();
    const acme = new Caller(server, 'acme');
    const globex = new Caller(server, 'globex');
    const { privateJwk } = await loadKey(join(server.data, 'tenants', 'acme.jwk'));
    try {
      await run(globex, 2);
      await run(acme, 2);
      const last = await run(globex, 2);
      const page = new Page(server.url, 'acme', await keySigner([{ name: 'acme', jwk: privateJwk }]));
      try {
        // Its own last fact is not the log's last: it is live all the same.
        await page.live();
        const { model } = page;
        assert.ok(model.headSeq < last, 'the last facts are a neighbour’s');
        assert.is(model.seesAll, false);
        assert.is(model.halt, null);
        assert.equal([...model.moment.state.tenants.keys()], ['acme']);
        const states = [...model.moment.state.jobs.values()].map(({ state, context }) => [
          context.tenant,
          state,
        ]);
        assert.equal(states, [
          ['acme', 'succeeded'],
          ['acme', 'succeeded'],
        ]);
        assert.ok(model.moment.state.fleet.size > 0);
        assert.ok(model.records.every(({ hash, prev }) => hash === undefined && prev === undefined));
        await run(acme, 1);
        await run(globex, 1);
        await eventually('the new job is there', () => {
          const jobs = [...model.moment.state.jobs.values()];
          return jobs.length === 3 && jobs.every(({ state }) => state === 'succeeded');
        });
        const seqs = model.records.map(({ seq }) => seq);
        const { json } = await acme.ask('GET', '/v1/log?limit=1000');
        assert.equal(
          seqs,
          (json as { facts: { seq: number }[] }).facts.map(({ seq }) => seq),
        );
        assert.is(JSON.stringify(model.records).includes('globex'), false);
      } finally {
        await page.close();
      }
    } finally {
      acme.close();
      globex.close();
      await server.remove();
    }
  },
  limit,
);

t(
  'a tenant whose server was killed goes on where it was',
  async () => {
    const port = await freePort();
    const server = await ServerProcess.begin({ flags: ['--listen', `127.0.0.1:${port}`] });
    const acme = new Caller(server, 'acme');
    const { privateJwk } = await loadKey(join(server.data, 'tenants', 'acme.jwk'));
    const page = new Page(server.url, 'acme', await keySigner([{ name: 'acme', jwk: privateJwk }]));
    try {
      await run(acme, 1);
      await page.live();
      await server.end('SIGKILL');
      await eventually('the page says so', () => page.model.source.kind === 'reconnecting');
      await server.start();
      await run(acme, 1);
      await eventually('both are there', () => page.model.moment.state.jobs.size === 2);
      assert.is(page.begins.length, 1);
      const seqs = page.model.records.map(({ seq }) => seq);
      assert.equal(
        seqs,
        [...new Set(seqs)].sort((a, b) => a - b),
      );
    } finally {
      acme.close();
      await page.close();
      await server.remove();
    }
  },
  limit,
);

t(
  'a key that is not known ends the page’s tries, with the reason',
  async () => {
    const server = await ServerProcess.begin();
    const { privateJwk } = await loadKey(join(server.data, 'tenants', 'acme.jwk'));
    const page = new Page(server.url, 'globex', await keySigner([{ name: 'globex', jwk: privateJwk }]));
    try {
      await page.followed;
      assert.is(page.model.source.kind, 'failed');
    } finally {
      await page.close();
      await server.remove();
    }
  },
  limit,
);

t.run();
