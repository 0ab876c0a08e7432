/**
 * `window.berth`: the page for whoever drives it with a program, in the console or from a browser test of their own.
 *
 * Why: "is the state at seq 50,000 the one that my server has" is one line of script, and no clicking.
 * Test: `test/browser/recorder.test.ts`.
 */
import type { Model } from './model.ts';

export interface Scriptable {
  /** Seq of the newest fact that is read; 0 before there is any. */
  readonly headSeq: number;
  /** Seq that is looked at. */
  readonly seq: number;
  /** Is all of the log read? On a live page: all that there was when it was asked. */
  readonly isRead: boolean;
  /** Looks at `seq`, as the slider does, and folds up to there; the views follow with the next picture. */
  lookAt(seq: number): void;
  /** SHA-256 over all folds, hex: what `berth log replay PATH --to SEQ` prints for the seq that is looked at. */
  stateHash(): string;
}

/** @param shown the log that is shown at the moment of a call */
export function scriptable(shown: () => Model): Scriptable {
  return {
    get headSeq() {
      return shown().headSeq;
    },
    get seq() {
      return shown().moment.seq;
    },
    get isRead() {
      const { kind } = shown().source;
      return kind === 'live' || kind === 'file';
    },
    lookAt(seq) {
      shown().lookAt(seq);
      void shown().moment;
    },
    stateHash: () => shown().stateHash(),
  };
}
