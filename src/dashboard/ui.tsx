/** Small parts that every view is made of, so that equal things look and speak alike. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { JobState } from '../../machines/job.ts';
import type { Model } from './model.ts';

/** Draws again whenever the model has changed. */
export function useModel(model: Model): void {
  const [, draw] = useState(0);
  useEffect(() => model.onChange(() => draw((n) => n + 1)), [model]);
}

/** What every view gets. */
export interface ViewProps {
  readonly model: Model;
}

export function Panel({
  title,
  aside,
  children,
}: {
  readonly title: string;
  /** Beside the title: counts, buttons. */
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <section class="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside === undefined ? null : <div class="aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** Nothing to show: says why, and what to do about it. */
export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Loading({ what }: { readonly what: string }) {
  return (
    <p class="loading" role="status">
      {what} …
    </p>
  );
}

/** Something failed: what, and the next step. */
export function Failure({ reason, next }: { readonly reason: string; readonly next?: string }) {
  return (
    <p class="failure" role="alert">
      <strong>{reason}</strong>
      {next ? <span> {next}</span> : null}
    </p>
  );
}

/** Sign and tone of each state; the sign carries the meaning where a colour can't be told apart. */
const looks: Readonly<Record<JobState, readonly [sign: string, tone: string]>> = {
  // No job that is in a log is still new; the machine knows the state all the same.
  new: ['·', 'wait'],
  attesting: ['◌', 'wait'],
  queued: ['◔', 'wait'],
  reserving: ['◑', 'wait'],
  starting: ['▷', 'run'],
  running: ['▶', 'run'],
  stopping: ['◼', 'run'],
  releasing: ['◻', 'run'],
  backoff: ['↻', 'wait'],
  succeeded: ['✓', 'good'],
  failed: ['✕', 'bad'],
  timedOut: ['◷', 'bad'],
  expired: ['◴', 'bad'],
  cancelled: ['⊘', 'off'],
  rejected: ['⊗', 'bad'],
};

/** A job's state as sign and word. */
export function StateTag({ state }: { readonly state: JobState }) {
  const [sign, tone] = looks[state];
  return (
    <span class={`tag ${tone}`}>
      <span aria-hidden="true">{sign}</span> {state}
    </span>
  );
}

/** A link within the page, at the seq that is looked at. */
export function Go({
  model,
  to,
  isHere = false,
  children,
  ...rest
}: {
  readonly model: Model;
  readonly to: Parameters<Model['go']>[0];
  /** Does it lead to what is shown already? */
  readonly isHere?: boolean;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly title?: string;
  readonly 'aria-label'?: string;
  readonly tabIndex?: number;
}) {
  return (
    <a
      {...rest}
      href={model.hashFor(to)}
      aria-current={isHere ? 'page' : undefined}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        model.go(to);
      }}
    >
      {children}
    </a>
  );
}

export const JobLink = ({ model, id }: { readonly model: Model; readonly id: string }) => (
  <Go model={model} to={{ view: 'job', job: id }} class="id">
    {id}
  </Go>
);

export { clockTime, count, duration } from './quantities.ts';
