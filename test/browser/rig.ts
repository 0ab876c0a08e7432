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
 * What a page under guard offers stands in `screen.ts`.
 *
 * Why Debian's browser and no downloaded one: a test machine has it by one package, signed, and nothing else is fetched.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import type { JobView } from '../../src/views/job-view.ts';
import { Caller, type ServeOptions, ServerProcess, sampleGuest } from '../server-process.ts';
import { type Scheme, Screen, waitMsMax } from './screen.ts';

export type { Scheme, Screen } from './screen.ts';

/** For tests in a browser: its start and the server's are in the first one's time. */
export const limit = { limitMs: 150_000 };

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

function chromiumPath(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, 'chromium')).find((path) => existsSync(path));
  if (found === undefined) throw new Error('chromium is not on the path');
  return found;
}
