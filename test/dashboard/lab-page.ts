/** The Lab without a browser: a real server, and the page's own model that follows its log. */
import { labPort } from '../../src/dashboard/lab-port.ts';
import type { LabPort } from '../../src/dashboard/lab-run.ts';
import { followServer } from '../../src/dashboard/live.ts';
import { Model } from '../../src/dashboard/model.ts';
import { Player } from '../../src/dashboard/player.ts';
import { Server } from '../../src/dashboard/server.ts';
import { demoSigner } from '../../src/dashboard/signer.ts';
import { nodeSha256 } from '../../src/log/hash-node.ts';
import { eventually, pause, ServerProcess } from '../server-process.ts';

export class LabPage {
  readonly process: ServerProcess;
  readonly server: Server;
  readonly model: Model;
  readonly #closing = new AbortController();
  #followed: Promise<void> = Promise.resolve();

  /** Starts a server with these flags, and follows it. */
  static async open(flags: readonly string[]): Promise<LabPage> {
    const page = new LabPage(await ServerProcess.begin({ flags }), 'admin');
    return page.#begun();
  }

  /** Another page on the same server, with the eyes of `name`. It is to be closed before this one. */
  async as(name: string): Promise<LabPage> {
    return new LabPage(this.process, name).#begun();
  }

  private constructor(process: ServerProcess, name: string) {
    this.process = process;
    const { url } = process;
    this.server = new Server({ signer: demoSigner(url), name, base: url, fetch });
    this.model = new Model({
      player: new Player(nodeSha256),
      address: { view: 'lab', job: null, at: null },
      server: this.server,
      navigate: () => undefined,
      soon: (draw) => void setTimeout(draw, 0),
    });
  }

  port(): LabPort {
    return labPort(this.model, this.server, 'acme');
  }

  async until(holds: () => boolean): Promise<void> {
    await eventually('the page shows it', holds, 60_000);
  }

  /** Follows no more; the server goes on. */
  async leave(): Promise<void> {
    this.#closing.abort();
    await this.#followed;
  }

  async close(): Promise<void> {
    await this.leave();
    await this.process.remove();
  }

  async #begun(): Promise<LabPage> {
    this.#followed = followServer({
      model: this.model,
      server: this.server,
      newPlayer: () => new Player(nodeSha256),
      pause,
      signal: this.#closing.signal,
    });
    await this.until(() => this.model.source.kind === 'live');
    return this;
  }
}
