/** The door for NATS, with a real server, a real controller and a plain client. */
import { headers, type NatsConnection } from 'nats';
import * as assert from 'uvu/assert';
import { systemClock } from '../../src/clock.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { startWasmPool } from '../../src/executor/pool.ts';
import { inFlightMax, type NatsIntake, startNatsIntake } from '../../src/intake/nats.ts';
import { startPublication } from '../../src/views/nats.ts';
import { type Rig, startRig, until } from '../nats-rig.ts';
import { NatsServer } from '../nats-server.ts';
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

t.needing(
  'nats-server',
  'a job sent by NATS runs in a real sandbox, and its result is what the guest wrote',
  async () => {
    const server = await NatsServer.start();
    const pool = { runners: 1, clock: systemClock, leaseMs: 10_000, graceMs: 1_000, memoryMiBMax: 64 };
    const rig = await startRig({ startBackend: (dir) => startWasmPool({ ...pool, dir }) });
    const intake = await startNatsIntake({
      servers: server.url(),
      door: rig.door,
      logger,
      clock: systemClock,
    });
    try {
      await until('the intake is connected', () => intake.connected());
      const client = await server.client();
      const bytes = new TextEncoder().encode(await rig.signed('acme', rig.spec('hello', { args: ['bus'] })));
      const { id } = (await client.request('berth.v1.acme.submit', bytes, { timeout: 5_000 })).json<Reply>();
      await until('the job has ended', () => rig.life?.views.job(String(id))?.job.state === 'succeeded');
      const exited = (await rig.facts()).find(({ subject }) => subject === `job.acme.${id}.exited`);
      assert.is(exited?.data['exitCode'], 0);
      const { sha256 } = (exited?.data['result'] ?? {}) as { sha256: string };
      assert.match(new TextDecoder().decode(await rig.blobs.read('acme', sha256)), /bus/);
    } finally {
      await intake.stop();
      await rig.end();
      await server.remove();
    }
  },
);

t.needing(
  'nats-server',
  'get, explain and cancel answer as HTTP does, for whoever the bearer token proves',
  () =>
    withBench({}, async ({ ask, rig }) => {
      const authorization = `Bearer ${await rig.token('acme')}`;
      const { id } = await ask('berth.v1.acme.submit', await rig.signed('acme'));
      await until('the job has ended', async () => {
        const { state } = await ask('berth.v1.acme.get', { id, authorization });
        return state === 'succeeded';
      });
      const http = rig.door.job(String(id), { tenant: 'acme', admin: false });
      const view = await ask('berth.v1.acme.get', { id }, { Authorization: authorization });
      assert.equal(view, { ...JSON.parse(JSON.stringify(http.body)), status: 200 });
      const why = await ask('berth.v1.acme.explain', { id, authorization });
      assert.is(why.status, 200);
      assert.is(why.id, id);
      const cancelled = await ask('berth.v1.acme.cancel', { id, authorization });
      assert.equal([cancelled.status, cancelled.code], [409, 'ERR_JOB_ENDED']);
    }),
);

t.needing(
  'nats-server',
  'unsigned JSON needs a bearer token of the tenant in the subject, and a tenant that allows it',
  () =>
    withBench({}, async ({ ask, rig }) => {
      const job = rig.spec();
      const [acme, globex, admin] = await Promise.all([
        rig.token('acme'),
        rig.token('globex'),
        rig.token('admin'),
      ]);
      const answer = async (subject: string, token: string | null): Promise<unknown[]> => {
        const { status, code } = await ask(subject, {
          job,
          ...(token ? { authorization: `Bearer ${token}` } : {}),
        });
        return [status, code];
      };
      assert.equal(await answer('berth.v1.globex.submit', null), [401, 'ERR_UNAUTHENTICATED']);
      assert.equal(await answer('berth.v1.globex.submit', 'x.y.z'), [401, 'ERR_UNAUTHENTICATED']);
      assert.equal(await answer('berth.v1.globex.submit', acme), [403, 'ERR_FORBIDDEN']);
      assert.equal(await answer('berth.v1.globex.submit', admin), [403, 'ERR_FORBIDDEN']);
      assert.equal(await answer('berth.v1.acme.submit', acme), [403, 'ERR_UNSIGNED']);
      assert.equal(await answer('berth.v1.globex.submit', globex), [202, undefined]);
    }),
);

