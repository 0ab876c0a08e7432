/**
 * Verifies a log of Berth offline, with the controller's public key alone.
 *
 * Why one file that imports nothing but types: whoever doubts a log doubts the program that wrote it, too. This can be read in
 * ten minutes and run by itself, even copied elsewhere; whether a log is sound is decided here and nowhere else.
 *   node src/log/verify.ts PATH [--key FILE] [--heads FILE]        (Node before 22.18: node --import tsx …)
 * PATH: a data directory, its folder `log`, or an export. FILE: a JWK or JWK set; signed heads. Exit 0: sound, 1: not,
 * 2: nothing was verified. With `--key` a log is sound only when a head is signed with that key, and no other stands there.
 * What was done to a log that is not sound, `diagnose.ts` beside this file finds out. Test: `test/log/verify.test.ts`.
 *
 * The format. A record is a line of UTF-8: JSON whose last member is `,"hash":"<64 hex>"}`. That hash is the SHA-256 of
 * the line without this member. `seq` counts 1, 2, 3 …; `prev` is the hash of the record before, 64 zeros in the
 * first. An export is such lines in one file. A folder holds segments `<first seq, 20 digits>.seg`, in which marks
 * stand between records: `#{"group":N,"after":A,"prev":H,"records":R,"check":C}` before the R records of one flush,
 * `#{"closed":N,…}` at a clean end. A and H are seq and hash of the record before; C is the beginning of the SHA-256 of
 * what stands before `,"check"`. A mark is written only when all before it is on the disk: behind the last one a torn
 * flush may stand (`sealed: false`); any other fault was done to the log.
 *
 * A chain shows any change but two: the end cut off, and all made anew from some record on. These are shown by signed
 * heads: lines of compact JWS (EdDSA, `typ: berth-head+jws`) of `{seq, hash, …}` in `heads.jws` of the folder, in
 * `<export>.heads` or, best, where a witness kept them. `retired.jsonl` tells of segments that were moved aside.
 */
import { createPublicKey, hash as digest, verify as verifySignature } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Fault, FaultKind, Findings, Head, Item, Source, Verdict } from './verdict.ts';

export type { Head };

/**
 * Verifies what is at `path`. `keys`: public JWKs. Rejects with Node's errors when a file can't be read.
 * `mustBeSigned`: without a head that verifies, or with one that does not, it is not sound.
 */
export async function verifyLog(
  path: string,
  keys: readonly object[] = [],
  headsFile?: string,
  mustBeSigned = false,
): Promise<Verdict> {
  const notes: string[] = [];
  const beside: Fault[] = [];
  const source = sourceOf(path, keys, headsFile, { notes, faults: beside, mustBeSigned });
  const { head, signed, fault, foreign } = await check(source);
  const records = head.seq - source.base.seq;
  const verdict = { headSeq: head.seq, headHash: head.hash, records, signed, notes };
  if (foreign)
    beside.push(faultAt('head', source.headsFile, foreign.seq, 'the head is signed for another log'));
  if (fault === null) return { ...verdict, faults: beside };
  const first: Fault = { kind: 'edited', toSeq: fault.seq, sealed: true, ...fault };
  const explained = await import('./diagnose.ts')
    .then(({ diagnose }) => diagnose(source))
    .catch((error: Error) => {
      notes.push(`what was done is not known: ${error.message}`);
      return [];
    });
  // Whatever the explanation, a fault is a fault.
  return { ...verdict, faults: [...(explained.length > 0 ? explained : [first]), ...beside] };
}

function faultAt(kind: FaultKind, file: string, seq: number, reason: string, byte = 0): Fault {
  return { kind, seq, toSeq: seq, file, byte, reason, sealed: true };
}

