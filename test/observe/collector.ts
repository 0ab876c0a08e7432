/** An OTLP collector for tests: a real HTTP server that parses what it is sent, or fails in a chosen way. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How it answers: well, with a status, or never. */
export type Manner = number | 'hang';

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
  readonly events: readonly { readonly name: string }[];
  readonly status: { readonly code: number; readonly message?: string };
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: OtlpSpan['attributes'] };
    readonly scopeSpans: readonly { readonly scope: { readonly name: string }; readonly spans: OtlpSpan[] }[];
  }[];
}

export class Collector {
  manner: Manner = 200;
  /** Requests that came, answered or not. */
  requests = 0;
  /** Spans in one request at most. */
  largest = 0;
  readonly spans: OtlpSpan[] = [];
  readonly resources = new Set<string>();
  readonly paths = new Set<string>();
  readonly #server: Server;

  static async start(): Promise<Collector> {
    const collector = new Collector();
    await new Promise<void>((resolve) => collector.#server.listen(0, '127.0.0.1', resolve));
    return collector;
  }

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    this.paths.add(`${request.method} ${request.url} ${request.headers['content-type']}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (this.manner === 'hang') return;
    if (this.manner === 200) this.#keep(JSON.parse(Buffer.concat(chunks).toString()) as OtlpBody);
    response.writeHead(this.manner, { 'content-type': 'application/json' }).end('{}');
  }

  #keep({ resourceSpans }: OtlpBody): void {
    let count = 0;
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resources.add(JSON.stringify(attributesOf(resource)));
      for (const { spans } of scopeSpans) {
        this.spans.push(...spans);
        count += spans.length;
      }
    }
    this.largest = Math.max(this.largest, count);
  }
}

/** Attributes as a plain object. */
export const attributesOf = ({ attributes }: Pick<OtlpSpan, 'attributes'>): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
