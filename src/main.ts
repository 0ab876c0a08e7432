/**
 * The composition root of the server: the whole wiring, by hand, in one place.
 *
 * Read it top to bottom: data directory and lock, keys, blobs, the lives of the controller, the door, and
 * the ways in (HTTP, NATS). Only here are adapters chosen; everything else is handed its parts.
 */

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadOrMakeKey } from './attestation/keys.ts';
import { bannerOf, isLoopback } from './banner.ts';
import { openBlobs } from './blobs/blobs.ts';
import { startCollector } from './blobs/collector.ts';
import { type Bus, startBus } from './bus.ts';
import { randomIds, systemClock } from './clock.ts';
import { readFleet, type Settings } from './config.ts';
import { Controller, type ControllerParts } from './controller.ts';
import { dashboardPage } from './dashboard/bundle.ts';
import { adminOf, makeDataDirectory } from './data-directory.ts';
import { demoFor } from './demo-signing.ts';
import { addDemoTenants } from './demo-tenants.ts';
import { startWasmPool } from './executor/pool.ts';
import { killFormerRunners } from './executor/processes.ts';
import { Door } from './intake/door.ts';
import { startHttp } from './intake/http.ts';
import { InspectDoor } from './intake/inspect.ts';
import { Lives } from './lives.ts';
import { nodeSha256 } from './log/hash-node.ts';
import { Heads, headType } from './log/heads.ts';
import { lockDataDirectory } from './log/lock.ts';
import { nodeDisk } from './log/node-disk.ts';
import { openHead } from './log/verify.ts';
import { logOf } from './log-on-disk.ts';
import { startTraces } from './observe/exporting.ts';
import { Inspector } from './observe/inspector.ts';
import { createLogger } from './observe/logger.ts';
import { createMetrics } from './observe/metrics.ts';
import { createWindows } from './observe/windows.ts';
import { sampleGuests } from './sample-guests.ts';

export interface Server {
  readonly url: string;
  /** Lines for a person: what runs here, where, how durable, what to type next. */
  readonly banner: readonly string[];
  /** Resolves when the server can't go on: the error that it stops for. */
  readonly failed: Promise<Error>;
  /** Stops in order: no new jobs, running ones as `--shutdown` says, log sealed. Idempotent. Rejects when it could not. */
  stop(): Promise<void>;
}

const guestsDirectory = fileURLToPath(new URL('../wasm/', import.meta.url));
const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/** Starts a controller with everything around it. Rejects with a BerthError that says what to mend. */
export async function startServer(settings: Settings): Promise<Server> {
  // What was started is stopped in the opposite order, also when a later part can't start.
  const stops: (() => Promise<void>)[] = [];
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
  };
  try {
    return await assemble(settings, stops, stopAll);
  } catch (error) {
    await stopAll().catch(() => undefined);
    throw error;
  }
}

