/**
 * One job, as it was at the moment: head, statecharts, facts, spans, actors, logs, result and attestation, all from one slider.
 *
 * Everything but logs and result's bytes is folded from the job's facts in this page. Test: `test/dashboard/job-course.test.ts`.
 */

import type { Job } from '../jobs/state.ts';
import { nowOf } from './census.ts';
import { FactsTable } from './facts-table.tsx';
import { AttestationPanel } from './job-attestation.tsx';
import { Charts } from './job-charts.tsx';
import { type CourseStep, factsOf, stepsOf, stepsUpTo } from './job-course.ts';
import { Head } from './job-head.tsx';
import { Logs, Result } from './job-parts.tsx';
import type { Model } from './model.ts';
import { Sequence } from './sequence.tsx';
import { Spans } from './spans.tsx';
import {
  clockTime,
  count,
  Empty,
  Go,
  JobLink,
  Loading,
  Panel,
  StateTag,
  useModel,
  type ViewProps,
} from './ui.tsx';

export function JobView({ model }: ViewProps) {
  useModel(model);
  const { job: id } = model.address;
  if (id === null) return <Pick model={model} />;
  const base = model.stateAtBegin?.jobs.get(id) ?? null;
  const steps = stepsOf(factsOf(model.records, id), id, base);
  const past = stepsUpTo(steps, model.moment.seq);
  const job = model.moment.state.jobs.get(id) ?? past.at(-1)?.after;
  // Panels with questions of their own are made anew for another job.
  return job ? (
    <Shown key={id} model={model} job={job} steps={steps} past={past} base={base} />
  ) : (
    <Absent model={model} id={id} steps={steps} />
  );
}

interface ShownProps {
  readonly model: Model;
  readonly job: Job;
  readonly steps: readonly CourseStep[];
  /** Of these, what has happened. */
  readonly past: readonly CourseStep[];
  readonly base: Job | null;
}

function Shown({ model, job, steps, past, base }: ShownProps) {
  const { id } = job.context;
  const newest = steps.at(-1)?.after ?? job;
  const nowMs = nowOf(model) ?? 0;
  return (
    <div class="job-view">
      {base ? (
        <p class="soft" role="note">
          This log begins after seq {count(model.beginSeq)}, with a checkpoint. What the job went through
          before stands in an older part of the log; its state is complete all the same.
        </p>
      ) : null}
      <Head model={model} job={job} newest={newest} steps={past} nowMs={nowMs} />
      <div class="pair wide-right">
        <Charts model={model} job={job} steps={past} />
        <div>
          <Panel title="Who did what">
            {past.length === 0 ? (
              <Empty>No fact of this job is here yet.</Empty>
            ) : (
              <Sequence model={model} records={past.map(({ record }) => record)} />
            )}
          </Panel>
          <Spans model={model} steps={steps} nowMs={nowMs} />
        </div>
      </div>
      <FactsTable model={model} steps={steps} />
      <div class="pair">
        <Logs model={model} job={job} newest={newest} />
        <Result model={model} job={job} newest={newest} />
      </div>
      <AttestationPanel server={model.server} id={id} steps={past} beginsBefore={base !== null} />
    </div>
  );
}

/** A job that is not there at this seq: it comes later, or is not known at all. */
function Absent({ model, id, steps }: Pick<ShownProps, 'model' | 'steps'> & { readonly id: string }) {
  const { moment, source, headSeq, beginSeq } = model;
  const [first] = steps;
  if (!first && source.kind === 'loading')
    return (
      <Panel title="Job">
        <Loading what={`Looking for job ${id} while the log is read`} />
      </Panel>
    );
  return (
    <Panel title="Job">
      {first ? (
        <p>
          Job <code>{id}</code> is not yet submitted at seq {count(moment.seq)}.{' '}
          <Go model={model} to={{ at: first.record.seq }}>
            It appears at seq {count(first.record.seq)}
          </Go>
          , {clockTime(first.record.at)}.
        </p>
      ) : (
        <p>
          No job <code>{id}</code> in this log, seq {count(beginSeq + 1)} to {count(headSeq)}. Check the id,
          or whether it is another controller's{beginSeq > 0 ? '; or it ended before this log begins' : ''}.
        </p>
      )}
      <h3>The last jobs at this seq</h3>
      <LastJobs model={model} />
    </Panel>
  );
}

const Pick = ({ model }: ViewProps) => (
  <Panel title="Choose a job">
    <LastJobs model={model} />
  </Panel>
);

const lastMax = 20;

function LastJobs({ model }: ViewProps) {
  const { state, seq } = model.moment;
  const last = [...state.jobs.values()].slice(-lastMax).reverse();
  if (last.length === 0)
    return (
      <Empty>
        There is no job at seq {count(seq)}.{' '}
        {model.server ? 'Submit one in the Lab, or move the slider.' : 'Move the slider.'}
      </Empty>
    );
  return (
    <>
      <table>
        <thead>
          <tr>
            <th>job</th>
            <th>tenant</th>
            <th>state</th>
            <th>submitted</th>
          </tr>
        </thead>
        <tbody>
          {last.map(({ state: now, context: { id, tenant, times } }) => (
            <tr key={id}>
              <td>
                <JobLink model={model} id={id} />
              </td>
              <td>{tenant}</td>
              <td>
                <StateTag state={now} />
              </td>
              <td class="mono">{times.submittedAtMs === null ? '' : clockTime(times.submittedAtMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {state.jobs.size > last.length ? (
        <p class="soft">
          The last {lastMax} of {count(state.jobs.size)}.{' '}
          <Go model={model} to={{ view: 'jobs' }}>
            All jobs
          </Go>
        </p>
      ) : null}
    </>
  );
}
