/** Whether the log can be believed, checked here and not taken from anyone's word. */
import { useRef } from 'preact/hooks';
import { isChained, LifeIndex } from './audit-check.ts';
import { ChainPanel, DecisionsPanel } from './audit-checks.tsx';
import { HeadPanel } from './audit-head.tsx';
import { HashesPanel, LivesPanel } from './audit-lives.tsx';
import { CommandLine } from './copy.tsx';
import { Empty, Panel, useModel, type ViewProps } from './ui.tsx';

export function AuditView({ model }: ViewProps) {
  useModel(model);
  const { records } = model;
  const index = useRef<{ readonly of: typeof records; readonly index: LifeIndex } | null>(null);
  const [first] = records;
  if (!first)
    return (
      <Panel title="Audit">
        <Empty>
          No fact is here yet. Once there are some, this page checks them: hashes, links, decisions.
        </Empty>
      </Panel>
    );
  if (!model.seesAll || !isChained(first)) return <TenantNote />;
  // Another log in its place, and all is read anew.
  if (index.current?.of !== records) index.current = { of: records, index: new LifeIndex(records) };
  const told = index.current.index.readOn();
  return (
    // A verdict is about the log that was here then: with another one, or an older copy, all begins anew.
    <div class="audit" key={model.logNumber}>
      <div class="audit-pair">
        <ChainPanel model={model} />
        <DecisionsPanel model={model} />
      </div>
      <HeadPanel model={model} />
      <HashesPanel model={model} points={told.points} />
      <LivesPanel model={model} lives={told.lives} />
      <Commands model={model} />
    </div>
  );
}

const TenantNote = () => (
  <Panel title="Audit">
    <Empty>
      A tenant gets its own facts only, without hashes, so the chain can't be checked from here. The operator
      can; and anyone may keep the signed head that <code>GET /v1/log/head</code> gives without a key, as a
      witness.
    </Empty>
  </Panel>
);

function Commands({ model }: ViewProps) {
  const isFile = model.source.kind === 'file';
  const path = isFile ? 'log.jsonl' : 'data';
  return (
    <Panel title="The same without this page">
      <CommandLine line={`npx berth log verify ${path}`} does="the chain, from the bytes on the disk" />
      <CommandLine
        line={`npx berth log replay ${path}`}
        does="every decision made again, every state hash compared"
      />
      <CommandLine
        line={`node --import tsx src/log/verify.ts ${path}`}
        does="the chain by one file that loads nothing else of Berth"
      />
    </Panel>
  );
}
