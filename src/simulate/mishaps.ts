/**
 * What befalls one machine by itself, beside what people do to it: crashes at crash points, faults that come in bundles,
 * turns that are torn in two, checkpoints that rot while the machine is down.
 *
 * Why aimed and not only spread: a crash that must strike between two facts of one turn, or right behind a sync that
 * failed, would be met by chance once in a year of such machines. Where code has two steps, a fault is aimed between them.
 */
import type { DiskCall, SimulatedDisk } from './disk.ts';
import type { Kernel } from './kernel.ts';
import type { Faults } from './options.ts';
import type { Random } from './random.ts';

export type CrashKind = 'power' | 'kill';

/** After a fault of the disk, the crash that comes with it, ms: often at once. */
const bundleMs = [2, 30, 1_200] as const;
/** Crashes of one bundle at most. */
const bundleMax = 3;
/** A call of the disk that changes names is as rare as it is delicate: so many times likelier to be a crash point. */
const namesFactor = 15;
const namesCalls: ReadonlySet<DiskCall> = new Set(['mkdir', 'remove', 'rename', 'syncFolder', 'truncate']);
/** Facts that are followed by another of the same job in the same turn. */
const passesThrough: ReadonlySet<string> = new Set([
  'job.crashed',
  'job.lost',
  'job.released',
  'job.selected',
  'job.stopped',
]);

interface MishapParts {
  readonly kernel: Kernel;
  readonly faults: Faults;
  readonly random: Random;
  readonly disk: SimulatedDisk;
  readonly count: (fault: string) => void;
  readonly crash: (kind: CrashKind) => void;
}

export class Mishaps {
  /** From now on nothing happens. */
  healed = false;
  readonly #parts: MishapParts;
  /** The next write is the last of this process, and done in part. */
  #tearsNext = false;
  #bundle = 0;

  constructor(parts: MishapParts) {
    this.#parts = parts;
  }

  /** A process begins. */
  reset(): void {
    this.#tearsNext = false;
  }

  /** At a crash point: how the machine crashes there; null when it doesn't. */
  at(inRecovery: boolean, call?: DiskCall): CrashKind | null {
    const { faults, random } = this.#parts;
    const factor = call !== undefined && namesCalls.has(call) ? namesFactor : 1;
    const rate = inRecovery ? faults.crashInRecovery : faults.crashAtPoints * factor;
    return random.chance(rate) && !this.healed ? random.pick(['power', 'kill']) : null;
  }

  /** A fact has its place: the group that it will be written with may be torn. */
  appended(type: string): void {
    const { faults, random } = this.#parts;
    if (passesThrough.has(type) && random.chance(faults.tornTurns) && !this.healed) this.#tearsNext = true;
  }

  /** Torn between two facts of one turn, a job stays where it would only pass through. */
  tears(call: DiskCall): boolean {
    if (!this.#tearsNext || call !== 'write' || this.healed) return false;
    this.#tearsNext = false;
    this.#parts.count('tornTurns');
    return true;
  }

  /** What made a call of the disk fail soon takes the process as well, or the machine, perhaps more than once. */
  diskFailed(): void {
    const { faults, random } = this.#parts;
    if (!random.chance(faults.crashAfterFaults) || this.healed) return;
    this.#parts.count('crashAfterFaults');
    this.#bundle = 0;
    this.#crashSoon(random.pick(['power', 'kill']));
  }

  #crashSoon(kind: CrashKind): void {
    const { crash, kernel, random } = this.#parts;
    kernel.after(random.between(0, random.pick(bundleMs)), () => {
      if (this.healed) return;
      crash(kind);
      this.#bundle += 1;
      // And again, when what was read after the first has just been promised.
      if (this.#bundle < bundleMax && random.chance(0.6)) this.#crashSoon('power');
    });
  }

  /** A bit of the newest checkpoint turns while the machine is down: the one before it, or the log, lead to the same state. */
  spoilCheckpoint(): void {
    const { count, disk, faults, random } = this.#parts;
    const struck = random.chance(faults.spoiltCheckpoints) && !this.healed;
    const draw = random.next();
    if (!struck) return;
    const found = disk.files().filter((path) => /\/checkpoint-\d{20}\.json$/.test(path));
    const newest = found.at(-1);
    if (newest === undefined || found.length < 2) return;
    count('spoiltCheckpoints');
    disk.flip(newest, Math.floor(draw * disk.bytes(newest).length * 8));
  }
}
