import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { GpuView } from '../../src/views/slots-view.ts';
import type { TenantView } from '../../src/views/tenants-view.ts';
import { suite } from '../suite.ts';
import { Berth, guest, run } from './berth.ts';

const t = suite('cli/operator');
const slow = { limitMs: 60_000 };
let berth: Berth;

t.before(async () => {
  berth = await Berth.begin(['--fleet', '2xA30-24GB']);
});
t.after(() => berth.remove());

const json = async <T>(args: readonly string[]): Promise<T> => {
  const { code, text, stderr } = await berth.run([...args, '-o', 'json']);
  assert.is(code, 0, stderr);
  return JSON.parse(text) as T;
};

t(
  'a tenant is added with a key, changed, and its key revoked',
  async () => {
    const file = join(berth.data, 'team.jwk');
    const pair = await berth.run(['key', 'new', file, '-o', 'json']);
    const { kid } = JSON.parse(pair.text) as { kid: string };
    assert.is((await stat(file)).mode & 0o777, 0o600);
    assert.not.match(pair.text, new RegExp((JSON.parse(await readFile(file, 'utf8')) as { d: string }).d));
    const [added] = await json<TenantView[]>([
      'tenant',
      'add',
      'team',
      '--weight',
      '3',
      '--public-key',
      file,
    ]);
    assert.equal([added?.name, added?.terms.weight, added?.keys.length], ['team', 3, 1]);
    const submit = ['job', 'submit', guest('noop'), '--slot', '1g.6gb', '--tenant', 'team', '--key', file];
    assert.is((await berth.run(submit)).code, 0);
    const [changed] = await json<TenantView[]>(['tenant', 'set', 'team', '--slices-max', '2', '--unsigned']);
    assert.equal([changed?.terms.weight, changed?.terms.slicesMax, changed?.terms.unsigned], [3, 2, true]);
    assert.is((await berth.run(['tenant', 'key', 'revoke', 'team', kid, '--reason', 'lost'])).code, 0);
    const keys = await json<{ kid: string; revokedAtSeq: number | null }[]>([
      'tenant',
      'key',
      'list',
      'team',
    ]);
    assert.is(keys[0]?.kid, kid);
    assert.type(keys[0]?.revokedAtSeq, 'number');
    const refused = await berth.run(submit);
    assert.is(refused.code, 5, refused.stderr);
    const other = join(berth.data, 'other.jwk');
    await berth.run(['key', 'new', other]);
    assert.is((await berth.run(['tenant', 'key', 'add', 'team', other])).code, 0);
    const names = (await json<TenantView[]>(['tenant', 'list'])).map(({ name }) => name);
    assert.equal(names, ['acme', 'globex', 'team']);
  },
  slow,
);

t(
  'a key file is never overwritten',
  async () => {
    const file = join(berth.data, 'once.jwk');
    await berth.run(['key', 'new', file]);
    const before = await readFile(file, 'utf8');
    const again = await berth.run(['key', 'new', file]);
    assert.is(again.code, 2);
    assert.is(await readFile(file, 'utf8'), before);
  },
  slow,
);

t(
  "the operator's commands need the operator's key",
  async () => {
    const without = await run(['tenant', 'list'], {
      env: { BERTH_SERVER: berth.url, BERTH_DATA: '/nowhere' },
    });
    assert.is(without.code, 1);
    assert.match(
      without.stderr,
      /^error ERR_FORBIDDEN: this needs the operator's key: \/nowhere\/keys\/admin.jwk does not exist\nnext: pass --data DIR/,
    );
    const bad = await berth.run(['tenant', 'set', 'acme', '--weight', '0']);
    assert.is(bad.code, 1);
    assert.match(bad.stderr, /^error ERR_BAD_REQUEST: [\s\S]*weight/);
    assert.is((await berth.run(['tenant', 'set', 'acme'])).code, 2);
  },
  slow,
);

