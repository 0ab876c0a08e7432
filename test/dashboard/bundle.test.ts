/** The page as one file: nothing outside is named in it, and its policy lets nothing else run or be fetched. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { dashboardPage, recordingPage } from '../../src/dashboard/bundle.ts';
import { suite } from '../suite.ts';

const t = suite('dashboard/bundle');
const recording = { name: 'a "log"', records: 1, gzip: gzipSync('{}\n') };
const scriptOf = (html: string): string =>
  /<script type="module">([\s\S]*?)<\/script>\n<\/body>/.exec(html)?.[1] ?? '';

t('its one script and its one style are those that the policy names by hash', async () => {
  for (const page of [await dashboardPage(), await recordingPage(recording)]) {
    const script = scriptOf(page.html);
    assert.ok(script.length > 50_000);
    assert.not.match(script, /<\/script/i);
    const digest = createHash('sha256').update(script).digest('base64');
    assert.ok(page.policy.includes(`script-src 'sha256-${digest}'`));
    const style = /<style>([\s\S]*?)<\/style>/.exec(page.html)?.[1] ?? '';
    const ofStyle = createHash('sha256').update(style).digest('base64');
    assert.ok(page.policy.includes(`style-src 'sha256-${ofStyle}'`));
    assert.not.match(style, /@import|url\((?!"?data:)/);
    assert.not.match(page.policy, /unsafe|\*|https?:/);
  }
});

t('nothing is loaded from elsewhere', async () => {
  const { html } = await dashboardPage();
  const markup = html.replace(scriptOf(html), '');
  assert.not.match(markup, /<(?:script|img|link|iframe|source)[^>]+(?:src|href)="(?!data:)/);
});

t('a recorded page may speak to nobody, and says so itself; the live one only to its server', async () => {
  const recorded = await recordingPage(recording);
  assert.match(recorded.policy, /default-src 'none'.*connect-src 'none'/);
  assert.ok(recorded.html.includes(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'`));
  assert.match(recorded.html, /<title>Berth: a &quot;log&quot;<\/title>/);
  const live = await dashboardPage();
  assert.match(live.policy, /connect-src 'self'/);
  assert.is.not(live.etag, recorded.etag);
  assert.is((await dashboardPage()).etag, live.etag);
});

t('the page has no module of Node in it', async () => {
  assert.not.match(scriptOf((await dashboardPage()).html), /from"node:|require\("(?:node:)?(?:fs|crypto)"/);
});

t.run();
