import * as assert from 'uvu/assert';
import { NatsServer } from '../nats-server.ts';
import { needs, suite } from '../suite.ts';
import { Berth, guest } from './berth.ts';

const t = suite('cli/nats');
const slow = { limitMs: 60_000 };
let bus: NatsServer | undefined;
let url = '';
let berth: Berth;

t.before(async () => {
  if (!needs('nats-server')) return;
  bus = await NatsServer.start();
  url = bus.url();
  berth = await Berth.begin(['--nats', url]);
});
t.after(async () => {
  await berth?.remove();
  await bus?.remove();
});

t.needing(
  'nats-server',
  'a job submitted by NATS is the same job, and its result comes back',
  async () => {
    const { code, text, stderr } = await berth.run([
      'job',
      'submit',
      guest('hello'),
      '--via',
      'nats',
      '--nats',
      url,
      '--wait',
      '--',
      'bus',
    ]);
    assert.equal([code, text], [0, 'hello bus\n'], stderr);
    const log = await berth.run(['log', 'tail', '--subject', 'job.acme.*.submitted']);
    assert.match(log.text, /via nats/);
  },
  slow,
);

t.needing(
  'nats-server',
  'what the door refuses by NATS is exit 5, with the same words',
  async () => {
    const submit = (name: string, ...way: string[]) =>
      berth.run(['job', 'submit', guest(name), '--idempotency-key', 'bus', ...way]);
    const nats = ['--via', 'nats', '--nats', url];
    assert.is((await submit('noop', ...nats)).code, 0);
    const byNats = await submit('hello', ...nats);
    const byHttp = await submit('hello');
    assert.is(byNats.code, 5, byNats.stderr);
    assert.is(byNats.stderr, byHttp.stderr);
  },
  slow,
);

t.needing(
  'nats-server',
  'a bus that is not there is exit 1 and says what to check',
  async () => {
    const { code, stderr } = await berth.run([
      'job',
      'submit',
      guest('noop'),
      '--via',
      'nats',
      '--nats',
      'nats://127.0.0.1:1',
    ]);
    assert.is(code, 1);
    assert.match(stderr, /^error ERR_NATS: 127\.0\.0\.1:1: nothing listens there\nnext: check --nats URL/);
  },
  slow,
);

t.run();
