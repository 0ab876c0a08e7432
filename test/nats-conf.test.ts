/** `nats.conf` against the real server: each tenant reaches its own and nothing else, and nobody forges a fact. */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Events, type NatsConnection } from 'nats';
import * as assert from 'uvu/assert';
import { systemClock } from '../src/clock.ts';
import { startNatsIntake } from '../src/intake/nats.ts';
import { startPublication } from '../src/views/nats.ts';
import { type Rig, startRig, until } from './nats-rig.ts';
import { NatsServer } from './nats-server.ts';
import { suite } from './suite.ts';

const t = suite('nats.conf');

const conf = fileURLToPath(new URL('../nats.conf', import.meta.url));
const logger = (): void => undefined;
const login = (user: string): string => `${user}:${user}-demo`;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

interface Bench {
  readonly server: NatsServer;
  readonly rig: Rig;
  readonly acme: NatsConnection;
  readonly globex: NatsConnection;
  readonly auditor: NatsConnection;
}

/** A controller behind the server of `nats.conf`, trusting its subjects, with a client in each account. */
async function withBench(body: (bench: Bench) => Promise<void>): Promise<void> {
  const server = await NatsServer.start({ args: ['-c', conf] });
  const rig = await startRig();
  const common = { servers: server.url(login('controller')), logger, clock: systemClock };
  const intake = await startNatsIntake({ ...common, door: rig.door, trustSubjects: true });
  const stateFile = join(rig.scratch, 'publication.json');
  const publication = await startPublication({ ...common, life: () => rig.life, stateFile });
  try {
    await until('both are connected', () => intake.connected() && publication.status().connected);
    const [acme, globex, auditor] = await Promise.all(
      ['acme', 'globex', 'auditor'].map((name) => server.client(login(name))),
    );
    await body({ server, rig, acme: acme!, globex: globex!, auditor: auditor! });
    await until('all is out', () => publication.status().lag === 0);
  } finally {
    await intake.stop();
    await publication.stop();
    await rig.end();
    await server.remove();
  }
}

/** Did the server let this subscription stand? */
async function maySubscribe(client: NatsConnection, subject: string): Promise<boolean> {
  let refused = false;
  const subscription = client.subscribe(subject, { callback: (error) => (refused ||= error !== null) });
  await client.flush();
  subscription.unsubscribe();
  return !refused;
}

/** Did the server let this message in? */
async function mayPublish(client: NatsConnection, subject: string, reply?: string): Promise<boolean> {
  let refused = false;
  const status = client.status();
  const watch = (async () => {
    for await (const { type, data } of status) {
      if (type === Events.Error && String(data).includes('PERMISSIONS')) refused = true;
    }
  })();
  client.publish(subject, bytes('{"seq":1}'), reply ? { reply } : {});
  await client.flush();
  // The refusal is told before the flush is answered; the iterator hands it on a turn later.
  await new Promise((resume) => setTimeout(resume, 20));
  (status as unknown as { stop(): void }).stop();
  await watch;
  return !refused;
}

t.needing(
  'nats-server',
  'the file is valid as it stands, and with passwords from the environment instead',
  async () => {
    const check = (path: string, env = {}) =>
      spawnSync('nats-server', ['-c', path, '-t'], { encoding: 'utf8', env: { ...process.env, ...env } });
    assert.is(check(conf).status, 0, check(conf).stderr);
    const rig = await startRig();
    const own = join(rig.scratch, 'nats.conf');
    await writeFile(own, (await readFile(conf, 'utf8')).replace(/^ACME_PASSWORD:.*$/m, ''));
    assert.is.not(check(own).status, 0, 'a missing password is no empty password');
    assert.is(check(own, { ACME_PASSWORD: 'of-my-own' }).status, 0);
    await rig.end();
  },
);

