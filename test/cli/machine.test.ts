import * as assert from 'uvu/assert';
import { charts } from '../../machines/charts.ts';
import { machineNames } from '../../machines/words.ts';
import { drawingOf } from '../../src/cli/machine.ts';
import { suite } from '../suite.ts';
import { Berth, guest, run } from './berth.ts';

const t = suite('cli/machine');
const slow = { limitMs: 60_000 };

interface Shown {
  readonly machine: string;
  readonly state?: string;
  readonly states: readonly { readonly name: string; readonly waits: string }[];
  readonly rows: readonly {
    readonly from: string;
    readonly fact: string;
    readonly to: string;
    readonly walked?: number;
  }[];
}

t('the drawing of each machine has every state and every transition', () => {
  for (const name of machineNames) {
    const { states, edges } = charts[name];
    const text = drawingOf(charts[name], null).join('\n');
    for (const state of states) assert.match(text, new RegExp(`^[○■] ${state.name}  \\S`, 'm'));
    assert.is(text.match(/^ {4}.*(?:→ \w|↺ stays)/gm)?.length, edges.flatMap(({ facts }) => facts).length);
  }
});

t(
  'list names the four machines, show draws one without colour or control',
  async () => {
    const [listed, shown] = await Promise.all([
      run(['machine', 'list', '-o', 'json']),
      run(['machine', 'show', 'run'], { env: { NO_COLOR: '1' } }),
    ]);
    const rows = JSON.parse(listed.text) as { name: string }[];
    assert.equal(
      rows.map(({ name }) => name),
      [...machineNames],
    );
    assert.is(shown.text, `${drawingOf(charts.run, null).join('\n')}\n`);
    assert.not(shown.text.includes('\u001b'));
  },
  slow,
);

t(
  'as JSON it gives states and rows, as Mermaid and SVG the pictures of the README',
  async () => {
    const [json, line, mermaid, svg] = await Promise.all([
      run(['machine', 'show', 'slot', '-o', 'json']),
      run(['machine', 'show', 'slot', '-o', 'jsonl']),
      run(['machine', 'show', 'slot', '--mermaid']),
      run(['machine', 'show', 'slot', '--svg']),
    ]);
    const shown = JSON.parse(json.text) as Shown;
    assert.equal(JSON.parse(line.text), shown);
    assert.is(shown.machine, 'slot');
    assert.equal(
      shown.states.map(({ name }) => name),
      ['absent', 'serving', 'draining', 'drained'],
    );
    assert.ok(
      shown.rows.some(({ from, fact, to }) => `${from} ${fact} ${to}` === 'serving slot.drained drained'),
    );
    assert.match(
      mermaid.text,
      /^stateDiagram-v2\n {2}\[\*\] --> absent\n {2}absent --> serving: slot\.added\n/,
    );
    assert.match(svg.text, /^<svg [^>]*>\n<title /);
    assert.match(svg.text, /<\/svg>\n$/);
  },
  slow,
);

t(
  'what is no machine, and flags that exclude each other, are exit 2 with the next command',
  async () => {
    const cases: [string[], RegExp][] = [
      [['show', 'tenant'], /tenant: must be one of job, run, slot, controller\nnext: berth machine list\n$/],
      [['show', 'slot', '--job', 'x'], /not with slot\nnext: berth machine show job --job x\n$/],
      [['show', 'job', '--svg', '--mermaid'], /cannot be used with.*\nnext: berth machine show --help\n$/],
      [['show'], /missing required argument 'machine'\nnext: berth machine show --help\n$/],
    ];
    const ran = await Promise.all(cases.map(([args]) => run(['machine', ...args])));
    for (const [i, { code, text, stderr }] of ran.entries()) {
      assert.is(code, 2, stderr);
      assert.is(text, '');
      assert.match(stderr, cases[i]?.[1] ?? /never/);
    }
  },
  slow,
);

t(
  'with --job the state of the job is lit, and the path it took is marked',
  async () => {
    const berth = await Berth.begin();
    try {
      const id = await berth.submit([guest('trap'), '--attempts', '2', '--backoff-ms', '100']);
      assert.is((await berth.run(['job', 'watch', id])).code, 3);
      const { text, stderr } = await berth.run(['machine', 'show', 'job', '--job', id]);
      assert.match(text, new RegExp(`^▶ failed .*◀ job ${id} is here$`, 'm'), stderr);
      assert.match(text, /^ {2}✔ ! crashed +→ releasing +executor +×2, seq \d+$/m);
      const shown = JSON.parse(
        (await berth.run(['machine', 'show', 'job', '--job', id, '-o', 'json'])).text,
      ) as Shown;
      assert.is(shown.state, 'failed');
      const walked = shown.rows.filter((row) => row.walked! > 0);
      const facts = JSON.parse((await berth.run(['job', 'history', id, '-o', 'json'])).text) as unknown[];
      assert.is(
        walked.reduce((sum, row) => sum + row.walked!, 0),
        facts.length,
        'each fact took one row',
      );
      const foreign = await berth.run(['machine', 'show', 'job', '--job', id, '--tenant', 'globex']);
      assert.is(foreign.code, 1);
      assert.match(foreign.stderr, /^error ERR_NOT_FOUND: .*\nnext: /);
    } finally {
      await berth.remove();
    }
  },
  slow,
);

t.run();
