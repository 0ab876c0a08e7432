/** Settings: which source wins, what the bounds are, and that what is off is named. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { environmentName, readFleet, readSettings, type SettingName, settingsSchema } from '../src/config.ts';
import { suite } from './suite.ts';

const t = suite('settings');
const folder = mkdtempSync(join(tmpdir(), 'berth-config-'));
t.after(() => rmSync(folder, { recursive: true }));
const file = (content: string): string => {
  const path = join(folder, 'berth.json');
  writeFileSync(path, content);
  return path;
};
const throwsCode =
  (code: string) =>
  (run: () => unknown, message: RegExp): void =>
    assert.throws(run, (error: { code?: string; message: string }) => {
      if (error.code !== code || !message.test(error.message)) throw error;
      return true;
    });
const throwsConfig = throwsCode('ERR_CONFIG');
const throwsUsage = throwsCode('ERR_USAGE');

t('flag beats environment beats file beats default, and each says who won', () => {
  const config = file('{"queuedMax": 30, "attestMs": 40, "lossesMax": 5}');
  const { settings, sources } = readSettings(
    { config, queuedMax: '10' },
    { BERTH_QUEUED_MAX: '20', BERTH_ATTEST_MS: '50' },
  );
  assert.equal(
    [settings.queuedMax, settings.attestMs, settings.lossesMax, settings.stopMs],
    [10, 50, 5, 5_000],
  );
  assert.equal(
    [sources.queuedMax, sources.attestMs, sources.lossesMax, sources.stopMs],
    ['flag', 'environment', 'file', 'default'],
  );
  assert.is(readSettings({}, { BERTH_CONFIG: config }).settings.lossesMax, 5);
});

t('every setting has a name of its own in the environment', () => {
  const names = (Object.keys(settingsSchema.shape) as SettingName[]).map(environmentName);
  assert.ok(names.length > 20 && new Set(names).size === names.length);
  for (const name of names) assert.match(name, /^BERTH_[A-Z_]+$/);
  assert.is(environmentName('tenantBytesMax'), 'BERTH_TENANT_BYTES_MAX');
});

t('the endpoint of traces may stand in the standard variable; its own name and a flag go first', () => {
  const standard = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://standard:4318' };
  const endpointOf = (flags: object, environment: NodeJS.ProcessEnv): unknown[] => {
    const { settings, sources } = readSettings({ ...flags }, environment);
    return [settings.otlpEndpoint, sources.otlpEndpoint];
  };
  assert.equal(endpointOf({}, {}), ['', 'default']);
  assert.equal(endpointOf({}, standard), ['http://standard:4318', 'environment']);
  const own = { ...standard, BERTH_OTLP_ENDPOINT: 'https://own/otlp' };
  assert.equal(endpointOf({}, own), ['https://own/otlp', 'environment']);
  assert.equal(endpointOf({ otlpEndpoint: 'http://typed:1' }, own), ['http://typed:1', 'flag']);
  assert.is(readSettings({}, { BERTH_TRACE_RATIO: '0.25' }).settings.traceRatio, 0.25);
});

t('a value out of bounds is refused with setting, source and bound', () => {
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['runners', '257', /^runners \(from flag\): .*256/],
    ['runners', '-1', /^runners .*0/],
    ['runners', '1.5', /^runners .*int/],
    ['runners', 'many', /^runners /],
    ['queuedMax', '0', /^queuedMax .*1/],
    ['blobBytesMax', String(64 * 1024 * 1024 + 1), /^blobBytesMax .*67108864/],
    ['listen', 'localhost', /^listen .*HOST:PORT/],
    ['listen', '127.0.0.1:65536', /^listen .*0 to 65535/],
    ['listen', '127.0.0.1:99999', /^listen .*0 to 65535/],
    ['fleet', '3xBOGUS', /^fleet \(from flag\): "3xBOGUS" is not COUNTxBOARD .*H100-80GB/],
    ['fleet', '2xH100-80GB,', /^fleet .*COUNTxBOARD/],
    ['fleet', '10001xH100-80GB', /^fleet .*at most 10000/],
    ['fleet', './none.json', /^fleet .*none\.json/],
    ['log', 'nats', /^log .*file.*memory/],
    ['policy', 'lottery', /^policy .*fifo.*round-robin/],
    ['demo', 'perhaps', /^demo /],
    ['shutdown', 'now', /^shutdown .*finish.*requeue/],
    ['otlpEndpoint', 'collector:4318', /^otlpEndpoint .*http:\/\/HOST:PORT/],
    ['otlpEndpoint', 'http://me:secret@collector:4318', /^otlpEndpoint .*without a user/],
    ['traceRatio', '1.5', /^traceRatio .*1/],
  ];
  for (const [name, value, message] of wrong) throwsUsage(() => readSettings({ [name]: value }, {}), message);
});

t('a bad value is a fault of the command line only when it was typed there', () => {
  throwsUsage(() => readSettings({ runners: '257' }, {}), /^runners \(from flag\)/);
  throwsConfig(() => readSettings({}, { BERTH_RUNNERS: '257' }), /^runners \(from environment\)/);
  throwsConfig(() => readSettings({}, { BERTH_FLEET: '3xBOGUS' }), /^fleet \(from environment\): "3xBOGUS"/);
  throwsConfig(() => readSettings({ config: file('{"fleet": "3xBOGUS"}') }, {}), /^fleet \(from file\)/);
  assert.is(readSettings({ fleet: '1xA30-24GB' }, { BERTH_FLEET: '3xBOGUS' }).settings.fleet, '1xA30-24GB');
});

t('a fleet may be a file, and it is read before it is believed', () => {
  const path = join(folder, 'fleet.json');
  writeFileSync(path, '[{"id":"left","board":"A30-24GB"}]');
  assert.is(readSettings({ fleet: path }, {}).settings.fleet, path);
  assert.equal(readFleet(path), [{ id: 'left', board: 'A30-24GB', enforcement: 'simulated' }]);
  writeFileSync(path, '[{"id":"left","board":"V100"}]');
  throwsUsage(() => readSettings({ fleet: path }, {}), /^fleet \(from flag\): 0\.board/);
});

t('every port from 0 to 65535 may be listened at, on a name, an IPv4 and an IPv6 address', () => {
  for (const listen of ['localhost:0', '127.0.0.1:65535', '[::1]:7070', '0.0.0.0:00080'])
    assert.is(readSettings({ listen }, {}).settings.listen, listen);
});

t('an empty variable of the environment is none: it does not quietly mean nought', () => {
  const { settings, sources } = readSettings({}, { BERTH_RUNNERS: '', BERTH_LOG: '' });
  assert.equal([sources.runners, settings.log], ['default', 'file']);
  assert.ok(settings.runners >= 1);
});

t('a file that is missing, no JSON, no object or holds an unknown name is named', () => {
  throwsConfig(() => readSettings({ config: join(folder, 'none.json') }, {}), /none\.json/);
  throwsConfig(() => readSettings({ config: file('{') }, {}), /berth\.json/);
  throwsConfig(() => readSettings({ config: file('null') }, {}), /JSON object/);
  throwsConfig(() => readSettings({ config: file('[1]') }, {}), /JSON object|unknown setting/);
  throwsConfig(() => readSettings({ config: file('{"runers": 1}') }, {}), /unknown setting runers/);
  throwsConfig(() => readSettings({ config: file('{"runners": 999}') }, {}), /^runners \(from file\)/);
  assert.ok(readSettings({ config: file('{"client": {"server": "x"}}') }, {}));
});

t('settings are frozen, and the defaults are within their own bounds', () => {
  const { settings, sources } = readSettings({}, {});
  assert.throws(() => Object.assign(settings, { runners: 3 }));
  assert.ok(Object.values(sources).every((source) => source === 'default'));
});

t.run();
