/** Which errors are the weather, and which are faults of the code. */
import { BerthError } from '../errors.ts';

const weather: ReadonlySet<string> = new Set(['ERR_LOG_FAILED', 'ERR_READ_ONLY', 'ERR_BUSY', 'ERR_DRAINING']);

/** May this happen to a sound program on a failing disk? Anything else is a fault of its own. */
export function isWeather(error: unknown): boolean {
  if (error instanceof BerthError) return weather.has(error.code);
  // The disk's own errors, as Node gives them.
  return ['EIO', 'ENOSPC'].includes((error as NodeJS.ErrnoException).code ?? '');
}
