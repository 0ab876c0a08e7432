import { Empty, Panel, useModel, type ViewProps } from './ui.tsx';

export function AuditView({ model }: ViewProps) {
  useModel(model);
  const { moment } = model;
  return (
    <Panel title="audit">
      <Empty>
        {moment.state.jobs.size} jobs at seq {moment.seq}
      </Empty>
    </Panel>
  );
}
