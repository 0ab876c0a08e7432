/** The frame around the views: banner, navigation, keys, and the slider. */
import type { FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type ViewName, viewNames } from './address.ts';
import { AuditView } from './audit.tsx';
import { Banner } from './banner.tsx';
import { Boundary } from './boundary.tsx';
import { ExplainView } from './explain.tsx';
import { FleetView } from './fleet.tsx';
import { JobView } from './job.tsx';
import { JobsView } from './jobs.tsx';
import { isFree, KeySwitch } from './keys.ts';
import { LabView } from './lab.tsx';
import type { Model } from './model.ts';
import { OpenFile, OpenNote } from './open-file.tsx';
import { Scrubber } from './scrubber.tsx';
import type { Shelf } from './shelf.ts';
import { SourceNote } from './source-note.tsx';
import { TenantsView } from './tenants.tsx';
import { Go, useModel, type ViewProps } from './ui.tsx';

const views: Readonly<Record<ViewName, FunctionComponent<ViewProps>>> = {
  fleet: FleetView,
  jobs: JobsView,
  job: JobView,
  explain: ExplainView,
  tenants: TenantsView,
  audit: AuditView,
  lab: LabView,
};

const titles: Readonly<Record<ViewName, string>> = {
  fleet: 'Fleet',
  jobs: 'Jobs',
  job: 'Job',
  explain: 'Explain',
  tenants: 'Tenants',
  audit: 'Audit',
  lab: 'Lab',
};

/** Without a server there is nothing to submit to; without a job there is none to show. */
const shown = (model: Model): readonly ViewName[] =>
  viewNames.filter(
    (name) => (name !== 'lab' || model.server !== null) && (name !== 'job' || model.address.job !== null),
  );

export function App({ model, shelf }: ViewProps & { readonly shelf: Shelf }) {
  useModel(model);
  const [isHelpOpen, setHelpOpen] = useState(false);
  const [areKeysOn, setKeysOn] = useState(keySwitch.isOn);
  useKeys(model, () => setHelpOpen((open) => !open));
  return (
    <>
      <button type="button" class="skip" onClick={skip}>
        Skip to content
      </button>
      <header class="top">
        <strong class="brand">Berth</strong>
        <nav aria-label="Views">
          {shown(model).map((view, i) => (
            <Go
              key={view}
              model={model}
              to={{ view, job: view === 'job' || view === 'explain' ? model.address.job : null }}
              class={view === model.address.view ? 'here' : ''}
              isHere={view === model.address.view}
              title={`${titles[view]} (${i + 1})`}
            >
              {titles[view]}
            </Go>
          ))}
        </nav>
        <Banner model={model} />
        <OpenFile shelf={shelf} />
        <button
          type="button"
          onClick={() => setHelpOpen(!isHelpOpen)}
          title="Keys (?)"
          aria-expanded={isHelpOpen}
        >
          ?
        </button>
      </header>
      {isHelpOpen ? (
        <Keys
          views={shown(model).length}
          isOn={areKeysOn}
          turn={(isOn) => {
            keySwitch.turn(isOn);
            setKeysOn(isOn);
          }}
        />
      ) : null}
      <main id="main" tabIndex={-1}>
        <h1 class="hidden">{titles[model.address.view]}</h1>
        <OpenNote shelf={shelf} />
        <SourceNote model={model} />
        {isUnread(model) ? null : <Framed model={model} />}
      </main>
      <Scrubber model={model} />
    </>
  );
}

/** The view; what can't be drawn leaves frame and slider standing. */
function Framed({ model }: ViewProps) {
  const { view } = model.address;
  const View = views[view];
  return (
    <Boundary key={view} what={titles[view]} seq={model.moment.seq}>
      <View model={model} />
    </Boundary>
  );
}

/** Nothing came, and nothing will: a view would take that for a controller on which nothing has happened. */
const isUnread = ({ source, records }: Model): boolean => source.kind === 'failed' && records.length === 0;

/** No link, as is usual: the hash is the address of what is shown, so the jump must not go there. */
const skip = (): void => document.getElementById('main')?.focus();

function useKeys(model: Model, toggleHelp: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const { target } = event;
      if (!keySwitch.isOn || event.ctrlKey || event.metaKey || event.altKey) return;
      const isIn = (selector: string): boolean =>
        target instanceof Element && target.closest(selector) !== null;
      if (!isFree(event.key, isIn)) return;
      const act = keyOf(model, toggleHelp, event.key);
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [model]);
}

function keyOf(model: Model, toggleHelp: () => void, key: string): (() => void) | undefined {
  const view = /^[1-9]$/.test(key) ? shown(model)[Number(key) - 1] : undefined;
  if (view) return () => model.go({ view, job: model.address.job });
  const acts: Readonly<Record<string, () => void>> = {
    ArrowRight: () => model.step(1),
    ArrowLeft: () => model.step(-1),
    n: () => model.nextFailure(),
    l: () => model.follow(),
    ' ': () => document.querySelector<HTMLButtonElement>('[data-key=play]')?.click(),
    '/': () => document.querySelector<HTMLInputElement>('[data-key=search]')?.focus(),
    '?': toggleHelp,
  };
  return acts[key];
}

const keySwitch = new KeySwitch(() => localStorage);

interface KeysProps {
  /** How many views are shown. */
  readonly views: number;
  readonly isOn: boolean;
  readonly turn: (isOn: boolean) => void;
}

const Keys = ({ views, isOn, turn }: KeysProps) => (
  <dl class="keys">
    <div>
      <dt>
        <label for="keys-on">keys</label>
      </dt>
      <dd>
        <input
          id="keys-on"
          type="checkbox"
          checked={isOn}
          onChange={(event) => turn(event.currentTarget.checked)}
        />{' '}
        {isOn ? 'on; switch them off if they get in your way' : 'off: the page takes none of these'}
      </dd>
    </div>
    {[
      [`1 … ${views}`, 'views, as they stand above'],
      ['← →', 'one fact back, one fact on; of the job alone while one is shown'],
      ['space', 'play and pause'],
      ['n', 'next failure'],
      ['l', 'follow the log'],
      ['/', 'search'],
      ['?', 'this help'],
    ].map(([key, what]) => (
      <div key={key}>
        <dt>
          <kbd>{key}</kbd>
        </dt>
        <dd>{what}</dd>
      </div>
    ))}
  </dl>
);
