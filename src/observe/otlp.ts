/**
 * Sends finished traces to a collector, by OTLP over HTTP, when an endpoint is set.
 *
 * Why a wrapper around the standard's exporter: a collector is somebody else's machine. It may be slow, full or gone, and
 * none of that may be felt here. So spans wait in a queue with an end (what comes when it is full is dropped and counted; the
 * trace can be made again from the log), one batch is under way at a time, each has a time limit, and a stop waits for
 * what is left only so long. Trouble is told once, and its end, too.
 * Test: `test/observe/otlp.test.ts`.
 */
import type { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor, type SpanExporter, type SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { Clock } from '../clock.ts';

/** Spans that wait to be sent; a job has about seven. */
export const waitingMax = 4_096;
/** Spans in one request: at a few hundred the text is made in milliseconds, and the writer's thread makes it. */
const batchMax = 256;
/** How long spans are gathered before a request goes out, ms. */
const gatherMs = 1_000;
/** What one batch may take with all its tries, ms. */
const sendMsMax = 5_000;
/** What a stop waits for what is not yet sent, ms. */
export const stopMsMax = 2_000;

type Done = Parameters<SpanExporter['export']>[1];
/** Codes of the SDK's `ExportResultCode`, which it does not hand on itself. */
const failed = 1;

export interface OtlpParts {
  /** Base address of the collector, as OTEL_EXPORTER_OTLP_ENDPOINT has it: `/v1/traces` is added. */
  readonly endpoint: string;
  readonly clock: Pick<Clock, 'after'>;
  /** Told when sending begins to fail, and when it works again. */
  readonly onTrouble: (message: string, fields: Record<string, unknown>) => void;
}

/** A processor for `createTraces` that sends to `endpoint`. Its `shutdown` never rejects and takes `stopMsMax` at most. */
export function otlpProcessor({ endpoint, clock, onTrouble }: OtlpParts): SpanProcessor {
  const url = tracesUrl(endpoint);
  const outbox = new Outbox(
    new OTLPTraceExporter({ url, timeoutMillis: sendMsMax, httpAgentOptions: idleAgent }),
    (message, fields) => onTrouble(message, { url, ...fields }),
  );
  const batches = new BatchSpanProcessor(outbox, {
    maxQueueSize: waitingMax,
    maxExportBatchSize: batchMax,
    scheduledDelayMillis: gatherMs,
    // The exporter's own limit comes first; this one is for an exporter that forgets it.
    exportTimeoutMillis: 2 * sendMsMax,
  });
  return {
    onStart: () => undefined,
    onEnd: (span) => {
      if (outbox.take()) batches.onEnd(span);
    },
    forceFlush: () => batches.forceFlush(),
    shutdown: () => endWithin(clock, batches, outbox),
  };
}

/** `http://host:4318` → `http://host:4318/v1/traces`; a path before it is kept. */
export function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/traces`;
  return url.href;
}

async function endWithin(
  clock: Pick<Clock, 'after'>,
  batches: BatchSpanProcessor,
  outbox: Outbox,
): Promise<void> {
  let callOff = (): void => undefined;
  const late = new Promise<void>((resolve) => {
    callOff = clock.after(stopMsMax, resolve);
  });
  // What could not be sent was told already.
  await Promise.race([batches.shutdown().catch(() => undefined), late]);
  callOff();
  outbox.abandon();
}

/** Between the SDK's batches and the exporter: counts, tells of trouble, and can let go of a request that hangs. */
class Outbox implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #onTrouble: (message: string, fields: Record<string, unknown>) => void;
  readonly #underWay = new Set<Done>();
  #waiting = 0;
  /** Spans that were not sent since it last worked. */
  #lost = 0;
  #isTroubled = false;
  #isOver = false;

  constructor(exporter: SpanExporter, onTrouble: (message: string, fields: Record<string, unknown>) => void) {
    this.#exporter = exporter;
    this.#onTrouble = onTrouble;
  }

  /** Is there room for one more span? */
  take(): boolean {
    if (this.#isOver || this.#waiting >= waitingMax) {
      this.#lost += 1;
      return false;
    }
    this.#waiting += 1;
    return true;
  }

  export(spans: Parameters<SpanExporter['export']>[0], done: Done): void {
    this.#waiting -= spans.length;
    const finish: Done = (result) => {
      if (!this.#underWay.delete(finish)) return;
      this.#tell(result, spans.length);
      done(result);
    };
    this.#underWay.add(finish);
    if (this.#isOver) finish({ code: failed, error: new Error('the controller stopped') });
    else this.#exporter.export(spans, finish);
  }

  /** Nothing is waited for any more. */
  abandon(): void {
    this.#isOver = true;
    for (const finish of [...this.#underWay])
      finish({ code: failed, error: new Error('no answer before the stop') });
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown();
  }

  #tell({ code, error }: Parameters<Done>[0], spans: number): void {
    if (code === failed) {
      this.#lost += spans;
      if (!this.#isTroubled)
        this.#onTrouble('traces can not be sent', { error: error?.message || 'the collector refused' });
      this.#isTroubled = true;
      return;
    }
    if (this.#lost > 0) this.#onTrouble('traces are sent again', { spansLost: this.#lost });
    this.#isTroubled = false;
    this.#lost = 0;
  }
}

/**
 * Connections that do not keep a process alive: a collector that never answers would otherwise hold one that has
 * stopped for as long as a batch may take.
 */
async function idleAgent(protocol: string): Promise<Agent> {
  const { Agent } = protocol === 'https:' ? await import('node:https') : await import('node:http');
  const agent: Agent = new Agent({ keepAlive: true, maxSockets: 2 });
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback);
    (socket as Partial<Socket> | null | undefined)?.unref?.();
    return socket;
  };
  // By default a kept connection counts again once it is used again.
  agent.reuseSocket = () => undefined;
  return agent;
}
