/** Publication to a real JetStream: order without gap through kills and cuts, resumption, and refusal of what isn't ours. */

import { once } from 'node:events';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { DiscardPolicy, headers, type NatsConnection } from 'nats';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import { type FactRecord, genesis, openRecord } from '../../src/events/record.ts';
import { startNatsIntake } from '../../src/intake/nats.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { factBytesMax, streamName } from '../../src/views/event-stream.ts';
import { type Publication, startPublication } from '../../src/views/nats.ts';
import { type Rig, type RigOptions, startRig, until } from '../nats-rig.ts';
import { NatsServer, type NatsServerOptions } from '../nats-server.ts';
import { runs, seed, suite } from '../suite.ts';

const t = suite('publication to NATS');

interface Bench {
  readonly server: NatsServer;
  readonly rig: Rig;
  readonly told: string[];
  /** Starts a publication of the rig's log, or of another's; all are stopped at the end. */
  publish(more?: {
    rig?: Rig;
    stateFile?: string;
    servers?: string;
    streamBytesMax?: number;
  }): Promise<Publication>;
}

async function withBench(
  body: (bench: Bench) => Promise<void>,
  server: NatsServerOptions = {},
  rig: RigOptions = {},
): Promise<void> {
  const started: Publication[] = [];
  const told: string[] = [];
  const bench = {
    server: await NatsServer.start(server),
    rig: await startRig(rig),
    told,
    async publish({ rig, ...more }: { rig?: Rig } = {}) {
      const publication = await startPublication({
        servers: bench.server.url(),
        life: () => (rig ?? bench.rig).life,
        stateFile: join((rig ?? bench.rig).scratch, 'publication.json'),
        logger: (level, message) => told.push(`${level} ${message}`),
        clock: systemClock,
        ...more,
      });
      started.push(publication);
      return publication;
    },
  };
  try {
    await body(bench);
  } finally {
    await Promise.all(started.map((publication) => publication.stop()));
    await bench.rig.end();
    await bench.server.remove();
  }
}

/** All that the stream holds, in its order. */
async function stored(client: NatsConnection): Promise<{ id: string; subject: string; text: string }[]> {
  const manager = await client.jetstreamManager();
  const { state } = await manager.streams.info(streamName);
  const found = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage(streamName, { seq });
    found.push({ id: message.header.get('Nats-Msg-Id'), subject: message.subject, text: message.string() });
  }
  return found;
}

/** The stream holds the whole log: each fact once, in order, on its subject, verifiable from its bytes. */
async function assertWhole(client: NatsConnection, rig: Rig): Promise<void> {
  const messages = await stored(client);
  assert.is(messages.length, rig.life!.log.durable);
  let prev = genesis;
  for (const [at, { id, subject, text }] of messages.entries()) {
    const record = openRecord(text, { seq: at + 1, prev }, nodeSha256);
    if (typeof record === 'string') throw new Error(`message ${at + 1} ${record}`);
    prev = record.hash;
    assert.equal([id, subject], [String(record.seq), `berth.v1.evt.${record.subject}`]);
  }
  assert.is(prev, rig.life!.log.headHash);
}

const allOut = (publication: Publication, rig: Rig) => (): boolean =>
  publication.status().connected && publication.status().publishedSeq === rig.life!.log.head;

t.needing(
  'nats-server',
  'every durable fact is in the stream, once, in order, and its bytes verify the chain',
  () =>
    withBench(async ({ publish, rig, server }) => {
      const publication = await publish();
      const seen: FactRecord[] = [];
      const client = await server.client();
      client.subscribe('berth.v1.evt.>', { callback: (_, message) => seen.push(message.json()) });
      await client.flush();
      await rig.runJobs(100);
      await until('all is out', allOut(publication, rig));
      assert.equal(publication.status(), {
        connected: true,
        publishedSeq: rig.life!.log.head,
        lag: 0,
        problem: null,
      });
      await assertWhole(client, rig);
      await client.flush();
      const { head } = rig.life!.log;
      assert.ok(head > 900, `only ${head} facts`);
      assert.equal(
        seen.map(({ seq }) => seq),
        Array.from({ length: head }, (_, at) => at + 1),
        'a plain subscriber sees them too',
      );
    }),
);