t.needing(
  'nats-server',
  'a tenant submits, reads and hears its own, through the imports of its account',
  () =>
    withBench(async ({ acme, globex, rig }) => {
      const heard: string[] = [];
      acme.subscribe('berth.v1.evt.job.acme.>', { callback: (_, message) => heard.push(message.subject) });
      await acme.flush();
      const ask = async (client: NatsConnection, subject: string, text: string) =>
        (await client.request(subject, bytes(text), { timeout: 5_000 })).json<{
          status: number;
          id: string;
          tenant: string;
        }>();
      const signed = await ask(acme, 'berth.v1.acme.submit', await rig.signed('acme'));
      assert.equal([signed.status, signed.tenant], [202, 'acme']);
      const unsigned = await ask(globex, 'berth.v1.globex.submit', JSON.stringify({ job: rig.spec() }));
      assert.equal([unsigned.status, unsigned.tenant], [202, 'globex']);
      await until('the facts are heard', () => heard.some((subject) => subject.endsWith('.succeeded')));
      assert.is(heard.length, 9);
      assert.is((await ask(acme, 'berth.v1.acme.get', JSON.stringify({ id: signed.id }))).status, 200);
      assert.is((await ask(acme, 'berth.v1.acme.get', JSON.stringify({ id: unsigned.id }))).status, 404);
      assert.is((await ask(acme, 'berth.v1.acme.explain', JSON.stringify({ id: signed.id }))).status, 200);
      assert.is((await ask(acme, 'berth.v1.acme.cancel', JSON.stringify({ id: signed.id }))).status, 409);
    }),
);

t.needing('nats-server', 'a tenant can neither send on nor listen to anything that is not its own', () =>
  withBench(async ({ acme, globex, rig }) => {
    const unheard: string[] = [];
    globex.subscribe('berth.v1.evt.job.globex.>', { callback: (_, { subject }) => unheard.push(subject) });
    await globex.flush();
    const before = rig.life!.log.head;
    const mayNotSend = [
      'berth.v1.globex.submit',
      'berth.v1.globex.cancel',
      'berth.v1.globex.get',
      'berth.v1.admin.cancel',
      'berth.v1.acme.other',
      'berth.v1.acme.submit.more',
      'berth.v1.evt.job.acme.abc.succeeded',
      'berth.v1.evt.job.globex.abc.succeeded',
      'berth.v1.evt.controller.stopped',
      '$JS.API.STREAM.PURGE.BERTH_EVT',
      '$JS.API.STREAM.DELETE.BERTH_EVT',
      '$JS.API.STREAM.MSG.GET.BERTH_EVT',
      '$JS.API.STREAM.CREATE.MINE',
      '$SYS.REQ.SERVER.PING',
      '_INBOX.someone.else',
      '_R_.x.y',
    ];
    for (const subject of mayNotSend)
      assert.not.ok(await mayPublish(acme, subject), `may publish on ${subject}`);
    assert.ok(await mayPublish(acme, 'berth.v1.acme.get'), 'the probe tells allowed from refused');
    const mayNotHear = [
      '>',
      'berth.>',
      'berth.v1.>',
      'berth.v1.evt.>',
      'berth.v1.evt.job.>',
      'berth.v1.evt.job.*.>',
      'berth.v1.evt.job.globex.>',
      'berth.v1.evt.tenant.acme.>',
      'berth.v1.globex.submit',
      'berth.v1.*.submit',
      '$SYS.>',
      '$JS.>',
      '_R_.>',
    ];
    for (const subject of mayNotHear)
      assert.not.ok(await maySubscribe(acme, subject), `may subscribe to ${subject}`);
    assert.ok(await maySubscribe(acme, 'berth.v1.evt.job.acme.>'), 'the probe tells allowed from refused');
    assert.equal(unheard, []);
    assert.is(rig.life!.log.head, before, 'nothing came of any of it');
  }),
);

t.needing(
  'nats-server',
  'an inbox of one account is not the inbox of another: nobody reads another’s answers',
  () =>
    withBench(async ({ acme, auditor, globex, rig }) => {
      const overheard: string[] = [];
      for (const other of [globex, auditor]) {
        other.subscribe('_INBOX.>', { callback: (_, { subject }) => overheard.push(subject) });
        await other.flush();
      }
      const reply = await acme.request('berth.v1.acme.submit', bytes(await rig.signed('acme')), {
        timeout: 5_000,
      });
      assert.is(reply.json<{ status: number }>().status, 202);
      await globex.flush();
      await auditor.flush();
      assert.equal(overheard, []);
    }),
);

