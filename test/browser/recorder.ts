/** Recordings for a browser, what the server's replay says of them, and how long the page takes for an answer. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { CDPSession } from 'playwright-core';
import * as assert from 'uvu/assert';
import { Refold } from '../../src/cli/refold.ts';
import { recordingPage } from '../../src/dashboard/bundle.ts';
import type { FactRecord } from '../../src/events/record.ts';
import { linesOf } from '../dashboard/logs.ts';
import type { Screen } from './rig.ts';

/** Writes a recording of these records; its address. */
export async function recorded(dir: string, records: readonly FactRecord[]): Promise<string> {
  const gzip = gzipSync(linesOf(records));
  const { html } = await recordingPage({ name: `${records.length} facts`, records: records.length, gzip });
  const file = join(dir, `${records.length}.html`);
  await writeFile(file, html);
  return pathToFileURL(file).href;
}

/** The state hash that the server's own replay has at every `every`th seq and at the end. */
export function hashesOf(records: readonly FactRecord[], every: number): Map<number, string> {
  const refold = new Refold();
  const hashes = new Map<number, string>();
  for (const record of records) {
    assert.ok(refold.feed(record));
    if (record.seq % every === 0 || record.seq === records.length) hashes.set(record.seq, refold.stateHash);
  }
  return hashes;
}

/** Waits until the page has read all of its log. */
export const read = (screen: Screen): Promise<true> =>
  screen.until('the log is read', () => screen.page.evaluate<true>('globalThis.berth?.isRead === true'));

/** Fails unless the page has each of these states at its seq. */
export async function holds(screen: Screen, hashes: ReadonlyMap<number, string>): Promise<void> {
  assert.ok(hashes.size > 5, 'there is something to compare');
  // Back and forth: half of the seeks restore a keyframe.
  const seqs = [...hashes.keys()];
  for (const seq of [...seqs.filter((_, i) => i % 2 === 0), ...seqs.filter((_, i) => i % 2 === 1).reverse()])
    assert.is(
      await screen.page.evaluate<string>(`berth.lookAt(${seq}), berth.stateHash()`),
      hashes.get(seq),
      `the state at seq ${seq}`,
    );
}

/** Nothing was asked of anybody but the file itself; the rig's guards watch the same from outside. */
export async function askedNobody(screen: Screen): Promise<void> {
  assert.is(screen.documents, 1);
  assert.equal(await screen.page.evaluate('performance.getEntriesByType("resource").map((e) => e.name)'), []);
}

export interface Answers {
  /** From the move of the slider to the picture, ms: on the wall. */
  readonly wallMs: Quantiles;
  /** The same as time of the page's own thread, which a busy machine does not spoil. */
  readonly threadMs: Quantiles;
}
interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** Moves the slider to `count` places all over the log, and measures each. */
export async function answersOf(screen: Screen, count: number): Promise<Answers> {
  const session = await screen.page.context().newCDPSession(screen.page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const head = await screen.headSeq();
  const wall: number[] = [];
  const thread: number[] = [];
  // Golden ratio: spreads over the whole log without repeating itself, the same in each run.
  for (let i = 1; i <= count; i += 1) {
    const seq = 1 + Math.floor(((i * 0.618_033_988_75) % 1) * head);
    const before = await threadMs(session);
    wall.push(await screen.page.evaluate<number>(move(seq)));
    thread.push((await threadMs(session)) - before);
    assert.is(await screen.seq(), seq);
  }
  await session.detach();
  return { wallMs: quantiles(wall), threadMs: quantiles(thread) };
}

/** In the page: moves the slider as a hand does, and waits until that is drawn. */
const move = (seq: number): string => `(async () => {
  const slider = document.querySelector('.scrubber input[type=range]');
  const began = performance.now();
  slider.value = ${seq};
  slider.dispatchEvent(new Event('input', { bubbles: true }));
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
  return performance.now() - began;
})()`;

async function threadMs(session: CDPSession): Promise<number> {
  const { metrics } = await session.send('Performance.getMetrics');
  return 1_000 * metrics.find(({ name }) => name === 'TaskDuration')!.value;
}

function quantiles(of: readonly number[]): Quantiles {
  const sorted = [...of].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round(sorted[Math.floor(share * (sorted.length - 1))]! * 10) / 10;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}

/** One line for whoever reads the run. */
export const told = (what: string, { threadMs, wallMs }: Answers): string =>
  `${what}: slider to picture p50 ${threadMs.p50} ms, p95 ${threadMs.p95}, max ${threadMs.max} of the page's thread; ` +
  `p50 ${wallMs.p50} ms, p95 ${wallMs.p95}, max ${wallMs.max} on the wall`;
