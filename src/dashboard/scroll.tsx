/** A part that scrolls by itself, so that what is long does not push the rest away. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

export const Scroll = ({
  label,
  class: look = '',
  follow = null,
  children,
}: {
  /** What it holds, for whoever hears the page. */
  readonly label: string;
  readonly class?: string;
  /** When this changes, the part that is marked as the present step is brought into sight. */
  readonly follow?: number | null;
  readonly children: ComponentChildren;
}) => {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (follow !== null && box.current) bringIntoSight(box.current);
  }, [follow]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class={`scroll ${look}`} aria-label={label} tabIndex={0} ref={box}>
      {children}
    </section>
  );
};

/** Room kept above and below, px: for a head that sticks, and for the next step. */
const roomPx = 40;

/** Scrolls the box alone: the page stays where its reader put it. */
function bringIntoSight(box: HTMLElement): void {
  const step = box.querySelector('[aria-current=step]')?.getBoundingClientRect();
  if (!step) return;
  const { top, bottom } = box.getBoundingClientRect();
  if (step.top < top + roomPx) box.scrollTop -= top + roomPx - step.top;
  else if (step.bottom > bottom - roomPx) box.scrollTop += step.bottom - bottom + roomPx;
}
