/** What a server was asked and said, as a view draws it; asks again when the question changes. */
import { useEffect, useState } from 'preact/hooks';

export type Asked<T> =
  | { readonly kind: 'asking' }
  | { readonly kind: 'told'; readonly answer: T }
  | { readonly kind: 'failed'; readonly reason: string; readonly next: string };

/**
 * @param question  what the answer depends on; null: nothing is asked
 * @param ask  asks; what it rejects with is shown. Its signal ends when the answer is no longer wanted
 */
export function useAsked<T>(
  question: string | null,
  ask: (signal: AbortSignal) => Promise<T>,
): Asked<T> | null {
  const [asked, setAsked] = useState<{ readonly question: string; readonly state: Asked<T> } | null>(null);
  useEffect(() => {
    if (question === null) return;
    const ends = new AbortController();
    const tell = (state: Asked<T>): void => {
      if (!ends.signal.aborted) setAsked({ question, state });
    };
    ask(ends.signal).then(
      (answer) => tell({ kind: 'told', answer }),
      (error: Error & { readonly next?: string }) =>
        tell({ kind: 'failed', reason: error.message, next: error.next ?? '' }),
    );
    return () => ends.abort();
  }, [question]);
  if (question === null) return null;
  // The answer to the former question stays in sight until the next is there; it is the same thing, a little older.
  return asked?.state ?? { kind: 'asking' };
}
