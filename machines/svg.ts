/**
 * A machine as one SVG file, for READMEs and for `berth machine show --svg`.
 *
 * Why colours stand inside and change with `prefers-color-scheme`: whoever embeds the file as a picture can't style it.
 * A failure is dashed and its label begins with `!`, so nothing is told by colour alone. Test: `test/machines/charts.test.ts`.
 */
import { type Chart, type ChartEdge, type ChartState, lineText, type Point } from './chart.ts';
import { stateWords, subjects } from './words.ts';

/** Radius of a corner, and length and half width of an arrow's head, units of the picture. */
const cornerMax = 6;
const headLength = 8;
const headHalf = 4;

/** The way of an arrow as the `d` of a path: corners rounded, and ending inside the head. */
export function wayOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return '';
  const parts = [`M${first.x} ${first.y}`];
  for (const [i, corner] of rest.entries()) {
    const before = points[i]!;
    const after = rest[i + 1];
    if (after) {
      const from = towards(corner, before, cornerMax);
      const to = towards(corner, after, cornerMax);
      parts.push(`L${from.x} ${from.y}Q${corner.x} ${corner.y} ${to.x} ${to.y}`);
    } else {
      const end = towards(corner, before, headLength - 2);
      parts.push(`L${end.x} ${end.y}`);
    }
  }
  return parts.join('');
}

/** The head of an arrow as the `d` of a path: a triangle whose tip is the last point. */
export function headOf(points: readonly Point[]): string {
  const tip = points.at(-1);
  const before = points.at(-2);
  if (!tip || !before) return '';
  const length = Math.hypot(tip.x - before.x, tip.y - before.y) || 1;
  const along = { x: (tip.x - before.x) / length, y: (tip.y - before.y) / length };
  const foot = (side: 1 | -1): string =>
    `${fixed(tip.x - along.x * headLength - side * along.y * headHalf)} ${fixed(tip.y - along.y * headLength + side * along.x * headHalf)}`;
  return `M${tip.x} ${tip.y}L${foot(1)}L${foot(-1)}z`;
}

/** The point so far from `corner` on the way to `other`, at most half of that way. */
function towards(corner: Point, other: Point, distance: number): Point {
  const length = Math.hypot(other.x - corner.x, other.y - corner.y);
  const part = length === 0 ? 0 : Math.min(distance, length / 2) / length;
  return {
    x: fixed(corner.x + (other.x - corner.x) * part),
    y: fixed(corner.y + (other.y - corner.y) * part),
  };
}

const style = [
  ':root{--bg:#fff;--text:#1a1f27;--soft:#4d5766;--line:#8b95a5;--good:#176b3a;--bad:#b3261e;--fill:#eceff3}',
  '@media (prefers-color-scheme:dark){:root{--bg:#1c2027;--text:#e6e9ee;--soft:#a9b3c1;--line:#7c8797;--good:#6fd397;--bad:#ff938a;--fill:#262c35}}',
  'text{font-family:ui-monospace,"DejaVu Sans Mono",monospace;fill:var(--text)}',
  '.s{font-size:14px;text-anchor:middle}.l{font-size:12px;text-anchor:middle}',
  '.l.g,.l.o{fill:var(--soft)}.l.f{fill:var(--bad)}',
  'path{fill:none;stroke-width:1.3}path.g{stroke:var(--good);stroke-width:2.4}path.f{stroke:var(--bad);stroke-dasharray:5 3}path.o{stroke:var(--line)}',
  'rect{fill:var(--fill);stroke:var(--soft)}rect.e{stroke-width:2.5}rect.b{fill:var(--bg);stroke:none}',
  'path.h{stroke:none}path.h.g{fill:var(--good)}path.h.f{fill:var(--bad)}path.h.o{fill:var(--line)}',
].join('\n');

/** The whole file, ending with a line break. */
export function svgOf(chart: Chart): string {
  const { machine, width, height, states, edges } = chart;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t">`,
    `<title id="t">The machine of ${subjects[machine]}: ${states.length} states, ${edges.length} arrows</title>`,
    `<style>\n${style}\n</style>`,
    `<rect class="b" width="${width}" height="${height}"/>`,
    ...edges.map(wayElement),
    ...edges.map(labelElement).filter((text) => text !== ''),
    ...states.map((state) => stateElement(chart, state)),
    '</svg>',
    '',
  ].join('\n');
}

const classOf = ({ kind }: ChartEdge): string => kind.slice(0, 1);

function wayElement(edge: ChartEdge): string {
  const kind = classOf(edge);
  const { from, to, facts, guard } = edge;
  const title = `${from} → ${to}: ${facts.join(', ')}${guard ? ` [${guard}]` : ''}`;
  return (
    `<g><title>${title}</title><path class="${kind}" d="${wayOf(edge.points)}"/>` +
    `<path class="h ${kind}" d="${headOf(edge.points)}"/></g>`
  );
}

function labelElement(edge: ChartEdge): string {
  if (!edge.label) return '';
  const { lines, box } = edge.label;
  const middle = box.x + box.width / 2;
  const texts = lines.map(
    (line, i) =>
      `<text class="l ${classOf(edge)}" x="${fixed(middle)}" y="${fixed(box.y + 12.5 + i * 15)}">${lineText(edge, line)}</text>`,
  );
  return `<rect class="b" x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}"/>${texts.join('')}`;
}

function stateElement({ machine }: Chart, { name, isEnd, box }: ChartState): string {
  const { waits, watchdog } = stateWords(machine, name);
  const title = `${name}: ${waits}${watchdog ? `; watchdog: ${watchdog}` : ''}`;
  return (
    `<g><title>${title}</title><rect${isEnd ? ' class="e"' : ''} x="${box.x}" y="${box.y}" width="${box.width}" height="${box.height}" rx="${isEnd ? 15 : 5}"/>` +
    `<text class="s" x="${fixed(box.x + box.width / 2)}" y="${fixed(box.y + 20)}">${name}</text></g>`
  );
}

const fixed = (n: number): number => Math.round(n * 10) / 10;
