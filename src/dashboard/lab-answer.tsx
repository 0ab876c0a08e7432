/** What the server said to the form: jobs with links, the outcome of a check, or a refusal with its next step. */
import type { Answer } from './lab-send.ts';
import { showJob } from './lab-watch.ts';
import type { Model } from './model.ts';
import { count } from './quantities.ts';
import { Go } from './ui.tsx';

/** Links shown; the rest is in the list of jobs. */
const linksMax = 12;

export function LabAnswer({ model, answer }: { readonly model: Model; readonly answer: Answer }) {
  if (answer.kind === 'checked') return <Checked {...answer.validation} />;
  const ids = [...new Set(answer.ids)];
  return (
    <div class="lab-answer" role="status">
      {ids.length > 0 ? <Sent model={model} ids={ids} requests={answer.ids.length} /> : null}
      {answer.kind === 'refused' ? (
        <p class="failure" role="alert">
          <strong>
            ✕ <code>{answer.code}</code> {answer.message}
          </strong>{' '}
          {answer.next}
        </p>
      ) : null}
    </div>
  );
}

function Sent({
  model,
  ids,
  requests,
}: {
  readonly model: Model;
  readonly ids: readonly string[];
  readonly requests: number;
}) {
  const same = ids.length < requests ? `; ${count(requests)} requests with one key are one job` : '';
  return (
    <p class="lab-sent">
      <span class="tag good">
        ✓ {ids.length === 1 ? 'accepted' : `${count(ids.length)} jobs accepted`}
        {same}
      </span>
      {ids.slice(0, linksMax).map((id) => (
        <button
          key={id}
          type="button"
          class="id"
          onClick={() => showJob(model, id)}
          title="Open it at its first fact"
        >
          {id}
        </button>
      ))}
      {ids.length > linksMax ? (
        <Go model={model} to={{ view: 'jobs' }}>
          and {count(ids.length - linksMax)} more
        </Go>
      ) : null}
    </p>
  );
}

function Checked({
  admitted,
  everFits,
  fitsNow,
}: {
  readonly admitted: boolean;
  readonly everFits: boolean;
  readonly fitsNow: boolean;
}) {
  const sign = (holds: boolean): string => (holds ? '✓' : '✕');
  return (
    <ul class="lab-answer lab-checked" role="status">
      <li class={admitted ? 'good' : 'bad'}>
        {sign(admitted)}{' '}
        {admitted ? 'the door would take it' : 'the door is closed now: a queue that is full, or a shutdown'}
      </li>
      <li class={everFits ? 'good' : 'bad'}>
        {sign(everFits)}{' '}
        {everFits ? 'this fleet can hold it' : 'this fleet can never hold it: it would be rejected'}
      </li>
      <li class={fitsNow ? 'good' : 'wait'}>
        {fitsNow ? '✓ there is room now' : '◔ there is no room now: it would wait'}
      </li>
      <li class="soft">Nothing was submitted. What its imports are, attestation finds when it is.</li>
    </ul>
  );
}
