/** The head of a job's page: what it is, what became of it, why it waits, and what can be done. */
import { isEnd } from '../../machines/job.ts';
import { type Cause, errors } from '../errors.ts';
import { isWaiting, type Job } from '../jobs/state.ts';
import { explain } from '../scheduler/explain.ts';
import { Ask } from './confirm.tsx';
import { CommandLine, Copy } from './copy.tsx';
import type { CourseStep } from './job-course.ts';
import { cancelText, placeText, storyOf } from './job-story.ts';
import { Json } from './json.tsx';
import type { Model } from './model.ts';
import type { Server } from './server.ts';
import { type ToldWait, useWaitNow } from './told.tsx';
import { clockTime, duration, Failure, Loading, Panel, StateTag } from './ui.tsx';

export interface HeadProps {
  readonly model: Model;
  /** As it was at the moment. */
  readonly job: Job;
  /** As it is at the end of the log. */
  readonly newest: Job;
  /** Up to the moment. */
  readonly steps: readonly CourseStep[];
  /** Wall clock of the moment, ms since the Unix epoch. */
  readonly nowMs: number;
}

export function Head({ model, job, newest, steps, nowMs }: HeadProps) {
  const { state, context } = job;
  const { id, tenant, attempt, cause, slots, spec } = context;
  const { server } = model;
  return (
    <Panel
      title={spec?.name ? `Job ${spec.name}` : 'Job'}
      aside={
        server && !isEnd(newest.state) ? <Cancel server={server} newest={newest} moment={model} /> : undefined
      }
    >
      <p class="job-title">
        <StateTag state={state} />
        <code class="id">{id}</code>
        <Copy text={id} what="the job's id" />
      </p>
      <p class="story">{storyOf(steps, nowMs)}</p>
      {cause ? <CauseNote cause={cause} /> : null}
      <Why model={model} job={job} />
      <dl class="members">
        <Member name="tenant">{tenant}</Member>
        <Member name="slot now">{slots ? placeText(slots) : 'none held'}</Member>
        <Member name="wants">{spec ? `${spec.gpus} × ${spec.slot}` : 'unknown'}</Member>
        <Member name="attempts">
          {attempt === 0 ? 'none begun' : `${attempt} begun`}
          {spec
            ? `; ${spec.attempts.max === 1 ? 'one try' : `${spec.attempts.max} tries`} for the guest`
            : ''}
        </Member>
        <Times times={context.times} />
        {Object.entries(spec?.labels ?? {}).map(([name, value]) => (
          <Member key={name} name={`label ${name}`}>
            {value}
          </Member>
        ))}
      </dl>
      <div class="fold">
        {spec ? <Json value={spec} label="what was asked for (job spec)" /> : null}
        {server ? <Commands id={id} tenant={tenant} /> : null}
      </div>
    </Panel>
  );
}

function Member({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const milestones = [
  ['submitted', 'submittedAtMs'],
  ['queued', 'queuedAtMs'],
  ['started', 'startedAtMs'],
  ['ended', 'endedAtMs'],
] as const;

function Times({ times }: Pick<Job['context'], 'times'>) {
  const begin = times.submittedAtMs;
  return (
    <>
      {milestones.map(([name, member]) => {
        const at = times[member];
        return (
          <Member key={name} name={name}>
            {at === null ? <span class="soft">not yet</span> : <span class="mono">{clockTime(at)}</span>}
            {at !== null && begin !== null && name !== 'submitted' ? (
              <span class="soft"> +{duration(at - begin)}</span>
            ) : null}
          </Member>
        );
      })}
    </>
  );
}

function CauseNote({ cause: { code, message, retryable } }: { readonly cause: Cause }) {
  const row = errors[code];
  return (
    <div class="cause">
      <p>
        <code>{code}</code> means: {row.meaning}.{message === row.meaning ? '' : ` This time: ${message}`}
      </p>
      <p>
        {retryable
          ? '↻ The same job, submitted again, can succeed.'
          : '⊘ Submitted again unchanged, it would end the same way.'}{' '}
        Next: {row.next}.
      </p>
    </div>
  );
}

type WhyProps = Pick<HeadProps, 'model' | 'job'>;

/** The reasons for which a job waits; nothing for one that does not. */
function Why({ model, job }: WhyProps) {
  if (!model.seesAll) return isWaiting(job) ? <WhyAsked model={model} job={job} /> : null;
  const { cast, gate } = model.moment;
  return <WhyTold {...explain(cast.scheduler.sight, job, gate.state !== 'readOnly')} />;
}

/** A tenant's page does not know who else waits, so the server says it; of the past nobody tells it. */
function WhyAsked({ model, job }: WhyProps) {
  const asked = useWaitNow(model, job);
  if (asked?.kind === 'told') return <WhyTold {...asked.answer} />;
  return (
    <section class="why" aria-label="Why it waits">
      <h3>Why it waits</h3>
      {asked === null ? (
        <p class="soft">
          That depends on jobs of other tenants: of the past only the operator sees it. Back to live (l) to
          ask for the present.
        </p>
      ) : asked.kind === 'asking' ? (
        <Loading what="Asking why it waits" />
      ) : (
        <Failure reason={asked.reason} next={asked.next} />
      )}
    </section>
  );
}

function WhyTold({ reasons, position }: Pick<ToldWait, 'reasons' | 'position'>) {
  if (reasons.length === 0) return null;
  return (
    <section class="why" aria-label="Why it waits">
      <h3>Why it waits{position === null ? '' : `: number ${position} of the queue`}</h3>
      <ol>
        {reasons.map(({ code, message, action }) => (
          <li key={code}>
            <strong>{code}</strong> {message}. <span class="soft">What helps: {action}.</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Cancel({
  server,
  newest,
  moment,
}: {
  readonly server: Server;
  readonly newest: Job;
  readonly moment: Model;
}) {
  const what = cancelText({ state: newest.state, ...newest.context });
  if (what === null) return null;
  const now = moment.isFollowing
    ? ''
    : `This acts on the job as it is now (${newest.state}), not as it was. `;
  return (
    <Ask
      what={now + what}
      yes="Cancel the job"
      onYes={() => server.json(`/v1/jobs/${newest.context.id}/cancel`, { method: 'POST' })}
    >
      Cancel …
    </Ask>
  );
}

function Commands({ id, tenant }: { readonly id: string; readonly tenant: string }) {
  const rest = `${id} --tenant ${tenant}${location.port === '7070' ? '' : ` --server ${location.origin}`}`;
  return (
    <details class="json">
      <summary>the same from a terminal</summary>
      <CommandLine line={`npx berth job explain ${rest}`} does="why it waits" />
      <CommandLine line={`npx berth job history ${rest}`} does="its facts" />
      <CommandLine line={`npx berth job watch ${rest}`} does="follow it to its end" />
      <CommandLine line={`npx berth job logs ${rest}`} does="what the guest wrote to stderr" />
      <CommandLine line={`npx berth job result ${rest}`} does="what it left" />
      <CommandLine line={`npx berth job attestation ${rest}`} does="what was found before it ran" />
      <CommandLine line={`npx berth job cancel ${rest}`} does="end it" />
    </details>
  );
}
