/** A part that scrolls by itself, so that what is long does not push the rest away. */
import type { ComponentChildren } from 'preact';

export const Scroll = ({
  label,
  class: look = '',
  children,
}: {
  /** What it holds, for whoever hears the page. */
  readonly label: string;
  readonly class?: string;
  readonly children: ComponentChildren;
}) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
  <section class={`scroll ${look}`} aria-label={label} tabIndex={0}>
    {children}
  </section>
);
