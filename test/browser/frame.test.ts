/** The frame around the views: each of them opens by hand and by key, fits, reads well, and is kept as a picture. */
import * as assert from 'uvu/assert';
import { type ViewName, viewNames } from '../../src/dashboard/address.ts';
import { suite } from '../suite.ts';
import { limit, Rig, type Scheme, type Screen } from './rig.ts';
import { type Story, storyFlags, tell } from './story.ts';

const rig = new Rig({ flags: storyFlags });
let told: Promise<Story> | null = null;
const story = (): Promise<Story> => {
  told ??= tell(rig);
  return told;
};
const t = suite('the frame of the page');
t.after(() => rig.end());

/** Where each view has something to show. */
const addressOf = (view: ViewName, { timedOut, waiting }: Story): string =>
  `#/${view}${view === 'job' ? `/${timedOut}` : view === 'explain' ? `/${waiting}` : ''}`;

/** Goes through all views on one page, as one does with links, and looks at each. */
async function eachView(screen: Screen, look: (view: ViewName) => Promise<void>): Promise<void> {
  for (const view of viewNames) {
    await screen.goTo(addressOf(view, await story()));
    await screen.shows(view);
    await look(view);
  }
}

for (const scheme of ['light', 'dark'] satisfies Scheme[]) {
  t.needing(
    'chromium',
    `each view reads well in ${scheme}, with nothing that axe-core minds, and fits into 1,280 pixels`,
    async () => {
      await story();
      await rig.page(
        '#/fleet',
        (screen) =>
          eachView(screen, async (view) => {
            await screen.accessible();
            await screen.fits();
            await screen.shot(view, 'story');
          }),
        { scheme },
      );
    },
    limit,
  );
}

t.needing(
  'chromium',
  'each view fits into 800 pixels',
  async () => {
    await story();
    await rig.page(
      '#/fleet',
      (screen) =>
        eachView(screen, async (view) => {
          await screen.fits();
          await screen.shot(view, 'narrow');
        }),
      { width: 800, height: 900 },
    );
  },
  limit,
);

t.needing(
  'chromium',
  'each view opens by its link and by its number, and the way back leads through them',
  async () => {
    const { failed } = await story();
    await rig.page(`#/job/${failed}`, async (screen) => {
      // A job's own link stands there while one is looked at.
      const places = viewNames.filter((view) => view !== 'job');
      await screen.go('job');
      for (const view of places) {
        await screen.go(view);
        assert.match(await screen.textOf('nav [aria-current=page]'), new RegExp(view, 'i'));
      }
      await screen.page.goBack();
      await screen.shows(places.at(-2)!);
      await screen.goTo(`#/job/${failed}`);
      await screen.shows('job');
      for (const [i, view] of viewNames.entries()) {
        await screen.key(String(i + 1));
        await screen.shows(view);
      }
    });
  },
  limit,
);

t.needing(
  'chromium',
  'with keys alone: past the frame into the view, through all that can be done, always in sight',
  () =>
    rig.page('#/jobs', async (screen) => {
      await screen.page.keyboard.press('Tab');
      assert.match(await screen.textOf(':focus'), /skip/i);
      await screen.page.keyboard.press('Enter');
      assert.is(await screen.page.evaluate('document.activeElement.id'), 'main');
      await screen.shows('jobs');
      const stops: string[] = [];
      for (let i = 0; i < 60; i += 1) {
        await screen.page.keyboard.press('Tab');
        const stop = await screen.page.evaluate<string | null>(focusSeen);
        if (stop === null) break;
        stops.push(stop);
      }
      assert.ok(
        stops.some((stop) => stop.includes('range')),
        `the slider: ${stops.join(' | ')}`,
      );
      assert.equal(
        stops.filter((stop) => stop.startsWith('unseen')),
        [],
      );
    }),
  limit,
);

/** What has the focus; told as unseen where it has no size, lies outside the window, or bears no mark. Null: the page has none. */
const focusSeen = `(() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect();
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  const isIn = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const isMarked = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
  const name = at.tagName + ' ' + (at.type ?? '') + ' ' + (at.getAttribute('aria-label') ?? at.textContent.slice(0, 30));
  return (isIn && isMarked ? '' : 'unseen: ') + name;
})()`;

t.needing(
  'chromium',
  'the keys are told on "?", and typing into a field is no command',
  () =>
    rig.page('#/jobs', async (screen) => {
      const help = screen.page.locator('.keys');
      await screen.key('?');
      await help.waitFor();
      await screen.accessible();
      await screen.shot('frame', 'keys');
      await screen.key('?');
      await help.waitFor({ state: 'detached' });
      await screen.page.locator('.scrubber select').focus();
      await screen.page.keyboard.press('1');
      assert.is(await screen.view(), 'jobs');
    }),
  limit,
);

t.needing(
  'chromium',
  'who wants no motion gets none',
  async () => {
    await story();
    await rig.page(
      '#/fleet',
      (screen) =>
        eachView(screen, async (view) => {
          assert.equal(await screen.page.evaluate(moving), [], view);
        }),
      { reducedMotion: true },
    );
  },
  limit,
);

/** Whatever would move by itself or glide from one place to another. */
const moving = `[...document.querySelectorAll('*')]
  .filter((e) => {
    const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(e);
    return animationName !== 'none' || scrollBehavior === 'smooth' || transitionDuration.split(',').some((d) => parseFloat(d) > 0);
  })
  .map((e) => e.tagName + '.' + e.className)`;

t.run();