async function assemble(
  settings: Settings,
  stops: (() => Promise<void>)[],
  stopAll: () => Promise<void>,
): Promise<Server> {
  const clock = systemClock;
  const logger = createLogger({
    write: (line) => process.stderr.write(line),
    clock,
    level: settings.logLevel,
  });
  const dataDirectory = resolve(settings.data);
  await makeDataDirectory(dataDirectory);
  const lock = await lockDataDirectory(dataDirectory);
  stops.push(() => lock.release());
  const controllerKey = await loadOrMakeKey(join(dataDirectory, 'keys', 'controller.jwk'));
  const { blobBytesMax, tenantBytesMax } = settings;
  const blobs = await openBlobs({ dir: join(dataDirectory, 'blobs'), blobBytesMax, tenantBytesMax });

  // A log in memory has no end that could be cut, and its heads have no place beside those of the log on disk.
  const heads =
    settings.log === 'memory'
      ? null
      : await Heads.open({
          dir: join(dataDirectory, 'log'),
          disk: nodeDisk,
          clock,
          sign: (head) => controllerKey.sign(head, headType),
          open: (jws) => openHead(jws, [controllerKey.publicJwk]),
          every: settings.headEvery,
          onTrouble: (message, fields) => logger('warn', message, fields),
        });
  const metrics = createMetrics({ life: () => lives.current, clock });
  const traces = await startTraces({ ...settings, version, sha256: nodeSha256, clock, logger });
  stops.push(() => traces.stop());
  const windows = createWindows({ clock, onError: (error) => logger('error', String(error)) });
  stops.push(async () => windows.stop());
  let bus: Bus | null = null;
  const checks = { stop: (): void => undefined };
  stops.push(async () => checks.stop());
  const begin = partsOf(settings, dataDirectory, {
    blobs,
    heads,
    onChecking: (stop) => {
      checks.stop();
      checks.stop = stop;
    },
    publishedSeq: () => bus?.publishedSeq() ?? (settings.nats ? 0 : Number.MAX_SAFE_INTEGER),
    logger,
    metrics,
    sign: (claims) => controllerKey.sign(claims, 'berth-report+jws'),
    observe: (views) => {
      metrics.attach(views);
      traces.attach(views);
    },
  });
  const lives: Lives = await Lives.start({
    begin,
    clock,
    logger,
    onBegin: ({ log, views }) => {
      // Not before: what a life wrote that did not come up is dropped by the next, and a head must never be.
      heads?.attach(log);
      traces.live(log.epoch);
      windows.attach(views);
    },
  });
  stops.push(() => lives.end());
  if (settings.demo) await addDemoTenants(lives.current, dataDirectory);

  const life = () => lives.current;
  const stopCollector = startCollector({ blobs, life, clock, logger });
  stops.push(async () => stopCollector());
  const admin = await adminOf(dataDirectory);
  const door = new Door({
    life,
    admin,
    blobs,
    clock,
    ids: randomIds,
    sha256: nodeSha256,
    submitsPerSecondMax: settings.submitsPerSecondMax,
  });
  const strike = (job: string): boolean => life().executor.strike(job);
  const signsForPage = settings.demo && isLoopback(settings.listen);
  const inspectors = new InspectDoor({
    clock,
    inspector: new Inspector({ clock, life }),
    isOperator: async (token) => {
      const identity = await door.authenticate(`Bearer ${token}`);
      return 'admin' in identity && identity.admin;
    },
    isOpen: signsForPage,
  });
  const http = await startHttp({
    listen: hostAndPort(settings.listen),
    door,
    life,
    blobs,
    publicKeys: () => [controllerKey.publicJwk],
    newestHead: () => heads?.newest ?? null,
    metricsText: () => metrics.text(),
    traceOf: (id) => traces.traceOf(id),
    traceparentOf: (id) => traces.traceparentOf(id),
    rates: () => windows.latest,
    clock,
    logger,
    blobBytesMax,
    onUpgrade: (request, socket, head) => void inspectors.upgrade(request, socket, head),
    page: () => dashboardPage(),
    version,
    demo: signsForPage ? await demoFor({ dataDirectory, clock, ids: randomIds, strike }) : null,
    guests: sampleGuests(guestsDirectory),
  });
  stops.push(async () => {
    inspectors.stop();
    await http.stop();
  });
  if (settings.nats) {
    const stateFile = join(dataDirectory, 'publication.json');
    const started = await startBus({ settings, door, life, logger, clock, stateFile });
    bus = started;
    stops.push(() => started.stop());
  }
  // The door first says 503, then the jobs end, then the ways in close: a client hears why.
  const stop = once(async () => {
    try {
      const { leaseMs, graceMs, shutdown, shutdownMs, stopMs } = settings;
      await lives.drain(shutdown, shutdownMs, leaseMs + graceMs + stopMs);
      await heads?.finish();
    } finally {
      await stopAll();
    }
  });
  return {
    url: http.url,
    banner: bannerOf({ version, settings, dataDirectory, controller: lives.current }),
    failed: lives.failed,
    stop,
  };
}

/** Calls `run` the first time, and gives everyone the same promise. */
function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => (running ??= run());
}

type Begin = (trustedSeq: number | null, onFault: (error: unknown) => void) => Promise<Controller>;

/** How a life begins: the same each time, but for what the former life knew to be durable. */
function partsOf(
  settings: Settings,
  dataDirectory: string,
  {
    blobs,
    heads,
    logger,
    metrics,
    observe,
    onChecking,
    publishedSeq,
    sign,
  }: Required<Pick<ControllerParts, 'blobs' | 'observe' | 'publishedSeq' | 'sign'>> & {
    readonly heads: Heads | null;
    /** Told how the checks in the background are stopped; those of a new life take the place of the former's. */
    readonly onChecking: (stop: () => void) => void;
    readonly logger: ReturnType<typeof createLogger>;
    readonly metrics: ReturnType<typeof createMetrics>;
  },
): Begin {
  const {
    acceptTornTail,
    attestMs,
    checkpointFacts,
    graceMs,
    leaseMs,
    lossesMax,
    memoryMiBMax,
    policy,
    queuedMax,
    retainedMax,
    runners,
    stopMs,
  } = settings;
  const fleet = readFleet(settings.fleet);
  const runnersDirectory = join(dataDirectory, 'runners');
  return (trustedSeq, onFault) =>
    Controller.begin({
      clock: systemClock,
      sha256: nodeSha256,
      blobs,
      sign,
      settings: {
        fleet,
        policy,
        attestMs,
        stopMs,
        lossesMax,
        queuedMax,
        retainedMax,
        checkpointFacts,
        killWaitMs: leaseMs + graceMs,
        version,
      },
      defer: setImmediate,
      ...logOf({
        settings,
        dataDirectory,
        trustedSeq,
        logger,
        heads,
        onChecking,
        onDivergence: () => metrics.observeReplay(1),
        timed: (log) => metrics.timed(log),
      }),
      publishedSeq,
      observe,
      killFormerGuests: () => killFormerRunners(runnersDirectory),
      startBackend: () =>
        startWasmPool({
          runners,
          dir: runnersDirectory,
          clock: systemClock,
          leaseMs,
          graceMs,
          memoryMiBMax,
          logger: (sentence) => logger('warn', sentence, { part: 'runners' }),
        }),
      acceptTornTail,
      onFault,
      onTrouble: (message, fields) => logger('error', message, fields),
    });
}

function hostAndPort(listen: string): { host: string; port: number } {
  const at = listen.lastIndexOf(':');
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) };
}
