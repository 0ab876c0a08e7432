/**
 * The chart of a machine: the state that holds now lit, the way that led there drawn over all the ways there are.
 *
 * Why buttons lie over the picture: to a screen reader a picture is one thing with one text, so what can be pointed at in it
 * stands beside it. One stop for the tab key; ↑ and ↓ go from part to part. Shape: `chart-shape.ts`.
 */
import { useRef, useState } from 'preact/hooks';
import { type Box, type Chart as ChartData, type ChartEdge, lineText } from '../../machines/chart.ts';
import { headOf, wayOf } from '../../machines/svg.ts';
import type { MachineName } from '../../machines/words.ts';
import { edgeTexts, type Mark, placeOf, type Shape, shapeOf, stateText, type Walked } from './chart-shape.ts';

export interface ChartProps<W extends Walked> {
  readonly machine: MachineName;
  /** The state that is lit. */
  readonly state: string;
  /** The way that led there, oldest first. */
  readonly walked: readonly W[];
  /** An arrow was chosen; `steps` are those of `walked` that took it, oldest first. */
  readonly onEdge?: (edge: ChartEdge, steps: readonly W[]) => void;
}

/** A part that is pointed at: a state by name, an arrow by its place. */
type Part = string | number;

export function Chart<W extends Walked>({ machine, state, walked, onEdge }: ChartProps<W>) {
  const shape = shapeOf(machine, state, walked);
  const { chart, marks } = shape;
  const [pointed, point] = useState<Part | null>(null);
  const parts = partsOf(chart);
  return (
    <figure class="chart">
      <div class="chart-box" style={{ maxWidth: `${chart.width}px` }}>
        <Picture shape={shape} state={state} pointed={pointed} />
        <Handles
          chart={chart}
          parts={parts}
          start={state}
          point={point}
          choose={(part) => {
            point(part);
            if (typeof part === 'number') onEdge?.(chart.edges[part]!, marks.get(part)?.steps ?? []);
          }}
        />
      </div>
      <figcaption>
        <Said shape={shape} part={pointed ?? state} />
        <Legend />
      </figcaption>
    </figure>
  );
}

function Picture<W extends Walked>({
  shape,
  state,
  pointed,
}: {
  readonly shape: Shape<W>;
  readonly state: string;
  readonly pointed: Part | null;
}) {
  const { chart, marks, visited, told } = shape;
  // What was walked is drawn last, so that nothing lies over it.
  const order = [...chart.edges.keys()].sort((a, b) => rank(marks.get(a)) - rank(marks.get(b)));
  return (
    <svg viewBox={`0 0 ${chart.width} ${chart.height}`} role="img" aria-label={told}>
      {order.map((at) => (
        <Way key={at} chart={chart} at={at} mark={marks.get(at)} isPointed={pointed === at} />
      ))}
      {order.map((at) => (
        <Label key={at} edge={chart.edges[at]!} mark={marks.get(at)} />
      ))}
      {chart.states.map(({ name, isEnd, box }) => (
        <g
          key={name}
          class={`state${name === state ? ' lit' : ''}${visited.has(name) ? ' visited' : ''}${pointed === name ? ' pointed' : ''}`}
        >
          <rect
            x={box.x}
            y={box.y}
            width={box.width}
            height={box.height}
            rx={isEnd ? box.height / 2 : 5}
            class={isEnd ? 'end' : ''}
          />
          <text x={box.x + box.width / 2} y={box.y + 20}>
            {name === state ? `▶ ${name}` : name}
          </text>
        </g>
      ))}
    </svg>
  );
}

const rank = (mark: Mark | undefined): number => (mark ? 1 : 0) + (mark?.isLast ? 1 : 0);

function classOf({ kind }: ChartEdge, mark: Mark | undefined): string {
  return `${kind}${mark ? ' walked' : ''}${mark?.isLast ? ' last' : ''}`;
}

function Way({
  chart,
  at,
  mark,
  isPointed,
}: {
  readonly chart: ChartData;
  /** Its place in `chart.edges`. */
  readonly at: number;
  readonly mark: Mark | undefined;
  readonly isPointed: boolean;
}) {
  const edge = chart.edges[at]!;
  const d = wayOf(edge.points);
  return (
    <g class={`way ${classOf(edge, mark)}${isPointed ? ' pointed' : ''}`}>
      <path d={d} class="line" />
      <path d={headOf(edge.points)} class="head" />
      {/* A line is too thin to be hit. */}
      <path d={d} class="reach">
        <title>{nameOf(chart, at)}</title>
      </path>
    </g>
  );
}

