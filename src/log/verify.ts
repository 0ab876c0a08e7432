/**
 * Verifies a log of Berth offline, with the controller's public key alone.
 *
 * Why one file that imports nothing: whoever doubts a log doubts the program that wrote it, too. This can be read in
 * ten minutes and run by itself, even copied elsewhere; whether a log is sound is decided here and nowhere else.
 *   node src/log/verify.ts PATH [--key FILE] [--heads FILE]        (Node before 22.18: node --import tsx …)
 * PATH: a data directory, its folder `log`, or an export. FILE: a JWK or JWK set; signed heads. Exit 0: sound, 1: not.
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

/** `mark`: to a line between records. `rewritten`: hashes made right again, against a signed head. */
export type FaultKind =
  | 'edited'
  | 'dropped'
  | 'inserted'
  | 'reordered'
  | 'duplicated'
  | 'rewritten'
  | 'truncated'
  | 'mark';
/** A fault of the records `seq` to `toSeq`, which shows in the line that begins at `byte`. */
export interface Fault {
  readonly kind: FaultKind;
  readonly seq: number;
  readonly toSeq: number;
  readonly file: string;
  readonly byte: number;
  readonly reason: string;
  /** False behind the last mark of a folder: a crash, or a controller that is just writing, looks the same. */
  readonly sealed: boolean;
}
/** What is signed; `log` is the hash of the first record: which log this is. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
  readonly epoch: number;
  readonly at: number;
  readonly log: string | null;
}
export interface Verdict {
  /** Last record up to which all is sound. */
  readonly headSeq: number;
  readonly headHash: string;
  /** Records up to there. */
  readonly records: number;
  /** The newest signed head up to there. */
  readonly signed: Head | null;
  /** In the order of the files; empty: the log is sound. */
  readonly faults: readonly Fault[];
  readonly notes: readonly string[];
}
/** What is verified: files in order, where the chain begins, what is signed. */
export interface Source {
  readonly isExport: boolean;
  readonly files: readonly string[];
  readonly base: { readonly seq: number; readonly hash: string };
  readonly heads: ReadonlyMap<number, Head>;
  readonly signedTo: number;
}

/** Verifies what is at `path`. `keys`: public JWKs. Rejects with Node's errors when a file can't be read. */
export async function verifyLog(
  path: string,
  keys: readonly object[] = [],
  headsFile?: string,
): Promise<Verdict> {
  const notes: string[] = [];
  const source = sourceOf(path, keys, headsFile, notes);
  const { head, signed, fault } = await check(source);
  const verdict = {
    headSeq: head.seq,
    headHash: head.hash,
    records: head.seq - source.base.seq,
    signed,
    notes,
  };
  if (fault === null) return { ...verdict, faults: [] };
  const first: Fault = { kind: 'edited', toSeq: fault.seq, sealed: true, ...fault };
  const explained = await import('./diagnose.ts')
    .then(({ diagnose }) => diagnose(source))
    .catch((error: Error) => {
      notes.push(`what was done is not known: ${error.message}`);
      return [];
    });
  // Whatever the explanation, a fault is a fault.
  return { ...verdict, faults: explained.length > 0 ? explained : [first] };
}

