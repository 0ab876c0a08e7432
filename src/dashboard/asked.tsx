/** What a server was asked and said, as a view draws it; asks again when the question changes, or every two seconds. */
import { useEffect, useState } from 'preact/hooks';
import { type Asked, failedWith, poll } from './polling.ts';

export type { Asked } from './polling.ts';

/** Between an answer that is shown as the present and the next question, ms. */
const everyMs = 2_000;

interface Known<T> {
  readonly question: string;
  readonly state: Asked<T>;
}

/**
 * @param question  what the answer depends on; null: nothing is asked
 * @param ask  asks; what it rejects with is shown. Its signal ends when the answer is no longer wanted
 */
export function useAsked<T>(
  question: string | null,
  ask: (signal: AbortSignal) => Promise<T>,
): Asked<T> | null {
  const [asked, setAsked] = useState<Known<T> | null>(null);
  useEffect(() => {
    if (question === null) return;
    const ends = new AbortController();
    const tell = (state: Asked<T>): void => {
      if (!ends.signal.aborted) setAsked({ question, state });
    };
    ask(ends.signal).then(
      (answer) => tell({ kind: 'told', answer }),
      (error) => tell(failedWith(error)),
    );
    return () => ends.abort();
  }, [question]);
  if (question === null) return null;
  // The answer to the former question stays in sight until the next is there; it is the same thing, a little older.
  return asked?.state ?? { kind: 'asking' };
}

/** The same for what changes by itself: asked anew every two seconds while it is shown, one question at a time. */
export function useAskedNow<T>(
  question: string | null,
  ask: (signal: AbortSignal) => Promise<T>,
): Asked<T> | null {
  const [asked, setAsked] = useState<Known<T> | null>(null);
  useEffect(() => {
    if (question === null) return;
    const ends = new AbortController();
    const tell = (state: Asked<T>): void => setAsked({ question, state });
    void poll({ ask, tell, pause: untilNext, isShown: () => !document.hidden }, ends.signal);
    return () => ends.abort();
  }, [question]);
  if (question === null) return null;
  // Another question has another answer: that of one job says nothing of the next.
  return asked?.question === question ? asked.state : { kind: 'asking' };
}

const untilNext = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, everyMs);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