function Label({ edge, mark }: { readonly edge: ChartEdge; readonly mark: Mark | undefined }) {
  const { x, y, width, height } = placeOf(edge);
  const middle = x + width / 2;
  const times = mark && mark.steps.length > 1 ? `×${mark.steps.length}` : '';
  const sign = mark?.isLast ? `◆${times}` : times;
  return (
    <g class={`label ${classOf(edge, mark)}`}>
      {edge.label?.lines.map((line, i) => (
        <text key={line} x={middle} y={y + 12.5 + i * 15}>
          {lineText(edge, line)}
        </text>
      ))}
      {sign === '' ? null : (
        <g class="times">
          <rect
            x={middle - sign.length * 4 - 4}
            y={edge.label ? y + height - 1 : y + 1}
            width={sign.length * 8 + 8}
            height={15}
            rx={7.5}
          />
          <text x={middle} y={edge.label ? y + height + 10.5 : y + 12.5}>
            {sign}
          </text>
        </g>
      )}
    </g>
  );
}

/** States in their order, each followed by the arrows that leave it. */
const partsOf = ({ states, edges }: ChartData): readonly Part[] =>
  states.flatMap(({ name }) => [
    name,
    ...edges.flatMap((edge, at): readonly Part[] => (edge.from === name ? [at] : [])),
  ]);

function Handles({
  chart,
  parts,
  start,
  point,
  choose,
}: {
  readonly chart: ChartData;
  readonly parts: readonly Part[];
  /** Where the tab key arrives. */
  readonly start: Part;
  readonly point: (part: Part | null) => void;
  readonly choose: (part: Part) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [stop, setStop] = useState<Part | null>(null);
  const walk = (event: KeyboardEvent, at: number): void => {
    const goals: Readonly<Record<string, number>> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: parts.length - 1,
    };
    const goal = goals[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    box.current?.querySelectorAll('button')[Math.max(0, Math.min(goal, parts.length - 1))]?.focus();
  };
  return (
    <div
      class="handles"
      role="toolbar"
      aria-orientation="vertical"
      aria-label="States and arrows; ↑ and ↓ walk through them"
      ref={box}
    >
      {parts.map((part, at) => (
        <button
          key={part}
          type="button"
          class="handle"
          tabIndex={part === (stop ?? start) ? 0 : -1}
          aria-label={nameOf(chart, part)}
          style={placed(chart, boxOf(chart, part))}
          onFocus={() => {
            setStop(part);
            point(part);
          }}
          onBlur={() => point(null)}
          onMouseEnter={() => point(part)}
          onMouseLeave={() => point(null)}
          onClick={() => choose(part)}
          onKeyDown={(event) => walk(event, at)}
        />
      ))}
    </div>
  );
}

function nameOf({ machine, edges }: ChartData, part: Part): string {
  if (typeof part === 'string') return `${part}: ${stateText(machine, part)}`;
  const edge = edges[part]!;
  const texts = edgeTexts(machine, edge).map(
    ({ fact, by, sees }) => `${fact}, written by ${by}: ${sees.replaceAll('`', '')}`,
  );
  return `from ${edge.from} to ${edge.to}: ${texts.join('; ')}`;
}

const boxOf = ({ states, edges }: ChartData, part: Part): Box =>
  typeof part === 'number' ? placeOf(edges[part]!) : states.find(({ name }) => name === part)!.box;

/** In parts of the picture, so that it stays in place at every width. */
function placed({ width, height }: ChartData, box: Box): Record<string, string> {
  const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(3)}%`;
  return {
    left: percent(box.x, width),
    top: percent(box.y, height),
    width: percent(box.width, width),
    height: percent(box.height, height),
  };
}

function Said<W extends Walked>({ shape, part }: { readonly shape: Shape<W>; readonly part: Part }) {
  const { chart, marks } = shape;
  const { machine } = chart;
  if (typeof part === 'string')
    return (
      <p class="said">
        <strong>{part}</strong>: {stateText(machine, part)}
      </p>
    );
  const edge = chart.edges[part]!;
  const times = marks.get(part)?.steps.length ?? 0;
  return (
    <div class="said">
      <strong>
        {edge.from} → {edge.to}
      </strong>
      {edge.guard ? <code> [{edge.guard}]</code> : null}
      {times > 0 ? ` · walked ${times}×` : ' · not walked'}
      {edgeTexts(machine, edge).map(({ fact, by, sees }) => (
        <p key={fact}>
          <code>{fact}</code> by <Prose text={by} />: <Prose text={sees} />
        </p>
      ))}
    </div>
  );
}

/** What stands between backticks is code. */
const Prose = ({ text }: { readonly text: string }) => (
  <>{text.split('`').map((each, i) => (i % 2 === 1 ? <code key={each}>{each}</code> : each))}</>
);

const Legend = () => (
  <p class="legend">
    <span>▶ now</span>
    <span class="walked">━ walked</span>
    <span>◆ last step</span>
    <span>×n so often</span>
    <span class="off-way">! ╌ failure</span>
    <span>an arrow without a word: the fact has the name of its state</span>
  </p>
);
