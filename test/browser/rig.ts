/**
 * A real browser before a real server, with guards: what a test of the page needs, and what no test may overlook.
 *
 *   const rig = new Rig();                        one server and one browser for a file; both start when first used
 *   t.after(() => rig.end());                     both die with the file, whatever happened
 *   t.needing('chromium', 'law', () => rig.page('#/fleet', async (screen) => { … }), limit);
 *
 * `rig.page(address, body, options)` opens a fresh page (own cookies, own cache), waits until it has read the whole log,
 * hands it to `body`, and fails afterwards when the page wrote an error or a warning to its console, threw, had a request that
 * failed, or asked anybody but its server. `address` is a hash, or a whole address such as `file:///…`, or `about:blank` for
 * a body that arranges something before it calls `screen.visit(url)`. A body that breaks something on purpose says so
 * beforehand: `screen.expects(/ERR_CONNECTION_REFUSED/)`. When a test fails, a picture is kept.
 *
 * `rig.caller(tenant)` is a client of the same server; `rig.run(guest, spec, count)` submits jobs with it; `rig.head()` is the
 * server's last seq.
 *
 * `screen.page` is playwright's page. `go(view)` clicks the view's link; `key(key)` types where nothing is focused;
 * `seq()` and `headSeq()` are read from the slider; `reaches(seq)` waits until the page has read that fact;
 * `textOf(selector)` reads; `shot(view, state)` keeps a picture as `artefacts/VIEW-STATE-SCHEME.png`; `accessible()`
 * asks axe-core for serious findings (WCAG 2 A and AA); `fits()` looks for what is wider than the window; and
 * `until(what, found)` waits by condition, long enough for a machine that does other things meanwhile.
 *
 * Why Debian's browser and no downloaded one: a test machine has it by one package, signed, and nothing else is fetched.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import * as assert from 'uvu/assert';
import type { ViewName } from '../../src/dashboard/address.ts';
import type { JobView } from '../../src/views/job-view.ts';
import { Caller, eventually, type ServeOptions, ServerProcess, sampleGuest } from '../server-process.ts';

/** Where pictures are kept; ignored by git. */
export const artefacts = fileURLToPath(new URL('../../artefacts/', import.meta.url));

/** For tests in a browser: its start and the server's are in the first one's time. */
export const limit = { limitMs: 150_000 };

/** How long a condition in the page is waited for, ms: a browser without a GPU on a busy machine is slow. */
const waitMsMax = 45_000;

export type Scheme = 'light' | 'dark';

export interface ScreenOptions {
  readonly scheme?: Scheme;
  /** CSS pixels. */
  readonly width?: number;
  readonly height?: number;
  readonly reducedMotion?: boolean;
  /** Don't wait until the page has read the log: for pages that never will. */
  readonly asItComes?: boolean;
  /** Don't keep a picture when the test fails: for tests that fail on purpose. */
  readonly keepsNoPicture?: boolean;
}

/** One server and one browser; see the head of this file. */
export class Rig {
  readonly #options: ServeOptions;
  #server: Promise<ServerProcess> | null = null;
  #browser: Promise<Browser> | null = null;
  readonly #callers = new Map<string, Caller>();

  /** With `server` given it is that one's, which may not have been started yet; otherwise a fresh one. */
  constructor(options: ServeOptions = {}, server: ServerProcess | null = null) {
    this.#options = options;
    if (server) this.#server = Promise.resolve(server);
  }

  /** The server, started when first asked for. */
  server(): Promise<ServerProcess> {
    this.#server ??= ServerProcess.begin(this.#options);
    return this.#server;
  }

  /** Kept for as long as the server's address is the same: a stale connection is no good to anybody. */
  async caller(tenant = 'acme'): Promise<Caller> {
    const server = await this.server();
    const name = `${tenant} ${server.pid}`;
    const caller = this.#callers.get(name) ?? new Caller(server, tenant);
    this.#callers.set(name, caller);
    return caller;
  }

  /** Submits `count` jobs of a sample guest, and gives them as they were accepted. */
  async run(guest: string, spec: object = {}, count = 1, tenant = 'acme'): Promise<JobView[]> {
    const caller = await this.caller(tenant);
    const module = await caller.put(sampleGuest(guest));
    return Promise.all(Array.from({ length: count }, () => caller.submit({ module, ...spec })));
  }

  /** Seq of the last fact that the server has. */
  async head(): Promise<number> {
    const { json } = await (await this.caller('admin')).ask('GET', '/v1/about');
    return (json as { headSeq: number }).headSeq;
  }

  /** Opens a page, hands it to `body`, and looks at its guards afterwards. */
  async page(
    address: string,
    body: (screen: Screen) => Promise<void>,
    options: ScreenOptions = {},
  ): Promise<void> {
    const isHash = address === '' || address.startsWith('#');
    const url = isHash ? `${(await this.server()).url}/${address}` : address;
    const { scheme = 'light', width = 1_280, height = 800, reducedMotion = false } = options;
    const context = await (await this.#chromium()).newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: reducedMotion ? 'reduce' : 'no-preference',
      timezoneId: 'UTC',
    });
    context.setDefaultTimeout(waitMsMax);
    try {
      const screen = await Screen.open(context, url, scheme);
      try {
        if (!options.asItComes) await screen.loaded();
        await body(screen);
        screen.clean();
      } catch (error) {
        if (!options.keepsNoPicture) await screen.shotOfFailure();
        throw screen.explained(error as Error);
      }
    } finally {
      await context.close();
    }
  }

  #chromium(): Promise<Browser> {
    // Chromium refuses to run as root inside its own sandbox, and test machines are root's. The pages are our own.
    this.#browser ??= chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] });
    return this.#browser;
  }

  /** Ends both, also when one of them never came up. */
  async end(): Promise<void> {
    for (const caller of this.#callers.values()) caller.close();
    const [browser, server] = await Promise.allSettled([this.#browser, this.#server]);
    if (browser.status === 'fulfilled') await browser.value?.close();
    if (server.status === 'fulfilled') await server.value?.remove();
  }
}

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

function chromiumPath(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, 'chromium')).find((path) => existsSync(path));
  if (found === undefined) throw new Error('chromium is not on the path');
  return found;
}