/** Reads all in order, up to the first thing that is not as it must be. */
async function check({ base, files, heads, isExport, signedTo }: Source): Promise<{
  head: Source['base'];
  signed: Head | null;
  fault: Pick<Fault, 'file' | 'byte' | 'seq' | 'reason'> | null;
}> {
  let head = base;
  /** The seq up to which marks have announced records; in an export there are none. */
  let announced = isExport ? Number.MAX_SAFE_INTEGER : base.seq;
  let signed: Head | null = null;
  for (const file of files) {
    for await (const items of itemsOf(file, isExport)) {
      for (const item of items) {
        const fault = { file, byte: item.byte, seq: head.seq + 1 };
        if (item.kind === 'broken') return { head, signed, fault: { ...fault, reason: item.why } };
        if (item.kind === 'mark') {
          const fits = item.seq === head.seq && item.hash === head.hash && item.seq === announced;
          if (!fits) return { head, signed, fault: { ...fault, reason: 'the mark does not belong here' } };
          announced = item.upTo;
          continue;
        }
        if (item.seq !== head.seq + 1 || item.prev !== head.hash || item.seq > announced)
          return { head, signed, fault: { ...fault, reason: 'the record does not belong here' } };
        const known = heads.get(item.seq);
        if (known && known.hash !== item.hash)
          return { head, signed, fault: { ...fault, reason: 'the signed head has another hash' } };
        signed = known ?? signed;
        head = item;
      }
    }
  }
  const whole = head.seq >= signedTo && (isExport || head.seq === announced);
  const place = { file: files.at(-1) ?? '', byte: 0, seq: head.seq + 1 };
  return { head, signed, fault: whole ? null : { ...place, reason: `the log ends at seq ${head.seq}` } };
}

function sourceOf(
  path: string,
  keys: readonly object[],
  headsFile: string | undefined,
  notes: string[],
): Source {
  const isExport = statSync(path).isFile();
  const folder = !isExport && existsSync(join(path, 'log')) ? join(path, 'log') : path;
  const names = isExport ? [] : readdirSync(folder).filter((name) => /^\d{20}\.seg$/.test(name));
  const files = isExport ? [path] : names.sort().map((name) => join(folder, name));
  const signed = headsIn(headsFile ?? (isExport ? `${path}.heads` : join(folder, 'heads.jws')), keys, notes);
  const heads = new Map<number, Head>();
  for (const head of signed) {
    const other = heads.get(head.seq);
    if (other && other.hash !== head.hash) notes.push(`two different heads are signed for seq ${head.seq}`);
    heads.set(head.seq, head);
  }
  const firstSeq = isExport || !files[0] ? 1 : Number(basename(files[0], '.seg'));
  const retired = linesIn(join(folder, 'retired.jsonl')).map((line) => JSON.parse(line));
  const before = firstSeq === 1 ? undefined : retired.find(({ lastSeq }) => lastSeq === firstSeq - 1);
  if (before) notes.push(`seq 1 to ${firstSeq - 1} are not here; their digest is known`);
  const base = before ? { seq: firstSeq - 1, hash: before.hash } : { seq: 0, hash: '0'.repeat(64) };
  return { isExport, files, base, heads, signedTo: Math.max(0, ...heads.keys()) };
}

/** A line: a record; a mark, with seq and hash of the record before it and the last seq that it announces; or neither. */
export type Item = { readonly byte: number; readonly text: string } & (
  | { readonly kind: 'record'; readonly seq: number; readonly prev: string; readonly hash: string }
  | { readonly kind: 'mark'; readonly seq: number; readonly hash: string; readonly upTo: number }
  | { readonly kind: 'broken'; readonly why: string }
);

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

const linesIn = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];

function headsIn(file: string, keys: readonly object[], notes: string[]): Head[] {
  const lines = linesIn(file);
  const heads = lines.map((jws) => openHead(jws, keys)).filter((head) => head !== null);
  const blind = "a cut end, or all made anew, can't be seen";
  if (lines.length === 0) notes.push(`no signed head: ${blind}`);
  else if (keys.length === 0) notes.push(`no key given for the ${lines.length} signed heads: ${blind}`);
  else if (heads.length < lines.length)
    notes.push(`${lines.length - heads.length} of ${lines.length} heads do not verify with this key`);
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

async function main(args: readonly string[]): Promise<number> {
  const after = (flag: string): string | undefined =>
    args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;
  const key = after('--key');
  const verdict = await verifyLog(args[0] ?? 'data', key ? keysIn(key) : [], after('--heads'));
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
  void main(process.argv.slice(2)).then((code) => {
    process.exitCode = code;
  });
