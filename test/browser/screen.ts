/**
 * A page under guard: what a test sees and does there, and what is held against it all the while.
 *
 * `screen.page` is playwright's page. `go(view)` clicks the view's link; `key(key)` types where nothing is focused;
 * `seq()` and `headSeq()` are read from the slider; `reaches(seq)` waits until the page has read that fact;
 * `textOf(selector)` reads; `shot(view, state)` keeps a picture as `artefacts/VIEW-STATE-SCHEME.png`; `accessible()`
 * asks axe-core for serious findings (WCAG 2 A and AA); `fits()` looks for what is wider than the window; and
 * `until(what, found)` waits by condition, long enough for a machine that does other things meanwhile.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import type { BrowserContext, Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import type { ViewName } from '../../src/dashboard/address.ts';
import { eventually } from '../server-process.ts';

/** Where pictures are kept; ignored by git. */
const artefacts = fileURLToPath(new URL('../../artefacts/', import.meta.url));

/** How long a condition in the page is waited for, ms: a browser without a GPU on a busy machine is slow. */
export const waitMsMax = 45_000;

export type Scheme = 'light' | 'dark';

/** One page under guard. */
export class Screen {
  readonly page: Page;
  readonly #scheme: Scheme;
  #origin = '';
  readonly #troubles: string[] = [];
  readonly #expected: RegExp[] = [];
  #documents = 0;

  static async open(context: BrowserContext, url: string, scheme: Scheme): Promise<Screen> {
    const screen = new Screen(await context.newPage(), scheme);
    await screen.visit(url);
    return screen;
  }

  private constructor(page: Page, scheme: Scheme) {
    this.page = page;
    this.#scheme = scheme;
    this.#watch();
  }

  /** Loads a page; its server is the one that may be asked from now on. */
  async visit(url: string): Promise<void> {
    this.#origin = originOf(url);
    const answer = await this.page.goto(url);
    if (answer && answer.status() >= 400)
      throw new Error(`the page: ${answer.status()} ${await answer.text()}`);
  }

