/**
 * What the offline verifier takes and tells: the words of `verify.ts` and `diagnose.ts`.
 *
 * Why apart: types vanish before the program runs, so `verify.ts` still needs no other file. Test: `test/log/verify.test.ts`.
 */

/** `mark`: to a line between records. `rewritten`: hashes made right again, against a signed head. `unsigned`: no head is. */
export type FaultKind =
  | 'edited'
  | 'dropped'
  | 'inserted'
  | 'reordered'
  | 'duplicated'
  | 'rewritten'
  | 'truncated'
  | 'mark'
  | 'head'
  | 'unsigned';
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
  readonly headsFile: string;
  readonly base: { readonly seq: number; readonly hash: string };
  readonly heads: ReadonlyMap<number, Head>;
  readonly signedTo: number;
}

/** A line: a record; a mark, with seq and hash of the record before it and the last seq that it announces; or neither. */
export type Item = { readonly byte: number; readonly text: string } & (
  | { readonly kind: 'record'; readonly seq: number; readonly prev: string; readonly hash: string }
  | { readonly kind: 'mark'; readonly seq: number; readonly hash: string; readonly upTo: number }
  | { readonly kind: 'broken'; readonly why: string }
);

/** What is found beside the records. */
export interface Findings {
  readonly notes: string[];
  readonly faults: Fault[];
  readonly mustBeSigned: boolean;
}
