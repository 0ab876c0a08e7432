/** The guards of the rig, each against a page that breaks it on purpose: a guard that sees nothing is always content. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from '../suite.ts';
import { limit, Rig, type Screen } from './rig.ts';

const rig = new Rig();
const folder = mkdtempSync(join(tmpdir(), 'berth-rig-'));
const t = suite('the rig');
t.after(async () => {
  await rig.end();
  rmSync(folder, { recursive: true, force: true });
});

/** What the rig says of a page with this in it; empty when it is content. */
async function saidOf(html: string, body: (screen: Screen) => Promise<void>): Promise<string> {
  const file = join(folder, 'page.html');
  writeFileSync(file, `<!doctype html><html lang="en"><title>page</title><main>${html}</main></html>`);
  try {
    await rig.page(pathToFileURL(file).href, body, { asItComes: true, keepsNoPicture: true });
    return '';
  } catch (error) {
    return `${(error as Error).message} ${JSON.stringify((error as { actual?: unknown }).actual)}`;
  }
}

const settled = (screen: Screen): Promise<void> => screen.page.locator('[data-done]').waitFor();
const script = (code: string): string => `<script>${code}</script><p data-done>done</p>`;

t.needing(
  'chromium',
  'a page without faults passes',
  async () => {
    assert.is(await saidOf('<p data-done>done</p>', settled), '');
  },
  limit,
);

const faults: readonly (readonly [what: string, html: string, said: RegExp])[] = [
  ['an error on the console', script('console.error("e1")'), /console error: e1/],
  ['a warning on the console', script('console.warn("w1")'), /console warning: w1/],
  ['an exception', script('throw new Error("t1")'), /thrown: t1/],
  [
    'a request to somebody else',
    script('fetch("http://127.0.0.1:9/x").catch(() => {})'),
    /asked http:\/\/127\.0\.0\.1:9\/x/,
  ],
  ['a picture from elsewhere', '<img alt="" src="file:///x.png"><p data-done>done</p>', /asked file:/],
];
for (const [what, html, said] of faults) {
  t.needing(
    'chromium',
    `${what} fails the test`,
    async () => assert.match(await saidOf(html, settled), said),
    limit,
  );
}

t.needing(
  'chromium',
  'what the test expects is no fault, and nothing else is excused by it',
  async () => {
    const html = '<p data-done>done</p>';
    const writes = (text: string) => async (screen: Screen) => {
      screen.expects(/console error: e1/);
      await screen.page.evaluate(`console.error("${text}")`);
    };
    assert.is(await saidOf(html, writes('e1')), '');
    assert.match(await saidOf(html, writes('e2')), /e2/);
  },
  limit,
);

t.needing(
  'chromium',
  'a field without a name and a page that is too wide are found',
  async () => {
    assert.match(await saidOf('<input>', (screen) => screen.accessible()), /label/);
    assert.is(await saidOf('<label>name <input></label>', (screen) => screen.accessible()), '');
    const wide = '<div><svg width="3000" height="9"></svg></div>';
    assert.match(await saidOf(wide, (screen) => screen.fits()), /HTML/);
  },
  limit,
);

t.run();
