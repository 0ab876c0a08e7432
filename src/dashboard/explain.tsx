import { Empty, Panel, useModel, type ViewProps } from './ui.tsx';

export function ExplainView({ model }: ViewProps) {
  useModel(model);
  const { moment } = model;
  return (
    <Panel title="explain">
      <Empty>
        {moment.state.jobs.size} jobs at seq {moment.seq}
      </Empty>
    </Panel>
  );
}
