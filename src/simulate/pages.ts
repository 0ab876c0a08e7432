/**
 * The bytes of one file twice: as processes read them, and as they may be found when the power is back.
 *
 * Why two: a write only reaches memory of the kernel (the page cache), like a kernel launch that returned but has
 * not run. It goes to the platter whenever that pleases the system, in any order, one sector at a time, unless
 * `datasync` forces it. A program that forgets this works on every machine until the day of the power cut.
 *
 * Kept small and quick: the present bytes in one growing buffer, and of each sector that was written since the last
 * successful sync the former content. A sync under way covers what was written before it was called, so these
 * former contents lie in layers, one a sync. Test: `test/simulate/disk.test.ts`.
 */

/** What a disk writes at once or not at all, bytes. */
export const sectorBytes = 512;

/** What a failed sync does to pages it had not written: they stay to be written, or count as clean and are lost. */
export type SyncLoss = 'none' | 'hidden' | 'visible';

/** Former content by number of the sector, since a moment; shorter than a sector where the file ended. */
type Layer = Map<number, Uint8Array>;

/** What one sync will have made durable when it succeeds. */
export interface Covered {
  readonly layer: Layer;
  readonly length: number;
}

const nothing = new Uint8Array(0);

export class Pages {
  #bytes = new Uint8Array(1024);
  length = 0;
  /** Length that survives for sure. */
  #safeLength = 0;
  /** Oldest first; the last one is being written to. Never empty. */
  #layers: Layer[] = [new Map()];
  /** What lies on the platter under pages that a failed sync has marked as clean without writing them. */
  readonly #lost: Layer = new Map();
  readonly #random: () => number;

  /** @param random  decides what is written back early, lost by a failed sync, and found after a power cut */
  constructor(random: () => number, bytes: Uint8Array = nothing) {
    this.#random = random;
    this.#store(bytes, 0);
    this.#safeLength = this.length;
  }

  read(position: number, length: number): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(position, Math.max(position, Math.min(position + length, this.length)));
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    // A gap is written, too: its zeros must not turn into what a former truncate had left there.
    this.#remember(Math.min(position, this.length), position + bytes.length);
    this.#store(bytes, position);
  }

  truncate(length: number): void {
    if (length === this.length) return;
    this.#remember(Math.min(length, this.length), Math.max(length, this.length));
    if (length > this.length) this.#reserve(length);
    else this.#bytes.fill(0, length, this.length);
    this.length = length;
  }

  /** A sync begins: what is written from now on is not covered by it. */
  beginSync(): Covered {
    const layer = this.#layers.at(-1)!;
    this.#layers.push(new Map());
    return { layer, length: this.length };
  }

  /** The sync succeeded. */
  endSync({ layer, length }: Covered): void {
    for (const each of this.#take(layer)) for (const sector of each.keys()) this.#lost.delete(sector);
    this.#safeLength = length;
  }

  /** The sync failed. With a loss, later syncs succeed, and half of the sectors never arrive all the same. */
  failSync({ layer }: Covered, loss: SyncLoss): void {
    if (loss === 'none') return;
    for (const each of this.#take(layer)) {
      for (const [sector, former] of each) {
        if (this.#random() < 0.5) this.#lost.delete(sector);
        else if (!this.#lost.has(sector)) this.#lost.set(sector, former);
        if (loss === 'visible' && this.#lost.has(sector)) this.#put(sector, this.#lost.get(sector)!);
      }
    }
    this.#bytes.fill(0, this.length);
  }

  /** The power goes: of each sector any version since the last sync is what is left, and of the lengths any. */
  crash(): void {
    const { length } = this;
    const inDoubt = this.#lost.size > 0 || this.#layers.some((layer) => layer.size > 0);
    if (!inDoubt && length === this.#safeLength) return;
    this.length = between(this.length, this.#safeLength, this.#random);
    const candidates = this.#candidates();
    const choose = this.#chooser(length);
    for (const [sector, versions] of candidates) {
      const chosen = choose(sector, versions);
      if (chosen !== null) this.#put(sector, chosen);
    }
    this.#reserve(this.length);
    this.#bytes.fill(0, this.length);
    this.#safeLength = this.length;
    this.#layers = [new Map()];
    this.#lost.clear();
  }

  /** Bit rot, in every copy that there is of the byte. */
  flip(bit: number): void {
    this.#bytes[bit >>> 3]! ^= 1 << (bit & 7);
  }

  /** What may be on the platter, oldest first, for each sector where that is in doubt; null is the present content. */
  #candidates(): Map<number, (Uint8Array | null)[]> {
    const candidates = new Map<number, (Uint8Array | null)[]>();
    for (const [sector, former] of this.#lost) candidates.set(sector, [former]);
    for (const layer of this.#layers) {
      for (const [sector, former] of layer) {
        const known = candidates.get(sector);
        if (known === undefined) candidates.set(sector, [former, null]);
        // A page that was lost is on its way again only since it was written again.
        else if (known.at(-1) !== null) known.push(null);
        else if (!this.#lost.has(sector)) known.splice(-1, 0, former);
      }
    }
    return candidates;
  }

  /** One of the four ways in which a power cut looks: nothing arrived, all did, a first part did, or any of it. */
  #chooser(length: number): (sector: number, of: readonly (Uint8Array | null)[]) => Uint8Array | null {
    const kind = Math.floor(this.#random() * 4);
    const arrived = this.#random() * (length / sectorBytes);
    return (sector, versions) => {
      if (kind === 3) return versions[Math.floor(this.#random() * versions.length)]!;
      const newest = kind === 1 || (kind === 2 && sector < arrived);
      return newest ? versions.at(-1)! : versions[0]!;
    };
  }

  /** Takes a layer and all older ones out; none when a later sync has covered it already. */
  #take(layer: Layer): Layer[] {
    return this.#layers.splice(0, this.#layers.indexOf(layer) + 1);
  }

  /** Keeps the former content of what is about to change. */
  #remember(from: number, to: number): void {
    const layer = this.#layers.at(-1)!;
    for (let sector = Math.floor(from / sectorBytes); sector * sectorBytes < to; sector += 1) {
      // Written twice since the last sync: the first version may have arrived by itself meanwhile.
      if (layer.has(sector) && this.#random() < 0.5) continue;
      const start = sector * sectorBytes;
      layer.set(sector, start >= this.length ? nothing : this.read(start, sectorBytes));
    }
  }

  #put(sector: number, content: Uint8Array): void {
    const start = sector * sectorBytes;
    this.#reserve(start + sectorBytes);
    this.#bytes.fill(0, start, start + sectorBytes);
    this.#bytes.set(content, start);
  }

  #store(bytes: Uint8Array, position: number): void {
    this.#reserve(position + bytes.length);
    this.#bytes.set(bytes, position);
    this.length = Math.max(this.length, position + bytes.length);
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** One of the two or something between, each as often as the others. */
function between(a: number, b: number, random: () => number): number {
  if (a === b) return a;
  const choice = Math.floor(random() * 3);
  if (choice === 0) return a;
  if (choice === 1) return b;
  return Math.min(a, b) + Math.floor((Math.abs(a - b) + 1) * random());
}
