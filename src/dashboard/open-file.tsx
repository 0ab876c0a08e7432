/** Opening a log from a file: a button, a place to drop it on, what became of it, and the way back. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { count } from './quantities.ts';
import type { Shelf } from './shelf.ts';
import { Failure } from './ui.tsx';

interface ShelfProps {
  readonly shelf: Shelf;
}

/** For the frame's head. */
export function OpenFile({ shelf }: ShelfProps) {
  const input = useRef<HTMLInputElement>(null);
  const back = shelf.leadsToLive ? 'Back to live' : 'Back to the recorded log';
  return (
    <>
      {shelf.isOpened ? (
        <button type="button" onClick={() => shelf.close()} title="Close the file that is shown">
          {back}
        </button>
      ) : null}
      <button
        type="button"
        onClick={() => input.current?.click()}
        title="Open a log: an export, a recording, or what a simulation wrote. Or drop it on the page."
      >
        Open…
      </button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label="A log to open"
        onChange={({ currentTarget }) => {
          const file = currentTarget.files?.[0];
          // The same file can be chosen again once it was mended.
          currentTarget.value = '';
          if (file) void shelf.open(file);
        }}
      />
    </>
  );
}

/** Above the view: how far the file is read, or why it can't be; and where to drop one. */
export function OpenNote({ shelf }: ShelfProps) {
  const isOver = useDrop((file) => void shelf.open(file));
  const { opening } = shelf;
  return (
    <>
      {isOver ? <p class="drop">Drop the log here to look at it</p> : null}
      {opening.kind === 'reading' ? (
        <p class="note" role="status">
          <label>
            Reading {opening.name}: {count(opening.facts)} facts <progress max={1} value={opening.share} />
          </label>{' '}
          <button type="button" onClick={() => shelf.dismiss()}>
            Stop
          </button>
        </p>
      ) : null}
      {opening.kind === 'failed' ? (
        <div class="note">
          <Failure reason={`${opening.name} can't be opened. ${opening.reason}`} next={`${opening.next}.`} />
          <button type="button" onClick={() => shelf.dismiss()}>
            Dismiss
          </button>
        </div>
      ) : null}
    </>
  );
}

/** Takes a file that is dropped anywhere on the page. True while one is held over it. */
function useDrop(take: (file: File) => void): boolean {
  const [isOver, setOver] = useState(false);
  const taker = useRef(take);
  taker.current = take;
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      const file = event.dataTransfer?.files[0];
      setOver(false);
      if (!file) return;
      event.preventDefault();
      taker.current(file);
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
  return isOver;
}
