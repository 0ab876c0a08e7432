/** The statecharts that a job is in: its own, and as tabs those of its attempt, its GPU and the controller. */
import { useState } from 'preact/hooks';
import type { Job } from '../jobs/state.ts';
import { Chart } from './chart.tsx';
import { attemptsOf, type CourseStep, type Edge, indexOf, jobPath } from './job-course.ts';
import { controllerPath, gpuPath } from './machine-paths.ts';
import type { Model } from './model.ts';
import { Empty, Panel } from './ui.tsx';

interface ChartsProps {
  readonly model: Model;
  readonly job: Job;
  /** Up to the moment. */
  readonly steps: readonly CourseStep[];
}

const tabs = ['job', 'attempt', 'gpu', 'controller'] as const;
type Tab = (typeof tabs)[number];
const titles: Readonly<Record<Tab, string>> = {
  job: 'Job',
  attempt: 'Attempt',
  gpu: 'GPU',
  controller: 'Controller',
};

export function Charts(props: ChartsProps) {
  const [tab, setTab] = useState<Tab>('job');
  const choose = (by: number): void => {
    const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length]!;
    setTab(next);
    document.getElementById(`chart-tab-${next}`)?.focus();
  };
  return (
    <Panel
      title="Statechart"
      aside={
        <div
          class="tabs"
          role="tablist"
          aria-label="Machines"
          onKeyDown={(event) => {
            if (event.key !== 'ArrowRight' && event.key !== 'ArrowLeft') return;
            // The page's own arrows move the slider.
            event.stopPropagation();
            event.preventDefault();
            choose(event.key === 'ArrowRight' ? 1 : -1);
          }}
        >
          {tabs.map((each) => (
            <button
              key={each}
              id={`chart-tab-${each}`}
              type="button"
              role="tab"
              aria-selected={each === tab}
              aria-controls="chart-panel"
              tabIndex={each === tab ? 0 : -1}
              onClick={() => setTab(each)}
            >
              {titles[each]}
            </button>
          ))}
        </div>
      }
    >
      <div id="chart-panel" role="tabpanel" aria-labelledby={`chart-tab-${tab}`}>
        <Drawn {...props} tab={tab} />
      </div>
    </Panel>
  );
}

function Drawn({ tab, ...props }: ChartsProps & { readonly tab: Tab }) {
  const { model, job, steps } = props;
  const goTo = (_: unknown, walked: readonly Edge[]): void => {
    const last = walked.at(-1);
    if (last) model.lookAt(last.seq);
  };
  if (tab === 'job') return <Chart machine="job" state={job.state} walked={jobPath(steps)} onEdge={goTo} />;
  if (tab === 'attempt') return <AttemptChart {...props} />;
  if (tab === 'gpu') return <GpuChart {...props} />;
  const { seq, gate } = model.moment;
  return (
    <>
      <p class="soft">Whether new jobs are taken: the controller is {gate.state}.</p>
      <Chart
        machine="controller"
        state={gate.state}
        walked={controllerPath(indexOf(model.records), seq, gate.state)}
      />
    </>
  );
}

function AttemptChart({ model, job, steps }: ChartsProps) {
  const attempt = attemptsOf(steps).at(-1);
  const known = model.moment.views.job(job.context.id)?.trail.attempts.at(-1);
  const run = known ?? attempt?.run;
  if (!run) return <Empty>No attempt has begun: the job has had no slot yet.</Empty>;
  return (
    <>
      <p class="soft">
        Attempt {job.context.attempt}, fence {run.context.fence}
        {run.context.runner ? `, runner ${run.context.runner}` : ''}: the guest is {run.state}.
      </p>
      <Chart machine="run" state={run.state} walked={attempt?.walked ?? []} />
    </>
  );
}

/** The GPU of the last slot that the job had. */
function GpuChart({ model, steps }: ChartsProps) {
  const begun = steps.findLast(({ record }) => record.type === 'job.reserved');
  const gpus = begun?.after.context.slots?.map(({ gpu }) => gpu) ?? [];
  const [chosen, choose] = useState<string | null>(null);
  const gpu = chosen !== null && gpus.includes(chosen) ? chosen : gpus[0];
  const { state, seq } = model.moment;
  const now = gpu === undefined ? undefined : state.fleet.get(gpu);
  if (!begun || gpu === undefined || !now) return <Empty>The job has had no slot yet, so no GPU.</Empty>;
  const fromSeq = begun.record.seq;
  const freed = steps.find(({ record }) => record.seq > fromSeq && record.type === 'job.released');
  const begin = model.stateAtBegin?.fleet.get(gpu)?.machine ?? null;
  const walked = gpuPath(indexOf(model.records), gpu, { fromSeq, toSeq: freed?.record.seq ?? seq }, begin);
  return (
    <>
      <p class="soft">
        {gpus.length > 1 ? (
          <label>
            GPU{' '}
            <select value={gpu} onChange={(event) => choose(event.currentTarget.value)}>
              {gpus.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>
        ) : (
          gpu
        )}{' '}
        ({now.board}) is {now.machine.state} and holds {now.holdings.length} slots. Marked is what it walked
        while the job was on it.
      </p>
      <Chart machine="slot" state={now.machine.state} walked={walked} />
    </>
  );
}
