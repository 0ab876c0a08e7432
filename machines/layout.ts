/**
 * Lays a machine out: where each state stands, and which way each arrow takes. Run by `npm run build:charts` alone; the
 * library (elkjs) is large, and nobody who only looks at a picture needs it.
 *
 * Why every size is computed from the number of letters: a picture must come out the same on every machine, and fonts do not.
 * Test: `test/machines/charts.test.ts`.
 */
import ElkModule, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js';
import type { AnyStateMachine } from 'xstate';
import {
  type Box,
  type Chart,
  type ChartEdge,
  type ChartState,
  factName,
  lineText,
  type Point,
} from './chart.ts';
import { compileTable } from './compile.ts';
import { isGoodWay, kindOf, type MachineName } from './words.ts';

/** Width of a letter and height of a line of a label, in units of the picture: a fixed-width font of 12. */
const letter = 7.3;
const line = 15;
const stateHeight = 30;

const elkOptions = {
  'elk.algorithm': 'layered',
  'elk.direction': 'DOWN',
  'elk.edgeRouting': 'ORTHOGONAL',
  // The states of a machine stand in the order of a life: what leads back is drawn upwards.
  'elk.layered.cycleBreaking.strategy': 'MODEL_ORDER',
  'elk.layered.considerModelOrder.strategy': 'PREFER_NODES',
  'elk.layered.spacing.nodeNodeBetweenLayers': '16',
  'elk.layered.spacing.edgeNodeBetweenLayers': '11',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '9',
  'elk.spacing.nodeNode': '18',
  'elk.spacing.edgeNode': '12',
  'elk.spacing.edgeEdge': '12',
  'elk.spacing.edgeLabel': '3',
  'elk.edgeLabels.placement': 'CENTER',
  'elk.layered.nodePlacement.strategy': 'NETWORK_SIMPLEX',
  'elk.padding': '[top=12,left=12,bottom=12,right=12]',
  'elk.randomSeed': '1',
};

type Arrow = Pick<ChartEdge, 'from' | 'to' | 'guard' | 'kind' | 'facts'>;

/** The machine with coordinates, rounded so that equal machines give equal text. */
export async function layoutOf(machine: AnyStateMachine): Promise<Chart> {
  const name = machine.id as MachineName;
  const table = compileTable(machine);
  const arrows = arrowsOf(machine);
  const elk = new ElkModule.default();
  const graph: ElkNode = await elk.layout({
    id: name,
    layoutOptions: elkOptions,
    children: table.states.map((state) => nodeOf(state, table.initial)),
    edges: arrows.map((arrow, i) => edgeOf(arrow, linesOf(arrow, arrows), i)),
  });
  const states = table.states.map((state): ChartState => {
    const node = graph.children?.find(({ id }) => id === state);
    return { name: state, isEnd: table.eventsOf(state).length === 0, box: boxOf(node) };
  });
  const edges = arrows.map((arrow, i): ChartEdge => {
    const laid = graph.edges?.find(({ id }) => id === String(i));
    const lines = linesOf(arrow, arrows);
    return {
      ...arrow,
      points: pointsOf(laid),
      label: lines.length > 0 ? { lines, box: boxOf(laid?.labels?.[0]) } : null,
    };
  });
  const { width, height } = boxOf(graph);
  return { machine: name, initial: table.initial, width, height, states, edges };
}

/** One arrow for each pair of states, guard and kind, in the order of the machine's rows. */
export function arrowsOf(machine: AnyStateMachine): readonly Arrow[] {
  const name = machine.id as MachineName;
  const arrows = new Map<string, Arrow & { readonly facts: string[] }>();
  for (const { state, event, guard, target } of compileTable(machine).rows()) {
    const to = target ?? state;
    const fact = factName(name, event);
    const kind = kindOf(name, state, fact);
    const key = [state, to, guard, kind].join(' ');
    const arrow = arrows.get(key) ?? { from: state, to, guard, kind, facts: [] };
    arrow.facts.push(fact);
    arrows.set(key, arrow);
  }
  return [...arrows.values()];
}

/**
 * The label; an arrow off the good way whose only fact is named as the state it leads to needs none. A guard is written where it
 * decides between two arrows of one fact; elsewhere it only says when a fact is refused.
 */
function linesOf({ from, to, guard, facts }: Arrow, arrows: readonly Arrow[]): string[] {
  const [fact = ''] = facts;
  if (facts.length === 1 && fact === to && !isGoodWay(from, fact)) return [];
  const isFork = arrows.filter((other) => other.from === from && other.facts.includes(fact)).length > 1;
  return guard && isFork ? [...facts, `[${guard}]`] : [...facts];
}

const nodeOf = (state: string, initial: string): ElkNode => ({
  id: state,
  width: Math.max(64, Math.ceil(state.length * 8.6 + 28)),
  height: stateHeight,
  layoutOptions: {
    'elk.layered.edgeRouting.selfLoopDistribution': 'EQUALLY',
    'elk.layered.edgeRouting.selfLoopOrdering': 'SEQUENCED',
    ...(state === initial ? { 'elk.layered.layering.layerConstraint': 'FIRST' } : {}),
  },
});

function edgeOf(arrow: Arrow, lines: readonly string[], i: number): ElkExtendedEdge {
  const width = Math.ceil(Math.max(0, ...lines.map((each) => lineText(arrow, each).length)) * letter + 4);
  return {
    id: String(i),
    sources: [arrow.from],
    targets: [arrow.to],
    labels: lines.length > 0 ? [{ text: lines.join(' '), width, height: lines.length * line + 2 }] : [],
    // The good way is drawn straight, the rest goes round it.
    layoutOptions: { 'elk.layered.priority.straightness': arrow.kind === 'good' ? '10' : '1' },
  };
}

function pointsOf(edge: ElkExtendedEdge | undefined): Point[] {
  const section = edge?.sections?.[0];
  if (!section) throw new Error(`no way was found for the arrow ${edge?.sources} → ${edge?.targets}`);
  return [section.startPoint, ...(section.bendPoints ?? []), section.endPoint].map(({ x, y }) => ({
    x: rounded(x),
    y: rounded(y),
  }));
}

function boxOf(shape: { x?: number; y?: number; width?: number; height?: number } | undefined): Box {
  if (!shape) throw new Error('the layout lacks a shape');
  const { x = 0, y = 0, width = 0, height = 0 } = shape;
  return { x: rounded(x), y: rounded(y), width: rounded(width), height: rounded(height) };
}

const rounded = (length: number): number => Math.round(length * 10) / 10;
