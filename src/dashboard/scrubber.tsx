/** The one slider: moves every view through the log, fact by fact. */
import { useEffect, useState } from 'preact/hooks';
import { factsOf } from './slider-keys.ts';
import { clockTime, count, useModel, type ViewProps } from './ui.tsx';

const speeds = [1, 10, 100, 1_000] as const;
const frameMs = 50;

export function Scrubber({ model }: ViewProps) {
  useModel(model);
  const [speed, setSpeed] = useState(10);
  const [isPlaying, setPlaying] = useState(false);
  const { moment, headSeq, beginSeq } = model;
  const isConnected = model.source.kind === 'live';
  useEffect(() => {
    if (!isPlaying) return;
    const timer = setInterval(
      () => {
        const goesOn = model.travel(Math.max(1, Math.round((speed * frameMs) / 1_000)));
        if (!goesOn) setPlaying(false);
      },
      frameMs * Math.max(1, 20 / speed),
    );
    return () => clearInterval(timer);
  }, [isPlaying, speed, model]);
  const record = model.records.length > 0 ? model.recordAt(moment.seq) : undefined;
  return (
    <section class="scrubber" aria-label="Time travel">
      <button
        type="button"
        onClick={() => model.step(-1)}
        title="One fact back (←)"
        aria-label="One fact back"
      >
        ◀
      </button>
      <button
        type="button"
        onClick={() => setPlaying(!isPlaying)}
        title="Play and pause (space)"
        data-key="play"
        aria-pressed={isPlaying}
      >
        {isPlaying ? 'Pause' : 'Play'}
      </button>
      <button type="button" onClick={() => model.step(1)} title="One fact on (→)" aria-label="One fact on">
        ▶
      </button>
      <button type="button" onClick={() => model.nextFailure()} title="Next failure (n)">
        Next failure
      </button>
      <label>
        <span class="hidden">Speed, facts a second</span>
        <select value={speed} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>
          {speeds.map((each) => (
            <option key={each} value={each}>
              {count(each)}/s
            </option>
          ))}
        </select>
      </label>
      <input
        type="range"
        min={beginSeq}
        max={headSeq}
        value={moment.seq}
        step={1}
        aria-label="Seq that is looked at"
        aria-valuetext={`seq ${moment.seq} of ${headSeq}`}
        onKeyDown={(event) => {
          const by = factsOf(event.key, model.records.length);
          if (by === 0) return;
          event.preventDefault();
          model.travel(by);
        }}
        onInput={(event) => model.lookAt(Number(event.currentTarget.value))}
      />
      {/* What changes by itself, many times a second, is not read aloud. */}
      <output aria-live={isPlaying || model.isFollowing ? 'off' : 'polite'}>
        seq {count(moment.seq)} of {count(headSeq)}
        {record ? ` · ${clockTime(record.at)} · ${record.type}` : ''}
      </output>
      {model.source.kind === 'file' ? null : (
        <button
          type="button"
          class={model.isFollowing && isConnected ? 'live on' : 'live'}
          onClick={() => model.follow()}
          title="Follow the log (l)"
          aria-pressed={model.isFollowing}
        >
          {model.isFollowing ? (isConnected ? '● Live' : '○ Not live') : 'Back to live'}
        </button>
      )}
    </section>
  );
}
