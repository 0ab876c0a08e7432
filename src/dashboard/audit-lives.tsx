/** What the log says of itself: the state hashes it recorded, and the lives of its controller. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { type HashPoint, type HashVerdict, hashVerdict, type LifeSpan } from './audit-check.ts';
import type { Model } from './model.ts';
import { byteCount, clockTime, count } from './quantities.ts';
import { Scroll } from './scroll.tsx';
import { Empty, Go, Panel } from './ui.tsx';

const verdicts: Readonly<Record<HashVerdict, readonly [tone: string, text: string]>> = {
  same: ['good', '✓ the same'],
  differs: ['bad', '✕ differs, though the same folds made it'],
  other: ['off', '◌ differs; other folds made it, so it may'],
};

export function HashesPanel({
  model,
  points,
}: {
  readonly model: Model;
  readonly points: readonly HashPoint[];
}) {
  const computed = useRef(new Map<number, string | null>());
  const [queue, setQueue] = useState<readonly HashPoint[]>([]);
  const [here, setHere] = useState<{ readonly seq: number; readonly hash: string } | null>(null);
  useEffect(() => {
    const [point, ...rest] = queue;
    if (!point) return;
    // One between two pictures: with many jobs each takes a while.
    const timer = setTimeout(() => {
      computed.current.set(point.seq, model.stateHashAt(point.ofSeq));
      setQueue(rest);
    });
    return () => clearTimeout(timer);
  }, [queue]);
  const open = points.filter(({ seq, ofSeq }) => !computed.current.has(seq) && ofSeq >= model.beginSeq);
  const { seq } = model.moment;
  return (
    <Panel
      title="State hashes"
      aside={
        <>
          <button type="button" onClick={() => setHere({ seq, hash: model.stateHash() })}>
            Hash the state at seq {count(seq)}
          </button>
          {open.length > 0 ? (
            <button type="button" class="primary" disabled={queue.length > 0} onClick={() => setQueue(open)}>
              {queue.length > 0 ? `${count(queue.length)} to go` : `Compute all ${count(open.length)}`}
            </button>
          ) : null}
        </>
      }
    >
      <p class="soft">
        At each start and each checkpoint the controller wrote down the hash of all it held. Computed here
        from the facts alone, it must come out the same.
      </p>
      {here ? (
        <p role="status">
          State after seq {count(here.seq)}: <code class="hash">{here.hash}</code>
        </p>
      ) : null}
      {points.length === 0 ? (
        <Empty>No start and no checkpoint is in this part of the log.</Empty>
      ) : (
        <Scroll label="Recorded state hashes" class="audit-list">
          <table>
            <thead>
              <tr>
                <th class="n">seq</th>
                <th>recorded at</th>
                <th class="n">state after</th>
                <th>recorded</th>
                <th>computed here</th>
              </tr>
            </thead>
            <tbody>
              {points.map((point) => (
                <tr key={point.seq}>
                  <td class="n">
                    <Go model={model} to={{ at: point.ofSeq }}>
                      {count(point.seq)}
                    </Go>
                  </td>
                  <td>{point.what}</td>
                  <td class="n">{count(point.ofSeq)}</td>
                  <td>
                    <code title={point.recorded}>{point.recorded.slice(0, 16)}…</code>
                  </td>
                  <td>
                    <Computed
                      point={point}
                      isHere={point.ofSeq >= model.beginSeq}
                      hash={computed.current.get(point.seq)}
                      compute={() => setQueue([...queue, point])}
                    />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

function Computed({
  point,
  isHere,
  hash,
  compute,
}: {
  readonly point: HashPoint;
  readonly isHere: boolean;
  readonly hash: string | null | undefined;
  readonly compute: () => void;
}) {
  if (!isHere) return <span class="soft">before the beginning of this page</span>;
  if (hash === null) return <span class="tag bad">✕ the log can't be folded up to there</span>;
  if (hash === undefined)
    return (
      <button type="button" onClick={compute} aria-label={`Compute the hash of seq ${point.ofSeq}`}>
        compute
      </button>
    );
  const [tone, text] = verdicts[hashVerdict(point, hash)];
  return (
    <>
      <span class={`tag ${tone}`}>{text}</span>{' '}
      {hash === point.recorded ? null : <code title={hash}>{hash.slice(0, 16)}…</code>}
    </>
  );
}

export function LivesPanel({ model, lives }: { readonly model: Model; readonly lives: readonly LifeSpan[] }) {
  return (
    <Panel title="Lives" aside={`${count(lives.length)} ${lives.length === 1 ? 'start' : 'starts'}`}>
      {lives.length === 0 ? (
        <Empty>No start of a controller is in this part of the log.</Empty>
      ) : (
        <Scroll label="Lives of the controller" class="audit-list">
          <table>
            <thead>
              <tr>
                <th class="n">epoch</th>
                <th class="n">from seq</th>
                <th>began (UTC)</th>
                <th class="n">facts</th>
                <th>judged by</th>
                <th>ended</th>
                <th>cut at its start</th>
              </tr>
            </thead>
            <tbody>
              {lives.toReversed().map((life) => (
                <Life key={life.startSeq} model={model} life={life} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Panel>
  );
}

function Life({ model, life }: { readonly model: Model; readonly life: LifeSpan }) {
  const { configured, cut, endSeq, isStopped } = life;
  const machines = Object.entries(configured?.machines ?? {});
  return (
    <tr>
      <td class="n">{life.epoch}</td>
      <td class="n">
        <Go model={model} to={{ at: life.startSeq }}>
          {count(life.startSeq)}
        </Go>
      </td>
      <td>{clockTime(life.startAtMs)}</td>
      <td class="n">{count(life.facts)}</td>
      <td title={machines.map(([name, version]) => `${name} ${version}`).join(', ')}>
        {configured ? (
          <>
            v{configured.version} · {configured.policy} · {configured.placement}
            <span class="soft">
              {machines.length > 0 ? ` · ${machines.map(([, version]) => version).join(' ')}` : ''}
            </span>
          </>
        ) : (
          <span class="soft">it did not come to say</span>
        )}
      </td>
      <td>
        {isStopped ? (
          <span class="tag good">✓ in order</span>
        ) : endSeq === null ? (
          <span class="tag run">▶ the last one here</span>
        ) : (
          <span class="tag bad">✕ without a stop: a crash or a kill</span>
        )}
      </td>
      <td>
        {cut ? (
          <span class="tag bad">
            ✕ {byteCount(cut.bytes)}
            {cut.fromSeq === null ? '' : ` from seq ${count(cut.fromSeq)}`}
            {cut.lostIds > 0 ? `, ${count(cut.lostIds)} facts lost` : ''}
          </span>
        ) : (
          'nothing'
        )}
      </td>
    </tr>
  );
}
