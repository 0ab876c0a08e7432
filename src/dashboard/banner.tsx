/** What kind of controller this is, always in sight: nobody should take a demo for production. */
import { connection, standing } from './standing.ts';
import { useModel, type ViewProps } from './ui.tsx';

export function Banner({ model }: ViewProps) {
  useModel(model);
  const { source, about } = model;
  const link = connection(source);
  return (
    <ul class="banner" aria-label="About this controller">
      <li class={link.isWarning ? 'badge warn' : 'badge'} title={link.title}>
        <span role={link.isWarning ? 'status' : undefined}>
          <span aria-hidden="true">{source.kind === 'live' ? '● ' : link.isWarning ? '⚠ ' : ''}</span>
          {link.text}
        </span>
      </li>
      {standing(model.moment.state, about).map(({ text, title, isWarning }) => (
        <li key={text} class={isWarning ? 'badge warn' : 'badge'} title={title}>
          {text}
        </li>
      ))}
      {model.signOut ? (
        <li>
          <button type="button" onClick={model.signOut} title="Forgets the keys of this page">
            Sign out {model.server?.name}
          </button>
        </li>
      ) : null}
    </ul>
  );
}