t.needing(
  'nats-server',
  'subjects are proof only when the setting says that the server binds them, and never of the operator',
  async () => {
    await withBench({ trustSubjects: true }, async ({ ask, rig }) => {
      const { status, id, tenant } = await ask('berth.v1.globex.submit', { job: rig.spec() });
      assert.equal([status, tenant], [202, 'globex']);
      assert.is((await ask('berth.v1.globex.get', { id })).status, 200);
      assert.is((await ask('berth.v1.acme.get', { id })).status, 404, 'another tenant finds nothing');
      assert.is(
        (await ask('berth.v1.globex.get', { id, authorization: 'Bearer x' })).status,
        401,
        'a bad token is not overlooked',
      );
      assert.is((await ask('berth.v1.admin.get', { id })).status, 401);
      const authorization = `Bearer ${await rig.token('admin')}`;
      assert.is((await ask('berth.v1.admin.get', { id, authorization })).status, 200);
      assert.is(
        (await ask('berth.v1.acme.submit', await rig.signed('globex'))).code,
        'ERR_FORBIDDEN',
        'nor is a signature',
      );
    });
    await withBench({}, async ({ ask }) => {
      assert.is((await ask('berth.v1.globex.get', { id: 'abc' })).status, 401);
    });
  },
);

t.needing(
  'nats-server',
  'a signed job is taken only on its own tenant’s subject, once, and with its idempotency key',
  () =>
    withBench({}, async ({ ask, rig }) => {
      const request = await rig.signed('acme');
      const wrong = await ask('berth.v1.globex.submit', request);
      assert.equal([wrong.status, wrong.code], [403, 'ERR_FORBIDDEN']);
      const first = await ask('berth.v1.acme.submit', request);
      const again = await ask('berth.v1.acme.submit', request);
      assert.equal([first.status, again.status, again.id], [202, 202, first.id]);
      const keyed = await ask('berth.v1.acme.submit', await rig.signed('acme'), { 'Idempotency-Key': 'k1' });
      const repeat = await ask('berth.v1.acme.submit', await rig.signed('acme'), { 'idempotency-key': 'k1' });
      const other = await ask('berth.v1.acme.submit', await rig.signed('acme', rig.spec('hello')), {
        'idempotency-key': 'k1',
      });
      assert.is(repeat.id, keyed.id);
      assert.equal([other.status, other.code], [422, 'ERR_IDEMPOTENCY']);
      const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
      const traced = await ask('berth.v1.acme.submit', await rig.signed('acme'), { traceparent: trace });
      const fact = (await rig.facts()).find(({ subject }) => subject === `job.acme.${traced.id}.submitted`);
      assert.equal([fact?.trace, fact?.data['via']], [trace, 'nats']);
    }),
);

t.needing('nats-server', 'what is malformed gets a problem that names the fault, and no job', () =>
  withBench({ trustSubjects: true }, async ({ ask, client, rig }) => {
    const before = (await rig.facts()).length;
    const cases: [string, string | object, number, string, RegExp][] = [
      ['globex.submit', '', 401, 'ERR_SIGNATURE', /no tenant/],
      ['globex.submit', '{', 400, 'ERR_BAD_REQUEST', /body must be/],
      ['globex.submit', '{"job"', 400, 'ERR_BAD_REQUEST', /body must be/],
      ['globex.submit', {}, 400, 'ERR_BAD_REQUEST', /"job"/],
      ['globex.submit', { job: { module: 'sha256:no' } }, 400, 'ERR_BAD_SPEC', /job\.module/],
      ['globex.submit', { job: rig.spec('noop', { slot: 'huge' }) }, 400, 'ERR_BAD_SPEC', /job\.slot/],
      ['globex.submit', `{"job":${'['.repeat(5_000)}`, 400, 'ERR_BAD_REQUEST', /body must be/],
      ['globex.submit', `{"job":"${'x'.repeat(300_000)}"}`, 413, 'ERR_TOO_LARGE', /262144/],
      ['acme.submit', `${'x'.repeat(70_000)}`, 413, 'ERR_TOO_LARGE', /65536/],
      ['acme.submit', 'a.b.c', 401, 'ERR_SIGNATURE', /no tenant/],
      ['acme.get', 'x', 400, 'ERR_BAD_REQUEST', /"id"/],
      ['acme.get', '[]', 400, 'ERR_BAD_REQUEST', /"id"/],
      ['acme.get', { id: 7 }, 400, 'ERR_BAD_REQUEST', /id: must be/],
      ['acme.get', { id: 'a.b' }, 400, 'ERR_BAD_REQUEST', /id: must be/],
      ['acme.get', '{"__proto__":{"id":"abc"}}', 400, 'ERR_BAD_REQUEST', /id: must be/],
      ['acme.cancel', { id: 'nosuchjob' }, 404, 'ERR_NOT_FOUND', /no such job/],
      ['evt.get', { id: 'abc' }, 404, 'ERR_NOT_FOUND', /evt/],
      ['a"b.submit', {}, 404, 'ERR_NOT_FOUND', /no tenant can be called/],
      ['Acme.get', {}, 404, 'ERR_NOT_FOUND', /no tenant can be called/],
      ['nobody.submit', {}, 403, 'ERR_UNSIGNED', /signed/],
      ['nobody.get', { id: 'abc' }, 404, 'ERR_NOT_FOUND', /abc/],
    ];
    for (const [subject, body, status, code, detail] of cases) {
      const reply = await ask(`berth.v1.${subject}`, body);
      const told = `${subject} ${JSON.stringify(body).slice(0, 60)}`;
      assert.equal([reply.status, reply.code], [status, code], told);
      assert.match(String(reply['detail']), detail, `${told}: ${reply['detail']}`);
    }
    const bytes = await client.request('berth.v1.acme.get', new Uint8Array([0xff, 0xfe, 0x7b]), {
      timeout: 5_000,
    });
    assert.match(bytes.string(), /not UTF-8/);
    assert.is((await rig.facts()).filter(({ type }) => type.startsWith('job.')).length, 0);
    const counts = async (): Promise<readonly FactRecord[]> =>
      (await rig.facts()).filter(({ seq, type }) => seq > before && type === 'intake.refused');
    await until('refusals are noted', async () => (await counts()).length > 0);
    const names = (await counts()).map(({ subject }) => subject.split('.')[1]);
    assert.equal(
      [...new Set(names)].sort(),
      ['globex', 'unknown'],
      'strangers leave no name of their own in the log',
    );
  }),
);

