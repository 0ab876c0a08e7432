/** What can be done with the chosen jobs; only where the present is looked at, for the past can't be acted upon. */
import { useRef, useState } from 'preact/hooks';
import type { Job } from '../jobs/state.ts';
import { cancelAll, cancelPlan, planWords, type Refused } from './cancelling.ts';
import { Confirm } from './confirm.tsx';
import type { Model } from './model.ts';
import { count } from './quantities.ts';

interface JobSelectionProps {
  readonly model: Model;
  readonly selected: ReadonlySet<string>;
  /** All that match the filters. */
  readonly shown: readonly Job[];
  readonly select: (ids: ReadonlySet<string>) => void;
}

/** Refusals that are listed one by one. */
const refusedShown = 20;

interface Progress {
  readonly done: number;
  readonly total: number;
  readonly refused: readonly Refused[] | null;
}

export function JobSelection({ model, selected, shown, select }: JobSelectionProps) {
  const [isAsking, setAsking] = useState(false);
  const all = useRef<HTMLFieldSetElement>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const { jobs } = model.moment.state;
  const chosen = [...selected].flatMap((id) => jobs.get(id) ?? []);
  const canAct = model.isFollowing && model.source.kind === 'live';
  const plan = cancelPlan(chosen);
  const cancel = async (): Promise<void> => {
    const total = plan.ids.length;
    const tell = (done: number): void => setProgress({ done, total, refused: null });
    tell(0);
    const refused = await cancelAll(
      plan.ids,
      (id) => model.server!.json(`/v1/jobs/${id}/cancel`, { method: 'POST', body: {} }),
      tell,
    );
    setProgress({ done: total, total, refused });
    select(new Set());
  };
  return (
    <>
      <fieldset class="selection" ref={all} tabIndex={-1}>
        <legend class="hidden">Selected jobs</legend>
        <button
          type="button"
          disabled={shown.length === 0}
          onClick={() => select(new Set(shown.map(({ context }) => context.id)))}
        >
          Select {shown.length === 1 ? 'it' : `all ${count(shown.length)}`}
        </button>
        <button type="button" disabled={chosen.length === 0} onClick={() => select(new Set())}>
          Select none
        </button>
        <span role="status">{count(chosen.length)} selected</span>
        {canAct ? (
          <button type="button" disabled={plan.ids.length === 0} onClick={() => setAsking(true)}>
            Cancel {plan.ids.length > 0 ? count(plan.ids.length) : ''} …
          </button>
        ) : (
          <span class="soft">Jobs can be cancelled only at the present: go back to live (l).</span>
        )}
      </fieldset>
      {isAsking && canAct ? (
        <Confirm
          what={planWords(plan)}
          yes={`Yes, cancel ${count(plan.ids.length)}`}
          onYes={cancel}
          onEnd={() => {
            setAsking(false);
            // Not on the button: with nothing selected any more it is off.
            all.current?.focus();
          }}
        />
      ) : null}
      {progress ? <Outcome {...progress} onEnd={() => setProgress(null)} /> : null}
    </>
  );
}

function Outcome({ done, total, refused, onEnd }: Progress & { readonly onEnd: () => void }) {
  if (refused === null)
    return (
      <p class="note" role="status">
        <label>
          Asked for {count(done)} of {count(total)} <progress max={total} value={done} />
        </label>
      </p>
    );
  return (
    <div class="note" role="status">
      <p>
        {count(total - refused.length)} of {count(total)} accepted.{' '}
        <button type="button" onClick={onEnd}>
          Close
        </button>
      </p>
      {refused.length > 0 ? (
        <ul class="refused">
          {refused.slice(0, refusedShown).map(({ id, code, message }) => (
            <li key={id}>
              <code>{id}</code> <code>{code}</code> {message}
            </li>
          ))}
          {refused.length > refusedShown ? <li>and {count(refused.length - refusedShown)} more</li> : null}
        </ul>
      ) : null}
    </div>
  );
}
