/** A card for each named failure: what will happen, a button, and whether it really happened. */

import type { ComponentChildren } from 'preact';
import { Ask } from './confirm.tsx';
import type { LabProps } from './lab.tsx';
import { labPort } from './lab-port.ts';
import { type Kept, type Scenario, textOf, type Verdict } from './lab-run.ts';
import { labGroups, notFromHere } from './lab-scenarios.ts';
import { noting, stillOpen, touchWords } from './lab-undo.ts';
import { showJob } from './lab-watch.ts';
import { Panel } from './ui.tsx';

const all = labGroups.flatMap(({ scenarios }) => scenarios);

export function LabCards(props: LabProps) {
  const { desk } = props;
  const { played, good } = desk.score;
  const able = all.filter((scenario) => lackOf(scenario, props) === '');
  return (
    <Panel
      title="Named failures"
      aside={
        <>
          {played > 0 ? (
            <span role="status">
              {good} of {played} went as promised
            </span>
          ) : null}
          {desk.isRunning ? (
            <button type="button" onClick={() => desk.stop()}>
              Stop after this one
            </button>
          ) : (
            <RunButton {...props} scenarios={able} disabled={able.length === 0}>
              Run all {able.length}
            </RunButton>
          )}
        </>
      }
    >
      <p>
        Each card sends real jobs as <strong>{desk.form.draft.tenant}</strong>, tidies up after itself, and
        then looks in the log for the arrows of the job’s chart that it promises. It is green when each was
        taken.
      </p>
      {labGroups.map(({ title, scenarios }) => (
        <section key={title} aria-label={title}>
          <h3>{title}</h3>
          <div class="lab-cards">
            {scenarios.map((scenario) => (
              <Card key={scenario.name} scenario={scenario} {...props} />
            ))}
          </div>
        </section>
      ))}
      <details class="lab-rest">
        <summary>Failures that no page can bring about at will ({Object.keys(notFromHere).length})</summary>
        <dl>
          {Object.entries(notFromHere).map(([edge, why]) => (
            <div key={edge}>
              <dt>
                <code>{edge.replace(' ', ' —')}→</code>
              </dt>
              <dd>{why}</dd>
            </div>
          ))}
        </dl>
      </details>
    </Panel>
  );
}

interface RunProps extends LabProps {
  readonly scenarios: readonly Scenario[];
  readonly disabled: boolean;
  readonly children: ComponentChildren;
}

/** In a demo it runs at once; elsewhere it says first what it will touch. */
function RunButton({ scenarios, disabled, children, ...props }: RunProps) {
  const { desk, model } = props;
  if (!model.about?.demo)
    return (
      <Ask
        what={touchWords(scenarios, desk.form.draft.tenant)}
        yes={scenarios.length === 1 ? 'Yes, run it' : `Yes, run all ${scenarios.length}`}
        onYes={async () => play(scenarios, props)}
        disabled={disabled}
      >
        {children} …
      </Ask>
    );
  return (
    <button type="button" onClick={() => play(scenarios, props)} disabled={disabled}>
      {children}
    </button>
  );
}

/** Plays them; what then is still changed stays on the list. */
function play(scenarios: readonly Scenario[], { desk, model, server, undo }: LabProps): void {
  const { tenant } = desk.form.draft;
  const termsNow = () => model.moment.state.tenants.get(tenant)?.terms;
  const port = noting(labPort(model, server, tenant), undo, termsNow);
  void desk.play(scenarios, port).then(() => undo.keep(stillOpen(undo.changes, model.moment.state)));
}

/** What this page or server lacks for a scenario; empty when nothing. */
function lackOf({ needs }: Scenario, { model, server }: LabProps): string {
  if (needs.includes('runner') && (model.moment.state.controller.configured?.runners ?? 0) === 0)
    return 'This controller has no runner: start it with --runners 1.';
  if (needs.includes('admin') && !server.names.includes('admin'))
    return 'Needs the operator’s key, which this page does not have.';
  if (needs.includes('strike') && !(model.about?.demo && server.names.includes('admin')))
    return 'Only a server with --demo lets a page kill its runners: berth demo runner-killed shows it.';
  return '';
}

