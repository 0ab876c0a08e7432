/** The Lab: send a job from the page, and see each named failure happen. */
import { useEffect, useState } from 'preact/hooks';
import { LabCards } from './lab-cards.tsx';
import { LabDesk } from './lab-desk.ts';
import { LabForm } from './lab-form.tsx';
import { LabLeft } from './lab-left.tsx';
import { type Draft, newDraft, withGuest } from './lab-request.ts';
import { UndoList } from './lab-undo.ts';
import type { Model } from './model.ts';
import { count } from './quantities.ts';
import type { Server } from './server.ts';
import { Empty, Panel, useModel, type ViewProps } from './ui.tsx';

/** What lasts while other views are looked at: the form, its files, and the verdicts. */
export interface LabState {
  readonly draft: Draft;
  readonly moduleFile: File | null;
  readonly inputFile: File | null;
}

export interface LabProps {
  readonly model: Model;
  readonly server: Server;
  readonly desk: LabDesk<LabState>;
  /** What is not put back yet. */
  readonly undo: UndoList;
  /** Who may be acted as; the operator submits no jobs. */
  readonly tenants: readonly string[];
}

const desks = new WeakMap<Model, LabDesk<LabState>>();

function deskOf(model: Model, tenant: string): LabDesk<LabState> {
  const known = desks.get(model);
  if (known) return known;
  const desk = new LabDesk<LabState>({
    draft: withGuest(newDraft(tenant), 'hello'),
    moduleFile: null,
    inputFile: null,
  });
  desks.set(model, desk);
  desk.onChange(() => (desk.isRunning ? addEventListener : removeEventListener)('beforeunload', warn));
  return desk;
}

/** Closed in the middle, a scenario leaves what it changed: the browser asks first. */
const warn = (event: Event): void => event.preventDefault();

/** Hash of the first record; the controller knows it where this page does not. */
const logOf = ({ about, records: [first] }: Model): string =>
  (first?.seq === 1 ? first.hash : about?.log) ?? '';

const undoLists = new WeakMap<Model, UndoList>();

function undoListOf(model: Model): UndoList {
  let list = undoLists.get(model);
  if (!list) {
    list = new UndoList(
      () => sessionStorage,
      () => logOf(model),
    );
    undoLists.set(model, list);
  }
  return list;
}

export function LabView({ model }: ViewProps) {
  useModel(model);
  const { server } = model;
  if (!server)
    return (
      <Panel title="Lab">
        <Empty>This log is recorded: there is no server to send a job to. Start one: npm start</Empty>
      </Panel>
    );
  const tenants = server.names.filter((name) => name !== 'admin');
  if (tenants.length === 0)
    return (
      <Panel title="Lab">
        <Empty>
          This page has the operator’s key alone, and the operator submits no jobs. Open the page with a
          tenant’s key.
        </Empty>
      </Panel>
    );
  if (!model.isFollowing) return <Past model={model} />;
  if (model.records.length === 0)
    return (
      <Panel title="Lab">
        <Empty>The log is being read.</Empty>
      </Panel>
    );
  return (
    <Live
      model={model}
      server={server}
      desk={deskOf(model, tenants[0]!)}
      undo={undoListOf(model)}
      tenants={tenants}
    />
  );
}

/** The past can be looked at, and not acted on. */
const Past = ({ model }: ViewProps) => (
  <Panel title="Lab">
    <p class="empty">
      You look at seq {count(model.moment.seq)} of {count(model.headSeq)}. Jobs are sent to the present.
    </p>
    <button type="button" class="act" onClick={() => model.follow()}>
      Back to live
    </button>
  </Panel>
);

function Live(props: LabProps) {
  const { desk, model, server, undo } = props;
  const [, draw] = useState(0);
  useEffect(() => desk.onChange(() => draw((n) => n + 1)), [desk]);
  return (
    <div class="lab">
      <div class="lab-side">
        {desk.isRunning ? null : <LabLeft model={model} server={server} list={undo} />}
        <LabForm {...props} />
        <Policy model={model} />
      </div>
      <LabCards {...props} />
    </div>
  );
}

const policyWords: Readonly<Record<string, string>> = {
  fifo: 'First come, first served among the jobs that could start now. A job that has no room is overtaken by smaller ones.',
  'round-robin':
    'Each tenant has its turn, by weight, however many jobs it has waiting. Within a tenant the order is that of arrival.',
};

function Policy({ model }: ViewProps) {
  const { configured } = model.moment.state.controller;
  const name = configured?.policy.split('/')[0] ?? '';
  return (
    <Panel title="Policy: who is next">
      {configured ? (
        <p>
          <strong>{configured.policy}</strong> is in force. {policyWords[name] ?? ''}
        </p>
      ) : (
        <Empty>No policy is in force yet.</Empty>
      )}
      <p class="soft">
        A running controller keeps its policy. For another one, start it anew:{' '}
        <code>berth serve --policy {name === 'fifo' ? 'round-robin' : 'fifo'}</code>; waiting jobs stay.
      </p>
    </Panel>
  );
}
