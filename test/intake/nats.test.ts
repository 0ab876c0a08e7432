/** The door for NATS, with a real server, a real controller and a plain client. */
import { headers, type NatsConnection } from 'nats';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { inFlightMax, type NatsIntake, startNatsIntake } from '../../src/intake/nats.ts';
import { startPublication } from '../../src/views/nats.ts';
import { type Rig, startRig, until } from '../nats-rig.ts';
import { freePort, NatsServer } from '../nats-server.ts';
import { suite } from '../suite.ts';

const t = suite('intake by NATS');

const logger = (): void => undefined;
type Reply = Record<string, unknown> & {
  readonly status: number;
  readonly code?: string;
  readonly id?: string;
};

interface Bench {
  readonly server: NatsServer;
  readonly rig: Rig;
  readonly intake: NatsIntake;
  readonly client: NatsConnection;
  ask(subject: string, body: string | object, header?: Record<string, string>): Promise<Reply>;
}

async function withBench(
  options: { trustSubjects?: boolean; door?: (rig: Rig) => Partial<Rig['door']> },
  body: (bench: Bench) => Promise<void>,
): Promise<void> {
  const server = await NatsServer.start();
  const rig = await startRig();
  const door = options.door
    ? Object.assign(Object.create(rig.door) as Rig['door'], options.door(rig))
    : rig.door;
  const trust = options.trustSubjects === undefined ? {} : { trustSubjects: options.trustSubjects };
  const intake = await startNatsIntake({ servers: server.url(), door, logger, clock: systemClock, ...trust });
  try {
    await until('the intake is connected', () => intake.connected());
    const client = await server.client();
    const ask = async (
      subject: string,
      sent: string | object,
      header: Record<string, string> = {},
    ): Promise<Reply> => {
      const head = headers();
      for (const [name, value] of Object.entries(header)) head.set(name, value);
      const text = typeof sent === 'string' ? sent : JSON.stringify(sent);
      const reply = await client.request(subject, new TextEncoder().encode(text), {
        timeout: 5_000,
        headers: head,
      });
      return reply.json<Reply>();
    };
    await body({ server, rig, intake, client, ask });
  } finally {
    await intake.stop();
    await rig.end();
    await server.remove();
  }
}

t.needing(
  'nats-server',
  'a signed request by NATS is a job, and its nine facts come back on the bus in order',
  () =>
    withBench({}, async ({ ask, client, rig, server }) => {
      const seen: FactRecord[] = [];
      client.subscribe('berth.v1.evt.job.acme.>', {
        callback: (_, message) => seen.push(message.json<FactRecord>()),
      });
      await client.flush();
      const publication = await startPublication({
        servers: server.url(),
        life: () => rig.life,
        stateFile: `${rig.scratch}/publication.json`,
        logger,
        clock: systemClock,
      });
      const reply = await ask('berth.v1.acme.submit', await rig.signed('acme'));
      assert.is(reply.status, 202);
      await until('the job has ended', () => seen.some(({ type }) => type === 'job.succeeded'));
      await publication.stop();
      const facts = 'submitted attested queued selected reserved started exited released succeeded';
      assert.is(seen.map(({ type }) => type.slice(4)).join(' '), facts);
      assert.equal(
        seen.map(({ seq }) => seq),
        seen.map(({ seq }) => seq).sort((a, b) => a - b),
      );
      assert.equal(
        seen,
        (await rig.facts()).filter(({ subject }) => subject.startsWith(`job.acme.${reply.id}.`)),
      );
    }),
);

t.run();