function Card({ scenario, ...props }: LabProps & { readonly scenario: Scenario }) {
  const { desk, model } = props;
  const { name, title, about } = scenario;
  const progress = desk.of(name);
  const lack = lackOf(scenario, props);
  const verdict = progress && 'verdict' in progress ? progress.verdict : null;
  const look = verdict === null ? '' : verdict.isAsPromised ? ' good' : ' bad';
  return (
    <article class={`lab-card${look}`} aria-label={title}>
      <h4>{title}</h4>
      <code class="soft">{name}</code>
      <p>{about}</p>
      <Promises kept={verdict?.kept ?? promised(scenario)} isOver={verdict !== null} />
      <div class="lab-foot" role="status">
        {progress && 'step' in progress ? <Steps scenario={scenario} progress={progress} /> : null}
        {verdict ? <Outcome model={model} verdict={verdict} /> : null}
      </div>
      {lack === '' ? (
        <RunButton {...props} scenarios={[scenario]} disabled={desk.isRunning}>
          {verdict ? 'Run again' : 'Run'} <span class="hidden">{name}</span>
        </RunButton>
      ) : (
        <p class="soft">{lack}</p>
      )}
    </article>
  );
}

const promised = ({ takes, tells = [] }: Scenario): Kept[] =>
  [...takes, ...tells.map(textOf)].map((what) => ({ what, seq: null }));

function Promises({ kept, isOver }: { readonly kept: readonly Kept[]; readonly isOver: boolean }) {
  return (
    <ul class="lab-edges">
      {kept.map(({ what, seq }) => (
        <li key={what} class={!isOver ? '' : seq === null ? 'bad' : 'good'}>
          <span aria-hidden="true">{!isOver ? '○' : seq === null ? '✕' : '✓'}</span>{' '}
          <span class="hidden">{!isOver ? '' : seq === null ? 'not taken: ' : 'taken: '}</span>
          <code>{arrow(what)}</code>
          {seq === null ? null : <span class="soft"> seq {seq}</span>}
        </li>
      ))}
    </ul>
  );
}

/** `running overdue stopping` as an arrow; a fact that is no job's stays as it is. */
function arrow(what: string): string {
  const [from = '', fact = '', to] = what.split(' ');
  return to === undefined ? what : `${from} —${fact}→ ${to}`;
}

function Steps({
  scenario,
  progress,
}: {
  readonly scenario: Scenario;
  readonly progress: { readonly step: number };
}) {
  const { step } = progress;
  const says = scenario.steps[step]?.says ?? 'tidy up';
  return (
    <p class="lab-step">
      <progress max={scenario.steps.length + 1} value={step + 0.5} aria-label="Steps taken" /> {step + 1} of{' '}
      {scenario.steps.length + 1}: {says}
    </p>
  );
}

function Outcome({ model, verdict }: { readonly model: LabProps['model']; readonly verdict: Verdict }) {
  const { isAsPromised, instead, job, fromSeq } = verdict;
  return (
    <>
      <p class={isAsPromised ? 'tag good' : 'tag bad'}>
        {isAsPromised ? '✓ as promised, says the log' : `✕ not as promised: ${instead}`}
      </p>
      {job !== null ? (
        <button type="button" class="act" onClick={() => watch(model, job)}>
          ▶ Watch it
        </button>
      ) : fromSeq !== null ? (
        <button type="button" class="act" onClick={() => model.go({ view: 'audit', at: fromSeq })}>
          Show the fact
        </button>
      ) : null}
    </>
  );
}

/** Opens the job at its first fact, and plays. */
function watch(model: LabProps['model'], job: string): void {
  showJob(model, job);
  const play = document.querySelector<HTMLButtonElement>('[data-key=play]');
  if (play?.getAttribute('aria-pressed') !== 'true') play?.click();
}
