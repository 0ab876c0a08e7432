/** Asks before something that can't be undone, in the place where it was asked for: first what will happen, then yes or no. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Failure } from './ui.tsx';

export interface ConfirmProps {
  /** What will happen. */
  readonly what: string;
  readonly yes: string;
  /** Does it; what it rejects with is shown, and it may be tried again. */
  readonly onYes: () => Promise<unknown>;
  /** Done with, either way. */
  readonly onEnd: () => void;
}

export function Confirm({ what, yes, onYes, onEnd }: ConfirmProps) {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<(Error & { readonly next?: string }) | null>(null);
  const no = useRef<HTMLButtonElement>(null);
  // On "no": a key pressed once too often must not act.
  useEffect(() => no.current?.focus(), []);
  const act = (): void => {
    setBusy(true);
    setFailure(null);
    onYes()
      .then(onEnd, setFailure)
      .finally(() => setBusy(false));
  };
  return (
    <div
      class="confirm"
      role="alertdialog"
      aria-label={what}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onEnd();
      }}
    >
      <p>{what}</p>
      <button type="button" class="act" onClick={act} disabled={isBusy}>
        {isBusy ? 'Working …' : yes}
      </button>{' '}
      <button type="button" ref={no} onClick={onEnd} disabled={isBusy}>
        No, leave it
      </button>
      {failure ? <Failure reason={failure.message} next={failure.next ?? ''} /> : null}
    </div>
  );
}
