/** The facts of one job, past and to come; each is a place to move the slider to. */
import type { ComponentChildren } from 'preact';
import { memo } from 'preact/compat';
import { useState } from 'preact/hooks';
import type { JobState } from '../../machines/job.ts';
import type { CourseStep } from './job-course.ts';
import { Json } from './json.tsx';
import type { Model } from './model.ts';
import { Scroll } from './scroll.tsx';
import { clockTime, count, duration, Empty, Panel, StateTag } from './ui.tsx';

/** Rows that are drawn unasked: a job that was evicted all day has more. */
const rowsMax = 200;

export function FactsTable({
  model,
  steps,
}: {
  readonly model: Model;
  readonly steps: readonly CourseStep[];
}) {
  const [isAll, setAll] = useState(false);
  const { seq } = model.moment;
  const now = steps.findLastIndex(({ record }) => record.seq <= seq);
  const begin = isAll ? 0 : windowBegin(steps.length, now);
  const shown = isAll ? steps : steps.slice(begin, begin + rowsMax);
  const hidden = steps.length - shown.length;
  const ahead = steps.length - 1 - now;
  return (
    <Panel
      title="Facts"
      aside={
        <>
          <span>
            {count(now + 1)} of {count(steps.length)}
            {ahead > 0 ? `, ${count(ahead)} not yet` : ''}
          </span>
          {hidden > 0 ? (
            <button type="button" onClick={() => setAll(true)}>
              Show {count(hidden)} more
            </button>
          ) : null}
        </>
      }
    >
      {steps.length === 0 ? <Empty>No fact of this job is in this part of the log.</Empty> : null}
      <Scroll class="facts" label="Facts of this job" follow={now}>
        <table>
          <thead>
            <tr>
              <th class="n">seq</th>
              <th>time</th>
              <th class="n">after</th>
              <th>fact</th>
              <th>by</th>
              <th>state then</th>
              <th>data</th>
              <th class="n">because of</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((step, i) => (
              <Row
                key={step.record.seq}
                model={model}
                step={step}
                beforeMs={steps[begin + i - 1]?.record.at ?? null}
                when={begin + i === now ? 'now' : begin + i < now ? 'past' : 'ahead'}
              />
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}

/** The first row of a window around the fact that is looked at. */
const windowBegin = (length: number, now: number): number =>
  Math.max(0, Math.min(length - rowsMax, now - Math.floor(rowsMax / 2)));

interface RowProps {
  readonly model: Model;
  readonly step: CourseStep;
  /** Wall clock of the fact before; null for the first. */
  readonly beforeMs: number | null;
  readonly when: 'past' | 'now' | 'ahead';
}

/** Drawn again only when it moves between past and future: most of a table stays as it is while the slider moves. */
const Row = memo(({ model, step: { record, after }, beforeMs, when }: RowProps) => {
  const { seq, at, type, author, data, cause } = record;
  return (
    <tr
      class={`fact ${when}`}
      aria-current={when === 'now' ? 'step' : undefined}
      onClick={({ target }) => {
        if (target instanceof Element && !target.closest('details, button')) model.lookAt(seq);
      }}
    >
      <td class="n">
        <Seq model={model} seq={seq} title={`Look at seq ${seq}, just after ${type}`}>
          {when === 'now' ? '▸ ' : ''}
          {seq}
        </Seq>
      </td>
      <td class="mono">{clockTime(at)}</td>
      <td class="n soft">{beforeMs === null ? '' : `+${duration(at - beforeMs)}`}</td>
      <td>
        <strong>{type.slice('job.'.length)}</strong>
        {when === 'ahead' ? <span class="soft"> not yet</span> : null}
      </td>
      <td class="soft">{author}</td>
      <td>
        <StateTag state={after.state as JobState} />
      </td>
      <td class="data">
        <Json value={data} />
      </td>
      <td class="n">
        {cause === null ? (
          ''
        ) : (
          <Seq model={model} seq={cause} title={`Look at seq ${cause}, the fact that led to this one`}>
            {cause}
          </Seq>
        )}
      </td>
    </tr>
  );
});

const Seq = ({
  model,
  seq,
  title,
  children,
}: {
  readonly model: Model;
  readonly seq: number;
  readonly title: string;
  readonly children: ComponentChildren;
}) => (
  <button type="button" class="seq" title={title} onClick={() => model.lookAt(seq)}>
    {children}
  </button>
);
