/** Text to take along: a button that copies, and a command line with such a button. */
import { useEffect, useState } from 'preact/hooks';

/** How long the button says what it did, ms. */
const toldMs = 1_500;

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [told, tell] = useState<'copied' | 'select and copy it' | null>(null);
  useEffect(() => {
    if (told === null) return;
    const timer = setTimeout(() => tell(null), toldMs);
    return () => clearTimeout(timer);
  }, [told]);
  const copy = (): void => {
    // Without the user's leave, and outside a secure page, there is no clipboard.
    const written = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'));
    written.then(
      () => tell('copied'),
      () => tell('select and copy it'),
    );
  };
  return (
    <button type="button" class="copy" onClick={copy} title={`Copy ${what}`} aria-label={`Copy ${what}`}>
      <span aria-live="polite">{told ?? 'copy'}</span>
    </button>
  );
}

export const CommandLine = ({ line, does }: { readonly line: string; readonly does: string }) => (
  <p class="command">
    <Copy text={line} what="this command" />
    <code>{line}</code>
    <span class="soft">{does}</span>
  </p>
);
