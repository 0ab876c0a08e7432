import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import * as assert from 'uvu/assert';
import { resolveSetting } from '../../src/cli/context.ts';
import { serveFlags, settingsFlags } from '../../src/cli/serve-flags.ts';
import { settingsSchema } from '../../src/config.ts';
import { suite } from '../suite.ts';
import { run } from './berth.ts';

const t = suite('cli/context');
let folder = '';

t.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'berth-config-'));
});
t.after(() => rm(folder, { recursive: true, force: true }));

t('flag beats environment beats file beats default', async () => {
  const config = join(folder, 'client.json');
  await writeFile(config, JSON.stringify({ client: { server: 'http://file' }, data: 'from-file' }));
  const resolved = (flags: object, environment: NodeJS.ProcessEnv = {}) =>
    resolveSetting('server', { ...flags }, environment);
  assert.equal(resolved({ server: 'http://flag', config }, { BERTH_SERVER: 'http://env' }), {
    value: 'http://flag',
    source: 'flag',
  });
  assert.equal(resolved({ config }, { BERTH_SERVER: 'http://env' }), {
    value: 'http://env',
    source: 'environment',
  });
  assert.equal(resolved({}, { BERTH_CONFIG: config }), { value: 'http://file', source: 'file' });
  assert.equal(resolved({}), { value: 'http://127.0.0.1:7070', source: 'default' });
  assert.equal(resolveSetting('data', { config }, {}), { value: 'from-file', source: 'file' });
});

t('every setting of the server has a flag of serve, and the other way round', () => {
  const command = serveFlags(new Command('serve').option('--data <dir>'));
  const given = Object.fromEntries(command.options.map((option) => [option.attributeName(), 'x']));
  assert.equal(Object.keys(settingsFlags(given)).sort(), Object.keys(settingsSchema.shape).sort());
});

t('config show prints each setting with the source that won', async () => {
  const config = join(folder, 'berth.json');
  await writeFile(config, JSON.stringify({ policy: 'fifo', client: { tenant: 'globex' } }));
  const args = ['config', 'show', '--config', config, '--runners', '0', '-o', 'json'];
  const { code, text, stderr } = await run(args, { env: { BERTH_FLEET: '1xA30-24GB' } });
  assert.is(code, 0, stderr);
  const rows = JSON.parse(text) as { setting: string; value: unknown; source: string }[];
  const of = (name: string) =>
    rows.filter(({ setting }) => setting === name).map(({ value, source }) => [value, source])[0];
  assert.equal(of('runners'), [0, 'flag']);
  assert.equal(of('fleet'), ['1xA30-24GB', 'environment']);
  assert.equal(of('policy'), ['fifo', 'file']);
  assert.equal(of('tenant'), ['globex', 'file']);
  assert.equal(of('listen'), ['127.0.0.1:7070', 'default']);
});

t(
  'a flag out of bounds is exit 2, an environment or a file out of bounds exit 1; nothing is started',
  async () => {
    const data = join(folder, 'never-made');
    const flags: [string, string, RegExp][] = [
      ['--listen', 'foo', /listen \(from flag\): must be HOST:PORT/],
      ['--listen', '127.0.0.1:99999', /listen \(from flag\): the port must be 0 to 65535/],
      ['--runners', 'x', /runners \(from flag\): /],
      ['--policy', 'zz', /policy \(from flag\): .*round-robin/],
      ['--log', 'zz', /log \(from flag\): .*memory/],
      ['--fleet', '3xBOGUS', /fleet \(from flag\): "3xBOGUS" is not COUNTxBOARD/],
    ];
    for (const [flag, value, message] of flags) {
      const { code, text, stderr } = await run(['serve', '--data', data, flag, value]);
      assert.equal([code, text], [2, ''], `${flag} ${value}: ${stderr}`);
      assert.match(stderr, message);
      assert.match(stderr, /^error ERR_USAGE: .*\nnext: berth serve --help\n$/);
    }
    const config = join(folder, 'wrong.json');
    await writeFile(config, JSON.stringify({ fleet: '3xBOGUS' }));
    const [variable, file] = await Promise.all([
      run(['serve', '--data', data], { env: { BERTH_LISTEN: 'foo' } }),
      run(['serve', '--data', data, '--config', config]),
    ]);
    assert.is(variable.code, 1);
    assert.match(
      variable.stderr,
      /^error ERR_CONFIG: listen \(from environment\): .*\nnext: berth config show\n$/,
    );
    assert.is(file.code, 1);
    assert.match(
      file.stderr,
      /^error ERR_CONFIG: fleet \(from file\): "3xBOGUS" .*\nnext: berth config show\n$/,
    );
    assert.not.ok(existsSync(data), 'a data directory was made');
  },
  { limitMs: 60_000 },
);

t.run();