t.needing(
  'nats-server',
  'the server killed three times under load: no accepted job is lost, no fact is missing or out of place',
  () =>
    withBench(async ({ publish, rig, server }) => {
      const publication = await publish();
      const { door } = rig;
      const intake = await startNatsIntake({
        servers: server.url(),
        door,
        logger: () => undefined,
        clock: systemClock,
      });
      const client = await server.client();
      const accepted: string[] = [];
      let loading = true;
      const load = async (name: number): Promise<void> => {
        for (let number = 0; loading; number += 1) {
          const head = headers();
          head.set('Idempotency-Key', `${name}-${number}`);
          const bytes = new TextEncoder().encode(await rig.signed('acme'));
          // As a client would: the same key until there is an answer.
          for (let reply: { status: number; id: string } | null = null; reply === null; ) {
            reply = await client
              .request('berth.v1.acme.submit', bytes, { timeout: 300, headers: head })
              .then((message) => message.json<{ status: number; id: string }>())
              .catch(() => new Promise<null>((resume) => setTimeout(resume, 50, null)));
            if (reply && reply.status !== 202) throw new Error(JSON.stringify(reply));
            if (reply) accepted.push(reply.id);
          }
        }
      };
      const loads = [1, 2, 3, 4].map(load);
      for (let kill = 0; kill < 3; kill += 1) {
        const enough = accepted.length + 40;
        await until('jobs are accepted', () => accepted.length >= enough, 20_000);
        await server.kill();
        await server.start();
      }
      await until('jobs are accepted after the last kill', () => accepted.length >= 160, 20_000);
      loading = false;
      await Promise.all(loads);
      await until('all jobs have ended', () =>
        accepted.every((id) => rig.life!.views.job(id)?.job.state === 'succeeded'),
      );
      await until('all is out', allOut(publication, rig), 20_000);
      assert.is(new Set(accepted).size, accepted.length, 'each key is a job of its own');
      const submitted = (await rig.life!.log.read(1, 10_000)).filter(
        ({ type }) => type === 'job.submitted',
      ).length;
      assert.is(submitted, accepted.length, 'each job was accepted once, though some were asked for twice');
      await assertWhole(client, rig);
      await intake.stop();
    }),
  { limitMs: 90_000 },
);

t.needing(
  'nats-server',
  'a connection cut at any byte leaves neither gap nor repeat in the stream',
  () =>
    withBench(async ({ publish, rig, server }) => {
      const random = randomFrom(seed());
      const cuts = runs(15);
      const bytesOf = (): number => 500 + Math.floor(random() * 60_000);
      const proxy = await cuttingProxy(server.port, cuts, bytesOf, () => Math.floor(random() * 3_000));
      const publication = await publish({ servers: proxy.url });
      for (let round = 0; proxy.cuts < cuts && round < cuts * 10; round += 1) await rig.runJobs(20);
      await until('all is out', allOut(publication, rig), 30_000);
      assert.is(proxy.cuts, cuts);
      await proxy.calm();
      // One more fact behind what came late, so that whatever it did to the stream has been met.
      await rig.runJobs(1);
      await until('all is out', allOut(publication, rig), 30_000);
      await assertWhole(await server.client(), rig);
      await publication.stop();
      await proxy.close();
    }),
  { limitMs: 120_000 },
);

t.needing(
  'nats-server',
  'a stopped publication goes on behind the last fact, with and without its cursor file',
  () =>
    withBench(async ({ publish, rig, server }) => {
      const client = await server.client();
      for (const keepsFile of [true, false]) {
        const publication = await publish();
        await rig.runJobs(5);
        await until('all is out', allOut(publication, rig));
        await publication.stop();
        const { seq } = JSON.parse(await readFile(join(rig.scratch, 'publication.json'), 'utf8')) as {
          seq: number;
        };
        assert.is(seq, rig.life!.log.head);
        assert.is(publication.status().connected, false);
        if (!keepsFile) await rm(join(rig.scratch, 'publication.json'));
        await rig.runJobs(5);
        const { lag } = publication.status();
        assert.ok(lag >= 45, `what came meanwhile is owed: ${lag}`);
      }
      const last = await publish();
      await until('all is out', allOut(last, rig));
      await assertWhole(client, rig);
    }),
);

t.needing(
  'nats-server',
  'after a purge the cursor file tells where to go on; without it everything comes again',
  () =>
    withBench(async ({ publish, rig, server }) => {
      const client = await server.client();
      const manager = await client.jetstreamManager();
      const first = await publish();
      await rig.runJobs(3);
      await until('all is out', allOut(first, rig));
      await first.stop();
      const { head } = rig.life!.log;
      await manager.streams.purge(streamName);
      await rig.runJobs(1);
      const second = await publish();
      await until('all is out', allOut(second, rig));
      assert.is((await stored(client))[0]?.id, String(head + 1));
      await second.stop();
      await manager.streams.purge(streamName);
      await writeFile(join(rig.scratch, 'publication.json'), '{"seq": torn');
      const third = await publish();
      await until('all is out', allOut(third, rig));
      await assertWhole(client, rig);
      await third.stop();
      await manager.streams.purge(streamName);
      await writeFile(
        join(rig.scratch, 'publication.json'),
        JSON.stringify({ seq: 2, hash: 'f'.repeat(64) }),
      );
      const fourth = await publish();
      await until('all is out', allOut(fourth, rig));
      await assertWhole(client, rig);
    }),
);

