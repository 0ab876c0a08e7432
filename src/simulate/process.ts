/**
 * One process of the simulated machine: the composition root, as `src/main.ts` is of a real server. The same lives, the
 * same log over another disk, the same heads, checkpoints and door, handed other ports.
 *
 * Why apart from the machine: a machine outlives its processes. What is made here dies with one of them, and all of it
 * asks the same token whether it is still alive. Test: `test/simulate/simulate.test.ts`.
 */
import { foldsVersion } from '../checkpointing.ts';
import { Controller } from '../controller.ts';
import type { FactRecord } from '../events/record.ts';
import { Door } from '../intake/door.ts';
import type { Lives, LivesParts } from '../lives.ts';
import { CheckpointFiles } from '../log/checkpoints.ts';
import { nodeDigest, nodeSha256 } from '../log/hash-node.ts';
import { Heads } from '../log/heads.ts';
import { openLog } from '../log/open.ts';
import type { Head } from '../log/verify.ts';
import { defaultTerms } from '../tenants/tenants.ts';
import type { SimulatedBlobs } from './blobs.ts';
import type { SimulatedDisk } from './disk.ts';
import type { Guests } from './guests.ts';
import { canBeRead, linesLead, type OpenedCopy } from './keeping.ts';
import type { Kernel, Mortal } from './kernel.ts';
import { logFolder, type SimulationOptions, settingsOf } from './options.ts';
import type { Random } from './random.ts';
import { type LogWatch, openWatchedLog } from './watched-log.ts';
import { isWeather } from './weather.ts';
import type { Witness } from './witness.ts';

/** Held jobs whose facts are read after a checkpoint, and how long after it that begins at most, ms. */
const jobsLookedAt = 3;
const lookMsMax = 60;

/** A process of the controller, from its start to its end. */
export interface Process extends Mortal {
  lives: Lives | null;
  door: Door | null;
  /** Signs where the log stands; null as long as what former processes signed is not read. */
  heads: Heads | null;
  ending: boolean;
}

export interface ProcessParts {
  readonly kernel: Kernel;
  readonly options: SimulationOptions;
  readonly witness: Witness;
  readonly disk: SimulatedDisk;
  readonly blobs: SimulatedBlobs;
  readonly guests: Guests;
  /** Seq up to which facts are published; without end when nobody publishes. */
  readonly publishedSeq: () => number;
  /** Draws the ids of jobs. */
  readonly random: Random;
  /** A fact has its place: a moment at which a crash may strike. */
  readonly onAppend: (type: string) => void;
  /** A start has read the log. */
  readonly onOpened: () => void;
}

export const newProcess = (): Process => ({
  alive: true,
  lives: null,
  door: null,
  heads: null,
  ending: false,
});

/** The heads that former processes signed, and those that this one will. */
function headsOf(process: Process, { disk, kernel, options }: ProcessParts): Promise<Heads> {
  return Heads.open({
    dir: logFolder,
    disk: disk.mount(),
    clock: kernel.clockOf(process),
    sign: async (head) => signed(head),
    open: opened,
    every: options.headEvery,
    onTrouble: () => undefined,
  });
}

/** Not cryptography: whoever could forge a signature is no fault that a disk or a crash can be. */
const signed = (head: Head): string => {
  const text = Buffer.from(JSON.stringify(head)).toString('base64url');
  return `${text}.${nodeSha256(text)}`;
};

function opened(line: string): Head | null {
  const [text = '', check] = line.split('.');
  return check === nodeSha256(text) ? (JSON.parse(Buffer.from(text, 'base64url').toString()) as Head) : null;
}

