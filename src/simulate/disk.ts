/**
 * A disk in memory that does everything a disk is allowed to do, in virtual time, decided by one random stream.
 *
 * Why below the log: the code that writes, syncs, cuts and recovers is then the one that runs in production, and
 * meets in a minute more torn writes, failing syncs and power cuts than a machine room in a year.
 *
 * - Every call takes time, so two that are under way may end in any order. Nothing ever ends synchronously.
 * - A write may fail half done; a sync may fail, and then the pages may be lost although later syncs succeed (PostgreSQL
 *   learned of that in 2018, "fsyncgate"); the disk may be full; a call may hang for minutes.
 * - `kill` ends the process only: what was written stays readable, a call under way is done, in part or not at all.
 * - `crash` is a power cut: of what was not synced any sectors are there, in any mixture (`pages.ts`), and any of the
 *   names that were made, renamed or removed since the last `syncFolder` of their folder (`names.ts`).
 *
 * One process, one `mount()`: what is called through it neither ends nor changes anything after a crash or kill.
 * Test: `test/simulate/disk.test.ts`.
 */
import type { Disk, DiskFile } from '../log/disk.ts';
import { failure, Names } from './names.ts';
import { type Covered, Pages, type SyncLoss } from './pages.ts';

/** Calls that change something or promise something. */
export type DiskCall =
  | 'mkdir'
  | 'open'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'rename'
  | 'remove'
  | 'syncFolder';

/** How often each thing goes wrong, as a share of the calls that it can happen to, 0 … 1. */
export interface DiskFaults {
  /** Longest time that a call takes, ms of virtual time. */
  readonly delayMsMax: number;
  /** Writes that end with EIO after a part of the bytes. */
  readonly failedWrites: number;
  /** Writes that end with ENOSPC after a part of the bytes. */
  readonly fullWrites: number;
  /** Syncs of files and folders that end with EIO. */
  readonly failedSyncs: number;
  /** Of the failed syncs of files those after which pages are lost that later syncs don't write. */
  readonly forgetfulSyncs: number;
  /** Creating, renaming, removing and truncating that end with EIO, with nothing changed. */
  readonly failedNames: number;
  /** Calls that take `hangMs`. */
  readonly hangs: number;
  readonly hangMs: number;
}

/** Nothing goes wrong, and no call takes time. */
export const noDiskFaults: DiskFaults = {
  delayMsMax: 0,
  failedWrites: 0,
  fullWrites: 0,
  failedSyncs: 0,
  forgetfulSyncs: 0,
  failedNames: 0,
  hangs: 0,
  hangMs: 0,
};

export interface SimulatedDiskParts {
  readonly random: () => number;
  /** Calls `fn` after `ms` of virtual time, never at once. */
  readonly after: (ms: number, fn: () => void) => void;
  readonly faults: DiskFaults;
}

/** A call under way: what it does when it ends, and how much of it may be done when it never does. */
interface UnderWay {
  readonly apply: () => void;
  /** A part of it, by its share; null for what happens whole or not at all. */
  readonly part: ((share: number) => void) | null;
}

interface Call extends UnderWay {
  readonly kind: DiskCall | 'read';
  /** Why it fails, and what it has done then. */
  readonly fault: {
    readonly code: 'EIO' | 'ENOSPC';
    readonly name: string;
    readonly done: () => void;
  } | null;
}

const nothingDone = (): void => undefined;
/** Faults by name. */
export type FaultCounts = Record<string, number>;

export class SimulatedDisk {
  readonly #parts: SimulatedDiskParts;
  readonly #names = new Names();
  readonly #underWay = new Set<UnderWay>();
  #life = 0;
  #calls = 0;
  /** Bytes that fit. May be set at any time: a full disk is one with a small number here. */
  bytesMax = Number.POSITIVE_INFINITY;
  /** From now on no call fails or hangs, and there is room. */
  healed = false;
  /** What went wrong so far, by name. */
  readonly injected: FaultCounts = {};
  /** Told of each call before it does anything. May throw, then the call fails so; or crash the disk, then it never ends. */
  onCall: (call: DiskCall, nth: number) => void = () => undefined;
  /** Told of each fault that is injected, of each file that became shorter, and how far one was written to. */
  onFault: () => void = () => undefined;
  onTruncate: (path: string, from: number, to: number) => void = () => undefined;
  onWrite: (path: string, end: number) => void = () => undefined;

