/** What a scenario left changed because its page was closed in the middle: said, and put back at a press. */
import { useState } from 'preact/hooks';
import { changeWords, putBack, stillOpen, type UndoList } from './lab-undo.ts';
import type { Model } from './model.ts';
import type { Server } from './server.ts';
import { Failure, Panel } from './ui.tsx';

export function LabLeft({
  model,
  server,
  list,
}: {
  readonly model: Model;
  readonly server: Server;
  readonly list: UndoList;
}) {
  const [isBusy, setBusy] = useState(false);
  const [refused, setRefused] = useState<readonly string[]>([]);
  const open = stillOpen(list.changes, model.moment.state);
  if (open.length === 0) return null;
  const undo = async (): Promise<void> => {
    setBusy(true);
    const said: string[] = [];
    for (const change of open.toReversed())
      await putBack(change, server).catch((error: Error) =>
        said.push(`${changeWords(change)}: ${error.message}`),
      );
    setRefused(said);
    setBusy(false);
  };
  return (
    <Panel title="Left behind by the Lab">
      <p>A failure was being played when this page was closed, so this was not put back:</p>
      <ul>
        {open.map((change) => (
          <li key={changeWords(change)}>{changeWords(change)}</li>
        ))}
      </ul>
      <button type="button" class="act" onClick={() => void undo()} disabled={isBusy}>
        {isBusy ? 'Working …' : 'Put it back'}
      </button>
      {refused.map((each) => (
        <Failure key={each} reason={`Not put back: ${each}`} next="Put it back by hand, or try again." />
      ))}
    </Panel>
  );
}