t.needing(
  'nats-server',
  'no answer goes to a reply subject that is not an inbox, and no work is done for it',
  () =>
    withBench({ trustSubjects: true }, async ({ ask, client, rig }) => {
      const forged: string[] = [];
      client.subscribe('>', {
        callback: (_, { subject, reply }) => {
          // What we ask ourselves comes by here as well; what counts is what nobody asked.
          if (!/\.(submit|cancel|get|explain)$/.test(subject) && !/^_INBOX\./.test(subject) && !reply)
            forged.push(subject);
        },
      });
      client.publish('orders.new');
      await client.flush();
      assert.equal(forged.splice(0), ['orders.new'], 'the watcher sees what it should');
      const replies = [
        'berth.v1.evt.job.globex.abc.succeeded',
        'berth.v1.acme.submit',
        '$JS.API.STREAM.PURGE.BERTH_EVT',
        '$JS.API.STREAM.DELETE.BERTH_EVT',
        '$SYS.REQ.SERVER.PING',
        'orders.new',
        '_INBOXberth.v1.evt',
        '_INBOX',
      ].filter((reply) => reply !== '_INBOXberth.v1.evt');
      const request = await rig.signed('acme');
      for (const reply of replies) {
        client.publish('berth.v1.acme.submit', new TextEncoder().encode(request), { reply });
        client.publish('berth.v1.acme.get', new TextEncoder().encode('{"id":"abc"}'), { reply });
      }
      client.publish('berth.v1.acme.submit', new TextEncoder().encode(request));
      // Requests of one connection are taken in order: when this one is answered, those before it were looked at.
      assert.is((await ask('berth.v1.acme.get', { id: 'abc' })).status, 404);
      await client.flush();
      assert.equal(forged, []);
      assert.is((await rig.facts()).filter(({ type }) => type === 'job.submitted').length, 0);
    }),
);

t.needing(
  'nats-server',
  `beyond ${inFlightMax} requests under way the answer is ERR_BUSY at once, and service goes on after`,
  async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resume) => {
      open = resume;
    });
    const slowly = (rig: Rig): Partial<Rig['door']> => ({
      async submit(submission) {
        await gate;
        return rig.door.submit(submission);
      },
    });
    await withBench({ trustSubjects: true, door: slowly }, async ({ ask, rig }) => {
      const asked = Array.from({ length: inFlightMax + 40 }, () =>
        ask('berth.v1.globex.submit', { job: rig.spec() }),
      );
      const first = await Promise.race(asked);
      assert.equal([first.status, first.code, first['retryable']], [503, 'ERR_BUSY', true]);
      open();
      const statuses = (await Promise.all(asked)).map(({ status }) => status);
      assert.is(statuses.filter((status) => status === 202).length, inFlightMax);
      assert.is(statuses.filter((status) => status === 503).length, 40);
      assert.is((await ask('berth.v1.globex.submit', { job: rig.spec() })).status, 202);
    });
  },
);

