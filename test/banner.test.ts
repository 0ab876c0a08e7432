/** What the first lines of a server say, and that they don't keep quiet about what can go wrong. */
import * as assert from 'uvu/assert';
import { bannerOf, isLoopback } from '../src/banner.ts';
import { readSettings } from '../src/config.ts';
import { suite } from './suite.ts';

const t = suite('banner');
type Started = Parameters<typeof bannerOf>[0];

const banner = (flags: object = {}, controller: Partial<Started['controller']> = {}): string[] =>
  bannerOf({
    version: '1.2.3',
    settings: readSettings({ ...flags }, {}).settings,
    dataDirectory: '/var/berth',
    controller: {
      backend: { probe: () => ({ name: 'wasm', isolation: 'L1', notes: ['nice is missing'] }) },
      log: { durability: 'file: fdatasync returned' },
      recovered: { ofSeq: 41, stateHash: 'ab'.repeat(32) },
      cut: null,
      ...controller,
    },
  });
const warnings = (lines: readonly string[]) => lines.filter((line) => line.startsWith('WARNING'));

t('it says what runs, where, how durable, and ends with what to type next', () => {
  const lines = banner({ runners: '2', fleet: '1xA30-24GB', demo: true });
  assert.equal(lines.slice(0, -1), [
    'Berth 1.2.3: event-sourced controller for GPU jobs',
    'data       /var/berth',
    'durable    file: fdatasync returned',
    'fleet      1xA30-24GB, slots simulated: no GPU is touched',
    'runners    2, isolation L1 (nice is missing)',
    'tenants    acme, globex (demo; keys in /var/berth/tenants)',
    'recovered  seq 41, state abababababababab',
  ]);
  assert.match(lines.at(-1) ?? '', /^next +npx berth job submit /);
});

t('it warns of plain HTTP whenever others than this machine can reach it', () => {
  for (const listen of ['0.0.0.0:7070', '[::]:7070', '10.1.2.3:80', '[2001:db8::1]:80', 'gpu-host:7070']) {
    const [warning, ...more] = warnings(banner({ listen }));
    assert.ok(warning?.includes(`plain HTTP on ${listen}`) && /TLS/.test(warning), `${listen}: ${warning}`);
    assert.is(more.length, 0);
  }
  for (const listen of ['127.0.0.1:7070', '127.8.8.8:0', '[::1]:7070', 'localhost:7070'])
    assert.equal(warnings(banner({ listen })), [], listen);
});

t('an address is loopback in every spelling, and a name that only looks like it is not', () => {
  for (const listen of ['127.1:1', 'LOCALHOST:1', '[0:0:0:0:0:0:0:1]:1', '[::ffff:127.0.0.1]:1'])
    assert.ok(isLoopback(listen), listen);
  for (const listen of [
    '127.0.0.1.example.org:1',
    'localhost.example.org:1',
    '[::ffff:a00:1]:1',
    '1.2.3.4.5:1',
  ])
    assert.not.ok(isLoopback(listen), listen);
});

t('it warns when the log lost records', () => {
  const cut = { bytes: 12, fromSeq: 42, file: '/var/berth/log/1.torn' };
  assert.equal(warnings(banner({}, { cut })), [
    'WARNING    the log lost 12 bytes from seq 42 on; kept in /var/berth/log/1.torn',
  ]);
});

t('without a backend, or without runners, it claims no isolation', () => {
  assert.ok(banner({ runners: '2' }, { backend: null }).includes('runners    2, isolation none'));
  const probe = () => ({ name: 'wasm', isolation: 'L0' as const, notes: ['no guest runs here'] });
  assert.ok(
    banner({ runners: '0' }, { backend: { probe } }).includes(
      'runners    0, isolation none (no guest runs here)',
    ),
  );
});

t.run();
