/** Publication to a real JetStream: order without gap through kills and cuts, and resumption. */

import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, connect as dial, type Socket } from 'node:net';
import { join } from 'node:path';
import { headers } from 'nats';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { startNatsIntake } from '../../src/intake/nats.ts';
import { streamName } from '../../src/views/event-stream.ts';
import { startRig, until } from '../nats-rig.ts';
import { NatsServer } from '../nats-server.ts';
import { runs, seed, suite } from '../suite.ts';
import { allOut, assertWhole, stored, withBench } from './nats-bench.ts';

const t = suite('publication to NATS');

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