/** Reads all in order, up to the first thing that is not as it must be. */
async function check({ base, files, heads, isExport, signedTo }: Source): Promise<{
  head: Source['base'];
  signed: Head | null;
  fault: Pick<Fault, 'file' | 'byte' | 'seq' | 'reason'> | null;
  /** A head that names another log than the one that begins here. */
  foreign?: Head | undefined;
}> {
  let head = base;
  /** The seq up to which marks have announced records; in an export there are none. */
  let announced = isExport ? Number.MAX_SAFE_INTEGER : base.seq;
  let signed: Head | null = null;
  let foreign: Head | undefined;
  for (const file of files) {
    for await (const items of itemsOf(file, isExport)) {
      for (const item of items) {
        const fault = { file, byte: item.byte, seq: head.seq + 1 };
        if (item.kind === 'broken') return { head, signed, foreign, fault: { ...fault, reason: item.why } };
        if (item.kind === 'mark') {
          const fits = item.seq === head.seq && item.hash === head.hash && item.seq === announced;
          if (!fits)
            return { head, signed, foreign, fault: { ...fault, reason: 'the mark does not belong here' } };
          announced = item.upTo;
          continue;
        }
        if (item.seq !== head.seq + 1 || item.prev !== head.hash || item.seq > announced)
          return { head, signed, foreign, fault: { ...fault, reason: 'the record does not belong here' } };
        const known = heads.get(item.seq);
        if (known && known.hash !== item.hash)
          return { head, signed, foreign, fault: { ...fault, reason: 'the signed head has another hash' } };
        if (item.seq === 1)
          foreign = [...heads.values()].find(({ log }) => log !== null && log !== item.hash);
        signed = known ?? signed;
        head = item;
      }
    }
  }
  const whole = head.seq >= signedTo && (isExport ? head.seq > 0 : head.seq === announced);
  const place = { kind: 'truncated', file: files.at(-1) ?? '', byte: 0, seq: head.seq + 1 };
  const reason = head.seq > 0 ? `the log ends at seq ${head.seq}` : 'there is no record';
  return { head, signed, foreign, fault: whole ? null : { ...place, reason } };
}

function sourceOf(
  path: string,
  keys: readonly object[],
  headsAt: string | undefined,
  found: Findings,
): Source {
  const isExport = statSync(path).isFile();
  const folder = !isExport && existsSync(join(path, 'log')) ? join(path, 'log') : path;
  const names = isExport ? [] : readdirSync(folder).filter((name) => /^\d{20}\.seg$/.test(name));
  const files = isExport ? [path] : names.sort().map((name) => join(folder, name));
  const headsFile = headsAt ?? (isExport ? `${path}.heads` : join(folder, 'heads.jws'));
  // A file that was named must be there.
  const text = headsAt !== undefined || existsSync(headsFile) ? readFileSync(headsFile, 'utf8') : '';
  const heads = headsIn(headsFile, text, keys, found);
  if (files.length === 0 && heads.size === 0)
    throw Object.assign(new Error(`${folder} holds no log: there is no segment`), { code: 'ENOENT' });
  const firstSeq = isExport || !files[0] ? 1 : Number(basename(files[0], '.seg'));
  const base = isExport ? beginning : baseOf(join(folder, 'retired.jsonl'), firstSeq, found);
  return { isExport, files, headsFile, base, heads, signedTo: Math.max(0, ...heads.keys()) };
}

const beginning = { seq: 0, hash: '0'.repeat(64) };

/** Where the chain begins: behind the retired segments, of which one line each must follow the one before. */
function baseOf(file: string, firstSeq: number, { faults, notes }: Findings): Source['base'] {
  // What has no newline a crash, or who is just writing, left behind; of a last line perhaps its length alone.
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  let [base, last] = [beginning, beginning];
  for (const [i, line] of lines.entries()) {
    const next = parsed(line);
    if (next === null && i === lines.length - 1) break;
    if (next?.firstSeq !== last.seq + 1 || next.prev !== last.hash || !(next.lastSeq > last.seq)) {
      const reason = `line ${i + 1} does not go on from seq ${last.seq}`;
      faults.push(faultAt('edited', file, last.seq + 1, reason));
      break;
    }
    last = { seq: next.lastSeq, hash: next.hash };
    if (last.seq === firstSeq - 1) base = last;
  }
  if (base.seq > 0) notes.push(`seq 1 to ${base.seq} are not here; their digest is known`);
  return base;
}