t(
  'slots are listed, drained and restored',
  async () => {
    const gpus = await json<GpuView[]>(['slot', 'list']);
    assert.equal(
      gpus.map(({ gpu, board, state }) => [gpu, board, state]),
      [
        ['gpu-0', 'A30-24GB', 'serving'],
        ['gpu-1', 'A30-24GB', 'serving'],
      ],
    );
    const drained = await berth.run(['slot', 'drain', 'gpu-1', '--reason', 'a new fan']);
    assert.match(drained.text, /gpu-1 +A30-24GB +drained +0\/4/);
    const log = await berth.run(['log', 'tail', '--subject', 'slot.gpu-1.>']);
    assert.match(log.text, /slot\.gpu-1\.drained +reason a new fan/);
    assert.match((await berth.run(['slot', 'restore', 'gpu-1'])).text, /gpu-1 +A30-24GB +serving/);
    const unknown = await berth.run(['slot', 'drain', 'gpu-9']);
    assert.is(unknown.code, 1);
    assert.match(unknown.stderr, /^error ERR_NOT_FOUND: no GPU gpu-9\n/);
  },
  slow,
);

t(
  'blobs come back as they went, by digest; what comes back otherwise is refused',
  async () => {
    const put = await berth.run(['blob', 'put', '-'], 'some bytes');
    const sha256 = put.text.trim();
    assert.match(sha256, /^[0-9a-f]{64}$/);
    assert.is((await berth.run(['blob', 'get', sha256])).text, 'some bytes');
    const file = join(berth.data, 'copy.bin');
    assert.is((await berth.run(['blob', 'get', `sha256:${sha256}`, '--out', file])).code, 0);
    assert.is(await readFile(file, 'utf8'), 'some bytes');
    const absent = await berth.run(['blob', 'get', 'f'.repeat(64), '--out', join(berth.data, 'none.bin')]);
    assert.is(absent.code, 1);
    assert.match(absent.stderr, /ERR_NOT_FOUND/);
    assert.is(await stat(join(berth.data, 'none.bin')).catch(() => null), null, 'no half file is left');
    assert.is((await berth.run(['blob', 'get', 'short'])).code, 2);
    const large = Buffer.alloc(3 * 1024 * 1024, 'x');
    const first = await berth.run(['blob', 'put', '-', '-o', 'json'], large);
    const second = await berth.run(['blob', 'put', '-', '-o', 'json'], large);
    const back = await berth.run(['blob', 'get', (JSON.parse(first.text) as { sha256: string }).sha256]);
    assert.equal([back.stdout.equals(large), back.stderr], [true, '']);
    assert.equal(
      [first, second].map(({ text }) => (JSON.parse(text) as { sent: boolean }).sent),
      [true, false],
    );
  },
  slow,
);

t(
  'the doctor finds nothing wrong here, and a server that is away',
  async () => {
    const well = await berth.run(['doctor', '-o', 'json']);
    const findings = JSON.parse(well.text) as { check: string; verdict: string }[];
    const verdicts = Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]));
    for (const check of ['node', 'settings', 'server', 'clock', 'ready', 'identity', 'data directory'])
      assert.is(verdicts[check], 'ok', check);
    assert.ok(verdicts['setpriv'] && verdicts['prlimit'] && verdicts['nice'] && verdicts['disk space']);
    const away = await run(['doctor'], {
      env: { BERTH_SERVER: 'http://127.0.0.1:1', BERTH_DATA: berth.data },
    });
    assert.is(away.code, 1);
    assert.match(away.text, /^server +fail +http:\/\/127.0.0.1:1: nothing listens there +npm start/m);
    assert.match(away.stderr, /\nnext: npm start, or pass --server URL\n$/);
  },
  slow,
);

t(
  'serve ends with 0 on SIGTERM, and its data directory is held by one server at a time',
  async () => {
    const second = await run(['serve', '--data', berth.data, '--listen', '127.0.0.1:0']);
    assert.is(second.code, 1);
    assert.match(second.stderr, /error ERR_DATA_LOCKED: .*\nnext: stop it, or use --data DIR\n$/);
    const taken = await run([
      'serve',
      '--data',
      join(berth.data, 'other'),
      '--listen',
      new URL(berth.url).host,
    ]);
    assert.is(taken.code, 1);
    assert.match(taken.stderr, /error ERR_CONFIG: .*another program listens there.*\nnext: /);
    assert.is(await berth.halt('SIGTERM'), 0);
  },
  slow,
);

t.run();
