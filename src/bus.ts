/**
 * NATS, both ways, when the settings name a server: requests in, facts out. A part of the composition root.
 * Test: `test/intake/nats.test.ts`, `test/views/nats.test.ts`.
 */
import type { Clock } from './clock.ts';
import type { Settings } from './config.ts';
import type { Controller } from './controller.ts';
import type { Door } from './intake/door.ts';
import { startNatsIntake } from './intake/nats.ts';
import type { createLogger } from './observe/logger.ts';
import { startPublication } from './views/nats.ts';

type Logger = ReturnType<typeof createLogger>;

export interface Bus {
  /** Seq of the last fact that NATS is known to hold. */
  publishedSeq(): number;
  stop(): Promise<void>;
}

interface BusParts {
  readonly settings: Settings;
  readonly door: Door;
  readonly life: () => Controller;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly stateFile: string;
}

/** NATS, both ways: requests in, facts out. */
export async function startBus({ settings, door, life, logger, clock, stateFile }: BusParts): Promise<Bus> {
  const servers = settings.nats;
  const intake = await startNatsIntake({
    servers,
    door,
    logger,
    clock,
    trustSubjects: settings.natsTrustSubjects,
  });
  const publication = await startPublication({ servers, life, stateFile, logger, clock });
  return {
    publishedSeq: () => publication.status().publishedSeq,
    async stop() {
      await intake.stop();
      await publication.stop();
    },
  };
}