function parsed(line: string): { firstSeq: number; lastSeq: number; prev: string; hash: string } | null {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

const lineBytesMax = 16 * 1024 * 1024;

/** The lines of a file, those of about a MiB at a time. */
export async function* itemsOf(file: string, isExport: boolean): AsyncGenerator<Item[]> {
  let rest: Buffer = Buffer.alloc(0);
  let byte = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
    const bytes = Buffer.concat([rest, chunk]);
    const items: Item[] = [];
    let from = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      items.push(itemOf(bytes.subarray(from, end), byte + from, isExport));
      from = end + 1;
    }
    yield items;
    rest = bytes.subarray(from);
    byte += from;
    if (rest.length > lineBytesMax)
      throw new Error(`${file}, byte ${byte}: a line without end: this is no log`);
  }
  if (rest.length > 0)
    yield [{ kind: 'broken', byte, text: rest.toString(), why: 'has no newline at its end' }];
}

const markPattern =
  /^(#\{"(?:group|closed)":\d{1,16},"after":(\d{1,16}),"prev":"([0-9a-f]{64})","records":(\d{1,9})),"check":"([0-9a-f]{16})"\}$/;
const sha256 = (text: string): string => digest('sha256', text, 'hex');

function itemOf(bytes: Buffer, byte: number, isExport: boolean): Item {
  const text = bytes.toString();
  const broken = (why: string): Item => ({ kind: 'broken', byte, text, why });
  // All bytes that are no UTF-8 read as this sign: a line that has it must give its own bytes back.
  if (text.includes('\ufffd') && !Buffer.from(text).equals(bytes)) return broken('is not UTF-8');
  if (text.startsWith('#') && !isExport) {
    const [, body = '', after, hash = '', records, check] = markPattern.exec(text) ?? [];
    if (sha256(body).slice(0, 16) !== check) return broken('is broken');
    return { kind: 'mark', byte, text, seq: Number(after), hash, upTo: Number(after) + Number(records) };
  }
  const hash = /^,"hash":"([0-9a-f]{64})"\}$/.exec(text.slice(-75))?.[1];
  if (hash === undefined) return broken('does not end in a hash');
  const body = `${text.slice(0, -75)}}`;
  if (sha256(body) !== hash) return broken('its hash does not match its bytes');
  try {
    const { seq, prev } = JSON.parse(body);
    if (Number.isSafeInteger(seq) && seq > 0 && typeof prev === 'string')
      return { kind: 'record', byte, text, seq, prev, hash };
    return broken('has no seq and prev');
  } catch {
    return broken('is not JSON');
  }
}

/** The heads that one of `keys` signed, by their seq. */
function headsIn(file: string, text: string, keys: readonly object[], found: Findings): Map<number, Head> {
  const { faults, mustBeSigned, notes } = found;
  const heads = new Map<number, Head>();
  const wrong: number[] = [];
  const lines = text.split('\n');
  let [byte, count] = [0, 0];
  for (const [i, jws] of lines.entries()) {
    const [head, at] = [openHead(jws, keys), byte];
    byte += Buffer.byteLength(jws) + 1;
    // A part of a line at the end is what a crash left.
    if (jws === '' || (head === null && i === lines.length - 1)) continue;
    count += 1;
    const other = head && heads.get(head.seq);
    if (head === null) wrong.push(at);
    else if (other && other.hash !== head.hash)
      faults.push(faultAt('head', file, head.seq, `two different heads are signed for seq ${head.seq}`, at));
    else heads.set(head.seq, head);
  }
  const blind = "a cut end, or all made anew, can't be seen";
  const why = `${wrong.length} of ${count} heads do not verify with this key`;
  if (mustBeSigned && heads.size === 0) {
    const told = `no head is signed with this key, so ${blind}; a controller signs every headEvery records and at a clean stop`;
    faults.push(faultAt('unsigned', file, 0, told));
  }
  if (mustBeSigned && wrong.length > 0) faults.push(faultAt('head', file, 0, why, wrong[0]));
  else if (count === 0) notes.push(`no signed head: ${blind}`);
  else if (keys.length === 0) notes.push(`no key given for the ${count} signed heads: ${blind}`);
  else if (wrong.length > 0) notes.push(why);
  return heads;
}

