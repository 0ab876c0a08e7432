/** Facts to append in tests, and small things that several test files of this folder need. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FactRecord } from '../../src/events/record.ts';
import type { Draft, Log } from '../../src/log/log.ts';

/** A fact for stream `job.acme.<name>`. */
export function draft(name: string, expectedVersion: number, data: Draft['data'] = { n: 1 }): Draft {
  return {
    subject: `job.acme.${name}.noted`,
    type: 'job.noted',
    at: 1_700_000_000_000,
    author: 'tester',
    basis: 0,
    cause: null,
    trace: null,
    schema: 1,
    data,
    expectedVersion,
  };
}

/** Appends `count` facts to one stream after what is there. */
export function appendMany(log: Log, name: string, count: number): FactRecord[] {
  return Array.from({ length: count }, () => {
    const version = log.versionOf(`job.acme.${name}`);
    return log.append(draft(name, version, { n: version })).record;
  });
}

/** Code of the error that `action` throws or rejects with; null when it does neither. */
export async function codeOf(action: () => unknown): Promise<string | null> {
  try {
    await action();
    return null;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** Runs `body` with a folder of its own, removed afterwards. */
export async function withFolder<T>(body: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'berth-log-'));
  try {
    return await body(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** A fixed sequence of numbers in [0, 1): the same seed gives the same ones. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    // xorshift32, Marsaglia 2003
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
