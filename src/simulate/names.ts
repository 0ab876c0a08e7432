/**
 * The names of files in folders twice: as processes see them, and as they may be found when the power is back.
 *
 * Why apart from the bytes: a file whose bytes are synced can still be gone, because the folder that holds its name was
 * not. Renaming a draft over the old file is atomic, but durable only after `syncFolder`. Most programs forget that.
 * Test: `test/simulate/disk.test.ts`.
 */
import { posix } from 'node:path';
import type { Pages } from './pages.ts';

/** A change of names that happens as a whole; null takes a name away. */
interface Change {
  readonly folders: readonly string[];
  readonly names: readonly (readonly [path: string, pages: Pages | null])[];
}

/** What a sync of a folder, once begun, will have made durable. */
export type CoveredNames = ReadonlySet<Change>;

export class Names {
  #present = new Map<string, Pages>();
  /** What survives for sure. */
  #safe = new Map<string, Pages>();
  /** Since the last sync of their folder, oldest first. */
  #changes: Change[] = [];
  readonly #folders = new Set<string>(['.', '/']);

  has(path: string): boolean {
    return this.#present.has(path);
  }

  /** Throws ENOENT. */
  get(path: string): Pages {
    const pages = this.#present.get(path);
    if (pages === undefined) throw failure('ENOENT', path);
    return pages;
  }

  get paths(): string[] {
    return [...this.#present.keys()].sort();
  }

  get bytesUsed(): number {
    let sum = 0;
    for (const pages of this.#present.values()) sum += pages.length;
    return sum;
  }

  /** Makes a folder and those above it, durably. */
  mkdir(path: string): void {
    for (let folder = path; !this.#folders.has(folder); folder = posix.dirname(folder))
      this.#folders.add(folder);
  }

  list(path: string): string[] {
    this.#mustBeFolder(path);
    const inside = (name: string): boolean => posix.dirname(name) === path && name !== path;
    const found = [...this.#present.keys(), ...this.#folders].filter(inside);
    return found.map((name) => posix.basename(name)).sort();
  }

  create(path: string, pages: Pages): void {
    this.#mustBeFolder(posix.dirname(path));
    this.#change([path, pages]);
  }

  rename(from: string, to: string): void {
    const pages = this.get(from);
    this.#mustBeFolder(posix.dirname(to));
    if (from !== to) this.#change([from, null], [to, pages]);
  }

  remove(path: string): void {
    this.get(path);
    this.#change([path, null]);
  }

  /** Puts a name there as if it had always been. */
  put(path: string, pages: Pages): void {
    this.mkdir(posix.dirname(path));
    this.#present.set(path, pages);
    this.#safe.set(path, pages);
  }

  /** A sync begins: what changes from now on is not covered by it. */
  beginSync(folder: string): CoveredNames {
    return new Set(this.#changes.filter(({ folders }) => folders.includes(folder)));
  }

  endSync(folder: string, covered: CoveredNames): void {
    this.#mustBeFolder(folder);
    for (const change of this.#changes) if (covered.has(change)) apply(change, this.#safe);
    this.#changes = this.#changes.filter((change) => !covered.has(change));
  }

  /** The power goes: any of the changes may be there. Files lose what they must, too. */
  crash(random: () => number): void {
    // A journal keeps changes in order; a system without one need not.
    const keepsOrder = random() < 0.5;
    let arrived = true;
    for (const change of this.#changes) {
      arrived = random() < 0.5 && (arrived || !keepsOrder);
      if (arrived) apply(change, this.#safe);
    }
    this.#changes = [];
    this.#present = new Map(this.#safe);
    for (const pages of new Set(this.#present.values())) pages.crash();
  }

  #mustBeFolder(path: string): void {
    if (!this.#folders.has(path)) throw failure('ENOENT', path);
  }

  #change(...names: Change['names']): void {
    const change = { folders: names.map(([path]) => posix.dirname(path)), names };
    apply(change, this.#present);
    this.#changes.push(change);
  }
}

function apply({ names }: Change, to: Map<string, Pages>): void {
  for (const [path, pages] of names) {
    if (pages === null) to.delete(path);
    else to.set(path, pages);
  }
}

/** An error as node:fs throws it. */
export const failure = (code: 'ENOENT' | 'EIO' | 'ENOSPC', what: string): Error =>
  Object.assign(new Error(`${code}: ${what}`), { code });
