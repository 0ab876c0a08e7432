/**
 * Asks the same thing again and again while its answer is looked at.
 *
 * Why by time and not by facts: what a tenant's page asks for depends on jobs whose facts it never gets, so no fact tells it
 * that the answer is old; and under load a question a fact would be a storm. Test: `test/dashboard/polling.test.ts`.
 */

/** What a server was asked and said, as a view draws it. */
export type Asked<T> =
  | { readonly kind: 'asking' }
  | { readonly kind: 'told'; readonly answer: T }
  | { readonly kind: 'failed'; readonly reason: string; readonly next: string };

/** What a rejected question is shown as. */
export const failedWith = (error: Error & { readonly next?: string }): Asked<never> => ({
  kind: 'failed',
  reason: error.message,
  next: error.next ?? '',
});

export interface Polling<T> {
  ask(signal: AbortSignal): Promise<T>;
  tell(asked: Asked<T>): void;
  /** Between an answer and the next question. Resolves early when the signal ends. */
  pause(signal: AbortSignal): Promise<void>;
  /** Nothing is asked while nobody looks. */
  isShown(): boolean;
}

/** One question at a time, until the signal ends; what comes after that is told to nobody. Never rejects. */
export async function poll<T>({ ask, tell, pause, isShown }: Polling<T>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (isShown()) {
      const asked = await ask(signal).then((answer): Asked<T> => ({ kind: 'told', answer }), failedWith);
      if (!signal.aborted) tell(asked);
    }
    await pause(signal);
  }
}
