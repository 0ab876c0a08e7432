/**
 * A controller, a real NATS server and publications between them; and what is asked of the stream afterwards.
 *
 * Why the whole stream is read and every hash computed anew: "the last fact is there" would also hold for a stream with
 * gaps, doubles and swapped bytes.
 */
import { join } from 'node:path';
import type { NatsConnection } from 'nats';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import { genesis, openRecord } from '../../src/events/record.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { streamName } from '../../src/views/event-stream.ts';
import { startPublication } from '../../src/views/nats.ts';
import type { Publication } from '../../src/views/publication.ts';
import { type Rig, type RigOptions, startRig } from '../nats-rig.ts';
import { NatsServer, type NatsServerOptions } from '../nats-server.ts';

/** What a body is given. */
export interface Bench {
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

/** A NATS server, a controller and as many publications as the body starts; all are ended after it. */
export async function withBench(
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
export async function stored(
  client: NatsConnection,
): Promise<{ id: string; subject: string; text: string }[]> {
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
export async function assertWhole(client: NatsConnection, rig: Rig): Promise<void> {
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

/** Is the whole log published? */
export const allOut = (publication: Publication, rig: Rig) => (): boolean =>
  publication.status().connected && publication.status().publishedSeq === rig.life!.log.head;
