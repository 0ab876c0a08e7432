/** What kind of controller this is, always in sight: nobody should take a demo for production. */
import { useModel, type ViewProps } from './ui.tsx';

export function Banner({ model }: ViewProps) {
  useModel(model);
  const { source, about } = model;
  return (
    <p class="banner">
      {about ? <span class="badge">{about.durability}</span> : null}
      {about?.enforcement.map((each) => (
        <span key={each} class="badge">
          slots {each}
        </span>
      ))}
      {about?.demo ? <span class="badge warn">demo keys</span> : null}
      {source.kind === 'reconnecting' ? (
        <span class="badge warn" role="status">
          reconnecting: {source.reason}
        </span>
      ) : null}
      {source.kind === 'file' ? <span class="badge">recorded: {source.name}</span> : null}
    </p>
  );
}
