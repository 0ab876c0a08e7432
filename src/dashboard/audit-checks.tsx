/** The two checks that read every record: the chain, and the decisions. Both in slices, so that the page goes on drawing. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { replayFrom } from '../checkpointing.ts';
import { type Divergence, fromTheBeginning, type Said } from '../log/replay.ts';
import { ChainCheck, DecisionCheck } from './audit-check.ts';
import { type Check, sliceOf } from './audit-slice.ts';
import type { Model } from './model.ts';
import { count } from './quantities.ts';
import { Failure, Go, Panel, type ViewProps } from './ui.tsx';

/** Runs a check to its end, a slice between two pictures. `go` begins or goes on. */
function useCheck<T extends Check>(make: () => T) {
  const check = useRef<T | null>(null);
  const [isRunning, setRunning] = useState(false);
  const [broke, setBroke] = useState<string | null>(null);
  const [, draw] = useState(0);
  useEffect(() => {
    if (!isRunning) return;
    let timer: ReturnType<typeof setTimeout>;
    const slice = (): void => {
      const { hasMore, broke: why } = sliceOf(check.current!, () => performance.now());
      draw((n) => n + 1);
      setBroke(why);
      if (hasMore) timer = setTimeout(slice);
      else setRunning(false);
    };
    timer = setTimeout(slice);
    return () => clearTimeout(timer);
  }, [isRunning]);
  return {
    check: check.current,
    isRunning,
    broke,
    stop: () => setRunning(false),
    go: () => {
      check.current ??= make();
      setRunning(true);
    },
  };
}

function Controls({
  model,
  state,
  what,
}: {
  readonly model: Model;
  readonly state: {
    readonly check: Check | null;
    readonly isRunning: boolean;
    readonly broke: string | null;
    go(): void;
    stop(): void;
  };
  readonly what: string;
}) {
  const { check, isRunning, broke } = state;
  const total = model.records.length;
  const left = total - (check?.progress.done ?? 0);
  if (broke !== null)
    return (
      <Failure
        reason={`✕ The check itself broke after seq ${count(check?.progress.seq ?? 0)}: ${broke}.`}
        next="The record behind it can't be read as a fact: verify the log with berth log verify, which reads its bytes."
      />
    );
  if (isRunning)
    return (
      <p class="check-line">
        <button type="button" onClick={state.stop}>
          Pause
        </button>
        <label>
          {count(check?.progress.done ?? 0)} of {count(total)}{' '}
          <progress max={total} value={check?.progress.done ?? 0} />
        </label>
      </p>
    );
  if (check && left === 0) return null;
  return (
    <p class="check-line">
      <button type="button" class="primary" onClick={state.go}>
        {check ? `Go on with ${count(left)} more` : `${what} ${count(total)} records`}
      </button>
    </p>
  );
}

/** Links, hashes, versions and epochs. */
export function ChainPanel({ model }: ViewProps) {
  const state = useCheck(() => new ChainCheck(model.records, model.sha256));
  const { check, isRunning, broke } = state;
  return (
    <Panel title="Chain">
      <p class="soft">
        Each record holds the hash of the one before. Every hash is made again here, from what the record
        says.
      </p>
      {check?.fault ? (
        <div class="verdict bad" role="alert">
          <p>
            <strong>✕ Broken at seq {count(check.fault.seq)}:</strong> {check.fault.reason}.
          </p>
          <p class="soft">
            {count(check.progress.done)} records before it are unbroken. Restore the log from a copy, and keep
            this one:{' '}
            <Go model={model} to={{ at: check.progress.seq }}>
              the state before it
            </Go>
          </p>
        </div>
      ) : (
        <Controls model={model} state={state} what="Check the chain of" />
      )}
      {check && !check.fault && !isRunning && broke === null && check.progress.done > 0 ? (
        <div class="verdict good" role="status">
          <p>
            <strong>✓ {count(check.progress.done)} records, unbroken</strong>, seq {count(model.beginSeq + 1)}{' '}
            to {count(check.progress.seq)}.
          </p>
          <p>
            Head hash <code class="hash">{check.headHash}</code>
          </p>
          {model.beginSeq > 0 ? (
            <p class="soft">
              What lies before seq {count(model.beginSeq + 1)} is not in this page, and not checked here.
            </p>
          ) : null}
        </div>
      ) : null}
    </Panel>
  );
}

/** Every decision made again by who made it. */
export function DecisionsPanel({ model }: ViewProps) {
  const state = useCheck(() => {
    const { beginning } = model;
    const from = beginning
      ? replayFrom({ base: { seq: beginning.seq }, folds: beginning.folds })
      : fromTheBeginning();
    return new DecisionCheck(model.records, from);
  });
  const { check, isRunning, broke } = state;
  return (
    <Panel title="Decisions">
      <p class="soft">
        Scheduler, slot manager and writer are asked again, each with just what it had read then. The answer
        must be the recorded fact.
      </p>
      {check?.divergence ? (
        <Diverges model={model} found={check.divergence} />
      ) : (
        <Controls model={model} state={state} what="Decide again in" />
      )}
      {check && !check.divergence && !isRunning && broke === null && check.progress.done > 0 ? (
        <div class="verdict good" role="status">
          <p>
            <strong>✓ Every decision follows</strong>: {count(check.counts.decisions)} decisions and{' '}
            {count(check.counts.inputs)} inputs, up to seq {count(check.progress.seq)}.
          </p>
        </div>
      ) : null}
    </Panel>
  );
}

function Diverges({ model, found }: { readonly model: Model; readonly found: Divergence }) {
  const { differs, expected, life, reason, seq } = found;
  return (
    <div class="verdict bad">
      <Failure reason={`✕ Seq ${count(seq)} does not follow: ${reason}.`} />
      <table>
        <tbody>
          <Told what="recorded" said={found.found} differs={differs} />
          {expected ? <Told what="would be" said={expected} differs={differs} /> : null}
        </tbody>
      </table>
      <p class="soft">
        Written by life {life.epoch}
        {life.version === null
          ? ''
          : `, version ${life.version}, policy ${life.policy}, placement ${life.placement}`}
        . Other versions may decide otherwise; the same ones may not.{' '}
        <Go model={model} to={{ at: seq }}>
          Look at seq {count(seq)}
        </Go>
      </p>
    </div>
  );
}

const Told = ({
  what,
  said,
  differs,
}: {
  readonly what: string;
  readonly said: Said;
  readonly differs: readonly string[];
}) => (
  <tr>
    <th scope="row">{what}</th>
    <td>
      <code>{said.subject}</code>
      {differs.map((path) => (
        <div key={path}>
          {path}: <code>{JSON.stringify(memberOf(said, path))}</code>
        </div>
      ))}
    </td>
  </tr>
);

/** The member that a path like `data.slots` names. */
function memberOf(said: Said, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | null)?.[name], said);
}
