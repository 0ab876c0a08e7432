/**
 * Chance that can be repeated: a small generator of random numbers, begun from a seed.
 *
 * Why streams that are forked by name: the network, the disk and each guest draw from a stream of their own. Had they
 * one in common, a line added in one part would move every draw of the others, and a seed that failed yesterday
 * would be another history today. A name always gives the same stream of its parent, however much that drew.
 * Algorithm: sfc32 (Chris Doty-Humphrey, PractRand), seeded by 12 rounds over a hash of the name.
 * Test: `test/simulate/parts.test.ts`.
 */
export class Random {
  readonly #name: string;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    this.#name = String(seed);
    this.#a = hashOf(`${this.#name}/a`);
    this.#b = hashOf(`${this.#name}/b`);
    this.#c = hashOf(`${this.#name}/c`);
    for (let i = 0; i < 12; i += 1) this.next();
  }

  /** A stream of its own: the same for the same name, whatever was drawn from this one. */
  fork(name: string | number): Random {
    return new Random(`${this.#name}/${name}`);
  }

  /** At least 0, below 1. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** A whole number, at least 0, below `n`. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  /** Between two durations, in hundredths of a millisecond, so that a sum of them stays exact enough to compare. */
  between(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min) * 100) / 100;
  }

  chance(probability: number): boolean {
    // Drawn even when it can't be: switching a fault off must not move the draws that follow.
    return this.next() < probability;
  }

  /** One of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** A wait whose mean is `meanMs`, at most ten times as long: the time to the next of many independent events. */
  wait(meanMs: number): number {
    return Math.min(-Math.log(1 - this.next()), 10) * meanMs;
  }
}

/** 32 bits of FNV-1a over a text, mixed once more so that names that differ in their last letter differ everywhere. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
