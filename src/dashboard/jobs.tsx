/** All jobs that are held, however many: found, sorted, chosen, and cancelled with a word of what that means first. */
import { useMemo, useState } from 'preact/hooks';
import type { Job } from '../jobs/state.ts';
import { inStateMs, nowOf } from './census.ts';
import { everything, findJobs, type Wanted } from './job-filter.ts';
import { JobFilters } from './job-filters.tsx';
import { JobSelection } from './job-selection.tsx';
import type { Model } from './model.ts';
import { count, duration } from './quantities.ts';
import { type Column, Rows } from './rows.tsx';
import { answerOf, useQueueNow } from './told.tsx';
import { Empty, Go, Panel, StateTag, useModel, type ViewProps } from './ui.tsx';
import { Waits } from './waits.ts';

/** What was wanted last, so that whoever comes back from a job finds the list as they left it. */
const left = new WeakMap<Model, Wanted>();

export function JobsView({ model }: ViewProps) {
  useModel(model);
  const [wanted, setWanted] = useState(left.get(model) ?? everything);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const { moment, source } = model;
  const { jobs } = moment.state;
  const want = (change: Partial<Wanted>): void => {
    const now = { ...wanted, ...change };
    left.set(model, now);
    setWanted(now);
  };
  const { waits, found } = useFound(model, wanted);
  if (jobs.size === 0)
    return (
      <Panel title="Jobs">
        <Empty>{source.kind === 'loading' ? 'The log is being read.' : emptyWords(model)}</Empty>
      </Panel>
    );
  const toggle = ({ context: { id } }: Job): void => {
    const now = new Set(selected);
    if (!now.delete(id)) now.add(id);
    setSelected(now);
  };
  return (
    <div class="jobs-view">
      <Panel
        title="Jobs"
        aside={
          <span role="status">
            {found.jobs.length === found.total
              ? `${count(found.total)} jobs`
              : `${count(found.jobs.length)} of ${count(found.total)} jobs`}
          </span>
        }
      >
        <JobFilters wanted={wanted} found={found} want={want} />
        {model.server ? (
          <JobSelection model={model} selected={selected} shown={found.jobs} select={setSelected} />
        ) : null}
        {found.jobs.length === 0 ? (
          <Empty>
            No job matches.{' '}
            <button type="button" onClick={() => want({ ...everything, newestFirst: wanted.newestFirst })}>
              Show all
            </button>
          </Empty>
        ) : (
          <Rows
            label="Jobs"
            rows={found.jobs}
            columns={columnsOf(model, waits)}
            keyOf={({ context }) => context.id}
            onOpen={({ context }) => model.go({ view: 'job', job: context.id })}
            selected={model.server ? selected : null}
            onSelect={toggle}
          />
        )}
      </Panel>
    </div>
  );
}

/** Looked for once a moment, not once a scrolled row. */
function useFound(model: Model, wanted: Wanted) {
  const { state, views, seq } = model.moment;
  const queue = answerOf(useQueueNow(model));
  const told = model.seesAll ? 'all' : queue;
  return useMemo(() => {
    const waits = new Waits(views, told);
    return { waits, found: findJobs(state.jobs.values(), (job) => waits.whyOf(job)?.code ?? null, wanted) };
  }, [state, views, seq, wanted, told]);
}

const emptyWords = (model: Model): string =>
  model.isFollowing && model.server
    ? 'No jobs yet. Submit one in the Lab, or with: berth job submit wasm/hello.wasm'
    : 'No jobs at this seq. Move the slider on.';

function columnsOf(model: Model, waits: Waits): readonly Column<Job>[] {
  const nowMs = nowOf(model) ?? 0;
  return [
    {
      title: 'Job',
      class: 'c-id',
      cell: ({ context: { id, spec } }) => (
        <Go
          model={model}
          to={{ view: 'job', job: id }}
          class="id"
          tabIndex={-1}
          title={spec?.name ? `${id} (${spec.name})` : id}
        >
          {id}
        </Go>
      ),
    },
    { title: 'Tenant', class: 'c-tenant', cell: ({ context }) => context.tenant },
    { title: 'State', class: 'c-state', cell: ({ state }) => <StateTag state={state} /> },
    { title: 'Reason', class: 'c-why', cell: (job) => <Reason job={job} waits={waits} /> },
    { title: 'Slot', class: 'c-slot', cell: slotOf },
    { title: 'In state', class: 'c-for n', cell: (job) => ago(inStateMs(model, job, nowMs)) },
    {
      title: 'Age',
      class: 'c-age n',
      cell: ({ context: { times } }) =>
        ago(times.submittedAtMs === null ? null : Math.max(0, nowMs - times.submittedAtMs)),
    },
    { title: 'Attempt', class: 'c-attempt n', cell: attemptOf },
  ];
}

function Reason({ job, waits }: { readonly job: Job; readonly waits: Waits }) {
  const why = waits.whyOf(job);
  if (!why) return null;
  return (
    <span title={`${why.code}: ${why.message}`}>
      <code>{why.code}</code> <span class="soft">{why.message}</span>
    </span>
  );
}

const ago = (ms: number | null): string => (ms === null ? '' : duration(ms));

/** Where it is, or what it wants. */
function slotOf({ context: { slots, spec } }: Job) {
  if (slots?.[0])
    return (
      <span
        title={slots
          .map(({ gpu, start, size }) => `${gpu} slices ${start} to ${start + size - 1}`)
          .join(', ')}
      >
        {slots[0].profile} on {slots.map(({ gpu }) => gpu).join(', ')}
      </span>
    );
  if (!spec) return null;
  return <span class="soft">{spec.gpus > 1 ? `${spec.gpus} × ${spec.slot}` : spec.slot}</span>;
}

const attemptOf = ({ context: { attempt, spec } }: Job): string =>
  attempt === 0 ? '' : `${attempt}${(spec?.attempts.max ?? 1) > 1 ? ` of ${spec?.attempts.max}` : ''}`;
