import { Empty, Panel, useModel, type ViewProps } from './ui.tsx';

export function JobsView({ model }: ViewProps) {
  useModel(model);
  const { moment } = model;
  return (
    <Panel title="jobs">
      <Empty>
        {moment.state.jobs.size} jobs at seq {moment.seq}
      </Empty>
    </Panel>
  );
}