/** How each life of a process begins. */
export function beginOf(process: Process, parts: ProcessParts): LivesParts['begin'] {
  const { blobs, disk, guests, kernel, options, witness } = parts;
  const settings = settingsOf(options);
  return async (trustedSeq, onFault) => {
    witness.count('lives begun');
    const checkpoints = new CheckpointFiles({
      dir: logFolder,
      disk: disk.mount(),
      sha256: nodeSha256,
      retiring: options.retires ? nodeDigest : null,
    });
    process.heads ??= await headsOf(process, parts);
    const { heads } = process;
    const life = await Controller.begin({
      clock: kernel.clockOf(process),
      sha256: nodeSha256,
      blobs: blobs.storeOf(process),
      sign: async () => 'simulated-report',
      settings,
      defer: (fn) => {
        if (process.alive) kernel.after(0, fn, process);
      },
      checkpoints,
      publishedSeq: parts.publishedSeq,
      openLog: async (onRecords, onCheckpoint) => {
        // Only a first life may have to cut what was perhaps promised; later ones know what was.
        witness.cuts.begin(trustedSeq === null);
        const log = {
          dir: logFolder,
          disk: disk.mount(),
          sha256: nodeSha256,
          segmentBytesMax: options.segmentBytesMax,
          checkpoints,
          version: foldsVersion,
          onRecords,
          onCheckpoint,
          signed: heads.newest?.head ?? null,
          ...(trustedSeq === null ? {} : { trustedSeq }),
        };
        return openWatchedLog(openLog, log, watchOf(process, parts));
      },
      killFormerGuests: () => guests.killFormer(process),
      startBackend: async () => guests.backendOf(process, options.runners),
      acceptTornTail: true,
      onFault: (error) => {
        if (!process.alive) return;
        witness.count('lives that failed');
        witness.serving(false);
        if (!isWeather(error)) witness.fail('rule', (error as Error).stack ?? String(error));
        onFault(error);
      },
    });
    if (process.alive) witness.recovered(life.recovered);
    return life;
  };
}

function watchOf(process: Process, parts: ProcessParts): LogWatch {
  const { disk, kernel, onAppend, onOpened, random, witness } = parts;
  const draws = random.fork('looks');
  return {
    opened: (base, records, cut) => {
      if (!process.alive) return;
      witness.opened({ base, records, cut });
      witness.check(() => linesLead(disk, witness.records));
      onOpened();
    },
    appended: (record) => {
      if (!process.alive) return;
      witness.appended(record);
      // What a checkpoint makes needless is moved aside right after it.
      if (record.type === 'controller.checkpointed')
        kernel.after(draws.between(0, lookMsMax), () => void look(process, parts, jobsLookedAt), process);
      onAppend(record.type);
    },
    durable: (seq) => {
      if (process.alive) witness.durable(seq);
    },
  };
}

/** Reads from the log of the present life what must be there. */
export async function look(
  process: Process,
  { disk, random, witness }: ProcessParts,
  jobsMax: number,
): Promise<void> {
  const life = process.lives?.current;
  if (!life || process.ending) return;
  const isOver = (): boolean => !process.alive || process.ending || process.lives?.current !== life;
  witness.count('looks at what is kept');
  try {
    await canBeRead(life, disk, { jobsMax, random: random.fork(`look ${life.log.head}`), isOver });
  } catch (error) {
    witness.check(() => {
      throw error;
    });
  }
}

/** A start from a copy of the disk, as far as the log goes. */
export async function openCopy(disk: SimulatedDisk, signed: Head | null): Promise<OpenedCopy> {
  const records: FactRecord[] = [];
  let baseSeq = 0;
  const place = { dir: logFolder, disk: disk.mount(), sha256: nodeSha256 };
  try {
    const { cut, log } = await openLog({
      ...place,
      checkpoints: new CheckpointFiles({ ...place, retiring: null }),
      version: foldsVersion,
      signed,
      onCheckpoint: ({ base }) => {
        baseSeq = base.seq;
      },
      onRecords: (batch) => records.push(...batch),
    });
    await log.close();
    return { refused: null, baseSeq, records, cut };
  } catch (error) {
    return { refused: error as Error, baseSeq, records, cut: null };
  }
}

export function doorOf(process: Process, lives: Lives, { blobs, kernel, random }: ProcessParts): Door {
  return new Door({
    life: () => lives.current,
    admin: { name: 'admin', terms: defaultTerms, keys: [] },
    blobs: blobs.storeOf(process),
    clock: kernel.clockOf(process),
    ids: { jobId: () => `job${Math.floor(random.next() * 36 ** 10).toString(36)}` },
    sha256: nodeSha256,
    submitsPerSecondMax: 10_000,
  });
}
