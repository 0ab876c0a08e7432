/**
 * Traces as the settings want them: kept for the page alone, or sent to a collector, too.
 *
 * Why apart from `otlp.ts`: without an endpoint the exporter is not even loaded. Test: `test/observe/otlp.test.ts`.
 */
import type { SpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { Clock } from '../clock.ts';
import type { Sha256 } from '../events/record.ts';
import type { Logger } from './logger.ts';
import { createTraces, type Traces } from './trace.ts';

export interface ExportingParts {
  readonly otlpEndpoint: string;
  readonly traceRatio: number;
  readonly version: string;
  readonly sha256: Sha256;
  readonly clock: Pick<Clock, 'after'>;
  readonly logger: Logger;
}

/** The traces of one process; `stop` sends what still waits. */
export async function startTraces({ traceRatio, version, sha256, ...rest }: ExportingParts): Promise<Traces> {
  return createTraces({
    sha256,
    version,
    ratio: traceRatio,
    processors: await processorsOf(rest),
    onError: (error) => rest.logger('error', String(error), { part: 'traces' }),
  });
}

async function processorsOf({
  otlpEndpoint: endpoint,
  clock,
  logger,
}: Pick<ExportingParts, 'otlpEndpoint' | 'clock' | 'logger'>): Promise<SpanProcessor[]> {
  if (endpoint === '') return [];
  const { otlpProcessor } = await import('./otlp.ts');
  return [
    otlpProcessor({ endpoint, clock, onTrouble: (message, fields) => logger('warn', message, fields) }),
  ];
}
