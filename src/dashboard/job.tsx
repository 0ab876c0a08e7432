import { Empty, Panel, useModel, type ViewProps } from './ui.tsx';

export function JobView({ model }: ViewProps) {
  useModel(model);
  const { moment } = model;
  return (
    <Panel title="job">
      <Empty>
        {moment.state.jobs.size} jobs at seq {moment.seq}
      </Empty>
    </Panel>
  );
}
