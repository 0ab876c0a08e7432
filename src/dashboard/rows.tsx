/**
 * A table of any length: only the rows in sight are in the document, so ten thousand cost what thirty do.
 *
 * One tab stop. Keys: up, down, page up and down, home, end; enter opens the row, space selects it.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { rowPx, rowWindow } from './row-window.ts';

export interface Column<T> {
  readonly title: string;
  /** Sets its width, in the view's css. */
  readonly class: string;
  readonly cell: (row: T) => ComponentChildren;
}

export interface RowsProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  /** Name of a row, for ever; usable as part of an element's id. */
  readonly keyOf: (row: T) => string;
  readonly onOpen: (row: T) => void;
  /** Null: rows can't be selected. */
  readonly selected: ReadonlySet<string> | null;
  readonly onSelect: (row: T) => void;
}

export function Rows<T>({ label, rows, columns, keyOf, onOpen, selected, onSelect }: RowsProps<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const { top, height } = useScroll(scroller);
  // By name and not by place: new rows come in above, and the reader stays with the one they look at.
  const [active, setActive] = useState<string | null>(null);
  const { first, end } = rowWindow(rows.length, top, height);
  const moveTo = (index: number): void => {
    const row = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (!row) return;
    setActive(keyOf(row));
    if (scroller.current) reveal(scroller.current, rows.indexOf(row));
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = rows.findIndex((row) => keyOf(row) === active);
    const page = Math.max(1, Math.floor(height / rowPx) - 2);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    const row = rows[at];
    const to = moves[event.key];
    if (to !== undefined) moveTo(to);
    else if (event.key === 'Enter' && row) onOpen(row);
    else if (event.key === ' ') {
      if (row && selected) onSelect(row);
    } else return;
    event.preventDefault();
    // Space would also play, and so on: the page's own keys are not meant here.
    event.stopPropagation();
  };
  return (
    <div class="rows" ref={scroller}>
      <table
        // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a grid is a table that keys move about in
        role="grid"
        aria-label={label}
        aria-rowcount={rows.length + 1}
        aria-multiselectable={selected !== null}
        {...(active === null ? {} : { 'aria-activedescendant': `row-${active}` })}
        tabIndex={0}
        onKeyDown={onKeyDown}
      >
        <thead>
          <tr aria-rowindex={1}>
            {selected ? (
              <th class="pick" scope="col">
                <span class="hidden">Selected</span>
              </th>
            ) : null}
            {columns.map((column) => (
              <th key={column.title} class={column.class} scope="col">
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap rows={first} />
          {rows.slice(first, end).map((row, i) => {
            const key = keyOf(row);
            return (
              <tr
                key={key}
                id={`row-${key}`}
                class={key === active ? 'active' : ''}
                aria-rowindex={first + i + 2}
                {...(selected ? { 'aria-selected': selected.has(key) } : {})}
                onClick={() => setActive(key)}
                onDblClick={() => onOpen(row)}
              >
                {selected ? (
                  <td class="pick">
                    <input
                      type="checkbox"
                      tabIndex={-1}
                      aria-label={`Select ${key}`}
                      checked={selected.has(key)}
                      onClick={() => onSelect(row)}
                    />
                  </td>
                ) : null}
                {columns.map((column) => (
                  <td key={column.title} class={column.class}>
                    {column.cell(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          <Gap rows={rows.length - end} />
        </tbody>
      </table>
    </div>
  );
}

/** Stands for rows that are not drawn. */
const Gap = ({ rows }: { readonly rows: number }) =>
  rows > 0 ? (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row can't have the focus
    <tr aria-hidden="true" class="gap">
      <td style={{ height: `${rows * rowPx}px` }} />
    </tr>
  ) : null;

function reveal(scroller: HTMLElement, index: number): void {
  const top = index * rowPx;
  // The head sticks to the top and hides one row.
  const bottom = top + 2 * rowPx;
  if (top < scroller.scrollTop) scroller.scrollTop = top;
  else if (bottom > scroller.scrollTop + scroller.clientHeight)
    scroller.scrollTop = bottom - scroller.clientHeight;
}

/** Where an element is scrolled to and how high it is, px. */
function useScroll(ref: { readonly current: HTMLElement | null }): {
  readonly top: number;
  readonly height: number;
} {
  const [at, setAt] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const look = (): void => setAt({ top: element.scrollTop, height: element.clientHeight });
    look();
    element.addEventListener('scroll', look, { passive: true });
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    return () => {
      element.removeEventListener('scroll', look);
      sizes.disconnect();
    };
  }, [ref]);
  return at;
}