t.needing(
  'nats-server',
  'a stream of another data directory is refused, untouched, until its operator purges it',
  () =>
    withBench(async ({ publish, rig, server, told }) => {
      const other = await startRig();
      try {
        const ours = await publish();
        await rig.runJobs(2);
        await until('all is out', allOut(ours, rig));
        await ours.stop();
        const theirs = await publish({ rig: other });
        await until('it is refused', () => theirs.status().problem !== null);
        const { connected, problem } = theirs.status();
        assert.is(connected, false);
        assert.match(
          String(problem),
          /^ERR_NATS: BERTH_EVT ends with fact \d+ of another log.* nothing is published.*nats stream purge/,
        );
        assert.ok(
          told.some((line) => /another log/.test(line)),
          'the operator is told',
        );
        await other.runJobs(2);
        assert.is(theirs.status().lag, other.life!.log.head, 'the controller works on, and owes all');
        const client = await server.client();
        await assertWhole(client, rig);
        await (await client.jetstreamManager()).streams.purge(streamName);
        await until('it goes on by itself', allOut(theirs, other));
        await assertWhole(client, other);
        await theirs.stop();
      } finally {
        await other.end();
      }
    }),
);

t.needing(
  'nats-server',
  'a data directory restored from an older copy is refused: the stream knows facts that it lost',
  () =>
    withBench(async ({ publish, rig, server }) => {
      const dir = join(rig.scratch, 'data');
      const before = await startRig({ dir });
      await before.runJobs(2);
      await before.end();
      await cp(dir, join(rig.scratch, 'copy'), { recursive: true });
      const after = await startRig({ dir });
      const publication = await publish({ rig: after });
      await after.runJobs(3);
      await until('all is out', allOut(publication, after));
      await publication.stop();
      await after.end();
      const restored = await startRig({ dir: join(rig.scratch, 'copy') });
      const refused = await publish({ rig: restored });
      await until('it is refused', () => refused.status().problem !== null);
      assert.match(String(refused.status().problem), /newer copy of this one/);
      await refused.stop();
      await restored.end();
      assert.ok(server.output.length > 0);
    }),
);

t.needing('nats-server', 'a new life of the controller is found, and publication goes on with it', () =>
  withBench(async ({ publish, rig, server }) => {
    const filed = await startRig({ dir: join(rig.scratch, 'data') });
    const publication = await publish({ rig: filed });
    await filed.runJobs(3);
    await until('all is out', allOut(publication, filed));
    const former = filed.life!;
    await former.end();
    filed.life = null;
    await new Promise((resume) => setTimeout(resume, 300));
    assert.is(publication.status().lag, 0);
    filed.life = await filed.begin();
    await filed.runJobs(3);
    await until('all is out', allOut(publication, filed));
    await assertWhole(await server.client(), filed);
    await publication.stop();
    await filed.end();
  }),
);

t.needing(
  'nats-server',
  'without JetStream nothing is published, the status says what to enable, and enabling it is enough',
  () =>
    withBench(
      async ({ publish, rig, server }) => {
        const publication = await publish();
        await until('it is told', () => publication.status().problem !== null);
        await rig.runJobs(2);
        const { connected, lag, problem } = publication.status();
        assert.equal([connected, lag], [false, rig.life!.log.head]);
        assert.match(String(problem), /^ERR_NATS: JetStream is not enabled: add "jetstream \{\}"/);
        await server.kill();
        await server.start(['-js']);
        await until('all is out', allOut(publication, rig), 15_000);
        await assertWhole(await server.client(), rig);
      },
      { args: [] },
    ),
);

