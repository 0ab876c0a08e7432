/** One job: why it waits at the moment that is looked at, and who stands before it. */
import { isEnd } from '../../machines/job.ts';
import type { Job } from '../jobs/state.ts';
import { explain } from '../scheduler/explain.ts';
import { leftQueue } from './before-begin.ts';
import { Reasons } from './explain-reasons.tsx';
import type { Model } from './model.ts';
import { clockTime, count } from './quantities.ts';
import { Scroll } from './scroll.tsx';
import { useWaitNow } from './told.tsx';
import { Empty, Failure, Go, JobLink, Loading, Panel, StateTag, type ViewProps } from './ui.tsx';
import { aheadOf } from './waiting-line.ts';

/** Jobs before it that are listed; more are counted. */
const aheadMax = 20;

interface JobProps extends ViewProps {
  readonly id: string;
}

export function JobWait({ model, id }: JobProps) {
  const job = model.moment.state.jobs.get(id);
  return (
    <Panel
      title={`Why ${id} waits`}
      aside={
        <Go model={model} to={{ view: 'explain' }}>
          all that waits
        </Go>
      }
    >
      {job ? <Known model={model} job={job} /> : <Unknown model={model} id={id} />}
    </Panel>
  );
}

/** Not there at this seq: not yet, or long forgotten. */
function Unknown({ model, id }: JobProps) {
  const first = model.records.find(
    ({ subject, type }) => type === 'job.submitted' && subject.split('.')[2] === id,
  );
  return (
    <Empty>
      No job {id} is known at seq {count(model.moment.seq)}.{' '}
      {first ? (
        <Go model={model} to={{ at: first.seq }}>
          It was submitted at seq {count(first.seq)}
        </Go>
      ) : (
        'Look for it in the list of jobs.'
      )}
    </Empty>
  );
}

function Known({ model, job }: { readonly model: Model; readonly job: Job }) {
  const { context, state } = job;
  const { id, spec, tenant, times } = context;
  return (
    <>
      <p class="lead">
        <JobLink model={model} id={id} /> of {tenant} wants {spec ? `${spec.gpus} × ${spec.slot}` : 'a slot'}.{' '}
        <StateTag state={state} />
        {state === 'queued' && times.queuedAtMs !== null ? `, since ${clockTime(times.queuedAtMs)} UTC` : ''}
      </p>
      {model.seesAll ? <Folded model={model} job={job} /> : <Asked model={model} job={job} />}
    </>
  );
}

/** The scheduler's own answer, at any seq. */
function Folded({ model, job }: { readonly model: Model; readonly job: Job }) {
  const { gate, views } = model.moment;
  const { sight } = views.scheduler;
  const { position, reasons } = explain(sight, job, gate.state !== 'readOnly');
  if (reasons.length === 0) return <NotWaiting model={model} job={job} />;
  const ahead = job.state === 'queued' ? aheadOf(sight.queue, job.context.waitSince, aheadMax) : null;
  return (
    <>
      <Place position={position} waiting={sight.queue.size} />
      <Reasons reasons={reasons} of="it waits" />
      {ahead && ahead.total > 0 ? (
        <>
          <h3>
            Came earlier: {count(ahead.total)}
            {ahead.total > ahead.jobs.length ? `, the first ${ahead.jobs.length} of them` : ''}
          </h3>
          <p class="soft">
            By arrival. Those that do not fit now do not hold up this one; the reasons above count those that
            do.
          </p>
          <Scroll label="Jobs that came earlier" class="line">
            <table>
              <thead>
                <tr>
                  <th>job</th>
                  <th>tenant</th>
                  <th>wants</th>
                  <th class="n">waits since seq</th>
                </tr>
              </thead>
              <tbody>
                {ahead.jobs.map(({ gpus, id, slot, tenant, waitSince }) => (
                  <tr key={id}>
                    <td>
                      <JobLink model={model} id={id} />
                    </td>
                    <td>{tenant}</td>
                    <td>
                      {gpus} × {slot}
                    </td>
                    <td class="n">
                      <Go model={model} to={{ at: waitSince }}>
                        {count(waitSince)}
                      </Go>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </>
      ) : null}
    </>
  );
}

/** A tenant's page can't fold the queue of others; the server can, for now. */
function Asked({ model, job }: { readonly model: Model; readonly job: Job }) {
  const asked = useWaitNow(model, job);
  if (isEnd(job.state)) return <NotWaiting model={model} job={job} />;
  if (asked === null)
    return (
      <Empty>
        Why it waited then depends on jobs of other tenants: only the operator can see that. Follow the log to
        ask for the present.
      </Empty>
    );
  if (asked.kind === 'asking') return <Loading what="Asking why it waits" />;
  if (asked.kind === 'failed') return <Failure reason={asked.reason} next={asked.next} />;
  const { position, reasons } = asked.answer;
  if (reasons.length === 0) return <NotWaiting model={model} job={job} />;
  return (
    <>
      <Place position={position} waiting={null} />
      <Reasons reasons={reasons} of="it waits" />
    </>
  );
}

const Place = ({
  position,
  waiting,
}: {
  readonly position: number | null;
  readonly waiting: number | null;
}) =>
  position === null ? null : (
    <p>
      Place <strong>{count(position)}</strong>
      {waiting === null ? '' : ` of ${count(waiting)}`} in the queue, by arrival.
    </p>
  );

function leftWords(how: 'before' | 'never' | 'unchosen', beginSeq: number): string {
  if (how === 'never') return 'It never stood in the queue.';
  if (how === 'unchosen') return 'It left the queue without having been chosen for a slot.';
  return `It left the queue before seq ${count(beginSeq + 1)}, where the log that is here begins.`;
}

/** It runs or is over: the way back to when it waited. */
function NotWaiting({ model, job }: { readonly model: Model; readonly job: Job }) {
  const { id } = job.context;
  const { seq } = model.moment;
  const left = leftQueue(model.records, job, seq);
  return (
    <Empty>
      {isEnd(job.state) ? 'It has ended.' : 'It has its slot and does not wait.'}{' '}
      {left.how === 'here' ? (
        <Go model={model} to={{ view: 'explain', job: id, at: left.seq - 1 }}>
          Why it waited, until seq {count(left.seq)}
        </Go>
      ) : (
        leftWords(left.how, model.beginSeq)
      )}
    </Empty>
  );
}
