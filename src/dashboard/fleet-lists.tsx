/** Beside the picture of the fleet: who waits for it and why, and what ended last. */
import type { Job } from '../jobs/state.ts';
import { type QueueView, queueView } from '../views/queue-view.ts';
import type { Asked } from './asked.tsx';
import { lastEnded, nowOf } from './census.ts';
import { count, duration } from './quantities.ts';
import type { TenantLook } from './tenant-look.ts';
import { Empty, Failure, Go, JobLink, Loading, Panel, StateTag, type ViewProps } from './ui.tsx';

interface ListProps extends ViewProps {
  readonly looks: ReadonlyMap<string, TenantLook>;
}

const classesShown = 8;
const endedShown = 10;

interface QueueProps extends ListProps {
  /** What a tenant's page was told; null where it was not asked. */
  readonly asked: Asked<QueueView> | null;
}

/** Jobs that wait for the same thing in one row, as they are held back by the same reasons. */
export function FleetQueue({ asked, ...props }: QueueProps) {
  const { model } = props;
  // Whoever holds all of this log may read all of it.
  if (model.seesAll)
    return <Waiting {...props} queue={queueView(model.moment.views, { tenant: '', admin: true })} />;
  if (asked?.kind === 'told') return <Waiting {...props} queue={asked.answer} />;
  return (
    <Panel title="Queue">
      {asked === null ? (
        <Empty>
          Who waited before your jobs, and so why they waited, only the operator sees. Back to live (l) to ask
          for the present.
        </Empty>
      ) : asked.kind === 'asking' ? (
        <Loading what="Asking who waits" />
      ) : (
        <Failure reason={asked.reason} next={asked.next} />
      )}
    </Panel>
  );
}

function Waiting({ model, looks, queue }: ListProps & { readonly queue: QueueView }) {
  const { classes, jobs, totals, runners } = queue;
  const aside = (
    <span>
      {queue.policy} · runners {runners.busy} of {runners.total} busy
    </span>
  );
  if (classes.length === 0)
    return (
      <Panel title="Queue" aside={aside}>
        <Empty>
          {totals.waiting === 0
            ? 'The queue is empty: nobody waits for a slot.'
            : `The queue is empty; ${count(totals.waiting)} on the way in or pausing before another attempt.`}
        </Empty>
      </Panel>
    );
  return (
    <Panel title={`Queue: ${count(totals.queued)}`} aside={aside}>
      <table>
        <thead>
          <tr>
            <th scope="col" class="n">
              Jobs
            </th>
            <th scope="col">Tenant</th>
            <th scope="col">Want</th>
            <th scope="col">Why the first of them waits, and what would lift it</th>
          </tr>
        </thead>
        <tbody>
          {classes.slice(0, classesShown).map(({ tenant, slot, gpus, queued, reasons }) => {
            const head = jobs.find((job) => job.tenant === tenant && job.slot === slot && job.gpus === gpus);
            return (
              <tr key={`${tenant} ${gpus} ${slot}`}>
                <td class="n">{count(queued)}</td>
                <td>
                  <TenantName name={tenant} look={looks.get(tenant)} />
                </td>
                <td>
                  <code>{gpus > 1 ? `${gpus} × ${slot}` : slot}</code>
                </td>
                <td>
                  <ul class="why-list">
                    {reasons.map(({ code, message, action }) => (
                      <li key={code}>
                        <code class="tag wait">{code}</code> {message}.{' '}
                        <span class="soft">
                          <span aria-hidden="true">→</span> {action}
                        </span>
                      </li>
                    ))}
                    {head ? (
                      <li class="soft">
                        first:{' '}
                        <Go model={model} to={{ view: 'explain', job: head.id }} class="id">
                          {head.id}
                        </Go>
                      </li>
                    ) : null}
                  </ul>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {classes.length > classesShown ? (
        <p class="soft">and {count(classes.length - classesShown)} more kinds of jobs: see Jobs.</p>
      ) : null}
    </Panel>
  );
}

export function FleetEnded({ model, looks }: ListProps) {
  const ended = lastEnded(model.moment.state, endedShown);
  const nowMs = nowOf(model) ?? 0;
  if (ended.length === 0)
    return (
      <Panel title="Ended last">
        <Empty>No job has ended yet.</Empty>
      </Panel>
    );
  return (
    <Panel title="Ended last">
      <table>
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">Tenant</th>
            <th scope="col">How</th>
            <th scope="col" class="wide">
              Cause
            </th>
            <th scope="col" class="n">
              Took
            </th>
            <th scope="col" class="n">
              Ago
            </th>
          </tr>
        </thead>
        <tbody>
          {ended.map((job) => (
            <tr key={job.context.id}>
              <td>
                <JobLink model={model} id={job.context.id} />
              </td>
              <td>
                <TenantName name={job.context.tenant} look={looks.get(job.context.tenant)} />
              </td>
              <td>
                <StateTag state={job.state} />
              </td>
              <td class="wide">
                <Cause job={job} />
              </td>
              <td class="n">{between(job.context.times.submittedAtMs, job.context.times.endedAtMs)}</td>
              <td class="n">{between(job.context.times.endedAtMs, nowMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

const TenantName = ({ name, look }: { readonly name: string; readonly look: TenantLook | undefined }) => (
  <span class="tenant-name">
    <span class={`sign ${look?.class ?? ''}`} aria-hidden="true">
      {look?.sign}
    </span>{' '}
    {name}
  </span>
);

function Cause({ job: { context } }: { readonly job: Job }) {
  if (!context.cause) return null;
  return (
    <>
      <code>{context.cause.code}</code> <span class="soft">{context.cause.message}</span>
    </>
  );
}

const between = (fromMs: number | null, toMs: number | null): string =>
  fromMs === null || toMs === null ? '' : duration(Math.max(0, toMs - fromMs));
