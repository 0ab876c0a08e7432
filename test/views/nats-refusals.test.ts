/** What publication refuses to publish into: a stream of another log, one that would not keep the order, one with a stranger's message. */
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DiscardPolicy } from 'nats';
import * as assert from 'uvu/assert';
import { factBytesMax, streamName } from '../../src/views/event-stream.ts';
import { startRig, until } from '../nats-rig.ts';
import { suite } from '../suite.ts';
import { allOut, assertWhole, stored, withBench } from './nats-bench.ts';

const t = suite('publication to NATS, refusals');

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

t.run();
