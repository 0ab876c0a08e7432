/** Signing in with key files, where nobody signs for the page: as a tenant, as the operator, with the wrong file, and out. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { limit, Rig, type Scheme, type Screen } from './rig.ts';

// Beyond loopback a demo's server signs for nobody, as one without `--demo`.
const rig = new Rig({ flags: ['--listen', '0.0.0.0:0'] });
const t = suite('signing in');
t.after(() => rig.end());

/** Where keys can be used: browsers sign on pages of this machine, or over TLS. */
const address = async (): Promise<string> => (await rig.server()).url.replace('0.0.0.0', '127.0.0.1');

const keyFile = async (name: string): Promise<string> => {
  const { data } = await rig.server();
  return name === 'admin' ? join(data, 'keys', 'admin.jwk') : join(data, 'tenants', `${name}.jwk`);
};

async function choose(screen: Screen, ...files: string[]): Promise<void> {
  await screen.page.locator('input[type=file]').setInputFiles(files);
}

async function enter(screen: Screen): Promise<void> {
  await screen.page.getByRole('button', { name: 'Sign in' }).click();
}

const opened = async (body: (screen: Screen) => Promise<void>, scheme: Scheme = 'light'): Promise<void> =>
  rig.page(await address(), body, { asItComes: true, scheme });

for (const scheme of ['light', 'dark'] satisfies Scheme[]) {
  t.needing(
    'chromium',
    `a page for which nobody signs asks for a key, readable in ${scheme}`,
    () =>
      opened(async (screen) => {
        await screen.page.getByRole('heading', { name: 'Sign in with a key' }).waitFor();
        assert.ok(await screen.page.getByRole('button', { name: 'Sign in' }).isDisabled());
        await screen.shot('sign-in', 'empty');
        await choose(screen, await keyFile('acme'), await keyFile('admin'));
        await screen.page.getByRole('textbox').nth(1).waitFor();
        await screen.shot('sign-in', 'chosen');
        await screen.accessible();
        await screen.fits();
      }, scheme),
    limit,
  );
}

t.needing(
  'chromium',
  'the operator signs in with its key, sees every tenant, and signs out again',
  async () => {
    await rig.run('noop', {}, 1, 'acme');
    await rig.run('noop', {}, 1, 'globex');
    await opened(async (screen) => {
      await choose(screen, await keyFile('admin'));
      assert.is(await screen.page.getByRole('textbox').inputValue(), 'admin');
      await enter(screen);
      await screen.loaded();
      await screen.go('tenants');
      await screen.until('both are there', async () => {
        const text = await screen.text();
        return text.includes('acme') && text.includes('globex');
      });
      await screen.page.getByRole('button', { name: 'Sign out admin' }).click();
      await screen.page.getByRole('heading', { name: 'Sign in with a key' }).waitFor();
    });
  },
  limit,
);

t.needing(
  'chromium',
  'a tenant signs in, sees its own jobs and no name of another, and is told that it is not all',
  () =>
    opened(async (screen) => {
      await choose(screen, await keyFile('acme'));
      await enter(screen);
      await screen.loaded();
      await screen.go('tenants');
      await screen.page.getByText('As acme you see').waitFor();
      assert.not.match((await screen.page.locator('#page').textContent()) ?? '', /globex/);
      await screen.shot('sign-in', 'tenant');
    }),
  limit,
);

t.needing(
  'chromium',
  'a name that does not belong to the key, and a file that is none, are told where they were chosen',
  () =>
    opened(async (screen) => {
      const { data } = await rig.server();
      const none = join(data, 'none.jwk');
      await writeFile(none, 'no key at all');
      await choose(screen, none);
      await screen.page.getByRole('alert').getByText('The file none.jwk holds no key').waitFor();
      await choose(screen, await keyFile('acme'));
      const name = screen.page.getByRole('textbox');
      await name.fill('initech');
      // The browser tells of each answer 401 in its console; the page tells the user.
      screen.expects(/401/);
      await enter(screen);
      await screen.page
        .getByRole('alert')
        .getByText('The server does not know this key as one of initech')
        .waitFor();
      await screen.shot('sign-in', 'refused');
      await name.fill('acme');
      await enter(screen);
      await screen.loaded();
    }),
  limit,
);

t.run();
