import { Empty, Panel, useModel, type ViewProps } from './ui.tsx';

export function TenantsView({ model }: ViewProps) {
  useModel(model);
  const { moment } = model;
  return (
    <Panel title="tenants">
      <Empty>
        {moment.state.jobs.size} jobs at seq {moment.seq}
      </Empty>
    </Panel>
  );
}
