/**
 * What the chart of a machine shows beside its coordinates: which arrows were walked, and the words for each part.
 *
 * Why apart from the drawing: what is marked and said can be tested without a browser. Test: `test/dashboard/chart.test.ts`.
 */
import { type Box, type Chart, type ChartEdge, factName } from '../../machines/chart.ts';
import { charts } from '../../machines/charts.ts';
import { type MachineName, rowWords, stateWords } from '../../machines/words.ts';

/** A fact that led from one state to another, or stayed. `fact` with or without its `job.`. */
export interface Walked {
  readonly from: string;
  readonly to: string;
  readonly fact: string;
}

/** How an arrow was walked. */
export interface Mark<W extends Walked = Walked> {
  readonly steps: readonly W[];
  /** Was it the last step of all? */
  readonly isLast: boolean;
}

export interface Shape<W extends Walked> {
  readonly chart: Chart;
  /** By place in `chart.edges`; arrows that were not walked have none. */
  readonly marks: ReadonlyMap<number, Mark<W>>;
  /** States that were entered or left. */
  readonly visited: ReadonlySet<string>;
  /** Now, and the whole way, for those who don't see the picture. */
  readonly told: string;
}

/** What is drawn of `machine` in `state` after the steps `walked`, oldest first. */
export function shapeOf<W extends Walked>(
  machine: MachineName,
  state: string,
  walked: readonly W[],
): Shape<W> {
  const chart = charts[machine];
  const steps = new Map<number, W[]>();
  const visited = new Set<string>([state]);
  let last = -1;
  for (const step of walked) {
    last = edgeAt(chart, step);
    if (last < 0) continue;
    const known = steps.get(last);
    if (known) known.push(step);
    else steps.set(last, [step]);
    visited.add(step.from).add(step.to);
  }
  const marks = new Map([...steps].map(([at, steps]) => [at, { steps, isLast: at === last }]));
  return { chart, marks, visited, told: toldOf(chart, state, marks) };
}

/** The arrow that a step takes; −1: the machine has none. */
function edgeAt({ machine, edges }: Chart, { from, to, fact }: Walked): number {
  const name = factName(machine, fact);
  return edges.findIndex((edge) => edge.from === from && edge.to === to && edge.facts.includes(name));
}

function toldOf({ machine, edges }: Chart, state: string, marks: ReadonlyMap<number, Mark>): string {
  const ways = [...marks].map(([at, { steps }]) => {
    const { from, to } = edges[at]!;
    const facts = [...new Set(steps.map(({ fact }) => factName(machine, fact)))].join(', ');
    return `${from} to ${to} by ${facts}${steps.length > 1 ? `, ${steps.length} times` : ''}`;
  });
  return `Machine of the ${machine}, now in ${state}. ${ways.length > 0 ? `Walked: ${ways.join('; ')}.` : 'Nothing walked yet.'}`;
}

/** `waits for the guest; watchdog: wallMs, then stopping`. */
export function stateText(machine: MachineName, state: string): string {
  const { waits, watchdog } = stateWords(machine, state);
  return watchdog ? `${waits}; watchdog: ${watchdog}` : waits;
}

export interface EdgeText {
  readonly fact: string;
  readonly by: string;
  readonly sees: string;
}

/** Each fact of an arrow: who writes it, and what is seen then. Code stands between backticks. */
export const edgeTexts = (machine: MachineName, { from, facts }: ChartEdge): readonly EdgeText[] =>
  facts.map((fact) => ({ fact, ...rowWords(machine, from, fact) }));

/** Side of the place where an arrow without a label is pointed at, units of the picture. */
const handle = 18;

/** Where an arrow is pointed at and its count stands: its label, or the middle of its longest stretch. */
export function placeOf({ label, points }: Pick<ChartEdge, 'label' | 'points'>): Box {
  if (label) return label.box;
  let best = { length: -1, x: 0, y: 0 };
  for (const [i, to] of points.entries()) {
    const from = points[i - 1];
    if (!from) continue;
    const length = Math.hypot(to.x - from.x, to.y - from.y);
    if (length > best.length) best = { length, x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  }
  return { x: best.x - handle / 2, y: best.y - handle / 2, width: handle, height: handle };
}
