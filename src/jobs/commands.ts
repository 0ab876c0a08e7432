/**
 * Commands: what anyone may ask the writer of the log to do. Each names what it rests on.
 *
 * Why commands and not calls: an asker may be behind (its fold is at an older seq), may repeat itself
 * after a crash, or may be wrong. The writer checks each against the state at head and answers with
 * the fact it appended or with the reason why not; a stale command does no harm.
 * Glossary: *visit* is the seq of the fact that entered the present state; *fence* is the seq of
 * `reserved`, the name of one attempt.
 */
import type { Cause, ErrorCode } from '../errors.ts';
import type { FactData, FactType, Slot } from '../events/facts.ts';
import type { JobSpec } from '../events/spec.ts';

/** How the executor learned that a guest is gone. */
export type GoneReport =
  | {
      readonly how: 'exited';
      readonly exitCode: number;
      readonly result: { readonly bytes: number; readonly sha256: string };
    }
  | { readonly how: 'crashed'; readonly code: ErrorCode; readonly message: string }
  | { readonly how: 'killed' }
  | { readonly how: 'lost'; readonly message: string };

export type JobCommand =
  | {
      readonly kind: 'SubmitJob';
      readonly id: string;
      readonly tenant: string;
      readonly spec: JobSpec;
      readonly jobDigest: string;
      readonly idempotencyKey: string | null;
      readonly jti: string | null;
      readonly kid: string | null;
      readonly request: string | null;
      readonly via: 'http' | 'nats';
      readonly trace: string | null;
    }
  | { readonly kind: 'CancelJob'; readonly id: string; readonly tenant: string | null; readonly by: string }
  | {
      readonly kind: 'AttestJob';
      readonly id: string;
      readonly visit: number;
      readonly report: FactData<'job.attested'>;
    }
  | {
      readonly kind: 'RejectJob';
      readonly id: string;
      readonly visit: number;
      readonly cause: Cause;
      readonly report: string | null;
    }
  | { readonly kind: 'QueueJob'; readonly id: string; readonly visit: number }
  | { readonly kind: 'SelectJob'; readonly id: string; readonly visit: number; readonly policy: string }
  | {
      readonly kind: 'ReserveSlots';
      readonly id: string;
      readonly visit: number;
      readonly slots: readonly Slot[] | null;
      readonly placement: string;
    }
  | {
      readonly kind: 'ReportStarted';
      readonly id: string;
      readonly fence: number;
      readonly runner: string;
      readonly isolation: string;
    }
  | { readonly kind: 'ReportGone'; readonly id: string; readonly fence: number; readonly report: GoneReport }
  | {
      readonly kind: 'EvictJob';
      readonly id: string;
      readonly visit: number;
      readonly reason: 'shutdown' | 'drain';
    }
  | { readonly kind: 'ReleaseSlots'; readonly id: string; readonly visit: number }
  | { readonly kind: 'ConcludeJob'; readonly id: string; readonly visit: number }
  | { readonly kind: 'NoteDeadline'; readonly id: string; readonly setBy: number };

/** Facts that stand for themselves: of tenants, slots, the controller and the door. */
type PlainFactType = Exclude<FactType, `job.${string}`>;
export type PlainCommand = {
  [T in PlainFactType]: {
    readonly kind: 'Note';
    readonly type: T;
    readonly stream: string;
    readonly data: FactData<T>;
  };
}[PlainFactType];

export type Command = JobCommand | PlainCommand;

/** What became of a command. */
export type Outcome =
  /** A fact was appended. */
  | { readonly seq: number; readonly id: string | null }
  /** Nothing to do: this was done already, by an earlier request. */
  | { readonly same: string }
  | Refusal;

export interface Refusal {
  readonly refused: ErrorCode;
  readonly reason: string;
}

export const refused = (code: ErrorCode, reason: string): Refusal => ({ refused: code, reason });
