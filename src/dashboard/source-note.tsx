/** How the facts come, wherever that is not simply well: loading, broken off, failed, or a log that can't be folded further. */
import { count } from './quantities.ts';
import { Failure, Loading, useModel, type ViewProps } from './ui.tsx';

export function SourceNote({ model }: ViewProps) {
  useModel(model);
  const { source, halt } = model;
  return (
    <>
      {source.kind === 'loading' ? <Progress loaded={source.loaded} total={source.total} /> : null}
      {source.kind === 'reconnecting' ? (
        <p class="note" role="status">
          No connection: {source.reason}. What is shown ends at seq {count(model.headSeq)}; the page tries
          again by itself.
        </p>
      ) : null}
      {model.beginReason ? <p class="note">Not the whole log is here: {model.beginReason}.</p> : null}
      {model.seesAll ? null : (
        <p class="note">
          {model.server ? `As ${model.server.name} you see` : 'This log holds'} one tenant's jobs, and the
          facts of slots and controller. What depends on others the server tells for the present; of the past
          only the operator sees it.
        </p>
      )}
      {source.kind === 'failed' ? (
        <Failure reason={asSentence(source.reason)} next={asSentence(source.next)} />
      ) : null}
      {halt ? (
        <Failure
          reason={`This log can't be folded beyond seq ${count(halt.seq - 1)}: ${halt.reason}.`}
          next="Check it with: berth log verify"
        />
      ) : null}
    </>
  );
}

function Progress({ loaded, total }: { readonly loaded: number; readonly total: number | null }) {
  if (total === null) return <Loading what="Connecting" />;
  return (
    <p class="note" role="status">
      <label>
        Reading the log: {count(loaded)} of {count(total)} facts <progress max={total} value={loaded} />
      </label>
    </p>
  );
}

/** What a server says of a problem is half a sentence, to be read behind a colon. */
function asSentence(words: string): string {
  if (words === '') return '';
  return `${words[0]!.toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? '' : '.'}`;
}