/** What a signed head says, when one of `keys` (JWK) signed it; else null. */
export function openHead(jws: string, keys: readonly object[]): Head | null {
  const parts = jws.split('.').map((part) => Buffer.from(part, 'base64url'));
  // Decoding is lenient: only the one spelling that encoding gives is taken.
  if (parts.length !== 3 || parts.map((part) => part.toString('base64url')).join('.') !== jws) return null;
  const [header, payload, signature] = parts as [Buffer, Buffer, Buffer];
  const signed = Buffer.from(jws.slice(0, jws.lastIndexOf('.')));
  try {
    const { alg, typ } = JSON.parse(header.toString());
    if (alg !== 'EdDSA' || typ !== 'berth-head+jws') return null;
    const isOurs = (jwk: object): boolean => {
      const { crv, kty, x } = jwk as { crv: string; kty: string; x: string };
      const key = createPublicKey({ key: { crv, kty, x }, format: 'jwk' });
      return verifySignature(null, signed, key, signature);
    };
    const head = JSON.parse(payload.toString()) as Head;
    return keys.some(isOurs) && Number.isSafeInteger(head.seq) && typeof head.hash === 'string' ? head : null;
  } catch {
    return null;
  }
}

/** The keys of a file that holds a JWK or a JWK set. */
export function keysIn(file: string): object[] {
  const value = JSON.parse(readFileSync(file, 'utf8'));
  return value.keys ?? [value];
}

async function main(args: string[]): Promise<number> {
  const options = { key: { type: 'string' }, heads: { type: 'string' } } as const;
  const { positionals, values } = parseArgs({ args, options, allowPositionals: true });
  const { heads, key } = values;
  if (positionals.length > 1) throw new Error(`one PATH, not ${positionals.join(' ')}`);
  if (heads !== undefined && key === undefined) throw new Error('--heads prove nothing without --key');
  const keys = key === undefined ? [] : keysIn(key);
  const verdict = await verifyLog(positionals[0] ?? 'data', keys, heads, key !== undefined);
  const { faults, headHash, headSeq, notes, records, signed } = verdict;
  console.log(`${records} records, head seq ${headSeq}, hash ${headHash}`);
  if (signed) console.log(`signed head verified: seq ${signed.seq}`);
  for (const note of notes) console.log(`note: ${note}`);
  for (const { kind, file, byte, seq, reason, sealed } of faults)
    console.log(`${kind}: ${file}, byte ${byte}, seq ${seq}: ${reason}${sealed ? '' : ' (unsealed end)'}`);
  return faults.length === 0 ? 0 : 1;
}

// Not awaited here: `diagnose.ts` imports this file and would wait for it for ever. The name is asked for as well, for
// in a bundle every file is the one that was started.
const started = process.argv[1] ?? '';
if (basename(started) === 'verify.ts' && realpathSync(started) === import.meta.filename)
  void main(process.argv.slice(2))
    .catch((error: Error) => {
      console.error(`error: ${error.message}\nusage: verify.ts PATH [--key FILE] [--heads FILE]`);
      return 2;
    })
    .then((code) => {
      process.exitCode = code;
    });