t.needing(
  'nats-server',
  'a forged reply subject stores no fact, neither through the controller nor through JetStream',
  () =>
    withBench(async ({ acme, auditor, globex, rig, server }) => {
      const forged = 'berth.v1.evt.job.globex.abc.succeeded';
      const heard: string[] = [];
      globex.subscribe('berth.v1.evt.job.globex.>', { callback: (_, { subject }) => heard.push(subject) });
      await globex.flush();
      const controller = await server.client(login('controller'));
      const manager = await controller.jetstreamManager({ checkAPI: false });
      const stored = async (): Promise<number> => (await manager.streams.info('BERTH_EVT')).state.last_seq;
      await until('the stream is at rest', async () => (await stored()) === rig.life!.log.head);
      const before = await stored();
      acme.publish('berth.v1.acme.get', bytes('{"id":"abc"}'), { reply: forged });
      acme.publish('berth.v1.acme.submit', bytes('{'), { reply: forged });
      auditor.publish('audit.STREAM.INFO.BERTH_EVT', bytes(''), { reply: forged });
      auditor.publish('audit.STREAM.MSG.GET.BERTH_EVT', bytes('{"seq":1}'), { reply: forged });
      // Answers come in the order of the requests: when these are there, the forged ones have been sent.
      await acme.request('berth.v1.acme.get', bytes('{"id":"abc"}'), { timeout: 5_000 });
      await auditor.request('audit.STREAM.INFO.BERTH_EVT', bytes(''), { timeout: 5_000 });
      await globex.flush();
      assert.is(await stored(), before);
      assert.equal(heard, []);
      // Inside the controller's own account the same trick works: that is why nobody else has a login there.
      controller.publish('$JS.API.STREAM.INFO.BERTH_EVT', bytes(''), { reply: forged });
      await until('the forgery is stored', async () => (await stored()) === before + 1);
    }),
);

t.needing(
  'nats-server',
  'the auditor hears all and reads all back, and can neither send, change nor delete',
  () =>
    withBench(async ({ auditor, rig }) => {
      const heard: string[] = [];
      auditor.subscribe('berth.v1.evt.>', { callback: (_, { subject }) => heard.push(subject) });
      await auditor.flush();
      await rig.runJobs(2);
      await until(
        'all is heard',
        () => heard.filter((subject) => subject.endsWith('.succeeded')).length === 2,
      );
      const manager = await auditor.jetstreamManager({ checkAPI: false, apiPrefix: 'audit' });
      const { state } = await manager.streams.info('BERTH_EVT');
      const { header } = await manager.streams.getMessage('BERTH_EVT', { seq: state.first_seq });
      assert.is(header.get('Nats-Msg-Id'), '1');
      const mayNot = [
        'berth.v1.evt.job.acme.abc.succeeded',
        'berth.v1.acme.submit',
        '$JS.API.STREAM.PURGE.BERTH_EVT',
        '$JS.API.STREAM.DELETE.BERTH_EVT',
        '$JS.API.STREAM.UPDATE.BERTH_EVT',
        '$JS.API.STREAM.MSG.DELETE.BERTH_EVT',
        '$JS.API.CONSUMER.CREATE.BERTH_EVT',
      ];
      for (const subject of mayNot)
        assert.not.ok(await mayPublish(auditor, subject), `may publish on ${subject}`);
    }),
);

t.needing(
  'nats-server',
  'the controller’s own login can neither purge nor delete what is out, nor ask for jobs',
  () =>
    withBench(async ({ server }) => {
      const controller = await server.client(login('controller'));
      const mayNot = [
        '$JS.API.STREAM.PURGE.BERTH_EVT',
        '$JS.API.STREAM.DELETE.BERTH_EVT',
        '$JS.API.STREAM.UPDATE.BERTH_EVT',
        '$JS.API.STREAM.MSG.DELETE.BERTH_EVT',
        'berth.v1.acme.submit',
      ];
      for (const subject of mayNot)
        assert.not.ok(await mayPublish(controller, subject), `may publish on ${subject}`);
      for (const name of ['acme', 'globex', 'auditor', 'controller']) {
        const refusal = await server.client(`${name}:wrong`).catch((error: { code: string }) => error.code);
        assert.is(refusal, 'AUTHORIZATION_VIOLATION', name);
      }
      assert.is(
        await server.client().catch((error: { code: string }) => error.code),
        'AUTHORIZATION_VIOLATION',
        'no login',
      );
    }),
);

t.run();