  constructor(parts: SimulatedDiskParts) {
    this.#parts = parts;
  }

  /** The disk for one process. */
  mount(): Disk {
    const life = this.#life;
    const run = <T>(call: () => Call, result: () => T): Promise<T> => this.#run(life, call, result);
    return {
      mkdir: (path) => run(() => this.#whole('mkdir', () => this.#names.mkdir(path)), nothingDone),
      list: (path) => run(reading, () => this.#names.list(path)),
      open: (path, create) => {
        const call = (): Call =>
          create && !this.#names.has(path) ? this.#whole('open', () => this.#create(path)) : reading();
        return run(call, () => this.#file(life, path, this.#names.get(path)));
      },
      readSync: (path) => this.bytes(path),
      rename: (from, to) => run(() => this.#whole('rename', () => this.#names.rename(from, to)), nothingDone),
      remove: (path) => run(() => this.#whole('remove', () => this.#names.remove(path)), nothingDone),
      syncFolder: (path) => run(() => this.#syncFolder(path), nothingDone),
    };
  }

  /** The power goes and comes back. */
  crash(): void {
    this.kill();
    this.#names.crash(this.#parts.random);
  }

  /** The process dies, the system lives on. */
  kill(): void {
    this.#life += 1;
    for (const { apply, part } of this.#underWay) {
      const share = this.#parts.random() * 2;
      try {
        if (share >= 1) apply();
        else part?.(share);
      } catch {
        // A call that would have failed, and nobody is left to hear of it.
      }
    }
    this.#underWay.clear();
  }

  /** Flips one bit of what a file holds, counted from its beginning. */
  flip(path: string, bit: number): void {
    this.#names.get(path).flip(bit);
  }

  /** Paths of all files, sorted. */
  files(): string[] {
    return this.#names.paths;
  }

  /** What a process would read. */
  bytes(path: string): Uint8Array {
    const pages = this.#names.get(path);
    return pages.read(0, pages.length);
  }

  /** Puts a file there as if it had always been. */
  put(path: string, bytes: Uint8Array): void {
    this.#names.put(path, new Pages(this.#parts.random, bytes));
  }

  /** One call from begin to end. `result` is what the caller gets, evaluated when the call ends. */
  #run<T>(life: number, begin: () => Call, result: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (life !== this.#life) return;
      const call = begin();
      const ends: UnderWay = call.fault === null ? call : { apply: call.fault.done, part: null };
      this.#underWay.add(ends);
      try {
        this.#calls += call.kind === 'read' ? 0 : 1;
        if (call.kind !== 'read') this.onCall(call.kind, this.#calls);
      } catch (error) {
        this.#underWay.delete(ends);
        reject(error);
        return;
      }
      if (life !== this.#life) return;
      this.#parts.after(this.#delayMs(), () => {
        if (!this.#underWay.delete(ends)) return;
        try {
          ends.apply();
          if (call.fault) throw failure(call.fault.code, `injected: ${call.fault.name}`);
          resolve(result());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }

  #delayMs(): number {
    const { faults, random } = this.#parts;
    if (this.#strikes(faults.hangs, 'hangs')) return faults.hangMs;
    return faults.delayMsMax === 0 ? 0 : Math.floor(random() * (faults.delayMsMax + 1));
  }

  /** Draws whether a thing goes wrong, and counts it. */
  #strikes(share: number, name: string): boolean {
    if (share === 0 || this.healed || this.#parts.random() >= share) return false;
    this.injected[name] = (this.injected[name] ?? 0) + 1;
    this.onFault();
    return true;
  }

  /** A call that happens whole or not at all. */
  #whole(kind: DiskCall, apply: () => void): Call {
    const failed = this.#strikes(this.#parts.faults.failedNames, 'failedNames');
    const fault = failed ? ({ code: 'EIO', name: 'failedNames', done: nothingDone } as const) : null;
    return { kind, apply, part: null, fault };
  }

  #create(path: string): void {
    if (this.#names.has(path)) return;
    if (!this.healed && this.#names.bytesUsed >= this.bytesMax) throw failure('ENOSPC', path);
    this.#names.create(path, new Pages(this.#parts.random));
  }

  /** What changed after the call began is not covered. */
  #syncFolder(path: string): Call {
    const covered = this.#names.beginSync(path);
    const apply = (): void => this.#names.endSync(path, covered);
    const failed = this.#strikes(this.#parts.faults.failedSyncs, 'failedSyncs');
    const fault = failed ? ({ code: 'EIO', name: 'failedSyncs', done: nothingDone } as const) : null;
    return { kind: 'syncFolder', apply, part: null, fault };
  }

  #file(life: number, path: string, pages: Pages): DiskFile {
    const run = <T>(call: () => Call, result: () => T): Promise<T> => this.#run(life, call, result);
    return {
      size: () => run(reading, () => pages.length),
      read: (position, length) => run(reading, () => pages.read(position, length)),
      readSync: (position, length) => pages.read(position, length),
      write: (bytes, position) => {
        this.onWrite(path, position + bytes.length);
        return run(() => this.#write(pages, bytes.slice(), position), nothingDone);
      },
      datasync: () => run(() => this.#datasync(pages), nothingDone),
      truncate: (length) =>
        run(() => this.#whole('truncate', () => this.#truncate(path, pages, length)), nothingDone),
      close: () => run(reading, nothingDone),
    };
  }

  #truncate(path: string, pages: Pages, length: number): void {
    this.onTruncate(path, pages.length, length);
    pages.truncate(length);
  }

  #write(pages: Pages, bytes: Uint8Array, position: number): Call {
    const { faults, random } = this.#parts;
    const first = (share: number): void =>
      pages.write(bytes.subarray(0, Math.floor(bytes.length * share)), position);
    const fault = (code: 'EIO' | 'ENOSPC', name: string, share: number): Call['fault'] => {
      return { code, name, done: () => first(share) };
    };
    const call = { kind: 'write', apply: () => pages.write(bytes, position), part: first } as const;
    if (this.#strikes(faults.failedWrites, 'failedWrites'))
      return { ...call, fault: fault('EIO', 'failedWrites', random()) };
    if (this.#strikes(faults.fullWrites, 'fullWrites'))
      return { ...call, fault: fault('ENOSPC', 'fullWrites', random()) };
    const more = position + bytes.length - pages.length;
    if (this.healed || this.bytesMax === Number.POSITIVE_INFINITY || more <= 0)
      return { ...call, fault: null };
    const room = this.bytesMax - this.#names.bytesUsed;
    if (more <= room) return { ...call, fault: null };
    this.injected['fullDisk'] = (this.injected['fullDisk'] ?? 0) + 1;
    return {
      ...call,
      fault: fault('ENOSPC', 'fullDisk', Math.max(0, bytes.length - more + room) / bytes.length),
    };
  }

  #datasync(pages: Pages): Call {
    const covered: Covered = pages.beginSync();
    const apply = (): void => pages.endSync(covered);
    if (!this.#strikes(this.#parts.faults.failedSyncs, 'failedSyncs'))
      return { kind: 'datasync', apply, part: null, fault: null };
    const loss = this.#syncLoss();
    const done = (): void => pages.failSync(covered, loss);
    return { kind: 'datasync', apply, part: null, fault: { code: 'EIO', name: 'failedSyncs', done } };
  }

  #syncLoss(): SyncLoss {
    if (!this.#strikes(this.#parts.faults.forgetfulSyncs, 'forgetfulSyncs')) return 'none';
    return this.#parts.random() < 0.5 ? 'hidden' : 'visible';
  }
}

/** A call that changes nothing. */
const reading = (): Call => ({ kind: 'read', apply: nothingDone, part: null, fault: null });
