/** What hangs on a job and is not all in the log: what its guest said, what it left, and what attestation found. */
import { useState } from 'preact/hooks';
import type { Job } from '../jobs/state.ts';
import { useAsked } from './asked.tsx';
import { isOfFormerLife } from './before-begin.ts';
import { beginningOf, previewBytesMax, previewOf } from './bytes-preview.ts';
import { Copy } from './copy.tsx';
import type { Model } from './model.ts';
import { byteCount } from './quantities.ts';
import { Scroll } from './scroll.tsx';
import { Problem, type Server } from './server.ts';
import { Empty, Failure, Loading, Panel } from './ui.tsx';

export interface PartProps {
  readonly model: Model;
  /** As it was at the moment. */
  readonly job: Job;
  /** As it is at the end of the log. */
  readonly newest: Job;
}

const isOver = ({ times }: Job['context']): boolean => times.endedAtMs !== null;

export function Logs({ model, newest: { state, context } }: PartProps) {
  const [round, setRound] = useState(0);
  const { server, headSeq } = model;
  const { id, attempt, fence } = context;
  // A former life's logs are gone with it, so nobody is asked.
  const isGone = isOfFormerLife(model, fence);
  const question = server && attempt > 0 && !isGone ? `${id} ${attempt} ${state} ${round}` : null;
  const asked = useAsked(question, () => textOf(server!, `/v1/jobs/${id}/logs`));
  if (!server)
    return (
      <Panel title="Logs">
        <Empty>What a guest writes to stderr is no fact, so a recorded log does not hold it.</Empty>
      </Panel>
    );
  const isLooking = asked?.kind === 'asking';
  return (
    <Panel
      title="Logs"
      aside={
        question === null ? undefined : (
          <button type="button" onClick={() => setRound(round + 1)} disabled={isLooking}>
            Look again
          </button>
        )
      }
    >
      {attempt === 0 ? <Empty>No guest has run, so nobody has written anything.</Empty> : null}
      {attempt > 0 && isGone ? <LogText text={null} headSeq={headSeq} /> : null}
      {isLooking ? <Loading what="Asking for the logs" /> : null}
      {asked?.kind === 'failed' ? <Failure reason={asked.reason} next={asked.next} /> : null}
      {asked?.kind === 'told' ? <LogText text={asked.answer} headSeq={headSeq} /> : null}
    </Panel>
  );
}

function LogText({ text, headSeq }: { readonly text: string | null; readonly headSeq: number }) {
  if (text === null)
    return (
      <Empty>They are gone: logs live in memory, of the last attempts, until the controller restarts.</Empty>
    );
  return (
    <>
      {text === '' ? (
        <Empty>The guest has written nothing to stderr.</Empty>
      ) : (
        <Scroll class="out" label="What the guest wrote">
          <pre>{text}</pre>
        </Scroll>
      )}
      <p class="soft small">
        stderr of the last attempt, its last 64 KiB, as it is now (seq {headSeq}), wherever the slider stands.
      </p>
    </>
  );
}

/** A text body; null when there is none (any more). */
async function textOf(server: Server, path: string): Promise<string | null> {
  const response = await server.ask(path);
  if (response.ok) return response.text();
  if (response.status === 404) return null;
  throw new Problem(response.status, (await response.json().catch(() => ({}))) as object);
}

export function Result({ model, job, newest }: PartProps) {
  const { server } = model;
  const { id, gone } = job.context;
  const result = job.state === 'succeeded' && gone?.how === 'exited' ? gone.result : null;
  const asked = useAsked(server && result && newest.state === 'succeeded' ? id : null, async () => {
    const response = await server!.ask(`/v1/jobs/${id}/result`);
    if (!response.ok || !response.body)
      throw new Problem(response.status, (await response.json().catch(() => ({}))) as object);
    const body = response.body as unknown as AsyncIterable<Uint8Array>;
    const { bytes, isWhole } = await beginningOf(body, previewBytesMax);
    return { ...previewOf(bytes, isWhole), isWhole };
  });
  if (!result)
    return (
      <Panel title="Result">
        <Empty>
          {isOver(job.context)
            ? `It ended as ${job.state}, and only a job that succeeded leaves a result.`
            : `None yet at seq ${model.moment.seq}: the job is ${job.state}.`}
        </Empty>
      </Panel>
    );
  return (
    <Panel
      title="Result"
      aside={server ? <Download server={server} id={id} /> : <span>{byteCount(result.bytes)}</span>}
    >
      {asked?.kind === 'asking' ? <Loading what="Fetching the result" /> : null}
      {asked?.kind === 'failed' ? <Failure reason={asked.reason} next={asked.next} /> : null}
      {asked?.kind === 'told' ? (
        asked.answer.text === '' ? (
          <Empty>The guest wrote nothing to stdout: the result is empty.</Empty>
        ) : (
          <Scroll class="out" label="What the guest wrote">
            <pre>{asked.answer.text}</pre>
          </Scroll>
        )
      ) : null}
      {server ? null : (
        <Empty>
          The log holds only its digest; the bytes are in the controller's store: berth job result {id}
        </Empty>
      )}
      <p class="soft small">
        {byteCount(result.bytes)} of stdout
        {asked?.kind === 'told' && !asked.answer.isWhole
          ? `, of which the first ${byteCount(previewBytesMax)} were fetched`
          : ''}
        {asked?.kind === 'told' && asked.answer.kind === 'hex'
          ? '; no text, so its beginning is shown as hex'
          : ''}
        . sha256 <code>{result.sha256}</code> <Copy text={result.sha256} what="the digest" />
      </p>
    </Panel>
  );
}

function Download({ server, id }: { readonly server: Server; readonly id: string }) {
  const [failure, setFailure] = useState<string | null>(null);
  const save = async (): Promise<void> => {
    const response = await server.ask(`/v1/jobs/${id}/result`);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const address = URL.createObjectURL(await response.blob());
    const link = document.createElement('a');
    link.href = address;
    link.download = `${id}.result`;
    link.click();
    URL.revokeObjectURL(address);
  };
  return (
    <>
      {failure ? <span role="alert">{failure}</span> : null}
      <button
        type="button"
        onClick={() => {
          setFailure(null);
          save().catch((error: Error) => setFailure(error.message));
        }}
      >
        Download
      </button>
    </>
  );
}
