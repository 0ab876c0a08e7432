import * as assert from 'uvu/assert';
import type { JobView } from '../../src/views/job-view.ts';
import type { FactView } from '../../src/views/log-view.ts';
import { suite } from '../suite.ts';
import { Berth, ended, guest, lineOf } from './berth.ts';

const t = suite('cli/job');
const slow = { limitMs: 60_000 };
let berth: Berth;
/** A job that succeeded. */
let good = '';

t.before(async () => {
  berth = await Berth.begin();
});
t.after(() => berth.remove());

t(
  'a good job has nine facts, in order',
  async () => {
    // The tests below look at this one, too.
    good = await berth.submit([guest('hello'), '--label', 'kind=good', '--name', 'greeting', '--', 'you']);
    assert.is((await berth.run(['job', 'watch', good])).code, 0);
    const facts = JSON.parse((await berth.run(['job', 'history', good, '-o', 'json'])).text) as FactView[];
    const names = facts.map(({ type }) => type.replace('job.', ''));
    assert.is(
      names.join(' '),
      'submitted attested queued selected reserved started exited released succeeded',
    );
    const lines = (await berth.run(['job', 'history', good, '-o', 'jsonl'])).text.trimEnd().split('\n');
    assert.equal(
      lines.map((line) => JSON.parse(line) as unknown),
      facts,
    );
    const table = (await berth.run(['job', 'history', good])).text.trimEnd().split('\n');
    assert.is(table.length, 10);
    assert.match(table[0] ?? '', /^SEQ +AFTER MS +FACT +AUTHOR +WHAT$/);
    assert.match(table[5] ?? '', /reserved +slots .*gpu-0 1g\.10gb@0/);
  },
  slow,
);

t(
  'get shows one job, in every format the same one',
  async () => {
    const table = await berth.run(['job', 'get', good]);
    assert.match(table.text, new RegExp(`^id +${good}\ntenant +acme\nstate +succeeded\n`));
    const json = JSON.parse((await berth.run(['job', 'get', good, '--json'])).text) as JobView;
    const line = JSON.parse((await berth.run(['job', 'get', good, '-o', 'jsonl'])).text) as JobView;
    assert.equal(json, line);
    assert.equal([json.id, json.state, json.spec.name], [good, 'succeeded', 'greeting']);
  },
  slow,
);

t(
  'list filters, and shows the same jobs in every format',
  async () => {
    const rows = JSON.parse(
      (await berth.run(['job', 'list', '--label', 'kind=good', '-o', 'json'])).text,
    ) as JobView[];
    assert.equal(
      rows.map(({ id }) => id),
      [good],
    );
    const lines = await berth.run(['job', 'list', '--label', 'kind=good', '-o', 'jsonl']);
    assert.equal(JSON.parse(lines.text), rows[0]);
    const wide = await berth.run(['job', 'list', '--label', 'kind', '-o', 'wide']);
    assert.match(wide.text, /^ID .*LABELS\n.*greeting +kind=good\n$/);
    const none = await berth.run(['job', 'list', '--state', 'failed']);
    assert.equal([none.code, none.text], [0, '']);
    const wrong = await berth.run(['job', 'list', '--state', 'lost']);
    assert.is(wrong.code, 1);
    assert.match(wrong.stderr, /^error ERR_BAD_REQUEST: .*state/);
  },
  slow,
);

t(
  'result gives the bytes; of an unknown job, a foreign one and one that failed it says why not',
  async () => {
    assert.is((await berth.run(['job', 'result', good])).text, 'hello you\n');
    const unknown = await berth.run(['job', 'result', 'zzzzzzzzzzzzzzzzzzzz']);
    assert.is(unknown.code, 1);
    assert.match(
      unknown.stderr,
      /^error ERR_NOT_FOUND: no job zzzzzzzzzzzzzzzzzzzz\nnext: list what there is: berth job list\n$/,
    );
    const foreign = await berth.run(['job', 'result', good, '--tenant', 'globex']);
    assert.is(
      foreign.stderr,
      unknown.stderr.replaceAll('zzzzzzzzzzzzzzzzzzzz', good),
      'a foreign job looks as an unknown one',
    );
    const failed = await berth.submit([guest('trap')]);
    await berth.run(['job', 'watch', failed]);
    const resultless = await berth.run(['job', 'result', failed]);
    assert.is(resultless.code, 3);
    assert.match(
      resultless.stderr,
      new RegExp(`^error ERR_GUEST_TRAP: job ${failed} failed: .*\nnext: berth job history ${failed}`),
    );
  },
  slow,
);

t(
  'a running job can be looked at, explained, watched and cancelled',
  async () => {
    const id = await berth.submit([guest('loop'), '--wall-ms', '60000']);
    const behind = await berth.submit([guest('noop')]);
    const watching = berth.start(['job', 'watch', id, '-o', 'jsonl']);
    const watched = ended(watching);
    await lineOf(watching.stdout, /"job\.started"/);
    const early = await berth.run(['job', 'result', id]);
    assert.is(early.code, 1);
    assert.match(early.stderr, new RegExp(`^error ERR_NOT_YET: .*\nnext: berth job watch ${id}\n$`));
    const explained = await berth.run(['job', 'explain', behind]);
    assert.match(explained.text, new RegExp(`^job ${behind} is queued, number 1 in the queue\n`));
    assert.match(explained.text, /health +NoExecutor +all 1 runners are busy/);
    const queue = await berth.run(['queue']);
    assert.match(queue.text, new RegExp(`1 of 1 waiting jobs are yours.*\n.*\n +1 +${behind}.*NoExecutor`));
    assert.is((await berth.run(['job', 'cancel', id])).code, 0);
    const { code } = await watched;
    assert.is(code, 3);
    const again = await berth.run(['job', 'cancel', good]);
    assert.is(again.code, 1);
    assert.match(again.stderr, new RegExp(`^error ERR_JOB_ENDED: .*\nnext: berth job get ${good}\n$`));
  },
  slow,
);

t(
  'logs are what the guest wrote to stderr, and attestation what was verified',
  async () => {
    const logs = await berth.run(['job', 'logs', good]);
    assert.equal([logs.code, logs.text], [0, '']);
    const attestation = await berth.run(['job', 'attestation', good]);
    assert.is(attestation.code, 0, attestation.stderr);
    assert.match(attestation.text, /^affirms +true\n/);
    assert.match(attestation.text, /hardware +.*simulated/);
    const json = JSON.parse((await berth.run(['job', 'attestation', good, '-o', 'json'])).text) as {
      report: string;
    };
    assert.match(json.report, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  },
  slow,
);

t.run();