t.needing('nats-server', 'a stop takes nothing more and answers what it took', async () => {
  const slowly = (rig: Rig): Partial<Rig['door']> => ({
    async submit(submission) {
      await new Promise((resume) => setTimeout(resume, 200));
      return rig.door.submit(submission);
    },
  });
  await withBench({ door: slowly }, async ({ ask, intake, rig }) => {
    const asked = ask('berth.v1.acme.submit', await rig.signed('acme'));
    await new Promise((resume) => setTimeout(resume, 50));
    await intake.stop();
    assert.is((await asked).status, 202);
    assert.is(intake.connected(), false);
    const late = await ask('berth.v1.acme.submit', 'x').catch((error: { code: string }) => error.code);
    assert.is(late, '503', 'no responders: the client hears at once that nobody listens');
    await intake.stop();
  });
});

t.needing('nats-server', 'a door that fails answers with a problem, and says no more than its code', () => {
  const broken = (): Partial<Rig['door']> => ({
    submit: () => Promise.reject(new Error('secret path /var/lib')),
  });
  return withBench({ door: broken }, async ({ ask, rig }) => {
    const reply = await ask('berth.v1.acme.submit', await rig.signed('acme'));
    assert.equal([reply.status, reply.code], [500, 'ERR_INTERNAL']);
    assert.not.match(JSON.stringify(reply), /secret/);
  });
});

t.needing(
  'nats-server',
  'the controller starts without a server; the intake connects when one comes, and again after a kill',
  async () => {
    const rig = await startRig();
    const server = await NatsServer.start();
    await server.kill();
    const told: string[] = [];
    const intake = await startNatsIntake({
      servers: server.url(),
      door: rig.door,
      logger: (level, message) => told.push(`${level} ${message}`),
      clock: systemClock,
    });
    try {
      assert.is(intake.connected(), false);
      await until('the failure is told', () =>
        told.some((line) => /^warn .*cannot connect to 127/.test(line)),
      );
      await server.start();
      await until('it connects', () => intake.connected());
      const submit = async (): Promise<Reply> => {
        const client = await server.client();
        const text = new TextEncoder().encode(await rig.signed('acme'));
        return (await client.request('berth.v1.acme.submit', text, { timeout: 5_000 })).json<Reply>();
      };
      assert.is((await submit()).status, 202);
      await server.kill();
      await until('the loss is seen', () => !intake.connected());
      await server.start();
      await until('it connects again', () => intake.connected());
      assert.is((await submit()).status, 202);
      assert.ok(told.length < 10, `told once each, not at every try: ${told.join('; ')}`);
    } finally {
      await intake.stop();
      await rig.end();
      await server.remove();
    }
  },
);

t.needing(
  'nats-server',
  'a login that may not subscribe, or is refused, is told with its reason',
  async () => {
    const server = await NatsServer.start({ args: ['--user', 'berth', '--pass', 'right'] });
    const rig = await startRig();
    const told: string[] = [];
    const logger = (_: string, message: string): void => void told.push(message);
    const common = { door: rig.door, clock: systemClock, logger };
    const wrong = await startNatsIntake({ ...common, servers: server.url('berth:wrong') });
    const right = await startNatsIntake({
      ...common,
      servers: server.url(),
      login: { user: 'berth', password: 'right' },
    });
    try {
      await until(
        'one connects, one is refused',
        () => right.connected() && told.some((line) => /refuses this login/.test(line)),
      );
      assert.is(wrong.connected(), false);
      assert.not.match(told.join(' '), /wrong|right/, 'no password is told');
    } finally {
      await Promise.all([wrong.stop(), right.stop()]);
      await rig.end();
      await server.remove();
    }
  },
);

t('an address or a login that cannot be read is refused at once, without repeating a password', async () => {
  const door = {} as Rig['door'];
  const start = (servers: string, login = {}): Promise<string> =>
    startNatsIntake({ servers, login, door, logger, clock: systemClock }).then(
      async (intake) => {
        await intake.stop();
        return 'started';
      },
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    );
  for (const servers of ['', 'http://host', 'nats://', 'ws://h:1', 'nats://user:secret@']) {
    const refusal = await start(servers);
    assert.match(refusal, /^ERR_CONFIG nats servers: must be/, servers);
    assert.not.match(refusal, /secret/);
  }
  assert.match(await start(Array(17).fill('h').join()), /at most 16, not 17/);
  assert.match(await start('h', { user: 'u', token: 't' }), /ERR_CONFIG nats login: give/);
  assert.match(await start('h', { nkeySeed: 'SUAnokey' }), /ERR_CONFIG nats login: the nkey/);
});

t.run();
