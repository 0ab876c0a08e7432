/** How the tour is told: a line a scenario for people, one document for programs. Test: `test/demo.serial.test.ts`. */
import type { Output } from '../cli/output.ts';
import { safeJson, visible } from '../cli/text.ts';
import type { Scenario } from './scenario.ts';
import type { Closed, Opened, Outcome } from './tour.ts';

/** Says what happens; `end` says how it all went. */
export interface Teller {
  begin(chosen: readonly Scenario[]): Promise<void>;
  opened(opened: Opened): Promise<void>;
  outcome(outcome: Outcome): Promise<void>;
  closed(closed: Closed): Promise<void>;
  end(whole: Whole): Promise<void>;
}

/** The whole tour. */
export interface Whole {
  readonly passed: boolean;
  readonly ms: number;
  readonly scenarios: readonly Outcome[];
  readonly controllers: readonly (Opened & Closed)[];
  /** Data directories that were kept. */
  readonly kept: readonly string[];
}

const nameWidth = 22;
/** Where the second line of a scenario begins. */
const indent = ' '.repeat(6 + nameWidth + 10);

/** For people. Colour and a second line only where a terminal asks for it: off it, one scenario is one line. */
export function tellPeople(
  out: Output,
  look: { readonly colour: boolean; readonly columns: number },
): Teller {
  const paint = (code: number, text: string): string =>
    look.colour ? `\u001b[${code}m${text}\u001b[0m` : text;
  const mark = (passed: boolean): string => paint(passed ? 32 : 31, passed ? 'PASS' : 'FAIL');
  // Not `out.line`: it would make our own colours and line ends visible. What comes from outside is made so here.
  const write = (text: string): Promise<void> => out.write(`${text}\n`);
  const more = async (findings: readonly string[]): Promise<void> => {
    for (const finding of findings) await write(`      ${visible(finding)}`);
  };
  return {
    begin: ({ length }) =>
      write(
        `${length} ${length === 1 ? 'scenario' : 'scenarios'} on fresh controllers, each judged by a second process`,
      ),
    opened: ({ fleet, setting, url }) => write(`\n${paint(1, setting)}  ${url}  ${fleet}: no GPU is touched`),
    async outcome(outcome) {
      const { findings, learns, ms, name, passed } = outcome;
      const seconds = `${(ms / 1_000).toFixed(1)} s`.padStart(7);
      const walk = walkText(outcome);
      const wide = indent.length + learns.length + 2 + walk.length > look.columns;
      const line = `${mark(passed)}  ${name.padEnd(nameWidth)} ${seconds}  ${learns}`;
      await write(`${line}${wide ? `\n${indent}` : '  '}${paint(2, walk)}`);
      await more(findings);
    },
    async closed({ facts, findings, passed, setting }) {
      const what =
        'stopped; every hash of its log verifies, every restart came to the same state, no slot is held';
      await write(
        `${mark(passed)}  ${setting} ${passed ? what : 'did not stop as it should'}: ${facts} facts`,
      );
      await more(findings);
    },
    async end({ kept, ms, passed, scenarios }) {
      const good = scenarios.filter((each) => each.passed).length;
      const count = `${good} of ${scenarios.length} scenarios passed in ${(ms / 1_000).toFixed(1)} s`;
      await write(`\n${paint(passed ? 32 : 31, count)}`);
      for (const path of kept) await write(`kept ${path}`);
      const next = passed
        ? 'npm start'
        : 'npx berth demo NAME --keep, then npx berth log tail --offline --data DIR/data';
      await write(`next: ${next}`);
    },
  };
}

/** For programs: nothing until the end, then all of it. */
export function tellPrograms(out: Output): Teller {
  const silent = async (): Promise<void> => undefined;
  return {
    begin: silent,
    opened: silent,
    outcome: silent,
    closed: silent,
    end: (whole) => out.write(`${safeJson(whole, 2)}\n`),
  };
}

/** The states of the first job, which is the one that the scenario is about. */
function walkText({ passed, walks }: Outcome): string {
  const [first] = Object.values(walks);
  if (first) return first.join(' > ');
  return passed ? 'refused at the door: no job' : 'no verdict';
}

/** The list of scenarios. */
export async function tellList(out: Output, scenarios: readonly Scenario[], machine: boolean): Promise<void> {
  if (machine) {
    const rows = scenarios.map(({ learns, name, setting }) => ({ name, setting, learns }));
    return out.write(`${safeJson(rows, 2)}\n`);
  }
  for (const { learns, name } of scenarios) await out.line(`${name.padEnd(nameWidth)} ${learns}`);
}
