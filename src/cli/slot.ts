/**
 * `berth slot …` and `berth queue`: capacity, who holds what, who waits and why.
 *
 * Why drain and not remove: running jobs end in peace, nothing new comes, and the log says who decided it.
 * Test: `test/cli/operator.test.ts`.
 */
import type { Command } from 'commander';
import type { QueueView } from '../views/queue-view.ts';
import type { GpuView } from '../views/slots-view.ts';
import type { Context } from './context.ts';
import { exits } from './exit.ts';
import { type Column, instantText } from './output.ts';
import { type Action, examples, type Run, verb } from './tree.ts';

/** Adds `berth slot` with its verbs, and `berth queue`. */
export function addSlotCommands(program: Command, run: Run): void {
  const slot = program.command('slot').description('GPUs, their slices, and who holds them');
  examples(verb(slot, 'list', 'every GPU: what is held, and where each profile could begin', run, list), [
    'berth slot list -o wide',
    'berth slot list --tenant admin   # with the names of all holders',
  ]);
  const drain = verb(
    slot,
    'drain <gpu>',
    'give this GPU nothing new; what runs on it may end',
    run,
    moveTo('drain'),
  );
  examples(reasonFlag(drain), ['berth slot drain gpu-0 --reason maintenance']);
  reasonFlag(verb(slot, 'restore <gpu>', 'let a drained GPU serve again', run, moveTo('restore')));
  const queue = verb(program, 'queue', 'who waits, in order, and why', run, showQueue);
  examples(queue, ['berth queue', 'berth queue -o json']);
}

const reasonFlag = (command: Command): Command =>
  command.option('--reason <text>', 'for the log', 'asked for by the operator');

const gpuColumns: readonly Column<GpuView>[] = [
  { name: 'gpu', value: ({ gpu }) => gpu },
  { name: 'board', value: ({ board }) => board },
  { name: 'state', value: ({ state }) => state },
  { name: 'slices', value: ({ slices, slicesHeld }) => `${slicesHeld}/${slices}`, right: true },
  { name: 'enforcement', value: ({ enforcement }) => enforcement },
  { name: 'held', value: ({ held }) => held.map(heldText).join('  ') || 'nothing' },
  {
    name: 'free profiles',
    value: ({ free }) => free.map(({ profile, starts }) => `${profile}@${starts.join(',')}`).join('  '),
    wide: true,
  },
];

function heldText({ holder, profile, start }: GpuView['held'][number]): string {
  return `${profile}@${start} ${holder === 'busy' ? 'busy' : `${holder.tenant}/${holder.job}`}`;
}

async function list(context: Context): Promise<number> {
  const client = await context.client();
  const { gpus } = await client.json<{ gpus: GpuView[] }>('GET', '/v1/slots');
  await context.out.rows(gpus, gpuColumns, 'no GPUs; name some: berth serve --fleet 2xH100-80GB');
  return exits.done;
}

function moveTo(verbName: 'drain' | 'restore'): Action<{ reason: string }> {
  return async (context, [gpu = ''], { reason }) => {
    const client = await context.adminClient();
    const sending = { body: JSON.stringify({ reason }), headers: { 'content-type': 'application/json' } };
    const view = await client.json<GpuView>(
      'POST',
      `/v1/slots/${encodeURIComponent(gpu)}/${verbName}`,
      sending,
    );
    await context.out.rows([view], gpuColumns, '');
    return exits.done;
  };
}

async function showQueue(context: Context): Promise<number> {
  const { out } = context;
  const client = await context.client();
  const view = await client.json<QueueView>('GET', '/v1/queue');
  if (out.machine) {
    await out.one(view, []);
    return exits.done;
  }
  const { classes, jobs, policy, runners, totals } = view;
  await out.line(
    `${totals.waitingOwn} of ${totals.waiting} waiting jobs are yours, bound ${totals.bound ?? 'not yet known'}; ` +
      `policy ${policy}; ${runners.busy} of ${runners.total} runners busy`,
  );
  if (jobs.length === 0) return exits.done;
  const reasons = (job: QueueView['jobs'][number]): string =>
    classes
      .filter(({ tenant, slot, gpus }) => tenant === job.tenant && slot === job.slot && gpus === job.gpus)
      .flatMap((each) => each.reasons.map(({ code }) => code))
      .join(' ');
  await out.rows(
    jobs,
    [
      { name: 'no', value: ({ position }) => String(position), right: true },
      { name: 'id', value: ({ id }) => id },
      { name: 'tenant', value: ({ tenant }) => tenant },
      { name: 'slot', value: ({ gpus, slot }) => `${gpus}×${slot}` },
      { name: 'since', value: ({ queuedAtMs }) => instantText(queuedAtMs) },
      { name: 'waits for', value: reasons },
    ],
    '',
  );
  if (totals.waitingOwn > jobs.length)
    out.note(`the first ${jobs.length}; one job's own reasons: berth job explain ${jobs[0]?.id}`);
  else out.note(`next: berth job explain ${jobs[0]?.id}`);
  return exits.done;
}
