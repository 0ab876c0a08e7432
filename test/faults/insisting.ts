/**
 * A client that does not give up: it asks again after every break, and begins the next controller when one is gone.
 *
 * Why the client restarts the server: where a controller dies is what the test chooses, and it may be anywhere, so
 * whoever waits for an answer is the one who finds out. It notes every answer; only 503 may refuse a job for now.
 */
import * as assert from 'uvu/assert';
import { Caller, eventually, pause, type ServeOptions, type ServerProcess } from '../server-process.ts';
import { Promises } from './load.ts';

const insistMsMax = 60_000;
/** Controllers that may end in one run: the one with the fault, and none after it. */
const deathsMax = 1;

/** One such client, and what it was told. */
export class Insisting {
  readonly server: ServerProcess;
  readonly caller: Caller;
  readonly promises: Promises;
  readonly died: string[] = [];
  readonly #healthy: ServeOptions;

  constructor(server: ServerProcess, healthy: ServeOptions, told = new Promises()) {
    this.server = server;
    this.caller = new Caller(server);
    this.#healthy = healthy;
    this.promises = told;
  }

  /** Waits until a controller listens: this one, or a healthy one after it. */
  async listening(): Promise<void> {
    await this.server.listening().catch(() => this.next());
  }

  /** A controller is gone that was not told to go: notes how, and begins one that meets no fault. */
  async next(): Promise<void> {
    const { code, signal } = await this.server.ended;
    this.died.push(signal ?? `code ${code}`);
    assert.ok(signal === 'SIGKILL' || code === 1, `it ended with ${code ?? signal}:\n${this.server.stderr}`);
    assert.ok(
      this.died.length <= deathsMax,
      `a healthy controller ended: ${this.died}\n${this.server.stderr}`,
    );
    await this.server.start(this.#healthy);
  }

  /** Repeats `action` until it gives something. */
  async until<T>(what: string, action: () => Promise<T | false>): Promise<T> {
    return eventually(
      what,
      async () => {
        try {
          return await action();
        } catch (error) {
          if ((error as { code?: string }).code === 'ERR_ASSERTION') throw error;
          // The signal that ended the process may be under way.
          await pause(20);
          if (!this.server.isRunning) await this.next();
          return false;
        }
      },
      insistMsMax,
    );
  }

  put(bytes: Uint8Array): Promise<string> {
    return this.until('the blob is stored', () => this.caller.put(bytes));
  }

  /** Sends one signed request until it is accepted; only a store that fails for now may refuse it. */
  async submit(spec: object): Promise<string> {
    const request = await this.until('the key is there', () => this.caller.signed(spec));
    const { id } = await this.until('the job is accepted', async () => {
      const answer = await this.caller.send(request);
      this.promises.note(answer);
      const { code = '' } = answer.json as { code?: string };
      if (![202, 503].includes(answer.status)) throw Object.assign(new Error(`${answer.status} ${code}`));
      return answer.status === 202 && (answer.json as { id: string });
    });
    return id;
  }

  /** Cancels; 409 when it is too late. */
  async cancel(id: string): Promise<void> {
    await this.until('the cancel is answered', async () => {
      const { status } = await this.caller.ask('POST', `/v1/jobs/${id}/cancel`);
      if (status === 202) this.promises.cancelled.add(id);
      return status === 202 || status === 409;
    });
  }

  /** Waits for the end; the result of a success must be readable. */
  async see(id: string): Promise<void> {
    const view = await this.until(`job ${id} ends`, async () => {
      const view = await this.caller.view(id);
      return view.times.endedAtMs !== null && view;
    });
    this.promises.see(view);
    if (view.state !== 'succeeded') return;
    const { status, bytes } = await this.until('the result is answered', () =>
      this.caller.ask('GET', `/v1/jobs/${id}/result`),
    );
    assert.is(status, 200, `the result of ${id} is gone: ${bytes}`);
  }

  /** An orderly stop, of the next controller when this one dies on the way. */
  async stop(): Promise<void> {
    if (this.server.isRunning) {
      const { code } = await this.server.end();
      if (code === 0) return;
      await this.next();
    } else await this.next();
    assert.is((await this.server.end()).code, 0, this.server.stderr);
  }
}