t.needing('nats-server', 'a stream that would not keep the order is refused by the name of the setting', () =>
  withBench(async ({ publish, rig, server }) => {
    const manager = await (await server.client()).jetstreamManager();
    const sound = { name: streamName, subjects: ['berth.v1.evt.>'], max_bytes: 1e7 };
    const cases = [
      [{ ...sound, discard: DiscardPolicy.New }, /discard is new, must be old/],
      [{ ...sound, max_bytes: -1 }, /max_bytes is unbounded/],
      [
        { ...sound, subjects: ['berth.v1.evt.job.>'] },
        /subjects is berth\.v1\.evt\.job\.>, must be berth\.v1\.evt\.>/,
      ],
      [{ ...sound, max_msg_size: 1000 }, /max_msg_size is 1000/],
      [{ ...sound, no_ack: true }, /no_ack is true/],
    ] as const;
    for (const [config, told] of cases) {
      await manager.streams.add({ ...config, subjects: [...config.subjects] });
      const publication = await publish();
      await until('it is refused', () => publication.status().problem !== null);
      assert.match(String(publication.status().problem), told);
      await publication.stop();
      await manager.streams.delete(streamName);
    }
    const publication = await publish({ streamBytesMax: 20_000_000 });
    await until('all is out', allOut(publication, rig));
    const { config } = await manager.streams.info(streamName);
    assert.equal([config.max_bytes, config.deny_delete], [20_000_000, true]);
  }),
);

t.needing('nats-server', 'a server that would not pass on the largest fact is refused before the first', () =>
  withBench(async ({ publish, rig, server }) => {
    await server.kill();
    const conf = join(rig.scratch, 'small.conf');
    await writeFile(conf, 'max_payload: 64KB\njetstream {}\n');
    await server.start(['-c', conf]);
    const publication = await publish();
    await until('it is refused', () => publication.status().problem !== null);
    assert.match(
      String(publication.status().problem),
      new RegExp(`at most 65536 bytes, and a fact may have ${factBytesMax}`),
    );
  }),
);

t.needing(
  'nats-server',
  'a message that someone else put into the stream is noticed, and nothing is published behind it',
  () =>
    withBench(async ({ publish, rig, server }) => {
      const publication = await publish();
      await until('all is out', allOut(publication, rig));
      const client = await server.client();
      client.publish('berth.v1.evt.job.acme.forged.succeeded', '{"seq":1}');
      await client.flush();
      await rig.runJobs(1);
      const noticed = /^ERR_NATS: the last message of BERTH_EVT is no fact: someone else publishes/;
      await until('it is noticed', () => noticed.test(String(publication.status().problem)));
      const last = (await stored(client)).at(-1);
      assert.is(last?.subject, 'berth.v1.evt.job.acme.forged.succeeded');
    }),
);

t.needing(
  'nats-server',
  'the server forgets the last message id when it restarts: why order is checked by sequence',
  async () => {
    const server = await NatsServer.start();
    try {
      const client = await server.client();
      const manager = await client.jetstreamManager();
      await manager.streams.add({ name: 'PROBE', subjects: ['probe'], duplicate_window: 100_000_000 });
      const jetstream = client.jetstream();
      await jetstream.publish('probe', 'a', { msgID: '1' });
      await jetstream.publish('probe', 'b', { msgID: '2', expect: { lastMsgID: '1' } });
      await new Promise((resume) => setTimeout(resume, 200));
      await server.kill();
      await server.start();
      const again = await server.client();
      const refusal = await again
        .jetstream()
        .publish('probe', 'c', { msgID: '3', expect: { lastMsgID: '2' } })
        .then(
          () => 'taken',
          (error: { message: string }) => error.message,
        );
      assert.match(refusal, /wrong last msg id: $/);
      const { seq } = await again
        .jetstream()
        .publish('probe', 'c', { msgID: '3', expect: { lastSequence: 2 } });
      assert.is(seq, 3);
    } finally {
      await server.remove();
    }
  },
);

/** Passes bytes on to the server; cuts each of the first `cutsMax` connections after so many, the last of them late. */
async function cuttingProxy(port: number, cutsMax: number, bytesOf: () => number, lateMsOf: () => number) {
  const sockets = new Set<Socket>();
  const late: Promise<void>[] = [];
  let cuts = 0;
  const proxy = createServer((near) => {
    const far = dial(port, '127.0.0.1');
    let rest = cuts < cutsMax ? bytesOf() : Number.POSITIVE_INFINITY;
    const end = (): void => {
      if (rest <= 0) return;
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    far.pipe(near);
    near.on('data', (chunk) => {
      const passed = chunk.subarray(0, Math.min(chunk.length, rest));
      rest -= chunk.length;
      if (rest > 0) {
        far.write(passed);
        return;
      }
      cuts += 1;
      near.destroy();
      // What is on the network when a connection breaks may arrive later than what its successor sends.
      late.push(new Promise((resume) => setTimeout(resume, lateMsOf())).then(() => void far.end(passed)));
    });
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    url: `nats://127.0.0.1:${(proxy.address() as { port: number }).port}`,
    get cuts() {
      return cuts;
    },
    /** Until what was held back has been passed on. */
    calm: () => Promise.all(late),
    async close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}

/** Mulberry32: numbers in [0, 1) that a seed repeats. */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

t.run();
