/** Durations, instants and counts, as a person reads them. Test: `test/dashboard/job-story.test.ts`. */

/** `1.2 s`, `340 ms`, `2 min 5 s`: for a person. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Wall clock of a fact, with milliseconds. */
export const clockTime = (atMs: number): string => new Date(atMs).toISOString().slice(11, 23);

/** `1,234`. */
export const count = (n: number): string => n.toLocaleString('en-GB');

/** `11 bytes`, `1.5 KiB`, `64.0 MiB`. */
export function byteCount(bytes: number): string {
  if (bytes < 1_024) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}