  #watch(): void {
    const { page } = this;
    page.on('console', (message) => {
      const kind = message.type();
      if (kind === 'error' || kind === 'warning')
        this.#trouble(`console ${kind}: ${message.text()} ${message.location().url}`);
    });
    page.on('pageerror', (error) => this.#trouble(`thrown: ${error.message}`));
    page.on('requestfailed', (request) => {
      // What the page itself cuts, such as a stream that it has no more use for, has not failed.
      const why = request.failure()?.errorText ?? '';
      if (why !== 'net::ERR_ABORTED') this.#trouble(`request failed: ${request.url()} ${why}`);
    });
    page.on('request', (request) => {
      const url = request.url();
      const isDocument = request.isNavigationRequest();
      if (isDocument) this.#documents += 1;
      // A page that came from a file has nobody to ask.
      const isOwn = originOf(url) === this.#origin && (isDocument || this.#origin !== 'file:');
      if (!isOwn && !url.startsWith('data:') && !url.startsWith('blob:')) this.#trouble(`asked ${url}`);
    });
    page.on('websocket', (socket) => this.#trouble(`opened ${socket.url()}`));
  }

  #trouble(text: string): void {
    if (!this.#expected.some((each) => each.test(text))) this.#troubles.push(text);
  }

  /** From here on troubles like this one are what the test wants. */
  expects(trouble: RegExp): void {
    this.#expected.push(trouble);
  }

  /** Fails when a guard saw something. */
  clean(): void {
    assert.equal(this.#troubles, [], 'the page had troubles');
  }

  /** The failure, with what the guards saw. */
  explained(error: Error): Error {
    if (this.#troubles.length === 0) return error;
    return Object.assign(error, { message: `${error.message}\n${this.#troubles.join('\n')}` });
  }

  /** How many documents the page has loaded: 1 unless it was loaded anew. */
  get documents(): number {
    return this.#documents;
  }

  /** Waits until `found` gives something. */
  until<T>(
    what: string,
    found: () => Promise<T | null | undefined | false>,
    limitMs = waitMsMax,
  ): Promise<T> {
    return eventually(what, found, limitMs);
  }

  /** Waits until the frame is drawn and the log is read. */
  async loaded(): Promise<void> {
    await this.until('the frame is drawn', async () => {
      // A page whose script did not run would be waited for in vain.
      this.clean();
      return (await this.#slider.count()) > 0;
    });
    await this.until('the log is read', async () => (await this.headSeq()) > 0);
    await this.page.locator('main .loading').first().waitFor({ state: 'detached' });
  }

  get #slider() {
    return this.page.locator('.scrubber input[type=range]');
  }

  /** Seq that is looked at. */
  async seq(): Promise<number> {
    return Number(await this.#slider.inputValue());
  }

  /** Seq of the last fact that the page has. */
  async headSeq(): Promise<number> {
    return Number(await this.#slider.getAttribute('max'));
  }

  /** Moves the slider, as a hand does. */
  async drag(seq: number): Promise<void> {
    await this.#slider.fill(String(seq));
    await this.stands(seq);
  }

  /** Waits until the page has read the fact of this seq. */
  async reaches(seq: number, limitMs?: number): Promise<void> {
    await this.until(`the page reads seq ${seq}`, async () => (await this.headSeq()) >= seq, limitMs);
  }

  /** Waits until this seq is looked at. */
  async stands(seq: number): Promise<void> {
    await this.until(`the page shows seq ${seq}`, async () => (await this.seq()) === seq);
  }

  /** Another hash on the same page, as after a click on a link that somebody sent. */
  async goTo(hash: string): Promise<void> {
    await this.page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  }

  /** Waits until the address that a person could copy is this one. */
  async isAt(hash: string): Promise<void> {
    await this.until(
      `the address is ${hash}`,
      async () => (await this.page.evaluate('location.hash')) === hash,
    );
  }

  /** Clicks the view's link. */
  async go(view: ViewName): Promise<void> {
    await this.page.locator(`nav a[href$="/${view}"], nav a[href*="/${view}/"]`).first().click();
    await this.shows(view);
  }

  /** Waits until this view is the one that is shown. */
  async shows(view: ViewName): Promise<void> {
    await this.until(`the view is ${view}`, async () => (await this.view()) === view);
  }

  /** The view that the frame says is shown. */
  async view(): Promise<string> {
    return (await this.textOf('main h1')).toLowerCase();
  }

  /** Text of the first element that the selector finds, once there is one. */
  async textOf(selector: string): Promise<string> {
    return (await this.page.locator(selector).first().textContent()) ?? '';
  }

  /** Types a key where no field has the focus. */
  async key(key: string): Promise<void> {
    await this.page.evaluate('document.activeElement?.blur()');
    await this.page.keyboard.press(key);
  }

  /** All text of the view. */
  async text(): Promise<string> {
    return this.textOf('main');
  }

  /** Keeps a picture of what is seen. */
  async shot(view: string, state: string): Promise<void> {
    mkdirSync(artefacts, { recursive: true });
    await this.page.screenshot({ path: join(artefacts, `${view}-${state}-${this.#scheme}.png`) });
  }

  /** A page that died can't be drawn any more; the failure that led here matters more. */
  async shotOfFailure(): Promise<void> {
    await this.shot('failed', `${process.pid}-${Math.round(performance.now())}`).catch(() => undefined);
  }

  /** Fails when axe-core finds something serious or critical. */
  async accessible(): Promise<void> {
    if (!(await this.page.evaluate('"axe" in globalThis'))) await this.page.evaluate(axe.source);
    const found = await this.page.evaluate<Finding[]>(`axe.run(document, ${axeOptions}).then((r) =>
      r.violations.map(({ id, impact, nodes }) => ({ id, impact, nodes: nodes.map((n) => n.html + ' ' + n.failureSummary) })))`);
    const grave = found.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    assert.equal(grave, [], 'axe-core found something');
  }

  /** Fails when the page is wider than its window. */
  async fits(): Promise<void> {
    const wider = await this.page.evaluate<string[]>(wideElements);
    assert.equal(wider, [], 'wider than the window');
  }
}

interface Finding {
  readonly id: string;
  readonly impact: string;
  readonly nodes: string[];
}

const axeOptions = JSON.stringify({
  runOnly: { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] },
  resultTypes: ['violations'],
});

/** Parts of the frame that would have to be scrolled sideways; a table in a box that scrolls by itself is none. */
const wideElements = `[...document.querySelectorAll('html, body, #page, #page > *')]
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1)
  .map((e) => e.tagName + '.' + e.className + ' ' + e.scrollWidth + ' > ' + e.clientWidth)`;

/** `file:` has no origin of its own. */
const originOf = (url: string): string => (url.startsWith('file:') ? 'file:' : new URL(url).origin);
