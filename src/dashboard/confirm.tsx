/** Asks before something that can't be undone, in the place where it was asked for: first what will happen, then yes or no. */
import type { ComponentChildren } from 'preact';
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

export interface AskProps extends Omit<ConfirmProps, 'onEnd'> {
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly disabled?: boolean;
}

/** A button that asks before it acts. Afterwards the focus is on it again, or where the page begins if it has gone. */
export function Ask({ children, class: look = '', disabled = false, ...asks }: AskProps) {
  const [isAsking, setAsking] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  useEffect(() => {
    if (wasAsking.current && !isAsking) (disabled ? contents() : button.current)?.focus();
    wasAsking.current = isAsking;
  }, [isAsking]);
  useEffect(
    () => () => {
      if (wasAsking.current) contents()?.focus();
    },
    [],
  );
  if (isAsking) return <Confirm {...asks} onEnd={() => setAsking(false)} />;
  return (
    <button type="button" ref={button} class={look} disabled={disabled} onClick={() => setAsking(true)}>
      {children}
    </button>
  );
}

const contents = (): HTMLElement | null => document.getElementById('main');
