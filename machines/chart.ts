/**
 * A machine as a drawing: its states as boxes, its transitions as arrows, with the coordinates of both.
 *
 * Why coordinates are data: a layout takes a library of a megabyte and half a second. It is made once, by `npm run
 * build:charts`, and written to `charts.ts`; whoever draws (page, SVG, terminal) only reads numbers.
 * Test: `test/machines/charts.test.ts`.
 */
import type { Kind, MachineName } from './words.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A rectangle; all lengths in the picture's own units, about CSS pixels. */
export interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

export interface ChartState {
  readonly name: string;
  /** Never left. */
  readonly isEnd: boolean;
  readonly box: Box;
}

/** One arrow: all facts of one kind that lead from one state to another under the same guard. */
export interface ChartEdge {
  readonly from: string;
  readonly to: string;
  readonly guard: string | null;
  readonly kind: Kind;
  /** Names of the facts, `job.` left out where all are a job's. */
  readonly facts: readonly string[];
  /** From the border of `from` to that of `to`, with right angles between. */
  readonly points: readonly Point[];
  /** The lines of its label and where they stand; null where the state it leads to says the same. */
  readonly label: { readonly lines: readonly string[]; readonly box: Box } | null;
}

export interface Chart {
  readonly machine: MachineName;
  readonly initial: string;
  readonly width: number;
  readonly height: number;
  /** In the order of the machine. */
  readonly states: readonly ChartState[];
  readonly edges: readonly ChartEdge[];
}

/** `started` for `job.started` where all facts are a job's; elsewhere the whole name tells slot from job. */
export const factName = (machine: MachineName, type: string): string =>
  machine === 'job' || machine === 'run' ? type.replace(/^job\./, '') : type;

/** The name by which the log knows the fact of an arrow. */
export const factType = (machine: MachineName, fact: string): string =>
  machine === 'job' || machine === 'run' ? `job.${fact}` : fact;

/** What stands before each line of a label: a failure has a sign of its own. */
export const lineText = ({ kind }: Pick<ChartEdge, 'kind'>, line: string): string =>
  kind === 'failure' && !line.startsWith('[') ? `! ${line}` : line;

/** A Mermaid state diagram, one arrow a line. */
export function mermaidOf({ initial, states, edges }: Pick<Chart, 'initial' | 'states' | 'edges'>): string {
  return [
    'stateDiagram-v2',
    `  [*] --> ${initial}`,
    ...edges.map(
      ({ from, to, guard, facts }) => `  ${from} --> ${to}: ${facts.join(', ')}${guard ? ` [${guard}]` : ''}`,
    ),
    ...states.filter(({ isEnd }) => isEnd).map(({ name }) => `  ${name} --> [*]`),
  ].join('\n');
}
