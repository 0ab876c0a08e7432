/**
 * The sequence diagram of a job: who wrote which fact, and because of which. A row is a button that moves the slider there.
 *
 * Why a list and not one large drawing: a list can be read aloud, walked with the keyboard, and drawn in part.
 * Shape: `sequence-shape.ts`.
 */
import { useMemo, useState } from 'preact/hooks';
import type { Model } from './model.ts';
import type { PlayedRecord } from './player.ts';
import { rowAt, rowsFirst, type SequenceRow, sequenceOf, windowOf } from './sequence-shape.ts';
import { clockTime, count, duration, Empty, useModel } from './ui.tsx';

export interface SequenceProps {
  readonly model: Model;
  /** Facts of one job, oldest first; those behind the moment that is looked at are drawn faint. */
  readonly records: readonly PlayedRecord[];
}

export function Sequence({ model, records }: SequenceProps) {
  useModel(model);
  const [isAll, setAll] = useState(false);
  // Facts are only ever added: who they begin and end with says whether they are the same.
  const shape = useMemo(() => sequenceOf(records), [records.length, records[0]?.seq, records.at(-1)?.seq]);
  const { lanes, rows } = shape;
  if (rows.length === 0) return <Empty>No facts yet. They come when the job is submitted.</Empty>;
  const { seq } = model.moment;
  const now = rowAt(rows, seq);
  const [from, to] = windowOf(rows, seq, isAll);
  return (
    <div class="sequence" style={{ '--lanes': lanes.length + 1 }}>
      <p class="hint">
        <span>╌▷ read from the log</span> <span>◀━ written to it</span> <span>! failure</span>
      </p>
      <div class="sequence-scroll">
        <div class="heads" aria-hidden="true">
          <span class="fact-head">fact</span>
          {['log', ...lanes].map((lane) => (
            <span
              key={lane}
              class={rows.some(({ author }) => author === lane) || lane === 'log' ? '' : 'idle'}
            >
              {lane}
            </span>
          ))}
        </div>
        <ol start={from + 1}>
          {rows.slice(from, to).map((row, i) => (
            <Row
              key={row.seq}
              row={row}
              lanes={lanes.length + 1}
              when={from + i === now ? 'now' : from + i < now ? 'past' : 'future'}
              look={() => model.lookAt(row.seq)}
            />
          ))}
        </ol>
      </div>
      {rows.length > rowsFirst ? (
        <p class="hint">
          {count(to - from)} of {count(rows.length)} facts{' '}
          <button type="button" onClick={() => setAll(!isAll)} aria-pressed={isAll}>
            {isAll ? `Show ${rowsFirst} around the moment` : `Show all ${count(rows.length)}`}
          </button>
        </p>
      ) : null}
    </div>
  );
}

type When = 'past' | 'now' | 'future';

function Row({
  row,
  lanes,
  when,
  look,
}: {
  readonly row: SequenceRow;
  /** With the log's. */
  readonly lanes: number;
  readonly when: When;
  readonly look: () => void;
}) {
  const { seq, fact, author, lane, cause, isFailure, afterMs, isAfterGap, at } = row;
  return (
    <li class={`${when}${isFailure ? ' spoilt' : ''}`}>
      {isAfterGap ? (
        <div class="gap">
          <span>⋮ {duration(afterMs)} later</span>
        </div>
      ) : null}
      <button
        type="button"
        onClick={look}
        aria-current={when === 'now' ? 'step' : undefined}
        title={`${clockTime(at)} UTC · ${toldOf(row)}`}
      >
        <span class="fact">
          <span class="no">{seq}</span> {isFailure ? '! ' : ''}
          {fact}
          {when === 'now' ? ' ◂' : ''}
          <small>{afterMs > 0 && !isAfterGap ? `+${duration(afterMs)}` : ''}</small>
        </span>
        <span class="strip">
          {cause === null ? null : (
            <span class="read" style={spanOf(lane, lanes)}>
              <small>{cause.fact === null ? `#${cause.seq}` : cause.fact}</small>
            </span>
          )}
          <span class="write" style={spanOf(lane, lanes)} />
          <span class="who" style={{ left: `${((lane + 1.5) / lanes) * 100}%` }}>
            {author}
          </span>
        </span>
      </button>
    </li>
  );
}

/** From the log's line to the author's box (60 px wide), in parts of the strip. */
const spanOf = (lane: number, lanes: number): Record<string, string> => ({
  left: `${(0.5 / lanes) * 100}%`,
  width: `calc(${((lane + 1) / lanes) * 100}% - 30px)`,
});

function toldOf({ seq, fact, author, cause }: SequenceRow): string {
  if (cause === null) return `${seq} ${fact}, written by ${author}; it came from outside`;
  const of = cause.fact === null ? 'a fact of another stream' : cause.fact;
  return `${seq} ${fact}, written by ${author} because of ${cause.seq} ${of}`;
}
