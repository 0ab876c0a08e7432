/** Who waits and why: every reason that holds, and what would lift it. */
import { useMemo } from 'preact/hooks';
import { type QueueView, queueView } from '../views/queue-view.ts';
import { JobWait } from './explain-job.tsx';
import { Reasons } from './explain-reasons.tsx';
import type { Model } from './model.ts';
import { clockTime, count } from './quantities.ts';
import { Scroll } from './scroll.tsx';
import { useQueueNow } from './told.tsx';
import { Empty, Failure, Go, JobLink, Loading, Panel, useModel, type ViewProps } from './ui.tsx';
import { lastLeft, outsideQueue } from './waiting-line.ts';

export function ExplainView({ model }: ViewProps) {
  useModel(model);
  const { job } = model.address;
  return (
    <div class="explain">
      {job === null ? null : <JobWait model={model} id={job} />}
      {model.seesAll ? <FoldedQueue model={model} /> : <AskedQueue model={model} />}
    </div>
  );
}

/** The operator's: folded here, at any seq. */
function FoldedQueue({ model }: ViewProps) {
  const { moment } = model;
  const view = useMemo(
    () => queueView(moment.views, { tenant: '', admin: true }),
    [moment.seq, model.records],
  );
  const outside = useMemo(() => outsideQueue(moment.state), [moment.seq, model.records]);
  return <Queue model={model} view={view} outside={outside} />;
}

/** A tenant's: others' jobs stand before its own, and it may not see them, so the server is asked. */
function AskedQueue({ model }: ViewProps) {
  const asked = useQueueNow(model);
  if (asked === null)
    return (
      <Panel title="Who waits">
        <Empty>
          Why a job waited depends on jobs of other tenants, whose facts are not yours to see. For the past
          only the operator can tell; follow the log to ask for the present.
        </Empty>
      </Panel>
    );
  if (asked.kind === 'asking') return <Loading what="Asking who waits" />;
  if (asked.kind === 'failed') return <Failure reason={asked.reason} next={asked.next} />;
  return <Queue model={model} view={asked.answer} outside={null} />;
}

interface QueueProps extends ViewProps {
  readonly view: QueueView;
  /** Null where only the server knows. */
  readonly outside: ReturnType<typeof outsideQueue> | null;
}

function Queue({ model, view, outside }: QueueProps) {
  const { classes, policy, runners, totals } = view;
  const waiting = totals.waitingOwn;
  return (
    <>
      <Panel
        title="Who waits"
        aside={
          <span>
            policy {policy} · {count(runners.busy)} of {count(runners.total)} runners busy
          </span>
        }
      >
        <p class="lead">
          {waiting === 0
            ? 'Nothing waits.'
            : `${count(waiting)} ${waiting === 1 ? 'job waits' : 'jobs wait'}.`}{' '}
          {totals.waiting > waiting ? `${count(totals.waiting)} with those of others.` : ''}
          {totals.bound === null ? '' : ` The door lets in at most ${count(totals.bound)}.`}
        </p>
        {outside ? <Outside counts={outside} /> : null}
        {waiting === 0 && model.seesAll ? <LastLeft model={model} /> : null}
        {classes.map((each) => (
          <section
            key={`${each.tenant} ${each.gpus} ${each.slot}`}
            class="class"
            aria-label={`${each.tenant}, ${each.gpus} × ${each.slot}`}
          >
            <h3>
              {count(each.queued)} of {each.tenant}, {each.gpus} × {each.slot}
            </h3>
            <Reasons reasons={each.reasons} of={each.queued === 1 ? 'it waits' : 'the first of them waits'} />
          </section>
        ))}
      </Panel>
      {view.jobs.length > 0 ? <Line model={model} view={view} /> : null}
    </>
  );
}

const Outside = ({ counts }: { readonly counts: ReturnType<typeof outsideQueue> }) => {
  const parts = [
    ...(counts.attesting > 0 ? [`${count(counts.attesting)} being verified`] : []),
    ...(counts.reserving > 0 ? [`${count(counts.reserving)} about to get a slot`] : []),
    ...(counts.backoff > 0 ? [`${count(counts.backoff)} in the pause before another attempt`] : []),
  ];
  return parts.length > 0 ? <p class="soft">Of these, not in the queue: {parts.join(', ')}.</p> : null;
};

/** Why the line is empty: who left it last, and the way back to when it stood there. */
function LastLeft({ model }: ViewProps) {
  const left = lastLeft(model.records, model.moment.seq);
  if (!left) return <Empty>No job has waited yet. Submit one in the Lab, or with berth job submit.</Empty>;
  return (
    <Empty>
      The last to wait was <code class="id">{left.id}</code> of {left.tenant}, until {clockTime(left.atMs)}:{' '}
      {left.why} (seq {count(left.seq)}).{' '}
      <Go model={model} to={{ view: 'explain', job: left.id, at: left.seq - 1 }}>
        Why it waited then
      </Go>
    </Empty>
  );
}

/** All waiting jobs by arrival, as far as one view shows them. */
function Line({ model, view }: { readonly model: Model; readonly view: QueueView }) {
  return (
    <Panel
      title="The line"
      aside={
        view.jobs.length < view.totals.queued ? `the first ${view.jobs.length} of those shown` : undefined
      }
    >
      <Scroll label="Waiting jobs by arrival" class="line">
        <table>
          <thead>
            <tr>
              <th class="n">place</th>
              <th>job</th>
              <th>tenant</th>
              <th>wants</th>
              <th class="n">waits since (UTC)</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {view.jobs.map(({ gpus, id, position, queuedAtMs, slot, tenant }) => (
              <tr key={id} class={id === model.address.job ? 'here' : ''}>
                <td class="n">{count(position)}</td>
                <td>
                  <JobLink model={model} id={id} />
                </td>
                <td>{tenant}</td>
                <td>
                  {gpus} × {slot}
                </td>
                <td class="n">{queuedAtMs === null ? '' : clockTime(queuedAtMs)}</td>
                <td>
                  <Go model={model} to={{ view: 'explain', job: id }} title={`Why ${id} waits`}>
                    why
                  </Go>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
